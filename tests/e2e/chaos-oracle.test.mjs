// The oracle's own judgement (tests/harness/oracle*.mjs), on made-up histories: it finds nothing in a good one, and each
// kind of fault in a bad one.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { WebSocketServer } from "ws";
import { Place } from "../harness/oracle.mjs";
import { Listener } from "../harness/oracle_listener.mjs";
import { PlainWriter } from "../harness/oracle_writers.mjs";
import { waitFor } from "../harness/server.mjs";

// Before the first test, as the runner ends with the last one that it knows.
const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
await new Promise((resolve) => server.once("listening", resolve));
after(() => server.close());

// ---- the log, the listeners, the state ----

const SUCCESS = { success: true };

// Three changes: one acknowledged, one of unknown outcome that was applied, one refused; and a listener.
function history() {
	const save = (mark) => ({ id: "s", header: { id: "s", mark }, messages: [{ mark, text: "é" }] });
	const labels = (mark) => ({ mark, n: 1 });
	const ops = [
		{ mark: "a.1", type: "session:save", data: save("a.1"), state: "acked", seq: 1, answer: SUCCESS },
		{ mark: "a.2", type: "labels:save", data: labels("a.2"), state: "unknown" },
		{ mark: "a.3", type: "labels:save", data: labels("a.3"), state: "refused" },
	];
	const rows = [
		{ seq: 1, entity: "session", action: "updated", data: save("a.1").header },
		{ seq: 2, entity: "labels", action: "updated", data: labels("a.2") },
	];
	return { ops, rows, head: 2, events: structuredClone(rows), start: 0,
		sessions: [["s", save("a.1").header]], messages: [["s", save("a.1").messages[0]]],
		rest: { "/sessions": [save("a.1").header], "/sessions/s": { ...save("a.1").header, messages: save("a.1").messages },
			"/labels": labels("a.2"), "/skills": [], "/sources": [] } };
}

async function judge(h) {
	const wrong = [];
	const query = async (sql) => {
		if (/^select seq from/.test(sql)) return [[String(h.head)]];
		if (/report\.changes/.test(sql)) return h.rows.map(({ seq, entity, action, data }) => [String(seq), entity, action, JSON.stringify(data)]);
		return (/app\.message/.test(sql) ? h.messages : h.sessions).map(([id, json]) => [id, JSON.stringify(json)]);
	};
	const load = { blame: (text) => wrong.push(text), random: () => 0, server: { query },
		get: async (path) => h.rest[path.replace("/workspace/w", "")] };
	const place = new Place(load, "w");
	for (const op of h.ops) place.ops.set(op.mark, op);
	const events = new Map(h.events.map(({ seq, ...event }) => [seq, event]));
	place.listeners.push({ name: "the listener", start: h.start, events });
	place.judgeListeners(await place.judgeLog());
	place.judgeAcknowledged();
	await place.judgeState();
	return wrong;
}

const bad = {
	"an acknowledged change isn't in the log": [/acknowledged and is lost/, (h) => h.ops.push({ mark: "a.4", type: "labels:save", data: {}, state: "acked" })],
	"what was said to be applied isn't in the log": [/acknowledged and is lost/, (h) => h.ops.push({ mark: "a.4", type: "labels:save", data: {}, state: "applied" })],
	"a change is there twice": [/a\.2 was applied twice: 2 and 3/, (h) => {
		h.rows.push({ ...h.rows[1], seq: 3 });
		h.head = 3;
	}],
	"a refused change is there": [/a\.3 was refused, and applied as 3/, (h) => {
		h.rows.push({ seq: 3, entity: "labels", action: "updated", data: { mark: "a.3", n: 1 } });
		h.head = 3;
	}],
	"a change of nobody": [/made by nobody/, (h) => { h.rows[1].data = { mark: "z", n: 1 }; }],
	"an acknowledgement with another number": [/acknowledged as 7, and is 1/, (h) => { h.ops[0].seq = 7; }],
	"an answer that isn't what was stored": [/the answer to a\.1/, (h) => { h.ops[0].answer = { success: false }; }],
	"a gap in the log": [/goes on with 3 after 1/, (h) => {
		h.rows[1].seq = 3;
		h.head = 3;
	}],
	"a log that ends too soon": [/ends with 2, the workspace counts 3/, (h) => { h.head = 3; }],
	"a workspace that counts too little": [/ends with 2, the workspace counts 1/, (h) => { h.head = 1; }],
	"other data in the log": [/isn't what a\.2 \(labels:save\) sent/, (h) => { h.rows[1].data.n = 2; }],
	"another order of keys in the log": [/isn't what a\.2/, (h) => { h.rows[1].data = { n: 1, mark: "a.2" }; }],
	"a listener missed one": [/the listener missed 1/, (h) => h.events.shift()],
	"a listener was given too much": [/given 9, which isn't in the log/, (h) => h.events.push({ ...h.events[1], seq: 9 })],
	"a listener was given something else": [/given another 2/, (h) => { h.events[1].data.n = 2; }],
	"a session isn't in the database": [/session s in the database isn't/, (h) => { h.sessions = []; }],
	"a session has another header": [/session s in the database isn't/, (h) => { h.sessions[0][1].x = 1; }],
	"a message too many": [/session s in the database isn't/, (h) => h.messages.push(h.messages[0])],
	"a session too many": [/session t shouldn't be/, (h) => h.sessions.push(["t", { id: "t" }])],
	"REST lists another session": [/the list of sessions/, (h) => { h.rest["/sessions"] = []; }],
	"REST gives other messages": [/session s: /, (h) => { h.rest["/sessions/s"].messages[0].text = "e"; }],
	"REST gives older labels": [/labels: /, (h) => { h.rest["/labels"] = { mark: "a.0", n: 1 }; }],
	"REST gives a skill of nobody": [/skills: /, (h) => h.rest["/skills"].push({ slug: "x" })],
};

describe("a history", () => {
	test("that is good", async () => assert.deepEqual(await judge(history()), []));
	test("of a listener that came later", async () => {
		const h = history();
		h.start = 1;
		h.events.shift();
		assert.deepEqual(await judge(h), []);
	});
	for (const [name, [complaint, spoil]] of Object.entries(bad))
		test(name, async () => {
			const h = history();
			spoil(h);
			const wrong = await judge(h);
			assert.ok(wrong.some((text) => complaint.test(text)), `it found ${JSON.stringify(wrong)}`);
		});
});

// ---- what clients see ----

// A server that says the first of the stories on the client's first connection, the second on its next one.
// until(wrong, client): all has been seen.
async function told(Client, stories, until) {
	const wrong = [], urls = [];
	let connections = 0;
	const serve = (socket) => {
		for (const message of stories[connections++] ?? []) socket.send(JSON.stringify(message));
		if (connections < stories.length) socket.close();
	};
	server.on("connection", serve);
	const client = new Client({ name: "it", blame: (text) => wrong.push(text), options: () => ({}), note: () => {}, acked: () => {}, random: () => 0,
		url: (query) => {
			urls.push(query);
			return `ws://127.0.0.1:${server.address().port}`;
		} });
	await waitFor(() => until(wrong, client), { what: "the end of the story" });
	await client.stop();
	server.off("connection", serve);
	return { wrong, urls, client };
}

const hello = (seq, more = {}) => ({ type: "hello", epoch: "e", seq, resumed: true, ...more });
const broadcast = (seq) => ({ type: "broadcast", seq, event: { entity: "labels", action: "updated", data: {} } });

const stories = {
	"a gap": [/after 5 came 7/, [[hello(5), broadcast(7)]]],
	"one again": [/after 6 came 6/, [[hello(5), broadcast(6), broadcast(6)]]],
	"one again on the next connection": [/after 6 came 6/, [[hello(5), broadcast(6)], [hello(6), broadcast(6)]]],
	"one missing on the next connection": [/after 6 came 8/, [[hello(5), broadcast(6)], [hello(8), broadcast(8)]]],
	"told to reload": [/told to reload after 6/, [[hello(5), broadcast(6)], [hello(6, { resumed: false })]]],
	"a head that went back": [/the head went back from 6 to 5/, [[hello(5), broadcast(6)], [hello(5)]]],
	"another epoch": [/the epoch changed/, [[hello(5)], [hello(5, { epoch: "f" })]]],
	"an answer to nothing": [/unexpected/, [[hello(5), { type: "response", requestId: 1 }]]],
};

describe("a listener", () => {
	test("that gets everything once resumes where it was", async () => {
		const { wrong, urls, client } = await told(Listener, [[hello(5), broadcast(6)], [hello(7), broadcast(7)]],
			(_, { given }) => given === 2);
		assert.deepEqual(wrong, []);
		assert.deepEqual(urls.slice(0, 2), [{ since: 0 }, { since: 6, epoch: "e" }]);
		assert.deepEqual([...client.events.keys()], [6, 7]);
	});
	for (const [name, [complaint, story]] of Object.entries(stories))
		test(name, () => told(Listener, story, (wrong) => wrong.some((text) => complaint.test(text))));
});

test("a writer: an answer to another request, and a number that comes again", async () => {
	const answer = { type: "response", requestId: "nobody's", data: {}, seq: 6 };
	const { wrong } = await told(PlainWriter, [[hello(5), broadcast(6), broadcast(6), answer]], ({ length }) => length >= 2);
	assert.match(wrong[0], /6 came again/);
	assert.match(wrong[1], /an answer to nobody's where undefined was due/);
});

test("a writer: a number that never comes, which is none once the oracle knows it for its own", async () => {
	await told(PlainWriter, [[hello(5), broadcast(7)]], (_, writer) => {
		if (writer.gap !== "nothing between 5 and 7") return false;
		writer.saw(6, true);
		assert.equal(writer.gap, "");
		return true;
	});
});
