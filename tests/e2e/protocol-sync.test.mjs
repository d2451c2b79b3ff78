// What the protocol promises of workspace sync (section 2) and no other file holds: pings, and a request that is sent again when
// the log doesn't reach back to its answer any more.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { startServer } from "../harness/server.mjs";
import { connect } from "../harness/sync.mjs";

const LOG_BYTES = 1 << 20;
const server = await startServer({ bridges: 2, env: { CHANGE_LOG_BYTES: String(LOG_BYTES) } });
after(() => server.stop());

let counter = 0;
const fresh = () => `protocol-${process.pid}-${++counter}`;

async function join(t, slug, options = {}) {
	const client = await connect(server, slug, options);
	t.after(() => client.kill());
	return client;
}

// ---- pings ----

test("a ping is answered with a pong, and nothing else", async (t) => {
	const client = await join(t, fresh());
	const pings = ['{"type":"ping"}', ' { "requestId" : 7 , "type" : "ping" } ', '{"type":"p\\u0069ng","data":null,"more":[1]}'];
	for (const ping of pings) client.ws.send(ping);
	await client.until(() => client.texts.length >= pings.length, "the pongs");
	assert.deepEqual(client.texts, pings.map(() => '{"type":"pong"}'));
	assert.equal((await client.call("Ping", {})).error, "Unknown message type: Ping");
});

test("a ping doesn't wait for the database", async (t) => {
	const client = await join(t, fresh());
	await client.ok("labels:save", {});
	await server.stopDatabase();
	try {
		const answer = client.call("labels:save", { n: 1 }, "r", 60_000);
		client.ws.send('{"type":"ping"}');
		await client.until(() => client.texts.includes('{"type":"pong"}'), "the pong");
		assert.equal(client.answers.length, 1, "the pong came behind the answer");
		assert.equal(typeof (await answer).error, "string");
	} finally {
		await server.startDatabase();
	}
});

// ---- the same request again ----

// Writes until the log of the workspace begins behind what is there now.
async function outgrow(slug, client) {
	const seq = Number(server.psqlValue(`select seq from app.workspace where slug = '${slug}'`));
	const floor = () => Number(server.psqlValue(`select floor from app.workspace where slug = '${slug}'`));
	for (let n = 0; floor() < seq; n++) {
		assert.ok(n < 20, "the log isn't pruned by its bytes");
		await client.ok("statuses:save", { n, filling: "x".repeat(LOG_BYTES / 4) });
	}
}

const HOSTILE = String.raw`{"id":"s1","name":"a\u0000b\ud83d","n":1.50e1,"k":1,"k":2,"createdAt":"mine","list":[1, {"a":null}]}`;

test("sent again when the log doesn't reach back: the first answer", async (t) => {
	const slug = fresh();
	const [first, writer] = [await join(t, slug, { client: "me", since: 0 }), await join(t, slug)];
	const requests = [
		`{"type":"session:create","data":${HOSTILE},"requestId":"a"}`,
		'{"type":"source:create","data":{"slug":"gh", "n":1.0},"requestId":"b"}',
		'{"type":"session:updateMeta","data":{"sessionId":"s1","updates":{"name":"\\ud83d"}},"requestId":{"c":[1]}}',
		'{"type":"session:updateSdkId","data":{"sessionId":"s1","sdkSessionId":"x"},"requestId":4}',
		'{"type":"session:updateMeta","data":{"sessionId":"s1","updates":{"last":1}},"requestId":null}',
	];
	const answers = [];
	for (const request of requests) answers.push((await first.send(request)).raw);
	assert.deepEqual(answers.filter((raw) => /"error"/.test(raw)), []);
	await outgrow(slug, writer);
	await first.kill();
	// On whichever bridge it comes back, and without the numbers that only who asks for them gets.
	for (const bridge of [0, 1]) {
		const again = await join(t, slug, { bridge, client: "me", since: 0 });
		for (const i of [0, 1, 3, 4]) assert.equal((await again.send(requests[i])).raw, answers[i], requests[i]);
		const now = JSON.parse((await again.send(requests[2])).raw);
		assert.deepEqual(now, { ...JSON.parse(answers[2]), data: JSON.parse(answers[4]).data }, "the header isn't the one that is there now");
	}
	assert.equal((await writer.call("session:create", { id: "s1" })).error, "Session already exists: s1");
	// What a bridge remembers of it is small, however big what was sent.
	assert.ok(Number(server.psqlValue("select max(coalesce(pg_column_size(answer), 0)) from app.seen_request")) < 100);
});

test("sent again when its session is gone too: an error that says so, and nothing is applied", async (t) => {
	const slug = fresh();
	const [client, writer] = [await join(t, slug, { client: "me" }), await join(t, slug)];
	await client.ok("session:create", { id: "s" }, 1);
	await client.ok("session:updateMeta", { sessionId: "s", updates: { a: 1 } }, 2);
	await writer.ok("session:delete", { sessionId: "s" });
	await outgrow(slug, writer);
	assert.match((await client.call("session:updateMeta", { sessionId: "s", updates: { a: 1 } }, 2)).error, /applied before/);
	assert.equal((await client.call("session:create", { id: "s" }, 1)).data.id, "s");
	assert.deepEqual((await server.request(`/workspace/${slug}/sessions`)).json, []);
});
