// Housekeeping of blobs: what craft-cloud gc and the periodic run remove and what they never do, what craft-cloud
// check --blobs finds, and that a copy of the directory with a dump of the database is a backup.

import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { appendFileSync, cpSync, existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, rmdirSync, truncateSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, test } from "node:test";
import { Room, bytes, readAll } from "../harness/files.mjs";
import { BlobDir, holding, makeOld } from "../harness/housekeeping.mjs";
import { ownMs } from "../harness/pace.mjs";
import { startServer, waitFor } from "../harness/server.mjs";

const HOUR = 3600;
const NOTHING = { gone: [0, 0], strays: [0, 0], orphans: [0, 0], foreign: 0 };

// The periodic run would be faster than the test.
const server = await startServer({ env: { SWEEP_INTERVAL: "0" } });
after(() => server.stop());
const dir = new BlobDir(server);

test("nothing to do", async () => {
	assert.deepEqual(await dir.gc(), NOTHING);
	const findings = await dir.check();
	assert.deepEqual({ ...findings }, { blobs: 0, bytes: 0 });
});

test("gc removes orphans and stray uploads by their age, and a dry run nothing", async () => {
	const kept = dir.store("kept", "kept");
	makeOld(dir.at(kept), 1000 * HOUR);
	const old = [dir.plant("12345", { age: 24 * HOUR + 5 }), dir.plant("", { age: 100 * HOUR })];
	const young = dir.plant("123", { age: 24 * HOUR - 60 });
	const incoming = path.join(dir.root, "incoming");
	dir.plant("1234567", { file: `${incoming}/0000000001`, age: HOUR + 5 });
	dir.plant("1234567", { file: `${incoming}/0000000002`, age: HOUR - 60 });
	const expected = { ...NOTHING, strays: [1, 7], orphans: [2, 5] };
	assert.deepEqual(await dir.gc("--dry-run"), expected);
	assert.ok(old.every((id) => dir.has(id)) && existsSync(`${incoming}/0000000001`), "a dry run changed something");
	assert.deepEqual(await dir.gc(), expected);
	assert.ok(!old.some((id) => dir.has(id)));
	assert.deepEqual(readdirSync(incoming), ["0000000002"]);
	assert.ok(dir.has(young) && dir.has(kept));
	assert.deepEqual(await dir.gc("--orphan-age", String(24 * HOUR - 70)), { ...NOTHING, orphans: [1, 3] });
	assert.ok(!dir.has(young) && dir.has(kept));
	rmSync(`${incoming}/0000000002`);
});

test("gc removes the blobs of replaced and deleted files after five minutes, thousands too", async () => {
	const room = new Room(server);
	const first = bytes(1000);
	await room.put("s/downloads/replaced", first);
	await room.put("s/downloads/deleted", bytes(500));
	const ids = server.psql(`select blob_id from report.files where workspace = '${room.slug}' order by name desc`).flat();
	const replaced = ids[0];
	await room.put("s/downloads/replaced", bytes(10));
	await room.delete("s/downloads/deleted");
	dir.ageGone(290);
	assert.deepEqual(await dir.gc("--orphan-age", "0"), NOTHING, "a download of them may be about to begin");
	assert.ok(ids.every((id) => dir.has(id)));
	await dir.isClean("before the removal");
	dir.ageGone(20);
	assert.deepEqual(await dir.gc("--dry-run"), { ...NOTHING, gone: [2, 1500] });
	assert.ok(dir.has(replaced));
	assert.equal(dir.goneRows(), 2);
	assert.deepEqual(await dir.gc(), { ...NOTHING, gone: [2, 1500] });
	assert.ok(!ids.some((id) => dir.has(id)));
	assert.equal(dir.goneRows(), 0);

	// In batches; whose files aren't there any more, as after a run that was killed before it forgot them.
	server.psql("insert into app.blob_gone (blob, size, gone_at) select gen_random_uuid(), 1, now() - interval '1 h' from generate_series(1, 2500)");
	const lastOne = dir.plant("abc");
	server.psql(`insert into app.blob_gone (blob, size) values ('${lastOne}', 3)`);
	dir.ageGone(301);
	assert.deepEqual(await dir.gc("--dry-run"), { ...NOTHING, gone: [1, 3] });
	assert.deepEqual(await dir.gc(), { ...NOTHING, gone: [1, 3] });
	assert.equal(dir.goneRows(), 0);
	await dir.isClean();
});

test("gc of thousands of blobs in one directory", async () => {
	const rows = [];
	const ids = Array.from({ length: 2300 }, () => `ee${randomUUID().slice(2)}`);
	for (const [i, id] of ids.entries()) {
		dir.plant("x", { id, age: 25 * HOUR });
		if (i % 2) rows.push(id);
	}
	server.psql(`select count(p.status) from unnest('{${rows.join(",")}}'::uuid[]) as id,
		api.file_put('many', 's', 'downloads', id::text, id, 1, 'text/plain', sha256('x')) as p`);
	assert.equal((await dir.check()).length, 1150);
	assert.deepEqual(await dir.gc(), { ...NOTHING, orphans: [1150, 1150] });
	assert.deepEqual(ids.filter((id) => dir.has(id)), rows);
	await dir.isClean();
	server.psql("select api.files_delete_session('many', 's')");
	dir.ageGone(301);
	assert.deepEqual((await dir.gc()).gone, [1150, 1150]);
});

test("a symbolic link is removed as the orphan that it is and never followed; foreign things stay", async (t) => {
	const outside = path.join(server.dir, "outside");
	mkdirSync(`${outside}/in`, { recursive: true });
	dir.plant("secret", { file: `${outside}/secret`, age: 100 * HOUR });

	// In the places of blobs: links to a file, to a directory, to nothing. The age is the link's own.
	const links = [`${outside}/secret`, outside, "nowhere"].map((target) => dir.plantLink(target, { age: 25 * HOUR }));
	const young = dir.plantLink(`${outside}/secret`);
	// A directory of blobs that leads elsewhere, links to uploads, and what can't be a blob.
	const [free, another] = Array.from({ length: 256 }, (_, n) => n.toString(16).padStart(2, "0"))
		.filter((name) => readdirSync(path.join(dir.root, name)).length === 0);
	rmdirSync(path.join(dir.root, free));
	const bait = `${free}${randomUUID().slice(2)}`;
	for (const name of [`in/${bait}`, bait]) dir.plant("bait", { file: `${outside}/${name}`, age: 100 * HOUR });
	dir.plantLink(`${outside}/in`, { file: path.join(dir.root, free), age: 100 * HOUR });
	dir.plantLink(`${outside}/secret`, { file: path.join(dir.root, "incoming/link"), age: 100 * HOUR });
	mkdirSync(path.join(dir.root, "incoming/sub"));
	const folder = `${another}${randomUUID().slice(2)}`;
	mkdirSync(path.join(dir.shard(folder), folder));
	const shard = dir.shard(folder);
	const names = ["notes.txt", `${free}${randomUUID().slice(2)}`, folder.toUpperCase(), `${folder}.bak`];
	for (const name of names) dir.plant("foreign", { file: path.join(shard, name), age: 100 * HOUR });
	execFileSync("mkfifo", [dir.at(folder.replace(/.$/, (digit) => digit === "0" ? "1" : "0"))]);
	const foreign = names.length + 5;

	t.after(() => {
		for (const file of [free, "incoming/link", "incoming/sub", folder.slice(0, 2)]) rmSync(path.join(dir.root, file), { recursive: true });
	});

	assert.deepEqual([...await dir.check()], [...links, young].map((id) => `orphan ${id}`).sort());
	const linkBytes = links.reduce((n, id) => n + lstatSize(id), 0);
	assert.deepEqual(await dir.gc(), { ...NOTHING, orphans: [3, linkBytes], foreign });
	for (const id of links) assert.equal(lstatSize(id), undefined, "the link is there still");
	assert.notEqual(lstatSize(young), undefined);
	const { orphans } = await dir.gc("--orphan-age", "0");
	assert.equal(orphans[0], 1);
	assert.equal(readFileSync(`${outside}/secret`, "utf8"), "secret");
	for (const name of [`in/${bait}`, bait]) assert.ok(existsSync(`${outside}/${name}`), `${name} was removed through a link`);
	for (const name of names) assert.ok(existsSync(path.join(shard, name)), `${name} isn't ours to remove`);
	assert.ok(lstatSync(path.join(dir.root, "incoming/link")).isSymbolicLink());

	// Also when the database says that the blob is gone.
	server.psql(`insert into app.blob_gone (blob, size, gone_at) values ('${folder}', 1, now() - interval '1 h'), ('${bait}', 4, now() - interval '1 h')`);
	assert.deepEqual((await dir.gc()).gone, [0, 0]);
	assert.ok(existsSync(path.join(shard, folder)) && existsSync(`${outside}/in/${bait}`));
	assert.equal(dir.goneRows(), 0);

	await dir.isClean("all but the foreign things");
});

function lstatSize(id) {
	return lstatSync(dir.at(id), { throwIfNoEntry: false })?.size;
}

const waiting = (n) => waitFor(() => Number(server.psqlValue(`select count(*) from pg_stat_activity
	where wait_event_type = 'Lock' and backend_type = 'client backend'`)) === n, { what: `${n} to wait for a lock` });

test("a blob that waits for its row is no orphan", async () => {
	const room = new Room(server);
	const body = bytes(100_000);
	await room.put("s/attachments/before", body);
	const lock = await holding(server, `select from app.file_usage u join app.workspace w on w.id = u.workspace_id where w.slug = '${room.slug}' for update of u`);
	const uploads = [1, 2, 3].map((n) => room.put(`s/attachments/f${n}`, body));
	await waiting(3);
	assert.deepEqual(await dir.gc("--orphan-age", "0"), NOTHING);
	await dir.isClean("while three uploads wait");
	await lock.end();
	await Promise.all(uploads);
	for (const n of [1, 2, 3]) await room.holds(`s/attachments/f${n}`, body);
	await dir.isClean();
});

test("a blob that gets its row while gc looks at others is no orphan", async () => {
	const [orphan, entered] = ["0", "f"].map((digit) => dir.plant("12345", { id: `00000000-0000-4000-8000-00000000000${digit}` }));
	// Each of gc's questions waits for a lock whose next owner waits behind it.
	const lock = "lock table app.file in access exclusive mode";
	const first = await holding(server, lock);
	const collecting = dir.gc("--orphan-age", "0");
	await waiting(1);
	let next = holding(server, lock);
	await waiting(2);
	await first.end();
	const second = await next;
	await waiting(1);
	next = holding(server, `${lock}; select api.file_put('w', 's1', 'attachments', 'entered', '${entered}', 5, 'text/plain', sha256('12345'))`);
	await waiting(2);
	await second.end();
	const third = await next;
	await waiting(1);
	await third.end("commit");
	assert.deepEqual(await collecting, { ...NOTHING, orphans: [1, 5] });
	assert.ok(!dir.has(orphan) && dir.has(entered));
	await dir.isClean();
});

test("gc in a loop under upload load", async () => {
	const room = new Room(server);
	const stored = new Map();
	let uploading = 4, runs = 0, removed = 0;
	const upload = async (worker) => {
		// As long as it takes for three runs of gc, however slow they are.
		for (let n = 0; n < 60 || (runs < 3 && n < 5000); n++) {
			const name = `s/attachments/w${worker}-${n % 20}`;
			const body = bytes(1 + 997 * (n % 60));
			await room.put(name, body);
			stored.set(name, body);
			if (n % 7 === 0) {
				await room.delete(name);
				stored.delete(name);
			}
		}
		uploading--;
	};
	const collect = async () => {
		while (uploading > 0) {
			const { orphans } = await dir.gc("--orphan-age", "0");
			assert.deepEqual(orphans, [0, 0], "the blob of an upload was taken for an orphan");
			dir.ageGone(301);
			removed += (await dir.gc("--orphan-age", "0")).gone[0];
			if (runs++ % 4 === 0) await dir.isClean("under load");
		}
	};
	const looping = collect();
	await Promise.all([...[1, 2, 3, 4].map(upload), looping]);
	assert.ok(runs >= 3 && removed > 0, `${runs} runs removed ${removed}`);
	for (const [name, body] of stored) await room.holds(name, body);
	await dir.isClean();
	assert.equal((await room.list("s/attachments")).length, stored.size);
});

test("check finds what is missing, damaged or an orphan, and nothing else", async () => {
	const before = await dir.check();
	const text = "the very same bytes\n".repeat(100_000);
	const missing = dir.store("missing", text);
	const flipped = dir.store("flipped", text);
	const truncated = dir.store("a b/#é?.txt", text, { session: "", type: "assets" });
	const longer = dir.store("longer", text);
	const linked = dir.store("li\u001b[31mn\u009bk\u007fed", text, { session: "s\n2" });
	const folder = dir.store("folder", text, { workspace: "other\tone" });
	const empty = dir.store("empty", "");
	// Ids before which others are found only by borrowing digits.
	const odd = ["0a", "10000000", "a0"].map((start) => {
		const id = start.length === 8 ? `${start}-0000-0000-0000-000000000000` : `${start}000000-0000-4000-8000-0000000000a0`;
		dir.store(`odd ${start}`, "x", { id });
		rmSync(dir.at(id));
		return id;
	});
	const orphans = [dir.plant("orphan"), dir.plant("", { age: 10 }), dir.plantLink(dir.at(flipped))];
	const good = dir.store("good", text);

	rmSync(dir.at(missing));
	const data = readFileSync(dir.at(flipped));
	data[data.length - 2] ^= 1;
	writeFileSync(dir.at(flipped), data);
	truncateSync(dir.at(truncated), text.length - 1);
	appendFileSync(dir.at(longer), "x");
	renameSync(dir.at(linked), path.join(server.dir, "elsewhere"));
	dir.plantLink(path.join(server.dir, "elsewhere"), { id: linked });
	rmSync(dir.at(folder));
	mkdirSync(dir.at(folder));

	const expected = [
		`missing ${missing} w/s1/attachments/missing`,
		`damaged ${flipped} w/s1/attachments/flipped`,
		`damaged ${truncated} w/assets/a b/#é?.txt`,
		`damaged ${longer} w/s1/attachments/longer`,
		`damaged ${linked} w/s?2/attachments/li?[31mn?k?ed`,
		`damaged ${folder} other?one/s1/attachments/folder`,
		...odd.map((id, i) => `missing ${id} w/s1/attachments/odd ${["0a", "10000000", "a0"][i]}`),
		...orphans.map((id) => `orphan ${id}`),
	].sort();
	const found = await dir.check();
	assert.deepEqual([...found], expected);
	assert.equal(found.blobs, before.blobs + 8 + odd.length);
	assert.ok(dir.has(good) && dir.has(empty) && orphans.every((id) => lstatSize(id) !== undefined), "check removed something");

	rmSync(dir.at(folder), { recursive: true });
	server.psql("delete from app.file where workspace_id in (select id from app.workspace where slug in ('w', E'other\\tone'))");
	assert.ok((await dir.check()).every((line) => line.startsWith("orphan ")), "rows that are gone are still looked for");
	await dir.gc("--orphan-age", "0");
	await dir.isClean();
});

test("a file replaced during the check is neither missing nor damaged", async () => {
	// Of a page of rows the first ones make more output than anybody takes before the last ones' turn comes.
	const slug = "w".repeat(1000);
	server.psql(`select count(p.status) from generate_series(1, 800) as n, api.file_put('${slug}', 's', 'downloads', n::text,
		('00' || substr(gen_random_uuid()::text, 3))::uuid, 1, 'text/plain', sha256('x')) as p`);
	const victims = ["missing", "damaged"].map((name) => dir.store(name, "12345", { id: `ff${randomUUID().slice(2)}` }));
	const [file, ...args] = dir.command(["check", "--blobs"]);
	const checking = spawn(file, args, { stdio: ["ignore", "pipe", "inherit"], cwd: "/" });
	await new Promise((resolve) => checking.stdout.once("readable", resolve));
	for (const name of ["missing", "damaged"]) dir.store(name, "newer");
	rmSync(dir.at(victims[0]));
	writeFileSync(dir.at(victims[1]), "123456");
	server.psql(`delete from app.blob_gone where blob = '${victims[0]}'`);
	const lines = (await readAll(checking.stdout)).toString().trimEnd().split("\n");
	assert.deepEqual(lines.filter((line) => !/^missing 00.* w{1000}\/s\/downloads\/\d+$/.test(line)).map((line) => line.replace(/^checked .*:/, "")),
		[" 800 missing, 0 damaged, 0 orphans"]);
	server.psql(`select api.files_delete_session('${slug}', 's')`);
	dir.ageGone(301);
	await dir.gc();
	await dir.isClean();
});

test("usage, other users, and no database", async () => {
	for (const [args, text] of [
		[["gc", "--blobs"], /--blobs doesn't go with gc/], [["check", "--blobs", "--dry-run"], /--dry-run doesn't go with check/],
		[["status", "--orphan-age", "1"], /--orphan-age doesn't go with status/], [["gc", "--orphan-age", "-1"], /seconds, not -1/],
		[["gc", "--orphan-age", "1h"], /seconds, not 1h/], [["gc", "--orphan-age", ""], /seconds/],
	]) {
		const { code, stderr } = await dir.cloud(args);
		assert.equal(code, 2, args.join(" "));
		assert.match(stderr, text);
	}
	const orphan = dir.plant("orphan", { age: 25 * HOUR });
	const stray = path.join(dir.root, "incoming/stray");
	dir.plant("stray", { file: stray, age: 25 * HOUR });
	const nowhere = await dir.cloud(["gc"], { env: { BLOB_DIR: path.join(server.dir, "nothing") } });
	assert.equal(nowhere.code, 1);
	assert.match(nowhere.stderr, /BLOB_DIR.*nothing: No such file/);
	await server.stopDatabase();
	for (const args of [["gc"], ["gc", "--orphan-age", "0"], ["check", "--blobs"]]) {
		const { code, stderr } = await dir.cloud(args);
		assert.equal(code, 1);
		assert.match(stderr, /can't connect to PostgreSQL/);
	}
	assert.ok(dir.has(orphan) && existsSync(stray), "something was removed without asking the database");
	await server.startDatabase();
	assert.deepEqual(await dir.gc(), { ...NOTHING, strays: [1, 5], orphans: [1, 6] });
});

test("who may not write to the directory is told whose it is", { skip: process.getuid() !== 0 && "this machine can't: needs root" }, async () => {
	const { code, stderr } = await dir.cloud(["gc"], { uid: 65534, gid: 65534, env: { DATABASE_URL: "host=/nonexistent" } });
	assert.equal(code, 2, "the configuration is not for everybody");
	assert.match(stderr, /can't read the configuration/);
	const env = { DATABASE_URL: "host=/nonexistent", BLOB_DIR: dir.root };
	const result = spawnSync("setpriv", ["--reuid=65534", "--regid=65534", "--clear-groups", dir.program, "gc", "--config", "/dev/null"],
		{ env: { ...process.env, ...env }, encoding: "utf8" });
	assert.equal(result.status, 1);
	assert.match(result.stderr, /BLOB_DIR: can't .*Permission denied \(the directory belongs to [\w-]+: run this as that user\)/);
});

test("the periodic run: removes by age, spares everything while no file is known, never runs twice, and ends with the server", async (t) => {
	const busy = await startServer({ env: { SWEEP_INTERVAL: "1" } });
	t.after(() => busy.stop());
	const blobs = new BlobDir(busy);
	const room = new Room(busy);
	const orphan = blobs.plant("12345", { age: 25 * HOUR });
	await waitFor(() => /level=warn .*housekeeping: the database names no blob at all, so orphans stay: 1 \(5 bytes\)/.test(busy.logs("craft-fcgi")),
		{ what: "the warning" });
	assert.ok(blobs.has(orphan));

	await room.put("s/attachments/a", "first");
	const young = blobs.plant("young", { age: 23 * HOUR });
	await waitFor(() => !blobs.has(orphan), { what: "the orphan to be removed" });
	const [first] = busy.psql("select blob_id from report.files").flat();
	await room.put("s/attachments/a", "second");
	blobs.ageGone(301);
	await waitFor(() => !blobs.has(first) && blobs.goneRows() === 0, { what: "the replaced blob to be removed" });
	const stray = path.join(blobs.root, "incoming/stray");
	blobs.plant("stray", { file: stray, age: 2 * HOUR });
	await waitFor(() => !existsSync(stray), { what: "the stray upload to be removed" });
	await waitFor(() => ["deleted blobs 0 (0 bytes), stray uploads 0 (0 bytes), orphans 1 (5 bytes)", "deleted blobs 1 (5 bytes)",
		"stray uploads 1 (5 bytes)"]
		.every((text) => busy.logs("craft-fcgi").split("\n").some((line) => /level=info/.test(line) && line.includes(text))),
	{ what: "the log's lines" });
	assert.doesNotMatch(busy.logs("craft-fcgi"), /deleted blobs 0 \(0 bytes\), stray uploads 0 \(0 bytes\), orphans 0 /);
	assert.ok(blobs.has(young));
	await room.holds("s/attachments/a", Buffer.from("second"));

	await busy.stopDatabase();
	await waitFor(() => /level=warn .*housekeeping: .*(connect|database|server)/.test(busy.logs("craft-fcgi")), { what: "the warning" });
	await busy.startDatabase();
	const next = blobs.plant("next", { age: 25 * HOUR });
	await waitFor(() => !blobs.has(next), { what: "the next run after the database's return" });

	// One that takes longer than the interval is alone, and doesn't hold up the end.
	const lock = await holding(busy, "lock table app.blob_gone in access exclusive mode");
	const sweepers = () => busy.psql("select now() - query_start > interval '2.5 s' from pg_stat_activity where application_name = 'craft-fcgi-sweeper'").flat();
	await waitFor(() => sweepers().includes("t"), { what: "a run that hangs" });
	assert.deepEqual(sweepers(), ["t"]);
	await room.holds("s/attachments/a", Buffer.from("second"));
	const start = ownMs();
	busy.kill("craft-fcgi");
	await waitFor(() => / msg="ended"/.test(busy.logs("craft-fcgi")), { what: "the end" });
	assert.ok(ownMs() - start < 8000, `it took ${ownMs() - start} ms`);
	assert.doesNotMatch(busy.logs("craft-fcgi"), /is killed|ended by signal/);
	await lock.end();
	await waitFor(() => sweepers().length === 0, { what: "its connection to end" });
});

test("a copy of the directory and a dump of the database bring every file back", async (t) => {
	const room = new Room(server);
	const files = new Map();
	for (let n = 0; n < 20; n++) {
		const name = `s${n % 3}/attachments/${encodeURIComponent(`f${n} é😀#?%.bin`)}`;
		files.set(name, bytes(n * 10_000));
		await room.put(name, files.get(name), { type: `application/x-${n}` });
	}
	await room.assets.put("deep/er/logo.png", bytes(77, "logo"), { type: "image/png" });
	await room.put("s0/attachments/replaced", bytes(10));
	await room.put("s0/attachments/replaced", bytes(10, "newer"));

	const backup = path.join(server.dir, "backup");
	mkdirSync(backup);
	const pg = (of) => ["-h", path.join(of.runDir, "pg"), "-U", "postgres"];
	execFileSync("pg_dump", [...pg(server), "-Fc", "-f", `${backup}/dump`, "craft"]);
	execFileSync("cp", ["-a", dir.root, `${backup}/blobs`]);
	// What happens afterwards is not in it.
	await room.put("s0/attachments/later", "later");
	await room.delete("s0/attachments/replaced");

	const other = await startServer({ env: { SWEEP_INTERVAL: "0" } });
	t.after(() => other.stop());
	rmSync(path.join(other.dir, "blobs"), { recursive: true });
	execFileSync("cp", ["-a", `${backup}/blobs`, path.join(other.dir, "blobs")]);
	execFileSync("psql", ["-Xq", "-v", "ON_ERROR_STOP=1", ...pg(other), "-d", "postgres", "-c", "drop database craft with (force)"]);
	execFileSync("pg_restore", [...pg(other), "-d", "postgres", "--create", "--exit-on-error", `${backup}/dump`]);
	other.psql("select api.epoch_renew()");
	await other.restart();

	const restored = new Room(other, room.slug);
	for (const [name, body] of files) await restored.holds(name, body);
	await restored.assets.holds("deep/er/logo.png", bytes(77, "logo"));
	await restored.holds("s0/attachments/replaced", bytes(10, "newer"));
	await restored.get("s0/attachments/later", {}, 404);
	const there = new BlobDir(other);
	await there.isClean("the restored blobs");
	assert.deepEqual((await there.gc("--orphan-age", "0")).orphans, [0, 0]);
	const row = (of) => of.psql(`select session, type, name, size, mime_type, sha256, blob_id, created_at, uploaded_at from report.files
		where workspace = '${room.slug}' and name not in ('later', 'replaced') order by blob_id`);
	assert.deepEqual(row(other), row(server));
	await restored.put("s0/attachments/after", "works");
	await there.isClean();
});
