// Frame-level conformance with RFC 6455 and RFC 7692, after the sections of the Autobahn test suite, through
// nginx, with a client of raw sockets. A message of an unknown type serves as the echo: its requestId comes back.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import zlib from "node:zlib";
import { backstop } from "../harness/pace.mjs";
import { OP, RawSocket, closeBody, fragmented, frame } from "../harness/rawsocket.mjs";
import { startServer } from "../harness/server.mjs";

const MiB = 1 << 20;
const LIMIT = 16 * MiB;
const server = await startServer({ env: { WS_MAX_MESSAGE: String(LIMIT) } });
after(() => server.stop());

let counter = 0;
const slug = () => `frames-${process.pid}-${++counter}`;

// One test with a connection of its own.
function on(name, run, options = {}) {
	test(name, { timeout: backstop(60_000) }, async (t) => {
		const path = `/workspace/${slug()}`;
		const ws = await RawSocket.open(server, path, options);
		t.after(() => ws.destroy());
		await run(ws, path);
	});
}

// What is asked and answered

const ask = (id) => JSON.stringify({ type: "nope", requestId: id });
const answer = (id) => ({ type: "response", requestId: id, error: "Unknown message type: nope" });

// A request of exactly n bytes, at least 32.
function askOfSize(n) {
	const id = "a".repeat(n - Buffer.byteLength(ask("")));
	return { id, text: ask(id) };
}

async function nextText(ws) {
	const got = await ws.next();
	assert.ok(got, "the server closed the connection instead of answering");
	assert.equal(got.opcode, OP.text, `opcode ${got.opcode}: ${got.payload.subarray(0, 130).toString("latin1")}`);
	assert.equal(got.fin, true);
	if (got.rsv === 0) return got.payload.toString();
	assert.equal(got.rsv, 4);
	return inflate(got.payload).toString();
}

async function answered(ws, id) {
	assert.deepEqual(JSON.parse(await nextText(ws)), answer(id));
}

// The connection works, and nothing else is on its way.
async function works(ws) {
	const id = `works-${++counter}`;
	ws.write(frame(OP.text, ask(id)));
	await answered(ws, id);
}

async function ponged(ws, payload) {
	const got = await ws.next();
	assert.equal(got?.opcode, OP.pong);
	assert.deepEqual(got.payload, Buffer.from(payload));
	assert.deepEqual([got.fin, got.rsv], [true, 0]);
}

// The server closes with the code (null: with an empty body), then ends the connection.
async function closed(ws, code) {
	const got = await ws.next();
	assert.ok(got, "the connection ended without a Close frame");
	assert.equal(got.opcode, OP.close, `opcode ${got.opcode}`);
	assert.deepEqual([got.fin, got.rsv], [true, 0]);
	assert.ok(got.payload.length <= 125);
	assert.equal(got.payload.length ? got.payload.readUInt16BE() : null, code);
	new TextDecoder("utf-8", { fatal: true }).decode(got.payload.subarray(2));
	assert.equal(await ws.next(), null, "something came after the Close frame");
}

const sendAnd = (code, ...frames) => async (ws) => {
	ws.write(Buffer.concat(frames));
	await closed(ws, code);
};

// permessage-deflate without context takeover

function deflate(data, { level = 6, strategy = zlib.constants.Z_DEFAULT_STRATEGY, windowBits = 15 } = {}) {
	const packed = zlib.deflateRawSync(data, { level, strategy, windowBits, finishFlush: zlib.constants.Z_SYNC_FLUSH });
	assert.deepEqual(packed.subarray(-4), Buffer.from([0, 0, 255, 255]));
	return packed.subarray(0, -4);
}

function inflate(data) {
	return zlib.inflateRawSync(Buffer.concat([data, Buffer.from([0, 0, 255, 255])]), { finishFlush: zlib.constants.Z_SYNC_FLUSH });
}

// 1. Data frames: sizes, cuts

for (const size of [32, 64, 125, 126, 127, 128, 1000, 65535, 65536, 65537, 200_000]) {
	on(`1.1 text of ${size} bytes`, async (ws) => {
		const { id, text } = askOfSize(size);
		ws.write(frame(OP.text, text));
		await answered(ws, id);
	});
}
for (const [size, chop] of [[125, 1], [126, 1], [2000, 1], [65536, 997], [65537, 1300]]) {
	on(`1.1 text of ${size} bytes in pieces of ${chop}`, async (ws) => {
		const { id, text } = askOfSize(size);
		await ws.writeChopped(frame(OP.text, text), chop);
		await answered(ws, id);
	});
}
on("1.1 an empty text message is not JSON", async (ws) => {
	ws.write(frame(OP.text));
	assert.deepEqual(JSON.parse(await nextText(ws)), { type: "response", requestId: "unknown", error: "Invalid JSON" });
	await works(ws);
});
for (const size of [0, 125, 126, 127, 128, 65535, 65536]) {
	on(`1.2 binary of ${size} bytes is ignored`, async (ws) => {
		ws.write(frame(OP.binary, Buffer.alloc(size, 0xfe)));
		await works(ws);
	});
}
on("1.3 a hundred messages in one write are answered in order", async (ws) => {
	const ids = Array.from({ length: 100 }, (_, i) => i);
	ws.write(Buffer.concat(ids.map((id) => frame(OP.text, ask(id)))));
	for (const id of ids) await answered(ws, id);
});
on("1.3 a mask of zeros", async (ws) => {
	ws.write(frame(OP.text, ask("zero"), { mask: Buffer.alloc(4) }));
	await answered(ws, "zero");
});

// 2. Pings and pongs

for (const [name, payload] of [["empty", ""], ["text", "Hello, world!"], ["any bytes", Buffer.from([0, 255, 254, 253, 252, 251, 0, 255])],
	["125 bytes", Buffer.alloc(125, 0xfe)]]) {
	on(`2 ping: ${name}`, async (ws) => {
		ws.write(frame(OP.ping, payload));
		await ponged(ws, payload);
	});
	on(`2 ping byte by byte: ${name}`, async (ws) => {
		await ws.writeChopped(frame(OP.ping, payload), 1);
		await ponged(ws, payload);
	});
}
on("2 ping of 126 bytes", sendAnd(1002, frame(OP.ping, Buffer.alloc(126))));
on("2 ping of 65536 bytes", sendAnd(1002, frame(OP.ping, Buffer.alloc(65536))));
on("2 unasked pongs get no answer", async (ws) => {
	ws.write(Buffer.concat([frame(OP.pong), frame(OP.pong, "unasked"), frame(OP.ping, "asked")]));
	await ponged(ws, "asked");
	await works(ws);
});
for (const chop of [1, Infinity]) {
	on(`2 ten pings in one go${chop === 1 ? ", byte by byte" : ""}`, async (ws) => {
		const payloads = Array.from({ length: 10 }, (_, i) => `payload-${i}`);
		await ws.writeChopped(Buffer.concat(payloads.map((payload) => frame(OP.ping, payload))), chop);
		for (const payload of payloads) await ponged(ws, payload);
	});
}

// 3. Reserved bits, 4. reserved opcodes

for (const rsv of [1, 2, 3, 4, 5, 6, 7])
	on(`3 reserved bits ${rsv} on text`, sendAnd(1002, frame(OP.text, ask(1), { rsv })));
for (const [name, opcode] of Object.entries({ binary: OP.binary, ping: OP.ping, pong: OP.pong, close: OP.close }))
	on(`3 reserved bit on ${name}`, sendAnd(1002, frame(opcode, closeBody(1000), { rsv: 4 })));
on("3 reserved bit behind good frames: these are answered", async (ws) => {
	ws.write(Buffer.concat([frame(OP.text, ask("good")), frame(OP.ping, "p")]));
	const seen = [(await ws.next()).opcode, (await ws.next()).opcode].sort();
	assert.deepEqual(seen, [OP.text, OP.pong]);
	ws.write(frame(OP.text, ask("bad"), { rsv: 2 }));
	await closed(ws, 1002);
});
for (const opcode of [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]) {
	on(`4 opcode ${opcode}, empty`, sendAnd(1002, frame(opcode)));
	on(`4 opcode ${opcode} inside a message`, sendAnd(1002, frame(OP.text, "{", { fin: false }), frame(opcode, "x")));
}

// Masks and lengths

on("unmasked text", sendAnd(1002, frame(OP.text, ask(1), { mask: null })));
on("unmasked ping", sendAnd(1002, frame(OP.ping, "", { mask: null })));
on("unmasked close", sendAnd(1002, frame(OP.close, closeBody(1000), { mask: null })));
on("length 64 in two bytes", sendAnd(1002, frame(OP.text, askOfSize(64).text, { width: 2 })));
on("length 64 in eight bytes", sendAnd(1002, frame(OP.text, askOfSize(64).text, { width: 8 })));
on("length 65535 in eight bytes", sendAnd(1002, frame(OP.binary, Buffer.alloc(65535), { width: 8 })));
on("ping with its length in two bytes", sendAnd(1002, frame(OP.ping, "p", { width: 2 })));
on("length with the top bit set", sendAnd(1002, frame(OP.text, "", { announced: 1n << 63n })));

// 5. Fragments

for (const opcode of [OP.ping, OP.pong, OP.close])
	on(`5 fragmented control frame ${opcode}`, sendAnd(1002, frame(opcode, "fr", { fin: false }), frame(OP.continuation, "ag")));
for (const size of [1, 2, 7, 20]) {
	for (const chop of [1, Infinity]) {
		on(`5 text in fragments of ${size}${chop === 1 ? ", byte by byte" : ""}`, async (ws) => {
			await ws.writeChopped(fragmented(OP.text, ask(`f${size}`), size), chop);
			await answered(ws, `f${size}`);
		});
	}
}
on("5 empty fragments", async (ws) => {
	ws.write(Buffer.concat([frame(OP.text, "", { fin: false }), frame(OP.continuation, "", { fin: false }),
		frame(OP.continuation, ask("e"), { fin: false }), frame(OP.continuation)]));
	await answered(ws, "e");
});
for (const chop of [1, Infinity]) {
	on(`5 a ping between each two fragments${chop === 1 ? ", byte by byte" : ""}`, async (ws) => {
		const bytes = fragmented(OP.text, ask("between"), 9, { between: (i) => frame(OP.ping, `p${i}`) });
		await ws.writeChopped(bytes, chop);
		const count = Math.ceil(ask("between").length / 9) - 1;
		for (let i = 0; i < count; i++) await ponged(ws, `p${i}`);
		await answered(ws, "between");
	});
}
on("5 a binary message in fragments is ignored", async (ws) => {
	ws.write(fragmented(OP.binary, Buffer.alloc(1000, 0xff), 100, { between: () => frame(OP.pong) }));
	await works(ws);
});
on("5 continuation of nothing", sendAnd(1002, frame(OP.continuation, "x")));
on("5 continuation of nothing, not final", sendAnd(1002, frame(OP.continuation, "x", { fin: false })));
on("5 continuation behind a whole message", async (ws) => {
	await works(ws);
	ws.write(frame(OP.continuation, "x"));
	await closed(ws, 1002);
});
on("5 continuation behind a fragmented message", async (ws) => {
	ws.write(fragmented(OP.text, ask("whole"), 10));
	await answered(ws, "whole");
	ws.write(frame(OP.continuation, "x"));
	await closed(ws, 1002);
});
for (const [a, b] of [["text", "text"], ["text", "binary"], ["binary", "text"], ["binary", "binary"]])
	on(`5 new ${b} inside ${a}`, sendAnd(1002, frame(OP[a], "{", { fin: false }), frame(OP[b], "}")));

// 6. UTF-8

const texts = {
	"two bytes": "κόσμε", "three bytes": "日本語", "four bytes": "😀𝄞", "first of each length": "\u0001\u0080\u0800\u{10000}",
	"last of each length": "\u007f\u07ff\uffff\u{10ffff}", "around surrogates": "\ud7ff\ue000", "not characters": "\ufffe\uffff\u{1fffe}\ufdd0",
	"zero width": "\ufeff\u200b",
};
for (const [name, text] of Object.entries(texts)) {
	on(`6 valid: ${name}`, async (ws) => {
		ws.write(frame(OP.text, ask(text)));
		await answered(ws, text);
	});
	on(`6 valid, each byte a fragment in a write of its own: ${name}`, async (ws) => {
		for (const byte of fragments(Buffer.from(ask(text)))) await ws.write(byte);
		await answered(ws, text);
	});
}
function* fragments(bytes) {
	for (let i = 0; i < bytes.length; i++)
		yield frame(i ? OP.continuation : OP.text, bytes.subarray(i, i + 1), { fin: i === bytes.length - 1 });
}

const spoiled = {
	"stray continuation": "80", "overlong slash": "c0af", "overlong NUL in three": "e08080", "overlong in four": "f08fbfbf",
	"high surrogate": "eda080", "low surrogate": "edbfbf", "surrogate pair": "eda081edb080", "above U+10FFFF": "f4908080",
	"five bytes": "f888808080", "six bytes": "fc8480808080", "FE": "fe", "FF": "ff", "cut short": "e282", "cut by ASCII": "f09f9841",
};
for (const [name, hex] of Object.entries(spoiled)) {
	const text = Buffer.concat([Buffer.from('{"type":"'), Buffer.from(hex, "hex"), Buffer.from('"}')]);
	on(`6 invalid: ${name}`, sendAnd(1007, frame(OP.text, text)));
	on(`6 invalid in fragments: ${name}`, sendAnd(1007, fragmented(OP.text, text, 1)));
}
on("6 invalid: the message ends inside a character", sendAnd(1007, frame(OP.text, Buffer.from("22e282", "hex"))));
on("6 invalid: the last fragment ends inside a character", sendAnd(1007, fragmented(OP.text, Buffer.from("22e282", "hex"), 1)));
on("6 invalid is refused before the frame is complete", sendAnd(1007, frame(OP.text, Buffer.from("ceba22f4908080", "hex"), { announced: 1000n })));
on("6 invalid is refused before the message is complete", sendAnd(1007, frame(OP.text, Buffer.from("22f490", "hex"), { fin: false })));
on("6 binary and pings may hold anything", async (ws) => {
	ws.write(Buffer.concat([frame(OP.binary, Buffer.from("c0af", "hex")), frame(OP.ping, Buffer.from("c0af", "hex"))]));
	await ponged(ws, Buffer.from("c0af", "hex"));
});

// 7. Close

for (const code of [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999])
	on(`7 close ${code} is echoed`, sendAnd(code, frame(OP.close, closeBody(code, "reason"))));
for (const code of [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535])
	on(`7 close ${code} is not allowed`, sendAnd(1002, frame(OP.close, closeBody(code))));
on("7 close without a body", sendAnd(null, frame(OP.close)));
on("7 close with one byte", sendAnd(1002, frame(OP.close, "\u0003")));
on("7 close with the longest reason", sendAnd(1000, frame(OP.close, closeBody(1000, "*".repeat(123)))));
on("7 close with a reason too long", sendAnd(1002, frame(OP.close, closeBody(1000, "*".repeat(124)))));
on("7 close with a reason in UTF-8", sendAnd(1000, frame(OP.close, closeBody(1000, "tschüß 😀"))));
on("7 close with a reason that isn't UTF-8", sendAnd(1007, frame(OP.close, closeBody(1000, Buffer.from("c0af", "hex")))));
on("7 nothing behind a close is answered", sendAnd(1000, frame(OP.close, closeBody(1000)), frame(OP.text, ask(1)), frame(OP.ping, "p"),
	frame(OP.close, closeBody(1001))));
on("7 a close inside a fragmented message", sendAnd(1000, frame(OP.text, "{", { fin: false }), frame(OP.close, closeBody(1000))));
on("7 a close byte by byte", async (ws) => {
	await ws.writeChopped(frame(OP.close, closeBody(1000, "slow")), 1);
	await closed(ws, 1000);
});
on("7 nothing behind a protocol error is answered", sendAnd(1002, frame(3), frame(OP.text, ask(1)), frame(OP.close, closeBody(1000))));
on("7 an answer that was due comes before the close", async (ws) => {
	await works(ws);
	ws.write(frame(OP.close, closeBody(1000)));
	await closed(ws, 1000);
});

// 9. Sizes and the limit

for (const size of [256 * 1024, MiB, 4 * MiB, LIMIT]) {
	on(`9 text of ${size} bytes`, async (ws) => {
		const { id, text } = askOfSize(size);
		ws.write(frame(OP.text, text));
		await answered(ws, id);
	});
}
for (const size of [64, 1024, 65536, MiB]) {
	on(`9 a megabyte in fragments of ${size}`, async (ws) => {
		const { id, text } = askOfSize(MiB);
		ws.write(fragmented(OP.text, text, size));
		await answered(ws, id);
	});
}
for (const chop of [64, 256, 2048]) {
	on(`9 a quarter megabyte in writes of ${chop}`, async (ws) => {
		const { id, text } = askOfSize(MiB / 4);
		await ws.writeChopped(frame(OP.text, text), chop);
		await answered(ws, id);
	});
}
on("9 binary up to the limit", async (ws) => {
	ws.write(frame(OP.binary, Buffer.alloc(LIMIT)));
	await works(ws);
});
for (const opcode of [OP.text, OP.binary]) {
	on(`9 opcode ${opcode}, one byte above the limit, is refused by its header`, sendAnd(1009, frame(opcode, "", { announced: BigInt(LIMIT + 1) })));
	on(`9 opcode ${opcode}, 2^62 bytes`, sendAnd(1009, frame(opcode, "", { announced: 1n << 62n })));
	on(`9 opcode ${opcode}, fragments above the limit`, sendAnd(1009, frame(opcode, Buffer.alloc(1000, 0x20), { fin: false }),
		frame(OP.continuation, "", { announced: BigInt(LIMIT - 999) })));
}
on("9 one byte above the limit, sent whole", async (ws) => {
	ws.write(frame(OP.text, askOfSize(LIMIT + 1).text));
	await closed(ws, 1009);
});
on("9 many small messages", async (ws) => {
	const ids = Array.from({ length: 2000 }, (_, i) => `${i}`);
	ws.write(Buffer.concat(ids.map((id) => fragmented(OP.text, ask(id), 16))));
	for (const id of ids) await answered(ws, id);
});

// 10. What is stored is what was sent, however it was framed

for (const size of [1, 10, 1300]) {
	on(`10 stored from fragments of ${size}`, async (ws, path) => {
		const data = { version: 1, statuses: Array.from({ length: 20 }, (_, i) => ({ id: `s${i}`, label: `Straße 😀 ${i}` })), lone: "\ud83d" };
		ws.write(fragmented(OP.text, JSON.stringify({ type: "statuses:save", requestId: 1, data }), size));
		assert.deepEqual(JSON.parse(await nextText(ws)), { type: "response", requestId: 1, data: { success: true } });
		assert.deepEqual((await server.request(`${path}/statuses`)).json, data);
	});
}

// 12, 13. permessage-deflate

const agreed = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
const offers = [
	["permessage-deflate", agreed],
	["permessage-deflate; client_max_window_bits", agreed],
	["permessage-deflate; client_max_window_bits=9", agreed],
	['permessage-deflate; client_max_window_bits="10"', agreed],
	["permessage-deflate; client_no_context_takeover; server_no_context_takeover", agreed],
	["permessage-deflate; server_max_window_bits=15", `${agreed}; server_max_window_bits=15`],
	["permessage-deflate; server_max_window_bits=9, permessage-deflate; client_max_window_bits", `${agreed}; server_max_window_bits=9`],
	["foo; bar=1, permessage-deflate", agreed],
	["permessage-deflate; server_max_window_bits=9", `${agreed}; server_max_window_bits=9`],
	["permessage-deflate; server_max_window_bits=7", undefined],
	["permessage-deflate; client_max_window_bits=16", undefined],
	["permessage-deflate; nonsense", undefined],
	["permessage-deflate; client_no_context_takeover; client_no_context_takeover", undefined],
	["x-webkit-deflate-frame", undefined],
];
for (const [offer, expected] of offers) {
	on(`13 offer: ${offer}`, async (ws) => {
		assert.equal(ws.response.headers["sec-websocket-extensions"], expected);
		await works(ws);
	}, { deflate: offer });
}
on("13 offers in two headers", async (ws) => {
	assert.equal(ws.response.headers["sec-websocket-extensions"], agreed);
}, { headers: { "Sec-WebSocket-Extensions": ["foo", "permessage-deflate"] } });

const deflated = (name, run) => on(`12 ${name}`, run, { deflate: "permessage-deflate; client_max_window_bits" });

for (const size of [32, 64, 128, 1000, 1024, 65535, 65536, 131072, MiB]) {
	deflated(`compressed text of ${size} bytes`, async (ws) => {
		const { id, text } = askOfSize(size);
		ws.write(frame(OP.text, deflate(text), { rsv: 4 }));
		await answered(ws, id);
	});
}
for (const level of [0, 1, 9]) {
	for (const windowBits of [9, 15]) {
		deflated(`level ${level}, window of ${windowBits} bits`, async (ws) => {
			const id = Array.from({ length: 3000 }, (_, i) => (i * 2654435761 % 4294967296).toString(36)).join(" ");
			ws.write(frame(OP.text, deflate(ask(id), { level, windowBits }), { rsv: 4 }));
			await answered(ws, id);
		});
	}
}
deflated("a thousand compressed messages", async (ws) => {
	const ids = Array.from({ length: 1000 }, (_, i) => `${i} `.repeat(50));
	ws.write(Buffer.concat(ids.map((id) => frame(OP.text, deflate(ask(id)), { rsv: 4 }))));
	for (const id of ids) await answered(ws, id);
});
deflated("a long answer comes compressed, each for itself", async (ws) => {
	for (let i = 0; i < 2; i++) {
		const id = "compressible ".repeat(1000);
		ws.write(frame(OP.text, ask(id)));
		const got = await ws.next();
		assert.equal(got.rsv, 4);
		assert.ok(got.payload.length < 1000);
		assert.deepEqual(JSON.parse(inflate(got.payload)), answer(id));
	}
});
deflated("uncompressed messages among compressed ones", async (ws) => {
	ws.write(Buffer.concat([frame(OP.text, ask(1)), frame(OP.text, deflate(ask(2)), { rsv: 4 }), frame(OP.text, ask(3))]));
	for (const id of [1, 2, 3]) await answered(ws, id);
});
for (const size of [1, 5, 100]) {
	deflated(`compressed, in fragments of ${size}, with pings between`, async (ws) => {
		const id = "x".repeat(300);
		const packed = deflate(ask(id), { strategy: zlib.constants.Z_HUFFMAN_ONLY });
		ws.write(fragmented(OP.text, packed, size, { rsv: 4, between: () => frame(OP.ping, "p") }));
		for (let i = 1; i < Math.ceil(packed.length / size); i++) await ponged(ws, "p");
		await answered(ws, id);
	});
}
deflated("compressed, byte by byte", async (ws) => {
	await ws.writeChopped(frame(OP.text, deflate(ask("slow")), { rsv: 4 }), 1);
	await answered(ws, "slow");
});
deflated("an empty message (RFC 7692, 7.2.3.6) is not JSON", async (ws) => {
	ws.write(frame(OP.text, Buffer.from([0]), { rsv: 4 }));
	assert.equal(JSON.parse(await nextText(ws)).error, "Invalid JSON");
});
deflated("a block with BFINAL (RFC 7692, 7.2.3.4)", async (ws) => {
	ws.write(frame(OP.text, Buffer.concat([zlib.deflateRawSync(ask("final")), Buffer.from([0])]), { rsv: 4 }));
	await answered(ws, "final");
});
deflated("compressed binary is ignored", async (ws) => {
	ws.write(frame(OP.binary, deflate(Buffer.alloc(100_000)), { rsv: 4 }));
	await works(ws);
});
deflated("data that don't inflate", sendAnd(1007, frame(OP.text, Buffer.from("ffffffff", "hex"), { rsv: 4 })));
deflated("data that end inside a block", sendAnd(1007, frame(OP.text, deflate(ask("cut")).subarray(0, 9), { rsv: 4 })));
deflated("text that isn't UTF-8", sendAnd(1007, frame(OP.text, deflate(Buffer.from("22eda08022", "hex")), { rsv: 4 })));
deflated("a reference to the message before (context takeover)", async (ws) => {
	const deflater = zlib.createDeflateRaw();
	const message = (text) => new Promise((done) => {
		deflater.write(text);
		deflater.flush(zlib.constants.Z_SYNC_FLUSH, () => done(deflater.read().subarray(0, -4)));
	});
	const first = await message(ask("a string long enough"));
	const second = await message(ask("a string long enough"));
	ws.write(frame(OP.text, first, { rsv: 4 }));
	await answered(ws, "a string long enough");
	ws.write(frame(OP.text, second, { rsv: 4 }));
	await closed(ws, 1007);
});
deflated("exactly the limit, inflated", async (ws) => {
	const { id, text } = askOfSize(LIMIT);
	ws.write(frame(OP.text, deflate(text), { rsv: 4 }));
	await answered(ws, id);
});
for (const size of [LIMIT + 1, 20 * LIMIT]) {
	for (const opcode of [OP.text, OP.binary])
		deflated(`opcode ${opcode} that inflates to ${size} bytes`, sendAnd(1009, frame(opcode, deflate(Buffer.alloc(size, 0x20), { level: 9 }), { rsv: 4 })));
}
deflated("RSV1 on a continuation", sendAnd(1002, frame(OP.text, deflate(ask(1)), { rsv: 4, fin: false }), frame(OP.continuation, "", { rsv: 4 })));
deflated("RSV1 on a ping", sendAnd(1002, frame(OP.ping, "p", { rsv: 4 })));
deflated("RSV2 beside RSV1", sendAnd(1002, frame(OP.text, deflate(ask(1)), { rsv: 6 })));
deflated("broadcasts come compressed to those who agreed, plain to the others", async (ws, path) => {
	const [plain, writer] = await Promise.all([RawSocket.open(server, path), RawSocket.open(server, path)]);
	const data = { labels: "label ".repeat(200) };
	writer.write(frame(OP.text, JSON.stringify({ type: "labels:save", requestId: 1, data })));
	const event = { type: "broadcast", event: { entity: "labels", action: "updated", data } };
	const [packed, whole] = [await ws.next(), await plain.next()];
	assert.deepEqual([packed.rsv, whole.rsv], [4, 0]);
	assert.deepEqual(JSON.parse(inflate(packed.payload)), event);
	assert.deepEqual(JSON.parse(whole.payload), event);
	plain.destroy();
	writer.destroy();
});

// The handshake

const refusals = [
	["no Sec-WebSocket-Key", { "Sec-WebSocket-Key": null }, 400],
	["a short Sec-WebSocket-Key", { "Sec-WebSocket-Key": "c2hvcnQ=" }, 400],
	["two Sec-WebSocket-Keys", { "Sec-WebSocket-Key": ["AAAAAAAAAAAAAAAAAAAAAA==", "AAAAAAAAAAAAAAAAAAAAAA=="] }, 400],
	["version 8", { "Sec-WebSocket-Version": "8" }, 426],
	["no version", { "Sec-WebSocket-Version": null }, 426],
	["malformed extensions", { "Sec-WebSocket-Extensions": "permessage-deflate; =" }, 400],
	["no API key", { "Authorization": null }, 401],
	["a wrong API key", { "Authorization": "Bearer wrong" }, 401],
	["a wrong API key and no Sec-WebSocket-Key", { "Authorization": "Bearer wrong", "Sec-WebSocket-Key": null }, 401],
];
for (const [name, headers, status] of refusals) {
	test(`handshake: ${name}`, async (t) => {
		const ws = await RawSocket.request(server, `/workspace/${slug()}`, { headers });
		t.after(() => ws.destroy());
		assert.equal(ws.response.status, status);
		assert.equal(ws.response.headers["content-type"], "application/json");
		assert.equal(typeof JSON.parse(await ws.body()).error, "string");
		if (status === 426) assert.equal(ws.response.headers["sec-websocket-version"], "13");
	});
}
on("handshake: a frame right behind the request", async (ws) => {
	await answered(ws, "early");
	await works(ws);
}, { body: frame(OP.text, ask("early")) });
