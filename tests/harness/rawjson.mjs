// Looks into JSON as text. The server promises to give values back as they were written (1.10, 1e999,
// "\ud83d", duplicate keys); JSON.parse() hides just these differences, so the tests compare slices.

const blank = /[ \t\n\r]/y;
const scalar = /[^\s,\]}"[{:]+/y;

function skip(text, at) {
	for (;;) {
		blank.lastIndex = at;
		if (!blank.test(text)) return at;
		at++;
	}
}

// Where the string that starts at `at` ends. A quote ends it unless an odd number of backslashes is before it.
function stringEnd(text, at) {
	for (let quote = text.indexOf('"', at + 1); quote >= 0; quote = text.indexOf('"', quote + 1)) {
		let before = quote;
		while (text[before - 1] === "\\") before--;
		if ((quote - before) % 2 === 0) return quote + 1;
	}
	throw new Error("a string without an end");
}

// Where the value that starts at `at` ends. Written for long texts and deep ones: no recursion.
function end(text, at) {
	let depth = 0;
	do {
		const c = text[at];
		if (c === "{" || c === "[") {
			depth++;
			at++;
		} else if (c === "}" || c === "]") {
			depth--;
			at++;
		} else if (c === "," || c === ":" || c === " " || c === "\n" || c === "\t" || c === "\r") {
			at++;
		} else if (c === '"') {
			at = stringEnd(text, at);
		} else {
			scalar.lastIndex = at;
			if (!scalar.test(text)) throw new Error(`not JSON at ${at}: ${text.slice(at, at + 40)}`);
			at = scalar.lastIndex;
		}
	} while (depth > 0);
	return at;
}

// [[key, value], …] of an object's text; keys decoded, values as written, in order, duplicates kept.
export function members(text) {
	const out = [];
	let at = skip(text, 0);
	if (text[at] !== "{") throw new Error(`not an object: ${text.slice(0, 80)}`);
	at = skip(text, at + 1);
	while (text[at] !== "}") {
		const keyEnd = end(text, at);
		const key = JSON.parse(text.slice(at, keyEnd));
		at = skip(text, skip(text, keyEnd) + 1);
		const valueEnd = end(text, at);
		out.push([key, text.slice(at, valueEnd)]);
		at = skip(text, valueEnd);
		if (text[at] === ",") at = skip(text, at + 1);
	}
	return out;
}

// The elements of an array's text, as written.
export function elements(text) {
	const out = [];
	let at = skip(text, 0);
	if (text[at] !== "[") throw new Error(`not an array: ${text.slice(0, 80)}`);
	at = skip(text, at + 1);
	while (text[at] !== "]") {
		const valueEnd = end(text, at);
		out.push(text.slice(at, valueEnd));
		at = skip(text, valueEnd);
		if (text[at] === ",") at = skip(text, at + 1);
	}
	return out;
}

// The text of one member's value, the last of that name (which is the one that counts); a path goes deeper.
export function raw(text, ...path) {
	for (const key of path) {
		const all = members(text).filter(([name]) => name === key);
		if (all.length === 0) return undefined;
		text = all.at(-1)[1];
	}
	return text;
}
