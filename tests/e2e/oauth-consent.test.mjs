// What a browser's headers change on the way to GitHub and back: the page before it and who gets past it, prefetches, and a
// callback that is loaded again. Without them all is as ever (oauth.test.mjs).

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { APP_URI, startRig } from "../harness/oauth.mjs";

let rig;
after(() => rig?.stop());
rig = await startRig();
const { github, server } = rig;
await github.addRepo("alice/notes", { private: true });

const NAVIGATES = { "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "cross-site" };
let counter = 0;
const fresh = () => `consent-${process.pid}-${++counter}`;
const navigate = (url, headers = {}) => rig.visit(url, { headers: { ...NAVIGATES, ...headers } });
const linkOf = ({ text }) => rig.note(/<a class="go"[^>]* href="([^"]*)"/.exec(text)[1].replaceAll("&#38;", "&"));
const cookieOf = ({ headers }) => headers["set-cookie"][0].split(";")[0];

function assertPage(answer, status = 200) {
	assert.equal(answer.status, status, answer.text);
	assert.match(answer.headers["content-type"], /^text\/html/);
	assert.equal(answer.headers.location, undefined);
	assert.equal(answer.headers["cache-control"], "no-store");
	assert.equal(answer.headers["x-frame-options"], "DENY");
	assert.equal(answer.headers["referrer-policy"], "no-referrer");
	assert.equal(answer.headers["x-content-type-options"], "nosniff");
}

test("a browser is shown workspace and repository, and its button leads to GitHub, in that browser only", async () => {
	const slug = fresh();
	const page = await navigate(await rig.authUrl(slug, "alice/notes"));
	assertPage(page);
	for (const name of [slug, "alice/notes", APP_URI]) assert.ok(page.text.includes(`<bdi>${name}</bdi>`), page.text);
	const [set] = page.headers["set-cookie"];
	assert.match(set, /^__Host-craft-oauth=[\w-]{24}; Path=\/; Max-Age=600; HttpOnly; SameSite=Lax; Secure$/);
	const link = linkOf(page);
	assert.equal(new URL(link).searchParams.get("ticket"), null);
	// Another browser, or none, with the link of somebody else's button: the page, or nothing.
	const other = await navigate(await rig.authUrl(slug, "alice/notes"));
	for (const Cookie of ["", cookieOf(other), "__Host-craft-oauth=x", "craft-oauth=x"]) {
		const answer = await navigate(link, Cookie ? { Cookie } : {});
		rig.assertRefused(answer, 403, /\/api\/sandbox\/check/, Cookie);
	}
	const moved = new URL(link);
	moved.searchParams.set("repoKey", "bob/other");
	rig.assertRefused(await navigate(moved.href, { Cookie: cookieOf(page) }), 403, /\/api\/sandbox\/check/);
	const answer = await navigate(link, { Cookie: `a=b; ${cookieOf(page)}; c=d` });
	assert.equal(answer.status, 302, answer.text);
	const callback = rig.note(await github.authorize(rig.note(answer.headers.location), "alice"));
	const done = await navigate(callback, { Cookie: cookieOf(answer) });
	assert.equal(done.headers.location, rig.success("alice/notes", "alice"), done.text);
});

test("whoever has a key is shown it in a browser, too, and his key isn't in the page", async () => {
	const slug = fresh();
	const answer = await server.request(`${rig.startPath(slug, "alice/notes")}&apiKey=${server.apiKey}`, { key: null, headers: NAVIGATES });
	assertPage(answer);
	assert.ok(!answer.text.includes(server.apiKey));
	const go = await navigate(linkOf(answer), { Cookie: cookieOf(answer) });
	assert.equal(go.status, 302);
});

test("a program is sent on at once, as ever: no Sec-Fetch-Mode, or another one", async () => {
	const slug = fresh();
	const url = await rig.authUrl(slug, "alice/notes");
	for (const headers of [{}, { "Sec-Fetch-Mode": "cors" }, { "Sec-Fetch-Mode": "no-cors" }]) {
		const answer = await rig.visit(url, { headers });
		assert.equal(answer.status, 302);
		assert.equal(answer.headers["set-cookie"], undefined);
		const callback = rig.note(await github.authorize(rig.note(answer.headers.location), "alice"));
		assert.equal(await rig.land(callback), rig.success("alice/notes", "alice"));
	}
});

test("a callback for a link that somebody else resolved asks before it stores anything", async () => {
	const slug = fresh();
	const lure = rig.note((await rig.visit(await rig.authUrl(slug, "alice/notes"))).headers.location);
	const callback = rig.note(await github.authorize(lure, "alice"));
	// The victim's browser was at another login of his own.
	const other = await navigate(await rig.authUrl("his-own", "alice/notes"));
	const own = await navigate(linkOf(other), { Cookie: cookieOf(other) });
	const page = await navigate(callback, { Cookie: cookieOf(own) });
	assertPage(page);
	assert.ok(page.text.includes(slug));
	assert.equal(github.requests({ route: "access_token" }).filter(({ status }) => status === null).length, 0);
	assert.equal(rig.credential(slug, "alice/notes"), null);
	const done = await navigate(linkOf(page), { Cookie: cookieOf(page) });
	assert.equal(done.headers.location, rig.success("alice/notes", "alice"), done.text);
});

test("what is fetched ahead does nothing", async () => {
	const slug = fresh();
	const start = await rig.authUrl(slug, "alice/notes");
	const callback = await rig.consent(slug, "alice/notes", "alice");
	const before = github.log.length;
	for (const headers of [{ "Sec-Purpose": "prefetch" }, { "Sec-Purpose": "prefetch;prerender" }, { Purpose: "prefetch" }, { "X-Moz": "prefetch" }, { "X-Purpose": "preview" }]) {
		for (const url of [start, callback]) {
			const answer = await navigate(url, headers);
			rig.assertRefused(answer, 503, /ahead/, JSON.stringify(headers));
			assert.equal(answer.headers["set-cookie"], undefined);
		}
	}
	assert.ok((await rig.visit(callback, { method: "HEAD" })).status >= 400);
	assert.equal(github.log.length, before);
	assert.equal(await rig.land(callback), rig.success("alice/notes", "alice"), "and the state is good still");
});

test("a callback that is loaded again shows where it led; a program is told as ever", async () => {
	const slug = fresh();
	const callback = await rig.consent(slug, "alice/notes", "alice");
	const first = await navigate(callback);
	assert.equal(first.headers.location, rig.success("alice/notes", "alice"));
	const { accessToken } = rig.credential(slug, "alice/notes").plain;
	const before = github.log.length;
	for (let i = 0; i < 2; i++) {
		const page = await navigate(callback);
		assertPage(page, 400);
		assert.match(page.text, /used already/);
		assert.equal(linkOf(page), first.headers.location);
	}
	rig.assertRefused(await rig.visit(callback), 400, /^This link was used already: begin again in the app$/);
	assert.equal(github.log.length, before, "GitHub isn't asked");
	assert.equal(rig.credential(slug, "alice/notes").plain.accessToken, accessToken);

	const denied = await rig.consent(fresh(), "alice/notes", "alice");
	github.behave("repo", 404);
	assert.equal((await navigate(denied)).headers.location, rig.failure("alice/notes", "no_repo_access"));
	github.behave("repo", null);
	assert.equal(linkOf(await navigate(denied)), rig.failure("alice/notes", "no_repo_access"));
});

test("a callback that is under way in another window says so", async () => {
	const url = await rig.consent(fresh(), "alice/notes", "alice");
	rig.hang("access_token");
	const first = rig.visit(url);
	try {
		await rig.held(1);
		const page = await navigate(url);
		assertPage(page, 400);
		assert.match(page.text, /Another page is at work/);
	} finally {
		rig.letGo("access_token");
	}
	assert.equal((await first).status, 302);
});
