// GitHub out of order in all ways while somebody logs in or a check asks it, and our own database too: each ends where the
// person came from, with a code that says what happened, nothing is stored, no token goes to another host, and nobody
// else waits.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { APP_URI, CALLBACK, quote, startRig } from "../harness/oauth.mjs";
import { ownMs } from "../harness/pace.mjs";

let rig;
after(() => rig?.stop());
rig = await startRig({ env: { GITHUB_REVOKE: "1" } });
const { github, server } = rig;
await github.addRepo("alice/notes", { private: true });
await github.addRepo("alice/moved", { private: true });

let counter = 0;
const fresh = () => `faults-${process.pid}-${++counter}`;
// Of the third host, where nothing of ours belongs.
const elsewhere = () => github.requests({ site: "elsewhere" }).length;

// A login while a route is out of order: where it ended. The state is used up by it, and nothing is stored.
async function loginWhile(route, how, { repoKey = "alice/notes", login = "alice", slug = fresh() } = {}) {
	const url = await rig.consent(slug, repoKey, login);
	const before = elsewhere();
	github.behave(route, how);
	try {
		const location = await rig.land(url);
		assert.equal(elsewhere(), before, `${told(how)}: nothing goes to another host`);
		assert.equal(rig.credential(slug, repoKey), null, `${told(how)}: nothing is stored`);
		rig.assertRefused(await rig.visit(url), 400, /used already/);
		return location;
	} finally {
		github.behave(route, null);
	}
}

const api = (target) => `${github.apiUrl}${target}`;
const apiHost = () => new URL(github.apiUrl).host;
const elsewhereHost = () => new URL(github.elsewhere).host;

// What any route can do: redirections to where no request may go are among them.
const broken = () => [404, 500, 502, 503, "html", "empty", "big", { html: true, status: 500 }, { cut: 0 }, { cut: true }, { cut: 20 },
	...[301, 302, 303, 307, 308].map((status) => ({ redirect: true, status })),
	{ redirect: `http://${apiHost()}/user` }, { redirect: `https://${apiHost()}@${elsewhereHost()}/user` },
	{ redirect: `https://${apiHost()}\\@${elsewhereHost()}/user` }, { redirect: `//${elsewhereHost()}/user` }, { redirect: "file:///etc/passwd" },
	{ status: 302 }, { status: 301, body: "{}", headers: { Location: "" } }, { redirect: "gopher://localhost/" },
	{ body: "{" }, { body: "[]" }, { body: "null" }, { body: '"x"' }, { body: "{}" }, { body: Buffer.from('{"access_token":"\xff","login":"\xff","id":1}', "latin1") },
	{ body: `{"a":${"[".repeat(200_000)}` }, { status: 204, body: "" }, { status: 401, body: "{}" }, { status: 429, body: "{}" }];
const told = (how) => JSON.stringify(how).slice(0, 100);

test("exchanging the code fails: token_exchange_failed", async () => {
	const more = [{ body: '{"access_token":""}' }, { body: '{"access_token":null}' }, { body: '{"access_token":1}' }, { body: '{"access_token":["x"]}' },
		{ body: '{"access_token":"a b"}' }, { body: '{"access_token":"a\\r\\nX-Evil: 1"}' }, { body: '{"access_token":"\\u0000"}' },
		{ body: `{"access_token":"${"x".repeat(8193)}"}` }, { body: '{"error":"a b"}' }, { body: '{"error":"x\\r\\nSet-Cookie: a=b"}' }, { body: '{"error":"","scope":""}' },
		{ body: `{"error":"${"x".repeat(100)}"}` }, { body: "access_token=gho_x&scope=repo" }];
	for (const how of [...broken(), ...more])
		assert.equal(await loginWhile("access_token", how), rig.failure("alice/notes", "token_exchange_failed"), told(how));
});

test("GitHub's own errors are passed on", async () => {
	const slug = fresh();
	for (const error of ["bad_verification_code", "incorrect_client_credentials", "redirect_uri_mismatch", "unverified_user_email", "some-thing.new"])
		assert.equal(await loginWhile("access_token", { body: JSON.stringify({ error }) }), rig.failure("alice/notes", error));
	const late = await rig.consent(slug, "alice/notes", "alice");
	github.advance(600_001);
	assert.equal(await rig.land(late), rig.failure("alice/notes", "bad_verification_code"), "a code of before");
	const { clientSecret } = github.app;
	const url = await rig.consent(slug, "alice/notes", "alice");
	github.app.clientSecret = "another";
	assert.equal(await rig.land(url), rig.failure("alice/notes", "incorrect_client_credentials"));
	github.app.clientSecret = clientSecret;

	const come = async (query) => {
		const state = rig.state({ workspace: slug, repoKey: "alice/notes", redirectUri: APP_URI });
		const answer = await server.request(`${CALLBACK}?state=${state}&${query}`, { key: null });
		assert.equal(answer.status, 302, answer.text);
		assert.deepEqual(Object.keys(answer.headers).filter((name) => name.includes("evil")), []);
		return answer.headers.location;
	};
	const description = "error_description=The+user+has+denied+your+application+access.&error_uri=https%3A%2F%2Fx";
	assert.equal(await come(`error=access_denied&${description}`), rig.failure("alice/notes", "access_denied"));
	assert.equal(await come(`error=application_suspended&${description}&code=0123`), rig.failure("alice/notes", "application_suspended"));
	for (const error of ["a%20b", "x%0d%0aEvil:%201", "%3Cscript%3E", "x%26success=true", "x".repeat(65)])
		assert.equal(await come(`error=${error}`), rig.failure("alice/notes", "access_denied"), error);
});

test("asking who it is fails: user_fetch_failed", async () => {
	const more = ["rateLimit", { rateLimit: "secondary" }, { body: '{"login":"x"}' }, { body: '{"id":1}' }, { body: '{"login":"","id":1}' }, { body: '{"login":1,"id":1}' },
		{ body: '{"login":"x","id":"1"}' }, { body: '{"login":"x","id":0}' }, { body: '{"login":"x","id":-1}' }, { body: '{"login":"x","id":1.5}' }, { body: '{"login":"x","id":1e3}' },
		{ body: '{"login":"x","id":99999999999999999999999}' }, { body: '{"login":"\\ud800","id":1}' }, { body: `{"login":"${"x".repeat(300)}","id":1}` }];
	for (const how of [...broken(), ...more])
		assert.equal(await loginWhile("user", how), rig.failure("alice/notes", "user_fetch_failed"), told(how));
});

test("no access to the repository: no_repo_access", async () => {
	for (const how of [403, 404, 451, { status: 401, body: "{}" }, { redirect: true, status: 301 }])
		assert.equal(await loginWhile("repo", how), rig.failure("alice/notes", "no_repo_access"), told(how));
	assert.equal(await loginWhile("repo", null, { login: "bob" }), rig.failure("alice/notes", "no_repo_access"), "a stranger");
	assert.equal(await loginWhile("repo", null, { repoKey: "alice/nothing" }), rig.failure("alice/nothing", "no_repo_access"));
	github.revokeGrant("alice");
	github.app.grantsOnly = [];
	assert.equal(await loginWhile("repo", null), rig.failure("alice/notes", "no_repo_access"), "who grants no scope");
	github.app.grantsOnly = null;
	github.revokeGrant("alice");
});

// A login that ends with an error about the repository, without a word on the state: that is loginWhile()'s.
const codeOf = async (how) => new URL(await loginWhile("repo", how)).searchParams.get("error");

test("too many requests, GitHub out of order: not no_repo_access", async () => {
	for (const how of ["rateLimit", { rateLimit: "secondary" }, { status: 429, body: "{}" }, { status: 429, headers: { "Retry-After": "60" } },
		{ status: 403, headers: { "X-RateLimit-Remaining": "0" } }, { status: 403, headers: { "Retry-After": "Wed, 21 Oct 2037 07:28:00 GMT" }, body: '{"message":"You have exceeded a secondary rate limit"}' }])
		assert.equal(await codeOf(how), "rate_limited", told(how));
	for (const how of [500, 502, 503, 504, { status: 503, headers: { "Retry-After": "120" } }]) assert.equal(await codeOf(how), "github_unavailable", told(how));
});

test("where GitHub says when to come again, and soon, it is asked once more", async () => {
	for (const status of [429, 503, 403]) {
		const slug = fresh();
		const url = await rig.consent(slug, "alice/notes", "alice");
		const before = github.requests({ route: "repo" }).length;
		github.behave("repo", { status, headers: { "Retry-After": "1" }, body: "{}", times: 1 });
		assert.equal(await rig.land(url), rig.success("alice/notes", "alice"), `${status}`);
		assert.equal(github.requests({ route: "repo" }).length - before, 2);
	}
	const before = github.requests({ route: "repo" }).length;
	assert.equal(await codeOf({ status: 503, headers: { "Retry-After": "1" } }), "github_unavailable");
	assert.equal(github.requests({ route: "repo" }).length - before, 2, "once");
});

test("single sign-on: its link comes along, if it is GitHub's", async () => {
	const link = `${github.url}/orgs/acme/sso?authorization_request=AB%2FC`;
	const repo = github.repos.get("alice/notes");
	repo.sso = link;
	try {
		const slug = fresh();
		const location = new URL(await rig.land(await rig.consent(slug, "alice/notes", "alice")));
		assert.deepEqual(Object.fromEntries(location.searchParams), { error: "sso_required", repo: "alice/notes", url: link });
		assert.equal(rig.credential(slug, "alice/notes"), null);
		for (const sso of ["https://evil.example/orgs/acme/sso", "javascript:alert(1)", `${github.url.replace("://", "://x@")}/sso`, `${github.elsewhere}/sso`]) {
			repo.sso = sso;
			const { searchParams } = new URL(await rig.land(await rig.consent(fresh(), "alice/notes", "alice")));
			assert.deepEqual(Object.fromEntries(searchParams), { error: "sso_required", repo: "alice/notes" }, sso);
		}
	} finally {
		repo.sso = null;
	}
});

test("the repository can't be asked for: an error, and never another host", async () => {
	// An empty object is a repository without a default branch.
	for (const how of broken().filter(({ body, status }) => body !== "{}" || status)) {
		const { searchParams } = new URL(await loginWhile("repo", how));
		assert.match(searchParams.get("error"), /^(no_repo_access|rate_limited|github_unavailable|internal_error)$/, told(how));
		assert.equal(searchParams.get("repo"), "alice/notes");
	}
});

test("a repository that was renamed is followed on the same host; a circle has an end", async () => {
	const slug = fresh();
	github.renameRepo("alice/moved", "bob/renamed");
	github.repos.get("bob/renamed").collaborators.alice = "write";
	await rig.authorize(slug, "alice/moved", "alice");
	assert.deepEqual(github.requests({ token: rig.tokens.at(-1) }).map(({ route, status }) => [route, status]),
		[["user", 200], ["repo", 301], ["repo", 200]]);
	rig.age(slug);
	assert.equal(await rig.isReady(slug, "alice/moved"), true);

	const before = github.requests({ route: "repo" }).length;
	const location = await loginWhile("repo", { redirect: api("/repos/alice/notes"), status: 301 });
	assert.match(location, /^craft-agent:\/\/oauth\/callback\?error=\w+&repo=alice%2Fnotes$/);
	assert.ok(github.requests({ route: "repo" }).length - before <= 5);
});

test("a slow answer is taken, byte by byte", async () => {
	for (const route of ["access_token", "user", "repo"]) github.behave(route, { drip: 1 });
	await rig.authorize(fresh(), "alice/notes", "alice");
	for (const route of ["access_token", "user", "repo"]) github.behave(route, null);
});

test("odd but good answers of GitHub's", async () => {
	const slug = fresh();
	const login = async (route, body) => {
		const url = await rig.consent(slug, "alice/notes", "alice");
		github.behave(route, { body });
		const location = await rig.land(url);
		github.behave(route, null);
		return location;
	};
	assert.equal(await login("user", '{"login":"a b&c=d\\r\\nEvil: é","id":9007199254740993}'),
		rig.success("alice/notes", "a b&c=d\r\nEvil: é"));
	const { plain } = rig.credential(slug, "alice/notes");
	assert.equal(plain.username, "a b&c=d\r\nEvil: é");
	assert.equal(server.psqlValue(`select user_id from app.credential where sealed = ${quote(rig.credential(slug, "alice/notes").sealed)}`), "9007199254740993");
	assert.equal(await login("user", ' \n{"id":5,"login":"b","id":6}\n'), rig.success("alice/notes", "b"));
	assert.equal(await login("repo", '{"default_branch":null}'), rig.success("alice/notes", "alice"));
	assert.equal(await login("repo", '{"default_branch":"füx/\\"1"}'), rig.success("alice/notes", "alice"));
	assert.equal((await rig.projects(slug))[0].defaultBranch, 'füx/"1');
	const token = github.issueToken("alice");
	assert.equal(await login("access_token", JSON.stringify({ access_token: token, token_type: "bearer" })), rig.success("alice/notes", "alice"));
	assert.equal(rig.credential(slug, "alice/notes").plain.scope, "");
});

test("GitHub never answers: token_exchange_failed after 15 s", async () => {
	const url = await rig.consent(fresh(), "alice/notes", "alice");
	rig.hang("access_token");
	const begin = performance.now(), own = ownMs();
	try {
		assert.equal(await rig.land(url), rig.failure("alice/notes", "token_exchange_failed"));
	} finally {
		rig.letGo("access_token");
	}
	const took = performance.now() - begin;
	assert.ok(took > 14_000 && ownMs() - own < 25_000, `${took} ms`);
});

// ---- checks ----

test("GitHub away at a check: what was good is taken for good", async () => {
	const slug = fresh();
	const before = elsewhere();
	await rig.authorize(slug, "alice/notes", "alice");
	for (const how of [500, 503, "html", "empty", "big", { cut: 0 }, { cut: true }, "rateLimit", { rateLimit: "secondary" }, { redirect: true, status: 302 }, 429]) {
		rig.age(slug);
		github.behave("repo", how);
		assert.equal(await rig.isReady(slug, "alice/notes"), true, told(how));
	}
	rig.hang("repo");
	rig.age(slug);
	const begin = ownMs();
	assert.equal(await rig.isReady(slug, "alice/notes"), true);
	assert.ok(ownMs() - begin < 12_000, "a user waits");
	rig.letGo("repo");
	assert.equal((await rig.projects(slug))[0].hasGitHubAuth, true);
	assert.equal(elsewhere(), before);
	rig.age(slug);
	github.behave("repo", { status: 401, body: "{}" });
	assert.equal(await rig.isReady(slug, "alice/notes"), false, "a refusal is clear");
	github.behave("repo", null);
});

// How often a check asks GitHub again when it has said no, and a little more.
const again = (slug) => server.psql(`update app.credential set checked_at = now() - interval '1 min'
	where workspace_id = (select id from app.workspace where slug = ${quote(slug)})`);

test("a repository that can't be seen any more, and can again: ready follows, for the rest of the API too", async () => {
	const slug = fresh();
	const link = `${github.url}/orgs/acme/sso?authorization_request=x`;
	const repo = github.repos.get("alice/notes");
	const create = () => server.request("/api/sandbox/create", { method: "POST", body: { workspaceSlug: slug, repoKey: "alice/notes", branch: "main" } });
	const goesAway = [["no_repo_access", () => github.behave("repo", 404), () => github.behave("repo", null)],
		["no_repo_access", () => github.behave("repo", { status: 403, body: '{"message":"Resource not accessible"}' }), () => github.behave("repo", null)],
		["sso_required", () => { repo.sso = link; }, () => { repo.sso = null; }]];
	await rig.authorize(slug, "alice/notes", "alice");
	for (const [reason, close, open] of goesAway) {
		close();
		rig.age(slug);
		const { json } = await rig.check(slug, "alice/notes");
		assert.deepEqual([json.ready, json.needsAuth, json.reason, json.ssoUrl], [false, true, reason, reason === "sso_required" ? link : undefined]);
		assert.match(json.authUrl, /\/oauth\/github\?/);
		assert.equal((await create()).status, 403);
		assert.equal((await rig.projects(slug))[0].hasGitHubAuth, false);
		// GitHub away says nothing new.
		open();
		github.behave("repo", 503);
		again(slug);
		assert.equal(await rig.isReady(slug, "alice/notes"), false);
		github.behave("repo", null);
		again(slug);
		assert.equal(await rig.isReady(slug, "alice/notes"), true, "without a new login");
		assert.equal((await rig.projects(slug))[0].hasGitHubAuth, true);
	}
});

// The slowest of some requests to everything that has nothing to do with GitHub: {ms, what}.
async function slowest(slug) {
	const quick = [["GET", `/workspace/${slug}/sessions`, 200], ["GET", `/workspace/${slug}/projects`, 200], ["GET", "/", 200], ["GET", `/assets/${slug}/no.png`, 404],
		["POST", `/workspace/${slug}/actions/new-chat`, 201, { name: "x" }], ["PUT", `/files/${slug}/s/attachments/a.txt`, 201, "text"],
		["GET", `/files/${slug}/s/attachments/a.txt`, 200], ["GET", rig.startPath(slug, "alice/notes"), 302]];
	let found = { ms: 0 };
	for (let i = 0; i < 8; i++) {
		for (const [method, target, expected, body] of quick) {
			const begin = ownMs();
			const { status } = await server.request(target, { method, body });
			const ms = ownMs() - begin;
			assert.equal(status, expected, target);
			if (ms > found.ms) found = { ms, what: `${method} ${target}` };
		}
	}
	return found;
}

test("all callbacks, checks and revocations hang, and everything else goes on", async () => {
	const slugs = Array.from({ length: 16 }, fresh);
	for (const slug of slugs) await rig.authorize(slug, "alice/notes", "alice");
	const [checked, forgotten] = [slugs.slice(0, 8), slugs.slice(8)];
	const urls = await Promise.all(checked.map(() => rig.consent(fresh(), "alice/notes", "alice")));
	for (const slug of checked) rig.age(slug);
	rig.hang();
	const hanging = [urls.map((url) => rig.land(url)), forgotten.map((slug) => rig.forget(slug, "alice/notes")),
		checked.map((slug) => rig.isReady(slug, "alice/notes"))].map((all) => Promise.all(all));
	for (const all of hanging) all.catch(() => {});
	try {
		await rig.held(2);
		const { ms, what } = await slowest(fresh());
		assert.ok(ms < 1000, `${what} took ${ms} ms`);
		assert.ok(github.held >= 2, "they still hang");
	} finally {
		rig.letGo();
	}
	const [landed, gone, ready] = await Promise.all(hanging);
	assert.deepEqual([...new Set(landed)], [rig.success("alice/notes", "alice")]);
	assert.deepEqual([...new Set(gone.map(({ text }) => text))], ['{"success":true}']);
	assert.deepEqual([...new Set(ready)], [true]);
	for (const slug of forgotten) assert.equal(rig.credential(slug, "alice/notes"), null);
});

// ---- our own database ----

test("the credential can't be stored: store_failed", async () => {
	const slug = fresh();
	const url = await rig.consent(slug, "alice/notes", "alice");
	server.psql(`create function public.refuse() returns trigger language plpgsql as $$ begin raise exception 'refused by the test'; end $$;
		create trigger refuse before insert or update on app.credential for each row execute function public.refuse()`);
	assert.equal(await rig.land(url), rig.failure("alice/notes", "store_failed"));
	server.psql("drop function public.refuse() cascade");
	assert.equal(rig.credential(slug, "alice/notes"), null);
	await rig.authorize(slug, "alice/notes", "alice");
});

test("the database is away: 503 in JSON, the state stays good, and all goes on when it is back", async () => {
	const slug = fresh();
	const url = await rig.consent(slug, "alice/notes", "alice");
	await server.stopDatabase();
	try {
		rig.assertRefused(await rig.check(slug, "alice/notes"), 503, /Database/);
		rig.assertRefused(await rig.visit(url), 503, /Database/);
		rig.assertRefused(await rig.forget(slug, "alice/notes"), 503, /Database/);
		assert.equal((await server.request(rig.startPath(slug, "alice/notes"))).status, 302, "this needs no database");
	} finally {
		await server.startDatabase();
	}
	assert.equal(await rig.land(url), rig.success("alice/notes", "alice"));
	assert.equal(await rig.isReady(slug, "alice/notes"), true);
});

test("no log holds a secret, and GitHub's troubles are in one", () => {
	const text = server.logs("craft-fcgi");
	for (const pattern of [/asking GitHub \(access_token\) failed/, /the answer is too large/, /GitHub answers 502 \(user\)/, /can't be understood \(repository\)/])
		assert.match(text, pattern);
	rig.assertNoSecret(server.logs(), "a log");
});
