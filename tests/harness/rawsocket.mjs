// rawsocket.mjs: a WebSocket client that can break every rule: frames are made and read byte by byte on a
// TLS socket, so that a test sees just what the server sends and sends what no library would.
//
//   const ws = await RawSocket.open(server, "/workspace/w");
//   ws.write(frame(OP.text, "{}"));
//   const { opcode, payload } = await ws.next();       // null: the server has closed the connection

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import tls from "node:tls";
import { Patience } from "./pace.mjs";

export const OP = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 };

const DEADLINE = 20_000;

/** A client's frame. payload: text or Buffer. fin, rsv (1 to 7, RSV1 is 4), width (0, 2, 8: bytes of extended
 *  length, default the shortest), announced (a BigInt in place of the true length), mask (4 bytes, or null
 *  for none). */
export function frame(opcode, payload = "", { fin = true, rsv = 0, width, announced, mask = randomBytes(4) } = {}) {
	const body = Buffer.from(payload);
	const length = announced ?? BigInt(body.length);
	width ??= length < 126n ? 0 : length < 65536n ? 2 : 8;
	const head = Buffer.alloc(2 + width);
	head[0] = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
	head[1] = (mask ? 0x80 : 0) | (width === 8 ? 127 : width === 2 ? 126 : Number(length));
	if (width === 2) head.writeUInt16BE(Number(length), 2);
	if (width === 8) head.writeBigUInt64BE(length, 2);
	if (!mask) return Buffer.concat([head, body]);
	for (let i = 0; i < body.length; i++) body[i] ^= mask[i & 3];
	return Buffer.concat([head, mask, body]);
}

/** A message in fragments of `size` bytes (at least one); what `between(i)` returns goes behind fragment i. */
export function fragmented(opcode, payload, size, { rsv = 0, between } = {}) {
	const body = Buffer.from(payload);
	const parts = [];
	for (let at = 0, i = 0; at === 0 || at < body.length; at += size, i++) {
		const fin = at + size >= body.length;
		parts.push(frame(i === 0 ? opcode : OP.continuation, body.subarray(at, at + size), { fin, rsv: i === 0 ? rsv : 0 }));
		const more = fin ? undefined : between?.(i);
		if (more) parts.push(more);
	}
	return Buffer.concat(parts);
}

export function closeBody(code, reason = "") {
	const head = Buffer.alloc(2);
	head.writeUInt16BE(code);
	return Buffer.concat([head, Buffer.from(reason)]);
}

export class RawSocket {
	#chunks = [];
	#size = 0;
	#over = false;
	#wake = () => {};

	constructor(socket) {
		this.socket = socket;
		socket.setNoDelay(true);
		socket.on("data", (chunk) => {
			this.#chunks.push(chunk);
			this.#size += chunk.length;
			this.#wake();
		});
		// What a broken connection means shows in what was read before it.
		socket.on("error", () => {});
		for (const event of ["end", "close"])
			socket.on(event, () => {
				this.#over = true;
				this.#wake();
			});
	}

	/** Sends the request and reads the answer's head; not yet a WebSocket. headers: over the usual ones, null
	 *  leaves one out, an array sends it several times. body: bytes right behind the head. */
	static async request(server, path, { method = "GET", headers = {}, body } = {}) {
		const all = { "Host": `127.0.0.1:${server.port}`, "Authorization": `Bearer ${server.apiKey}`, "Upgrade": "websocket",
			"Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": randomBytes(16).toString("base64"), ...headers };
		const socket = tls.connect({ host: "127.0.0.1", port: server.port, rejectUnauthorized: false });
		const ws = new RawSocket(socket);
		ws.key = all["Sec-WebSocket-Key"];
		const lines = Object.entries(all).flatMap(([name, value]) =>
			value === null ? [] : [value].flat().map((one) => `${name}: ${one}\r\n`));
		ws.write(`${method} ${path} HTTP/1.1\r\n${lines.join("")}\r\n`);
		if (body) ws.write(body);
		ws.response = await ws.#readHead();
		return ws;
	}

	/** An open WebSocket; fails unless the server agrees. deflate: the extension offer to send. */
	static async open(server, path, { deflate, ...options } = {}) {
		const headers = { ...(deflate ? { "Sec-WebSocket-Extensions": deflate } : {}), ...options.headers };
		const ws = await RawSocket.request(server, path, { ...options, headers });
		assert.equal(ws.response.status, 101, `no upgrade: ${JSON.stringify(ws.response)}`);
		const accept = createHash("sha1").update(`${ws.key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
		assert.equal(ws.response.headers["sec-websocket-accept"], accept);
		return ws;
	}

	async #readHead() {
		let text = "";
		while (!text.endsWith("\r\n\r\n")) text += (await this.#take(1)).toString("latin1");
		const [first, ...lines] = text.trimEnd().split("\r\n");
		const headers = {};
		for (const line of lines) {
			const colon = line.indexOf(":");
			headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
		}
		return { status: Number(first.split(" ")[1]), headers };
	}

	/** The body of an answer that isn't an upgrade. */
	async body() {
		return (await this.#take(Number(this.response.headers["content-length"]))).toString();
	}

	write(bytes) {
		return new Promise((done) => this.socket.write(bytes, done));
	}

	/** Sends the bytes in pieces of `size`, each on its own way through the kernel. */
	async writeChopped(bytes, size) {
		for (let at = 0; at < bytes.length; at += size) await this.write(bytes.subarray(at, at + size));
	}

	/** The next n bytes; null when the connection ends before the first of them. */
	async #take(n) {
		const patience = new Patience(DEADLINE);
		while (this.#size < n) {
			if (this.#over) {
				assert.equal(this.#size, 0, "the connection ended inside a frame");
				return null;
			}
			assert.ok(!patience.over, `nothing from the server within ${patience}`);
			await new Promise((done) => {
				this.#wake = done;
				setTimeout(done, 250).unref();
			});
		}
		const all = this.#chunks.length === 1 ? this.#chunks[0] : Buffer.concat(this.#chunks);
		this.#chunks = all.length > n ? [all.subarray(n)] : [];
		this.#size -= n;
		return all.subarray(0, n);
	}

	/** The server's next frame, checked to be one that a server may send: {fin, rsv, opcode, payload}. */
	async next() {
		const head = await this.#take(2);
		if (!head) return null;
		const [first, second] = head;
		assert.equal(second & 0x80, 0, "a server's frame is not masked");
		let length = second;
		if (length === 126) {
			length = (await this.#take(2)).readUInt16BE();
			assert.ok(length > 125, "length in its shortest form");
		} else if (length === 127) {
			length = Number((await this.#take(8)).readBigUInt64BE());
			assert.ok(length > 65535, "length in its shortest form");
		}
		const payload = length ? await this.#take(length) : Buffer.alloc(0);
		return { fin: first >> 7 === 1, rsv: (first >> 4) & 7, opcode: first & 15, payload };
	}

	destroy() {
		this.socket.destroy();
	}
}
