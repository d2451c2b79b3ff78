// What the daemons tell of themselves: /metrics that move with what is done, /healthz, /readyz while the database is away and while a daemon
// drains; logs as JSON; and that none of it is in anybody's way, or open to clients.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chownSync, existsSync, readFileSync, readdirSync, renameSync, statSync, writeFileSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import { after, before, test } from "node:test";
import { BlobDir } from "../harness/housekeeping.mjs";
import { ask, parseMetrics } from "../harness/metrics.mjs";
import { ownMs, slowness } from "../harness/pace.mjs";
import { Prometheus, dashboardExpressions, hasPrometheus, promtool } from "../harness/prometheus.mjs";
import { startSandboxRig } from "../harness/sandbox.mjs";
import { alive, ROOT, waitFor } from "../harness/server.mjs";
import { connect } from "../harness/sync.mjs";

const DASHBOARD = path.join(ROOT, "dist/grafana/craft-agent-cloud.json");
let rig, server, sockets, port;

const freePort = () => new Promise((resolve) => {
	const listener = net.createServer().listen(0, "127.0.0.1", () => {
		const { port: free } = listener.address();
		listener.close(() => resolve(free));
	});
});

before(async () => {
	port = await freePort();
	rig = await startSandboxRig({ bridges: 2, env: { METRICS: "yes", FCGI_METRICS_LISTEN: `127.0.0.1:${port}`, LOG_FORMAT: "json", WS_DRAIN_TIME: "3000",
		FCGI_ANSWER_CACHE: "1M", SWEEP_INTERVAL: "1" } });
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

test("answers that workers keep, by what became of the asking", async () => {
	const list = "/workspace/kept/sessions", chat = () => server.request("/workspace/kept/actions/new-chat", { method: "POST", body: { name: "n" } });
	const [{ json: { id } }] = [await chat()];
	const workers = (await scrape("fcgi")).value("craft_fcgi_workers", { pool: "quick" });
	// Until each worker has it, whichever they come to.
	const asked = await during("fcgi", () => waitFor(async () => {
		for (let i = 0; i < 20; i++) assert.equal((await server.request(list)).json[0].id, id);
		return (await scrape("fcgi")).value("craft_fcgi_answer_cache_lookups_total", { outcome: "hit" }) >= 20;
	}));
	const lookups = (grown, outcome) => grown("craft_fcgi_answer_cache_lookups_total", { outcome });
	assert.ok(lookups(asked, "miss") >= 1 && lookups(asked, "miss") <= workers, `${lookups(asked, "miss")} misses`);
	assert.equal(lookups(asked, "stale"), 0);
	const { value } = await scrape("fcgi");
	assert.ok(value("craft_fcgi_answer_cache_answers") >= 1 && value("craft_fcgi_answer_cache_answers") <= workers * 10);
	assert.ok(value("craft_fcgi_answer_cache_bytes") > 100);
	await chat();
	const changed = await during("fcgi", async () => { for (let i = 0; i < 40; i++) assert.equal((await server.request(list)).json.length, 2); });
	assert.ok(lookups(changed, "stale") >= 1 && lookups(changed, "stale") <= workers);
	assert.equal(lookups(changed, "hit") + lookups(changed, "stale") + lookups(changed, "miss"), 40);
	assert.equal(changed("craft_fcgi_answer_cache_evictions_total"), 0);
	// Of a seventh of what a worker may keep, six have room.
	const most = 1 << 20, piece = "x".repeat(most / 7);
	const client = await connect(server, "large", { bridge: 1 });
	for (let i = 0; i < 8; i++) await client.ok("session:save", { id: `s${i}`, header: { id: `s${i}` }, messages: [piece] });
	await client.close();
	const evicted = await during("fcgi", async () => {
		await waitFor(async () => {
			for (let i = 0; i < 8; i++) await server.request(`/workspace/large/sessions/s${i}`);
			return (await scrape("fcgi")).value("craft_fcgi_answer_cache_evictions_total") >= 2;
		}, { deadline: 30_000, what: "answers to be dropped" });
	});
	assert.ok(evicted("craft_fcgi_answer_cache_evictions_total") >= 2);
	const full = (await scrape("fcgi")).value("craft_fcgi_answer_cache_bytes");
	assert.ok(full > most / 2 && full <= workers * most, `${full} bytes`);
});

test("calls of GitHub, by kind and outcome", async () => {
	const calls = (grown, call, outcome) => grown("craft_fcgi_github_calls_total", { call, outcome });
	const well = await during("fcgi", () => rig.addRepo("alice/counted"));
	for (const call of ["access_token", "user", "repository"]) {
		assert.equal(calls(well, call, "ok"), 1, call);
		assert.equal(well("craft_fcgi_github_call_seconds_count", { call }), 1, call);
		assert.equal(calls(well, call, "unreachable") + calls(well, call, "refused") + calls(well, call, "no_access"), 0, call);
	}
	assert.ok(well("craft_fcgi_github_call_seconds_sum", { call: "user" }) > 0);
	const { github } = rig;
	const ill = await during("fcgi", async () => {
		github.behave("user", 500);
		await rig.rig.login("team", "alice/counted", "alice");
		github.behave("user", null);
		github.behave("access_token", { cut: 0 });
		await rig.rig.login("team", "alice/counted", "alice");
		github.behave("access_token", { empty: true });
		await rig.rig.login("team", "alice/counted", "alice");
		github.behave("access_token", null);
	});
	assert.equal(calls(ill, "user", "no_access"), 1);
	assert.equal(calls(ill, "access_token", "ok"), 1);
	assert.equal(calls(ill, "access_token", "unreachable"), 2, "no answer, and one that makes no sense");
	assert.equal(ill("craft_fcgi_github_call_seconds_count", { call: "access_token" }), 3);
});

test("housekeeping: runs, what they removed, and that one failed", async () => {
	const blobs = new BlobDir(server);
	const runs = (value) => value("craft_fcgi_sweeps_total", { outcome: "ok" });
	await waitFor(async () => runs((await scrape("fcgi")).value) > 0, { what: "a first run" });
	blobs.plant("orphan", { age: 90_000 });
	blobs.plant("stray!", { file: path.join(blobs.root, "incoming/stray"), age: 4000 });
	// Orphans stay while the database names no blob at all.
	await server.request("/files/swept/s/attachments/a.txt", { method: "PUT", body: "kept" });
	const grown = await during("fcgi", () => waitFor(async () => (await scrape("fcgi")).value("craft_fcgi_swept_files_total", { kind: "orphan" }) === 1 &&
		(await scrape("fcgi")).value("craft_fcgi_swept_files_total", { kind: "stray" }) === 1));
	assert.equal(grown("craft_fcgi_swept_bytes_total", { kind: "orphan" }), 6);
	assert.equal(grown("craft_fcgi_swept_bytes_total", { kind: "stray" }), 6);
	assert.equal(grown("craft_fcgi_swept_files_total", { kind: "deleted" }), 0);
	assert.equal(grown("craft_fcgi_sweeps_total", { outcome: "failed" }), 0);
	const at = (await scrape("fcgi")).value("craft_fcgi_sweep_last_success_timestamp_seconds");
	assert.ok(at <= Date.now() / 1000 + 1 && (Date.now() / 1000 - at) / slowness() < 10, `${at}`);
	const failed = await during("fcgi", async () => {
		renameSync(blobs.root, `${blobs.root}.away`);
		await waitFor(async () => (await scrape("fcgi")).value("craft_fcgi_sweeps_total", { outcome: "failed" }) > 0).finally(() => renameSync(`${blobs.root}.away`, blobs.root));
	});
	assert.ok(failed("craft_fcgi_sweeps_total", { outcome: "failed" }) >= 1);
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
	assert.equal(now.value("craft_ws_change_log_bytes_max"), 128 << 20);
	assert.equal(now.value("craft_ws_sandbox_stream_bytes_max"), 256 << 20);
	assert.ok(now.value("craft_ws_change_log_bytes") >= 0 && now.value("craft_ws_sandbox_stream_bytes") === 0);
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
	assert.equal((await server.request("/workspace/away/sessions")).status, 503);
	await server.startDatabase();
	await allAre("ready\n");
});

const allAre = (text) => Promise.all(Object.entries(sockets).map(([name, socket]) => waitFor(async () => {
	const got = await ask(socket, "/readyz");
	assert.equal(got.text, text);
	return got.status === (text === "ready\n" ? 200 : 503);
}, { what: `${name} to say ${text.trim()}`, deadline: 30_000 })));

test("readyz tells a standby, and a database that is set to read-only", async () => {
	const data = path.join(server.dir, "pg");
	server.psql("alter database craft set default_transaction_read_only = on");
	server.psql("select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'craft%' and pid <> pg_backend_pid()");
	await allAre("not ready: the database takes no changes: it is set to read-only\n");
	for (const socket of Object.values(sockets)) assert.equal((await ask(socket, "/healthz")).status, 200);
	server.psql("begin read write; alter database craft reset default_transaction_read_only; commit");
	server.psql("select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'craft%' and pid <> pg_backend_pid()");
	await allAre("ready\n");

	// It goes on as a standby, of a primary that is nowhere.
	await server.stopDatabase();
	writeFileSync(path.join(data, "standby.signal"), "");
	if (process.getuid() === 0) chownSync(path.join(data, "standby.signal"), statSync(data).uid, statSync(data).gid);
	await server.startDatabase();
	assert.equal(server.psqlValue("select pg_is_in_recovery()"), "t");
	await allAre("not ready: the database takes no changes: it is a standby\n");
	for (const name of Object.keys(sockets)) {
		const { families, value } = await scrape(name);
		assert.equal(value([...families.keys()].find((family) => family.endsWith("_db_up"))), 0);
	}
	assert.equal((await server.request("/workspace/standby/actions/new-chat", { method: "POST", body: {} })).status, 503);
	server.psql("select pg_promote()");
	await allAre("ready\n");
	assert.equal((await server.request("/workspace/standby/actions/new-chat", { method: "POST", body: {} })).status, 201);
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
	const began = Date.now(), own = ownMs();
	const idle = await Promise.all(Array.from({ length: 12 }, () => new Promise((resolve, reject) => {
		const socket = net.connect(sockets.ws1, () => resolve(socket)).on("error", reject);
		socket.ended = new Promise((done) => { socket.once("close", () => done({ clock: Date.now() - began, own: ownMs() - own })); });
		socket.resume();
	})));
	const times = (await Promise.all(idle.map(({ ended }) => ended))).sort((a, b) => a.clock - b.clock);
	const told = JSON.stringify(times);
	assert.ok(times[3].own < 4000, `four too many: ${told}`);
	assert.ok(times[4].clock > 4000 && times[11].own < 9000, `eight for five seconds: ${told}`);
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

/** Names of metrics in a text. */
const metricNames = (text) => text.match(/\b(?:craft_(?:fcgi|ws|sandbox)|process)_[a-z0-9_]+/g) ?? [];

test("the dashboard and the documents name what there is", async () => {
	const known = new Set(), families = new Set();
	for (const name of Object.keys(sockets)) {
		for (const [family, { type }] of (await scrape(name)).families) {
			families.add(family);
			for (const suffix of type === "histogram" ? ["_bucket", "_sum", "_count"] : [""]) known.add(family + suffix);
		}
	}
	const expressions = dashboardExpressions(DASHBOARD);
	assert.ok(expressions.length >= 20);
	for (const expression of expressions) {
		assert.ok(metricNames(expression).length, `a metric in ${expression}`);
		for (const name of metricNames(expression)) assert.ok(known.has(name), `${name} in ${expression}`);
	}
	const ids = JSON.parse(readFileSync(DASHBOARD, "utf8")).panels.map(({ id }) => id);
	assert.equal(new Set(ids).size, ids.length);
	const pages = ["README.md", "ARCHITECTURE.md", ...readdirSync(path.join(ROOT, "docs")).map((name) => `docs/${name}`), ...readdirSync(path.join(ROOT, "man")).map((name) => `man/${name}`)];
	const named = pages.flatMap((page) => metricNames(readFileSync(path.join(ROOT, page), "utf8")).map((name) => [page, name]));
	assert.ok(named.length > 15);
	const others = ["craft_ws_bridge"]; // of nginx
	for (const [page, name] of named.filter(([, name]) => !others.includes(name))) assert.ok(families.has(name) || known.has(name), `${name} in ${page}`);
});

test("a real Prometheus reads it, and evaluates the dashboard's expressions and the documents'", { skip: !hasPrometheus() && "prometheus isn't installed" }, async (t) => {
	for (const socket of Object.values(sockets)) assert.equal(promtool((await ask(socket, "/metrics")).text), "");
	assert.match(promtool("craft_total_wrong 1\n"), /craft_total_wrong/, "it would say so");
	const prometheus = await Prometheus.start(sockets);
	t.after(() => prometheus.stop());
	await prometheus.scrapes(4);
	await assert.rejects(prometheus.query("sum by (craft_ws_connections)"), /parse error/);
	const documents = [...readFileSync(path.join(ROOT, "docs/operate.md"), "utf8").matchAll(/`(craft_(?:fcgi|ws|sandbox)_[^`]+)`/g)].map(([, name]) => name);
	assert.ok(documents.length > 15, documents.join());
	for (const expression of [...dashboardExpressions(DASHBOARD), ...documents]) {
		// Histograms have no samples of their own name; what is left out because it is 0 has to be there without that.
		const histogram = /^[a-z_]+_seconds$/.test(expression) && !/timestamp/.test(expression);
		const found = await prometheus.query((histogram ? `${expression}_count` : expression).replace(/ > 0\b/g, ""));
		assert.ok(found.length > 0, `${expression} finds nothing`);
		for (const label of /by \(([^)]*)\)/.exec(expression)?.[1].split(/, */) ?? [])
			if (label !== "le") assert.ok(found.every(({ metric }) => metric[label]), `${expression}: ${label}`);
	}
	for (const job of Object.keys(sockets)) assert.equal((await prometheus.query(`up{job="${job}"}`))[0].value[1], "1");
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

test("the id of a request is in all logs that it touches, up to the sandbox's, and in report.sandboxes and report.tasks", async () => {
	await rig.addRepo("alice/traced", { "a.txt": "x\n" });
	const entries = () => server.logs("craft-").split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
	const said = (program, req, text) => entries().some((entry) => entry.prog === program && entry.req === req && text.test(entry.msg));
	const begun = (program, req, text) => waitFor(() => said(program, req, text), { what: `${text} of ${program} with ${req}` });
	const access = (target) => server.logs("nginx-access").split("\n").filter((line) => line.includes(` ${target} HTTP/`)).map((line) => / req=([0-9a-f]{32}) /.exec(line)[1]);

	const own = "an-id-of-the-clients-own";
	const { json, headers } = await rig.create("alice/traced", { headers: { "x-request-id": own } });
	const asked = headers["x-request-id"];
	assert.match(asked, /^[0-9a-f]{32}$/);
	// nginx writes the line when the answer has left.
	await waitFor(() => access("/api/sandbox/create").includes(asked), { what: `${asked} in nginx's log` });
	await begun("craft-fcgi", asked, new RegExp(`^sandbox ${json.sessionId} is asked for$`));
	await begun("craft-sandboxd", asked, /^making a sandbox of alice\/traced/);
	await begun("craft-sandboxd", asked, /^ready at commit /);
	const lines = entries().filter(({ prog, sandbox }) => prog === "craft-sandboxd" && sandbox === json.sessionId);
	assert.ok(lines.length >= 2 && lines.every(({ req }) => req === asked));

	const sandbox = await rig.connect(json.sessionId);
	sandbox.send({ type: "execute", task: "x" });
	await waitFor(() => server.psqlValue(`select outcome from report.tasks where sandbox_session = '${json.sessionId}'`) === "error");
	await sandbox.close();
	const [upgrade] = await waitFor(() => { const ids = access(`/workspace/team/sandbox/ws/${json.sessionId}`); return ids.length && ids; });
	assert.notEqual(upgrade, asked);
	assert.deepEqual(server.psql(`select s.request_id, t.request_id from report.tasks t join report.sandboxes s using (sandbox_session) where sandbox_session = '${json.sessionId}'`), [[asked, upgrade]]);
	await begun("craft-ws-bridge", upgrade, new RegExp(`^a task for sandbox ${json.sessionId}$`));
	const task = server.psqlValue(`select task from report.tasks where sandbox_session = '${json.sessionId}'`);
	await begun("craft-sandboxd", upgrade, new RegExp(`^task ${task} begins$`));
	await begun("craft-sandboxd", upgrade, new RegExp(`^task ${task} ended: error`));
	assert.ok(!server.logs("").includes(own), "a client's own id is none");
});
