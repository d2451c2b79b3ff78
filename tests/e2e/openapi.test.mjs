// docs/openapi.yaml: it is valid OpenAPI 3.1, has exactly the paths and methods of craft-fcgi's route table, asks for the same
// keys, and its examples fit its schemas. Whether a server's answers do is api-docs.test.mjs.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { Validator } from "@seriousme/openapi-schema-validator";
import { danglingRefs, follow, openapi, pointer, program, readSpec, specFile, templated } from "../harness/api_spec.mjs";

const spec = openapi();
const { document, operations } = spec;

/** The lines of craft-fcgi --list-routes, one for each method. */
function routes() {
	return execFileSync(program("fcgi/craft-fcgi"), ["--list-routes"], { encoding: "utf8" }).trim().split("\n").flatMap((line) => {
		const [methods, pattern, key] = line.split("\t");
		return methods.split(", ").map((method) => ({ name: `${method} ${templated(pattern)}`, key }));
	});
}

test("it is valid OpenAPI 3.1", async () => {
	const validator = new Validator();
	const { valid, errors } = await validator.validate(specFile("openapi.yaml"));
	assert.ok(valid, JSON.stringify(errors, null, 1));
	assert.equal(validator.version, "3.1");
});

test("whatever is referred to is there", () => assert.deepEqual(danglingRefs(document), []));

test("a broken file is noticed", async () => {
	const broken = readSpec("openapi.yaml");
	delete broken.paths["/"].get.responses;
	broken.paths["/"].get.parameters = [{ name: "x", in: "nowhere" }];
	assert.equal((await new Validator().validate(broken)).valid, false);
});

test("paths and methods are those of the route table", () => {
	const table = routes().map(({ name }) => name);
	const file = operations.map(({ name }) => name);
	assert.ok(table.length > 50, `${table.length} routes`);
	assert.equal(new Set(table).size, table.length, "a route stands twice in the table");
	assert.deepEqual(table.filter((name) => !file.includes(name)), [], "missing in docs/openapi.yaml");
	assert.deepEqual(file.filter((name) => !table.includes(name)), [], "in docs/openapi.yaml, but no route");
});

test("the keys that are asked for are those of the route table", () => {
	const wanted = { "key": ["apiKey", "bearer"], "key or signature": ["apiKey", "bearer", "expiry+signature"],
		"none": [], "key if sent": ["", "apiKey", "bearer"] };
	for (const { name, key } of routes()) {
		const found = operations.find((o) => o.name === name);
		if (!found) continue; // told above
		const ways = (found.operation.security ?? document.security).map((way) => Object.keys(way).sort().join("+"));
		// Its handler asks for a ticket where no key came.
		const expected = name === "GET /oauth/github" ? ["apiKey", "bearer", "ticket"] : wanted[key];
		assert.deepEqual(ways.sort(), expected, name);
	}
});

test("parameters of the path are all there, and no others", () => {
	for (const { name, path, parameters } of operations) {
		const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => parameter).sort();
		assert.deepEqual(parameters.filter((p) => p.in === "path").map((p) => p.name).sort(), named, name);
	}
});

test("every operation says what it is and what goes wrong", () => {
	const ids = operations.map(({ operation }) => operation.operationId).filter(Boolean);
	assert.equal(new Set(ids).size, ids.length);
	const tags = document.tags.map(({ name }) => name);
	for (const { name, method, operation } of operations) {
		assert.ok(operation.summary, name);
		assert.ok(method === "HEAD" || operation.operationId, name);
		assert.ok(operation.tags.length && operation.tags.every((tag) => tags.includes(tag)), name);
		assert.ok(operation.responses.default, name);
	}
});

/** Of routes that take a key: its lack, its being for something else, too many requests. The front page is for every key. */
test("what a key may be refused with stands at each operation that takes one", () => {
	for (const { name, operation } of operations) {
		const takes = (operation.security ?? document.security).length > 0;
		for (const [status, part] of [["401", "Unauthorized"], ["403", "Forbidden"], ["429", "TooMany"]]) {
			if (status === "403" && /^\w+ \/$/.test(name)) continue;
			assert.equal(operation.responses[status]?.$ref, takes ? `#/components/responses/${part}` : undefined, `${name} ${status}`);
		}
	}
});

test("every schema has examples, and they fit it", () => {
	for (const [name, schema] of Object.entries(document.components.schemas)) {
		assert.ok(schema.examples?.length, name);
		for (const example of schema.examples)
			assert.equal(spec.compile(pointer("components", "schemas", name))(example), null, name);
	}
});

test("errors are JSON with a text, wherever a body is described", () => {
	for (const { name, operation } of operations)
		for (const [status, answer] of Object.entries(operation.responses)) {
			const { content } = follow(document, answer);
			if (content && (status === "default" || Number(status) >= 400))
				assert.equal(content["application/json"]?.schema.$ref, "#/components/schemas/Error", `${name} ${status}`);
		}
});
