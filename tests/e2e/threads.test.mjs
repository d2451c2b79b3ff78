// Which of the daemons have threads: those that are run under ThreadSanitizer. The others have one each, so that a thread
// that a library or a change brings is noticed here.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { after, test } from "node:test";
import { startServer } from "../harness/server.mjs";
import { connect } from "../harness/sync.mjs";

let server;
after(() => server?.stop());
server = await startServer({ bridges: 2, env: { FCGI_WORKERS: "3" } });

const threads = (pid) => readdirSync(`/proc/${pid}/task`).length;

function family(pid) {
	const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number);
	return [pid, ...children.flatMap(family)];
}

// Every process of that name under load, with how many threads it had at most.
async function most(name, work) {
	const pids = server.ready.pids[name].flatMap(family), seen = new Map(pids.map((pid) => [pid, 0]));
	const look = () => pids.forEach((pid) => seen.set(pid, Math.max(seen.get(pid), threads(pid))));
	const timer = setInterval(look, 2);
	try {
		await work();
		look();
	} finally {
		clearInterval(timer);
	}
	return [...seen.values()];
}

test("the bridges have one thread each, whatever they do", async (t) => {
	const clients = await Promise.all(Array.from({ length: 8 }, (_, i) => connect(server, "threads", { since: 0, deflate: i % 2 > 0 })));
	t.after(() => clients.forEach((client) => client.kill()));
	const seen = await most("craft-ws-bridge", () =>
		Promise.all(clients.map(async (client) => {
			for (let n = 0; n < 20; n++) await client.ok("labels:save", { n, pad: "p".repeat(n << 12) });
			await client.waitFor(140);
		})));
	assert.deepEqual(seen, [1, 1]);
});

test("so have craft-fcgi and its workers, but while libcurl asks a name server", async () => {
	const body = Buffer.alloc(300_000, "f");
	const seen = await most("craft-fcgi", async () => {
		for (let n = 0; n < 20; n++) {
			const target = `/files/threads/s/attachments/${n}.txt`;
			const answers = await Promise.all([server.request("/workspace/threads/labels"), server.request(target, { method: "PUT", body }),
				server.request("/workspace/threads/sessions")]);
			assert.ok(answers.every(({ status }) => status < 300), answers.map(({ status }) => status).join());
			assert.ok((await server.request(target)).body.equals(body));
		}
	});
	assert.ok(seen.length >= 4, "not all workers were looked at");
	assert.deepEqual(new Set(seen), new Set([1]));
});

test("craft-sandboxd has libuv's pool beside its own", () => {
	for (const pid of server.ready.pids["craft-sandboxd"]) assert.ok([1, 17].includes(threads(pid)), `${threads(pid)} threads`);
});
