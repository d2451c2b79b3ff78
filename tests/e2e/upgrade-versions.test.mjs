// Two versions side by side, as during an upgrade: the daemons of the last release on their database, at work; craft-cloud
// migrate of today and of a made-up next release beneath them; today's daemons beside them; then these alone. Nothing that
// was acknowledged is lost, no request over REST fails, and nobody waits long for the migration.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { appendFileSync, chmodSync, cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { promisify } from "node:util";
import { Load } from "../harness/oracle.mjs";
import { released } from "../harness/released.mjs";
import { RestLoad } from "../harness/rest_load.mjs";
import { ROOT, alive, script, startServer, waitFor } from "../harness/server.mjs";
import { connect } from "../harness/sync.mjs";

const BUILD = path.resolve(ROOT, process.env.CRAFT_BUILD_DIR ?? "build");
const RELEASED = path.join(ROOT, "tests/upgrade/released");
const PATIENCE = 3000; // ms that a request may take while the schema changes
const run = promisify(execFile);
const { dir: OLD, skip } = released();

const work = mkdtempSync(path.join(tmpdir(), "craft-versions-"));
chmodSync(work, 0o755);
const children = [];
let server, load, rest;
after(async () => {
	await rest?.stop();
	await load?.stop();
	for (const child of children) if (child.exitCode === null) child.kill("SIGKILL");
	await server?.stop();
	rmSync(work, { recursive: true, force: true });
});

const pgEnv = () => ({ ...process.env, PGHOST: server.pgHost, PGUSER: "postgres" });

// ---- processes ----

/** One that script/up doesn't know of, as the daemons' user. */
function launch(build, program, env = {}) {
	const user = process.getuid() === 0 ? ["setpriv", "--reuid=www-data", "--regid=www-data", "--clear-groups"] : [];
	const child = spawn("env", [...Object.entries(env).map((pair) => pair.join("=")), ...user, path.join(build, program), "--config", path.join(server.dir, "conf/craft-agent-cloud.conf")],
		{ stdio: ["ignore", "ignore", "pipe"] });
	child.log = "";
	child.stderr.setEncoding("utf8").on("data", (text) => { child.log += text; });
	children.push(child);
	return child;
}

async function end(child) {
	child.kill("SIGTERM");
	await waitFor(() => child.exitCode !== null, { deadline: 30_000, what: "its end" });
	assert.equal(child.exitCode, 0, child.log.slice(-2000));
}

async function only(program, name) {
	const { code, stdout, stderr } = await script(program, ["--dir", server.dir, "--only", name], server.env);
	assert.equal(code, 0, stdout + stderr);
}

const socket = (name) => path.join(server.runDir, name);

/** nginx passes REST to craft-fcgi on the sockets of these suffixes, in turn. */
async function passTo(...suffixes) {
	const dir = path.join(server.dir, "nginx");
	let upstreams = "";
	for (const pool of ["fcgi", "fcgi-upload", "fcgi-github"])
		upstreams += `upstream craft_${pool} {\n${suffixes.map((suffix) => `\tserver unix:${socket(`${pool}${suffix}.sock`)} max_fails=0;\n`).join("")}}\n`;
	for (const name of readdirSync(dir).filter((each) => each.endsWith(".conf"))) {
		const file = path.join(dir, name), text = readFileSync(file, "utf8");
		writeFileSync(file, text.replace(/fastcgi_pass unix:\S*\/(fcgi\S*)\.sock;/g, "fastcgi_pass craft_$1;"));
	}
	const http = path.join(dir, "craft-agent-cloud-http.conf");
	writeFileSync(http, `${readFileSync(http, "utf8").replace(/\n# versions\n[^]*/, "")}\n# versions\n${upstreams}`);
	const before = workers();
	process.kill(server.ready.pids.nginx[0], "SIGHUP");
	// Those that have WebSockets stay for a while, and take no new connections.
	await waitFor(() => workers().length > 0 && !workers().some((pid) => before.includes(pid)), { deadline: 30_000, what: "nginx's old workers to leave" });
}

/** Those that take connections. */
function workers() {
	const [master] = server.ready.pids.nginx;
	return readFileSync(`/proc/${master}/task/${master}/children`, "utf8").trim().split(" ")
		.filter((pid) => alive(pid) && !/shutting down/.test(readFileSync(`/proc/${pid}/cmdline`, "utf8")));
}

// ---- the schema of a release to come ----

/** A copy of an SQL directory. */
function copySql(from = path.join(ROOT, "sql")) {
	const dir = mkdtempSync(path.join(work, "sql-"));
	chmodSync(dir, 0o755);
	cpSync(from, dir, { recursive: true });
	return dir;
}

function edit(dir, file, from, to) {
	const name = path.join(dir, file), text = readFileSync(name, "utf8"), changed = text.replace(from, to);
	assert.notEqual(changed, text, `${file} has no ${from}`);
	writeFileSync(name, changed);
}

const nextNumber = (dir) => String(readdirSync(path.join(dir, "migrations")).filter((name) => name.endsWith(".sql")).length + 1).padStart(4, "0");

/** Columns in the tables that every change touches, a function that does something else, one with a parameter more, a new one. */
function nextSql() {
	const dir = copySql();
	writeFileSync(path.join(dir, `migrations/${nextNumber(dir)}_next.sql`), ["workspace", "session", "message", "change_log", "file", "seen_request"]
		.map((table) => `alter table app.${table} add column next_note text default 'next';\n`).join(""));
	edit(dir, "api/00_change.sql", "insert into app.change_log (workspace_id, seq, entity, action, entity_id, origin, data, bytes)\n\t\tvalues (p_out.workspace_id, p_out.seq, p_entity, p_action, p_entity_id, (p_request).origin, p_data, v_bytes)",
		"insert into app.change_log (workspace_id, seq, entity, action, entity_id, origin, data, bytes, next_note)\n\t\tvalues (p_out.workspace_id, p_out.seq, p_entity, p_action, p_entity_id, (p_request).origin, p_data, v_bytes, 'changed')");
	edit(dir, "api/10_sessions.sql", /(function api\.session_save\([^)]*p_request api\.request default null)\)/, "$1, p_next text default null)");
	edit(dir, "api/10_sessions.sql", /(comment on function api\.session_save\([^)]*)\)/, "$1, text)");
	appendFileSync(path.join(dir, "api/90_sandbox_sweep.sql"), "\ncreate function api.next_thing(p_a text, p_b text default 'b') returns text language sql set search_path = app, pg_temp as 'select 1';\n");
	return dir;
}

/** One whose functions can't all be replaced in place: a parameter has another name. */
function renamedSql(from) {
	const dir = copySql(from);
	edit(dir, "api/00_change.sql", /p_ms\b/g, "p_millis");
	return dir;
}

function migrate(sqlDir) {
	return run(path.join(BUILD, "cli/craft-cloud"), ["migrate", "--config", "/dev/null", "--sql-dir", sqlDir],
		{ env: { ...pgEnv(), DATABASE_URL: `host='${server.pgHost}' user=postgres dbname=craft` } }).then(({ stdout }) => stdout);
}

// ---- the upgrade ----

/** The database as the last release leaves it, and its daemons in the place of today's. */
async function goBack() {
	for (const name of ["craft-fcgi", "craft-ws-bridge-1", "craft-ws-bridge-2", "craft-sandboxd"]) await only("down", name);
	const fixture = readdirSync(RELEASED).filter((name) => /^\d{4}\.sql$/.test(name)).sort().at(-1);
	await run("dropdb", ["craft"], { env: pgEnv() });
	await run("createdb", ["-T", "template0", "-E", "UTF8", "craft"], { env: pgEnv() });
	await run("psql", ["-XqAt", "-v", "ON_ERROR_STOP=1", "-d", "craft", "-f", path.join(RELEASED, fixture)], { env: pgEnv(), maxBuffer: 64 << 20 });
	const old = { fcgi: launch(OLD, "fcgi/craft-fcgi"), bridge: launch(OLD, "ws-bridge/craft-ws-bridge", { WS_LISTEN: socket("ws-1.sock") }) };
	await waitFor(async () => (await server.request("/workspace/team/labels")).status === 200, { deadline: 20_000, what: "the old workers" });
	(await connect(server, "team", { bridge: 0 })).kill();
	return old;
}

const asleep = (ms) => new Promise((go) => setTimeout(go, ms));

test("from the last release to the next one, under load", { skip }, async (t) => {
	server = await startServer({ bridges: 2, env: { SWEEP_INTERVAL: "0" } });
	const old = await goBack();
	load = await Load.start(server, { workspaces: 1, pause: 20 });
	// nginx is told to read its configuration anew.
	rest = new RestLoad(server, "rolling", { loops: 3, again: true });
	await rest.open();
	/** From here on: how long did the slowest take? */
	const slowest = async (what, work) => {
		rest.slowest = 0;
		load.watchOutage();
		await work();
		await load.recovered(Date.now());
		t.diagnostic(`${what}: the slowest request took ${rest.slowest} ms, a writer was without an answer for ${load.outage()} ms`);
		return Math.max(rest.slowest, load.outage());
	};
	const nothingWrong = async (when) => {
		const errors = children.flatMap(({ log }) => log.split("\n").filter((line) => /level=error/.test(line)));
		assert.deepEqual([...rest.failures, ...errors].slice(0, 10), [], when);
		assert.deepEqual((await load.check()).slice(0, 10), [], when);
	};
	await waitFor(() => rest.done > 50 && load.acked > 50, { what: "load" });

	await t.test("today's schema, then the next one's, beneath the old daemons", async () => {
		const next = nextSql(), renamed = renamedSql(next);
		for (const [what, dir] of [["today's schema", path.join(ROOT, "sql")], ["the next one", next], ["functions made anew", renamed], ["and again", next], ["and again", renamed]])
			assert.ok(await slowest(what, () => migrate(dir)) < PATIENCE);
		await nothingWrong("beneath the old daemons");
		assert.equal(server.psqlValue("select count(*) from pg_proc where proname like 'retired%'"), "0");
		assert.ok(Number(server.psqlValue("select count(*) from app.change_log where next_note = 'changed'")) > 0, "the old bridge runs the new functions");
		assert.doesNotMatch(old.bridge.log + old.fcgi.log, /cached plan|cache lookup|does not exist/);
	});

	await t.test("a table that a long transaction holds: the migration waits, and nobody else", async () => {
		const dir = copySql(nextSql());
		writeFileSync(path.join(dir, `migrations/${nextNumber(dir)}_busy.sql`), "alter table app.session add column busy text;\n");
		const psql = spawn("psql", ["-XqAt", "-d", "craft"], { env: pgEnv(), stdio: ["pipe", "pipe", "inherit"] });
		psql.stdin.write("begin; lock table app.session in access share mode; select 'held';\n");
		await new Promise((resolve) => psql.stdout.once("data", resolve));
		let done = false;
		const migration = migrate(dir).finally(() => { done = true; });
		assert.ok(await slowest("a long transaction", () => asleep(3000)) < PATIENCE);
		assert.equal(done, false);
		psql.stdin.end("rollback;\n");
		assert.match(await migration, /waiting for a lock/);
		await nothingWrong("behind a long transaction");
	});

	await t.test("old and new daemons beside each other", async () => {
		await only("up", "craft-ws-bridge-2");
		const fcgi = launch(BUILD, "fcgi/craft-fcgi", { FCGI_LISTEN: socket("fcgi-new.sock"), FCGI_UPLOAD_LISTEN: socket("fcgi-upload-new.sock"), FCGI_GITHUB_LISTEN: socket("fcgi-github-new.sock") });
		await waitFor(() => readdirSync(server.runDir).includes("fcgi-github-new.sock"), { what: "the new workers" });
		await passTo("", "-new");
		const clients = await Promise.all([0, 1].map((bridge) => waitFor(() => connect(server, "both", { bridge, since: 0 }), { what: "the bridges" })));
		for (let i = 0; i < 20; i++) {
			const from = clients[i % 2], to = clients[(i + 1) % 2];
			await from.ok("session:save", { id: `s${i}`, header: { id: `s${i}` }, messages: [{ i }] });
			await to.until(() => to.broadcasts.some(({ event }) => event.data.id === `s${i}`), `s${i} on the other bridge`);
		}
		for (const client of clients) {
			assert.deepEqual(client.broadcasts.map(({ seq }) => seq), [...client.broadcasts.map(({ seq }) => seq)].sort((a, b) => a - b));
			client.kill();
		}
		const enough = rest.done + 100;
		await waitFor(() => rest.done > enough, { deadline: 20_000, what: "requests to both" });
		const answered = (log) => (log.match(/status=200/g) ?? []).length;
		assert.ok(answered(fcgi.log) > 10 && answered(old.fcgi.log) > 10);
		await nothingWrong("side by side");
	});

	await t.test("the old ones go", async () => {
		await passTo("-new");
		await end(old.fcgi);
		await end(old.bridge);
		await load.recovered(Date.now());
		await only("up", "craft-ws-bridge-1");
		const enough = rest.done + 50;
		await waitFor(() => rest.done > enough, { what: "requests to the new ones" });
		await rest.stop();
		await nothingWrong("the new ones alone");
		for (const one of [old.fcgi, old.bridge]) assert.doesNotMatch(one.log, /cached plan|cache lookup|does not exist|level=error/);
	});
});
