// What is stored and becomes a header can make no other one, whoever stored it; and names that no URL can have are refused.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Room, Wire } from "../harness/files.mjs";
import { startServer } from "../harness/server.mjs";

const SPLIT = "text/html\r\nX-Injected: yes\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n<script>";
const sql = (text) => `e'${[...Buffer.from(text)].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("")}'`;
let server;
after(() => server?.stop());
server = await startServer();
const w = new Room(server);

test("a row that is there already, made past all checks", async () => {
	await w.put("s/downloads/f", "abc", { type: "text/plain" });
	for (const type of [SPLIT, "text/plain\nX-Injected: yes", "text/plain\rX-Injected: yes", "text/plain\x7f", "text/\x01", "text/é"]) {
		server.psql(`update app.file set mime_type = ${sql(type)} where name = 'f'`);
		for (const headers of [{}, { "If-Match": "*" }, { Range: "bytes=0-0" }, { "Sec-Fetch-Dest": "document" }])
			for (const method of ["GET", "HEAD"]) {
				const answer = await w.ask(method, "s/downloads/f", headers.Range ? 206 : 200, { headers });
				assert.equal(answer.headers["content-type"], "application/octet-stream", type);
				assert.equal(answer.headers["x-injected"], undefined, type);
				if (method === "GET") assert.equal(answer.text, headers.Range ? "a" : "abc", type);
			}
	}
});

test("functions that a DBA calls refuse it", () => {
	const put = (session, name, type) => server.psql(`select api.file_put('dba', ${sql(session)}, 'downloads', ${sql(name)}, gen_random_uuid(), 1, ${sql(type)}, sha256('x'))`);
	assert.throws(() => put("s", "f", SPLIT), /media type that can't be/);
	for (const [session, name] of [["s", "a\nb"], ["s", ".."], ["s", "."], ["..", "f"], ["s", "a/b"], ["a/b", "f"], ["s", "\x7f"]])
		assert.throws(() => put(session, name, "a/b"), /name that can't be/, `${session} ${name}`);
	put("s", "a b é😀", "a/b");
});

test("an upload can't bring it", async () => {
	for (const type of ["text/plain\x01", "text/\x7f", "text/\xe9"]) {
		const wire = await Wire.open(server);
		await wire.head("PUT", `${w.base}s/downloads/g`, { "Content-Type": type, "Content-Length": "1" });
		const answer = await wire.answer("PUT");
		assert.equal(answer.status, 400, JSON.stringify(type));
		wire.close();
	}
});

test("names end up in headers escaped", async () => {
	const name = 'a"; filename=x.exe\\é😀.html';
	await w.put(`s/downloads/${encodeURIComponent(name)}`, "x", { type: "text/html" });
	const { headers } = await w.get(`s/downloads/${encodeURIComponent(name)}`);
	assert.match(headers["content-disposition"], /^attachment; filename="[^"\\%]*"; filename\*=UTF-8''[\w.~%-]+$/);
	for (const bad of ["%0d%0aX-Injected:%20yes", "a%0ab", "a%00b"])
		for (const target of [`/files/w/s/downloads/${bad}`, `/files/w/${bad}/downloads?limit=1`, `/files/${bad}/s/downloads`, `/assets/w/${bad}`, `/workspace/${bad}/sessions`]) {
			const answer = await server.request(target);
			assert.ok([200, 400, 404].includes(answer.status), `${target}: ${answer.status}`);
			assert.equal(answer.headers["x-injected"], undefined);
		}
});

test(". and .. are no names", async () => {
	for (const name of ["%2e", "%2e%2e", "%2E."])
		for (const [method, target] of [["GET", `/workspace/w/sessions/${name}`], ["GET", `/workspace/w/sessions/${name}/plans`], ["GET", `/workspace/w/sources/${name}`],
			["GET", `/workspace/w/sessions/s/plans/${name}`], ["GET", `/workspace/w/sandbox/sessions/${name}`], ["DELETE", `/files/w/${name}`],
			["PUT", `/files/w/s/downloads/${name}`], ["GET", `/files/w/${name}/downloads/x`], ["PUT", `/assets/w/a/${name}`], ["GET", `/files/w/s/downloads/${name}`]]) {
			const { status, text } = await server.request(target, { method, ...(method === "PUT" && { body: "x" }) });
			// nginx itself takes them out of the path before it looks who answers: what then isn't ours any more is 404.
			assert.ok(status === 400 || (status === 404 && !/downloads\/%|sessions\/%2e$/i.test(target)), `${method} ${target}: ${status} ${text}`);
		}
	for (const sessionId of [".", ".."])
		for (const action of ["flag-session", "unflag-session", "rename-session", "delete-session"]) {
			const { status, json } = await server.request(`/workspace/w/actions/${action}`, { method: "POST", body: { sessionId, name: "x" } });
			assert.deepEqual([status, json.error], [400, "Invalid sessionId: it is . or .., which no URL can name"], action);
		}
	for (const workspaceSlug of [".", ".."]) {
		for (const [target, more] of [["check", { repoUrl: "https://github.com/o/r" }], ["create", { branch: "main" }]]) {
			const { status, json } = await server.request(`/api/sandbox/${target}`, { method: "POST", body: { workspaceSlug, repoKey: "o/r", ...more } });
			assert.equal(status, 400, JSON.stringify(json));
			assert.match(json.error, /^Invalid workspaceSlug/);
		}
		assert.equal((await server.request(`/oauth/github?workspaceSlug=${workspaceSlug}&repoKey=o/r&redirectUri=craft-agent://x`)).status >= 400, true);
	}
});
