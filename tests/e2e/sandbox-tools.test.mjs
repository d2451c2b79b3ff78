// Read, Write and Edit of craft-box: exact bytes, odd names, large files, clear errors.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, statSync, symlinkSync } from "node:fs";
import { test } from "node:test";
import { at, bytes, dir, fails, ok, put, raw, run, tool } from "../harness/tools.mjs";

const isRoot = process.getuid() === 0;

// ---- Read ----

test("Read numbers lines as cat -n does, byte for byte", async () => {
	put("a", "one\ntwo\r\n\nlast");
	assert.equal(await ok("Read", { file_path: at("a") }), "     1\tone\n     2\ttwo\r\n     3\t\n     4\tlast");
	const binary = Buffer.from([0, 255, 10, 128, 10]);
	put("b", binary);
	const { out } = await tool("Read", { file_path: "b" });
	assert.deepEqual(out, Buffer.concat([
		Buffer.from("     1\t"), binary.subarray(0, 3), Buffer.from("     2\t"), binary.subarray(3),
	]));
});

test("Read: offset and limit", async () => {
	put("n", Array.from({ length: 1000 }, (_, i) => `line ${i + 1}\n`).join(""));
	assert.equal(await ok("Read", { file_path: "n", offset: 999 }), "   999\tline 999\n  1000\tline 1000\n");
	assert.equal(await ok("Read", { file_path: "n", offset: 2, limit: 1 }), "     2\tline 2\n");
	assert.equal(await ok("Read", { file_path: "n", offset: "3", limit: "1" }), "     3\tline 3\n");
	assert.equal((await ok("Read", { file_path: "n", offset: null, limit: 0 })).split("\n").length, 1001);
	assert.equal(await ok("Read", { file_path: "n", offset: 1001 }), "<system-reminder>Warning: the file exists but is "
		+ "shorter than the provided offset (1001). The file has 1000 lines.</system-reminder>");
	put("empty", "");
	assert.equal(await ok("Read", { file_path: "empty" }),
		"<system-reminder>Warning: the file exists but the contents are empty.</system-reminder>");
	for (const bad of [-1, 1.5, "x", "", true, []])
		await fails("Read", { file_path: "n", offset: bad }, "offset must be a whole number that isn't negative.");
});

test("Read: what can't be read is said", async () => {
	await fails("Read", { file_path: at("none") }, `File does not exist: ${at("none")}`);
	await fails("Read", { file_path: dir }, `Cannot read ${dir}: it is a directory.`);
	put("f", "x");
	await fails("Read", { file_path: "f/g" }, "Cannot read f/g: a part of the path is a file, not a directory.");
	await fails("Read", { file_path: "/dev/null" }, "Cannot read /dev/null: it is no regular file.");
	spawn("mkfifo", [at("pipe")]).on("exit", () => {});
	while (!existsSync(at("pipe")))
		await new Promise((resolve) => setTimeout(resolve, 5));
	await fails("Read", { file_path: "pipe" }, "Cannot read pipe: it is no regular file.");
	await fails("Read", {}, "file_path is missing.");
	await fails("Read", { file_path: "" }, "file_path is empty.");
	await fails("Read", { file_path: 7 }, "file_path must be a string.");
	await fails("Read", { file_path: "a\0b" }, "file_path cannot hold a NUL byte.");
	await fails("Read", { file_path: "x".repeat(5000) }, /File name too long/);
	if (!isRoot) {
		put("secret", "x");
		chmodSync(at("secret"), 0);
		await fails("Read", { file_path: "secret" }, "Cannot read secret: permission denied.");
	}
});

test("paths: relative, ~, odd names", async () => {
	put("sub/ü \n'\"$x", "odd\n");
	assert.equal(await ok("Read", { file_path: "sub/ü \n'\"$x" }), "     1\todd\n");
	assert.equal(await ok("Read", { file_path: "~/sub/ü \n'\"$x" }), "     1\todd\n");
	assert.match(await ok("Write", { file_path: "-rf", content: "x" }), /^File created successfully at: -rf$/);
	assert.equal(await ok("Read", { file_path: "-rf" }), "     1\tx");
});

test("bad input", async () => {
	for (const text of ["", "x", "[]", "1", "{", '{"file_path":"a"', Buffer.from([123, 34, 255, 34, 58, 49, 125])])
		assert.equal((await raw("Read", text)).err, "The input is no JSON object.");
	assert.match((await raw("Nothing", "{}")).err, /^There is no tool Nothing/);
	assert.equal((await run([], "")).code, 2);
	assert.equal((await run(["tool"], "")).code, 2);
	assert.match((await run(["--version"], "")).out.toString(), /^craft-box \d/);
	assert.match((await run(["--help"], "")).out.toString(), /^Usage: craft-box/);
});

// ---- Write ----

test("Write: exactly the bytes", async () => {
	const contents = ["", "no newline", "a\r\nb\r\n", "\0a\0\0b\\u0000\\", "\u{1F600}é\u2028", "\\\"\t\b\f/", "\0"];
	for (const content of contents) {
		await ok("Write", { file_path: "f", content });
		assert.deepEqual(bytes("f"), Buffer.from(content));
	}
	const escaped = '{"file_path":"f","content":"\\u00e9\\ud83d\\ude00\\u0000\\u0000\\\\u0000\\/"}';
	assert.equal((await raw("Write", escaped)).err, "");
	assert.deepEqual(bytes("f"), Buffer.from("é\u{1F600}\0\0\\u0000/"));
});

test("Write: half a surrogate pair is refused, and nothing is written", async () => {
	for (const half of ["\\ud800", "\\ud800x", "\\udc00", "\\ud800\\u0000", "\\ud800\\ud800", "x\\u0000\\ud83d\\n"]) {
		const { code, err } = await raw("Write", `{"file_path":"f","content":"${half}"}`);
		assert.equal(code, 1);
		assert.equal(err, "content holds an unpaired surrogate (half of a UTF-16 pair), which stands for no bytes.");
	}
	assert.deepEqual(readdirSync(dir), []);
});

test("Write: makes directories, keeps modes, says which of both it was", async () => {
	assert.equal(await ok("Write", { file_path: at("a/b/c.sh"), content: "1" }),
		`File created successfully at: ${at("a/b/c.sh")}`);
	assert.equal(statSync(at("a/b/c.sh")).mode & 0o777, 0o666 & ~process.umask());
	chmodSync(at("a/b/c.sh"), 0o751);
	assert.equal(await ok("Write", { file_path: at("a/b/c.sh"), content: "2" }),
		`The file ${at("a/b/c.sh")} has been updated successfully.`);
	assert.equal(statSync(at("a/b/c.sh")).mode & 0o777, 0o751);
	assert.equal(bytes("a/b/c.sh").toString(), "2");
	assert.deepEqual(readdirSync(at("a/b")), ["c.sh"]);
});

test("Write: symbolic links stay", async () => {
	put("target", "old");
	mkdirSync(at("d"));
	symlinkSync("../target", at("d/link"));
	symlinkSync("link", at("d/link2"));
	await ok("Write", { file_path: "d/link2", content: "new" });
	assert.ok(lstatSync(at("d/link")).isSymbolicLink() && lstatSync(at("d/link2")).isSymbolicLink());
	assert.equal(bytes("target").toString(), "new");
	symlinkSync("../not/yet", at("d/dangling"));
	assert.match(await ok("Write", { file_path: "d/dangling", content: "x" }), /^File created/);
	assert.equal(bytes("not/yet").toString(), "x");
	symlinkSync("loop", at("loop"));
	await fails("Write", { file_path: "loop", content: "x" }, /Too many levels of symbolic links/);
});

test("Write: what can't be written is said", async () => {
	put("f", "x");
	await fails("Write", { file_path: dir, content: "x" }, `Cannot write to ${dir}: it is a directory.`);
	await fails("Write", { file_path: "f/g", content: "x" }, /a part of the path is a file/);
	await fails("Write", { file_path: "/dev/null", content: "x" }, "Cannot write to /dev/null: it is no regular file.");
	await fails("Write", { file_path: "g" }, "content is missing.");
	await fails("Write", { file_path: "g", content: 1 }, "content must be a string.");
	await fails("Write", { content: "x" }, "file_path is missing.");
	await fails("Write", { file_path: "/proc/none/x", content: "x" }, /^Cannot make the directory \/proc\/none|^File does not exist/);
	if (!isRoot) {
		chmodSync(at("f"), 0o444);
		await fails("Write", { file_path: "f", content: "y" }, "Cannot write to f: permission denied.");
		assert.equal(bytes("f").toString(), "x");
	}
});

// ---- Edit ----

test("Edit: one place, all places, the rest untouched", async () => {
	put("f", "a\r\nb\0b\r\nc");
	assert.equal(await ok("Edit", { file_path: "f", old_string: "a", new_string: "A$&\\1" }),
		"The file f has been updated successfully.");
	assert.equal(bytes("f").toString(), "A$&\\1\r\nb\0b\r\nc");
	assert.equal(await ok("Edit", { file_path: "f", old_string: "b", new_string: "BB", replace_all: true }),
		"The file f has been updated. All occurrences were successfully replaced.");
	assert.equal(bytes("f").toString(), "A$&\\1\r\nBB\0BB\r\nc");
	await ok("Edit", { file_path: "f", old_string: "\0BB\r\nc", new_string: "" });
	assert.equal(bytes("f").toString(), "A$&\\1\r\nBB");
});

test("Edit: bytes that are no text, and modes, stay", async () => {
	const head = Buffer.from([255, 254, 0, 128]);
	put("f", Buffer.concat([head, Buffer.from("old"), head]));
	chmodSync(at("f"), 0o700);
	await ok("Edit", { file_path: "f", old_string: "old", new_string: "newer" });
	assert.deepEqual(bytes("f"), Buffer.concat([head, Buffer.from("newer"), head]));
	assert.equal(statSync(at("f")).mode & 0o777, 0o700);
});

test("Edit: refuses what isn't there, isn't unique, changes nothing", async () => {
	put("f", "xx aaa\n");
	await fails("Edit", { file_path: "f", old_string: "y", new_string: "z" },
		"String to replace not found in file.\nString: y");
	await fails("Edit", { file_path: "f", old_string: "x", new_string: "z" }, /^Found 2 matches of the string to replace, but replace_all is false\./);
	// Two that overlap.
	await fails("Edit", { file_path: "f", old_string: "aa", new_string: "z" }, /^Found 2 matches/);
	await fails("Edit", { file_path: "f", old_string: "x", new_string: "x" },
		"No changes to make: old_string and new_string are exactly the same.");
	await fails("Edit", { file_path: "none", old_string: "x", new_string: "z" }, "File does not exist: none");
	await fails("Edit", { file_path: "f", old_string: "", new_string: "z" },
		"Cannot create new file - file already exists.");
	await fails("Edit", { file_path: "f", old_string: "x" }, "new_string is missing.");
	await fails("Edit", { file_path: "f", new_string: "x" }, "old_string is missing.");
	await fails("Edit", { file_path: "f", old_string: "x", new_string: "y", replace_all: 1 },
		"replace_all must be true or false.");
	assert.equal(bytes("f").toString(), "xx aaa\n");
});

test("Edit: an empty old_string makes a file, or fills an empty one", async () => {
	assert.equal(await ok("Edit", { file_path: "d/new", old_string: "", new_string: "x" }),
		"File created successfully at: d/new");
	assert.equal(bytes("d/new").toString(), "x");
	put("empty", "");
	await ok("Edit", { file_path: "empty", old_string: "", new_string: "y" });
	assert.equal(bytes("empty").toString(), "y");
});

test("Edit: lines of a file with CRLF may be given with LF", async () => {
	put("f", "one\r\ntwo\r\nthree\r\n");
	await ok("Edit", { file_path: "f", old_string: "one\ntwo", new_string: "1\n2\n2b" });
	assert.equal(bytes("f").toString(), "1\r\n2\r\n2b\r\nthree\r\n");
	await fails("Edit", { file_path: "f", old_string: "2\nthree", new_string: "x" }, /not found/);
	// What is there as it was given is taken as it was given.
	put("g", "a\nb\r\n");
	await ok("Edit", { file_path: "g", old_string: "a\nb", new_string: "c\nd" });
	assert.equal(bytes("g").toString(), "c\nd\r\n");
});

test("50 MB: written, edited and read", async () => {
	const block = `${`${"x".repeat(99)}\n`.repeat(9999)}mark\n`;
	const content = block.repeat(53);
	await ok("Write", { file_path: "big", content });
	assert.equal(bytes("big").compare(Buffer.from(content)), 0);
	const { out } = await tool("Read", { file_path: "big" });
	assert.equal(out.length, content.length + 530000 * 7);
	assert.equal(out.subarray(-12).toString(), "530000\tmark\n");
	assert.equal(await ok("Read", { file_path: "big", offset: 520000, limit: 1 }), "520000\tmark\n");
	await ok("Edit", { file_path: "big", old_string: "mark\n", new_string: "\0", replace_all: true });
	assert.equal(bytes("big").compare(Buffer.from(content.replaceAll("mark\n", "\0"))), 0);
});
