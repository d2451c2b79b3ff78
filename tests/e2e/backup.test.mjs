// Backup and restore as docs/dba.md says, on a server that is written to meanwhile: what was acknowledged before is
// there, blobs and rows fit together, and clients are sent to reload, after which all goes on.

import assert from "node:assert/strict";
import { chmodSync, chownSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, test } from "node:test";
import { block, shell } from "../harness/blocks.mjs";
import { Room, bytes } from "../harness/files.mjs";
import { BlobDir } from "../harness/housekeeping.mjs";
import { startServer, waitFor } from "../harness/server.mjs";
import { connect } from "../harness/sync.mjs";

const DOC = "docs/dba.md";
const server = await startServer({ bridges: 2, env: { SWEEP_INTERVAL: "0" } });
after(() => server.stop());
const blobs = new BlobDir(server);
const env = { BACKUP: path.join(server.dir, "backup"), BLOB_DIR: blobs.root, PGHOST: path.join(server.runDir, "pg"), PGUSER: "postgres" };
// Root, or who runs this: the blobs' owner and the database's are two users.
const run = (name) => shell(block(DOC, name), env, { user: null });

// Writes sessions and files until stop(): what was acknowledged, in order.
async function writer(slug) {
	const client = await connect(server, slug, { since: 0 });
	const room = new Room(server, slug);
	const done = { sessions: [], files: new Map() };
	let going = true;
	const work = (async () => {
		for (let n = 0; going; n++) {
			await client.ok("session:save", { id: `s${n}`, header: { id: `s${n}`, n }, messages: [{ n }, { text: "\u0000\ud83d" }] });
			done.sessions.push(n);
			const body = bytes(1000 + n);
			await room.put(`s/attachments/f${n}`, body);
			done.files.set(`f${n}`, body);
		}
	})();
	return { client, room, done, stop: async () => { going = false; await work; } };
}

test("a backup under load, restored: the state of one moment, and clients reload and go on", async () => {
	const load = await writer("team");
	await waitFor(() => load.done.sessions.length >= 20, { what: "writes", deadline: 30_000 });
	const before = { sessions: [...load.done.sessions], files: new Map(load.done.files) };
	run("backup");
	const during = load.done.sessions.length;
	await waitFor(() => load.done.sessions.length > during + 3, { what: "writes after the backup", deadline: 30_000 });
	await load.stop();
	const all = load.done;
	const { client } = load;
	const at = (await client.call("labels:save", { after: "the backup" })).seq;
	const { epoch } = client.hello;

	// The daemons are stopped by what starts and stops them; here the database goes from under them, too.
	rmSync(blobs.root, { recursive: true });
	mkdirSync(blobs.root);
	chmodSync(blobs.root, 0o2750);
	if (process.getuid() === 0) chownSync(blobs.root, blobs.uid, blobs.gid);
	run("restore");
	await server.restart();
	await blobs.isClean("the restored blobs").catch(async (error) => {
		// Blobs of files that came behind the dump.
		const findings = await blobs.check();
		assert.ok(findings.every((line) => line.startsWith("orphan ")), error.message);
		await blobs.cloud(["gc", "--orphan-age", "0"]);
		await blobs.isClean();
	});

	const restored = (await server.request("/workspace/team/sessions")).json.map(({ n }) => n).sort((a, b) => a - b);
	assert.deepEqual(restored, all.sessions.slice(0, restored.length), "not the first ones");
	assert.ok(restored.length >= before.sessions.length && restored.length < all.sessions.length, `${before.sessions.length} ${restored.length} ${all.sessions.length}`);
	for (const n of [0, restored.length - 1])
		assert.deepEqual((await server.request(`/workspace/team/sessions/s${n}`)).json.messages, [{ n }, { text: "\u0000\ud83d" }]);
	const room = new Room(server, "team");
	const names = (await room.list("s/attachments")).map(({ name }) => name);
	for (const name of before.files.keys()) assert.ok(names.includes(name), `${name} is lost`);
	for (const name of names) await room.holds(`s/attachments/${name}`, all.files.get(name));

	// Who knows numbers of before is sent to reload, whichever they are, and misses nothing from there on.
	const head = Number(server.psqlValue("select seq from app.workspace where slug = 'team'"));
	assert.ok(head < at);
	for (const since of [1, head - 1, head, at]) {
		const again = await connect(server, "team", { since, epoch });
		assert.equal(again.hello.resumed, false, `since ${since}`);
		assert.notEqual(again.hello.epoch, epoch);
		assert.equal(again.hello.seq, head);
		await again.close();
	}
	const [one, two] = [await connect(server, "team", { since: head, epoch, bridge: 0 }), await connect(server, "team", { since: 0, bridge: 1 })];
	await two.ok("session:create", { id: "after", n: -1 });
	await one.waitFor(1);
	assert.equal(one.broadcasts[0].seq, head + 1);
	const resumed = await connect(server, "team", { since: head, epoch: one.hello.epoch });
	assert.equal(resumed.hello.resumed, true);
	await resumed.waitFor(1);
	await Promise.all([one, two, resumed, client].map((c) => c.kill()));
	await room.put("s/attachments/after", "works");
	await blobs.isClean();
});

test("a second backup into the same directory copies what is new, and one restored twice is the same", async () => {
	const room = new Room(server, "team");
	await room.put("s/attachments/second", "second");
	run("backup");
	const rows = server.psql("select session, name, sha256 from report.files order by 1, 2");
	writeFileSync(path.join(env.BACKUP, "note"), "");
	for (let i = 0; i < 2; i++) {
		run("restore");
		await server.restart();
		assert.deepEqual(server.psql("select session, name, sha256 from report.files order by 1, 2"), rows);
	}
	await room.holds("s/attachments/second", Buffer.from("second"));
});
