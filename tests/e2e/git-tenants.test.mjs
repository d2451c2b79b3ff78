// What one workspace's checkouts leave on a host, and what the next one is given of it: nothing but what can be reached from
// the commit that the git host names to the one who asks.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { git, startCheckouts } from "../harness/git.mjs";
import { waitFor } from "../harness/server.mjs";

const { github, driver, tokens, options, repository, ...starting } = await startCheckouts("tenants", ["alice", "bob"]);
const clone = (repo, branch, more) => starting.clone(repo, branch, { workspace: "first", ...more });

let serial = 0;
const secret = (what) => `-----BEGIN ${what} ${++serial}-----\n`;
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
		github.renameRepo(repo, `alice/moved-${++serial}`);
		await github.addRepo(repo, { private: true, collaborators: { bob: "read" }, files: { "new.txt": "new\n", "same.txt": "same\n" } });
		const left = new Set(await idsOnServer(repo, "main"));
		for (let i = 0; i < 2; i++) {
			const result = await clone(repo, "main", { workspace, login });
			assert.notEqual(result.commit, old.commit);
			await expectOnly(result, repo, ["main"], { text, ids: ids.filter((id) => !left.has(id)) });
		}
	}
});

test("a name that another repository of the same workspace has now: one that shares history, and one renamed back", options, async () => {
	const text = secret("SHARED HISTORY");
	const repo = await repository({ "same.txt": "same\n" });
	const shared = await github.git(repo, "rev-parse", "main");
	await github.commit(repo, { files: { "secret.pem": text } });
	await github.commit(repo, { files: { "secret.pem": null, "later.txt": "later\n" } });
	const old = await clone(repo, "main");
	const oldIds = await idsOnServer(repo, "main", "main~1");
	github.renameRepo(repo, "alice/was-first");
	// A fork from before the secret, with a branch of the same name and a commit of its own.
	await github.addRepo(repo, { private: true, files: null });
	await github.git(repo, "fetch", "-q", github.repos.get("alice/was-first").dir, `${shared}:refs/heads/main`);
	await github.commit(repo, { files: { "fork.txt": "fork\n" } });
	const left = new Set([...await idsOnServer(repo, "main"), shared]);
	const ids = oldIds.filter((id) => !left.has(id));
	assert.ok(ids.length >= 4);
	for (let i = 0; i < 2; i++) {
		const result = await clone(repo, "main");
		assert.equal(result.commit, await github.git(repo, "rev-parse", "main"));
		await expectOnly(result, repo, ["main"], { text, ids });
	}
	// The old one under its new name is whole, by nobody's cache but its own; and under its old name again.
	const moved = await clone("alice/was-first", "main");
	assert.equal(moved.commit, old.commit);
	await expectOnly(moved, "alice/was-first", ["main"], { text });
	github.renameRepo(repo, "alice/fork");
	github.renameRepo("alice/was-first", repo);
	const back = await clone(repo, "main");
	assert.equal(back.commit, old.commit);
	await expectOnly(back, repo, ["main"], { text: "fork\n" });
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
