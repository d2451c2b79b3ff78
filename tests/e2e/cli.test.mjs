// craft-cloud for people and for scripts: status and check say what is wrong and how to mend it, --json holds the same,
// --help's examples are commands that there are, and bash completes them.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { after, test } from "node:test";
import { program } from "../harness/api_spec.mjs";
import { BlobDir } from "../harness/housekeeping.mjs";
import { ROOT, startServer, waitFor } from "../harness/server.mjs";
import { connect } from "../harness/sync.mjs";

const server = await startServer({ env: { SWEEP_INTERVAL: "0" } });
after(() => server.stop());
const cli = new BlobDir(server);
const SQL = ["--sql-dir", path.join(ROOT, "sql")];
const env = { WS_LISTEN: path.join(server.runDir, "ws-1.sock") };
const reach = ["--url", server.url, "--ca-file", path.join(server.dir, "tls/cert.pem")];

async function json(args, code = 0, more = {}) {
	const result = await cli.cloud([...args, "--json"], { env: { ...env, ...more } });
	assert.equal(result.code, code, result.stderr + result.stdout);
	assert.equal(result.stderr, "");
	assert.equal(result.lines.length, 1, "one value");
	return JSON.parse(result.stdout);
}

const client = await connect(server, "team", { since: 0 });
await client.ok("session:save", { id: "s", header: { id: "s" }, messages: [1, 2, 3] });
await client.close();
await waitFor(() => Number(server.psqlValue("select count(*) from app.sandbox_host")) === 1, { what: "the sandbox host" });

test("of what script/up made, status and check need nothing but the configuration, wherever they are called", () => {
	for (const command of ["status", "check"]) {
		const { status, stdout, stderr } = spawnSync(program("cli/craft-cloud"), [command, "--config", path.join(server.dir, "conf/craft-agent-cloud.conf")],
			{ cwd: "/", encoding: "utf8" });
		assert.equal(status, 0, stdout + stderr);
	}
});

test("status: versions, contents, queue, daemons, hosts, disk", async () => {
	const status = await json(["status", ...SQL]);
	assert.deepEqual(status.problems, []);
	assert.deepEqual([status.workspaces, status.sessions, status.messages, status.pendingMigrations], [1, 1, 3, 0]);
	assert.match(status.epoch, /^[0-9a-f]{16}$/);
	assert.match(status.program, /^\d+\.\d+/);
	assert.match(status.postgresVersion, /^1[5-9]/);
	assert.ok(Object.keys(status.connections).some((name) => name.startsWith("craft-ws-bridge")), JSON.stringify(status.connections));
	assert.ok(Object.keys(status.connections).some((name) => name.startsWith("craft-fcgi")));
	assert.ok(status.databaseBytes > 1e6 && status.blobDisk.freeBytes > 0 && status.blobDisk.freeBytes <= status.blobDisk.bytes);
	assert.deepEqual(status.queue, { sandboxes: 0, unclaimed: 0, unclaimedSeconds: 0, waitingTasks: 0, waitingSeconds: 0, runningTasks: 0 });
	assert.equal(status.sandboxHosts.length, 1);
	assert.equal(status.sandboxHosts[0].alive, true);
	const { code, stdout } = await cli.cloud(["status", ...SQL]);
	assert.equal(code, 0);
	assert.match(stdout, /^schema version +\d+\n/m);
	assert.match(stdout, /^sandbox host +\S+, version \S+, alive, 0 of \d+ sandboxes\n/m);
	assert.match(stdout, /^disk of BLOB_DIR +\d+ MB free of \d+ MB\n/m);
});

test("status: what waits for a host, a host that is lost, a task that nobody takes", async () => {
	await server.stopSandboxd();
	server.psql(`insert into app.sandbox_session (id, workspace_id, repo_key, sandbox_id, branch, status, expires_at, created_at)
		select gen_random_uuid(), id, 'a/b', 'x', 'main', 'provisioning', now() + interval '1 h', now() - interval '90 s' from app.workspace`);
	const waiting = await json(["status", ...SQL], 1);
	assert.equal(waiting.problems.length, 1);
	assert.match(waiting.problems[0].problem, /waits for a host since 9\d s/);
	assert.match(waiting.problems[0].mend, /craft-sandboxd/);
	assert.equal(waiting.queue.unclaimed, 1);
	server.psql(`update app.sandbox_host set stopped_at = null, seen_at = now() - interval '100 s'`);
	server.psql(`update app.sandbox_session set host_id = (select id from app.sandbox_host)`);
	server.psql(`insert into app.sandbox_job (session_id, client, kind, queued_at, bytes_in) select id, 'c', 'execute', now() - interval '70 s', 1 from app.sandbox_session`);
	const lost = await json(["status", ...SQL], 1);
	assert.match(lost.problems[0].problem, /a task isn't taken since 7\d s/);
	assert.match(lost.problems[1].problem, /the sandbox host \S+ said nothing for 10\d s/);
	assert.equal(lost.problems.length, 2);
	const { code, stderr } = await cli.cloud(["status", ...SQL]);
	assert.equal(code, 1);
	assert.match(stderr, /^craft-cloud: the sandbox host .* said nothing .*: start craft-sandboxd there/m);
	server.psql("delete from app.sandbox_job; delete from app.sandbox_session; delete from app.sandbox_host");
	assert.deepEqual((await json(["status", ...SQL])).problems, []);
	await server.startSandboxd();
});

test("check: all is well", async () => {
	const { problems, ok } = await json(["check", ...SQL, ...reach]);
	assert.deepEqual(problems, []);
	for (const what of [/the configuration has/, /answers, to the role craft_daemon/, /schema is that of this program/, /may execute/, /self-check: /,
		/files can be made in BLOB_DIR/, /craft-fcgi listens on .*fcgi\.sock/, /fcgi-upload\.sock/, /fcgi-github\.sock/, /craft-ws-bridge listens/, /clients reach the service at https/])
		assert.equal(ok.filter((text) => what.test(text)).length, 1, `${what} in ${JSON.stringify(ok)}`);
	const { code, lines, stderr } = await cli.cloud(["check", ...SQL, ...reach], { env });
	assert.equal(code, 0, stderr);
	assert.deepEqual(lines.map((line) => line.replace(/^ok +/, "")), ok);
	assert.equal(lines.filter((line) => !line.startsWith("ok ")).length, 0);
});

const pg = `host='${path.join(server.runDir, "pg")}' dbname=craft`;
const wrong = {
	"nothing at the URL": [/don't reach the service at http:\/\/127\.0\.0\.1:1: /, /nginx runs/, ["--url", "http://127.0.0.1:1"]],
	"another site there": [/status 404, and not our answer/, /includes/, ["--url", `${server.url}/elsewhere`, ...reach.slice(2)]],
	"a certificate of nobody": [/don't reach.*certificate/i, /nginx/, ["--url", server.url]],
	"no bridge": [/craft-ws-bridge doesn't answer on \/nonexistent: No such file/, /start craft-ws-bridge, or correct WS_LISTEN/, [], { WS_LISTEN: "/nonexistent" }],
	"no workers": [/craft-fcgi doesn't answer on \/nonexistent/, /FCGI_LISTEN/, [], { FCGI_LISTEN: "/nonexistent" }],
	"no database": [/can't connect to PostgreSQL/, /DATABASE_URL/, [], { DATABASE_URL: "host=/nonexistent" }],
	"another database": [/no schema of craft-agent-cloud/, /again/, [], { DATABASE_URL: pg.replace("dbname=craft", "dbname=postgres user=craft_daemon") }],
	"another BLOB_DIR": [/BLOB_DIR: can't open the directory \/nonexistent/, /daemons' user/, [], { BLOB_DIR: "/nonexistent" }],
	"files that nobody may make": [/can't make a file in BLOB_DIR/, /daemons' user/, [], { BLOB_DIR: "closed" }],
	"functions that are forbidden": [/may not execute 1 functions/, /craft_daemon/, [], {}, "revoke execute on function api.epoch() from craft_daemon",
		"grant execute on function api.epoch() to craft_daemon"],
};
for (const [name, [problem, mend, args, more = {}, before, afterwards]] of Object.entries(wrong))
	test(`check: ${name}`, async () => {
		if (more.BLOB_DIR === "closed") more.BLOB_DIR = closed();
		if (before) server.psql(before);
		try {
			const { problems } = await json(["check", ...SQL, ...args], 1, more);
			assert.equal(problems.length, 1, JSON.stringify(problems));
			assert.match(problems[0].problem, problem);
			assert.match(problems[0].mend, mend);
		} finally {
			if (afterwards) server.psql(afterwards);
		}
	});

function closed() {
	const dir = path.join(server.dir, "closed");
	spawnSync("install", ["-d", "-m", "0755", dir, path.join(dir, "incoming")]);
	if (process.getuid() !== 0) chmodSync(path.join(dir, "incoming"), 0o555);
	return dir;
}

// Whoever runs it: a clear sentence, nothing done, and nothing secret in what is said.
const nobody = { uid: 65534, gid: 65534 };
const everything = [["status", ...SQL], ["gc"], ["rekey"], ["key", "list"], ["key", "add", "--workspace", "team", "--name", "n"], ["migrate", ...SQL], ["workspace", "list"],
	["workspace", "show", "team"], ["workspace", "export", "team"], ["workspace", "delete", "team", "--yes"], ["workspace", "import", "/dev/null"]];

async function allFail(pattern, { commands = everything, code = 1, env: more = {}, ...who } = {}) {
	for (const args of commands) {
		const result = await cli.cloud(args, { env: more, ...who });
		assert.equal(result.code, code, args.join(" "));
		assert.match(result.stderr, pattern, args.join(" "));
		assert.equal(result.stderr.trimEnd().split("\n").length, 1, result.stderr);
		for (const secret of secrets) assert.ok(!result.stderr.includes(secret) && !result.stdout.includes(secret));
	}
	assert.equal(server.psqlValue("select count(*) from app.workspace where slug = 'team'"), "1");
	assert.equal(server.psqlValue("select count(*) from app.api_key"), "0");
}
const configuration = path.join(server.dir, "conf/craft-agent-cloud.conf");
const secrets = [...readFileSync(configuration, "utf8").matchAll(/^(?:API_KEY|ENCRYPTION_KEY)=(.+)$/gm)].map(([, value]) => value);
const asOthers = { skip: process.getuid() !== 0 && "only root can be somebody else" };

test("a user who may not read the configuration is told whose it is", asOthers, async () => {
	assert.equal(secrets.length, 2);
	await allFail(/^craft-cloud: can't read the configuration \S+\/craft-agent-cloud\.conf: Permission denied \(it belongs to www-data: run this as that user, or as root\)\n$/,
		{ code: 2, ...nobody });
});

test("a user whom the database doesn't know is told which one it is for; BLOB_DIR's owner is named", asOthers, async () => {
	const { mode } = statSync(configuration);
	chmodSync(configuration, 0o644);
	try {
		const inBlobs = [["gc"], ["gc", "--dry-run"], ["check", "--blobs"]];
		await allFail(/^craft-cloud: can't connect to PostgreSQL: .*authentication failed for user "craft_daemon"; run this as the daemons' user, or correct the URL\n$/,
			{ ...nobody, commands: everything.filter(([first]) => first !== "gc") });
		await allFail(/^craft-cloud: BLOB_DIR: can't open the directory \S+\/blobs: Permission denied \(the directory belongs to www-data: run this as that user\)\n$/,
			{ ...nobody, commands: inBlobs });
		await allFail(/^craft-cloud: BLOB_DIR: can't write to the directory \S+\/closed: Permission denied \(the directory belongs to root: run this as that user\)\n$/,
			{ commands: [["gc"]], env: { BLOB_DIR: closed() } });
	} finally {
		chmodSync(configuration, mode);
	}
});

test("a role without rights in the database is told which rights it takes", async () => {
	server.psql("create role stranger nologin; grant stranger to craft_daemon");
	const url = `host='${path.join(server.runDir, "pg")}' dbname=craft user=craft_daemon options='-c role=stranger'`;
	await allFail(/^craft-cloud: .*permission denied for schema a(pi|pp).*: it takes the rights of craft_daemon \(DATABASE_URL\)/,
		{ env: { DATABASE_URL: url, DATABASE_OWNER_URL: url }, commands: everything.filter(([first, second]) => second !== "import" && first !== "gc") });
	await allFail(/permission denied for schema api/, { env: { DATABASE_URL: url }, commands: [["gc"]] });
	const { stdout } = await cli.cloud(["workspace", "export", "team"], { env: { DATABASE_URL: url } });
	assert.equal(stdout, "", "no end of an archive behind what was broken off");
	server.psql("drop role stranger");
});

test("gc for scripts", async () => {
	cli.plant("old", { age: 90_000 });
	cli.plant("stray!", { file: path.join(cli.root, "incoming/stray"), age: 4000 });
	const found = { deleted: { files: 0, bytes: 0 }, strays: { files: 1, bytes: 6 }, orphans: { files: 1, bytes: 3 }, foreign: 0 };
	assert.deepEqual(await json(["gc", "--dry-run"]), { dryRun: true, ...found });
	assert.deepEqual(await json(["gc"]), { dryRun: false, ...found });
	const none = { files: 0, bytes: 0 };
	assert.deepEqual(await json(["gc"]), { dryRun: false, deleted: none, strays: none, orphans: none, foreign: 0 });
});

test("check of a server that is down names all that is", async () => {
	await server.down();
	const { code, stderr } = await cli.cloud(["check", ...SQL, ...reach], { env });
	assert.equal(code, 1);
	for (const what of [/can't connect to PostgreSQL/, /craft-fcgi doesn't answer/, /craft-ws-bridge doesn't answer/, /don't reach the service/])
		assert.match(stderr, what);
	await server.up();
});

test("workspace list and show", async () => {
	const list = await json(["workspace", "list"]);
	assert.deepEqual(list.map(({ workspace, sessions, messages }) => [workspace, sessions, messages]), [["team", 1, 3]]);
	assert.deepEqual(await json(["workspaces"]), list, "the old name");
	const show = await json(["workspace", "show", "team"]);
	assert.equal(show.messages, 3);
	const { stdout } = await cli.cloud(["workspace", "show", "team"]);
	assert.match(stdout, /^workspace +team\ncreated at +20.*Z\n/);
	assert.equal((await cli.cloud(["workspace", "show", "nobody's"])).code, 1);
});

test("usage", async () => {
	for (const [args, text] of [
		[["workspace"], /unknown command workspace/], [["workspace", "show"], /workspace show takes WORKSPACE/], [["workspace", "show", "a", "b"], /unexpected argument b/],
		[["workspace", "export", "a", "--json"], /--json doesn't go with workspace export/], [["migrate", "--yes"], /--yes doesn't go with migrate/],
		[["workspace", "import"], /takes FILE/], [["check", "--blobs", "--json"], /--blobs doesn't go with/],
	]) {
		const { code, stderr } = await cli.cloud(args);
		assert.equal(code, 2, args.join(" "));
		assert.match(stderr, text);
	}
});

const help = (...args) => spawnSync(cli.program, [...args, "--help"], { encoding: "utf8" }).stdout;
const commands = [...help().matchAll(/^ {2}([a-z]+(?: [a-z]+)?)(?= {2,}| [A-Z])/gm)].map(([, name]) => name);

test("each command has help with examples of itself", () => {
	assert.ok(commands.includes("workspace import") && commands.includes("gc"), commands.join());
	for (const name of commands) {
		const text = help(...name.split(" "));
		assert.match(text, new RegExp(`^Usage: craft-cloud ${name}\\b`));
		const examples = text.slice(text.indexOf("Examples:\n")).split("\n").slice(1, -1);
		assert.ok(examples.length > 0, name);
		for (const line of examples) assert.match(line, new RegExp(`^  (\\w+ [^|]*\\| )?craft-cloud ${name}\\b`));
	}
});

function complete(line) {
	const script = `PATH=${path.dirname(cli.program)}:$PATH
. ${ROOT}/dist/bash-completion/craft-cloud
read -r -a COMP_WORDS <<<"$1"; [[ $1 != *" " ]] || COMP_WORDS+=("")
COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); COMP_LINE=$1 COMP_POINT=\${#1}
_craft_cloud craft-cloud "\${COMP_WORDS[COMP_CWORD]}" "\${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\\n' "\${COMPREPLY[@]}"; complete -p craft-cloud >/dev/null`;
	const { status, stdout, stderr } = spawnSync("bash", ["-c", script, "bash", line], { encoding: "utf8", cwd: ROOT });
	assert.equal(status, 0, stderr);
	assert.equal(stderr, "");
	return stdout.split("\n").filter(Boolean).sort();
}

test("bash completes commands, options and files", () => {
	assert.deepEqual(complete("craft-cloud "), [...new Set(commands.map((name) => name.split(" ")[0]))].sort());
	assert.deepEqual(complete("craft-cloud mi"), ["migrate"]);
	assert.deepEqual(complete("craft-cloud workspace "), ["delete", "export", "import", "list", "show"]);
	assert.deepEqual(complete("craft-cloud workspace ex"), ["export"]);
	assert.deepEqual(complete("craft-cloud workspace import --"), ["--as", "--config", "--help", "--replace"]);
	assert.deepEqual(complete("craft-cloud gc --o"), ["--orphan-age"]);
	for (const command of ["gc", "rekey", "key list"]) assert.deepEqual(complete(`craft-cloud ${command} --j`), ["--json"], command);
	assert.deepEqual(complete("craft-cloud gc --orphan-age "), []);
	assert.deepEqual(complete("craft-cloud workspace import READ"), ["README.md"]);
	assert.deepEqual(complete("craft-cloud status --config READ"), ["README.md"]);
	assert.deepEqual(complete("craft-cloud --config READ"), ["README.md"]);
	assert.deepEqual(complete("craft-cloud workspace export team READ"), ["README.md"]);
	assert.deepEqual(complete("craft-cloud gc "), []);
});
