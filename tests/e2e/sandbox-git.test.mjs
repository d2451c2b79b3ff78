// git in the box: more of the repository's own history, and its submodules, by the gateway, with nobody else's access.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startSandboxRig } from "../harness/sandbox.mjs";
import { waitFor } from "../harness/server.mjs";

let rig;
before(async () => { rig = await startSandboxRig(); });
after(() => rig?.stop());

const link = (content) => ({ content, mode: "160000" });
const output = async (sandbox, command) => (await sandbox.bash(command)).output;
const tip = (repo, branch = "main") => rig.github.git(repo, "rev-parse", branch);

test("fetch --unshallow, another branch, log, and the diff against the default branch", async () => {
	const { github } = rig, repo = "alice/history";
	await rig.addRepo(repo, { "a.txt": "0\n" });
	for (let i = 1; i < 5; i++) await github.commit(repo, { message: `Commit ${i}`, files: { "a.txt": `${i}\n` } });
	await github.git(repo, "branch", "feature", "main~1");
	await github.commit(repo, { branch: "feature", message: "Feature", files: { mine: "mine\n" } });
	const main = await rig.ready(repo);
	assert.equal(await output(main, "git rev-list --count HEAD"), "1\n", "as git clone --depth 1");
	await main.bash("git fetch -q origin feature");
	assert.equal(await output(main, "git rev-parse FETCH_HEAD"), `${await tip(repo, "feature")}\n`);
	await main.bash("git fetch -q --unshallow");
	assert.equal(await output(main, "git log --format=%s"), "Commit 4\nCommit 3\nCommit 2\nCommit 1\nFirst commit\n");
	assert.equal(await output(main, "git rev-parse --is-shallow-repository; git fsck --full --no-dangling 2>&1"), "false\n");
	assert.equal(await output(main, "git blame -s a.txt | cut -c1-7"), `${(await tip(repo)).slice(0, 7)}\n`);
	assert.equal(await main.diff(), "");
	await main.delete();
	const feature = await rig.ready(repo, { branch: "feature" });
	for (const base of ["main", "origin/main", "origin/HEAD"]) assert.equal(await output(feature, `git diff --name-only ${base}...HEAD`), "mine\n");
	await github.commit(repo, { message: "Later", files: { later: "later\n" } });
	await feature.bash("git fetch -q origin main");
	assert.equal(await output(feature, "git rev-parse FETCH_HEAD origin/main"), `${await tip(repo)}\n`.repeat(2));
	assert.equal(await output(feature, "git log --format=%s HEAD..origin/main"), "Later\nCommit 4\n");
	await feature.bash("git merge -q --no-edit origin/main");
	assert.equal(await output(feature, "git diff --name-only origin/main HEAD"), "mine\n");
	await feature.bash("git fetch -q --unshallow || test $(git rev-parse --is-shallow-repository) = false");
	assert.equal(await output(feature, "git log --format=%s origin/main | tail -1"), "First commit\n");
	await feature.delete();
});

test("submodules: public ones and those granted to the workspace are fetched, others not with somebody's access", async () => {
	const { github } = rig, repo = "alice/main";
	await github.addRepo("bob/public", { files: { "p.txt": "public\n" } });
	await github.addRepo("alice/granted", { private: true, files: { "g.txt": "granted\n" } });
	await github.addRepo("alice/private", { private: true, files: { "x.txt": "private\n" } });
	const ids = Object.fromEntries(await Promise.all(["bob/public", "alice/granted", "alice/private"].map(async (name) => [name, await tip(name)])));
	await rig.addRepo(repo, { "README.md": "x\n", "libs/public": link(ids["bob/public"]), granted: link(ids["alice/granted"]),
		private: link(ids["alice/private"]), far: link(ids["bob/public"]),
		".gitmodules": `[submodule "p"]\n\tpath = libs/public\n\turl = ${github.url}/bob/public\n` +
			'[submodule "granted"]\n\tpath = granted\n\turl = ../granted.git\n[submodule "private"]\n\tpath = private\n\turl = ../private.git\n' +
			'[submodule "far"]\n\tpath = far\n\turl = https://example.invalid/far.git\n' });
	await rig.connectRepo("alice/granted");
	const sandbox = await rig.begin(repo, { params: { since: 0 } });
	await sandbox.waitStatus("ready");
	const { message } = await sandbox.wait((m) => m.type === "status" && m.status === "ready", { what: "ready" });
	assert.match(message, /empty directories until `git submodule update --init` fetches them: "granted", "libs\/public", "private"\./);
	assert.match(message, /can't be fetched in the sandbox: "far"\./);
	const before = github.log.length;
	await sandbox.bash("git submodule update -q --init libs/public");
	await waitFor(async () => (await sandbox.bash("git submodule update -q --init granted", { fails: true })).success, { what: "the granted one" });
	assert.equal(await output(sandbox, "cat libs/public/p.txt granted/g.txt"), "public\ngranted\n");
	const own = await sandbox.bash("git submodule update -q --init private", { fails: true });
	assert.equal(own.success, false);
	assert.match(JSON.stringify(own), /403|not public/);
	assert.equal((await sandbox.bash("git submodule update -q --init far", { fails: true })).success, false);
	assert.equal((await sandbox.bash(`git ls-remote ${github.url}/alice/private`, { fails: true })).success, false);
	const asked = github.log.slice(before).filter((row) => row.route === "git");
	const users = (name) => [...new Set(asked.filter((row) => row.path.startsWith(`/${name}.git/`)).map((row) => row.user))];
	assert.deepEqual(users("bob/public"), [null]);
	assert.ok(users("alice/granted").includes("alice"));
	assert.deepEqual(users("alice/private"), [null], "nobody's access was lent");
	// The agent knows of it.
	await sandbox.execute("Say hi");
	const [request] = rig.anthropic.requests({ route: "messages" })
		.filter(({ body }) => JSON.stringify(body.system ?? "").includes("git submodule update --init"));
	assert.ok(request, "the note is in the system prompt");
	// Once access is granted, the same sandbox can fetch it.
	await rig.connectRepo("alice/private");
	await waitFor(async () => (await sandbox.bash("git submodule update -q --init private", { fails: true })).success,
		{ what: "the one that was granted later", deadline: 60_000, every: 1000 });
	assert.equal(await output(sandbox, "cat private/x.txt"), "private\n");
	// What is changed there.
	const second = await github.commit("bob/public", { files: { "p.txt": "public 2\n" } });
	await sandbox.bash("cd libs/public && git fetch -q && git checkout -q FETCH_HEAD");
	const from = sandbox.messages.length;
	sandbox.send({ type: "diff" });
	const { diff, notes } = await sandbox.wait((m) => m.type === "diff", { from, what: "the diff" });
	assert.match(diff, new RegExp(`^\\+Subproject commit ${second}$`, "m"));
	assert.match(notes, /lost with the sandbox: granted, libs\/public, private\./);
	// The next daemon knows of them, too.
	await rig.server.stopSandboxd();
	await rig.server.startSandboxd();
	await waitFor(async () => (await sandbox.bash("git submodule deinit -q -f --all && rm -rf .git/modules && git submodule update -q --init libs/public granted",
		{ fails: true })).success, { what: "another fetch", deadline: 60_000, every: 1000 });
	assert.equal((await sandbox.bash(`git ls-remote ${github.url}/alice/other`, { fails: true })).success, false);
	await sandbox.delete();
});
