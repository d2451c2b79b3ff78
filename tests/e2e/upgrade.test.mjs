// Every state of the schema that was released (tests/upgrade/released/NNNN.sql, a database with data as that release left
// it) comes to head by craft-cloud migrate: the catalog is a fresh database's, every row is there with what it had, and the
// daemons of today serve it. A migration that is interrupted leaves what was.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { appendFileSync, chmodSync, chownSync, cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, test } from "node:test";
import { promisify } from "node:util";
import { ROOT, script, startServer, waitFor } from "../harness/server.mjs";
import { describe as describeStatements } from "../harness/statements.mjs";
import { connect } from "../harness/sync.mjs";

const BUILD = path.resolve(ROOT, process.env.CRAFT_BUILD_DIR ?? "build");
const RELEASED = path.join(ROOT, "tests/upgrade/released");
const fixtures = readdirSync(RELEASED).filter((name) => /^\d{4}\.sql$/.test(name)).map((name) => name.slice(0, 4)).sort();
// What make-fixture sealed with.
const ENCRYPTION_KEY = "00112233445566778899aabbccddeeff".repeat(2);
const WORKSPACE_KEY = `cak_0123456789abcdef_${"ab".repeat(32)}`;
const run = promisify(execFile);

// The rows may be of any age by now: nothing is pruned.
const server = await startServer({ env: { ENCRYPTION_KEY, CHANGE_LOG_DAYS: "36500", SWEEP_INTERVAL: "0" } });
const work = mkdtempSync(path.join(tmpdir(), "craft-upgrade-"));
chmodSync(work, 0o755);
after(async () => {
	await server.stop();
	rmSync(work, { recursive: true, force: true });
});

const pgEnv = (db) => ({ ...process.env, PGHOST: server.pgHost, PGUSER: "postgres", PGDATABASE: db, PGOPTIONS: "-c client_min_messages=warning" });
const psql = async (db, ...args) => (await run("psql", ["-XqAt", "-v", "ON_ERROR_STOP=1", ...args], { env: pgEnv(db), maxBuffer: 64 << 20 })).stdout;
const query = async (db, sql) => (await psql(db, "-c", sql)).trimEnd();

const migrateArgs = (sqlDir) => [path.join(BUILD, "cli/craft-cloud"), ["migrate", "--config", "/dev/null", "--sql-dir", sqlDir]];
const migrateEnv = (db) => ({ ...process.env, DATABASE_URL: `host='${server.pgHost}' user=postgres dbname=${db}` });

/** craft-cloud migrate, which has to succeed. */
async function migrate(db, sqlDir = path.join(ROOT, "sql")) {
	const [program, args] = migrateArgs(sqlDir);
	return (await run(program, args, { env: migrateEnv(db) })).stdout;
}

async function restore(db, fixture) {
	await run("createdb", ["-T", "template0", "-E", "UTF8", db], { env: pgEnv("postgres") });
	await psql(db, "-f", path.join(RELEASED, `${fixture}.sql`));
}

// A dump puts "a between b and c and d" into other parentheses when it was restored from one.
const plain = (line) => (/\bCHECK\b|^\s*(WHEN|ELSE)\b/.test(line) ? line.replace(/[()]/g, "") : line);

/** The schemas' definitions; data: with the rows. */
async function dump(db, data = false) {
	const { stdout } = await run("pg_dump", [...(data ? [] : ["-s"]), "-n", "app", "-n", "api", "-n", "report"], { env: pgEnv(db), maxBuffer: 64 << 20 });
	return stdout.split("\n").filter((line) => !/^(--|SET |SELECT pg_catalog.set_config|\\(un)?restrict )/.test(line)).map(plain).join("\n").replace(/\n{2,}/g, "\n\n");
}

/** With the lines that differ, which node's own message lacks for texts as long. */
function sameText(got, want, what) {
	const lines = got.split("\n"), others = want.split("\n"), at = lines.findIndex((line, i) => line !== others[i]);
	assert.ok(got === want, `${what}: line ${at + 1} is\n${lines.slice(at, at + 5).join("\n")}\nand not\n${others.slice(at, at + 5).join("\n")}`);
}

const fresh = dump("craft");

/** Tables of schema app, with their columns and an order. */
async function tables(db) {
	const text = await query(db, `select json_object_agg(c.relname, json_build_object(
			'columns', (select json_agg(quote_ident(a.attname) order by a.attnum) from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped),
			'key', (select json_agg(quote_ident(a.attname) order by a.attnum) from pg_index i join pg_attribute a on a.attrelid = c.oid and a.attnum = any (i.indkey) where i.indrelid = c.oid and i.indisprimary)))
		from pg_class c where c.relnamespace = 'app'::regnamespace and c.relkind in ('r', 'p') and c.relname not like 'schema_%'`);
	return JSON.parse(text);
}

/** The rows of these columns of each table, as texts: what is JSON is compared byte by byte. */
async function rows(db, list) {
	const args = Object.entries(list).flatMap(([name, { columns }]) => ["-c", `\\qecho TABLE ${name}`,
		"-c", `select row_to_json(r) from (select ${columns.map((column) => `${column}::text`).join()} from app.${name}) r order by r::text collate "C"`]);
	const found = {};
	let at;
	for (const line of (await psql(db, ...args)).split("\n").filter(Boolean)) {
		if (line.startsWith("TABLE ")) at = found[line.slice(6)] = [];
		else at.push(line);
	}
	return found;
}

/** The next value of each sequence. */
const sequences = (db) => query(db, `select string_agg(sequencename || ' ' || coalesce(last_value, 0), ',' order by sequencename) from pg_sequences where schemaname = 'app'`);

// ---- served by the daemons of today ----

const encode = (parts) => `/${parts.map(encodeURIComponent).join("/")}`;

/** Puts the daemons onto that database. */
async function serve(db) {
	const conf = path.join(server.dir, "conf/craft-agent-cloud.conf");
	writeFileSync(conf, readFileSync(conf, "utf8").replace(/dbname=\w+/, `dbname=${db}`));
	for (const name of ["craft-fcgi", "craft-ws-bridge-1"]) {
		const { code, stdout, stderr } = await script("up", ["--dir", server.dir, "--restart", name], server.env);
		assert.equal(code, 0, stdout + stderr);
	}
}

/** The blobs that the rows name: their bytes are their files' names. */
async function makeBlobs(db) {
	const files = JSON.parse(await query(db, "select coalesce(json_agg(json_build_array(blob, name)), '[]') from app.file"));
	const { uid, gid } = statSync(path.join(server.dir, "blobs"));
	for (const [blob, name] of files) {
		const dir = path.join(server.dir, "blobs", blob.slice(0, 2));
		mkdirSync(dir, { recursive: true, mode: 0o750 });
		writeFileSync(path.join(dir, blob), name, { mode: 0o640 });
		for (const made of [dir, path.join(dir, blob)]) chownSync(made, uid, gid);
	}
}

async function checkReads(fixture) {
	const reads = JSON.parse(readFileSync(path.join(RELEASED, `${fixture}.json`), "utf8"));
	assert.ok(reads.length > 15);
	for (const [parts, body] of reads) {
		const answer = await server.request(encode(parts));
		assert.equal(answer.status, 200, `${parts}: ${answer.text}`);
		// A plan's text is sent as it is, its JSON aside.
		if (parts[4] === "plans" && parts.length === 6) assert.equal(answer.text, JSON.parse(body), parts.join("/"));
		else assert.equal(answer.text, body, parts.join("/"));
	}
}

async function checkFiles(db) {
	const files = JSON.parse(await query(db, `select coalesce(json_agg(json_build_array(w.slug, f.session_id, f.type, f.name, f.mime_type)), '[]')
		from app.file f join app.workspace w on w.id = f.workspace_id`));
	for (const [slug, session, type, name, mime] of files) {
		const target = type === "assets" ? `/assets/${encodeURIComponent(slug)}/${name}` : encode(["files", slug, session, type, name]);
		const answer = await server.request(target);
		assert.equal(answer.status, 200, `${target}: ${answer.text}`);
		assert.equal(answer.text, name);
		assert.equal(answer.headers["content-type"], mime);
	}
}

/** A client that was at 5 comes back: it gets the rest of the log, and then what is new, numbered on. */
async function checkResume(db, epoch) {
	const log = JSON.parse(await query(db, `select json_agg(json_build_array(c.seq, c.entity, c.action, c.data) order by c.seq) from app.change_log c
		join app.workspace w on w.id = c.workspace_id where w.slug = 'team' and c.seq > 5`));
	const head = log.at(-1)[0];
	assert.ok(log.length > 20);
	const client = await connect(server, "team", { since: 5, epoch });
	assert.deepEqual(client.hello, { type: "hello", epoch, seq: head, resumed: true });
	await client.waitFor(log.length);
	assert.deepEqual(client.broadcasts.map(({ seq, event }) => [seq, event.entity, event.action, event.data]), log);
	const writer = await connect(server, "team");
	await writer.ok("session:updateMeta", { sessionId: "plain", updates: { upgraded: true } });
	const [next] = (await client.waitFor(log.length + 1)).slice(-1);
	assert.equal(next.seq, head + 1);
	assert.equal(next.event.data.upgraded, true);
	assert.equal(next.event.data.name, "Renamed");
	// One whose log was cut before that must reload.
	const late = await connect(server, "pruned", { since: 5, epoch });
	assert.equal(late.hello.resumed, false);
	const inTime = await connect(server, "pruned", { since: 12, epoch });
	assert.equal(inTime.hello.resumed, true);
	for (const one of [client, writer, late, inTime]) one.kill();
}

/** What is encrypted opens: the credential for rekey and REST, the key for whoever has it. */
async function checkSecrets(db, number) {
	if (number >= 2) assert.equal((await server.request("/workspace/team/projects/Alice%2FNotes")).json.github.username, "alice");
	if (number >= 6) {
		assert.equal((await server.request("/workspace/team/labels", { key: WORKSPACE_KEY })).status, 200);
		assert.equal((await server.request("/workspace/pruned/labels", { key: WORKSPACE_KEY })).status, 403);
	}
	const { stdout } = await run(path.join(BUILD, "cli/craft-cloud"), ["rekey", "--config", "/dev/null"],
		{ env: { ...migrateEnv(db), ENCRYPTION_KEY: "ab".repeat(32), ENCRYPTION_KEY_PREVIOUS: ENCRYPTION_KEY } }).catch((error) => error);
	assert.match(stdout, /^neither +0$/m);
	const sealed = number >= 6 ? 6 : number >= 4 ? 2 : number >= 2 ? 1 : 0;
	assert.match(stdout, new RegExp(`^re-encrypted +${sealed}$`, "m"));
}

for (const fixture of fixtures) {
	const number = Number(fixture), db = `released_${fixture}`;
	test(`${fixture}: comes to head with all its data, and is served`, async () => {
		await restore(db, fixture);
		const before = await tables(db), data = await rows(db, before), counters = await sequences(db), epoch = await query(db, "select api.epoch()");
		assert.equal(await query(db, "select max(version) from app.schema_migration"), String(number));
		// Nothing that a client can do is without an example.
		for (const [name, list] of Object.entries(data)) assert.ok(list.length > 0, `${name} has no row in the fixture`);

		await migrate(db);
		sameText(await dump(db), await fresh, "the catalog is not that of a fresh database");
		const after = await rows(db, before);
		for (const [name, list] of Object.entries(data)) assert.deepEqual(after[name], list, name);
		const countersNow = await sequences(db);
		for (const counter of counters.split(",")) assert.ok(countersNow.includes(counter), `${counter} went on to ${countersNow}`);
		assert.equal(await query(db, "select api.epoch()"), epoch);
		const whole = await dump(db, true);
		assert.match(await migrate(db), /nothing to do/);
		sameText(await dump(db, true), whole, "a second migrate changed something");

		if (number >= 3) await makeBlobs(db);
		await serve(db);
		await checkReads(fixture);
		if (number >= 3) await checkFiles(db);
		await checkResume(db, epoch);
		await checkSecrets(db, number);
	});
}

test("there is a fixture of every migration that was released", () => {
	const migrations = readdirSync(path.join(ROOT, "sql/migrations")).map((name) => name.slice(0, 4)).sort();
	// Those behind them are of the next release: tests/upgrade/make-fixture makes theirs then.
	assert.deepEqual(fixtures, migrations.slice(0, fixtures.length));
});

// ---- interrupted ----

/** A copy of the SQL directory in which that file, at its end, takes for ever. */
function endless(file) {
	const dir = mkdtempSync(path.join(work, "sql-"));
	chmodSync(dir, 0o755);
	cpSync(path.join(ROOT, "sql"), dir, { recursive: true });
	appendFileSync(path.join(dir, file), "\nselect pg_sleep(600);\n");
	return dir;
}

/** The first file that a database of the fixture 0005 lacks, and the last one of functions. */
const firstMigration = path.join("migrations", readdirSync(path.join(ROOT, "sql/migrations")).find((name) => name.startsWith("0006_")));
const lastCode = path.join("api", readdirSync(path.join(ROOT, "sql/api")).sort().at(-1));
const code = (db) => query(db, `select json_agg(p.oid || p.prosrc order by p.oid) from pg_proc p where p.pronamespace in ('app'::regnamespace, 'api'::regnamespace)`);
const asleep = (db) => query(db, `select pid from pg_stat_activity where datname = '${db}' and wait_event = 'PgSleep'`);
const ends = {
	"its process is killed": (child) => child.kill("SIGKILL"),
	"its backend is ended": (child, db) => query("postgres", `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${db}' and wait_event = 'PgSleep'`),
};

describe("a migration that is interrupted", () => {
	for (const [when, file, how] of [["in its tables", firstMigration, "its process is killed"], ["in its functions", lastCode, "its backend is ended"]])
		test(`${when}, when ${how}, leaves what was, and can be run again`, async () => {
			const db = `interrupted_${createHash("md5").update(when + how).digest("hex").slice(0, 8)}`;
			await restore(db, "0005");
			const all = await dump(db, true), functions = await code(db);
			const [program, args] = migrateArgs(endless(file));
			const child = spawn(program, args, { env: migrateEnv(db), stdio: "ignore" });
			const ended = new Promise((resolve) => child.on("exit", (code, signal) => resolve(code ?? signal)));
			await waitFor(() => asleep(db), { what: "it to be half way", deadline: 20_000 });
			await ends[how](child, db);
			assert.notEqual(await ended, 0);
			// A backend notices that its client is gone.
			await waitFor(async () => !(await asleep(db)), { what: "its backend to end", deadline: 10_000 });
			if (file.startsWith("migrations")) sameText(await dump(db, true), all, "something is left of it");
			else assert.equal(await code(db), functions);
			await migrate(db);
			sameText(await dump(db), await fresh, "the catalog is not that of a fresh database");
		});
});

// ---- what released daemons ask ----

describe("statements that released daemons prepare", () => {
	const released = JSON.parse(readFileSync(path.join(RELEASED, "statements.json"), "utf8"));
	const advice = (what) => `${what}: daemons of the last release run beside this schema during an upgrade. Leave the function as it was ` +
		"(new parameters at its end, with defaults), and give one that must differ another name: HACKING.md, \"Changing the schema\"";
	const described = describeStatements(server, "craft", released);
	for (const [i, { program, name, sql, parameters, columns }] of released.entries())
		test(`${program}: ${name || sql}`, () => {
			assert.equal(described[i].error, null, advice(`"${sql}" fails now`));
			assert.deepEqual(described[i].parameters, parameters, advice(`"${sql}" has other parameters now`));
			assert.deepEqual(described[i].columns, columns, advice(`"${sql}" has other columns now`));
		});
});
