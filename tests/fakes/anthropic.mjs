// anthropic.mjs: a fake of Anthropic's Messages API on loopback. A script says what the model answers; behave() makes a
// route go wrong.
//
//   import { startAnthropic } from "../fakes/anthropic.mjs";
//
//   const anthropic = await startAnthropic();
//   after(() => anthropic.close());
//   const key = anthropic.keys.add();           // an API key that is good; keys.addOAuth(): a token; keys.revoke(it)
//   env: ANTHROPIC_BASE_URL=anthropic.url ANTHROPIC_CA_FILE=anthropic.caFile (null without TLS)
//
//   anthropic.script([{ tools: [{ name: "Read", input: { file_path: "/workspace/a.txt" } }] }, { text: "Read it." }]);
//   anthropic.script(({ prompt, results }) => prompt.includes("test") && results.length === 0
//       ? { tools: [{ name: "Bash", input: { command: "make check" } }] } : { text: "Done." });
//
//   anthropic.behave("messages", { status: 429, retryAfter: 1, times: 1 });
//   anthropic.requests({ route: "messages", side: false })[0].key      // what was asked; this log holds secrets

import { randomBytes } from "node:crypto";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { tmpdir } from "node:os";
import path from "node:path";
import { json, parseBehaviour, send } from "./answer.mjs";
import { messageOf, streamOf, tokensOf } from "./anthropic_message.mjs";
import { conversationOf, isSide, refusalOf, stepOf } from "./anthropic_script.mjs";
import { makeCertificates } from "./ca.mjs";

const BODY_LIMIT = 32 << 20;
const OAUTH_BETA = "oauth-2025-04-20";
const MODELS = ["claude-opus-4-8", "claude-sonnet-4-6", "claude-haiku-4-5-20251001"];

const TYPES = { 400: ["invalid_request_error", "Bad request"], 401: ["authentication_error", "invalid x-api-key"],
	403: ["permission_error", "Your API key does not have permission to use the specified resource"],
	404: ["not_found_error", "Not found"], 413: ["request_too_large", "Request exceeds the maximum size"],
	429: ["rate_limit_error", "This request would exceed your account's rate limit. Please try again later."],
	529: ["overloaded_error", "Overloaded"] };

function failure(status, message, headers = {}) {
	const [type, text] = TYPES[status] ?? ["api_error", "Internal server error"];
	return json(status, { type: "error", error: { type, message: message ?? text }, request_id: null }, headers);
}

/** tls: https with an authority of its own; else plain http. */
export async function startAnthropic(options = {}) {
	const anthropic = new Anthropic(options);
	try {
		await anthropic.start();
	} catch (error) {
		await anthropic.close();
		throw error;
	}
	return anthropic;
}

export class Anthropic {
	#sockets = new Set();
	#connections = new WeakMap();
	#lastConnection = 0;
	#held = new Set();
	#behaviours = new Map();
	#script = { text: "Done." };
	#keys = new Map();

	/** url: its origin; caFile: PEM, null without TLS; log: a row per request; keys: {add, addOAuth, revoke}. */
	constructor({ tls = false } = {}) {
		const put = (kind, prefix) => (secret = prefix + randomBytes(40).toString("base64url")) => {
			this.#keys.set(secret, kind);
			return secret;
		};
		Object.assign(this, { tls, caFile: null, dir: null, log: [], keys: { add: put("key", "sk-ant-api03-"),
			addOAuth: put("oauth", "sk-ant-oat01-"), revoke: (secret) => this.#keys.delete(secret) } });
	}

	async start() {
		let keys = {};
		if (this.tls) {
			this.dir = mkdtempSync(path.join(tmpdir(), "fake-anthropic-"));
			chmodSync(this.dir, 0o755);
			process.on("exit", this.#remove);
			({ caFile: this.caFile, ...keys } = await makeCertificates(this.dir));
		}
		this.server = (this.tls ? https : http).createServer({ ...keys, keepAliveTimeout: 60_000 },
			(req, res) => this.#serve(req, res));
		this.server.on("connection", (socket) => {
			this.#sockets.add(socket);
			socket.on("close", () => this.#sockets.delete(socket));
		});
		await new Promise((resolve, reject) => {
			this.server.on("error", reject);
			this.server.listen(0, "127.0.0.1", resolve);
		});
		this.port = this.server.address().port;
		this.url = `${this.tls ? "https" : "http"}://127.0.0.1:${this.port}`;
	}

	#remove = () => { if (this.dir) rmSync(this.dir, { recursive: true, force: true }); };

	/** Ends all connections. */
	async close() {
		const closed = new Promise((resolve) => (this.server ? this.server.close(resolve) : resolve()));
		for (const socket of this.#sockets) socket.destroy();
		await closed;
		process.off("exit", this.#remove);
		this.#remove();
	}

	// ---- what it is told ----

	/** What the model answers from now on. script: a list of steps, or a function of the conversation (see
	 *  conversationOf() in anthropic_script.mjs) to a step or such a list; of a list each prompt begins anew. A step is
	 *  a text or {text, tools: [{name, input}], thinking} with, if wanted:
	 *    chunk       characters of one delta (200)
	 *    every       milliseconds before each delta
	 *    hold        a promise: nothing of the content comes before it
	 *    fail        ends the stream in its middle by an event of this error, such as "overloaded_error"
	 *    cut         closes the connection after n bytes of the stream; true: after 100
	 *    status      an error in its place (with message, retryAfter: seconds, headers)
	 *  Requests that Claude Code makes for itself (titles, topics) are answered plainly and don't count. After a stream
	 *  that broke off it asks the same again without a stream: body.stream tells these apart. */
	script(script) { this.#script = script; }

	/** Makes a route misbehave until the next behave() of it. route: "messages", "count_tokens", "models", "head", or "*"
	 *  for all. how: null for as it should be, a status (with Anthropic's body of it), or an object as GitHub.behave()
	 *  takes it: status, headers, body, empty, html, delay, never (until release()), cut, drip, times; and retryAfter
	 *  (seconds), key (only requests that bring it). Who may not ask is refused in any case but of a status or body. */
	behave(route, how) {
		if (!["*", ...Object.keys(ROUTES)].includes(route)) throw new Error(`no such route: ${route}`);
		if (how === null || how === undefined) {
			this.#behaviours.delete(route);
			return;
		}
		const { retryAfter, key, ...plain } = typeof how === "object" ? how : { status: how };
		const alien = ["big", "redirect", "rateLimit"].find((name) => name in plain);
		if (alien) throw new Error(`no such behaviour: ${alien}`);
		const headers = { ...plain.headers, ...(retryAfter !== undefined && { "retry-after": String(retryAfter) }) };
		this.#behaviours.set(route, { ...parseBehaviour({ ...plain, headers }), secret: key });
	}

	/** How many requests wait for release() now. */
	get held() { return this.#held.size; }

	release() { for (const go of [...this.#held]) go(); }

	#behaviour(route, entry) {
		const key = [route, "*"].find((name) => this.#behaviours.has(name) &&
			(this.#behaviours.get(name).secret ?? entry.key) === entry.key);
		const how = this.#behaviours.get(key);
		if (how?.times !== undefined && --how.times <= 0) this.#behaviours.delete(key);
		return how ?? {};
	}

	// ---- the log ----

	/** The log's rows that have these values. A row: {number, at, method, path, route, headers (as received, with the
	 *  secrets), key (the API key or token), kind ("key", "oauth", null: refused), body (parsed; null), side (Claude
	 *  Code's own), prompt, results (how many of tools came since), status (null: not answered), closed (it didn't get
	 *  the whole answer), connection (a number)}. */
	requests(wanted = {}) {
		return this.log.filter((entry) => Object.entries(wanted).every(([name, value]) => entry[name] === value));
	}

	#note({ method, headers, socket, url }, route) {
		if (!this.#connections.has(socket)) this.#connections.set(socket, ++this.#lastConnection);
		const key = headers["x-api-key"] ?? /^bearer\s+(\S+)$/i.exec(headers.authorization ?? "")?.[1] ?? null;
		const entry = { number: this.log.length + 1, at: Date.now(), method, path: url, route, headers, key, kind: null,
			body: null, side: false, prompt: null, results: 0, status: null, closed: false,
			connection: this.#connections.get(socket) };
		this.log.push(entry);
		return entry;
	}

	// ---- serving ----

	async #serve(req, res) {
		res.on("error", () => {});
		const { pathname } = new URL(`http://host${req.url.startsWith("/") ? req.url : "/"}`);
		const [name, { handle } = {}] = Object.entries(ROUTES).find(([, { method, path: pattern }]) =>
			(method === req.method || (method === "GET" && req.method === "HEAD")) && pattern.test(pathname)) ?? [null];
		const entry = this.#note(req, name);
		const how = this.#behaviour(name, entry);
		res.on("close", () => { entry.closed = !res.writableFinished; });
		try {
			const bytes = await readBytes(req);
			const context = { req, pathname, entry, bytes };
			const real = (handle && (await this.#checked(handle, context))) ?? failure(404);
			await this.#wait(how, res);
			if (!res.destroyed) await this.#send(res, how, real, entry);
		} catch (error) {
			if (!req.destroyed && !res.destroyed) console.error("fake Anthropic:", error);
			res.destroy();
		}
	}

	async #send(res, how, real, entry) {
		const instead = how.body !== undefined || how.empty || how.html ? { ...json(how.status ?? 200, "", how.headers),
			body: how.html ? "<html><body>Bad gateway</body></html>" : (how.body ?? "") }
			: how.status === undefined ? null : failure(how.status, undefined, how.headers);
		const answer = instead ?? real;
		entry.status = answer.status;
		const headers = { "request-id": `req_${randomBytes(12).toString("hex")}`, ...answer.headers };
		await send(res, { ...answer, headers }, { ...how, cut: how.cut ?? answer.cut });
	}

	// The handler's answer to a request of somebody who may ask.
	async #checked(handle, context) {
		if (handle === getRoot) return handle();
		if (context.bytes === null) return failure(413);
		return this.#refuse(context) ?? (await handle(this, context));
	}

	#refuse({ req: { headers }, entry }) {
		const kind = this.#keys.get(entry.key);
		if (headers["x-api-key"] !== undefined && headers.authorization !== undefined)
			return failure(401, "both x-api-key and authorization were sent");
		if (entry.key === null) return failure(401, "x-api-key header is required");
		if (headers["x-api-key"] !== undefined && kind !== "key") return failure(401);
		if (headers.authorization !== undefined && kind !== "oauth") return failure(401, "Invalid bearer token");
		if (kind === "oauth" && !betasOf(headers).includes(OAUTH_BETA))
			return failure(401, "OAuth authentication is currently not supported.");
		if (!headers["anthropic-version"]) return failure(400, "anthropic-version: header is required");
		entry.kind = kind;
		return null;
	}

	/** The answer to a good request; `messages` of ROUTES. */
	async answer(body, entry) {
		const conversation = conversationOf(body, entry.headers["user-agent"]);
		const { prompt, results } = conversation;
		Object.assign(entry, { side: isSide(conversation), prompt, results: results.length });
		const step = await stepOf(this.#script, conversation);
		if (step.status !== undefined) return failure(step.status, step.message, { ...step.headers,
			...(step.retryAfter !== undefined && { "retry-after": String(step.retryAfter) }) });
		const message = messageOf(step, body);
		if (!body.stream) return { ...json(200, message), cut: step.cut };
		return { status: 200, headers: { "Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache" },
			body: streamOf(message, step), cut: step.cut };
	}

	async #wait({ delay, never }, res) {
		if (!delay && !never) return;
		let timer;
		await new Promise((resolve) => {
			const go = () => {
				this.#held.delete(go);
				resolve();
			};
			res.once("close", go);
			if (never) this.#held.add(go);
			else if (typeof delay === "number") timer = setTimeout(go, delay);
			else delay.then(go, go);
		});
		clearTimeout(timer);
	}
}

// null when it is too large.
async function readBytes(request) {
	const parts = [];
	let size = 0;
	for await (const part of request) {
		size += part.length;
		if (size <= BODY_LIMIT) parts.push(part);
	}
	return size > BODY_LIMIT ? null : Buffer.concat(parts);
}

const betasOf = (headers) => (headers["anthropic-beta"] ?? "").split(/\s*,\s*/);

function parsed({ bytes, entry }) {
	try {
		entry.body = JSON.parse(bytes.toString("utf8"));
	} catch {
		return failure(400, "The request body is not valid JSON");
	}
	const refusal = refusalOf(entry.body, betasOf(entry.headers));
	return refusal && failure(400, refusal);
}

function postMessages(anthropic, context) {
	const refusal = parsed(context);
	if (refusal) return refusal;
	const { body } = context.entry;
	if (!(body.max_tokens >= 1)) return failure(400, "max_tokens: Field required");
	return anthropic.answer(body, context.entry);
}

const countTokens = (anthropic, context) =>
	parsed(context) ?? json(200, { input_tokens: tokensOf(context.entry.body) });

const modelOf = (id) => ({ type: "model", id, display_name: id, created_at: "2026-01-01T00:00:00Z" });

function getModels(anthropic, { pathname }) {
	const wanted = pathname.split("/")[3];
	if (wanted) return MODELS.includes(wanted) ? json(200, modelOf(wanted)) : failure(404, `model: ${wanted}`);
	return json(200, { data: MODELS.map(modelOf), has_more: false, first_id: MODELS[0], last_id: MODELS.at(-1) });
}

const getRoot = () => json(200, {});

const ROUTES = {
	messages: { method: "POST", path: /^\/v1\/messages$/, handle: postMessages },
	count_tokens: { method: "POST", path: /^\/v1\/messages\/count_tokens$/, handle: countTokens },
	models: { method: "GET", path: /^\/v1\/models(\/[^/]+)?$/, handle: getModels },
	head: { method: "HEAD", path: /^\/$/, handle: getRoot },
};
