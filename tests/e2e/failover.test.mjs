// A primary with a synchronous standby, as docs/dba.md sets them up: the primary dies under load, the standby is
// promoted, and the daemons find it by target_session_attrs. Nothing that was acknowledged is lost, nothing that was
// refused is there, and clients are sent to reload once.

import assert from "node:assert/strict";
import { appendFileSync, chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { block, shell } from "../harness/blocks.mjs";
import { Load } from "../harness/oracle.mjs";
import { startServer, waitFor } from "../harness/server.mjs";
import { connect } from "../harness/sync.mjs";

const DOC = "docs/dba.md";
const base = mkdtempSync(path.join(tmpdir(), "craft-standby-"));
chmodSync(base, 0o755);
const socket = path.join(base, "socket");
const standby = { PGHOST: socket, PGUSER: "postgres", STANDBY: path.join(base, "data") };
const server = await startServer({ bridges: 2, env: { SWEEP_INTERVAL: "0", CRAFT_PG_STANDBY: socket } });
const primaryHost = path.join(server.runDir, "pg");
let load, running = false;
after(async () => {
	await load?.stop();
	await server.stop().finally(() => {
		if (running) shell('pg_ctl -D "$STANDBY" -m immediate stop', standby);
		rmSync(base, { recursive: true, force: true });
	});
});

const own = (dir) => {
	mkdirSync(dir);
	const { uid, gid } = statSync(path.join(server.dir, "pg"));
	if (process.getuid() === 0) chownSync(dir, uid, gid);
};

function setUp() {
	own(socket);
	own(standby.STANDBY);
	chmodSync(standby.STANDBY, 0o700);
	appendFileSync(path.join(server.dir, "pg/pg_hba.conf"), "local replication all peer map=craft\n");
	server.psql("select pg_reload_conf()");
	shell(block(DOC, "standby"), { ...standby, PRIMARY: `host='${primaryHost}' user=postgres` });
	shell(`pg_ctl -D "$STANDBY" -l "$STANDBY/log" -w -o "-c listen_addresses= -c unix_socket_directories='${socket}' -c unix_socket_permissions=0777" start`, standby);
	running = true;
	for (const statement of block(DOC, "synchronous").trim().split("\n")) server.psql(statement);
}

const primaryIs = (state) => waitFor(async () => {
	const up = await server.query("select 1").then(() => true, () => false);
	return up === state;
}, { deadline: 30_000, what: `the primary to be ${state ? "up" : "gone"}` });

test("the primary dies under load, and the standby takes over: nothing acknowledged is lost", async (t) => {
	setUp();
	await waitFor(() => server.psqlValue("select sync_state from pg_stat_replication where application_name = 'craft_standby'") === "sync",
		{ deadline: 30_000, what: "the standby to be synchronous" });
	assert.equal(shell("psql -XAtc 'select pg_is_in_recovery()' -d craft", standby).trim(), "t");
	load = await Load.start(server, { workspaces: 2, mayReload: true });
	await waitFor(() => load.acked > 300, { deadline: 60_000, what: "load" });
	assert.deepEqual(await load.check(), []);
	const acked = load.acked;
	const [{ epoch }] = load.listeners;
	await waitFor(() => load.acked > acked + 50, { deadline: 30_000, what: "load" });
	load.watchOutage();

	// As a power cut: no process of it says good-bye.
	server.kill("postgres", "SIGQUIT");
	await primaryIs(false);
	const died = Date.now();
	shell(block(DOC, "promote"), standby);
	server.pgHost = socket;
	for (const statement of block(DOC, "alone").trim().split("\n")) server.psql(statement);
	const promoted = Date.now();

	const { all } = await load.recovered(promoted, 60_000);
	t.diagnostic(`promoted ${promoted - died} ms after the primary's end; everybody writes ${all} ms later; ${load.acked} acknowledged, without an answer for ${load.outage()} ms`);
	assert.deepEqual(await load.check(), []);
	assert.ok(load.listeners.every(({ reloads }) => reloads === 1), JSON.stringify(load.listeners.map(({ reloads }) => reloads)));
	assert.ok(load.listeners.every((l) => l.epoch !== epoch));
	await waitFor(() => load.acked > acked + 400, { deadline: 60_000, what: "load on the new primary" });
	assert.deepEqual(await load.check(), []);
});

test("a client of before the failover is sent to reload, whatever number it has", async () => {
	const [place] = load.places;
	const head = await place.head();
	for (const since of [1, head - 1, head]) {
		const client = await connect(server, place.slug, { since, epoch: "0123456789abcdef" });
		assert.equal(client.hello.resumed, false);
		await client.close();
	}
});
