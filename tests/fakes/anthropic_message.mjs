// anthropic_message.mjs: an assistant's message of the Messages API, whole or as the events of a stream.

import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

const id = (prefix) => `${prefix}_01${randomBytes(16).toString("base64url").replace(/[-_]/g, "x")}`;

// As the API's own tokenizer doesn't come with it: four characters are a token.
export const tokensOf = (value) => Math.ceil(JSON.stringify(value ?? "").length / 4);

function blocksOf({ thinking, text, tools = [] }) {
	const blocks = [];
	if (thinking) blocks.push({ type: "thinking", thinking, signature: randomBytes(24).toString("base64") });
	if (text) blocks.push({ type: "text", text });
	for (const { name, input = {} } of tools) blocks.push({ type: "tool_use", id: id("toolu"), name, input });
	return blocks;
}

/** The message that a step (see Anthropic.script()) answers a request with. */
export function messageOf(step, body) {
	const content = blocksOf(step);
	const stop = content.some(({ type }) => type === "tool_use") ? "tool_use" : "end_turn";
	const usage = { input_tokens: tokensOf(body.messages), cache_creation_input_tokens: 0, cache_read_input_tokens: 0,
		output_tokens: tokensOf(content), service_tier: "standard" };
	return { id: id("msg"), type: "message", role: "assistant", model: body.model, content,
		stop_reason: step.stop ?? stop, stop_sequence: null, usage };
}

function* slices(text, size) {
	for (let at = 0; at < text.length; at += size) yield text.slice(at, at + size);
}

// [the block as it begins, its deltas] of a block.
function unroll(block, size) {
	switch (block.type) {
	case "text":
		return [{ ...block, text: "" }, (function* texts() {
			for (const text of slices(block.text, size)) yield { type: "text_delta", text };
		})()];
	case "thinking":
		return [{ ...block, thinking: "", signature: "" }, (function* thoughts() {
			for (const thinking of slices(block.thinking, size)) yield { type: "thinking_delta", thinking };
			yield { type: "signature_delta", signature: block.signature };
		})()];
	default:
		return [{ ...block, input: {} }, (function* inputs() {
			for (const part of ["", ...slices(JSON.stringify(block.input), size)])
				yield { type: "input_json_delta", partial_json: part };
		})()];
	}
}

function* eventsOf(message, { chunk = 200 }) {
	const { output_tokens: output } = message.usage;
	yield { type: "message_start", message: { ...message, content: [], stop_reason: null,
		usage: { ...message.usage, output_tokens: 1 } } };
	for (const [index, block] of message.content.entries()) {
		const [begin, deltas] = unroll(block, chunk);
		yield { type: "content_block_start", index, content_block: begin };
		if (index === 0) yield { type: "ping" };
		for (const delta of deltas) yield { type: "content_block_delta", index, delta };
		yield { type: "content_block_stop", index };
	}
	yield { type: "message_delta", delta: { stop_reason: message.stop_reason, stop_sequence: null },
		usage: { output_tokens: output } };
	yield { type: "message_stop" };
}

const encode = (event) => Buffer.from(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);

/** The bytes of the stream. step: every (milliseconds before each delta), chunk (characters of a delta), fail (an
 *  error's type: the stream ends with that error where its second half would begin), hold (a promise before the first
 *  delta). */
export async function* streamOf(message, step) {
	const { every = 0, fail, hold } = step;
	const all = [...eventsOf(message, step)];
	for (const [number, event] of all.entries()) {
		if (fail && number >= all.length / 2) {
			yield encode({ type: "error", error: { type: fail, message: "An error in the stream" } });
			return;
		}
		if (event.type === "ping") {
			yield encode(event);
			await hold;
			continue;
		}
		if (every && event.type === "content_block_delta") await sleep(every, undefined, { ref: false });
		yield encode(event);
	}
}
