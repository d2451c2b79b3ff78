// What holds for the tree itself: files that are named in lists, and rules of the tests that no test of a program would notice.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { ROOT } from "../harness/server.mjs";

const read = (file) => readFileSync(path.join(ROOT, file), "utf8");
const under = (dir, like) => readdirSync(path.join(ROOT, dir), { withFileTypes: true, recursive: true })
	.filter((entry) => entry.isFile() && like.test(entry.name)).map((entry) => path.relative(ROOT, path.join(entry.parentPath ?? entry.path, entry.name))).sort();

test("sql/local.mk names every file of sql/, and no other", () => {
	const named = [...read("sql/local.mk").matchAll(/\bsql\/[\w/.]+\.sql\b/g)].map(([name]) => name);
	assert.deepEqual(named.sort(), under("sql", /\.sql$/));
	assert.equal(new Set(named).size, named.length);
});

test("what is installed or shipped is named: documents, man pages, nginx, dist/, script/", () => {
	const lists = ["Makefile.am", ...readdirSync(ROOT).map((dir) => `${dir}/local.mk`)].map((file) => {
		try {
			return read(file);
		} catch {
			return ""; // no such list
		}
	}).join("\n");
	const words = new Set(lists.split(/[\s=:()]+/));
	const isNamed = (file) => words.has(file) || words.has(`${file}.in`) || (file.includes("/") && isNamed(path.dirname(file)));
	const files = ["docs", "man", "nginx", "dist", "script"].flatMap((dir) => under(dir, /^[^.].*[^~]$/));
	assert.ok(files.length > 40);
	assert.deepEqual(files.filter((file) => !isNamed(file)), []);
});

test("unit tests fork in one place, from where a child can't come back into the tests", () => {
	const forking = under("tests/unit", /\.[ch]$/).filter((file) => /\bv?fork\(\)/.test(read(file).replace(/\/\*[^]*?\*\//g, "")));
	assert.deepEqual(forking, ["tests/unit/child.h"]);
});

test("programs of the tests have user ids of their own, as limits count by user", () => {
	// These two only print arguments.
	const fixed = [...under("tests/unit", /\.[ch]$/), ...under("tests", /_driver\.c$/)].filter((file) => /uid_base = \d|\.uid = \d|"--uid", "\d{3,9}"/.test(read(file)));
	assert.deepEqual(fixed, ["tests/unit/test_sandbox_box_spec.c", "tests/unit/test_sandbox_git.c"]);
});

const scripts = () => ["tests/e2e", "tests/harness", "tests/fakes"].flatMap((dir) => under(dir, /\.mjs$/)).filter((file) => file !== "tests/e2e/tree.test.mjs");

test("no test holds what took so long on the clock against a number: ownMs() of harness/pace.mjs is for that", () => {
	const bound = /(?:Date|performance)\.now\(\) - [a-z][\w.]*\)? <(?!=)/;
	assert.match("assert.ok(performance.now() - start < 1000)", bound);
	const found = scripts().flatMap((file) => read(file).split("\n").map((line, n) => [line, `${file}:${n + 1}`])
		.filter(([line]) => /assert/.test(line) && bound.test(line)).map(([, where]) => where));
	assert.deepEqual(found, []);
});

test("files of tests await at the top only before their first test, as the runner ends with the last one that it knows", () => {
	const late = scripts().filter((file) => file.endsWith(".test.mjs")).filter((file) => {
		const lines = read(file).split("\n"), first = lines.findIndex((line) => /^(test|describe)\(/.test(line));
		return first >= 0 && lines.slice(first).some((line) => /^(await |(const|let) .*= await |\[?[\w, ]+\]? = await |for await)/.test(line));
	});
	assert.deepEqual(late, []);
});
