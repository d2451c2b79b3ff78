// Glob and Grep of craft-box: patterns, order, pages, clear errors; the same by ripgrep and by grep.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { ownMs } from "../harness/pace.mjs";
import { at, base, dir, fails, ok, put } from "../harness/tools.mjs";

// ---- Glob ----

const glob = async (pattern, directory) => {
	const text = await ok("Glob", { pattern, ...directory && { path: directory } });
	return text === "No files found" ? [] : text.split("\n").map((name) => path.relative(dir, name)).sort();
};

test("Glob: patterns", async () => {
	for (const name of ["a.js", "b.ts", "c.jsx", ".hidden.js", "src/a.js", "src/deep/er/a.js", "src/deep/b.ts", "[x].js",
		"ü.js", ".git/x.js", "sub/.git/y.js", "node_modules/m/i.js"])
		put(name, "x");
	const all = [".hidden.js", "[x].js", "a.js", "node_modules/m/i.js", "src/a.js", "src/deep/er/a.js", "ü.js"];
	assert.deepEqual(await glob("*.js"), all);
	assert.deepEqual(await glob("**/*.js"), all);
	assert.deepEqual(await glob("*.js", dir), all);
	assert.deepEqual(await glob("src/**/*.js"), ["src/a.js", "src/deep/er/a.js"]);
	assert.deepEqual(await glob("src/*.js"), ["src/a.js"]);
	assert.deepEqual(await glob("src/*"), ["src/a.js"]);
	assert.deepEqual(await glob("src/**"), ["src/a.js", "src/deep/b.ts", "src/deep/er/a.js"]);
	assert.deepEqual(await glob("**/deep/**/a.js"), ["src/deep/er/a.js"]);
	assert.deepEqual(await glob("**/er/../a.js"), []);
	assert.deepEqual(await glob("{a,b}.{js,ts}"), ["a.js", "b.ts", "src/a.js", "src/deep/b.ts", "src/deep/er/a.js"]);
	assert.deepEqual(await glob("{src/{a,z}.js,b.ts}"), ["b.ts", "src/a.js", "src/deep/b.ts"]);
	assert.deepEqual(await glob("[ab].*"), ["a.js", "b.ts", "src/a.js", "src/deep/b.ts", "src/deep/er/a.js"]);
	assert.deepEqual(await glob("[!a].ts"), ["b.ts", "src/deep/b.ts"]);
	assert.deepEqual(await glob("\\[x\\].js"), ["[x].js"]);
	assert.deepEqual(await glob("?.js"), ["a.js", "node_modules/m/i.js", "src/a.js", "src/deep/er/a.js", "ü.js"]);
	assert.deepEqual(await glob("a.js"), ["a.js", "src/a.js", "src/deep/er/a.js"]);
	assert.deepEqual(await glob("src/a.js"), ["src/a.js"]);
	assert.deepEqual(await glob("./src/a.js"), ["src/a.js"]);
	assert.deepEqual(await glob(at("src/**/*.ts")), ["src/deep/b.ts"]);
	assert.deepEqual(await glob("*.ts", "src"), ["src/deep/b.ts"]);
	assert.deepEqual(await glob("**", at("src/deep")), ["src/deep/b.ts", "src/deep/er/a.js"]);
	assert.deepEqual(await glob("none/*.js"), []);
	assert.deepEqual(await glob("*.py"), []);
});

test("Glob: newest first, absolute, links not followed", async () => {
	for (const [name, time] of [["old", 1000], ["new", 3000], ["mid", 2000], ["same", 2000]]) {
		put(`t/${name}`, "");
		utimesSync(at(`t/${name}`), time, time);
	}
	assert.equal(await ok("Glob", { pattern: "t/*" }), ["new", "mid", "same", "old"].map((name) => at(`t/${name}`)).join("\n"));
	symlinkSync("/", at("root"));
	symlinkSync(".", at("self"));
	symlinkSync("t/old", at("link"));
	symlinkSync("nowhere", at("dangling"));
	assert.deepEqual(await glob("*"), ["link", "t/mid", "t/new", "t/old", "t/same"]);
});

test("Glob: errors", async () => {
	put("f", "");
	await fails("Glob", { pattern: "*", path: "none" }, "Directory does not exist: none");
	await fails("Glob", { pattern: "*", path: "f" }, "Path is not a directory: f");
	await fails("Glob", {}, "pattern is missing.");
	await fails("Glob", { pattern: "" }, "pattern is empty.");
	await fails("Glob", { pattern: "{a,b}".repeat(12) }, "The pattern is too long, or has too many alternatives in braces.");
	await fails("Glob", { pattern: "{,}".repeat(30_000) }, "The pattern is too long, or has too many alternatives in braces.");
	assert.deepEqual(await glob("*{"), []);
	assert.deepEqual(await glob("[f"), []);
	assert.deepEqual(await glob("{f"), []);
});

test("Glob: 10,000 files in little time", async () => {
	for (let d = 0; d < 100; d++) {
		mkdirSync(at(`d${d}/e`), { recursive: true });
		for (let f = 0; f < 100; f++)
			writeFileSync(at(`d${d}/e/f${f}.txt`), "");
	}
	const begin = ownMs();
	assert.equal((await glob("**/*.txt")).length, 10000);
	assert.ok(ownMs() - begin < 5000, `${ownMs() - begin} ms`);
	// A pattern that makes naive matchers try for ever.
	assert.deepEqual(await glob("**/**/**/**/**/**/**/x/**/**/y*z"), []);
});

// ---- Grep ----

const lines = async (input, env) => (await ok("Grep", input, env)).split("\n");

function project() {
	put("a.txt", "alpha\nbeta\nGamma\nbeta again\n");
	put("b.js", "const beta = 1;\n");
	put("src/c.js", "beta(\n  1);\nno\n");
	put(".git/d", "beta\n");
	put(".hidden", "beta\n");
	put("binary", Buffer.from("beta\0\0\n"));
	for (const [name, time] of [["a.txt", 1000], ["b.js", 4000], ["src/c.js", 3000], [".hidden", 2000]])
		utimesSync(at(name), time, time);
}

// The same by ripgrep and by grep, with a PATH that has only the latter.
const grepOnly = path.join(base, "grep-only");
mkdirSync(grepOnly);
symlinkSync(["/usr/bin/grep", "/bin/grep"].find((name) => existsSync(name)), path.join(grepOnly, "grep"));
const hasRipgrep = process.env.PATH.split(":").some((name) => existsSync(path.join(name, "rg")));
const programs = [
	{ name: "ripgrep", env: {}, skip: hasRipgrep ? false : "no ripgrep" },
	{ name: "grep", env: { PATH: grepOnly }, skip: false },
];

for (const { name, env, skip } of programs) {
	test(`Grep by ${name}: files, newest first`, { skip }, async () => {
		project();
		assert.deepEqual(await lines({ pattern: "^beta", path: dir }, env), ["Found 3 files", "src/c.js", ".hidden", "a.txt"]);
		assert.deepEqual(await lines({ pattern: "beta", glob: "*.js" }, env), ["Found 2 files", "b.js", "src/c.js"]);
		assert.deepEqual(await lines({ pattern: "beta", glob: "*.js,*.txt" }, env), ["Found 3 files", "b.js", "src/c.js", "a.txt"]);
		assert.deepEqual(await lines({ pattern: "beta", glob: "*.none" }, env), ["No files found"]);
		assert.deepEqual(await lines({ pattern: "alpha" }, env), ["Found 1 file", "a.txt"]);
		assert.deepEqual(await lines({ pattern: "beta", path: "src" }, env), ["Found 1 file", "src/c.js"]);
		assert.deepEqual(await lines({ pattern: "beta", path: at("a.txt") }, env), ["Found 1 file", "a.txt"]);
		assert.deepEqual(await lines({ pattern: "beta", head_limit: 1, offset: 1 }, env),
			["Found 1 file limit: 1, offset: 1", "src/c.js"]);
		assert.deepEqual(await lines({ pattern: "beta", offset: 9 }, env), ["No files found"]);
		put("odd\n name", "odd one\n");
		assert.deepEqual(await lines({ pattern: "odd one" }, env), ["Found 1 file", "odd", " name"]);
	});

	test(`Grep by ${name}: content`, { skip }, async () => {
		project();
		const content = (input) => lines({ output_mode: "content", ...input }, env);
		assert.deepEqual(await content({ pattern: "beta", path: "a.txt" }), ["2:beta", "4:beta again"]);
		assert.deepEqual(await content({ pattern: "beta", path: "a.txt", "-n": false }), ["beta", "beta again"]);
		assert.deepEqual(await content({ pattern: "gamma", path: "a.txt", "-i": true }), ["3:Gamma"]);
		assert.deepEqual(await content({ pattern: "gamma" }), ["No matches found"]);
		assert.deepEqual(await content({ pattern: "Gamma", path: "a.txt", "-A": 1, "-B": 1 }), ["2-beta", "3:Gamma", "4-beta again"]);
		assert.deepEqual(await content({ pattern: "alpha", path: "a.txt", "-C": 1 }), ["1:alpha", "2-beta"]);
		assert.deepEqual(await content({ pattern: "alpha", path: "a.txt", context: 1, "-C": 0 }), ["1:alpha", "2-beta"]);
		assert.deepEqual(await content({ pattern: "b.t", path: "a.txt", "-o": true }), ["2:bet", "4:bet"]);
		assert.deepEqual(await content({ pattern: "beta", glob: "*.js" }).then((found) => found.sort()),
			["b.js:1:const beta = 1;", "src/c.js:1:beta("]);
		assert.deepEqual(await content({ pattern: "beta", path: "a.txt", head_limit: 1 }),
			["2:beta", "", "[Showing results with pagination = limit: 1]"]);
		assert.deepEqual(await content({ pattern: "beta", path: "a.txt", offset: 1 }),
			["4:beta again", "", "[Showing results with pagination = offset: 1]"]);
		put("-e", "dash -v\n");
		assert.deepEqual(await content({ pattern: "-v", path: "-e" }), ["1:dash -v"]);
		put("many", "x\n".repeat(1000));
		assert.equal((await content({ pattern: "x", path: "many" })).length, 252);
		assert.equal((await content({ pattern: "x", path: "many", head_limit: 0 })).length, 1000);
	});

	test(`Grep by ${name}: count and errors`, { skip }, async () => {
		project();
		assert.deepEqual(await lines({ pattern: "beta", output_mode: "count", glob: "*.txt" }, env),
			["a.txt:2", "", "Found 2 total occurrences across 1 file."]);
		assert.deepEqual(await lines({ pattern: "zeta", output_mode: "count" }, env),
			["No matches found", "", "Found 0 total occurrences across 0 files."]);
		await fails("Grep", { pattern: "(" }, /./, env);
		await fails("Grep", { pattern: "x", path: "none" }, "Path does not exist: none", env);
		await fails("Grep", {}, "pattern is missing.", env);
		await fails("Grep", { pattern: "a\0" }, "pattern cannot hold a NUL byte.", env);
		await fails("Grep", { pattern: "x", output_mode: "all" }, /^output_mode must be/, env);
	});
}

test("Grep: multiline and type need ripgrep", { skip: hasRipgrep ? false : "no ripgrep" }, async () => {
	project();
	assert.deepEqual(await lines({ pattern: "beta\\(.*\\)", multiline: true }), ["Found 1 file", "src/c.js"]);
	assert.deepEqual(await lines({ pattern: "beta", type: "js" }), ["Found 2 files", "b.js", "src/c.js"]);
	await fails("Grep", { pattern: "beta", type: "nonsense" }, /unrecognized file type/);
	const env = { PATH: grepOnly };
	await fails("Grep", { pattern: "beta", type: "js" }, "type needs ripgrep, which this host doesn't have. Use glob.", env);
	await fails("Grep", { pattern: "beta", multiline: true }, "multiline needs ripgrep, which this host doesn't have.", env);
	await fails("Grep", { pattern: "beta" }, "There is neither ripgrep nor grep in this sandbox.", { PATH: base });
});
