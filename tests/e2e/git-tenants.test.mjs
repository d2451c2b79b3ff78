// What one workspace's checkouts leave on a host, and what the next one is given of it: nothing but what can be reached from
// the commit that the git host names to the one who asks.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, test } from "node:test";
import { startGitHub } from "../fakes/github.mjs";
import { git, startDriver, unable } from "../harness/git.mjs";
import { waitFor } from "../harness/server.mjs";

const options = { skip: unable ? `this machine can't: ${unable}` : false };

const github = await startGitHub();
for (const login of ["alice", "bob"]) github.addUser(login);
const tokens = { alice: github.issueToken("alice", ["repo"]), bob: github.issueToken("bob", ["repo"]) };
const driver = startDriver(github);
after(async () => {
	const status = await driver.stop();
	await github.stop();
	assert.equal(status, 0, driver.errors);
});

let serial = 0;
async function repository(files, { by = "alice", ...more } = {}) {
	const name = `${by}/tenants-${++serial}`;
	await github.addRepo(name, { private: true, files, ...more });
	return name;
}

async function clone(repo, branch, { workspace = "first", login = "alice" } = {}) {
	const sandbox = await driver.sandbox();
	const { outcome, text, commit } = await sandbox.clone(repo, branch, tokens[login], workspace);
	assert.equal(outcome, "ok", text);
	return { sandbox, commit };
}

const secret = (what) => `-----BEGIN ${what} ${serial}-----\n`;
const idsOf = (dir) => git(dir, ["cat-file", "--batch-all-objects", "--batch-check=%(objectname)", "--unordered"],
	{ env: { GIT_DIR: "." } }).split("\n").filter(Boolean).sort();
const idsOnServer = async (repo, ...revisions) =>
	[...new Set((await github.git(repo, "rev-list", "--objects", "--no-object-names", "--no-walk=unsorted", ...revisions)).split("\n"))]
		.sort();
// Every file below a directory: {name: bytes}.
const files = (dir) => readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
	const name = path.join(dir, entry.name);
	return entry.isDirectory() ? files(name) : entry.isFile() ? [name] : [];
});

/** The checkout and its shadow hold exactly the objects of these revisions, and the text and the ids nowhere. */
async function expectOnly({ sandbox }, repo, revisions, { text, ids = [] }) {
	const wanted = await idsOnServer(repo, ...revisions);
	for (const dir of [path.join(sandbox.repo, ".git"), path.join(sandbox.root, "shadow")]) {
		assert.deepEqual(idsOf(dir), wanted, dir);
		for (const file of files(dir)) {
			const bytes = readFileSync(file);
			for (const id of ids) {
				assert.equal(bytes.includes(id), false, `${file}: ${id}`);
				assert.equal(bytes.includes(Buffer.from(id, "hex")), false, `${file}: ${id}`);
			}
		}
	}
	for (const file of files(sandbox.repo)) assert.equal(readFileSync(file).includes(text), false, file);
	assert.equal(git(sandbox.repo, ["fsck", "--full", "--unreachable"]), "");
}

/** Puts another history, without a secret, in the place of the branch, as after a purge; resolves to what is gone. */
async function purge(repo, branch, kept) {
	const gone = await idsOnServer(repo, branch);
	const orphan = `purged-${++serial}`;
	await github.commit(repo, { branch: orphan, from: orphan, files: kept });
	await github.git(repo, "update-ref", `refs/heads/${branch}`, `refs/heads/${orphan}`);
	await github.git(repo, "branch", "-D", orphan);
	const left = new Set(await idsOnServer(repo, branch));
	return gone.filter((id) => !left.has(id));
}

test("a name that belongs to another repository now", options, async () => {
	for (const [workspace, login] of [["first", "alice"], ["second", "alice"], ["third", "bob"]]) {
		const text = secret("OLD REPOSITORY");
		const repo = await repository({ "secret.pem": text, "same.txt": "same\n" });
		const old = await clone(repo, "main");
		const ids = await idsOnServer(repo, "main");
		github.renameRepo(repo, `alice/moved-${serial}`);
		await github.addRepo(repo, { private: true, collaborators: { bob: "read" }, files: { "new.txt": "new\n", "same.txt": "same\n" } });
		const left = new Set(await idsOnServer(repo, "main"));
		for (let i = 0; i < 2; i++) {
			const result = await clone(repo, "main", { workspace, login });
			assert.notEqual(result.commit, old.commit);
			await expectOnly(result, repo, ["main"], { text, ids: ids.filter((id) => !left.has(id)) });
		}
	}
});

test("a secret that a forced push took away", options, async () => {
	for (const workspace of ["first", "second"]) {
		const text = secret("FORCED");
		const repo = await repository({ "secret.pem": text, "file.txt": "kept\n" });
		await clone(repo, "main");
		const ids = await purge(repo, "main", { "file.txt": "kept\n" });
		assert.ok(ids.length >= 3);
		for (let i = 0; i < 2; i++)
			await expectOnly(await clone(repo, "main", { workspace }), repo, ["main"], { text, ids });
	}
});

test("a secret that is gone from the default branch, seen from a feature branch", options, async () => {
	const text = secret("TRUNK");
	const repo = await repository({ "file.txt": "kept\n" });
	await github.git(repo, "branch", "feature", "main");
	await github.commit(repo, { branch: "feature", files: { mine: "mine\n" } });
	await github.commit(repo, { files: { "secret.pem": text } });
	const first = await clone(repo, "feature");
	assert.equal(git(first.sandbox.repo, ["show", "main:secret.pem"]), text.trimEnd());
	const secretIds = await idsOnServer(repo, "main");
	await github.git(repo, "update-ref", "refs/heads/main", "main~1");
	const left = new Set([...await idsOnServer(repo, "main"), ...await idsOnServer(repo, "feature")]);
	for (const workspace of ["first", "second"])
		await expectOnly(await clone(repo, "feature", { workspace }), repo, ["main", "feature"],
			{ text, ids: secretIds.filter((id) => !left.has(id)) });
});

test("a branch that was deleted, and another branch of the same repository", options, async () => {
	const text = secret("BRANCH");
	const repo = await repository({ "file.txt": "kept\n" });
	await github.commit(repo, { branch: "leak", from: "main", files: { "secret.pem": text } });
	const leak = await clone(repo, "leak");
	const ids = (await idsOnServer(repo, "leak")).filter((id) => id === leak.commit);
	for (const round of ["there", "deleted"]) {
		if (round === "deleted") await github.git(repo, "branch", "-D", "leak");
		for (const workspace of ["first", "second"])
			await expectOnly(await clone(repo, "main", { workspace }), repo, ["main"], { text, ids });
	}
	const sandbox = await driver.sandbox();
	const { outcome } = await sandbox.clone(repo, "leak", tokens.alice, "second");
	assert.equal(outcome, "no-branch");
	assert.deepEqual(readdirSync(sandbox.repo), []);
	assert.deepEqual(readdirSync(path.join(sandbox.root, "shadow")), []);
});

test("caches of earlier releases, which all workspaces shared, are removed", options, async () => {
	const old = path.join(driver.sandboxes, "cache", `${"0".repeat(64)}.git`);
	mkdirSync(path.join(old, "objects/pack"), { recursive: true });
	writeFileSync(path.join(old, "objects/pack/pack-1.pack"), "old");
	await clone(await repository({ "file.txt": "x\n" }), "main");
	await waitFor(() => !existsSync(old), { what: "the removal" });
	assert.ok(readdirSync(path.dirname(old)).length > 0);
});
