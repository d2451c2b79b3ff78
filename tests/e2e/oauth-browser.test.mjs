// The story of GitHub OAuth in headless Chromium: the link that check gives is opened, GitHub's own pages ask for a login and
// consent, the browser ends at the app's scheme (or at a program on this machine), and the credential that is stored clones
// a private repository.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { launchChromium, noChromium as skip } from "../harness/chromium.mjs";
import { APP_URI, CALLBACK, git, startRig } from "../harness/oauth.mjs";
import { waitFor } from "../harness/server.mjs";

const slug = "browser équipe";
const repoKey = "alice/notes";
const work = mkdtempSync(path.join(tmpdir(), "craft-oauth-browser-"));
let rig, browser, program;
const came = []; // what the program on this machine was sent

after(async () => {
	await browser?.close();
	program?.closeAllConnections();
	program?.close();
	rmSync(work, { recursive: true, force: true });
	await rig?.stop();
});

if (!skip) {
	rig = await startRig();
	await rig.github.addRepo(repoKey, { private: true, collaborators: { bob: "read" }, files: { "a.txt": "private\n" } });
	program = http.createServer((request, response) => {
		if (request.url.startsWith("/cb")) came.push({ url: request.url, referer: request.headers.referer });
		response.writeHead(200, { "Content-Type": "text/html" });
		response.end("<title>back in the program</title><h1>You can close this page.</h1>");
	});
	await new Promise((resolve) => program.listen(0, "127.0.0.1", resolve));
	browser = await launchChromium();
}

// A browser of its own, with what it was told at each redirection: {url, status, location}.
async function openBrowser(t) {
	const context = await browser.newContext({ ignoreHTTPSErrors: true });
	t.after(() => context.close());
	const page = await context.newPage();
	const seen = [];
	page.on("response", (response) => {
		rig.note(response.url());
		seen.push({ url: response.url(), status: response.status(), location: response.headers().location });
	});
	// Where a scheme that no web page has ends, Chromium reports no response: the protocol below tells of the redirection.
	const cdp = await context.newCDPSession(page);
	await cdp.send("Network.enable");
	const left = [];
	cdp.on("Network.responseReceivedExtraInfo", ({ statusCode, headers }) => {
		const location = Object.entries(headers).find(([name]) => name.toLowerCase() === "location")?.[1];
		if (statusCode === 302 && location?.startsWith("craft-agent:")) left.push(location);
	});
	return { page, seen, left };
}

// Presses the button of our own page.
async function goOn(page) {
	await Promise.all([page.waitForURL(`${rig.github.url}/**`), page.getByRole("link", { name: "Continue to GitHub" }).click()]);
}

function screenshot(page, name) {
	const dir = process.env.CRAFT_TEST_ARTIFACTS ?? path.join(rig.server.dir, "artifacts");
	mkdirSync(dir, { recursive: true });
	return page.screenshot({ path: path.join(dir, name) });
}

test("from check to a clone: the link, GitHub's login, consent, the app, ready", { skip }, async (t) => {
	const { github, server } = rig;
	const { authUrl } = (await rig.check(slug, repoKey)).json;
	const { page, seen, left } = await openBrowser(t);
	await page.goto(authUrl);
	assert.equal(page.url(), authUrl, "nobody is sent on without a word");
	const said = await page.locator("main").innerText();
	assert.ok(said.includes(slug) && said.includes(repoKey) && said.includes(APP_URI), said);
	await screenshot(page, "oauth-ask.png");
	await goOn(page);
	assert.ok(page.url().startsWith(`${github.url}/login?`), page.url());
	assert.ok(seen.some(({ url, status }) => url.startsWith(`${server.url}/oauth/github?`) && status === 302));
	await page.getByLabel("Username or email address").fill("alice");
	await page.getByLabel("Password").fill(github.users.get("alice").password);
	await page.getByRole("button", { name: "Sign in" }).click();
	await page.getByRole("button", { name: "Authorize craft-agents" }).waitFor();
	assert.match(await page.locator("main").innerText(), /Craft Agent Cloud by craft-agents wants to access your alice account[^]*repo/);
	assert.ok((await page.locator("main").innerText()).includes(`Authorizing will redirect to ${server.url}`));
	await screenshot(page, "oauth-consent.png");
	await page.getByRole("button", { name: "Authorize craft-agents" }).click();
	await waitFor(() => left.length > 0, { what: "the way back to the app" });
	assert.deepEqual(left, [`${APP_URI}?success=true&repo=alice%2Fnotes&username=alice`]);

	assert.equal((await rig.check(slug, repoKey)).text, '{"ready":true}');
	const { text, json } = await server.request(`/workspace/${encodeURIComponent(slug)}/projects/alice%2Fnotes`);
	assert.deepEqual([json.github.username, json.github.scope], ["alice", "repo"]);
	const { accessToken } = rig.credential(slug, repoKey).plain;
	assert.ok(!text.includes(accessToken) && !text.includes("gho_"));
	const cloned = await git(work, github.caFile, "clone", "-q", github.cloneUrl(repoKey, accessToken), "notes");
	assert.ok(cloned.ok, cloned.err);
	assert.equal(readFileSync(path.join(work, "notes/a.txt"), "utf8"), "private\n");
});

test("to a program on this machine, whose query stays; nothing of the callback goes with it", { skip }, async (t) => {
	const { page, seen } = await openBrowser(t);
	const redirectUri = `http://localhost:${program.address().port}/cb?from=a%26b`;
	await page.goto(await rig.toGitHub(slug, repoKey, { redirectUri }));
	await Promise.all([page.waitForURL(/\/cb\?/), rig.github.consentIn(page, "bob")]);
	assert.equal(await page.title(), "back in the program");
	assert.equal(page.url(), rig.success(repoKey, "bob", `${redirectUri}&`));
	assert.deepEqual(came, [{ url: rig.success(repoKey, "bob", "/cb?from=a%26b&"), referer: undefined }]);
	assert.equal((await rig.project(slug, repoKey)).json.github.username, "bob");

	// Back and forth, or a page that is opened again, doesn't do it twice.
	const { url: callback } = seen.find(({ url }) => url.includes(CALLBACK));
	const answer = await page.goto(callback);
	assert.equal(answer.status(), 400);
	assert.match(await page.locator("body").innerText(), /used already/);
	assert.equal(came.length, 1);
	await page.getByRole("link", { name: "Back to the app" }).click();
	await page.waitForURL(/\/cb\?/);
	assert.equal(page.url(), rig.success(repoKey, "bob", `${redirectUri}&`), "the page leads where it went");
	assert.deepEqual(came[1], came[0]);
});

test("who cancels comes back with access_denied", { skip }, async (t) => {
	rig.github.addUser("carol");
	const { page, left } = await openBrowser(t);
	await page.goto(await rig.authUrl("cancelled", repoKey));
	await goOn(page);
	await rig.github.consentIn(page, "carol", { deny: true });
	await waitFor(() => left.length > 0, { what: "the way back to the app" });
	assert.deepEqual(left, [`${APP_URI}?error=access_denied&repo=alice%2Fnotes`]);
	assert.equal(await rig.isReady("cancelled", repoKey), false);
});

test("who is lured past our page, to GitHub itself, is asked when he comes back", { skip }, async (t) => {
	const { github } = rig;
	const theirs = "attacker's";
	// What their owner gets without a browser: GitHub's URL, with a state for his workspace.
	const lure = (await rig.visit(await rig.authUrl(theirs, repoKey))).headers.location;
	const { page, left } = await openBrowser(t);
	await page.goto(lure);
	// She has let the app in before, so that GitHub doesn't ask her any more.
	await page.getByLabel("Username or email address").fill("alice");
	await page.getByLabel("Password").fill(github.users.get("alice").password);
	await page.getByRole("button", { name: "Sign in" }).click();
	await page.getByRole("link", { name: "Yes, store the access" }).waitFor();
	const said = await page.locator("main").innerText();
	assert.ok(said.includes(theirs) && said.includes(repoKey), said);
	assert.equal(rig.credential(theirs, repoKey), null, "nothing is stored");
	// Loading it again changes nothing, and the button works after that.
	await page.reload();
	await page.getByRole("link", { name: "Yes, store the access" }).click();
	await waitFor(() => left.length > 0, { what: "the way back to the app" });
	assert.deepEqual(left, [rig.success(repoKey, "alice")]);
	assert.equal(await rig.isReady(theirs, repoKey), true);
});

test("names that look like something else are shown as what they are, and our page isn't framed", { skip }, async (t) => {
	const name = `<img src=x onerror=alert(1)> "quotes' & \u202Egnp.exe\u202C \u200B ${"long ".repeat(150)} مرحبا`;
	const { page } = await openBrowser(t);
	let dialogs = 0;
	const complaints = [];
	page.on("console", (message) => complaints.push(message.text()));
	page.on("dialog", (dialog) => { dialogs++; return dialog.dismiss(); });
	const answer = await page.goto(await rig.authUrl(name, repoKey));
	const shown = name.replaceAll("\u202E", "[U+202E]").replaceAll("\u202C", "[U+202C]").replaceAll("\u200B", "[U+200B]");
	assert.equal(await page.locator("dd bdi").first().textContent(), shown);
	assert.equal(await page.locator("img, script, form, iframe").count(), 0);
	assert.equal(dialogs, 0);
	const policy = (await answer.allHeaders())["content-security-policy"];
	assert.match(policy, /default-src 'none'/);
	assert.match(policy, /frame-ancestors 'none'/);
	assert.doesNotMatch(policy, /unsafe/);
	assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "nothing is beside the window");
	const link = await page.getByRole("link", { name: "Continue to GitHub" }).evaluate((a) => getComputedStyle(a).backgroundColor);
	assert.notEqual(link, "rgba(0, 0, 0, 0)", "its style is let in");
	await page.goto(`http://localhost:${program.address().port}/frame`);
	await page.setContent(`<iframe src="${await rig.authUrl("framed", repoKey)}"></iframe>`);
	await waitFor(() => complaints.some((text) => /Refused to (display|frame)|frame-ancestors|X-Frame-Options/.test(text)), { what: "the frame to be refused" });
});

test("a link without a ticket shows in the browser what to do", { skip }, async (t) => {
	const { page } = await openBrowser(t);
	const answer = await page.goto(rig.server.url + rig.startPath("nobody", repoKey));
	assert.equal(answer.status(), 403);
	assert.match(await page.locator("body").innerText(), /\/api\/sandbox\/check/);
});
