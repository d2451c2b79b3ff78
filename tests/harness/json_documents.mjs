// json_documents.mjs: documents for comparing JSON readers: hostile ones by hand, valid ones made at random, and either
// of them damaged. All are Buffers; the same seed makes the same.

/** Numbers from 0 up to (not including) n, from a seed (mulberry32). */
export function random(seed) {
	let state = seed >>> 0;
	return (n) => {
		state = (state + 0x6d2b79f5) | 0;
		let t = Math.imul(state ^ (state >>> 15), 1 | state);
		t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
		return ((t ^ (t >>> 14)) >>> 0) % n;
	};
}

// ---- by hand ----

const numbers = ["0", "-0", "-", "+1", "--1", "00", "01", "-01", "1.", ".5", "-.5", "1.5", "1.50", "1e5", "1E+5", "1e-5", "1e",
	"1e+", "1e1.5", "1e999", "-1e999", "1e-999", "1e99999999999999999999", "0e0", "0.0e-0", "0x10", "1_000", "1,5", "1 2",
	"9007199254740993", "-9223372036854775809", "18446744073709551616", "NaN", "nan", "Infinity", "-Infinity", "1n",
	`1${"0".repeat(5000)}`, `0.${"0".repeat(5000)}1`, `1e${"9".repeat(5000)}`, "１", "1\u00a0", "\u00a01"];

const strings = ['""', '"', "''", "'a'", '"a', 'a"', '"\\"', '"\\\\"', '"\\\\\\"', '"\\/\\b\\f\\n\\r\\t"', '"\\a"', '"\\x41"', '"\\\'"',
	'"\\u"', '"\\u004"', '"\\u0041"', '"\\u00g1"', '"\\U0041"', '"\\u{41}"', '"\\u0000"', '"a\\u0000b"', '"\\ud83d"',
	'"\\ude00"', '"\\ud83d\\ude00"', '"\\uD83D\\uDE00"', '"\\ude00\\ud83d"', '"\\ud83d\\ud83d\\ude00"', '"\\ud83dx\\ude00"',
	'"\\ud83d\\u0041"', '"\\ud83d\\n"', '"\\ud83d\\u"', '"\\uffff\\ufffe\\ufeff"', '"\\u2028\\u2029"', '"\u2028\u2029"',
	'"😀😀😀"', '"abcd😀"', '"abcde😀"', '"abc\\ud83d\\ude00\\ud83d\\ude00"', '"abcd\\ud83d\\ude00"', '"abcd\\ud83d"', '"é\u0301\u200d\ufeff\u007f\u0080"'];

const others = ["", " ", "\n", "null", "nul", "nulll", "Null", "true", "True", "tru", "false", "fals", "undefined", "[", "]", "{", "}", "[]", "{}",
	"[ ]", "{ }", "[,]", "[1,]", "[,1]", "[1,,2]", "[1 2]", "[1]]", "[[1]", "[1}", "{1]", "[]{}", "{},", "{,}", '{"a"}', '{"a":}',
	'{"a":1,}', '{,"a":1}', '{"a" 1}', '{"a"::1}', '{a:1}', "{'a':1}", "{1:1}", "{null:1}", '{"a":1 "b":2}', '{"a":1;"b":2}',
	'{"a":1,"a":2}', '{"a":1,"\\u0061":2,"b":3,"a":4}', '{"":1}', '{"":1,"":2}', '{"__proto__":1}', '{"__proto__":{"a":1},"a":2}',
	'{"constructor":1,"toString":2,"hasOwnProperty":3}', '{"2":1,"10":2,"1":3,"a":4,"01":5,"-1":6,"4294967295":7,"4294967294":8}',
	'{"\\ud83d":1,"\\ud83d":2,"\\ude00":3,"\\ufffd":4}', '{"\\u0000":1,"a\\u0000b":2,"a":3}', '{"😀":1,"\\ud83d\\ude00":2}',
	"// c\n1", "1 // c", "/* c */ 1", "# c\n1", "1;", "(1)", "[1]\0", "\0[1]", "[\0]", "[1]\x1a", "<!--1", "`a`", "-null", "[tru e]",
	'{"a":{"b":{"c":[1,[2,[3,{"d":[]}]]]}}}', '[[],[[]],[[[]]],{},[{}],{"a":[]}]', "\ufeff1", "\ufeff[]", "[\ufeff]", '"\ufeff"'];

// Bytes that aren't UTF-8, in a string and alone: stray and missing continuations, overlong forms, surrogates, too high.
const broken = [[0x80], [0xbf], [0xc0], [0xc0, 0x80], [0xc1, 0xbf], [0xc3], [0xc3, 0x28], [0xe0, 0x80, 0xaf], [0xe2, 0x82], [0xe2, 0x28, 0xa1],
	[0xed, 0xa0, 0xbd], [0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80], [0xed, 0xbf, 0xbf], [0xf0, 0x80, 0x80, 0xaf], [0xf0, 0x9f, 0x98],
	[0xf0, 0x9f], [0xf0], [0xf4, 0x90, 0x80, 0x80], [0xf5, 0x80, 0x80, 0x80], [0xf8, 0x88, 0x80, 0x80, 0x80], [0xfe], [0xff], [0xff, 0xfe]];

const white = [..." \t\n\r\v\f\b\0\x1c\x1d\x1e\x1f\x7f\x85\xa0\u1680\u2000\u2003\u2009\u200b\u2028\u2029\u202f\u205f\u2060\u3000\ufeff"];

function* deep() {
	for (const n of [2, 63, 64, 65, 999, 1000, 1001, 5000, 100_000]) {
		yield "[".repeat(n) + "]".repeat(n);
		yield '{"a":'.repeat(n) + "1" + "}".repeat(n);
		yield '[{"a":'.repeat(n) + "[]" + "}]".repeat(n);
		yield "[".repeat(n);
		yield "[".repeat(n) + "]".repeat(n - 1);
		yield "[".repeat(n) + "]".repeat(n + 1);
		yield "[".repeat(n) + "}" + "]".repeat(n - 1);
		yield '[{"a":'.repeat(n) + "1" + "]}".repeat(n);
	}
}

/** Documents that readers are known to differ about, each also as element, member and name. */
export function* hostile() {
	const wrap = function* (text) {
		yield text;
		yield `[${text}]`;
		yield ` {"a" : ${text} } `;
		yield `{${text}:1}`;
		yield `[0,${text},1]`;
	};
	for (const text of [...numbers, ...strings, ...others])
		for (const document of wrap(text)) yield Buffer.from(document);
	for (const c of white) for (const document of [`${c}1`, `1${c}`, `[${c}1${c},${c}2${c}]`, `{${c}"a"${c}:${c}1${c}}`, `"${c}"`, `t${c}rue`])
		yield Buffer.from(document);
	for (let c = 0; c < 0x20; c++) for (const document of [`"${String.fromCharCode(c)}"`, `"\\${String.fromCharCode(c)}"`]) yield Buffer.from(document);
	for (const bytes of broken) for (const [before, after] of [['"', '"'], ['{"', '":1}'], ['["a', 'b"]'], ["", ""], ["[", "]"], ['"\\', '"'], ['"', ""]])
		yield Buffer.concat([Buffer.from(before), Buffer.from(bytes), Buffer.from(after)]);
	for (const encoding of ["utf16le", "utf8"]) yield Buffer.from('\ufeff{"a":1}', encoding);
	for (const text of deep()) yield Buffer.from(text);
}

// ---- at random ----

/** Valid documents, and a way to damage any. */
export class Maker {
	constructor(seed) { this.n = random(seed); }

	pick(list) { return list[this.n(list.length)]; }

	/** Up to n times, what make makes. */
	some(n, make) { return Array.from({ length: this.n(n + 1) }, make); }

	space() { return this.n(3) ? "" : this.some(3, () => this.pick([" ", "\t", "\n", "\r"])).join(""); }

	digits(n) { return Array.from({ length: 1 + this.n(n) }, () => this.n(10)).join(""); }

	number() {
		const long = this.n(10) ? 4 : 40;
		return (this.n(3) ? "" : "-") + (this.n(4) ? `${1 + this.n(9)}${this.n(2) ? this.digits(long) : ""}` : "0") +
			(this.n(3) ? "" : `.${this.digits(long)}`) + (this.n(3) ? "" : this.pick("eE") + this.pick(["", "+", "-"]) + this.digits(3));
	}

	character() {
		switch (this.n(9)) {
		case 0: return `\\${this.pick('"\\/bfnrt')}`;
		case 1: return `\\u${this.n(0x10000).toString(16).padStart(4, "0")}`;
		case 2: return `\\u${this.pick(["0000", "D83D", "dE00", "d800", "dfff", "001f", "007F", "ffff", "0022", "005c"])}`;
		case 3: return this.pick(["\\ud83d\\ude00", "😀", "é", "\u2028", "\ufeff", "\uffff", "\x7f"]);
		default: return String.fromCharCode(this.pick([0x23, 0x30, 0x41, 0x5d]) + this.n(16)).replace("\\", "/");
		}
	}

	string() { return `"${this.some(this.n(20) ? 8 : 100, () => this.character()).join("")}"`; }

	/** Few names, so that some come twice, also in another spelling. */
	name() {
		return this.n(4) ? this.pick(['"a"', '"b"', '"\\u0061"', '""', '"1"', '"0"', '"10"', '"__proto__"', '"\\ud83d"', '"\\u0000"', '"é"', '"\\u00E9"'])
			: this.string();
	}

	value(depth = 0) {
		const kind = this.n(depth > 6 ? 6 : 10);
		const list = (open, close, item) => open + (this.some(5, () => this.space() + item() + this.space()).join(",") || this.space()) + close;
		if (kind < 2) return this.number();
		if (kind < 4) return this.string();
		if (kind < 6) return this.pick(["null", "true", "false", "0", '""', "[]", "{}"]);
		if (kind < 8) return list("[", "]", () => this.value(depth + 1));
		return list("{", "}", () => `${this.name()}${this.space()}:${this.space()}${this.value(depth + 1)}`);
	}

	valid() { return Buffer.from(this.space() + this.value() + this.space()); }

	/** A few bytes changed, taken out, doubled or put in, the end cut off, or a piece of another document put in. */
	damaged(document, other) {
		const tokens = ['"', "\\", "\\u", "\\ud83d", "{", "}", "[", "]", ",", ":", "0", "-", ".", "e", "+", "null", "\ufeff", "\0", "\x1f", "\xa0", "//", "NaN", "\v"];
		for (let times = 1 + this.n(3); times > 0; times--) {
			const at = this.n(document.length + 1), to = Math.min(document.length, at + this.n(1 + this.n(12)));
			const put = [() => Buffer.from([this.n(256)]), () => Buffer.from(this.pick(tokens)), () => Buffer.alloc(0),
				() => Buffer.concat([document.subarray(at, to), document.subarray(at, to)]),
				() => { const from = this.n(other.length + 1); return other.subarray(from, from + this.n(20)); }][this.n(5)]();
			document = Buffer.concat([document.subarray(0, at), put, this.n(12) ? document.subarray(to) : Buffer.alloc(0)]);
		}
		return document;
	}
}
