// The gateway of a sandbox, its way to the git host: real git reads the one repository with a token that it never sees.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { startGitHub } from "../fakes/github.mjs";
import { startGateway, startUpstream } from "../harness/gateway.mjs";
import { waitFor } from "../harness/server.mjs";

const github = await startGitHub();
for (const login of ["alice", "bob"]) github.addUser(login);
await github.addRepo("alice/Notes", { private: true, files: { "a.txt": "one\n", "big.bin": Buffer.alloc(3 << 20, "x") } });
await github.addRepo("alice/other", { private: true });
await github.addRepo("bob/public", {});
const token = github.issueToken("alice");
const gateway = await startGateway({ git: github.url, "git-ca": github.caFile, repo: "alice/Notes", token });
const work = mkdtempSync(path.join(tmpdir(), "gateway-git-"));

// What the forwarder of the box does: a port in front of the socket.
const forwarder = net.createServer({ allowHalfOpen: true }, (client) => {
	const socket = net.connect({ path: gateway.socketPath("git"), allowHalfOpen: true });
	for (const [from, to] of [[client, socket], [socket, client]]) from.on("error", () => to.destroy()).pipe(to);
});
await new Promise((resolve) => forwarder.listen(0, "127.0.0.1", resolve));
const base = `http://127.0.0.1:${forwarder.address().port}`;
after(async () => {
	forwarder.close();
	await Promise.all([gateway.stop(), github.stop()]);
	rmSync(work, { recursive: true, force: true });
});

// git as in the box: the repository's own URL, led to the gateway.
function git(...args) {
	const env = { PATH: process.env.PATH, HOME: work, GIT_CONFIG_NOSYSTEM: "1", GIT_TERMINAL_PROMPT: "0", LC_ALL: "C.UTF-8" };
	return new Promise((resolve) => execFile("git", ["-c", `url.${base}/.insteadOf=${github.url}/`, ...args],
		{ env, cwd: work }, (error, stdout, stderr) => resolve({ code: error ? error.code : 0, stdout, stderr })));
}
const url = (repo) => `${github.url}/${repo}`;

test("ls-remote, clone and fetch of the private repository", async () => {
	const { stdout } = await git("ls-remote", url("alice/Notes.git"));
	assert.match(stdout, /\trefs\/heads\/main$/m);
	for (const form of ["alice/notes", "ALICE/NOTES.git"]) assert.equal((await git("ls-remote", url(form))).stdout, stdout);
	assert.equal((await git("clone", "-q", url("alice/Notes.git"), "copy")).code, 0);
	assert.equal(readFileSync(path.join(work, "copy/a.txt"), "utf8"), "one\n");
	const commit = await github.commit("alice/Notes", { files: { "a.txt": "two\n" } });
	assert.equal((await git("-C", "copy", "fetch", "-q", "--depth=1", "origin", "main")).code, 0);
	assert.equal((await git("-C", "copy", "rev-parse", "FETCH_HEAD")).stdout.trim(), commit);
	assert.equal((await git("-c", "protocol.version=0", "ls-remote", url("alice/Notes.git"))).stdout.includes(commit), true);
	const asked = github.requests({ token });
	assert.ok(asked.length > 0, "the token came there");
	await gateway.event({ kind: "git", allowed: true, host: "/alice/Notes.git/info/refs" });
});

test("pushing is refused with a text", async () => {
	await git("-C", "copy", "-c", "user.name=x", "-c", "user.email=x@x", "commit", "-q", "--allow-empty", "-m", "mine");
	const { code, stderr } = await git("-C", "copy", "push", "origin", "HEAD:refs/heads/mine");
	assert.notEqual(code, 0);
	assert.match(stderr, /pushing is not possible from the sandbox/);
	assert.match(await github.git("alice/Notes", "branch", "--list"), /^\* main$/);
	const { status } = await gateway.post("git", "/alice/Notes.git/git-receive-pack", "0000");
	assert.equal(status, 403);
	await gateway.event({ kind: "git", allowed: false, host: "/alice/Notes.git/info/refs" });
});

test("other repositories and other paths are refused", async () => {
	const before = github.log.length;
	for (const repo of ["alice/other", "bob/public"]) {
		const { code, stderr } = await git("ls-remote", url(repo));
		assert.notEqual(code, 0);
		assert.match(stderr, /its own repository only/);
	}
	const get = "?service=git-upload-pack";
	for (const target of [`/alice/Notes.git/../other.git/info/refs${get}`, `/alice/Notes%2egit/info/refs${get}`, `//alice/Notes/info/refs${get}`,
		`/alice/Notes.git.git/info/refs${get}`, `/alice/NotesX/info/refs${get}`, "/alice/Notes", "/alice/Notes/info/refs",
		`/alice/Notes/info/refs${get}&x=y`, "/alice/Notes/info/refs?service=git-receive-pack", "/alice/Notes/HEAD",
		"/alice/Notes.git/git-upload-pack", "/", "/login"]) {
		const { status, headers } = await gateway.request("git", target);
		assert.equal(status, 403, target);
		assert.match(headers["content-type"], /text\/plain/);
	}
	for (const method of ["PUT", "DELETE", "POST"])
		assert.equal((await gateway.request("git", `/alice/Notes/info/refs${get}`, { method })).status, 403, method);
	assert.equal(github.log.length, before);
});

test("submodules: public ones as anybody, others with a token of their own, never with the repository's", async (t) => {
	const mine = await startGateway({ git: github.url, "git-ca": github.caFile, repo: "alice/Notes", token });
	t.after(() => mine.kill());
	const get = (repo) => mine.request("git", `/${repo}/info/refs?service=git-upload-pack`);
	assert.equal((await get("bob/public.git")).status, 403, "not told of yet");
	const before = github.log.length;
	mine.submodule("bob/public");
	mine.submodule("alice/other");
	for (const form of ["bob/public", "bob/public.git", "BOB/Public.git"])
		await waitFor(async () => (await get(form)).status === 200, { what: form });
	// Alice's token could read it, but it was granted for another repository.
	const refused = await get("alice/other.git");
	assert.equal(refused.status, 403);
	assert.match(refused.text, /not public, and this workspace has not been given access to it/);
	await mine.event({ kind: "git", allowed: true, host: "/alice/other.git/info/refs", reason: /not public/ });
	const asked = github.log.slice(before);
	assert.ok(asked.length >= 4);
	assert.deepEqual(asked.filter((row) => row.token !== null), []);
	const other = github.issueToken("alice");
	mine.submodule("Alice/Other", other);
	await waitFor(async () => (await get("alice/other.git")).status === 200, { what: "the token of its own" });
	assert.ok(github.requests({ token: other }).length > 0);
	assert.equal(github.requests({ token: other }).filter((row) => !row.path.startsWith("/Alice/Other.git/") &&
		!row.path.startsWith("/alice/other.git/")).length, 0);
	mine.submodule("alice/other");
	await waitFor(async () => (await get("alice/other.git")).status === 403, { what: "the token to be taken away" });
	for (const repo of ["bob/public.git.git", "bob/publicX", "bob", "bob/", "/bob/public", "bob/public/x", "alice/other/../Notes"])
		assert.equal((await get(repo)).status, 403, repo);
	assert.equal((await mine.post("git", "/bob/public.git/git-receive-pack", "0000")).status, 403);
	await mine.stop();
});

test("the client's own credential is not passed on, the token comes back in no header", async (t) => {
	let seen;
	const host = await startUpstream((req, res) => {
		seen = req.headers;
		res.writeHead(200, { "x-echo": req.headers.authorization ?? "" }).end("ok");
	});
	const mine = await startGateway({ git: `${host.url}/base`, repo: "o/r", token: "gho_secret" });
	t.after(() => mine.kill());
	const { headers, text } = await mine.request("git", "/O/R/info/refs?service=git-upload-pack", { headers: {
		authorization: "Basic eDp5", cookie: "a=b", "git-protocol": "version=2", "accept-encoding": "gzip" } });
	assert.equal(text, "ok");
	assert.equal(headers["x-echo"], "Basic ***");
	assert.equal(host.requests[0].url, "/base/o/r.git/info/refs?service=git-upload-pack");
	const { host: name, ...rest } = seen;
	assert.deepEqual(rest, { authorization: `Basic ${Buffer.from("x-access-token:gho_secret").toString("base64")}`,
		"git-protocol": "version=2", "accept-encoding": "gzip" });
	await mine.stop();
	const none = await startGateway({ git: `${host.url}/base`, repo: "o/r" });
	t.after(() => none.kill());
	await none.request("git", "/o/r/info/refs?service=git-upload-pack", { headers: { authorization: "Basic eDp5" } });
	assert.equal(seen.authorization, undefined);
	await Promise.all([none.stop(), host.close()]);
});

test("a redirection is not followed, a refused token is said", async (t) => {
	const renamed = await startGateway({ git: github.url, "git-ca": github.caFile, repo: "alice/moving", token });
	t.after(() => renamed.kill());
	await github.addRepo("alice/moving", { private: true });
	await github.renameRepo("alice/moving", "alice/moved");
	const answer = await renamed.request("git", "/alice/moving/info/refs?service=git-upload-pack");
	assert.equal(answer.status, 502);
	assert.match(answer.text, /renamed/);
	await renamed.event({ kind: "git", allowed: true, reason: /redirects/ });
	await renamed.stop();
	const revoked = await startGateway({ git: github.url, "git-ca": github.caFile, repo: "alice/Notes", token: "gho_nothing" });
	t.after(() => revoked.kill());
	const refused = await revoked.request("git", "/alice/Notes/info/refs?service=git-upload-pack");
	assert.equal(refused.status, 403);
	assert.match(refused.text, /refuses this repository's credential/);
	await revoked.stop();
});
