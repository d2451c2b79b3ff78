// answer.mjs: what a fake server answers, and all the ways in which that can go wrong.
//
// An answer is {status, headers, body}: body is a text, a Buffer or a stream.

import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";

const BIG = 10 << 20;

// What a route can be told to do; see GitHub.behave().
const KEYS = new Set(["status", "headers", "body", "delay", "never", "cut", "drip", "html", "empty", "big", "redirect",
	"rateLimit", "times"]);

export function json(status, value, headers = {}) {
	return { status, headers: { "Content-Type": "application/json; charset=utf-8", ...headers },
		body: JSON.stringify(value) };
}

export function html(status, body, headers = {}) {
	return { status, headers: { "Content-Type": "text/html; charset=utf-8", ...headers }, body };
}

export function text(status, body, headers = {}) {
	return { status, headers: { "Content-Type": "text/plain; charset=utf-8", ...headers }, body };
}

export function redirect(status, location, headers = {}) {
	return html(status, "<html><body>You are being redirected.</body></html>", { Location: location, ...headers });
}

export const escapeHtml = (value) => String(value).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

/** A behaviour as given to behave(), as an object: "never" is {never: true}, 502 is {status: 502}. */
export function parseBehaviour(how) {
	const parsed = typeof how === "number" ? { status: how } : typeof how === "string" ? { [how]: true } : { ...how };
	for (const key of Object.keys(parsed))
		if (!KEYS.has(key)) throw new Error(`no such behaviour: ${key}`);
	return parsed;
}

// GitHub's page for a server that is out of order.
const unicorn = `<!DOCTYPE html>
<html><head><meta charset="utf-8"><title>Unicorn! &middot; GitHub</title></head>
<body><p><strong>No server is currently available to service your request.</strong></p></body></html>
`;

/** The answer that a behaviour puts in the place of the real one; null when the real one is wanted. */
export function insteadOf(how, { api, elsewhere, rateLimited }) {
	if (how.rateLimit) return rateLimited(how.rateLimit === "secondary");
	if (how.redirect) return redirect(how.status ?? 302, how.redirect === true ? elsewhere : how.redirect, how.headers);
	if (how.html) return html(how.status ?? 200, unicorn, how.headers);
	if (how.empty) return { ...json(how.status ?? 200, "", how.headers), body: "" };
	if (how.body !== undefined) return { ...json(how.status ?? 200, "", how.headers), body: how.body };
	if (how.status === undefined) return null;
	return api ? json(how.status, { message: "Server Error" }, how.headers) : html(how.status, unicorn, how.headers);
}

/** An answer that says the same in 10 MB: who doesn't bound what it reads takes it as a good one. */
export function grow(answer, size) {
	if (typeof answer.body !== "string") return answer;
	const padding = "x".repeat(size === true ? BIG : size);
	const type = answer.headers["Content-Type"];
	const body = type.startsWith("application/json") ? answer.body.replace(/}$/, `,"padding":"${padding}"}`)
		: type.startsWith("text/html") ? `${answer.body}<!--${padding}-->` : `${answer.body}&padding=${padding}`;
	return { ...answer, body };
}

/** Compresses a text for a client that takes it. */
export function compress(answer, accepted = "") {
	if (typeof answer.body !== "string" || answer.body === "" || !/\bgzip\b/.test(accepted)) return answer;
	return { ...answer, headers: { ...answer.headers, "Content-Encoding": "gzip", Vary: "Accept-Encoding" },
		body: gzipSync(answer.body) };
}

async function* pieces(body, { drip }) {
	for await (const chunk of Buffer.isBuffer(body) ? [body] : body) {
		if (!drip) {
			yield chunk;
			continue;
		}
		for (let i = 0; i < chunk.length; i++) {
			yield chunk.subarray(i, i + 1);
			await sleep(drip === true ? 50 : drip, undefined, { ref: false });
		}
	}
}

// Resolves when the kernel has it, or when the client is gone.
function write(response, chunk) {
	return new Promise((resolve) => {
		response.once("close", resolve);
		response.write(chunk, () => {
			response.off("close", resolve);
			resolve();
		});
	});
}

/** Sends an answer. how: cut (true: after half the body, n: after n bytes of it, 0: not one byte at all),
 *  drip (milliseconds from one byte to the next). */
export async function send(response, answer, how = {}) {
	const body = typeof answer.body === "string" ? Buffer.from(answer.body) : (answer.body ?? Buffer.alloc(0));
	const size = Buffer.isBuffer(body) ? body.length : null;
	if (how.cut === 0) {
		response.destroy();
		return;
	}
	const bodyless = answer.status === 204 || answer.status === 304;
	const length = size === null || bodyless ? {} : { "Content-Length": size };
	response.writeHead(answer.status, { ...answer.headers, ...length });
	response.flushHeaders();
	let left = how.cut === true ? Math.floor((size ?? 200) / 2) : (how.cut ?? Infinity);
	for await (const piece of pieces(body, how)) {
		const part = piece.subarray(0, Math.min(piece.length, left));
		if (part.length) await write(response, part);
		left -= part.length;
		if (response.destroyed || left === 0) break;
	}
	if (how.cut !== undefined && how.cut !== false) response.destroy();
	else response.end();
}
