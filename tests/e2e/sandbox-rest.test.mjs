// The REST interface of sandboxes, with the real nginx, craft-fcgi and PostgreSQL: make one, look at it, keep it alive, end
// it; limits, bad input, and what a client is told when there is no host. The host is played through SQL.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, test } from "node:test";
import { quote, startRig } from "../harness/oauth.mjs";
import { ownMs } from "../harness/pace.mjs";
import { PlayedHost } from "../harness/sandbox_stream.mjs";
import { waitFor } from "../harness/server.mjs";

const MAX = 3;
const IDLE = 600;
const REPO = "alice/notes";
let rig;
after(() => rig?.stop());
rig = await startRig({ people: ["alice"], env: { SANDBOX_WORKSPACE_MAX: String(MAX), SANDBOX_IDLE_TIMEOUT: String(IDLE) } });
const { github, server } = rig;
await github.addRepo(REPO, { private: true });
await github.addRepo("alice/other", { private: true });
let host = await PlayedHost.alone(server);

let counter = 0;
// Of names that URLs have to escape.
const fresh = () => `räst ${process.pid}/${++counter}`;
const post = (body, options) => server.request("/api/sandbox/create", { method: "POST", body, ...options });
const create = (workspaceSlug, more) => post({ workspaceSlug, repoKey: REPO, branch: "main", ...more });
const at = (slug, id, rest = "") => `/api/sandbox/${encodeURIComponent(slug)}/${encodeURIComponent(id)}${rest}`;
const status = (slug, id, options) => server.request(at(slug, id, "/status"), options);
const heartbeat = (slug, id, options) => server.request(at(slug, id, "/heartbeat"), { method: "POST", ...options });
const remove = (slug, id, options) => server.request(at(slug, id), { method: "DELETE", ...options });
const terminate = (slug, id, options) => server.request(at(slug, id, "/terminate"), { method: "POST", ...options });
const made = () => server.psqlValue("select count(*) from app.sandbox_session");
const session = (id, what) => server.psqlValue(`select ${what} from app.sandbox_session where id = ${quote(id)}`);

async function workspace() {
	const slug = fresh();
	await rig.authorize(slug, REPO, "alice");
	host.beat();
	return slug;
}

async function sandbox(slug, more) {
	const answer = await create(slug, more);
	assert.equal(answer.status, 200, answer.text);
	return answer.json.sessionId;
}

// An answer that is that error.
function refused(answer, code, text, what) {
	rig.assertRefused(answer, code, /./, what);
	if (typeof text === "string") assert.deepEqual(answer.json, { error: text }, what);
	else assert.match(answer.json.error, text, what);
}

const succeeded = (answer) => assert.deepEqual([answer.status, answer.text], [200, '{"success":true}']);

// ---- the way through ----

test("made, looked at, kept alive, ended", async () => {
	const slug = await workspace();
	const before = Date.now();
	const answer = await create(slug, { branch: "feature/x" });
	assert.equal(answer.status, 200, answer.text);
	assert.match(answer.headers["content-type"], /^application\/json\b/);
	const { sessionId, sandboxId, wsUrl } = answer.json;
	assert.deepEqual(Object.keys(answer.json), ["sessionId", "sandboxId", "wsUrl"]);
	assert.match(sessionId, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
	assert.equal(sandboxId, sessionId.slice(0, 8));
	assert.equal(wsUrl, `wss://127.0.0.1:${server.port}/workspace/${encodeURIComponent(slug)}/sandbox/ws/${sessionId}`);

	const first = await status(slug, sessionId);
	assert.equal(first.status, 200, first.text);
	const { createdAt, lastActivityAt, expiresAt, ...rest } = first.json;
	assert.deepEqual(rest, { sessionId, repoKey: REPO, sandboxId, branch: "feature/x", status: "provisioning" });
	assert.ok(createdAt >= before - 1000 && createdAt <= Date.now() + 1000, "createdAt");
	assert.equal(lastActivityAt, createdAt);
	assert.equal(expiresAt - createdAt, IDLE * 1000);
	const list = await server.request(`/workspace/${encodeURIComponent(slug)}/sandbox/sessions`);
	assert.deepEqual(list.json, [first.json]);

	const same = await status(slug, sessionId, { headers: { "If-None-Match": first.headers.etag } });
	assert.equal(same.status, 304);
	server.psql(`update app.sandbox_session set last_activity_at = last_activity_at - interval '1 minute', expires_at = now() where id = ${quote(sessionId)}`);
	succeeded(await heartbeat(slug, sessionId));
	const { json } = await status(slug, sessionId, { headers: { "If-None-Match": first.headers.etag } });
	assert.ok(json.lastActivityAt >= createdAt && json.expiresAt - json.lastActivityAt === IDLE * 1000, "a heartbeat");

	succeeded(await remove(slug, sessionId));
	assert.equal((await status(slug, sessionId)).json.status, "expired");
	refused(await heartbeat(slug, sessionId), 410, "Sandbox session expired");
	succeeded(await remove(slug, sessionId));
	assert.equal(session(sessionId, "end_reason"), "user");
});

test("a host gets what is made, and says what becomes of it", async () => {
	const slug = await workspace();
	const id = await sandbox(slug, { branch: "x;id" });
	const claimed = server.psql(`select session, workspace, repo_key, branch from api.sandbox_claim('${host.id}', 1000)`);
	assert.deepEqual(claimed.find(([one]) => one === id), [id, slug, REPO, "x;id"]);
	assert.equal((await status(slug, id)).json.status, "cloning");
	server.psql(`select api.sandbox_state('${host.id}', '${id}', 'ready', null, 'c0ffee')`);
	assert.equal((await status(slug, id)).json.status, "ready");
	server.psql(`select api.sandbox_end('${host.id}', '${id}', 'clone', 'No such branch: "x;id"')`);
	const { json } = await status(slug, id);
	assert.deepEqual([json.status, json.error], ["expired", 'No such branch: "x;id"']);
	server.psql(`select api.sandbox_cleaned('${host.id}', '${id}')`);
	server.psql(`update app.sandbox_session set ended_at = now() - interval '1 hour' where id = '${id}'`);
	server.psql("select api.sandbox_sweep(86400, 600)");
	for (const answer of [await status(slug, id), await heartbeat(slug, id)]) refused(answer, 404, "Sandbox session not found");
	assert.deepEqual((await remove(slug, id)).json, { success: true });
});

test("a deleted one goes to its host at once", async () => {
	const slug = await workspace();
	const id = await sandbox(slug);
	server.psql(`select api.sandbox_claim('${host.id}', 1000)`);
	succeeded(await remove(slug, id));
	assert.deepEqual(server.psql(`select reason from api.sandbox_ending('${host.id}') where session = '${id}'`), [["user"]]);
});

test("PUBLIC_URL, or the Host that the client used, is in wsUrl", async (t) => {
	const slug = await workspace();
	const named = await create(slug);
	assert.ok(named.json.wsUrl.startsWith("wss://127.0.0.1:"), named.json.wsUrl);
	const other = await post({ workspaceSlug: slug, repoKey: REPO, branch: "main" }, { headers: { Host: "craft.example:444" } });
	assert.equal(other.json.wsUrl, `wss://craft.example:444/workspace/${encodeURIComponent(slug)}/sandbox/ws/${other.json.sessionId}`);
	t.after(() => rig.reconfigure({ PUBLIC_URL: null }).then(again));
	await rig.reconfigure({ PUBLIC_URL: "http://box.example/below/it" });
	await again();
	const set = await create(slug);
	assert.equal(set.json.wsUrl, `ws://box.example/below/it/workspace/${encodeURIComponent(slug)}/sandbox/ws/${set.json.sessionId}`);
});

// After a restart there is another host beside ours, which would take what we make.
async function again() {
	server.psql(`select api.host_end('${host.id}')`);
	host = await PlayedHost.alone(server);
}

// ---- refused ----

test("missing and wrong parameters", async () => {
	const slug = await workspace();
	const before = made();
	const good = { workspaceSlug: slug, repoKey: REPO, branch: "main" };
	for (const name of Object.keys(good)) {
		const { [name]: _, ...without } = good;
		for (const body of [without, { ...good, [name]: null }, { ...good, [name]: "" }])
			refused(await post(body), 400, "Missing required parameters", JSON.stringify(body));
		for (const value of [1, true, [], {}, ["main"], "\u0000", "\ud800"])
			refused(await post({ ...good, [name]: value }), 400, new RegExp(`^Invalid ${name}`), `${name}: ${JSON.stringify(value)}`);
	}
	for (const repoKey of ["alice", "alice/", "/notes", "alice/notes/x", "../notes", "alice/..", "alice/notes.git", "a b/c", "https://github.com/alice/notes"])
		refused(await create(slug, { repoKey }), 400, /^Invalid repoKey/, repoKey);
	for (const branch of ["-u", "--upload-pack=id", "../x", "a..b", "x.lock", ".x", "a/.x", "a//b", "/a", "a/", "a.", "@", "@{-1}", "HEAD", "a b", "a\nb", "a\u007f",
		"a~1", "a^", "a:b", "a?", "a*", "a[", "a\\b", "x".repeat(256), "é".repeat(128)])
		refused(await create(slug, { branch }), 400, /^Invalid branch/, branch);
	refused(await create("w".repeat(1025)), 400, /^Invalid workspaceSlug/);
	for (const [body, what] of [["", "nothing"], ["{", "half"], ["[]", "an array"], ['"x"', "a text"], ["null", "null"], ["{}{}", "two"]])
		refused(await post(body), 400, /./, what);
	refused(await post({ ...good, more: "x".repeat(70000) }), 413, /./);
	assert.equal(made(), before, "nothing was made");
});

test("branches with signs that a shell would know are names like others", async () => {
	for (const branch of ["x;id", "$(id)", "`id`", "a|b", "a&b", "a'b\"c", "é/ü", "x".repeat(255)]) {
		const slug = await workspace();
		const id = await sandbox(slug, { branch });
		assert.equal((await status(slug, id)).json.branch, branch);
		assert.equal(session(id, "branch"), branch);
	}
});

test("without a credential that is good", async () => {
	const slug = await workspace();
	const before = made();
	const text = "No GitHub credentials for this repo";
	refused(await create(slug, { repoKey: "alice/other" }), 403, text, "another repository");
	refused(await create(fresh()), 403, text, "another workspace");
	refused(await create(slug, { repoKey: "ALICE/other" }), 403, text, "in other case");
	server.psql(`update app.credential c set invalid_at = now() from app.workspace w where w.id = c.workspace_id and w.slug = ${quote(slug)}`);
	refused(await create(slug), 403, text, "refused by GitHub");
	server.psql(`update app.credential c set invalid_at = null, sealed = 'x' || sealed from app.workspace w where w.id = c.workspace_id and w.slug = ${quote(slug)}`);
	refused(await create(slug), 403, text, "that doesn't open");
	assert.equal(made(), before, "nothing was made");
	await rig.authorize(slug, REPO, "alice");
	await sandbox(slug, { repoKey: "Alice/NOTES" });
});

test("no key, the wrong key, the wrong method", async () => {
	const slug = await workspace();
	const id = await sandbox(slug);
	for (const key of [null, "wrong-key-wrong-key"])
		for (const answer of [await post({}, { key }), await status(slug, id, { key }), await heartbeat(slug, id, { key }), await remove(slug, id, { key })])
			refused(answer, 401, "Unauthorized");
	for (const [target, methods] of [["/api/sandbox/create", "POST"], [at(slug, id), "DELETE"], [at(slug, id, "/status"), "GET, HEAD"], [at(slug, id, "/heartbeat"), "POST"]])
		for (const method of ["GET", "POST", "PUT", "DELETE"].filter((one) => !methods.includes(one))) {
			const answer = await server.request(target, { method });
			refused(answer, 405, /./, `${method} ${target}`);
			assert.equal(answer.headers.allow, methods);
		}
	for (const target of ["/api/sandbox/create", at(slug, id), at(slug, id, "/heartbeat")])
		assert.equal((await server.request(target, { method: "OPTIONS", key: null })).status, 204, target);
	assert.equal(session(id, "ended_at is null"), "t");
});

test("sessions that are unknown or of another workspace", async () => {
	const [slug, other] = [await workspace(), await workspace()];
	const id = await sandbox(slug);
	const text = "Sandbox session not found";
	for (const [where, what] of [[other, id], [fresh(), id], [slug, randomUUID()], [slug, "x"], [slug, id.toUpperCase()], [slug, `${id}x`], [slug, "'; select 1 --"], [slug, "a/b"],
		[slug, "x".repeat(1024)]])
		{
			for (const answer of [await status(where, what), await heartbeat(where, what)]) refused(answer, 404, text, what);
			// What isn't there need not be ended (PROTOCOL section 6).
			for (const answer of [await remove(where, what), await terminate(where, what)]) {
				assert.equal(answer.status, 200, what);
				assert.equal(answer.text, '{"success":true}');
			}
		}
	assert.equal(session(id, "ended_at is null"), "t");
	assert.equal((await server.request(at(slug, id, "/"))).status, 404);
	assert.equal((await server.request(at(slug, id, "/else"))).status, 404);
});

test("bodies that a heartbeat and a deletion don't need do no harm", async () => {
	const slug = await workspace();
	const id = await sandbox(slug);
	for (const body of ["", "{}", "no JSON", "x".repeat(100000)]) succeeded(await heartbeat(slug, id, { body }));
	succeeded(await remove(slug, id, { body: "{}" }));
});

// ---- limits ----

test("a workspace has so many, and a place is free when one ends", async () => {
	const slug = await workspace();
	const ids = [];
	for (let i = 0; i < MAX; i++) ids.push(await sandbox(slug));
	refused(await create(slug), 429, new RegExp(`\\b${MAX} sandboxes.*SANDBOX_WORKSPACE_MAX.*delete one`));
	await sandbox(await workspace());
	succeeded(await remove(slug, ids[1]));
	await sandbox(slug);
	refused(await create(slug), 429, /SANDBOX_WORKSPACE_MAX/);
});

test("many at once get no more places than there are", async () => {
	const slug = await workspace();
	const answers = await Promise.all(Array.from({ length: 12 }, () => create(slug)));
	assert.deepEqual(answers.map((one) => one.status).sort(), [...Array(MAX).fill(200), ...Array(12 - MAX).fill(429)]);
	assert.equal(new Set(answers.filter((one) => one.status === 200).map((one) => one.json.sessionId)).size, MAX);
});

test("no host, and no host with room", async (t) => {
	const slug = await workspace();
	t.after(() => server.psql("update app.sandbox_host set capacity = 1000, seen_at = now() where stopped_at is null"));
	const total = Number(server.psqlValue(`select count(*) from app.sandbox_session where ended_at is null and coalesce(host_id, '${host.id}') = '${host.id}'`));
	server.psql(`update app.sandbox_host set capacity = ${total} where stopped_at is null`);
	refused(await create(slug), 503, new RegExp(`full.*\\b${total} sandboxes.*SANDBOX_MAX`));
	server.psql("update app.sandbox_host set seen_at = now() - interval '31 s'");
	refused(await create(slug), 503, "No sandbox host is running, try again later");
	server.psql("update app.sandbox_host set capacity = 1000, seen_at = now() where stopped_at is null");
	await sandbox(slug);
});

// ---- under way ----

test("the database goes and comes back", async () => {
	const slug = await workspace();
	const id = await sandbox(slug);
	await server.stopDatabase();
	for (const answer of [await create(slug), await status(slug, id), await heartbeat(slug, id), await remove(slug, id)]) refused(answer, 503, /atabase/);
	await server.startDatabase();
	await waitFor(async () => (await heartbeat(slug, id)).status === 200, { what: "a heartbeat" });
	host.beat();
	succeeded(await remove(slug, id));
	await sandbox(slug);
});

test("answers are quick, also while others wait for GitHub", async (t) => {
	const slug = await workspace();
	rig.age(slug);
	const id = await sandbox(slug);
	rig.hang();
	t.after(() => rig.letGo());
	const checks = [rig.check(slug, REPO), rig.check(slug, REPO)];
	await rig.held(2);
	const times = { create: [], heartbeat: [], remove: [] };
	const measured = async (name, ask) => {
		const start = ownMs();
		const answer = await ask();
		times[name].push(ownMs() - start);
		return answer;
	};
	for (let i = 0; i < 40; i++) {
		succeeded(await measured("heartbeat", () => heartbeat(slug, id)));
		const one = await measured("create", () => sandbox(slug));
		succeeded(await measured("remove", () => remove(slug, one)));
	}
	for (const [name, list] of Object.entries(times)) {
		list.sort((a, b) => a - b);
		t.diagnostic(`${name}: median ${list[20].toFixed(1)} ms`);
		assert.ok(list[0] < 200, `${name} took at least ${list[0]} ms`);
	}
	rig.letGo();
	await Promise.all(checks);
});

test("the report shows them", async () => {
	const slug = await workspace();
	const id = await sandbox(slug);
	succeeded(await remove(slug, id));
	assert.deepEqual(server.psql(`select workspace, sandbox_id, repo_key, branch, status, end_reason from report.sandboxes where sandbox_session = '${id}'`, { role: "craft_dba" }),
		[[slug, id.slice(0, 8), REPO, "main", "expired", "user"]]);
});
