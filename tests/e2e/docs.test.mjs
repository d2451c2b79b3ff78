// The documents: links lead somewhere, tests and configuration keys that they name are there, README stays short and names them all.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { program } from "../harness/api_spec.mjs";
import { ROOT } from "../harness/server.mjs";

const read = (name) => readFileSync(path.join(ROOT, name), "utf8");
const documents = ["README.md", "ARCHITECTURE.md", "HACKING.md", ...readdirSync(path.join(ROOT, "docs")).map((name) => `docs/${name}`)];
const pages = documents.filter((name) => name.endsWith(".md"));
const tests = readdirSync(path.join(ROOT, "tests/e2e")).map((name) => name.replace(/\.test\.mjs$/, ""));

test("links lead to files that are there", () => {
	for (const page of pages)
		for (const [, target] of read(page).matchAll(/\]\(([^)#\s]+)[^)]*\)/g)) {
			if (/^[a-z]+:/.test(target)) continue;
			assert.ok(existsSync(path.join(ROOT, path.dirname(page), target)), `${page}: ${target}`);
		}
});

test("README has at most 200 lines, and a link to every document", () => {
	const text = read("README.md");
	const lines = text.trimEnd().split("\n").length;
	assert.ok(lines <= 200, `${lines} lines`);
	for (const name of documents.filter((name) => name !== "README.md")) assert.ok(text.includes(`](${name})`), `README.md has no link to ${name}`);
});

test("every document is in the distribution", () => {
	const text = read("Makefile.am");
	for (const name of documents) assert.match(text, new RegExp(`(^|[\\s\\\\])${name.replaceAll(".", "\\.")}(\\s|$)`, "m"), `Makefile.am doesn't name ${name}`);
});

test("the tests that docs/security.md names are there", () => {
	const text = read("docs/security.md");
	const promises = text.slice(text.indexOf("## Promises"), text.indexOf("## Sandboxes"));
	const last = promises.split("\n").filter((line) => line.startsWith("| ")).map((line) => line.split("|").at(-2)).join(" ");
	const named = [...`${last} ${/ Tests: (.*)\./.exec(text)[1]}`.matchAll(/`([a-z][a-z*-]*)`/g)].map(([, name]) => name);
	assert.ok(named.length > 20, `${named.length} names`);
	for (const name of named)
		assert.ok(tests.some((t) => new RegExp(`^${name.replaceAll("*", ".*")}$`).test(t)), name);
});

test("the configuration keys that docs/security.md names are there", () => {
	const help = ["fcgi/craft-fcgi", "ws-bridge/craft-ws-bridge", "sandbox/craft-sandboxd"]
		.map((name) => execFileSync(program(name), ["--help"], { encoding: "utf8" })).join("");
	const named = new Set([...read("docs/security.md").matchAll(/`([A-Z]+_[A-Z_]+)[`=]/g)].map(([, name]) => name));
	named.delete("KEY_FILE"); // any of them with a secret
	assert.ok(named.size > 8);
	for (const name of named) assert.match(help, new RegExp(`^  ${name} `, "m"), name);
});
