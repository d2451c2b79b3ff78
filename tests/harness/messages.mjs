// messages.mjs: the bridge's own table of messages (craft-ws-bridge --list-messages), and data that fit them.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { program } from "./api_spec.mjs";

/** Its rows of one kind (workspace, sandbox, tool), without that first column. */
export function messageTable(kind) {
	return execFileSync(program("ws-bridge/craft-ws-bridge"), ["--list-messages"], { encoding: "utf8" }).replace(/\n$/, "").split("\n")
		.map((line) => line.split("\t")).filter(([first]) => first === kind).map(([, ...rest]) => rest);
}

/** What a workspace can be asked for: [{ type, fields: { name: kind } }]. */
export function workspaceMessages() {
	const list = messageTable("workspace").map(([type, , , fields]) => ({ type,
		fields: Object.fromEntries(fields.split(" ").filter(Boolean).map((field) => field.split(":"))) }));
	assert.ok(list.length >= 16, "the table of messages is short");
	return list;
}

/** Data of such a message that are good where there is a session, a source… with this id. What is created is "new". */
export function goodData({ type, fields }, id) {
	const values = { id: type.endsWith(":create") ? "new" : id, object: { a: 1 }, array: [{ a: 1 }], string: "x", "string-or-null": "x", any: {} };
	const data = Object.entries(fields).map(([name, kind]) => {
		assert.ok(kind in values, `${type} has a field of a new kind: ${kind}`);
		return [name, values[kind]];
	});
	return data.length ? Object.fromEntries(data) : { version: 1 };
}
