// json_parse.test.mjs: lib/json.h against JSON.parse: the same documents are taken, every value in them is the same, in
// the same order, and what is cut out is exactly its text.
//
// Where ours is another by design, and how each is compared:
//  - UTF-8: json_check() doesn't look at bytes above 127, its callers ask utf8_valid() as well. Text that isn't UTF-8 is
//    refused by that; node would replace it, and of the replaced text the grammar's verdict must be the same.
//  - depth: json_check() tells it and has no limit; its callers refuse more than 1000 levels, JSON.parse none.
//  - \u0000 and unpaired surrogates: json_decode() refuses such strings, json_decode_lossy() gives U+FFFD for them.
//  - names that come twice are both walked; json_get() and json_merge() are as JSON.parse and {...a, ...b} are.
//  - numbers stay text: it is compared, and what JavaScript makes of it.
//
// JSON_PARSE_SECONDS (20): how long; JSON_PARSE_SEED: where to begin (else by the clock; it is printed).

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { after, test } from "node:test";
import { Maker, hostile } from "../harness/json_documents.mjs";
import { elements, members } from "../harness/rawjson.mjs";
import { ROOT } from "../harness/server.mjs";

const WALK_DEPTH = 60, PREFIX_UNITS = 5; // as tests/json_driver.c
const seconds = Number(process.env.JSON_PARSE_SECONDS ?? 20);
const seed = Number(process.env.JSON_PARSE_SEED ?? Date.now() % 1e9);
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lenient = new TextDecoder("utf-8", { ignoreBOM: true });

// ---- the driver ----

const driver = spawn(path.join(process.env.CRAFT_BUILD_DIR ? path.resolve(ROOT, process.env.CRAFT_BUILD_DIR) : path.join(ROOT, "build"), "tests/json_driver"),
	{ stdio: ["pipe", "pipe", "inherit"] });
const ended = once(driver, "exit");
const lines = createInterface({ input: driver.stdout, crlfDelay: Infinity })[Symbol.asyncIterator]();
driver.stdin.on("error", () => { /* it has died: there are no lines, either */ });
after(() => driver.kill());

// The words of one answer for each document.
async function ask(documents) {
	driver.stdin.write(Buffer.concat(documents.flatMap((document) => [Buffer.from(`${document.length}\n`), document])));
	const answers = [];
	for (const document of documents) {
		const { value, done } = await lines.next();
		if (done) throw new Error(`the driver ended (${await ended}) at or behind ${show(document)}`);
		answers.push(value.split(" "));
	}
	return answers;
}

const show = (document) => `${document.length} bytes: ${JSON.stringify(document.subarray(0, 400).toString("latin1"))}`;

// ---- JSON.parse's view ----

function parse(text) {
	try {
		return { ok: true, value: JSON.parse(text) };
	} catch {
		return { ok: false };
	}
}

// Deepest nesting of a text that JSON.parse takes.
function depthOf(text) {
	let depth = 0, deepest = 0;
	for (const c of text.replace(/"(?:[^"\\]|\\.)*"/g, "")) {
		if (c === "[" || c === "{") deepest = Math.max(deepest, ++depth);
		else if (c === "]" || c === "}") depth--;
	}
	return deepest;
}

const hasUnstorable = (string) => /\0|\p{Surrogate}/u.test(string);
const replaced = (string) => string.replace(/\0|\p{Surrogate}/gu, "\ufffd");

// The first units of a string, without half of a pair.
function prefixOf(string) {
	const cut = string.slice(0, PREFIX_UNITS);
	return /[\ud800-\udbff]$/.test(cut) && /^[\udc00-\udfff]/.test(string.slice(PREFIX_UNITS)) ? cut.slice(0, -1) : cut;
}

// UTF-8 that has surrogates alone as three bytes, too, so that all names stay different.
function wtf8(string) {
	return Buffer.concat([...string].map((c) => (/\p{Surrogate}/u.test(c)
		? Buffer.from([0xed, 0x80 | (c.charCodeAt(0) >> 6 & 0x3f), 0x80 | (c.charCodeAt(0) & 0x3f)]) : Buffer.from(c))));
}

// ---- comparing ----

const bytesOf = (word) => (assert.equal(word[0], "x"), Buffer.from(word.slice(1), "hex"));
const textOf = (word) => strict.decode(bytesOf(word));

// One document's answer, word by word, beside its text.
class Answer {
	constructor(document, words) {
		Object.assign(this, { document, words, at: 2, values: 0 });
	}

	next() { return this.words[this.at++]; }

	place() {
		const from = Number(this.next()), to = Number(this.next());
		return { from, text: strict.decode(this.document.subarray(from, to)) };
	}

	string(want) {
		const { text, from } = this.place(), exact = this.next(), lossy = this.next(), prefix = this.next(), encoded = this.next();
		assert.equal(JSON.parse(text), want);
		assert.equal(exact === "-", hasUnstorable(want));
		if (exact !== "-") {
			assert.equal(textOf(exact), want);
			assert.equal(JSON.parse(textOf(encoded)), want);
		}
		assert.equal(textOf(lossy), replaced(want));
		assert.equal(JSON.parse(textOf(prefix)), prefixOf(want));
		return { from, text };
	}

	// A value, where JSON.parse has `want` and the text is `raw`.
	value(want, raw) {
		const kind = this.next();
		this.values++;
		if (kind === "s") {
			assert.equal(this.string(want).text, raw);
		} else {
			const { text } = this.place();
			assert.equal(text, raw);
			if (kind === "a") this.array(want, text);
			else if (kind === "o") this.object(want, text);
			else assert.deepEqual([kind, JSON.parse(text)], ["v", want]);
		}
	}

	array(want, text) {
		assert(Array.isArray(want));
		const raws = elements(text);
		assert.equal(raws.length, want.length);
		raws.forEach((raw, i) => this.value(want[i], raw));
		assert.equal(this.next(), ".");
	}

	// Of a name that comes twice the last value is the object's; those before it can only be compared with their own text.
	object(want, text) {
		const raws = members(text), last = new Map(raws.map(([name], i) => [name, i])), gets = [];
		assert.deepEqual(Object.keys(want).sort(), [...last.keys()].sort());
		raws.forEach(([name, raw], i) => {
			assert.equal(this.next(), "s");
			this.string(name);
			assert(bytesOf(this.next()).equals(wtf8(name)));
			const get = this.next(), from = Number(this.words[this.at + 1]);
			gets.push([get, last.get(name)]);
			raws[i].push(from);
			this.value(last.get(name) === i ? want[name] : JSON.parse(raw), raw);
		});
		gets.forEach(([get, i], n) => assert(get === "-" ? n >= 40 || hasUnstorable(raws[n][0]) : Number(get) === raws[i][2]));
		assert.equal(this.next(), ".");
	}

	// Names in the order of their first places, which objects of JavaScript forget where they are numbers.
	merged(before, value, text) {
		const word = this.next();
		assert.equal(word === "-", !isObject(value));
		if (word === "-") return;
		const merged = textOf(word), names = (object) => members(object).map(([name]) => name);
		assert.deepEqual(JSON.parse(merged), { ...JSON.parse(before), ...value });
		assert.deepEqual(names(merged), [...new Set([...names(before), ...names(text)])]);
	}
}

const count = { documents: 0, taken: 0, refused: 0, notUtf8: 0, tooDeep: 0, values: 0 };
let objectBefore = "{}";

function compare(document, words) {
	let utf8 = true, text;
	try {
		text = strict.decode(document);
	} catch {
		[utf8, text] = [false, lenient.decode(document)];
	}
	const { ok, value } = parse(text);
	count.documents++;
	count[ok ? "taken" : "refused"]++;
	if (!utf8) count.notUtf8++;
	assert.equal(words[0], utf8 ? "1" : "0", "valid UTF-8");
	assert.equal(words[1] !== "refused", ok, "accepted");
	if (!ok || !utf8) {
		assert.equal(words.length, 2);
		return;
	}
	const depth = depthOf(text);
	if (depth > 1000) count.tooDeep++;
	assert.equal(Number(words[1]), depth, "depth");
	// Our callers refuse it; comparing is recursive.
	if (depth <= 1000) {
		const answer = new Answer(document, words);
		answer.value(value, text.replace(/^[ \t\n\r]+|[ \t\n\r]+$/g, ""));
		answer.merged(objectBefore, value, text);
		if (isObject(value)) objectBefore = text;
		count.values += answer.values;
		assert.equal(answer.at, words.length);
	}
}

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

async function compareAll(documents) {
	const answers = await ask(documents);
	documents.forEach((document, i) => {
		try {
			compare(document, answers[i]);
		} catch (error) {
			throw new Error(`seed ${seed}, ${show(document)}\nanswer: ${answers[i].join(" ").slice(0, 400)}`, { cause: error });
		}
	});
}

// ---- the tests ----

function corpus(...names) {
	return names.flatMap((name) => {
		const dir = path.join(ROOT, "tests/fuzz/corpus", name);
		const files = readdirSync(dir).map((file) => readFileSync(path.join(dir, file)));
		// Some begin with a byte that says how to cut them.
		return [...files, ...files.map((file) => file.subarray(1))];
	});
}

test("hostile documents are taken or refused as by JSON.parse, and what is taken has the same values", async () => {
	await compareAll([...hostile()]);
	assert(count.taken > 300 && count.refused > 300 && count.notUtf8 > 50 && count.tooDeep > 5, JSON.stringify(count));
});

test("so are the fuzzers' corpora", async () => {
	const documents = corpus("json", "json_c", "unescape", "sandbox_message", "agent_line");
	assert(documents.length > 20);
	await compareAll(documents);
});

test(`so are documents made at random, and damaged ones, for ${seconds} s`, async (t) => {
	const maker = new Maker(seed), end = Date.now() + seconds * 1000;
	const seeds = [...hostile()].filter(({ length }) => length < 1000);
	do {
		const valid = Array.from({ length: 300 }, () => maker.valid());
		const damaged = valid.flatMap((document) => [maker.damaged(document, maker.pick(valid)), maker.damaged(maker.pick(seeds), document)]);
		await compareAll([...valid, ...damaged]);
	} while (Date.now() < end);
	t.diagnostic(`seed ${seed}: ${JSON.stringify(count)}`);
});

test("the driver ends well", async () => {
	driver.stdin.end();
	assert.deepEqual(await ended, [0, null]);
});
