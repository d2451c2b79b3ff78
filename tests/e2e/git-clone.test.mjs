// Clones as craft-sandboxd makes them: from the cache and from the host, by real git against a fake GitHub.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, lstatSync, readFileSync, readdirSync, readlinkSync, rmSync, statSync, truncateSync,
	writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { git, startCheckouts, startDriver } from "../harness/git.mjs";
import { alive, waitFor } from "../harness/server.mjs";

const root = process.getuid() === 0;

const { github, driver, tokens: { alice, bob }, options, ...starting } = await startCheckouts("repo", ["alice", "bob"]);

const small = (n = 20) =>
	Object.fromEntries(Array.from({ length: n }, (_, i) => [`dir${i % 3}/file${i}.txt`, `file ${i}\n`]));
const repository = (files = small(), more) => starting.repository(files, more);
async function cloned(from, repo, branch = "main", token = alice) {
	const sandbox = await from.sandbox();
	return { sandbox, ...await sandbox.clone(repo, branch, token) };
}
async function expectOk(from, repo, branch = "main", token = alice) {
	const result = await cloned(from, repo, branch, token);
	assert.equal(result.outcome, "ok", result.text);
	assert.equal(result.text, "");
	return result;
}
const tip = (repo, branch = "main") => github.git(repo, "rev-parse", `refs/heads/${branch}`);
const tree = (repo, commit) => github.git(repo, "rev-parse", `${commit}^{tree}`);
// What git itself says of a checkout, with the checkout's own index.
const inside = (sandbox, ...args) => git(sandbox.repo, args);
// The id of a checkout's files as they lie there.
function treeOf(sandbox) {
	const env = { GIT_INDEX_FILE: path.join(sandbox.driver.dir, `index-${sandbox.slot}`) };
	rmSync(env.GIT_INDEX_FILE, { force: true });
	git(sandbox.repo, ["add", "-A"], { env });
	return git(sandbox.repo, ["write-tree"], { env });
}
async function expectWhole({ sandbox, commit }, repo, branch = "main") {
	assert.equal(commit, await tip(repo, branch));
	assert.equal(treeOf(sandbox), await tree(repo, commit));
	assert.equal(inside(sandbox, "status", "--porcelain"), "");
	assert.equal(inside(sandbox, "symbolic-ref", "HEAD"), `refs/heads/${branch}`);
	const refs = ["HEAD", `refs/remotes/origin/${branch}`, "@{upstream}"];
	assert.deepEqual(inside(sandbox, "rev-parse", ...refs).split("\n"), refs.map(() => commit));
}
const caches = (from) => {
	const dir = path.join(from.sandboxes, "cache");
	return existsSync(dir) ? readdirSync(dir).map((name) => path.join(dir, name)) : [];
};
// Which of the cached repositories holds this commit.
const cacheOf = (from, commit) => caches(from).find((dir) => {
	const refs = path.join(dir, "refs/craft");
	return existsSync(refs) &&
		readdirSync(refs).some((ref) => readFileSync(path.join(refs, ref), "latin1").trim() === commit);
});
const packs = (dir) => readdirSync(path.join(dir, "objects/pack")).filter((name) => name.endsWith(".pack"));
// What a cached repository hands over, for each branch a directory.
const handed = (dir) => readdirSync(path.join(dir, "handed")).map((name) => path.join(dir, "handed", name));
// Since a row of the log: one that lists the refs, maybe a second one that fetches.
const posts = (repo, since = 0) =>
	github.log.slice(since).filter((row) => row.method === "POST" && row.path.includes(`/${repo}.git/`));
// Processes that the driver started and that are left.
function children(pid) {
	return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).filter((name) => {
		try {
			return Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${name}/status`, "utf8"))[1]) === pid;
		} catch {
			return false;
		}
	});
}

test("a clone is what git clone --depth 1 makes", options, async () => {
	const files = { ...small(), "bin/run": { content: "#!/bin/sh\n", mode: "100755" },
		link: { content: "/etc/passwd", mode: "120000" }, "odd \"name\"\n\xe9\\": "odd\n", "empty": "",
		"binary": randomBytes(5000), ".gitattributes": "*.crlf eol=crlf\n", "a.crlf": "x\ny\n" };
	const repo = await repository(files);
	await github.commit(repo, { message: "Second", files: { "dir0/file0.txt": "changed\n" } });
	const result = await expectOk(driver, repo);
	await expectWhole(result, repo);
	const { sandbox, commit } = result;
	assert.equal(inside(sandbox, "rev-list", "--count", "HEAD"), "1");
	assert.equal(inside(sandbox, "fsck", "--full"), "");
	assert.equal(inside(sandbox, "remote", "get-url", "origin"), `${github.url}/${repo}.git`);
	assert.equal(readFileSync(path.join(sandbox.repo, "a.crlf"), "utf8"), "x\r\ny\r\n");
	assert.equal(readlinkSync(path.join(sandbox.repo, "link")), "/etc/passwd");
	const mode = (name) => (statSync(path.join(sandbox.repo, name)).mode & 0o777).toString(8);
	assert.deepEqual([mode("bin/run"), mode("empty"), mode("dir0")], ["755", "644", "755"]);
	for (const name of ["", ".git", ".git/config", ".git/index", "bin/run", "dir0"])
		assert.equal(lstatSync(path.join(sandbox.repo, name)).uid, sandbox.uid, name);
	assert.deepEqual(readdirSync(path.join(sandbox.repo, ".git/info")), []);
	assert.equal(existsSync(path.join(sandbox.repo, ".git/hooks")), false);
	assert.equal(existsSync(path.join(sandbox.root, "shadow/objects/info/alternates")), false);
	assert.equal(readFileSync(path.join(sandbox.root, "shadow/HEAD"), "utf8"), `${commit}\n`);
	assert.equal(git(path.join(sandbox.root, "shadow"), ["fsck", "--full"], { env: { GIT_DIR: "." } }), "");
	if (root) assert.notEqual(lstatSync(path.join(sandbox.root, "shadow")).uid, sandbox.uid);
});

test("the second clone transfers nothing, and lives on without the cache", options, async () => {
	const repo = await repository();
	await expectOk(driver, repo);
	assert.equal(posts(repo).length, 3, "one asks, two fetch");
	const before = github.log.length;
	const result = await expectOk(driver, repo);
	await expectWhole(result, repo);
	assert.equal(posts(repo, before).length, 1, "the refs were listed, nothing was fetched");
	rmSync(cacheOf(driver, result.commit), { recursive: true });
	assert.equal(inside(result.sandbox, "fsck", "--full"), "");
	const { ok, patch } = await result.sandbox.diff();
	assert.ok(ok);
	assert.equal(patch.length, 0);
});

test("every clone proves its access, cached or not", options, async () => {
	const repo = await repository();
	const expect = async (outcome, text, token) => {
		const result = await cloned(driver, repo, "main", token);
		assert.equal(result.outcome, outcome);
		assert.match(result.text, text);
		assert.equal(result.commit, "");
		assert.deepEqual(readdirSync(result.sandbox.repo), [], "nothing of it is left");
		assert.deepEqual(readdirSync(path.join(result.sandbox.root, "shadow")), []);
	};
	const revoked = github.issueToken("alice", ["repo", "gist"]);
	github.revoke(revoked);
	for (const round of ["not cached", "cached"]) {
		await expect("no-access", /^No access to alice\/repo-\d+: .*, or the stored credential may not read it\.$/, bob);
		await expect("unauthorized", /refused the stored credential for alice\/repo-\d+: access has to/, revoked);
		await expect("no-access", /it is private and no credential is stored/, "");
		if (round === "not cached") await expectOk(driver, repo);
	}
	const missing = await cloned(driver, "alice/nothing");
	assert.equal(missing.outcome, "no-access");
	const open = await repository(small(), { private: false });
	await expectOk(driver, open, "main", "");
});

test("branches: moved, forced, deleted, in the place of another, with odd names, the default one", options, async () => {
	const repo = await repository();
	await expectOk(driver, repo);
	await github.commit(repo, { files: { "dir0/file0.txt": null, "new/deep/file": "new\n", "dir1": null } });
	await expectWhole(await expectOk(driver, repo), repo);
	await github.git(repo, "update-ref", "refs/heads/main", "main~1");
	await expectWhole(await expectOk(driver, repo), repo);
	for (const branch of ["topic", "feat/ü-\"quoted\"", "x;id", "$(id)", "it's", "a&b|c>d"]) {
		await github.git(repo, "branch", branch, "main");
		await github.commit(repo, { branch, files: { topic: branch } });
		await expectWhole(await expectOk(driver, repo, branch), repo, branch);
	}
	// Where a file was in refs/heads there is now a directory.
	await github.git(repo, "branch", "-D", "topic");
	const gone = await cloned(driver, repo, "topic");
	assert.equal(gone.outcome, "no-branch");
	assert.equal(gone.text, `There is no branch topic in ${repo}.`);
	await github.git(repo, "branch", "topic/sub", "main");
	await expectWhole(await expectOk(driver, repo, "topic/sub"), repo, "topic/sub");
	const missing = await cloned(driver, repo, "nowhere");
	assert.deepEqual([missing.outcome, missing.text], ["no-branch", `There is no branch nowhere in ${repo}.`]);
	await github.git(repo, "branch", "-m", "main", "trunk");
	await github.git(repo, "symbolic-ref", "HEAD", "refs/heads/trunk");
	for (let i = 0; i < 2; i++) await expectWhole(await expectOk(driver, repo, ""), repo, "trunk");
});

test("a repository without commits: an empty checkout, and then one with the first commit", options, async () => {
	for (const branch of ["main", "", "topic"]) {
		const empty = await repository(null);
		const { sandbox, commit } = await expectOk(driver, empty, branch);
		assert.equal(commit, "");
		assert.deepEqual(readdirSync(sandbox.repo), [".git"]);
		assert.equal(inside(sandbox, "symbolic-ref", "HEAD"), `refs/heads/${branch || "main"}`);
		assert.equal(inside(sandbox, "status", "--porcelain"), "");
		assert.equal((await sandbox.diff()).patch.length, 0);
		writeFileSync(path.join(sandbox.repo, "first"), "first\n");
		const { ok, patch, notes } = await sandbox.diff();
		assert.ok(ok, notes);
		assert.match(String(patch), /^\+first$/m);
		const fresh = git(sandbox.root, ["init", "-q", "fresh"]) || path.join(sandbox.root, "fresh");
		git(fresh, ["apply", "--index", "-"], { input: patch });
		assert.equal(git(fresh, ["write-tree"]), treeOf(sandbox));
		await github.commit(empty, { branch: branch || "main", files: small() });
		await expectWhole(await expectOk(driver, empty, branch), empty, branch || "main");
	}
	// The other way round: what the cache knows isn't there any more, also not as the name of another one.
	const repo = await repository();
	await expectOk(driver, repo);
	github.repos.delete(repo);
	await github.addRepo(repo, { private: true, files: null });
	const { sandbox, commit } = await expectOk(driver, repo);
	assert.equal(commit, "");
	assert.deepEqual(readdirSync(sandbox.repo), [".git"]);
	assert.equal(git(sandbox.repo, ["cat-file", "--batch-all-objects", "--batch-check"]), "");
	await github.commit(repo, { branch: "other", files: small() });
	const missing = await cloned(driver, repo);
	assert.deepEqual([missing.outcome, missing.text], ["no-branch", `There is no branch main in ${repo}.`]);
});

// A branch with commits of its own, beside a default branch that went on.
async function parted(repo, { own = 3, since = 3 } = {}) {
	await github.git(repo, "branch", "feature", "main");
	for (let i = 0; i < own; i++) await github.commit(repo, { branch: "feature", files: { mine: `${i}\n` } });
	for (let i = 0; i < since; i++) await github.commit(repo, { files: { theirs: `${i}\n` } });
}

test("a feature branch: the default branch is there, down to where the two parted", options, async () => {
	const repo = await repository();
	for (let i = 0; i < 3; i++) await github.commit(repo, { files: { before: `${i}\n` } });
	await parted(repo, { own: 60, since: 3 });
	for (const round of ["not cached", "cached", "default branch moved", "again"]) {
		if (round === "default branch moved") await github.commit(repo, { files: { later: "later\n" } });
		const result = await expectOk(driver, repo, "feature");
		await expectWhole(result, repo, "feature");
		const { sandbox } = result, trunk = await tip(repo);
		const refs = ["main", "origin/main", "origin/HEAD"];
		assert.deepEqual(inside(sandbox, "rev-parse", ...refs).split("\n"), refs.map(() => trunk), round);
		for (const base of refs) assert.equal(inside(sandbox, "diff", "--name-only", `${base}...HEAD`), "mine", round);
		assert.equal(inside(sandbox, "log", "--oneline", "main..HEAD").split("\n").length, 60);
		assert.equal(inside(sandbox, "fsck", "--full"), "");
		assert.equal(inside(sandbox, "rev-parse", "main@{upstream}"), trunk);
		const { ok, patch, notes } = await sandbox.diff();
		assert.ok(ok, notes);
		assert.equal(patch.length, 0);
	}
	// The default branch itself, from the same cache.
	const main = await expectOk(driver, repo);
	await expectWhole(main, repo);
	assert.equal(inside(main.sandbox, "rev-parse", "origin/HEAD"), main.commit);
	// A new branch without a commit of its own, and one that has nothing in common with the default branch.
	await github.git(repo, "branch", "fresh", "main");
	await expectWhole(await expectOk(driver, repo, "fresh"), repo, "fresh");
	const alone = await github.git(repo, "-c", "user.name=x", "-c", "user.email=x@example.com", "commit-tree", "-m", "Alone",
		await tree(repo, "feature"));
	await github.git(repo, "branch", "alone", alone);
	await expectWhole(await expectOk(driver, repo, "alone"), repo, "alone");
});

test("many states of a branch stay a few packs", options, async () => {
	const repo = await repository();
	let result;
	for (let i = 0; i < 11; i++) {
		await github.commit(repo, { files: { counter: `${i}\n`, "dir1/file1.txt": `${i}\n` } });
		result = await expectOk(driver, repo);
	}
	await expectWhole(result, repo);
	assert.ok(packs(cacheOf(driver, result.commit)).length <= 8);
	assert.equal(git(cacheOf(driver, result.commit), ["fsck", "--no-dangling"], { env: { GIT_DIR: "." } }), "");
});

test("a broken cache is thrown away and fetched anew", options, async () => {
	const repo = await repository();
	const { commit } = await expectOk(driver, repo);
	// Its own packs and the one to hand over.
	const all = (dir, end) => [path.join(dir, "objects/pack"), ...handed(dir)]
		.flatMap((of) => readdirSync(of).filter((name) => name.endsWith(end)).map((name) => path.join(of, name)));
	const nothingHanded = (dir) => handed(dir).forEach((name) => rmSync(name, { recursive: true }));
	const damage = {
		"a truncated pack": (dir) => all(dir, ".pack").forEach((name) => truncateSync(name, 40)),
		"flipped bytes": (dir) => all(dir, ".pack").forEach((name) => {
			const bytes = readFileSync(name);
			for (let i = 200; i < bytes.length - 20; i += 50) bytes[i] ^= 0xff;
			chmodSync(name, 0o644);
			writeFileSync(name, bytes);
		}),
		"flipped bytes, not handed over yet": (dir) => {
			damage["flipped bytes"](dir);
			nothingHanded(dir);
		},
		"no packs": (dir) => all(dir, "").filter((name) => /\.(pack|idx)$/.test(name)).forEach((name) => rmSync(name)),
		"no index": (dir) => all(dir, ".idx").forEach((name) => rmSync(name)),
		"half of what is handed over": (dir) => all(dir, "state").forEach((name) => rmSync(name)),
		"a state that is none": (dir) => all(dir, "state").forEach((name) => writeFileSync(name, "what?\n")),
		"no packs, and nothing handed over": (dir) => {
			damage["no packs"](dir);
			nothingHanded(dir);
		},
		"garbage in shallow": (dir) => {
			writeFileSync(path.join(dir, "shallow"), "what?\n");
			nothingHanded(dir);
		},
		"no HEAD": (dir) => {
			rmSync(path.join(dir, "HEAD"));
			nothingHanded(dir);
		},
		"garbage in config": (dir) => {
			writeFileSync(path.join(dir, "config"), "[[");
			nothingHanded(dir);
		},
		"an empty ref": (dir) => {
			for (const ref of readdirSync(path.join(dir, "refs/craft"))) writeFileSync(path.join(dir, "refs/craft", ref), "");
			nothingHanded(dir);
		},
	};
	for (const [what, spoil] of Object.entries(damage)) {
		spoil(cacheOf(driver, commit));
		const result = await cloned(driver, repo);
		assert.equal(result.outcome, "ok", `${what}: ${result.text}`);
		await expectWhole(result, repo);
	}
});

test("what a killed fetch left is cleaned up", options, async () => {
	const repo = await repository();
	const { commit } = await expectOk(driver, repo);
	const dir = cacheOf(driver, commit);
	const left = ["shallow.lock", "objects/pack/tmp_pack_AbCdEf", "objects/pack/.tmp-1-pack-x.pack", "refs/craft/0.lock"];
	for (const name of left) writeFileSync(path.join(dir, name), "x");
	await github.commit(repo, { files: { more: "more\n" } });
	await expectWhole(await expectOk(driver, repo), repo);
	for (const name of left) assert.equal(existsSync(path.join(dir, name)), false, name);
});

test("a host that doesn't answer as it should", options, async (t) => {
	const repo = await repository();
	const cases = [[500, "network"], [502, "network"], [403, "no-access"], [404, "no-access"], [401, "unauthorized"],
		[429, "network"], ["html", "network"], [{ cut: 0 }, "network"]];
	for (const [how, outcome] of cases) {
		github.behave("git", how);
		const result = await cloned(driver, repo);
		assert.equal(result.outcome, outcome, `${JSON.stringify(how)}: ${result.text}`);
		assert.match(result.text, new RegExp(`${repo}.*\\S`));
		assert.doesNotMatch(result.text, /gho_/);
	}
	github.behave("git", null);
	await expectOk(driver, repo);
	const down = startDriver({ url: "https://127.0.0.1:9", caFile: github.caFile });
	t.after(() => down.stop());
	const refused = await cloned(down, repo);
	assert.equal(refused.outcome, "network");
	assert.match(refused.text, /could not be fetched from https:\/\/127\.0\.0\.1:9: Failed to connect/);
	await down.stop();
	const strangers = startDriver({ url: github.url });
	t.after(() => strangers.stop());
	const untrusted = await cloned(strangers, repo);
	assert.equal(untrusted.outcome, "network");
	assert.match(untrusted.text, /certificate/);
	await strangers.stop();
});

test("a connection that is cut in the middle of the pack", options, async () => {
	const repo = await repository({ blob: randomBytes(2_000_000) });
	// The last of the requests is the one with the pack.
	const seen = github.log.length;
	github.behave("git", { delay: 0 });
	const sandbox = await driver.sandbox();
	const result = sandbox.clone(repo, "main", alice);
	await waitFor(() => github.log.length >= seen + 3, { what: "the refs" });
	github.behave("git", { cut: 500_000 });
	const { outcome, text } = await result;
	github.behave("git", null);
	assert.ok(outcome === "network" || outcome === "ok", `${outcome}: ${text}`);
	await expectWhole(await expectOk(driver, repo), repo);
});

test("redirects: to a new name on the same host, but the token goes to no other", options, async () => {
	const repo = await repository();
	github.renameRepo(repo, "alice/renamed");
	const result = await expectOk(driver, repo);
	assert.equal(treeOf(result.sandbox), await tree("alice/renamed", result.commit));
	github.behave("git", { redirect: true });
	const away = await cloned(driver, await repository());
	github.behave("git", null);
	const there = github.requests({ site: "elsewhere" });
	assert.ok(there.length > 0, "it was followed");
	assert.deepEqual(there.filter((row) => row.token), []);
	assert.notEqual(away.outcome, "ok");
});

test("the time limit, and no process is left", options, async (t) => {
	const impatient = startDriver(github, { SANDBOX_CLONE_TIMEOUT: "1" });
	t.after(() => impatient.stop());
	const repo = await repository();
	github.behave("git", "never");
	const { outcome, text } = await cloned(impatient, repo);
	assert.deepEqual([outcome, text], ["timeout", `Cloning ${repo} took longer than 1 s (SANDBOX_CLONE_TIMEOUT).`]);
	assert.deepEqual(children(impatient.pid), []);
	github.behave("git", null);
	github.release();
	await impatient.stop();
});

test("too large: transferred, checked out, for the disk", options, async (t) => {
	const tight = startDriver(github, { SANDBOX_REPO_MAX: "1M" });
	t.after(() => tight.stop());
	const large = await repository({ blob: randomBytes(3_000_000) });
	const bomb = await repository({ a: Buffer.alloc(900_000, "same "), b: Buffer.alloc(900_001, "same ") });
	for (const repo of [large, bomb]) {
		const { outcome, text, sandbox } = await cloned(tight, repo);
		assert.deepEqual([outcome, text], ["too-large",
			`${repo} is too large: it doesn't fit into what a repository may take (SANDBOX_REPO_MAX, 1 MiB).`]);
		assert.deepEqual(readdirSync(sandbox.repo), []);
	}
	await expectOk(tight, await repository());
	await tight.stop();
});

const mounts = { ...options, skip: options.skip || (!root && "this machine can't mount disks") };
test("too large for the disk of a sandbox", mounts, async (t) => {
	const tight = startDriver(github, { SANDBOX_DISK: "16M" });
	t.after(() => tight.stop());
	const repo = await repository({ a: randomBytes(6_000_000), b: randomBytes(6_000_000) });
	const sandbox = await tight.sandbox();
	if (!existsSync(path.join(sandbox.root, "disk.img"))) return tight.stop();
	const { outcome, text } = await sandbox.clone(repo, "main", alice);
	assert.deepEqual([outcome, text], ["too-large",
		`${repo} is too large: it doesn't fit into the disk of a sandbox (SANDBOX_DISK, 16 MiB).`]);
	await expectOk(tight, await repository());
	await tight.stop();
});

test("many clones at once: one fetch for all of one repository", options, async () => {
	const repos = [await repository(small(300)), await repository(small(300)), await repository(small(300))];
	const before = github.log.length;
	const results = await Promise.all(Array.from({ length: 12 }, (_, i) => expectOk(driver, repos[i % 3])));
	for (const [i, result] of results.entries()) await expectWhole(result, repos[i % 3]);
	for (const repo of repos)
		assert.equal(posts(repo, before).length, 3 + 3, "three for the first, one for each of the others");
});

test("a slow repository holds nobody up but its own", options, async () => {
	const slow = await repository(), quick = await repository();
	github.behave("git", { never: true, times: 1 });
	const waiting = await Promise.all(Array.from({ length: 6 }, () => driver.sandbox()));
	const clones = waiting.map((sandbox) => sandbox.clone(slow, "main", alice));
	await waitFor(() => github.held === 1, { what: "the first request" });
	await expectOk(driver, quick);
	github.release();
	for (const { outcome, text } of await Promise.all(clones)) assert.equal(outcome, "ok", text);
});

test("cancelled at any time, and the next one works", options, async () => {
	const repo = await repository(small(400));
	const held = await driver.sandbox(), queued = await driver.sandbox();
	github.behave("git", "never");
	const first = held.clone(repo, "main", alice);
	await waitFor(() => github.held >= 1, { what: "the request" });
	const second = queued.clone(repo, "main", alice);
	queued.cancel("clone");
	assert.equal((await second).outcome, "cancelled");
	held.cancel("clone");
	assert.equal((await first).outcome, "cancelled");
	assert.deepEqual(children(driver.pid), []);
	github.behave("git", null);
	github.release();
	await expectWhole(await expectOk(driver, repo), repo);
	for (let delay = 0; delay < 300; delay += 23) {
		if (delay % 2) await github.commit(repo, { files: { delay: `${delay}\n` } });
		const sandbox = await driver.sandbox();
		const result = sandbox.clone(repo, "main", alice);
		await new Promise((resolve) => setTimeout(resolve, delay));
		sandbox.cancel("clone");
		assert.ok(["cancelled", "ok"].includes((await result).outcome));
		assert.deepEqual(children(driver.pid), []);
	}
	await expectWhole(await expectOk(driver, repo), repo);
});

test("kill -9 of the daemon ends its gits, and the cache is good", options, async (t) => {
	const dir = startDriver(github);
	t.after(() => dir.stop());
	const repo = await repository();
	await expectOk(dir, repo);
	await github.commit(repo, { files: { more: "more\n" } });
	const sandbox = await dir.sandbox();
	github.behave("git", "never");
	const lost = sandbox.clone(repo, "main", alice).catch(() => "lost");
	await waitFor(() => github.held >= 1, { what: "the request" });
	const pids = children(dir.pid);
	assert.ok(pids.length > 0);
	dir.kill();
	assert.equal(await lost, "lost");
	await waitFor(() => pids.every((pid) => !alive(pid)), { what: "their end" });
	github.behave("git", null);
	github.release();
	const next = startDriver(github, { SANDBOX_DIR: dir.sandboxes });
	t.after(() => next.stop());
	await expectWhole(await expectOk(next, repo), repo);
	await next.stop();
	rmSync(dir.dir, { recursive: true, force: true });
});

test("the cache has a bound: what wasn't used for longest goes", options, async (t) => {
	const tight = startDriver(github, { SANDBOX_REPO_MAX: "1M" });
	t.after(() => tight.stop());
	const repos = [];
	const use = async (repo) => (await expectOk(tight, repo, "main", "")).sandbox.remove();
	for (let i = 0; i < 26; i++) {
		repos.push(await repository({ blob: randomBytes(450_000) }, { private: false }));
		await use(repos[i]);
		if (i === 20) await use(repos[0]);
	}
	const sizes = (dir) => [path.join(dir, "objects/pack"), ...existsSync(path.join(dir, "handed")) ? handed(dir) : []]
		.flatMap((of) => readdirSync(of).filter((name) => name.endsWith(".pack")).map((name) => statSync(path.join(of, name)).size));
	const size = () => caches(tight).flatMap(sizes).reduce((sum, n) => sum + n, 0);
	await waitFor(() => size() <= 10 << 20, { what: "the cache to shrink" });
	assert.ok(size() > 8 << 20);
	const before = github.log.length;
	await use(repos[0]);
	assert.equal(posts(repos[0], before).length, 1, "the one that was used again is there");
	await use(repos[1]);
	assert.equal(posts(repos[1], before).length, 3, "an old one is not");
	assert.equal(await tight.stop(), 0);
});

test("a hostile repository: submodules, filters and links do nothing", options, async () => {
	const repo = await repository({ "a.bin": "version https://git-lfs.github.com/spec/v1\n",
		".gitmodules": '[submodule "x"]\n\tpath = x\n\turl = ext::sh -c touch% /tmp/pwned\n',
		".gitattributes": "* filter=evil\n*.bin filter=lfs diff=lfs merge=lfs -text\n",
		"dir/link": { content: "../../../../../../etc/passwd", mode: "120000" },
		".lfsconfig": "[lfs]\n\turl = http://127.0.0.1:1\n" });
	const result = await expectOk(driver, repo);
	await expectWhole(result, repo);
	assert.equal(readFileSync(path.join(result.sandbox.repo, "a.bin"), "utf8"), "version https://git-lfs.github.com/spec/v1\n");
});

// Command line and environment of every process but the test's own, which made the token.
function findSecret(secret, found) {
	const look = (file) => {
		try {
			if (readFileSync(file).includes(secret)) found.add(file.replace(/\d+/, "N"));
		} catch { /* it ended, or is nobody's to read */ }
	};
	for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)) {
		look(`/proc/${pid}/cmdline`);
		look(`/proc/${pid}/environ`);
	}
}

test("the token is in no command line, no environment and no file", options, async () => {
	const repo = await repository({ ...small(), blob: randomBytes(400_000) });
	const found = new Set();
	let looks = 0;
	github.behave("git", { delay: 1500 });
	const sandbox = await driver.sandbox();
	let done = false;
	const result = sandbox.clone(repo, "main", alice).finally(() => { done = true; });
	while (!done) {
		findSecret(alice, found);
		looks++;
		await new Promise((resolve) => setTimeout(resolve, 5));
	}
	github.behave("git", null);
	assert.equal((await result).outcome, "ok");
	assert.deepEqual([...found], []);
	assert.ok(looks > 5, `looked ${looks} times`);
	const files = (dir) => readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
		const name = path.join(dir, entry.name);
		return entry.isDirectory() ? files(name) : entry.isFile() ? [name] : [];
	});
	for (const file of [...files(sandbox.root), ...files(path.join(driver.sandboxes, "cache"))])
		assert.equal(readFileSync(file).includes(alice), false, file);
	assert.doesNotMatch(driver.errors, /gho_/);
});

test("the search finds a token that is there", options, async () => {
	const child = spawn("sleep", ["60"], { env: { SECRET: "gho_here" }, argv0: "sleep" });
	const found = new Set();
	await waitFor(() => { findSecret("gho_here", found); return found.size > 0; }, { what: "the planted one" });
	child.kill();
	assert.deepEqual([...found], ["/proc/N/environ"]);
});

test("a daemon that isn't root clones and diffs too", { ...options, skip: options.skip || !root }, async (t) => {
	const plain = startDriver(github, {}, { uid: 65534, gid: 65534 });
	t.after(() => plain.stop());
	const probe = spawnSync("setpriv",
		["--reuid=65534", "--regid=65534", "--clear-groups", "bwrap", "--ro-bind", "/", "/", "true"]);
	if (probe.status !== 0) return plain.stop();
	const repo = await repository();
	await expectWhole(await expectOk(plain, repo), repo);
	const again = await expectOk(plain, repo);
	writeFileSync(path.join(again.sandbox.repo, "new"), "new\n");
	const { ok, patch, notes } = await again.sandbox.diff();
	assert.ok(ok, notes);
	assert.match(String(patch), /\+new\n/);
	assert.equal(await plain.stop(), 0);
});
