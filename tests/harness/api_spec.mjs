// api_spec.mjs: the two files that describe the interface, docs/openapi.yaml and docs/asyncapi.yaml, as schemas to hold
// answers and messages against.
//
//   const spec = openapi();
//   spec.operations                                      // [{ method, path, operation, parameters }]
//   spec.find("GET", "/workspace/demo/sessions")         // the operation that a request meets
//   spec.answer(operation, 200, "application/json", body) // what is wrong with this answer: null, or text
//
//   const { check } = asyncapi();
//   check("workspace", "send", message)                   // the messages' names that it fits, or throws
//
// An object that says nothing of other members has none: a member that a server sends and the file doesn't know is wrong.

import { readFileSync } from "node:fs";
import path from "node:path";
import Ajv2020 from "ajv/dist/2020.js";
import Ajv from "ajv";
import addFormats from "ajv-formats";
import { parse } from "yaml";
import { ROOT } from "./server.mjs";

const METHODS = ["get", "head", "post", "put", "delete", "patch", "options", "trace"];

export const specFile = (name) => path.join(ROOT, "docs", name);

export const readSpec = (name) => parse(readFileSync(specFile(name), "utf8"));

/** A program that was built, in the directory that the tests use. */
export const program = (name) => path.join(path.resolve(ROOT, process.env.CRAFT_BUILD_DIR ?? "build"), name);

/** Closes all objects below a value that leave open whether they are. Objects that are parts of an allOf stay. */
export function close(value, part = false) {
	if (Array.isArray(value)) {
		for (const item of value) close(item, part);
	} else if (value && typeof value === "object") {
		if (value.type === "object" && value.properties && value.additionalProperties === undefined && !part)
			value.additionalProperties = false;
		for (const [name, child] of Object.entries(value)) {
			// What stands here are values of clients, no schemas.
			if (!["const", "enum", "examples", "example", "default"].includes(name)) close(child, name === "allOf");
		}
	}
	return value;
}

/** What a JSON pointer names; undefined when it leads nowhere. */
export function at(document, pointer) {
	return pointer.slice(2).split("/").map((part) => decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~"))
		.reduce((value, part) => value?.[part], document);
}

export function follow(document, value) {
	while (value?.$ref !== undefined) value = at(document, value.$ref);
	return value;
}

/** All that is named by $ref and not there. */
export function danglingRefs(document) {
	const found = [];
	const walk = (value) => {
		if (!value || typeof value !== "object") return;
		if (typeof value.$ref === "string" && at(document, value.$ref) === undefined) found.push(value.$ref);
		Object.values(value).forEach(walk);
	};
	walk(document);
	return found;
}

/** compile(pointer): a function that tells what is wrong with a value, or null. */
export function validators(document, Kind) {
	const ajv = new Kind({ strict: false, allErrors: true });
	addFormats.default ? addFormats.default(ajv) : addFormats(ajv);
	ajv.addSchema(close(structuredClone(document)), "spec");
	const made = new Map();
	return (pointer) => {
		if (!made.has(pointer)) made.set(pointer, ajv.compile({ $ref: `spec${pointer}` }));
		const validate = made.get(pointer);
		return (value) => (validate(value) ? null : ajv.errorsText(validate.errors, { dataVar: "" }));
	};
}

const escape = (part) => encodeURIComponent(part.replaceAll("~", "~0").replaceAll("/", "~1"));

export const pointer = (...parts) => `#/${parts.map(escape).join("/")}`;

// ---- OpenAPI ----

/** A pattern of the route table as OpenAPI writes it: "/files/:a/*b" is "/files/{a}/{b}". */
export const templated = (pattern) => pattern.replace(/[:*](\w+)/g, "{$1}");

const wild = new Set(["/assets/{workspace}/{path}", "/assets/{workspace}/sign/{path}"]);

function expression(template) {
	const source = template.replace(/[.]/g, "\\$&").replace(/\{path\}/g, ".+").replace(/\{\w+\}/g, "[^/]+");
	return new RegExp(`^${source}$`);
}

export function openapi() {
	const document = readSpec("openapi.yaml");
	const compile = validators(document, Ajv2020.default ?? Ajv2020);
	const operations = Object.entries(document.paths).flatMap(([template, item]) => METHODS.filter((name) => item[name]).map((name) => ({
		name: `${name.toUpperCase()} ${template}`, method: name.toUpperCase(), path: template, operation: item[name],
		parameters: [...(item.parameters ?? []), ...(item[name].parameters ?? [])].map((p) => follow(document, p)),
		at: ["paths", template, name], matches: expression(template) })));

	// Of several that fit the one with the fewest parameters, as "sign" is no name of an asset's folder.
	function find(method, pathname) {
		return operations.filter((o) => o.method === method && o.matches.test(pathname))
			.sort((a, b) => a.path.split("{").length - b.path.split("{").length || Number(wild.has(a.path)) - Number(wild.has(b.path))
				|| b.path.length - a.path.length)[0];
	}

	/** Where an answer is described: its pointer's parts, after its $ref. */
	function place(operation, status) {
		const { responses } = operation.operation;
		const key = responses[status] ? String(status) : "default";
		if (!responses[key]) return null;
		const ref = responses[key].$ref;
		return ref ? ref.slice(2).split("/") : [...operation.at, "responses", key];
	}

	function answer(operation, status, type, body) {
		const parts = place(operation, status);
		if (!parts) return `${operation.name}: ${status} is not described`;
		const content = at(document, pointer(...parts)).content;
		const kind = type?.split(";")[0].trim();
		if (!content) return null;
		const known = content[kind] ? kind : content["*/*"] ? "*/*" : null;
		if (!known) return `${operation.name} ${status}: ${kind} is not described`;
		if (!content[known].schema) return null;
		const wrong = compile(pointer(...parts, "content", known, "schema"))(kind === "application/json" ? JSON.parse(body) : body);
		return wrong && `${operation.name} ${status}: ${wrong}`;
	}

	/** What is wrong with the body of a request that was granted; null: nothing, or it is no JSON. */
	function requestBody(operation, body) {
		const schema = operation.operation.requestBody?.content["application/json"]?.schema;
		if (!schema || body === undefined) return null;
		const wrong = compile(pointer(...operation.at, "requestBody", "content", "application/json", "schema"))(JSON.parse(body));
		return wrong && `${operation.name}, request: ${wrong}`;
	}

	return { document, compile, operations, find, answer, requestBody };
}

// ---- AsyncAPI ----

export function asyncapi() {
	const document = readSpec("asyncapi.yaml");
	const compile = validators(document, Ajv.default ?? Ajv);
	/** The names of the messages of a channel that go in that direction, as their keys in components. */
	function messages(channel, action) {
		const operations = Object.values(document.operations).filter((o) => o.channel.$ref === `#/channels/${channel}`);
		const refs = operations.flatMap((o) => [...(o.action === action ? o.messages : []),
			...(action === "send" && o.reply ? o.reply.messages : [])]);
		return [...new Set(refs.map(({ $ref }) => at(document, $ref).$ref.split("/").at(-1)))];
	}

	function check(channel, action, value) {
		const wrong = [];
		const fits = messages(channel, action).filter((name) => {
			const text = compile(pointer("components", "messages", name, "payload"))(value);
			if (text) wrong.push(`${name}: ${text}`);
			return !text;
		});
		if (fits.length === 0) throw new Error(`no message of ${channel} (${action}) is ${JSON.stringify(value).slice(0, 500)}\n${wrong.join("\n")}`);
		return fits;
	}

	return { document, compile, messages, check };
}
