// Diffs of checkouts that aren't plain: attributes that don't give back what they were given, repositories in repositories,
// linked worktrees.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { appendFileSync, chmodSync, lstatSync, mkdirSync, readFileSync, rmSync, utimesSync,
	writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { applied, git, own, startCheckouts, workDirectory } from "../harness/git.mjs";

const { options, checkout } = await startCheckouts("trees");

async function diffOf({ sandbox }) {
	own(sandbox.repo, sandbox.uid);
	const result = await sandbox.diff();
	assert.ok(result.ok, result.notes);
	return { ...result, text: String(result.patch) };
}
const filesOf = (text) => [...text.matchAll(/^diff --git a\/(.*) b\//gm)].map((match) => match[1]);

/** What git apply makes of a fresh clone's files. */
function appliedFile(where, patch, name) {
	const dir = workDirectory("git-apply-");
	git(dir, ["clone", "-q", "--no-local", `file://${where.server}`, "."]);
	git(dir, ["apply", "--whitespace=nowarn", "-"], { input: patch });
	const bytes = readFileSync(path.join(dir, name));
	rmSync(dir, { recursive: true });
	return bytes;
}

// All that .gitattributes knows, over blobs that don't come back as they went.
const CRLF = "one\r\ntwo\r\nthree\r\n";
const DIRTY = {
	"a.txt": CRLF, "deep/b.txt": "mixed\r\nline\nends\r\n", "c.bat": CRLF, "d.lf": CRLF, "e.auto": CRLF,
	"f.id": "$Id: from another system $\n", "g.both": `$Id: x $\r\n${CRLF}`, "plain": "plain\n", "h.crlf": "x\ny\n",
	"i.u16": "w\u00efde\n", "j.filter": "filtered\n", "k.bin": CRLF, "deep/l.own": CRLF, "odd \"name\"\n.txt": CRLF,
};
const ATTRIBUTES = { ".gitattributes": "*.txt text\n*.bat text eol=crlf\n*.lf text eol=lf\n*.auto text=auto\n*.id ident\n" +
	"*.both text ident\n*.crlf text eol=crlf\n*.u16 working-tree-encoding=UTF-16LE\n*.filter filter=lfs\n*.bin binary\n",
	"deep/.gitattributes": "*.own text\n" };
const dirty = () => checkout(DIRTY, { commit: ATTRIBUTES });

test("an untouched checkout has an empty diff, whatever .gitattributes says", options, async () => {
	const where = await dirty();
	const names = Object.keys(DIRTY);
	for (const [what, change] of Object.entries({
		nothing: () => {},
		"again, by a later look": () => {},
		"all times": () => names.forEach((name) => utimesSync(where.at(name), 1, 1)),
		"written anew, the same": () => names.forEach((name) => {
			const bytes = readFileSync(where.at(name));
			rmSync(where.at(name));
			writeFileSync(where.at(name), bytes);
		}),
	})) {
		change();
		const { text, notes } = await diffOf(where);
		assert.equal(text, "", what);
		assert.equal(notes, "", what);
	}
});

test("beside what was touched, and after .gitattributes was changed or removed", options, async () => {
	for (const [what, change, expected] of [
		["another file", ({ at }) => writeFileSync(at("plain"), "changed\n"), ["plain"]],
		["a mode", ({ at }) => chmodSync(at("a.txt"), 0o755), ["a.txt"]],
		["other attributes", ({ at }) => writeFileSync(at(".gitattributes"), "* text=auto eol=lf\n"), [".gitattributes"]],
		["an encoding that nothing is in", ({ at }) => writeFileSync(at(".gitattributes"), "* working-tree-encoding=UTF-16\n"),
			[".gitattributes"]],
		["no attributes", ({ at }) => rmSync(at(".gitattributes")), [".gitattributes"]],
		["no attributes at all", ({ at }) => {
			rmSync(at(".gitattributes"));
			rmSync(at("deep/.gitattributes"));
		}, [".gitattributes", "deep/.gitattributes"]],
	]) {
		const where = await dirty();
		change(where);
		const { text } = await diffOf(where);
		assert.deepEqual(filesOf(text), expected, what);
		if (what === "a mode") assert.doesNotMatch(text, /^@@/m);
	}
});

test("a file with CRLF under text that was changed: its diff is what was changed, and applies", options, async () => {
	for (const name of ["a.txt", "d.lf", "deep/l.own", "c.bat"]) {
		const where = await dirty();
		writeFileSync(where.at(name), CRLF.replace("two", "TWO"));
		const { text, patch, notes } = await diffOf(where);
		assert.deepEqual(filesOf(text), [name]);
		assert.deepEqual(text.match(/^[-+](?![-+])[^\n]*/gm), ["-two\r", "+TWO\r"], name);
		assert.match(notes, new RegExp(`^The line ends of these files are not as \\.gitattributes says.*: ${name}\\.$`));
		assert.equal(String(appliedFile(where, patch, name)), CRLF.replace("two", "TWO"));
		const dir = workDirectory("git-cached-");
		git(dir, ["clone", "-q", "--no-local", "-n", `file://${where.server}`, "."]);
		git(dir, ["reset", "-q", where.commit]);
		git(dir, ["apply", "--cached", "--whitespace=nowarn", "-"], { input: patch });
		assert.equal(git(dir, ["cat-file", "-p", `:${name}`], { encoding: "buffer" }).toString(), CRLF.replace("two", "TWO"));
		rmSync(dir, { recursive: true });
	}
});

test("attributes that do give back what they were given: touched files apply by git apply --index", options, async () => {
	const where = await checkout({ "a.txt": "one\ntwo\n", "b.bat": "x\ny\n", "c.u16": "wide\n", "d.id": "$Id$\n", "e.auto": CRLF },
		{ commit: { ".gitattributes": "*.txt text\n*.bat text eol=crlf\n*.u16 working-tree-encoding=UTF-16LE\n*.id ident\n" +
			"*.auto text=auto\n" } });
	assert.equal(readFileSync(where.at("b.bat"), "latin1"), "x\r\ny\r\n");
	writeFileSync(where.at("a.txt"), "one\r\nTWO\r\n");
	appendFileSync(where.at("b.bat"), "z\r\n");
	writeFileSync(where.at("c.u16"), Buffer.from("wider\n", "utf16le"));
	appendFileSync(where.at("d.id"), "more\n");
	appendFileSync(where.at("e.auto"), "four\r\n");
	const { patch, notes } = await diffOf(where);
	assert.equal(notes, "");
	const { dir } = applied(where.server, where.commit, patch);
	const blob = (name) => git(dir, ["cat-file", "-p", `:${name}`], { encoding: "buffer" }).toString();
	assert.deepEqual(["a.txt", "b.bat", "c.u16", "d.id", "e.auto"].map(blob),
		["one\nTWO\n", "x\ny\nz\n", "wider\n", "$Id$\nmore\n", `${CRLF}four\r\n`]);
	rmSync(dir, { recursive: true });
});

test("nested repositories are in the diff as plain files, and a note says so", options, async () => {
	const where = await checkout({ "README.md": "x\n", ".gitignore": "target/\nvendored/\n", "file": "becomes a directory\n" });
	const { at } = where;
	const nested = (name, commit) => {
		mkdirSync(at(name), { recursive: true });
		git(at(name), ["init", "-q"]);
		writeFileSync(at(`${name}/file`), `in ${name}\n`);
		if (!commit) return;
		git(at(name), ["add", "-A"]);
		git(at(name), ["commit", "-q", "-m", "Nested"]);
	};
	nested("committed", true);
	nested("tools \"x\"", true);
	nested("unborn", false);
	nested("unborn/deeper/one", true);
	nested("vendored/ignored", true);
	rmSync(at("file"));
	nested("file", true);
	mkdirSync(at("unborn/target"));
	writeFileSync(at("unborn/target/ignored"), "x\n");
	mkdirSync(at("half/.git"), { recursive: true });
	writeFileSync(at("half/.git/HEAD"), "ref: refs/heads/x\n");
	writeFileSync(at("half/file"), "half\n");
	mkdirSync(at("linked"));
	writeFileSync(at("linked/.git"), "gitdir: /nowhere/at/all\n");
	writeFileSync(at("linked/file"), "linked\n");
	writeFileSync(at("beside"), "beside\n");
	const { patch, text, notes } = await diffOf(where);
	assert.doesNotMatch(text, /160000|craft-nested|target|vendored/);
	const { dir } = applied(where.server, where.commit, patch);
	for (const name of ["committed", "tools \"x\"", "unborn", "unborn/deeper/one", "file", "half", "linked"])
		assert.equal(readFileSync(path.join(dir, name, "file"), "utf8"), readFileSync(at(`${name}/file`), "utf8"), name);
	const index = git(dir, ["ls-files"]).split("\n");
	assert.equal(index.length, 2 + 1 + 7, index);
	rmSync(dir, { recursive: true });
	assert.match(notes, /^In the diff as plain files, without their own history, are these nested repositories: committed, /m);
	assert.match(notes, /, unborn\.$/m);
	assert.doesNotMatch(notes, /ignored/);
	// As often as it is asked for.
	assert.equal((await diffOf(where)).text, text);
});

test("linked worktrees of the repository stay out, and a note says so", options, async () => {
	const where = await checkout(Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`f${i}`, `${i}\n`])));
	const { sandbox, at } = where;
	for (const name of [".worktrees/one", "two"]) {
		git(sandbox.repo, ["worktree", "add", "-q", "-b", path.basename(name), at(name)]);
		// As it is called in the box.
		writeFileSync(at(`${name}/.git`), `gitdir: /workspace/.git/worktrees/${path.basename(name)}\n`);
	}
	writeFileSync(at("two/changed"), "there\n");
	writeFileSync(at("changed"), "here\n");
	const { text, notes } = await diffOf(where);
	assert.deepEqual(filesOf(text), ["changed"]);
	assert.equal(notes, "Not in the diff, being linked worktrees of this repository, are: .worktrees/one, two.");
	assert.ok(lstatSync(at("two/f7")).isFile());
});

test("very many nested repositories: told in words, and a neighbour's diff isn't held up", { ...options, timeout: 300_000 }, async () => {
	const where = await checkout({ "README.md": "x\n" });
	const neighbour = await checkout({ "README.md": "x\n" });
	writeFileSync(neighbour.at("README.md"), "changed\n");
	const make = (count) => spawnSync("sh", ["-c", 'cd "$1" && seq "$2" | sed "s|.*|n/&/.git|" | xargs mkdir -p', "sh",
		where.sandbox.repo, String(count)]);
	const alone = [];
	for (let i = 0; i < 3; i++) alone.push((await diffOf(neighbour)).ms);
	make(10_001);
	const many = where.sandbox.diff();
	const beside = await diffOf(neighbour);
	const { ok, notes } = await many;
	assert.deepEqual([ok, notes], [false, "The diff could not be made: there are more than 10000 nested repositories or large " +
		"files in the checkout"]);
	assert.match(beside.text, /^\+changed$/m);
	assert.ok(beside.ms < 10 * Math.max(...alone) + 1000, `${beside.ms} ms beside it, ${alone} alone`);
	rmSync(where.at("n"), { recursive: true });
	make(3000);
	writeFileSync(where.at("n/1/file"), "x\n");
	assert.deepEqual(filesOf((await diffOf(where)).text), ["n/1/file"]);
});
