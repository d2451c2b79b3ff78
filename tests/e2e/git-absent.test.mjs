// What a checkout hasn't, as after git clone: submodules, contents that Git LFS keeps, the commit at which two branches part.
// It is told, and diffs are right all the same.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { applied, git, own, startCheckouts } from "../harness/git.mjs";

const { github, options, repository, clone, checkout } = await startCheckouts("absent");

const pointer = (n) => `version https://git-lfs.github.com/spec/v1\noid sha256:${String(n).padStart(64, "0")}\nsize 12345\n`;
const link = (content) => ({ content, mode: "160000" });
const modules = (all) => Object.entries(all).map(([name, url]) => `[submodule "${name}"]\n\tpath = ${name}\n\turl = ${url}\n`).join("");

/** What lies beside the shadow for agent and user: {repositories, note}. */
function absentOf({ sandbox }) {
	const file = path.join(sandbox.root, "shadow/absent");
	if (!existsSync(file)) return { repositories: [], note: "" };
	const [, repositories, note] = /^((?:.+\n)*)\n([^]*)$/.exec(readFileSync(file, "utf8"));
	return { repositories: repositories.split("\n").filter(Boolean), note };
}

test("nothing is said of a checkout that is whole", options, async () => {
	for (const files of [{ "README.md": "x\n" }, null, { ".gitattributes": "*.bin filter=lfs\n", "a.bin": "not a pointer\n" },
		{ ".gitmodules": modules({ gone: "../gone.git" }), "text": pointer(1) }])
		assert.deepEqual(absentOf(await checkout(files)), { repositories: [], note: "" });
});

test("submodules: those of the host by any form of URL, and those that can't be had", options, async () => {
	const sub = await repository({ "file": "sub\n" }), id = await github.git(sub, "rev-parse", "main");
	const [, name] = sub.split("/");
	const repo = await repository({ "README.md": "x\n", "libs/a": link(id), b: link(id), c: link(id), "d e": link(id), f: link(id), g: link(id),
		".gitmodules": modules({ "libs/a": `../${name}.git`, b: `${github.url}/bob/b.git`, c: "git@github.com:bob/c.git",
			"d e": "https://example.invalid/bob/d", f: "ext::sh -c touch% /tmp/pwned" }) });
	for (const round of ["fetched", "from the cache"]) {
		const where = await clone(repo);
		const { repositories, note } = absentOf(where);
		assert.deepEqual(repositories, ["bob/b", `alice/${name}`], round);
		assert.match(note, /^These submodules are empty directories until `git submodule update --init` fetches them: "b", "libs\/a"\. /m);
		assert.match(note, /^These submodules are empty directories and can't be fetched in the sandbox: "c", "d\?e", "f", "g"\. Only /m);
		assert.deepEqual(readdirSync(where.at("libs/a")), []);
		const { patch, notes } = await where.sandbox.diff();
		assert.deepEqual([String(patch), notes], ["", ""]);
	}
});

// As git submodule update makes it in the box: the repository below .git/modules, and a file .git that leads there.
function fill({ sandbox, at }, name, from, id) {
	mkdirSync(at(".git/modules"), { recursive: true });
	git(sandbox.repo, ["clone", "-q", "--no-local", `file://${from}`, at(name)]);
	git(at(name), ["checkout", "-q", id]);
	renameSync(at(`${name}/.git`), at(`.git/modules/${name}`));
	writeFileSync(at(`${name}/.git`), `gitdir: ../.git/modules/${name}\n`);
	git(sandbox.repo, ["--git-dir", at(`.git/modules/${name}`), "config", "core.worktree", `../../../${name}`]);
	own(sandbox.repo, sandbox.uid);
}

async function withSubmodule() {
	const sub = await repository({ "file": "one\n" });
	const first = await github.git(sub, "rev-parse", "main");
	const second = await github.commit(sub, { files: { file: "two\n" } });
	const where = await checkout({ "README.md": "x\n", sub: link(first), ".gitmodules": modules({ sub: `../${sub.split("/")[1]}.git` }) });
	fill(where, "sub", github.repos.get(sub).dir, first);
	return { ...where, sub, first, second };
}

async function diffOf(where) {
	own(where.sandbox.repo, where.sandbox.uid);
	const { ok, patch, notes } = await where.sandbox.diff();
	assert.ok(ok, notes);
	return { patch, text: String(patch), notes };
}

const LOST = "Changes of files inside submodules, and commits that were made there, are not in the diff and are lost with the sandbox: sub.";

test("a submodule that was filled: no change by itself, another commit is one that applies", options, async () => {
	const where = await withSubmodule();
	const { at, first, second } = where;
	assert.deepEqual(await diffOf(where).then(({ text, notes }) => [text, notes]), ["", LOST]);
	// Files in it: only told.
	writeFileSync(at("sub/file"), "changed\n");
	writeFileSync(at("sub/new"), "new\n");
	writeFileSync(at("README.md"), "y\n");
	const beside = await diffOf(where);
	assert.doesNotMatch(beside.text, /\bsub\b/);
	assert.match(beside.text, /^\+y$/m);
	assert.equal(beside.notes, LOST);
	// Another commit: detached, on a branch, and one that is nowhere else.
	git(at("sub"), ["checkout", "-q", "-f", second]);
	const moved = await diffOf(where);
	assert.match(moved.text, new RegExp(`^-Subproject commit ${first}\n\\+Subproject commit ${second}$`, "m"));
	assert.equal(moved.notes, `Only the commit, not the files, of these submodules is in the diff: sub.\n${LOST}`);
	const { dir } = applied(where.server, where.commit, moved.patch);
	assert.match(git(dir, ["ls-files", "-s", "sub"]), new RegExp(`^160000 ${second} 0\tsub$`));
	rmSync(dir, { recursive: true });
	git(at("sub"), ["switch", "-q", "-c", "topic"]);
	git(at("sub"), ["commit", "-q", "-a", "--allow-empty", "-m", "Mine"]);
	git(at("sub"), ["pack-refs", "--all"]);
	const own_ = git(at("sub"), ["rev-parse", "HEAD"]);
	assert.match((await diffOf(where)).text, new RegExp(`^\\+Subproject commit ${own_}$`, "m"));
	git(at("sub"), ["checkout", "-q", "-f", first]);
	assert.doesNotMatch((await diffOf(where)).text, /Subproject/);
});

test("a submodule's own configuration runs nothing, and what is broken there changes nothing", options, async () => {
	const where = await withSubmodule();
	const { at, sandbox, second } = where;
	git(at("sub"), ["checkout", "-q", second]);
	const ran = path.join(sandbox.repo, "ran");
	const command = "touch /proc/self/cwd/../ran ran ../ran";
	for (const key of ["core.fsmonitor", "core.pager", "core.editor", "core.sshCommand", "alias.rev-parse", "filter.lfs.clean", "diff.external"])
		git(at("sub"), ["config", key, command]);
	const { text } = await diffOf(where);
	assert.match(text, new RegExp(`^\\+Subproject commit ${second}$`, "m"));
	assert.equal(existsSync(ran) || existsSync(at("sub/ran")), false);
	for (const [what, damage] of Object.entries({
		"no HEAD": () => rmSync(at(".git/modules/sub/HEAD")),
		"a HEAD that is no id": () => writeFileSync(at(".git/modules/sub/HEAD"), `${"z".repeat(40)}\n`),
		"configuration that isn't": () => writeFileSync(at(".git/modules/sub/config"), "[core\n\0"),
		"no repository": () => rmSync(at(".git/modules/sub"), { recursive: true }),
	})) {
		damage();
		const { text: after } = await diffOf(where);
		assert.doesNotMatch(after, /Subproject/, what);
	}
});

test("Git LFS pointers are told, and are no change, whatever git-lfs has configured", options, async () => {
	const files = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`art/${String(i).padStart(2, "0")}.psd`, pointer(i)]));
	const where = await checkout({ ".gitattributes": "*.psd filter=lfs diff=lfs merge=lfs -text\n", "text": pointer(99), "real.psd": "real bytes\n", ...files });
	const { repositories, note } = absentOf(where);
	assert.deepEqual(repositories, []);
	assert.match(note, /^These files are Git LFS pointers, their contents can't be fetched in the sandbox: "art\/00\.psd", .*"art\/09\.psd" and 2 more\.\n$/);
	assert.equal(readFileSync(where.at("art/00.psd"), "utf8"), pointer(0));
	const config = (key, value) => git(where.sandbox.repo, ["config", key, value]);
	for (const installed of [false, true]) {
		if (installed) {
			// git lfs install --local; as that program would be found.
			config("filter.lfs.clean", "sh -c 'touch /workspace/ran; echo other'");
			config("filter.lfs.smudge", "sh -c 'touch /workspace/ran; echo other'");
			config("filter.lfs.process", "git-lfs filter-process");
			config("filter.lfs.required", "true");
		}
		const { text, notes } = await diffOf(where);
		assert.deepEqual([text, notes], ["", ""], `installed: ${installed}`);
		writeFileSync(where.at("art/03.psd"), pointer(1000));
		const changed = await diffOf(where);
		assert.match(changed.text, /^\+oid sha256:0+1000$/m);
		const { dir } = applied(where.server, where.commit, changed.patch);
		assert.equal(readFileSync(path.join(dir, "art/03.psd"), "utf8"), pointer(1000));
		rmSync(dir, { recursive: true });
		writeFileSync(where.at("art/03.psd"), pointer(3));
	}
});

// On top of main, at once.
async function manyCommits(repo, branch, count) {
	const commits = Array.from({ length: count }, (_, i) => `commit refs/heads/made-${branch}\ncommitter T <t@example.com> ${1_800_000_000 + i} +0000\n` +
		`data 1\n${i % 10}\n${i ? "" : "from refs/heads/main^0\n"}M 100644 inline ${branch}\ndata ${String(i).length}\n${i}\n\n`);
	await github.repositories.git(github.repos.get(repo).id, ["fast-import", "--quiet"], commits.join(""));
	await github.git(repo, "update-ref", `refs/heads/${branch}`, `refs/heads/made-${branch}`);
}

test("two branches that part further back than what is fetched: told; unrelated ones, and those that meet: not", { ...options, timeout: 300_000 }, async () => {
	const repo = await repository({ "README.md": "x\n" });
	await github.git(repo, "branch", "near", "main");
	await github.commit(repo, { branch: "near", files: { near: "near\n" } });
	assert.equal(absentOf(await clone(repo, "near")).note, "");
	// More than the deepest fetch.
	await manyCommits(repo, "far", 1100);
	await manyCommits(repo, "main", 1100);
	for (const round of ["fetched", "from the cache"]) {
		const where = await clone(repo, "far");
		assert.match(absentOf(where).note, /^The commit at which the branches "far", "main" part is further back than .*`git fetch --unshallow` brings all of it\.\n$/, round);
		assert.throws(() => git(where.sandbox.repo, ["merge-base", "HEAD", "origin/main"]));
	}
	const other = await repository({ "README.md": "x\n" });
	await github.git(other, "branch", "alone", await github.git(other, "-c", "user.name=x", "-c", "user.email=x@example.com", "commit-tree",
		"-m", "Alone", await github.git(other, "rev-parse", "main^{tree}")));
	assert.equal(absentOf(await clone(other, "alone")).note, "");
});
