// The fake Messages API of the other tests, against what Anthropic documents.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import http from "node:http";
import https from "node:https";
import { readFileSync } from "node:fs";
import { after, beforeEach, test } from "node:test";
import { promisify } from "node:util";
import { startAnthropic } from "../fakes/anthropic.mjs";
import { backstop } from "../harness/pace.mjs";
import { waitFor } from "../harness/server.mjs";

const anthropic = await startAnthropic();
const key = anthropic.keys.add();
const token = anthropic.keys.addOAuth();
after(() => anthropic.close());

beforeEach(() => {
	anthropic.script({ text: "Done." });
	for (const route of ["*", "messages", "count_tokens", "models", "head"]) anthropic.behave(route, null);
});

const VERSION = { "anthropic-version": "2023-06-01" };
const person = (text) => ({ role: "user", content: [{ type: "text", text }] });

function call(path, { method = "POST", headers = { "x-api-key": key }, body, signal } = {}) {
	return fetch(anthropic.url + path, { method, headers: { ...VERSION, ...headers }, signal,
		body: body === undefined || typeof body === "string" ? body : JSON.stringify(body) });
}

const message = (messages, more = {}, options = {}) => call("/v1/messages",
	{ ...options, body: { model: "claude-x", max_tokens: 100, messages, ...more } });

// The events of a stream: [[name, data], ...].
const eventsOf = (text) => text.split("\n\n").filter(Boolean).map((event) => {
	const [, name, data] = /^event: (\S+)\ndata: (.*)$/s.exec(event);
	return [name, JSON.parse(data)];
});

// The content that the events of a stream amount to.
function assemble(events) {
	const blocks = [];
	for (const [, { type, index, content_block: block, delta }] of events) {
		if (type === "content_block_start") blocks[index] = { ...block, json: "" };
		if (type !== "content_block_delta") continue;
		blocks[index].text += delta.text ?? "";
		blocks[index].thinking += delta.thinking ?? "";
		blocks[index].json += delta.partial_json ?? "";
	}
	return blocks.map(({ type, text, thinking, name, json }) => ({ text, thinking,
		tool_use: { name, input: json && JSON.parse(json) } })[type]);
}

async function failure(response) {
	const { type, error } = await response.json();
	assert.equal(type, "error");
	assert.match(response.headers.get("content-type"), /^application\/json/);
	return [response.status, error.type, error.message];
}

// ---- messages ----

test("a message is answered whole", async () => {
	anthropic.script({ text: "Hello", tools: [{ name: "Read", input: { file_path: "/a" } }] });
	const answer = await (await message([person("hi")])).json();
	assert.equal(answer.role, "assistant");
	assert.equal(answer.model, "claude-x");
	assert.equal(answer.stop_reason, "tool_use");
	assert.deepEqual(answer.content.map(({ type }) => type), ["text", "tool_use"]);
	assert.match(answer.content[1].id, /^toolu_01/);
	assert.ok(answer.usage.input_tokens > 0 && answer.usage.output_tokens > 0);
});

test("a stream has the events of the API, in order", async () => {
	anthropic.script({ thinking: "hm", text: "ab", tools: [{ name: "Bash", input: { command: "ls" } }], chunk: 1 });
	const response = await message([person("hi")], { stream: true });
	assert.match(response.headers.get("content-type"), /^text\/event-stream/);
	const events = eventsOf(await response.text());
	for (const [name, data] of events) assert.equal(data.type, name);
	const names = events.map(([name]) => name).filter((name) => name !== "content_block_delta");
	const block = ["content_block_start", "content_block_stop"];
	assert.deepEqual(names, ["message_start", "content_block_start", "ping", "content_block_stop", ...block, ...block,
		"message_delta", "message_stop"]);
	assert.deepEqual(assemble(events), ["hm", "ab", { name: "Bash", input: { command: "ls" } }]);
	assert.equal(events.at(-2)[1].delta.stop_reason, "tool_use");
	assert.equal(events[0][1].message.stop_reason, null);
});

test("10 MB of text and 20,000 deltas arrive", async () => {
	anthropic.script({ text: "y".repeat(10 << 20), chunk: 1 << 16 });
	assert.equal(assemble(eventsOf(await (await message([person("hi")], { stream: true })).text()))[0].length, 10 << 20);
	anthropic.script({ text: "z".repeat(20_000), chunk: 1 });
	const events = eventsOf(await (await message([person("hi")], { stream: true })).text());
	assert.equal(events.filter(([name]) => name === "content_block_delta").length, 20_000);
});

test("tokens are counted, models listed, HEAD answered", async () => {
	const counted = await call("/v1/messages/count_tokens", { body: { model: "m", messages: [person("x".repeat(400))] } });
	assert.ok((await counted.json()).input_tokens > 100);
	const { data } = await (await call("/v1/models?limit=1000", { method: "GET" })).json();
	assert.ok(data.every(({ type, id }) => type === "model" && id.startsWith("claude-")));
	assert.equal((await (await call(`/v1/models/${data[0].id}`, { method: "GET" })).json()).id, data[0].id);
	const other = await failure(await call("/v1/models/other", { method: "GET" }));
	assert.deepEqual(other.slice(0, 2), [404, "not_found_error"]);
	assert.equal((await call("/", { method: "HEAD", headers: {} })).status, 200);
	assert.equal((await failure(await call("/v1/other", { method: "GET" })))[0], 404);
});

// ---- who may ask ----

test("keys and tokens are checked", async () => {
	const ask = (headers) => message([person("hi")], {}, { headers });
	const bearer = { authorization: `Bearer ${token}` }, beta = { "anthropic-beta": "a-1, oauth-2025-04-20,b-2" };
	assert.equal((await ask({ "x-api-key": key })).status, 200);
	assert.equal((await ask({ ...bearer, ...beta })).status, 200);
	const refused = async (headers) => (await failure(await ask(headers))).slice(0, 2);
	const no = [401, "authentication_error"];
	for (const headers of [{}, { "x-api-key": "placeholder" }, { "x-api-key": token }, bearer,
		{ authorization: `Bearer ${key}`, ...beta }, { authorization: `Basic ${token}`, ...beta },
		{ "x-api-key": key, ...bearer, ...beta }])
		assert.deepEqual(await refused(headers), no, JSON.stringify(Object.keys(headers)));
	assert.equal((await call("/v1/models", { method: "GET", headers: {} })).status, 401);
	assert.equal((await call("/v1/messages/count_tokens", { headers: {}, body: "{}" })).status, 401);
	anthropic.keys.revoke(key);
	assert.deepEqual(await refused({ "x-api-key": key }), no);
	anthropic.keys.add(key);
	const last = anthropic.requests({ route: "messages" })[0];
	assert.deepEqual([last.key, last.kind], [key, "key"]);
});

// ---- what it refuses ----

test("bodies that the API refuses are refused", async () => {
	const wrong = async (body, options = {}) => failure(await call("/v1/messages", { body, ...options }));
	const use = { role: "assistant", content: [{ type: "tool_use", id: "t1", name: "Read", input: {} }] };
	const result = { role: "user", content: [{ type: "tool_result", tool_use_id: "t1", content: "x" }] };
	const good = { model: "m", max_tokens: 1, messages: [person("hi"), use, result] };
	assert.equal((await call("/v1/messages", { body: good })).status, 200);
	for (const body of ["{", "[]", { ...good, model: undefined }, { ...good, max_tokens: 0 }, { ...good, messages: [] },
		{ ...good, messages: "x" }, { ...good, messages: [person("")] }, { ...good, messages: [{ role: "x", content: "" }] },
		{ ...good, messages: [person("hi"), use, person("no result")] }, { ...good, messages: [person("hi"), result] },
		{ ...good, messages: [person("hi"), { role: "system", content: "s" }] }])
		assert.deepEqual((await wrong(body)).slice(0, 2), [400, "invalid_request_error"], JSON.stringify(body));
	assert.equal((await wrong(good, { headers: { "x-api-key": key, "anthropic-version": "" } }))[0], 400);
	assert.equal((await wrong(JSON.stringify({ ...good, filler: "x".repeat(33 << 20) })))[1], "request_too_large");
	const beta = { "x-api-key": key, "anthropic-beta": "mid-conversation-system-2026-04-07" };
	assert.equal((await call("/v1/messages", { headers: beta,
		body: { ...good, messages: [person("hi"), use, { role: "system", content: "s" }, result] } })).status, 200);
});

// ---- scripts ----

// Plays a client with tools: every use is answered with "result of <name>". Resolves to what the model said.
async function converse(messages, prompt) {
	messages.push(person(prompt));
	for (const said = []; ;) {
		const { content } = await (await message(messages)).json();
		messages.push({ role: "assistant", content });
		said.push(...content.map(({ text, name }) => text ?? name));
		const uses = content.filter(({ type }) => type === "tool_use");
		if (uses.length === 0) return said;
		messages.push({ role: "user", content: uses.map(({ id, name }) => ({ type: "tool_result", tool_use_id: id,
			content: [{ type: "text", text: `result of ${name}` }] })) });
	}
}

test("a list of steps begins anew with each prompt", async () => {
	anthropic.script([{ tools: [{ name: "Read" }] }, { tools: [{ name: "Edit" }, { name: "Write" }] }, "over"]);
	const messages = [];
	assert.deepEqual(await converse(messages, "first"), ["Read", "Edit", "Write", "over"]);
	assert.deepEqual(await converse(messages, "second"), ["Read", "Edit", "Write", "over"]);
	assert.deepEqual(anthropic.requests({ prompt: "second" }).map(({ results }) => results), [0, 1, 3]);
});

test("a function decides by the prompt and the results", async () => {
	anthropic.script(({ prompt, prompts, results }) => (prompt !== "test" ? { text: `no ${prompts.join("+")}` }
		: results.length === 0 ? { tools: [{ name: "Bash", input: { command: "make check" } }] }
			: { text: `${results[0].name} ${results[0].input.command}: ${results[0].text}` }));
	const messages = [];
	assert.deepEqual(await converse(messages, "hello"), ["no hello"]);
	assert.deepEqual(await converse(messages, "test"), ["Bash", "Bash make check: result of Bash"]);
	anthropic.script(async ({ prompt }) => (prompt === "steps" ? [{ tools: [{ name: "A" }] }, "b"] : "c"));
	assert.deepEqual(await converse(messages, "steps"), ["A", "b"]);
	assert.deepEqual(await converse(messages, "x"), ["c"]);
});

test("reminders and interrupted prompts are no prompts", async () => {
	anthropic.script(({ prompt, answers, results }) => ({ text: `${prompt}/${answers}/${results.length}` }));
	const say = async (...messages) => (await (await message(messages)).json()).content[0].text;
	const reminder = { type: "text", text: "<system-reminder>\nbe good\n</system-reminder>" };
	assert.equal(await say({ role: "user", content: [reminder, { type: "text", text: "do it" }] }), "do it/0/0");
	const use = { role: "assistant", content: [{ type: "tool_use", id: "t1", name: "Read", input: {} }] };
	const result = { type: "tool_result", tool_use_id: "t1", content: "x", is_error: true };
	assert.equal(await say(person("do it"), use, { role: "user", content: [result, reminder] }), "do it/1/1");
	const interrupted = { type: "text", text: "[Request interrupted by user for tool use]" };
	assert.equal(await say(person("do it"), use, { role: "user", content: [result, interrupted, { type: "text",
		text: "now this" }] }), "now this/0/0");
	assert.equal(await say({ role: "user", content: [{ type: "text", text: "do it" }, { type: "text",
		text: "[Request interrupted by user]" }, { type: "text", text: "now this" }] }), "now this/0/0");
	assert.equal(await say({ role: "user", content: [{ type: "text", text: "failed" }, { type: "text", text: "again" },
		reminder] }), "again/0/0");
});

test("what Claude Code asks for itself is answered plainly, beside the script", async () => {
	anthropic.script(() => assert.fail("the script was asked"));
	const headers = { "x-api-key": key, "user-agent": "claude-cli/2.1.197 (external, sdk-cli)" };
	assert.equal((await message([person("title?")], {}, { headers })).status, 200);
	anthropic.script({ text: "mine" });
	const tools = [{ name: "Bash", input_schema: { type: "object" } }];
	assert.equal((await (await message([person("do")], { tools }, { headers })).json()).content[0].text, "mine");
	assert.deepEqual(anthropic.log.slice(-2).map(({ side }) => side), [true, false]);
});

// ---- faults ----

test("errors have Anthropic's shape", async () => {
	const types = { 400: "invalid_request_error", 401: "authentication_error", 403: "permission_error",
		404: "not_found_error", 413: "request_too_large", 429: "rate_limit_error", 500: "api_error", 529: "overloaded_error" };
	for (const [status, type] of Object.entries(types)) {
		anthropic.behave("messages", Number(status));
		assert.deepEqual((await failure(await message([person("hi")]))).slice(0, 2), [Number(status), type]);
	}
	anthropic.behave("messages", null);
	anthropic.behave("*", { status: 429, retryAfter: 7, times: 2 });
	for (const path of ["/v1/models", "/v1/models"]) {
		const response = await call(path, { method: "GET" });
		assert.deepEqual([response.status, response.headers.get("retry-after")], [429, "7"]);
	}
	assert.equal((await call("/v1/models", { method: "GET" })).status, 200);
	anthropic.script([{ status: 529, message: "full" }]);
	assert.deepEqual(await failure(await message([person("hi")], { stream: true })), [529, "overloaded_error", "full"]);
	assert.throws(() => anthropic.behave("message", 500), /no such route/);
	assert.throws(() => anthropic.behave("messages", { redirect: true }), /no such behaviour/);
	assert.throws(() => anthropic.behave("messages", { stats: 500 }), /no such behaviour/);
});

test("only one key's requests can be made to fail", async () => {
	const other = anthropic.keys.add();
	anthropic.behave("messages", { status: 429, key: other });
	assert.equal((await message([person("hi")])).status, 200);
	assert.equal((await message([person("hi")], {}, { headers: { "x-api-key": other } })).status, 429);
});

test("a stream can break off, fail in its middle, and be slow", async () => {
	anthropic.script({ text: "x".repeat(5000), cut: 3000 });
	const response = await message([person("hi")], { stream: true });
	await assert.rejects(response.text());
	assert.equal(anthropic.log.at(-1).closed, true);
	anthropic.script({ text: "x".repeat(5000), fail: "overloaded_error" });
	const events = eventsOf(await (await message([person("hi")], { stream: true })).text());
	assert.equal(events.at(-1)[0], "error");
	assert.equal(events.at(-1)[1].error.type, "overloaded_error");
	assert.ok(events.length > 5 && !events.some(([name]) => name === "message_stop"));
	anthropic.script({ text: "x".repeat(30), chunk: 1, every: 10 });
	const from = Date.now();
	await (await message([person("hi")], { stream: true })).text();
	assert.ok(Date.now() - from >= 250);
});

test("a stream can be held, and a client that leaves is noticed", async () => {
	let go;
	anthropic.script({ text: "held", hold: new Promise((resolve) => { go = resolve; }) });
	const response = await message([person("hi")], { stream: true });
	const reader = response.body.getReader();
	let seen = "";
	while (!seen.includes("event: ping")) seen += Buffer.from((await reader.read()).value).toString();
	assert.ok(!seen.includes("held"));
	go();
	while (!seen.includes("message_stop")) seen += Buffer.from((await reader.read()).value).toString();
	assert.ok(seen.includes("held"));

	anthropic.script({ text: "x".repeat(1000), chunk: 1, every: 20 });
	const abort = new AbortController();
	const { body } = await message([person("bye")], { stream: true }, { signal: abort.signal });
	await body.getReader().read();
	abort.abort();
	await waitFor(() => anthropic.log.at(-1).closed, { what: "the fake to see that the client left" });
});

test("an answer can be kept back until release()", async () => {
	anthropic.behave("messages", { never: true, times: 1 });
	const answer = message([person("hi")]);
	await waitFor(() => anthropic.held === 1, { what: "the request to be held" });
	anthropic.release();
	assert.equal((await answer).status, 200);
});

// ---- the server ----

test("with TLS it has an authority of its own", async () => {
	const secure = await startAnthropic({ tls: true });
	try {
		const get = (options) => new Promise((resolve, reject) => {
			https.get(`${secure.url}/v1/models`, { agent: false, ...options }, (res) => {
				res.resume();
				resolve(res.statusCode);
			}).on("error", reject);
		});
		const headers = { ...VERSION, "x-api-key": secure.keys.add() };
		assert.equal(await get({ headers, ca: readFileSync(secure.caFile) }), 200);
		await assert.rejects(get({ headers }), /self.signed|unable to verify/i);
	} finally {
		await secure.close();
	}
});

test("it takes connections one after the other and closes them all", async () => {
	const own = await startAnthropic();
	const agent = new http.Agent({ keepAlive: true });
	await new Promise((resolve, reject) => {
		http.get(own.url, { agent }, (res) => res.resume().on("end", resolve)).on("error", reject);
	});
	await own.close();
	await assert.rejects(fetch(own.url));
	agent.destroy();
	const script = `import { startAnthropic } from ${JSON.stringify(new URL("../fakes/anthropic.mjs", import.meta.url).href)};
		const a = await startAnthropic({ tls: true }); await a.close();`;
	await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script], { timeout: backstop(30_000) });
});
