// fastcgi.mjs: one request to a FastCGI server, without nginx before it.

import net from "node:net";

/** The answer's head and body as a text. */
export function fastcgi(socket, parameters, body = "") {
	const record = (type, body) => {
		const head = Buffer.from([1, type, 0, 1, 0, 0, 0, 0]);
		head.writeUInt16BE(body.length, 4);
		return Buffer.concat([head, body]);
	};
	const pair = ([name, value]) => {
		const lengths = Buffer.alloc(8);
		lengths.writeUInt32BE(0x80000000 + Buffer.byteLength(name));
		lengths.writeUInt32BE(0x80000000 + Buffer.byteLength(value), 4);
		return [lengths, Buffer.from(name), Buffer.from(value)];
	};
	return new Promise((resolve, reject) => {
		const parts = [];
		const connection = net.connect(socket).on("error", reject).on("data", (part) => parts.push(part));
		connection.on("end", () => {
			let rest = Buffer.concat(parts), out = "";
			for (; rest.length >= 8; rest = rest.subarray(8 + rest.readUInt16BE(4) + rest[6]))
				if (rest[1] === 6) out += rest.subarray(8, 8 + rest.readUInt16BE(4));
			resolve(out);
		});
		connection.write(Buffer.concat([record(1, Buffer.from([0, 1, 0, 0, 0, 0, 0, 0])),
			record(4, Buffer.concat(Object.entries(parameters).flatMap(pair))), record(4, Buffer.alloc(0)), ...(body ? [record(5, Buffer.from(body))] : []), record(5, Buffer.alloc(0))]));
	});
}
