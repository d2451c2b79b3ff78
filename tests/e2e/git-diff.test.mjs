// Diffs of a checkout: the patch applies by git apply --index on a fresh clone and gives the tree that git add -A gives,
// and nothing that lies in the checkout is run or believed.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, closeSync, constants, cpSync, lchownSync, lstatSync, mkdirSync, openSync, readSync, readdirSync,
	renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import { test } from "node:test";
import { applied, git, own, startCheckouts, startDriver, workDirectory } from "../harness/git.mjs";
import { slowness } from "../harness/pace.mjs";
import { waitFor } from "../harness/server.mjs";

const { github, driver, options, ...starting } = await startCheckouts("diff");

const lines = (n, text = "line") => Array.from({ length: n }, (_, i) => `${text} ${i}\n`).join("");
const BASE = {
	"README.md": lines(40), "src/main.c": lines(100, "code"), "src/old name.c": lines(80, "old"),
	"src/gone.c": lines(10),
	"run.sh": { content: "#!/bin/sh\n", mode: "100755" }, "link": { content: "README.md", mode: "120000" },
	"image.bin": randomBytes(3000), "latin1.txt": Buffer.from("caf\xe9\nna\xefve\n", "latin1"), "empty": "",
	"no-newline": "end",
	"dir/a": "a\n", "dir/b": "b\n", "other/c": "c\n", "crlf.txt": "one\r\ntwo\r\n", ".gitignore": "ignored/\n*.log\n",
	"quote\"tab\t\n\\.txt": "odd\n", "mode": "text\n", "turns": "file\n",
};
/** A sandbox with a checkout of these files. */
const checkout = (files = BASE, from = driver) => starting.checkout(files, { from });

// What git add -A makes of the working tree, in a fresh clone, with a git that has no say of the checkout's .git.
function expectedTree({ sandbox, commit, server }) {
	const dir = workDirectory("git-expect-");
	git(dir, ["clone", "-q", "--no-local", "--no-checkout", `file://${server}`, "."]);
	git(dir, ["reset", "-q", commit]);
	spawnSync("sh", ["-c", 'cd "$1" && tar cf - --exclude=./.git . | tar xf - -C "$2"', "sh", sandbox.repo, dir]);
	git(dir, ["add", "-A"]);
	const tree = git(dir, ["write-tree"]);
	rmSync(dir, { recursive: true, force: true });
	return tree;
}

async function diffOf({ sandbox }) {
	const result = await sandbox.diff();
	assert.ok(result.ok, result.notes);
	return result;
}

async function expectRoundTrip(where, { utf8 = true } = {}) {
	const result = await diffOf(where);
	const { dir, tree } = applied(where.server, where.commit, result.patch);
	const expected = expectedTree(where);
	if (tree !== expected) assert.equal(git(dir, ["diff", tree, expected]), "", "the same tree");
	assert.equal(tree, expected);
	rmSync(dir, { recursive: true, force: true });
	if (utf8) assert.ok(Buffer.from(result.patch.toString("utf8")).equals(result.patch), "the patch is UTF-8");
	assert.deepEqual(readdirSync(path.join(where.sandbox.root, "tmpgit")), [], "nothing is left of the diff");
	return result;
}

test("nothing changed: an empty patch", options, async () => {
	const where = await checkout();
	const { patch, notes } = await expectRoundTrip(where);
	assert.equal(patch.length, 0);
	assert.equal(notes, "");
});

const CHANGES = {
	modified: ({ at }) => writeFileSync(at("README.md"), lines(40).replace("line 7", "LINE 7")),
	"modified, the same size at the same time": ({ at }) => {
		const { mtime } = lstatSync(at("README.md"));
		writeFileSync(at("README.md"), lines(40).replace("line 7", "LINE 7"));
		spawnSync("touch", ["-d", mtime.toISOString(), at("README.md")]);
	},
	deleted: ({ at }) => rmSync(at("src/gone.c")),
	"all deleted": ({ at }) => readdirSync(at(".")).filter((name) => name !== ".git")
		.forEach((name) => rmSync(at(name), { recursive: true })),
	renamed: ({ at }) => renameSync(at("src/old name.c"), at("src/new name.c")),
	"renamed and changed": ({ at }) => {
		writeFileSync(at("src/moved.c"), lines(80, "old").replace("old 3\n", "old three\n"));
		rmSync(at("src/old name.c"));
	},
	untracked: ({ at }) => {
		mkdirSync(at("new/deep"), { recursive: true });
		writeFileSync(at("new/deep/file"), "new\n");
	},
	"empty and without a final newline": ({ at }) => {
		writeFileSync(at("void"), "");
		writeFileSync(at("no-newline"), "end\nmore");
		writeFileSync(at("empty"), "x");
	},
	binary: ({ at }) => {
		writeFileSync(at("image.bin"), randomBytes(4000));
		writeFileSync(at("new.bin"), randomBytes(100_000));
	},
	mode: ({ at }) => { chmodSync(at("mode"), 0o755); chmodSync(at("run.sh"), 0o644); },
	"a link": ({ at }) => {
		rmSync(at("link"));
		symlinkSync("/etc/passwd", at("link"));
		symlinkSync("nowhere", at("dangling"));
	},
	"a file becomes a link, a link a file": ({ at }) => {
		rmSync(at("turns"));
		symlinkSync("dir/a", at("turns"));
		rmSync(at("link"));
		writeFileSync(at("link"), "file\n");
	},
	"a directory becomes a file, a file a directory": ({ at }) => {
		rmSync(at("dir"), { recursive: true });
		writeFileSync(at("dir"), "file\n");
		rmSync(at("turns"));
		mkdirSync(at("turns"));
		writeFileSync(at("turns/inside"), "inside\n");
	},
	"a directory becomes a link": ({ at }) => {
		rmSync(at("dir"), { recursive: true });
		symlinkSync("other", at("dir"));
	},
	"odd names": ({ at }) => {
		for (const name of ["a b", "new\nline", "tab\t", "quote\"", "back\\slash", "-rf", "ünï", "*", "[a]", "?", "!x", "#x",
			" lead", "trail ", "$(id)", "a'b", ":(top)", "{a,b}"])
			writeFileSync(at(name), `${name}\n`);
		writeFileSync(Buffer.concat([Buffer.from(`${at(".")}/`), Buffer.from([0x66, 0xff, 0xfe])]), "bytes\n");
		writeFileSync(at("quote\"tab\t\n\\.txt"), "odd, changed\n");
	},
	"long names": ({ at }) => {
		const deep = Array.from({ length: 12 }, (_, i) => `${i}${"d".repeat(200)}`).join("/");
		mkdirSync(at(deep), { recursive: true });
		writeFileSync(at(`${deep}/${"f".repeat(250)}`), Buffer.from("caf\xe9\n", "latin1"));
	},
	"not UTF-8": ({ at }) => {
		writeFileSync(at("latin1.txt"), Buffer.from("caf\xe9\nna\xefve, changed\n", "latin1"));
		for (const name of ["accents", "odd \"*[\\?\n", " #! x ", "ünï"])
			writeFileSync(at(name), Buffer.from("\xe9t\xe9\n", "latin1"));
		writeFileSync(at("README.md"), lines(40).replace("line 7", "plain text stays readable"));
	},
	"a NUL far in the file": ({ at }) => writeFileSync(at("README.md"), `${lines(2000)}\0${lines(10)}`),
	"line ends": ({ at }) => {
		writeFileSync(at("crlf.txt"), "one\r\nTWO\r\nthree\n");
		writeFileSync(at("lone-cr"), "a\rb\rc");
	},
	"line ends by .gitattributes": ({ at }) => {
		writeFileSync(at(".gitattributes"),
			"*.txt text\n*.bat text eol=crlf\n*.id ident\n*.u16 working-tree-encoding=UTF-16LE\n");
		writeFileSync(at("crlf.txt"), "one\r\nTWO\r\n");
		writeFileSync(at("x.bat"), "a\r\nb\r\n");
		writeFileSync(at("x.id"), "$Id: something $\n");
		writeFileSync(at("x.u16"), Buffer.from("wide\n", "utf16le"));
	},
	"what .gitignore names stays out": ({ at }) => {
		mkdirSync(at("ignored"));
		writeFileSync(at("ignored/x"), "x");
		writeFileSync(at("x.log"), "x");
		writeFileSync(at("y.txt"), "y\n");
	},
	"files that aren't files": ({ at }) => {
		spawnSync("mkfifo", [at("pipe"), at("dir/pipe")]);
		writeFileSync(at("beside"), "beside\n");
	},
	"lines that look like a patch": ({ at }) => writeFileSync(at("README.md"),
		`${lines(40)}diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\nnew file mode 160000\n`),
};

for (const [what, change] of Object.entries(CHANGES))
	test(`round trip: ${what}`, options, async () => {
		const where = await checkout();
		change(where);
		own(where.sandbox.repo, where.sandbox.uid);
		const { patch, notes } = await expectRoundTrip(where);
		if (!/^files that|^long/.test(what)) assert.ok(patch.length > 0);
		assert.equal(notes, "");
		if (what.startsWith("renamed")) assert.match(String(patch), /^rename from src\/old name\.c$/m);
		if (what === "not UTF-8") assert.match(String(patch), /^\+plain text stays readable$/m);
		if (what.startsWith("what .gitignore")) assert.doesNotMatch(String(patch), /ignored\/x|x\.log/);
	});

test("round trip: everything at once, staged and committed by the agent's own git", options, async () => {
	const where = await checkout();
	const { sandbox, at } = where;
	for (const what of ["modified", "deleted", "renamed", "untracked", "binary", "mode", "a link", "odd names", "not UTF-8"])
		CHANGES[what](where);
	const agent = (...args) => git(sandbox.repo, args);
	agent("add", "README.md", "image.bin");
	agent("commit", "-q", "-m", "One");
	agent("rm", "-q", "--cached", "src/main.c");
	agent("checkout", "-q", "-b", "work");
	agent("commit", "-q", "-a", "--allow-empty", "-m", "Two");
	rmSync(at(".git/objects"), { recursive: true });
	writeFileSync(at("after"), "after the commits\n");
	own(sandbox.repo, sandbox.uid);
	await expectRoundTrip(where);
	const first = await diffOf(where), second = await diffOf(where);
	assert.ok(first.patch.equals(second.patch), "again the same");
});

test("what the agent has added though .gitignore names it is in the diff, as it is now; nothing else of that is", options, async () => {
	const where = await checkout();
	const { sandbox, at } = where;
	mkdirSync(at("ignored/deep"), { recursive: true });
	for (const name of ["ignored/kept", "ignored/deep/odd \"\n", "ignored/staged", "ignored/gone", "ignored/left", "x.log", "y.log"]) writeFileSync(at(name), `${name}\n`);
	const agent = (...args) => git(sandbox.repo, args);
	agent("add", "-f", "ignored/kept", "ignored/deep", "ignored/gone", "x.log");
	agent("commit", "-q", "-m", "Forced");
	agent("add", "-f", "ignored/staged");
	writeFileSync(at("ignored/kept"), "changed since\n");
	rmSync(at("ignored/gone"));
	own(sandbox.repo, sandbox.uid);
	const { patch, notes } = await diffOf(where);
	const { dir, tree } = applied(where.server, where.commit, patch);
	const files = git(dir, ["ls-tree", "-r", "-z", "--name-only", tree]).split("\0").filter((name) => /^ignored|log$/.test(name));
	assert.deepEqual(files, ["ignored/deep/odd \"\n", "ignored/kept", "ignored/staged", "x.log"]);
	assert.equal(git(dir, ["show", `${tree}:ignored/kept`]), "changed since");
	assert.equal(notes, "");
	rmSync(dir, { recursive: true, force: true });
	// An index that is none changes nothing else.
	writeFileSync(at(".git/index"), "no index");
	writeFileSync(at("README.md"), "still there\n");
	const broken = await diffOf(where);
	assert.match(String(broken.patch), /still there/);
	assert.doesNotMatch(String(broken.patch), /ignored\/kept/);
});

// A FIFO in the checkout: whoever runs as the sandbox's user can write to it, also where all is mounted read-only.
function canary({ at, sandbox }) {
	const name = at("canary");
	spawnSync("mkfifo", ["-m", "666", name]);
	lchownSync(name, sandbox.uid, sandbox.uid);
	const fd = openSync(name, constants.O_RDWR | constants.O_NONBLOCK);
	return { command: `sh -c 'echo sang > ${sandbox.dir}/disk/repo/canary'`, sang() {
		try {
			return readSync(fd, Buffer.alloc(100)) > 0;
		} catch {
			return false;
		} finally {
			closeSync(fd);
		}
	} };
}

test("a hostile .git and .gitattributes: nothing is run, nothing believed", options, async () => {
	const where = await checkout();
	const { sandbox, at } = where;
	const bird = canary(where);
	const evil = (key, value = bird.command) => git(sandbox.repo, ["config", key, value]);
	for (const key of ["core.fsmonitor", "diff.external", "diff.evil.textconv", "diff.evil.command", "filter.evil.clean",
		"filter.evil.smudge", "filter.evil.process", "core.sshCommand", "core.pager", "core.editor", "gpg.program",
		"credential.helper", "alias.add", "alias.diff"]) evil(key);
	evil("core.hooksPath", `${sandbox.dir}/disk/repo/.git/hooks`);
	evil("core.worktree", "/");
	evil("core.excludesFile", `${sandbox.dir}/disk/repo/hide`);
	evil("core.autocrlf", "true");
	evil("diff.noprefix", "true");
	evil("include.path", "/etc/passwd");
	mkdirSync(at(".git/hooks"), { recursive: true });
	for (const hook of ["post-index-change", "pre-commit", "fsmonitor-watchman", "reference-transaction"])
		writeFileSync(at(`.git/hooks/${hook}`), `#!/bin/sh\n${bird.command}\n`, { mode: 0o755 });
	writeFileSync(at("hide"), "*\n");
	writeFileSync(at(".git/info/exclude"), "*\n");
	writeFileSync(at(".git/info/attributes"), "* filter=evil diff=evil\n");
	writeFileSync(at(".gitattributes"), "* filter=evil diff=evil merge=evil\n");
	writeFileSync(at("README.md"), lines(40).replace("line 7", "LINE 7"));
	mkdirSync(at(".git/objects/info"), { recursive: true });
	writeFileSync(at(".git/objects/info/alternates"), "/etc\n");
	own(sandbox.repo, sandbox.uid);
	const { patch } = await diffOf(where);
	assert.equal(bird.sang(), false);
	rmSync(at("canary"));
	assert.match(String(patch), /^\+LINE 7$/m);
	const { dir, tree } = applied(where.server, where.commit, patch);
	rmSync(dir, { recursive: true });
	assert.equal(tree, expectedTree(where));
});

test("the canary sings where a command is run", options, async () => {
	const where = await checkout();
	const bird = canary(where);
	const { sandbox } = where;
	git(sandbox.repo, ["config", "core.fsmonitor", bird.command.replaceAll(sandbox.dir, sandbox.root)]);
	spawnSync("git", ["-C", sandbox.repo, "-c", "safe.directory=*", "status"], { env: { PATH: process.env.PATH } });
	assert.equal(bird.sang(), true);
});

test(".git gone, a file, a link, a FIFO, a huge index", options, async () => {
	for (const replace of [
		() => {},
		(name) => writeFileSync(name, "gitdir: /etc\n"),
		(name) => symlinkSync("/etc", name),
		(name) => spawnSync("mkfifo", [name]),
		(name) => {
			mkdirSync(name);
			writeFileSync(path.join(name, "HEAD"), "ref: refs/heads/x\n");
			writeFileSync(path.join(name, "index"), randomBytes(1e6));
		},
	]) {
		const where = await checkout();
		rmSync(where.at(".git"), { recursive: true });
		replace(where.at(".git"));
		writeFileSync(where.at("README.md"), "changed\n");
		own(where.sandbox.repo, where.sandbox.uid);
		await expectRoundTrip(where);
	}
});

test("submodules: one that the agent has filled is left alone, and no git runs in there", options, async () => {
	const outside = workDirectory("git-sub-");
	git(outside, ["init", "-q"]);
	writeFileSync(path.join(outside, "file"), "nested\n");
	git(outside, ["add", "-A"]);
	git(outside, ["commit", "-q", "-m", "Nested"]);
	const oid = git(outside, ["rev-parse", "HEAD"]);
	const where = await checkout({ ...BASE, sub: { mode: "160000", content: oid },
		".gitmodules": '[submodule "sub"]\n\tpath = sub\n\turl = https://example.invalid/sub.git\n\tignore = all\n' });
	const { sandbox } = where;
	assert.equal((await diffOf(where)).patch.length, 0);
	const bird = canary(where);
	cpSync(path.join(outside, ".git"), where.at("sub/.git"), { recursive: true });
	git(where.at("sub"), ["reset", "-q", "--hard"]);
	for (const key of ["core.fsmonitor", "filter.evil.clean"])
		git(where.at("sub"), ["config", key, bird.command]);
	writeFileSync(where.at("sub/.gitattributes"), "* filter=evil\n");
	spawnSync("touch", [where.at("sub/file")]);
	writeFileSync(where.at("README.md"), "changed\n");
	own(sandbox.repo, sandbox.uid);
	const { patch } = await diffOf(where);
	assert.equal(bird.sang(), false);
	assert.match(String(patch), /^\+changed$/m);
	assert.doesNotMatch(String(patch), /sub\b/);
	// Half a repository there, and then none at all.
	rmSync(where.at("sub/.git"), { recursive: true });
	mkdirSync(where.at("sub/.git"));
	own(sandbox.repo, sandbox.uid);
	assert.match(String((await diffOf(where)).patch), /^\+changed$/m);
	rmSync(where.at("sub"), { recursive: true });
	assert.match(String((await diffOf(where)).patch), /^deleted file mode 160000$/m);
	rmSync(outside, { recursive: true });
});

test("an encoding in .gitattributes that the files aren't in doesn't stop the diff", options, async () => {
	const where = await checkout();
	writeFileSync(where.at(".gitattributes"), "* working-tree-encoding=UTF-16\n");
	writeFileSync(where.at("README.md"), "plain\n");
	writeFileSync(where.at("bytes"), Buffer.from([0x61, 0xff, 0x0a]));
	own(where.sandbox.repo, where.sandbox.uid);
	const { patch } = await diffOf(where);
	assert.match(String(patch), /^\+plain$/m);
	const { dir } = applied(where.server, where.commit, patch);
	assert.equal(git(dir, ["cat-file", "-p", ":README.md"]), "plain");
	rmSync(dir, { recursive: true });
});

test("again and again: what changes within a second of a diff, to the same size, is seen", options, async () => {
	const where = await checkout();
	const file = where.at("README.md");
	let number = 100;
	const again = async () => {
		writeFileSync(file, `${++number}\n`);
		own(where.sandbox.repo, where.sandbox.uid);
		assert.match(String((await diffOf(where)).patch), new RegExp(`^\\+${number}$`, "m"));
	};
	// At some time the shadow gets an index that was looked at again.
	await waitFor(async () => {
		await again();
		return readdirSync(path.join(where.sandbox.root, "shadow")).includes("index-kept");
	}, { what: "the index", every: 1 });
	for (let i = 0; i < 10; i++) await again();
	await expectRoundTrip(where);
	writeFileSync(file, lines(40));
	own(where.sandbox.repo, where.sandbox.uid);
	assert.equal((await expectRoundTrip(where)).patch.length, 0);
});

test("files without permissions are read", { ...options, skip: options.skip || process.getuid() !== 0 }, async () => {
	const where = await checkout();
	writeFileSync(where.at("secret"), "without permissions\n", { mode: 0 });
	mkdirSync(where.at("closed"));
	writeFileSync(where.at("closed/inside"), "inside\n");
	own(where.sandbox.repo, where.sandbox.uid);
	chmodSync(where.at("secret"), 0);
	chmodSync(where.at("README.md"), 0);
	chmodSync(where.at("closed"), 0);
	const { patch, notes } = await diffOf(where);
	assert.equal(notes, "");
	assert.match(String(patch), /^\+without permissions$/m);
	assert.match(String(patch), /^\+inside$/m);
});

test("names that git doesn't take are left out with a note", options, async () => {
	const where = await checkout();
	writeFileSync(where.at("git~1"), "x\n");
	mkdirSync(where.at("sub/.GIT"), { recursive: true });
	writeFileSync(where.at("sub/.GIT/config"), "x\n");
	writeFileSync(where.at("good"), "good\n");
	own(where.sandbox.repo, where.sandbox.uid);
	const { patch, notes } = await diffOf(where);
	assert.match(notes, /^Not all files are in the diff: .*git~1/m);
	assert.match(String(patch), /^\+good$/m);
	const { dir } = applied(where.server, where.commit, patch);
	rmSync(dir, { recursive: true });
});

test("a FIFO that git would read from, sockets and a tree without end", options, async () => {
	const where = await checkout();
	const server = net.createServer().listen(where.at("socket"));
	await waitFor(() => lstatSync(where.at("socket")).isSocket());
	const { patch } = await diffOf(where);
	assert.equal(patch.length, 0);
	server.close();
	spawnSync("mkfifo", [where.at("dir/.gitignore")]);
	const { ok, notes, ms } = await where.sandbox.diff();
	assert.deepEqual([ok, notes],
		[false, "The diff could not be made: dir/.gitignore is a FIFO, for which git would wait for ever"]);
	assert.ok(ms / slowness() < 30_000);
	rmSync(where.at("dir/.gitignore"));
	// Deeper than a path can be long.
	spawnSync("sh", ["-c", 'cd "$1" && for i in $(seq 60); do mkdir -p "$2" && cd "$2"; done; echo x > deepest', "sh",
		where.sandbox.repo, "d".repeat(200)]);
	writeFileSync(where.at("good"), "good\n");
	const deep = await where.sandbox.diff();
	assert.ok(deep.ok, deep.notes);
	assert.match(String(deep.patch), /^\+good$/m);
});

test("10,000 files", options, async () => {
	const where = await checkout();
	for (let d = 0; d < 100; d++) {
		mkdirSync(where.at(`many/${d}`), { recursive: true });
		for (let i = 0; i < 100; i++) writeFileSync(where.at(`many/${d}/${i}`), `file ${d} ${i}\n`);
	}
	own(where.sandbox.repo, where.sandbox.uid);
	const { patch } = await expectRoundTrip(where);
	assert.equal(String(patch).match(/^diff --git /gm).length, 10_000);
});

// Wherever a patch is cut, git apply must not take it.
function expectRefused(where, patch, marker) {
	assert.match(patch.subarray(-400).toString(), marker);
	assert.throws(() => applied(where.server, where.commit, patch), /error: (corrupt|patch fragment without header|.*corrupt)/);
}

test("a diff that is too large is cut, says so, and isn't applied by mistake", options, async (t) => {
	const small = startDriver(github, { SANDBOX_DIFF_MAX: "20K" });
	t.after(() => small.stop());
	const where = await checkout(BASE, small);
	writeFileSync(where.at("text"), lines(3000, "ünï"));
	own(where.sandbox.repo, where.sandbox.uid);
	const { patch } = await diffOf(where);
	assert.ok(patch.length < 20 * 1024 + 200 && patch.length > 19 * 1024);
	expectRefused(where, patch,
		/\n# diff cut at \d+ bytes: the changes make a longer one than SANDBOX_DIFF_MAX allows \(20 KiB\)\n$/);
	assert.equal(Number(/# diff cut at (\d+) bytes/.exec(patch.toString())[1]), patch.lastIndexOf("@@ -1 +1 @@\n#"));
	// A file that is larger than what git should hold in memory.
	rmSync(where.at("text"));
	writeFileSync(where.at("large file"), randomBytes(100_000));
	writeFileSync(where.at("larger"), randomBytes(200_000));
	writeFileSync(where.at("good"), "good\n");
	own(where.sandbox.repo, where.sandbox.uid);
	const { patch: rest } = await diffOf(where);
	assert.match(String(rest), /^\+good$/m);
	expectRefused(where, rest, new RegExp("# diff cut at \\d+ bytes: (large file \\(97\\.7 KiB\\)|larger \\(195\\.3 KiB\\)) " +
		"and 1 more files are left out, being larger than 80 KiB\n$"));
	assert.equal(await small.stop(), 0);
});

test("changes that are too many to look at", options, async (t) => {
	const small = startDriver(github, { SANDBOX_DIFF_MAX: "64K" });
	t.after(() => small.stop());
	const where = await checkout(BASE, small);
	writeFileSync(where.at(".gitattributes"), "* text\n");
	for (let i = 0; i < 40; i++) writeFileSync(where.at(`file${i}`), randomBytes(100_000));
	own(where.sandbox.repo, where.sandbox.uid);
	const { ok, patch, notes } = await where.sandbox.diff();
	// Ended by the watch, or in time to be cut.
	if (ok) assert.match(patch.subarray(-300).toString(), /# diff cut at/);
	else assert.match(notes, /^The changes are too large for a diff: more than 2 MiB\.$/);
	assert.equal(await small.stop(), 0);
});

test("cancelled at any time, and the next one works", options, async () => {
	const where = await checkout();
	for (let i = 0; i < 200; i++) writeFileSync(where.at(`file${i}`), lines(200, `${i}`));
	own(where.sandbox.repo, where.sandbox.uid);
	for (let delay = 0; delay < 250; delay += 17) {
		const result = where.sandbox.diff();
		await new Promise((resolve) => setTimeout(resolve, delay));
		where.sandbox.cancel("diff");
		const { outcome, ok } = await result;
		assert.ok(outcome === "cancelled" || ok);
		assert.deepEqual(readdirSync(path.join(where.sandbox.root, "tmpgit")), []);
	}
	await expectRoundTrip(where);
});

test("while the agent writes: every diff applies", options, async () => {
	const where = await checkout();
	const { sandbox } = where;
	const script = `cd "$1"; mkdir -p w; i=0
		while :; do
			i=$((i+1))
			for f in a b c d README.md src/main.c; do
				{ echo $i; head -c $((i % 50000)) /dev/urandom; } > $f.tmp
				mv $f.tmp w/\${f##*/}
				echo $i >> $f
			done
		done`;
	const as = process.getuid() === 0 ? [`--reuid=${sandbox.uid}`, `--regid=${sandbox.uid}`, "--clear-groups"] : [];
	const agent = spawn("setpriv", [...as, "--", "sh", "-c", script, "sh", sandbox.repo], { stdio: "ignore" });
	try {
		for (let i = 0; i < 8; i++) {
			const { patch } = await diffOf(where);
			const { dir } = applied(where.server, where.commit, patch);
			rmSync(dir, { recursive: true });
		}
	} finally {
		agent.kill("SIGKILL");
	}
});
