// Every message of workspace sync: its answer, what the others are told, what REST shows afterwards. Each case runs
// on one bridge, where everybody is on the same process, and on two, where the listeners are on both.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { startServer } from "../harness/server.mjs";
import { connect, settle, withoutMarks } from "../harness/sync.mjs";

const servers = {};
after(async () => {
	await Promise.all(Object.values(servers).map((server) => server.stop()));
});
[servers[1], servers[2]] = await Promise.all([startServer({ bridges: 1 }), startServer({ bridges: 2 })]);

let counter = 0;

// A workspace of its own for one case: a sender, a listener on the same bridge, one on the other, one through nginx.
async function room(t, bridges, options = {}) {
	const server = servers[bridges];
	const slug = `sync-${process.pid}-${++counter}`;
	const place = (bridge) => (bridges === 1 ? {} : { bridge });
	const sender = await connect(server, slug, { ...options, ...place(0) });
	for (const [type, data] of options.before ?? []) await sender.ok(type, data);
	const listeners = [await connect(server, slug, place(0)), await connect(server, slug, place(1)), await connect(server, slug)];
	t.after(() => [sender, ...listeners].forEach((client) => client.kill()));
	const get = (path) => server.request(`/workspace/${encodeURIComponent(slug)}${path}`);
	return { server, slug, sender, listeners, get };
}

async function only(room, event) {
	await settle(room.sender, room.listeners);
	for (const [i, listener] of room.listeners.entries()) {
		const seen = withoutMarks(listener.broadcasts);
		assert.equal(seen.length, 1, `listener ${i} got ${seen.length} events`);
		assert.deepEqual(JSON.parse(seen[0].raw), { type: "broadcast", event });
	}
	assert.deepEqual(room.sender.broadcasts, [], "the sender was told of its own change");
}

function cases(name, run) {
	for (const bridges of [1, 2]) test(`${name} (${bridges} bridge${bridges > 1 ? "s" : ""})`, (t) => run(t, bridges));
}

const success = () => ({ success: true });
const save = ["session:save", { id: "s1", header: { id: "s1", name: "One", keep: 1 }, messages: [{ a: 1 }, { b: 2 }] }];
const source = ["source:create", { slug: "gh", name: "GitHub" }];
const guide = ["source:saveGuide", { sourceSlug: "gh", guide: "# How" }];
const plan = ["plan:save", { sessionId: "s1", fileName: "a b.md", content: "# Plan\n" }];
const skill = ["skill:save", { slug: "review", content: "Look twice.", metadata: { name: "Review", n: 1 } }];

// [name, what was done before, type, data, answer, event(answer), what REST shows]
const messages = [
	[
		"session:save makes a session",
		[],
		...save,
		success,
		(d) => ["session", "updated", d.header],
		async (get) => {
			assert.deepEqual((await get("/sessions")).json, [save[1].header]);
			assert.deepEqual((await get("/sessions/s1")).json, { ...save[1].header, messages: save[1].messages });
		},
	],
	[
		"session:save replaces header and messages",
		[save],
		"session:save",
		{ id: "s1", header: { name: "New" }, messages: [{ c: 3 }] },
		success,
		(d) => ["session", "updated", d.header],
		async (get) => {
			assert.deepEqual((await get("/sessions")).json, [{ name: "New" }]);
			assert.deepEqual((await get("/sessions/s1")).json, { name: "New", messages: [{ c: 3 }] });
		},
	],
	[
		"session:delete takes the plans along",
		[save, plan, ["plan:save", { ...plan[1], sessionId: "s2" }]],
		"session:delete",
		{ sessionId: "s1" },
		success,
		(d) => ["session", "deleted", d],
		async (get) => {
			assert.deepEqual((await get("/sessions")).json, []);
			assert.equal((await get("/sessions/s1")).status, 404);
			assert.deepEqual((await get("/sessions/s1/plans")).json, []);
			assert.equal((await get("/sessions/s1/plans/a%20b.md")).status, 404);
			assert.equal((await get("/sessions/s2/plans")).json.length, 1, "another session's plan went too");
		},
	],
	["session:delete of nothing", [], "session:delete", { sessionId: "nobody" }, success, (d) => ["session", "deleted", d]],
	[
		"session:updateMeta merges the top level",
		[save],
		"session:updateMeta",
		{ sessionId: "s1", updates: { name: null, isFlagged: true, deep: { a: 1 } } },
		() => ({ id: "s1", name: null, keep: 1, isFlagged: true, deep: { a: 1 } }),
		(d, x) => ["session", "updated", x],
		async (get) => {
			const merged = { id: "s1", name: null, keep: 1, isFlagged: true, deep: { a: 1 } };
			assert.deepEqual((await get("/sessions")).json, [merged]);
			assert.deepEqual((await get("/sessions/s1")).json, { ...merged, messages: save[1].messages });
			assert.deepEqual(Object.keys((await get("/sessions")).json[0]), Object.keys(merged), "key order");
		},
	],
	[
		"session:updateMeta replaces nested values whole",
		[["session:save", { id: "s1", header: { deep: { a: 1, b: 2 } }, messages: [] }]],
		"session:updateMeta",
		{ sessionId: "s1", updates: { deep: { c: 3 } } },
		() => ({ deep: { c: 3 } }),
		(d, x) => ["session", "updated", x],
	],
	[
		"session:updateMeta with nothing",
		[save],
		"session:updateMeta",
		{ sessionId: "s1", updates: {} },
		() => save[1].header,
		(d, x) => ["session", "updated", x],
	],
	[
		"session:updateSdkId",
		[save],
		"session:updateSdkId",
		{ sessionId: "s1", sdkSessionId: "sdk-9" },
		success,
		(d) => ["session", "updated", d],
		async (get) => {
			assert.deepEqual((await get("/sessions/s1")).json, { ...save[1].header, sdkSessionId: "sdk-9", messages: save[1].messages });
		},
	],
	[
		"session:clearMessages keeps the header",
		[save],
		"session:clearMessages",
		{ sessionId: "s1" },
		success,
		(d) => ["session", "updated", d],
		async (get) => {
			assert.deepEqual((await get("/sessions/s1")).json, { ...save[1].header, messages: [] });
		},
	],
	[
		"session:clearMessages of nothing",
		[],
		"session:clearMessages",
		{ sessionId: "s1" },
		success,
		(d) => ["session", "updated", d],
		async (get) => assert.equal((await get("/sessions/s1")).status, 404),
	],
	[
		"source:create",
		[],
		...source,
		(d) => d,
		(d) => ["source", "created", d],
		async (get) => {
			assert.deepEqual((await get("/sources")).json, [source[1]]);
			assert.deepEqual((await get("/sources/gh")).json, { config: source[1], guide: null });
		},
	],
	[
		"source:saveConfig keeps the guide",
		[source, guide],
		"source:saveConfig",
		{ slug: "gh", v: 2 },
		success,
		(d) => ["source", "updated", d],
		async (get) => {
			assert.deepEqual((await get("/sources")).json, [{ slug: "gh", v: 2 }]);
			assert.deepEqual((await get("/sources/gh")).json, { config: { slug: "gh", v: 2 }, guide: "# How" });
		},
	],
	[
		"source:saveConfig makes a source",
		[],
		"source:saveConfig",
		{ slug: "gh" },
		success,
		(d) => ["source", "updated", d],
		async (get) => assert.deepEqual((await get("/sources/gh")).json, { config: { slug: "gh" }, guide: null }),
	],
	[
		"source:saveGuide keeps the config",
		[source],
		...guide,
		success,
		(d) => ["source", "updated", d],
		async (get) => assert.deepEqual((await get("/sources/gh")).json, { config: source[1], guide: "# How" }),
	],
	[
		"source:delete",
		[source, guide],
		"source:delete",
		{ sourceSlug: "gh" },
		success,
		(d) => ["source", "deleted", d],
		async (get) => {
			assert.deepEqual((await get("/sources")).json, []);
			assert.equal((await get("/sources/gh")).status, 404);
		},
	],
	["source:delete of nothing", [], "source:delete", { sourceSlug: "gh" }, success, (d) => ["source", "deleted", d]],
	[
		"statuses:save",
		[["statuses:save", { version: 1 }]],
		"statuses:save",
		{ version: 2, statuses: [{ id: "todo" }] },
		success,
		(d) => ["statuses", "updated", d],
		async (get) => assert.deepEqual((await get("/statuses")).json, { version: 2, statuses: [{ id: "todo" }] }),
	],
	// The settling mark of only() saves labels too, so REST is asked in a test of its own.
	["labels:save", [], "labels:save", { version: 3, labels: [] }, success, (d) => ["labels", "updated", d]],
	[
		"skill:save",
		[],
		...skill,
		success,
		(d) => ["skill", "updated", d],
		async (get) => assert.deepEqual((await get("/skills")).json, [skill[1]]),
	],
	[
		"skill:save replaces",
		[skill],
		"skill:save",
		{ slug: "review", content: "", metadata: {} },
		success,
		(d) => ["skill", "updated", d],
		async (get) => assert.deepEqual((await get("/skills")).json, [{ slug: "review", content: "", metadata: {} }]),
	],
	[
		"skill:delete",
		[skill],
		"skill:delete",
		{ slug: "review" },
		success,
		(d) => ["skill", "deleted", d],
		async (get) => assert.deepEqual((await get("/skills")).json, []),
	],
	["skill:delete of nothing", [], "skill:delete", { slug: "review" }, success, (d) => ["skill", "deleted", d]],
	[
		"plan:save",
		[],
		...plan,
		success,
		(d) => ["plan", "updated", d],
		async (get) => {
			assert.equal((await get("/sessions/s1/plans/a%20b.md")).text, "# Plan\n");
			assert.deepEqual(
				(await get("/sessions/s1/plans")).json.map((p) => p.name),
				["a b.md"],
			);
		},
	],
	[
		"plan:save replaces",
		[plan],
		"plan:save",
		{ ...plan[1], content: "Zwei 🎉" },
		success,
		(d) => ["plan", "updated", d],
		async (get) => assert.equal((await get("/sessions/s1/plans/a%20b.md")).text, "Zwei 🎉"),
	],
	[
		"plan:delete",
		[plan],
		"plan:delete",
		{ sessionId: "s1", fileName: "a b.md" },
		success,
		(d) => ["plan", "deleted", d],
		async (get) => {
			assert.deepEqual((await get("/sessions/s1/plans")).json, []);
			assert.equal((await get("/sessions/s1/plans/a%20b.md")).status, 404);
		},
	],
	["plan:delete of nothing", [], "plan:delete", { sessionId: "s1", fileName: "x" }, success, (d) => ["plan", "deleted", d]],
];

for (const [name, before, type, data, answer, event, state] of messages)
	cases(name, async (t, bridges) => {
		const r = await room(t, bridges, { before });
		const got = await r.sender.call(type, data, "my request");
		const expected = answer(data);
		assert.deepEqual(JSON.parse(got.raw), { type: "response", requestId: "my request", data: expected });
		// What the answer says is true the moment it is there, not only when the broadcast went out.
		await state?.(r.get);
		const [entity, action, told] = event(data, expected);
		await only(r, { entity, action, data: told });
		await state?.(r.get);
	});

cases("session:create adds the server's times", async (t, bridges) => {
	const r = await room(t, bridges);
	const header = { id: "s1", name: "One", list: [1, { a: null }] };
	const start = Date.now();
	const x = await r.sender.ok("session:create", header);
	const { createdAt, lastUsedAt, ...rest } = x;
	assert.deepEqual(rest, header);
	for (const at of [createdAt, lastUsedAt]) {
		assert.ok(Number.isInteger(at), `${at} is no number of milliseconds`);
		assert.ok(at >= start - 1 && at <= Date.now() + 1, `${at} is not now`);
	}
	await only(r, { entity: "session", action: "created", data: x });
	assert.deepEqual((await r.get("/sessions")).json, [x]);
	assert.deepEqual((await r.get("/sessions/s1")).json, { ...x, messages: [] });
});

cases("session:create: the server's times win", async (t, bridges) => {
	const r = await room(t, bridges);
	const x = await r.sender.ok("session:create", { createdAt: 5, id: "s1", lastUsedAt: "x" });
	assert.ok(x.createdAt > 1e12 && x.lastUsedAt > 1e12);
	assert.deepEqual((await r.get("/sessions/s1")).json, { ...x, messages: [] });
});

cases("labels:save over REST", async (t, bridges) => {
	const r = await room(t, bridges);
	await r.sender.ok("labels:save", { version: 3, labels: [{ id: "x" }] });
	assert.deepEqual((await r.get("/labels")).json, { version: 3, labels: [{ id: "x" }] });
});

cases("sessions are listed by their last change", async (t, bridges) => {
	const r = await room(t, bridges);
	const ids = async () => (await r.get("/sessions")).json.map((h) => h.id);
	for (const id of ["a", "b", "c"]) await r.sender.ok("session:save", { id, header: { id }, messages: [] });
	assert.deepEqual(await ids(), ["c", "b", "a"]);
	await r.sender.ok("session:updateMeta", { sessionId: "a", updates: { x: 1 } });
	assert.deepEqual(await ids(), ["a", "c", "b"]);
	await r.sender.ok("session:updateSdkId", { sessionId: "b", sdkSessionId: "x" });
	assert.deepEqual(await ids(), ["b", "a", "c"]);
	await r.sender.ok("session:clearMessages", { sessionId: "c" });
	assert.deepEqual(await ids(), ["c", "b", "a"]);
	await r.sender.ok("session:delete", { sessionId: "b" });
	await r.sender.ok("session:create", { id: "b" });
	assert.deepEqual(await ids(), ["b", "c", "a"]);
});

cases("appending and shortening a session keeps exactly what was sent", async (t, bridges) => {
	const r = await room(t, bridges);
	const [other] = r.listeners.slice(1);
	const all = Array.from({ length: 50 }, (_, i) => ({ i, text: `message ${i}` }));
	const changed = all.map((m) => (m.i === 7 ? { ...m, text: "edited" } : m));
	const steps = [all.slice(0, 10), all.slice(0, 11), all, changed, changed.slice(0, 3), [], all, [...all].reverse(), all.slice(20)];
	for (const [n, messages] of steps.entries()) {
		// By turns from two connections, so that neither can rely on what it remembers of the session.
		const writer = n % 3 === 2 ? other : r.sender;
		await writer.ok("session:save", { id: "s", header: { n }, messages });
		assert.deepEqual((await r.get("/sessions/s")).json, { n, messages }, `step ${n}`);
	}
});

cases("many saves of one session at once: the last answered is what stays", async (t, bridges) => {
	const r = await room(t, bridges);
	const writers = [r.sender, ...r.listeners];
	const big = "x".repeat(20000);
	await Promise.all(
		writers.flatMap((writer, w) =>
			Array.from({ length: 25 }, (_, n) =>
				writer.ok("session:save", {
					id: "s",
					header: { w, n },
					messages: Array.from({ length: 1 + ((w + n) % 9) }, (_, i) => ({ w, n, i, big })),
				}),
			),
		),
	);
	const { messages, ...header } = (await r.get("/sessions/s")).json;
	assert.equal(header.n, 24, "an earlier save of the same client won");
	assert.deepEqual(
		messages,
		Array.from({ length: 1 + ((header.w + 24) % 9) }, (_, i) => ({ ...header, i, big })),
		"a mixture of two saves",
	);
});

cases("updates of one session by several writers at once lose nothing", async (t, bridges) => {
	const r = await room(t, bridges, { before: [["session:create", { id: "s" }]] });
	const writers = [r.sender, ...r.listeners];
	const each = 40;
	const answers = await Promise.all(
		writers.flatMap((writer, w) =>
			Array.from({ length: each }, (_, n) => writer.ok("session:updateMeta", { sessionId: "s", updates: { [`w${w}n${n}`]: n } })),
		),
	);
	const header = (await r.get("/sessions")).json[0];
	for (let w = 0; w < writers.length; w++)
		for (let n = 0; n < each; n++) assert.equal(header[`w${w}n${n}`], n, `update ${n} of writer ${w}`);
	// Each answer is the header as its own change left it: sizes 1 more each time, none twice.
	const sizes = answers.map((x) => Object.keys(x).length).sort((a, b) => a - b);
	assert.deepEqual(
		sizes,
		Array.from({ length: writers.length * each }, (_, i) => i + 4),
	);
});
