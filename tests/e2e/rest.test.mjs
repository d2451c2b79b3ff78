// Bulk loading over REST: every endpoint of a workspace, conditional requests, compression, percent-encoding.
// Every answer of this file, whatever it is, must carry the CORS headers and a request id.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { EXPOSED, names } from "../harness/headers.mjs";
import { startServer } from "../harness/server.mjs";
import { connect } from "../harness/sync.mjs";

let server;
after(() => server?.stop());
server = await startServer();

let counter = 0;
const ids = new Set();

async function request(path, options) {
	const answer = await server.request(path, options);
	const { headers } = answer;
	const where = `${options?.method ?? "GET"} ${path.slice(0, 80)} → ${answer.status}`;
	assert.equal(headers["access-control-allow-origin"], "*", where);
	assert.deepEqual(names(headers["access-control-expose-headers"]), EXPOSED, where);
	assert.match(headers["x-request-id"] ?? "", /^[\w-]{8,64}$/, where);
	assert.ok(!ids.has(headers["x-request-id"]), `request id used twice: ${where}`);
	ids.add(headers["x-request-id"]);
	if (answer.status >= 400 && options?.method !== "HEAD") {
		assert.match(headers["content-type"] ?? "", /^application\/json\b/, where);
		assert.equal(typeof answer.json.error, "string", where);
	}
	return answer;
}

async function room(t) {
	const slug = `rest-${process.pid}-${++counter}`;
	const client = await connect(server, slug);
	t.after(() => client.kill());
	return { slug, base: `/workspace/${slug}`, client, get: (path, options) => request(`/workspace/${slug}${path}`, options) };
}

async function filled(t) {
	const r = await room(t);
	await r.client.ok("session:save", { id: "s1", header: { id: "s1" }, messages: [{ a: 1 }] });
	await r.client.ok("plan:save", { sessionId: "s1", fileName: "p.md", content: "# Plan" });
	await r.client.ok("source:create", { slug: "src" });
	await r.client.ok("statuses:save", { v: 1 });
	await r.client.ok("labels:save", { v: 1 });
	await r.client.ok("skill:save", { slug: "k", content: "c", metadata: {} });
	project(r.slug);
	return r;
}

// What only other parts of the service write: a project with a credential, one without, a sandbox session (whose id
// it returns).
function project(slug) {
	server.psql(`insert into app.workspace (slug) values ('${slug}') on conflict do nothing`);
	const key = server.psqlValue(`select id from app.workspace where slug = '${slug}'`);
	const sandbox = randomUUID();
	server.psql(`insert into app.project (workspace_id, repo_key, repo_url, default_branch, added_at) values
		(${key}, 'octo/first', 'https://github.com/octo/first', 'main', '2026-01-02T03:04:05.678Z'),
		(${key}, 'octo/second.repo', 'https://github.com/octo/second.repo.git', null, '2026-01-03T00:00:00Z')`);
	server.psql(`insert into app.credential (workspace_id, repo_key, sealed, username, user_id, scope, authenticated_at) values
		(${key}, 'octo/first', 'U0VDUkVU', 'octocat', 583231, 'repo', '2026-01-04T00:00:00Z')`);
	server.psql(`insert into app.sandbox_session (id, workspace_id, repo_key, sandbox_id, branch, status, error, created_at, last_activity_at, expires_at) values
		('${sandbox}', ${key}, 'octo/first', '0b9f8a1e', 'main', 'ready', null, '2026-01-05T00:00:00Z', '2026-01-05T00:01:00Z', '2026-01-05T00:31:00Z')`);
	return sandbox;
}

const lists = {
	"/sessions": [],
	"/sessions/s1/plans": [],
	"/sources": [],
	"/skills": [],
	"/projects": [],
	"/sandbox/sessions": [],
	"/statuses": { version: 1, statuses: [], defaultStatusId: "todo" },
	"/labels": { version: 1, labels: [] },
};

for (const [path, empty] of Object.entries(lists)) {
	test(`GET ${path} of a workspace that was never written to`, async (t) => {
		const slug = `rest-${process.pid}-never-${++counter}`;
		for (const form of [path, `${path}/`]) {
			const answer = await request(`/workspace/${slug}${form}`);
			assert.equal(answer.status, 200);
			assert.match(answer.headers["content-type"], /^application\/json\b/);
			assert.deepEqual(answer.json, empty);
		}
	});

	test(`GET ${path}: HEAD, trailing slash, query strings`, async (t) => {
		const { get } = await filled(t);
		const plain = await get(path);
		assert.equal(plain.status, 200);
		assert.notDeepEqual(plain.json, empty, "the case has no data");
		for (const form of [`${path}/`, `${path}?`, `${path}?x=1&y=%zz`, `${path}/?apiKey=`])
			assert.deepEqual((await get(form)).json, plain.json, form);
		const head = await get(path, { method: "HEAD" });
		assert.equal(head.status, 200);
		assert.equal(head.body.length, 0);
		for (const name of ["content-type", "etag"]) assert.equal(head.headers[name], plain.headers[name], name);
	});

	test(`GET ${path}: ETag and If-None-Match`, async (t) => {
		const { get } = await filled(t);
		await conditional(get, path);
	});
}

async function conditional(get, path) {
	const first = await get(path);
	const tag = first.headers.etag;
	assert.match(tag ?? "", /^(W\/)?"[\x21\x23-\x7e]+"$/, path);
	assert.equal((await get(path)).headers.etag, tag, "the same state, another tag");
	const opaque = tag.replace(/^W\//, "");
	for (const given of [tag, opaque, `W/${opaque}`, "*", `"other", ${opaque}`, `W/"x",${opaque} , "y"`, ` ${opaque} `, `"a,b", W/${opaque}`])
		for (const method of ["GET", "HEAD"]) {
			const answer = await get(path, { method, headers: { "If-None-Match": given } });
			assert.equal(answer.status, 304, `${method} If-None-Match: ${given}`);
			assert.equal(answer.body.length, 0);
			assert.equal(answer.headers.etag, tag);
		}
	for (const given of [
		'"other"',
		opaque.slice(1, -1),
		`"x${opaque.slice(1)}`,
		`${opaque.slice(0, -1)}x"`,
		'""',
		"",
		`"*"`,
		`"${opaque.slice(1, -1)}, x"`,
	]) {
		const answer = await get(path, { headers: { "If-None-Match": given } });
		assert.equal(answer.status, 200, `If-None-Match: ${given}`);
		assert.deepEqual(answer.body, first.body);
	}
	return tag;
}

test("a session's ETag changes with it, and only with it", async (t) => {
	const { client, get } = await filled(t);
	const tags = new Set([await conditional(get, "/sessions/s1")]);
	const listTags = new Set([(await get("/sessions")).headers.etag]);
	const steps = [
		["session:save", { id: "s1", header: { id: "s1" }, messages: [{ a: 2 }] }],
		["session:updateMeta", { sessionId: "s1", updates: { x: 1 } }],
		["session:updateSdkId", { sessionId: "s1", sdkSessionId: "x" }],
		["session:clearMessages", { sessionId: "s1" }],
	];
	for (const [n, [type, data]] of steps.entries()) {
		const old = [...tags].at(-1);
		await client.ok(type, data);
		const answer = await get("/sessions/s1", { headers: { "If-None-Match": old } });
		assert.equal(answer.status, 200, type);
		assert.equal(tags.add(answer.headers.etag).size, n + 2, `${type} left the tag`);
		assert.equal(listTags.add((await get("/sessions")).headers.etag).size, n + 2, `${type} left the list's tag`);
	}
	await client.ok("session:create", { id: "s2" });
	assert.equal((await get("/sessions/s1", { headers: { "If-None-Match": [...tags].at(-1) } })).status, 304);
	// Deleted and made again with the same content: a tag from before must not fit by accident of counting.
	await client.ok("session:delete", { sessionId: "s1" });
	assert.equal((await get("/sessions/s1", { headers: { "If-None-Match": "*" } })).status, 404);
	await client.ok("session:save", { id: "s1", header: { id: "s1" }, messages: [{ b: 1 }] });
	for (const tag of tags) assert.equal((await get("/sessions/s1", { headers: { "If-None-Match": tag } })).status, 200);
});

test("two workspaces' lists don't share tags when their contents differ", async (t) => {
	const a = await filled(t);
	const b = await filled(t);
	await b.client.ok("statuses:save", { v: 2 });
	await a.client.ok("labels:save", { v: 9 });
	assert.notEqual((await a.get("/sessions/s1")).headers.etag, (await b.get("/sessions/s1")).headers.etag);
});

test("gzip when accepted, and what comes out is the same", async (t) => {
	const { client, get } = await room(t);
	await client.ok("session:save", {
		id: "s",
		header: { id: "s", text: "na ".repeat(3000) },
		messages: Array.from({ length: 200 }, (_, i) => ({ i, text: "lorem ipsum ".repeat(20) })),
	});
	await client.ok("plan:save", { sessionId: "s", fileName: "p", content: "- item\n".repeat(2000) });
	for (const path of ["/sessions", "/sessions/s"]) {
		const plain = await get(path, { headers: { "Accept-Encoding": "identity" } });
		assert.equal(plain.headers["content-encoding"], undefined);
		const zipped = await get(path, { headers: { "Accept-Encoding": "gzip, deflate, br" } });
		assert.equal(zipped.headers["content-encoding"], "gzip", path);
		assert.match(zipped.headers.vary ?? "", /Accept-Encoding/i);
		assert.ok(zipped.body.length < plain.body.length / 3);
		assert.ok(gunzipSync(zipped.body).equals(plain.body));
		// A cache sends back the tag it got with the compressed body.
		assert.equal((await get(path, { headers: { "Accept-Encoding": "gzip", "If-None-Match": zipped.headers.etag } })).status, 304);
	}
});

test("GET /sessions/:id, /plans/:fileName, /sources/:slug of what isn't there", async (t) => {
	const { get } = await filled(t);
	for (const path of [
		"/sessions/nobody",
		"/sessions/S1",
		"/sessions/s1%20",
		"/sessions/s1/plans/x",
		"/sessions/nobody/plans/p.md",
		"/sources/nobody",
		"/projects/octo%2Fthird",
		"/projects/octo/third",
		"/projects/octo",
		`/sandbox/sessions/${randomUUID()}`,
		"/sandbox/sessions/no-uuid",
		"/sandbox/sessions/%27",
	]) {
		const answer = await get(path);
		assert.equal(answer.status, 404, path);
		assert.deepEqual(Object.keys(answer.json), ["error"], path);
		const head = await get(path, { method: "HEAD" });
		assert.equal(head.status, 404);
		assert.equal(head.body.length, 0);
	}
	const never = await request(`/workspace/rest-${process.pid}-nowhere/sessions/s1`);
	assert.equal(never.status, 404);
});

test("unknown paths", async (t) => {
	const { get } = await filled(t);
	for (const path of [
		"/nosuch",
		"/session",
		"/sessions/s1/nosuch",
		"/sessions/s1/plans/p.md/x",
		"/sources/src/x",
		"/skills/k",
		"/statuses/x",
		"/labels/x",
		"/actions",
		"/actions/nosuch",
		"/sandbox",
		"/sandbox/sessions/x/y",
		"//sessions",
		"/sessions//s1x",
		"/Sessions",
	]) {
		assert.equal((await get(path)).status, 404, path);
		assert.equal((await get(path, { key: null })).status, 401, path);
	}
	for (const path of ["/nosuch", "/workspaces", "/workspace", "/workspace/", "/index.html", "/.env", "/api", "/favicon.ico"]) {
		const answer = await request(path);
		assert.equal(answer.status, 404, path);
		assert.equal((await request(path, { method: "POST", body: {} })).status, 404, path);
	}
});

test("plans: names, times, newest first", async (t) => {
	const { client, get } = await room(t);
	const start = Date.now();
	for (const fileName of ["b", "a", "c"]) await client.ok("plan:save", { sessionId: "s", fileName, content: `# ${fileName}` });
	await client.ok("plan:save", { sessionId: "other", fileName: "z", content: "" });
	await client.ok("plan:save", { sessionId: "s", fileName: "b", content: "# again" });
	const list = (await get("/sessions/s/plans")).json;
	assert.deepEqual(
		list.map((p) => p.name),
		["b", "c", "a"],
	);
	for (const plan of list) {
		assert.deepEqual(Object.keys(plan), ["name", "modifiedAt"]);
		assert.ok(Number.isInteger(plan.modifiedAt) && plan.modifiedAt >= start - 1 && plan.modifiedAt <= Date.now() + 1, plan.modifiedAt);
	}
	const plan = await get("/sessions/s/plans/b");
	assert.match(plan.headers["content-type"], /^text\/markdown\b/);
	assert.equal(plan.text, "# again");
	const head = await get("/sessions/s/plans/b", { method: "HEAD" });
	assert.match(head.headers["content-type"], /^text\/markdown\b/);
	assert.equal(head.body.length, 0);
	const empty = await get("/sessions/other/plans/z");
	assert.equal(empty.status, 200);
	assert.equal(empty.text, "");
	const large = `# ${"größe 🎉 ".repeat(700000)}`;
	await client.ok("plan:save", { sessionId: "s", fileName: "large", content: large });
	assert.ok((await get("/sessions/s/plans/large")).text === large, "a plan of 10 MB came back changed");
});

test("sources and skills: newest first", async (t) => {
	const { client, get } = await room(t);
	for (const slug of ["b", "a", "c"]) {
		await client.ok("source:create", { slug, n: 1 });
		await client.ok("skill:save", { slug, content: `# ${slug}`, metadata: { slug } });
	}
	assert.deepEqual(
		(await get("/sources")).json,
		["c", "a", "b"].map((slug) => ({ slug, n: 1 })),
	);
	assert.deepEqual(
		(await get("/skills")).json,
		["c", "a", "b"].map((slug) => ({ slug, content: `# ${slug}`, metadata: { slug } })),
	);
});

test("long lists are complete", async (t) => {
	const { slug, get } = await room(t);
	server.psql(
		`select api.session_create('${slug}', 's' || n, json_build_object('id', 's' || n, 'pad', repeat('x', 500))) from generate_series(1, 5000) as n`,
	);
	const list = (await get("/sessions")).json;
	assert.equal(list.length, 5000);
	assert.deepEqual(
		list.map((h) => h.id),
		Array.from({ length: 5000 }, (_, i) => `s${5000 - i}`),
	);
});

test("projects: with and without credential, never the token", async (t) => {
	const { get } = await filled(t);
	const first = {
		repoKey: "octo/first",
		repoUrl: "https://github.com/octo/first",
		defaultBranch: "main",
		addedAt: Date.parse("2026-01-02T03:04:05.678Z"),
		hasGitHubAuth: true,
	};
	const second = {
		repoKey: "octo/second.repo",
		repoUrl: "https://github.com/octo/second.repo.git",
		defaultBranch: null,
		addedAt: Date.parse("2026-01-03T00:00:00Z"),
		hasGitHubAuth: false,
	};
	const list = await get("/projects");
	assert.deepEqual(
		list.json.sort((a, b) => (a.repoKey < b.repoKey ? -1 : 1)),
		[first, second],
	);
	const github = { username: "octocat", userId: 583231, scope: "repo", authenticatedAt: Date.parse("2026-01-04T00:00:00Z") };
	for (const path of ["/projects/octo%2Ffirst", "/projects/octo/first", "/projects/octo%2ffirst", "/projects/%6fcto/first"]) {
		const one = await get(path);
		assert.equal(one.status, 200, path);
		assert.deepEqual(one.json, { ...first, github });
		assert.doesNotMatch(one.text + list.text, /U0VDUkVU|sealed/);
	}
	assert.deepEqual((await get("/projects/octo/second.repo")).json, { ...second, github: null });
});

for (const form of ["octo%2Ffirst", "octo/first"])
	test(`DELETE /projects/${form}/credential`, async (t) => {
		const { get, slug } = await filled(t);
		for (let n = 0; n < 2; n++) {
			const answer = await get(`/projects/${form}/credential`, { method: "DELETE" });
			assert.equal(answer.status, 200);
			assert.deepEqual(answer.json, { success: true });
		}
		assert.equal((await get("/projects/octo/first")).json.github, null);
		assert.equal(
			(await get("/projects")).json.some((p) => p.hasGitHubAuth),
			false,
		);
		assert.equal(
			server.psqlValue(`select count(*) from app.credential c join app.workspace w on w.id = c.workspace_id where w.slug = '${slug}'`),
			"0",
		);
		assert.equal((await get(`/projects/${form}/credential`, { method: "POST" })).status, 405);
	});

test("sandbox sessions", async (t) => {
	const { get, slug } = await room(t);
	const id = project(slug);
	const key = server.psqlValue(`select id from app.workspace where slug = '${slug}'`);
	const failed = randomUUID();
	server.psql(`insert into app.sandbox_session (id, workspace_id, repo_key, sandbox_id, branch, status, error, created_at, last_activity_at, expires_at) values
		('${failed}', ${key}, 'octo/first', '1b9f8a1e', 'dev', 'expired', 'no such branch', '2026-01-06T00:00:00Z', '2026-01-06T00:00:01Z', '2026-01-06T00:30:01Z')`);
	const ready = {
		sessionId: id,
		repoKey: "octo/first",
		sandboxId: "0b9f8a1e",
		branch: "main",
		status: "ready",
		createdAt: Date.parse("2026-01-05T00:00:00Z"),
		lastActivityAt: Date.parse("2026-01-05T00:01:00Z"),
		expiresAt: Date.parse("2026-01-05T00:31:00Z"),
	};
	assert.deepEqual((await get(`/sandbox/sessions/${id}`)).json, ready);
	const one = await get(`/sandbox/sessions/${failed}`);
	assert.equal(one.json.error, "no such branch");
	assert.equal(one.json.status, "expired");
	assert.deepEqual((await get("/sandbox/sessions")).json.map((s) => s.sessionId).sort(), [id, failed].sort());
	assert.equal((await request(`/workspace/rest-${process.pid}-else/sandbox/sessions/${id}`)).status, 404, "another workspace's sandbox");
});

test("percent-encoding is undone once", async (t) => {
	const slug = `rest ${process.pid}/100%41 é`;
	const client = await connect(server, slug);
	t.after(() => client.kill());
	await client.ok("session:create", { id: "%41/b" });
	const base = `/workspace/${encodeURIComponent(slug)}`;
	assert.equal((await request(`${base}/sessions/%2541%2Fb`)).json.id, "%41/b");
	assert.equal((await request(`${base}/sessions/%2541%2fb/`)).status !== 500, true);
	assert.equal((await request(`${base}/sessions/%41%2Fb`)).status, 404);
	assert.equal((await request(`${base}/%73essions`)).json.length, 1, "a path word may be encoded too");
});

test("parts that are no UTF-8, hold NUL, or are cut", async (t) => {
	const { get } = await filled(t);
	for (const part of ["%", "%4", "%zz", "%00", "a%00b", "%ff", "%ed%a0%80", "%c0%80", "%e2%82"])
		for (const path of [`/sessions/${part}`, `/sources/${part}`, `/sessions/s1/plans/${part}`, `/projects/a/${part}`]) {
			const answer = await get(path);
			assert.ok([400, 404].includes(answer.status), `${path}: ${answer.status}`);
		}
	for (const slug of ["%00", "%zz", "%ff"]) {
		const answer = await request(`/workspace/${slug}/sessions`);
		assert.ok([400, 404].includes(answer.status), `${slug}: ${answer.status}`);
	}
	for (const slug of ["", "%", "x".repeat(1025)]) {
		const answer = await request(`/workspace/${slug}/sessions`);
		assert.ok([200, 400, 404].includes(answer.status), `${slug.slice(0, 10)}: ${answer.status}`);
		if (answer.status === 200) assert.deepEqual(answer.json, []);
	}
});

test("reading creates nothing", async () => {
	const count = () =>
		server.psql("select (select count(*) from app.workspace), (select count(*) from app.session), (select count(*) from app.change_log)");
	const before = count();
	const slug = `rest-${process.pid}-read-only`;
	for (const path of [...Object.keys(lists), "/sessions/s", "/sources/s", "/projects/a/b", "/sandbox/sessions/x", "/sessions/s/plans/p"])
		for (const method of ["GET", "HEAD"]) await request(`/workspace/${slug}${path}`, { method });
	await request(`/workspace/${slug}/projects/a%2Fb/credential`, { method: "DELETE" });
	for (const action of ["flag-session", "unflag-session", "delete-session"])
		assert.equal((await request(`/workspace/${slug}/actions/${action}`, { method: "POST", body: { sessionId: "s" } })).status, 404);
	const listener = await connect(server, slug, { since: 0 });
	await listener.call("nosuch", {});
	await listener.kill();
	assert.deepEqual(count(), before);
	assert.equal(server.psqlValue(`select count(*) from app.workspace where slug = '${slug}'`), "0");
});
