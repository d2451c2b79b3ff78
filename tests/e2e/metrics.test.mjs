// What the daemons tell of themselves: /metrics that move with what is done, /healthz, /readyz while the database is away and while a daemon
// drains; logs as JSON; and that none of it is in anybody's way, or open to clients.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import { after, before, test } from "node:test";
import { ask, parseMetrics } from "../harness/metrics.mjs";
import { startSandboxRig } from "../harness/sandbox.mjs";
import { alive, ROOT, waitFor } from "../harness/server.mjs";
import { connect } from "../harness/sync.mjs";

let rig, server, sockets, port;

const freePort = () => new Promise((resolve) => {
	const listener = net.createServer().listen(0, "127.0.0.1", () => {
		const { port: free } = listener.address();
		listener.close(() => resolve(free));
	});
});

before(async () => {
	port = await freePort();
	rig = await startSandboxRig({ bridges: 2, env: { METRICS: "yes", FCGI_METRICS_LISTEN: `127.0.0.1:${port}`, LOG_FORMAT: "json", WS_DRAIN_TIME: "3000" } });
	server = rig.server;
	const at = (name) => path.join(server.runDir, `watch-${name}.sock`);
	sockets = { fcgi: `127.0.0.1:${port}`, ws1: at("ws-1"), ws2: at("ws-2"), box: at("box") };
	for (const socket of Object.values(sockets)) await waitFor(async () => (await ask(socket, "/readyz")).status === 200, { what: `${socket} to be ready` });
});

after(() => rig?.stop());

async function scrape(name) {
	const { status, headers, text } = await ask(sockets[name], "/metrics");
	assert.equal(status, 200);
	assert.equal(headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
	return parseMetrics(text);
}

/** What grew meanwhile, by name and labels. */
async function during(name, work) {
	const earlier = await scrape(name);
	await work();
	const later = await scrape(name);
	return (metric, labels) => (later.value(metric, labels) ?? 0) - (earlier.value(metric, labels) ?? 0);
}

test("all daemons tell by the letter of the format", async () => {
	for (const [name, prefix] of [["fcgi", "craft_fcgi_"], ["ws1", "craft_ws_"], ["ws2", "craft_ws_"], ["box", "craft_sandbox_"]]) {
		const { families, value } = await scrape(name);
		for (const family of families.keys()) assert.match(family, new RegExp(`^(${prefix}|process_|craft_build_info$)`));
		assert.ok(value("process_resident_memory_bytes") > 1e6);
		assert.ok(value(`${prefix}db_seconds_count`) > 0);
		assert.equal(value(`${prefix}db_up`), 1);
		const version = readFileSync(path.join(ROOT, "configure.ac"), "utf8").match(/AC_INIT\(\[[^\]]*\], \[([^\]]*)\]/)[1];
		assert.equal(value("craft_build_info", { version }), 1);
	}
});

test("requests are counted by route, method and status, and no name of a client's becomes a label", async () => {
	const slug = "a-slug-of-my-own", file = `/files/${slug}/s/attachments/a.txt`;
	const grown = await during("fcgi", async () => {
		for (let i = 0; i < 3; i++) assert.equal((await server.request(`/workspace/${slug}/sessions`)).status, 200);
		assert.equal((await server.request(`/workspace/${slug}/sessions`, { method: "HEAD" })).status, 200);
		assert.equal((await server.request(`/workspace/${slug}/nothing`)).status, 404);
		assert.equal((await server.request(`/workspace/${slug}/sessions`, { key: "wrong-key" })).status, 401);
		assert.equal((await server.request(file, { method: "PUT", body: "x" })).status, 201);
		assert.equal((await server.request(file, { method: "PUT", body: "x", key: "wrong-key" })).status, 401);
		assert.equal((await server.request(file)).status, 200);
	});
	const requests = (route, method, status) => grown("craft_fcgi_requests_total", { route, method, status: String(status) });
	const lists = { route: "/workspace/:slug/sessions", method: "GET" };
	assert.equal(requests(lists.route, "GET", 200), 3);
	assert.equal(requests(lists.route, "HEAD", 200), 1);
	assert.equal(requests("none", "GET", 404), 1);
	assert.equal(requests("none", "GET", 401), 1);
	// nginx asks before it takes the body: what is refused then is counted, what isn't comes by itself.
	assert.equal(requests("/files/:workspace/:session/:type/:filename", "PUT", 201), 1);
	assert.equal(requests("none", "PUT", 401), 1);
	assert.equal(requests("/files/:workspace/:session/:type/:filename", "GET", 200), 1);
	assert.equal(grown("craft_fcgi_request_seconds_count", lists), 3);
	assert.ok(grown("craft_fcgi_request_seconds_sum", lists) > 0 && grown("craft_fcgi_request_seconds_sum", lists) < 30);
	assert.equal(grown("craft_fcgi_limits_total", { limit: "wrong_key" }), 2);
	assert.equal(grown("craft_fcgi_db_statement_seconds_count", { statement: "file_put" }), 1);
	assert.ok(grown("craft_fcgi_sent_bytes_total") > 0);
	assert.ok(!(await ask(sockets.fcgi, "/metrics")).text.includes(slug));
});

test("a worker that is killed is counted, and takes nothing with it", async () => {
	const before = await scrape("fcgi");
	const route = { route: "/workspace/:slug/sessions", method: "GET" };
	const [master] = server.ready.pids["craft-fcgi"];
	const children = readFileSync(`/proc/${master}/task/${master}/children`, "utf8").trim().split(" ").map(Number);
	// The one for metrics was the last to be made.
	process.kill(children[0], "SIGKILL");
	await waitFor(async () => (await scrape("fcgi")).value("craft_fcgi_worker_crashes_total") === before.value("craft_fcgi_worker_crashes_total") + 1);
	const later = await waitFor(async () => {
		const now = await scrape("fcgi");
		return now.value("craft_fcgi_workers", { pool: "quick" }) === before.value("craft_fcgi_workers", { pool: "quick" }) && now;
	});
	assert.ok(later.value("craft_fcgi_request_seconds_count", route) >= before.value("craft_fcgi_request_seconds_count", route));
	assert.equal(later.value("craft_fcgi_worker_starts_total"), before.value("craft_fcgi_worker_starts_total") + 1);
});

test("the process that tells comes back, is no worker, and waits for an address that is taken", async () => {
	const [master] = server.ready.pids["craft-fcgi"];
	const listeners = () => execFileSync("ss", ["-Hltnp", `sport = :${port}`], { encoding: "utf8" });
	const pid = Number(/pid=(\d+)/.exec(listeners())?.[1]);
	assert.ok(alive(pid) && pid !== master);
	process.kill(pid, "SIGKILL");
	// It is made again after a second: the address is somebody else's by then.
	const other = await waitFor(() => new Promise((resolve, reject) => {
		const listener = net.createServer((socket) => socket.destroy());
		listener.once("error", reject).listen(port, "127.0.0.1", () => resolve(listener));
	}), { every: 1 });
	await waitFor(() => /FCGI_METRICS_LISTEN: can't listen on .*: Address already in use; it is tried again/.test(server.logs("craft-fcgi")));
	assert.equal((await server.request("/workspace/metrics/sessions")).status, 200, "requests don't mind");
	await new Promise((done) => { other.close(done); });
	await waitFor(async () => (await ask(sockets.fcgi, "/readyz")).status === 200);
	assert.equal((await scrape("fcgi")).value("craft_fcgi_draining"), 0);
});

test("messages, commits and fan-out of a bridge", async (t) => {
	const [a, b] = await Promise.all([0, 1].map(() => connect(server, "metrics", { since: 0, bridge: 0 })));
	t.after(() => [a, b].forEach((client) => client.kill()));
	const grown = await during("ws1", async () => {
		for (let n = 0; n < 5; n++) await a.ok("labels:save", { n });
		await b.waitFor(5);
		assert.ok((await a.call("no:such", {})).error);
	});
	assert.equal(grown("craft_ws_messages_total", { type: "labels:save" }), 5);
	assert.equal(grown("craft_ws_messages_total", { type: "unknown" }), 1);
	assert.equal(grown("craft_ws_message_seconds_count", { type: "labels:save" }), 5);
	assert.ok(grown("craft_ws_message_seconds_sum", { type: "labels:save" }) > 0);
	assert.equal(grown("craft_ws_replies_total", { outcome: "data" }), 5);
	assert.equal(grown("craft_ws_replies_total", { outcome: "error" }), 1);
	assert.equal(grown("craft_ws_commit_seconds_count", { lane: "small" }), 5);
	assert.equal(grown("craft_ws_batch_size_sum"), 5);
	assert.equal(grown("craft_ws_events_total"), 5);
	assert.equal(grown("craft_ws_fanout_frames_total"), 5);
	assert.equal(grown("craft_ws_fanout_listeners_sum"), 10);
	assert.ok(grown("craft_ws_received_bytes_total") > 0 && grown("craft_ws_sent_bytes_total") > grown("craft_ws_fanout_bytes_total"));
	const now = await scrape("ws1");
	assert.equal(now.value("craft_ws_connections"), 2);
	assert.equal(now.value("craft_ws_rooms", { kind: "workspace" }), 1);
	assert.equal(now.value("craft_ws_queue_requests", { lane: "small" }), 0);
	assert.equal((await scrape("ws2")).value("craft_ws_messages_total", { type: "labels:save" }), 0, "each bridge counts its own");
	const closed = await during("ws1", async () => {
		b.ws.close(1000);
		await waitFor(async () => (await scrape("ws1")).value("craft_ws_connections") === 1);
	});
	assert.equal(closed("craft_ws_disconnects_total", { code: "1000" }), 1);
});

test("a wrong key at a bridge", async () => {
	const grown = await during("ws1", () => assert.rejects(connect(server, "metrics", { apiKey: "wrong-key", bridge: 0 }), /401/));
	assert.equal(grown("craft_ws_limits_total", { limit: "wrong_key" }), 1);
	assert.equal(grown("craft_ws_refused_total"), 1);
});

test("sandboxes, clones and jobs", async () => {
	await rig.addRepo("alice/notes", { "a.txt": "hello\n" });
	let sandbox;
	const grown = await during("box", async () => {
		sandbox = await rig.ready("alice/notes");
		assert.equal((await sandbox.bash("cat a.txt")).output, "hello\n");
		assert.equal((await sandbox.tool("Bash", { command: "exit 3" })).exitCode, 3);
	});
	assert.equal(grown("craft_sandbox_begun_total", { how: "made" }), 1);
	assert.equal(grown("craft_sandbox_clone_seconds_count"), 1);
	assert.equal(grown("craft_sandbox_clone_failures_total"), 0);
	assert.equal(grown("craft_sandbox_job_seconds_count", { kind: "tool" }), 2);
	assert.equal(grown("craft_sandbox_jobs_total", { kind: "tool", outcome: "success" }), 1);
	assert.equal(grown("craft_sandbox_jobs_total", { kind: "tool", outcome: "failure" }), 1);
	assert.ok(grown("craft_sandbox_messages_total") > 0);
	assert.equal((await scrape("box")).value("craft_sandbox_sandboxes", { status: "ready" }), 1);
	const ended = await during("box", async () => {
		await sandbox.delete();
		await waitFor(async () => (await scrape("box")).value("craft_sandbox_sandboxes", { status: "expired" }) === 0 &&
			(await scrape("box")).value("craft_sandbox_sandboxes", { status: "ready" }) === 0);
	});
	assert.equal(ended("craft_sandbox_ended_total", { reason: "user" }), 1);
});

test("readyz tells that the database is away, healthz doesn't mind", async () => {
	await server.stopDatabase();
	for (const [name, socket] of Object.entries(sockets)) {
		const answer = await waitFor(async () => {
			const got = await ask(socket, "/readyz");
			return got.status === 503 && got;
		}, { what: `${name} to notice` });
		assert.equal(answer.text, "not ready: the database doesn't answer\n");
		assert.deepEqual([(await ask(socket, "/healthz")).status, (await ask(socket, "/healthz")).text], [200, "alive\n"]);
		const { families, value } = await scrape(name);
		assert.equal(value([...families.keys()].find((family) => family.endsWith("_db_up"))), 0);
	}
	await server.startDatabase();
	for (const [name, socket] of Object.entries(sockets))
		await waitFor(async () => (await ask(socket, "/readyz")).text === "ready\n", { what: `${name} to be ready again`, deadline: 20_000 });
});

test("a database that hangs is away, too", async (t) => {
	const pids = server.psql("select pid from pg_stat_activity where application_name = 'craft-ws-bridge watch'").map(([pid]) => Number(pid));
	assert.equal(pids.length, 2);
	t.after(() => pids.forEach((pid) => alive(pid) && process.kill(pid, "SIGCONT")));
	for (const pid of pids) process.kill(pid, "SIGSTOP");
	await waitFor(async () => (await ask(sockets.ws1, "/readyz")).status === 503, { deadline: 15_000 });
	for (const pid of pids) process.kill(pid, "SIGCONT");
	await waitFor(async () => (await ask(sockets.ws1, "/readyz")).status === 200, { deadline: 15_000 });
});

test("only GET and HEAD of the three paths", async () => {
	for (const socket of Object.values(sockets)) {
		assert.equal((await ask(socket, "/")).status, 404);
		assert.equal((await ask(socket, "/metrics/../healthz")).status, 404);
		const { status, headers } = await ask(socket, "/metrics", { method: "POST" });
		assert.deepEqual([status, headers.allow], [405, "GET, HEAD"]);
		assert.equal((await ask(socket, "/metrics", { method: "HEAD" })).text, "");
		assert.equal((await ask(socket, "/healthz", { headers: { "x-long": "a".repeat(5000) } })).status, 431);
	}
});

test("those who say nothing hold eight places for five seconds, and nobody else up", async () => {
	const began = Date.now();
	const idle = await Promise.all(Array.from({ length: 12 }, () => new Promise((resolve, reject) => {
		const socket = net.connect(sockets.ws1, () => resolve(socket)).on("error", reject);
		socket.ended = new Promise((done) => { socket.once("close", () => done(Date.now() - began)); });
		socket.resume();
	})));
	const times = (await Promise.all(idle.map(({ ended }) => ended))).sort((a, b) => a - b);
	assert.ok(times[3] < 4000, `four too many: ${times}`);
	assert.ok(times[4] > 4000 && times[11] < 9000, `eight for five seconds: ${times}`);
	assert.equal((await ask(sockets.ws1, "/healthz")).status, 200);
});

test("clients can't reach it, and it holds no secret", async () => {
	for (const target of ["/metrics", "/healthz", "/readyz"]) assert.equal((await server.request(target)).status, 404);
	const conf = readFileSync(path.join(server.dir, "conf/craft-agent-cloud.conf"), "utf8");
	const secrets = [...conf.matchAll(/^(?:API_KEY|ENCRYPTION_KEY|DATABASE_URL|GITHUB_CLIENT_SECRET)=(.+)$/gm)].map(([, value]) => value);
	assert.ok(secrets.length >= 3);
	for (const socket of Object.values(sockets)) {
		const { text } = await ask(socket, "/metrics");
		for (const secret of secrets) assert.ok(!text.includes(secret));
	}
});

test("the dashboard asks for what there is", async () => {
	const dashboard = JSON.parse(readFileSync(path.join(ROOT, "dist/grafana/craft-agent-cloud.json"), "utf8"));
	const known = new Set();
	for (const name of Object.keys(sockets)) {
		for (const [family, { type }] of (await scrape(name)).families)
			for (const suffix of type === "histogram" ? ["_bucket", "_sum", "_count"] : [""]) known.add(family + suffix);
	}
	const expressions = dashboard.panels.flatMap((panel) => [panel, ...(panel.panels ?? [])]).flatMap((panel) => panel.targets ?? []).map(({ expr }) => expr);
	assert.ok(expressions.length >= 20);
	for (const expression of expressions) {
		const names = expression.match(/\b(?:craft|process)_[a-z0-9_]+/g);
		assert.ok(names, `a metric in ${expression}`);
		for (const name of names) assert.ok(known.has(name), `${name} in ${expression}`);
	}
	const ids = dashboard.panels.map(({ id }) => id);
	assert.equal(new Set(ids).size, ids.length);
});

test("a bridge that drains is not ready, and takes its socket away when it ends", async (t) => {
	const clients = await Promise.all(Array.from({ length: 4 }, () => connect(server, "draining", { bridge: 1 })));
	t.after(() => clients.forEach((client) => client.kill()));
	const [, pid] = server.ready.pids["craft-ws-bridge"];
	server.kill("craft-ws-bridge", "SIGTERM", 1);
	const answer = await waitFor(async () => {
		const got = await ask(sockets.ws2, "/readyz");
		return got.status === 503 && got;
	});
	assert.equal(answer.text, "not ready: draining\n");
	await waitFor(() => !alive(pid), { deadline: 20_000 });
	assert.ok(!existsSync(sockets.ws2));
});

test("each line of the logs is a JSON object, with nginx's id of the request", async () => {
	const { headers } = await server.request("/workspace/json-lines/sessions");
	const id = headers["x-request-id"];
	assert.ok(id);
	let lines = 0;
	const read = () => {
		const found = [];
		for (const name of readdirSync(server.logDir).filter((file) => file.startsWith("craft-"))) {
			for (const line of readFileSync(path.join(server.logDir, name), "utf8").split("\n").filter(Boolean)) {
				lines++;
				let entry;
				assert.doesNotThrow(() => { entry = JSON.parse(line); }, `${name}: ${line}`);
				assert.match(entry.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
				assert.match(entry.level, /^(error|warn|info|debug)$/);
				assert.match(entry.prog, /^craft-/);
				assert.equal(typeof entry.pid, "number");
				assert.equal(typeof entry.msg, "string");
				if (entry.req === id) found.push(entry);
			}
		}
		return found;
	};
	const [entry] = await waitFor(() => { const found = read(); return found.length && found; });
	assert.equal(entry.prog, "craft-fcgi");
	assert.match(entry.msg, /^GET \/workspace\/json-lines\/sessions status=200 /);
	assert.ok(lines > 20);
});

test("the id of the request that asked for a sandbox leads to its host's lines", async () => {
	await rig.addRepo("alice/traced", { "a.txt": "x\n" });
	const { json, headers } = await rig.create("alice/traced");
	const entries = () => server.logs("craft-").split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
	const asked = await waitFor(() => entries().find(({ msg }) => msg === `sandbox ${json.sessionId} is asked for`));
	assert.equal(asked.req, headers["x-request-id"]);
	await waitFor(() => entries().some(({ prog, req, msg }) => prog === "craft-sandboxd" && req === json.sessionId && /^making a sandbox/.test(msg)));
});
