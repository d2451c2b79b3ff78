// docs/asyncapi.yaml: it is valid AsyncAPI 3.0, has exactly the messages of the bridge's tables with their fields and events, and
// its examples fit its schemas. Whether a server's messages do is api-docs.test.mjs.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import { test } from "node:test";
import Ajv from "ajv";
import { asyncapi, at, danglingRefs, follow, pointer, readSpec } from "../harness/api_spec.mjs";
import { messageTable } from "../harness/messages.mjs";
import { ROOT } from "../harness/server.mjs";

const spec = asyncapi();
const { document } = spec;
const { messages, schemas } = document.components;

const received = (channel) => spec.messages(channel, "receive").map((key) => messages[key]);

function validate(value) {
	const schema = createRequire(import.meta.url)("@asyncapi/specs/schemas/3.0.0-without-$id.json");
	const ajv = new (Ajv.default ?? Ajv)({ strict: false, allErrors: true, validateFormats: false });
	return ajv.validate(schema, value) ? null : ajv.errorsText();
}

test("it is valid AsyncAPI 3.0", () => {
	assert.equal(document.asyncapi, "3.0.0");
	assert.equal(validate(document), null);
});

test("a broken file is noticed", () => {
	const broken = readSpec("asyncapi.yaml");
	broken.operations.change.action = "shout";
	assert.match(validate(broken), /action/);
});

test("whatever is referred to is there, and every message and schema is used", () => {
	assert.deepEqual(danglingRefs(document), []);
	const text = JSON.stringify(document);
	for (const kind of ["messages", "schemas"])
		for (const name of Object.keys(document.components[kind]))
			assert.ok(text.includes(`"#/components/${kind}/${name}"`), `${kind}/${name}`);
});

test("operations use messages of their own channel, and every message of a channel", () => {
	const used = new Set();
	for (const [name, operation] of Object.entries(document.operations)) {
		const lists = [[operation.channel, operation.messages], ...(operation.reply ? [[operation.reply.channel, operation.reply.messages]] : [])];
		for (const [channel, refs] of lists)
			for (const { $ref } of refs) {
				assert.ok($ref.startsWith(`${channel.$ref}/messages/`), `${name}: ${$ref}`);
				used.add($ref);
			}
	}
	for (const [name, channel] of Object.entries(document.channels)) {
		for (const key of Object.keys(channel.messages)) assert.ok(used.has(`#/channels/${name}/messages/${key}`), `${name}: ${key}`);
		const named = [...channel.address.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => parameter);
		assert.deepEqual(Object.keys(channel.parameters), named);
	}
});

test("each channel says by which status an upgrade may be refused", () => {
	const [workspace, sandbox] = ["workspace", "sandbox"].map((name) => Object.keys(document.channels[name]["x-refusals"]));
	const source = execFileSync("sh", ["-c", "cat ws-bridge/*.c"], { cwd: ROOT, encoding: "utf8" });
	const refused = new Set([...source.matchAll(/conn_refuse\(conn, (\d+)/g)].map(([, status]) => status));
	// Who is that slow sent no request yet.
	refused.delete("408");
	assert.ok(refused.size >= 8, [...refused].join());
	assert.deepEqual(sandbox.sort(), [...refused].sort());
	assert.deepEqual(workspace.sort(), [...refused].filter((status) => status !== "404" && status !== "410").sort());
});

test("the messages of a workspace are those of the bridge's table", () => {
	const rows = [...messageTable("workspace"), ...messageTable("life")].map(([name]) => name);
	const file = received("workspace").map(({ name }) => name);
	assert.ok(rows.length >= 16, `${rows.length} messages`);
	assert.deepEqual(rows.filter((name) => !file.includes(name)), [], "missing in docs/asyncapi.yaml");
	assert.deepEqual(file.filter((name) => !rows.includes(name)), [], "in docs/asyncapi.yaml, but not in the table");
});

test("their fields, events and answers are the table's", () => {
	const kinds = { "string": { type: "string" }, "string-or-null": { type: ["string", "null"] }, "object": { type: "object" },
		"array": { type: "array" }, "any": {} };
	for (const [name, event, answer, fields] of messageTable("workspace")) {
		const message = received("workspace").find((m) => m.name === name);
		assert.deepEqual([message["x-event"], message["x-answer"]], [event, answer], name);
		const data = follow(document, message.payload.properties.data);
		const wanted = fields ? fields.split(" ").map((field) => field.split(":")) : [];
		assert.deepEqual([...(data.required ?? [])].sort(), wanted.map(([field]) => field).sort(), name);
		for (const [field, kind] of wanted) {
			const schema = data.properties[field];
			if (kind === "id") assert.equal(schema.$ref, "#/components/schemas/Id", `${name}: ${field}`);
			else assert.deepEqual(schema.type, kinds[kind].type, `${name}: ${field}`);
		}
	}
});

test("all events of the table can be told", () => {
	const { properties } = messages.broadcast.payload.properties.event;
	const events = messageTable("workspace").map(([, event]) => event.split("/"));
	assert.deepEqual(properties.entity.enum.slice().sort(), [...new Set(events.map(([entity]) => entity))].sort());
	assert.deepEqual(properties.action.enum.slice().sort(), [...new Set(events.map(([, action]) => action))].sort());
});

test("the messages of a sandbox and its tools are those of the bridge's tables", () => {
	assert.deepEqual(received("sandbox").map(({ name }) => name).sort(), messageTable("sandbox").map(([name]) => name).sort());
	assert.deepEqual(schemas.ToolName.enum, messageTable("tool").map(([name]) => name));
});

test("every message has a type that is its name, and examples that fit it and no other of its direction", () => {
	for (const [key, { name, payload, examples }] of Object.entries(messages)) {
		assert.equal(payload.properties.type.const, name, key);
		assert.ok(payload.required.includes("type"), key);
		assert.ok(examples?.length, key);
		for (const { payload: example } of examples) {
			assert.equal(spec.compile(pointer("components", "messages", key, "payload"))(example), null, key);
			for (const channel of Object.keys(document.channels))
				for (const action of ["send", "receive"])
					if (spec.messages(channel, action).includes(key)) assert.deepEqual(spec.check(channel, action, example), [key]);
		}
	}
});

test("what is missing or unknown in a message of the server is noticed", () => {
	assert.throws(() => spec.check("workspace", "send", { type: "response", requestId: 1 }));
	assert.throws(() => spec.check("workspace", "send", { type: "response", data: {}, more: 1 }));
	assert.throws(() => spec.check("sandbox", "send", { type: "execute", task: "x" }));
	assert.ok(at(document, "#/channels/workspace"));
});
