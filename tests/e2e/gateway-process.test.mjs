// The gateway of a sandbox as a process: what can be seen of it, what it reports, and how it ends.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { after, test } from "node:test";
import { startGateway, startUpstream } from "../harness/gateway.mjs";
import { alive, waitFor } from "../harness/server.mjs";

const KEY = "sk-ant-api03-the-real-key-0123456789";
const OAUTH = "sk-ant-oat01-the-real-token-0123456789";
const TOKEN = "gho_thetokenofthegithost0123456789";

// It says which key it got.
let handle = (req, res) => res.end(JSON.stringify(req.headers));
const upstream = await startUpstream((...args) => handle(...args));
after(() => upstream.close());

test("nothing secret can be seen of the process, and it isn't root", async (t) => {
	const gateway = await startGateway({ model: upstream.url, token: TOKEN });
	t.after(() => gateway.kill());
	for (const [give, secret] of [["oauth", OAUTH], ["key", KEY]]) {
		gateway[give](secret);
		await waitFor(async () => (await gateway.post("api", "/v1/messages", "{}")).text.includes(secret));
	}
	for (const file of ["environ", "cmdline", "status", "maps"]) {
		const text = readFileSync(`/proc/${gateway.pid}/${file}`, "latin1");
		for (const secret of [KEY, OAUTH, TOKEN]) assert.ok(!text.includes(secret), file);
	}
	assert.equal(readFileSync(`/proc/${gateway.pid}/environ`, "latin1"), "");
	const status = readFileSync(`/proc/${gateway.pid}/status`, "latin1");
	if (process.getuid() === 0) {
		assert.ok(gateway.user >= 700_000);
		assert.deepEqual(/^Uid:\t(.*)$/m.exec(status)[1].split("\t").map(Number), Array(4).fill(gateway.user));
	}
	assert.match(status, /^NoNewPrivs:\t1$/m);
	await gateway.stop();
	for (const secret of [KEY, OAUTH, TOKEN]) assert.ok(!gateway.errors.includes(secret));
});

test("equal decisions are told once, with their number", async (t) => {
	const mine = await startGateway({ model: upstream.url });
	t.after(() => mine.kill());
	for (let i = 0; i < 50; i++) await mine.request("api", "/v1/files");
	await mine.request("api", "/v1/other");
	await mine.event({ host: "GET /v1/other", allowed: false, times: 1 });
	assert.equal(mine.events.filter(({ host }) => host === "GET /v1/files").length, 1);
	// Ten seconds after the first one.
	await mine.event({ host: "GET /v1/files", times: 49 }, 30_000);
	await mine.stop();
});

test("it ends with its daemon, by whatever means, and takes its sockets with it", async (t) => {
	const mine = await startGateway({ model: upstream.url });
	t.after(() => mine.kill());
	mine.key(KEY);
	const { pid } = mine;
	handle = () => {};
	const hanging = mine.post("api", "/v1/messages", "{}").catch(() => "ended");
	mine.tell("stop");
	await waitFor(() => mine.ended === 0);
	assert.ok(["ended", 401].includes((await hanging).status ?? await hanging));
	assert.ok(!alive(pid));
	for (const name of ["egress", "api", "git"]) assert.ok(!existsSync(mine.socketPath(name)));
	await mine.stop();
	const killed = await startGateway({ model: upstream.url });
	t.after(() => killed.kill());
	killed.child.kill("SIGKILL");
	await waitFor(() => !alive(killed.pid));
	killed.kill();
});
