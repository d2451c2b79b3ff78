// Two daemons with directories of their own share the sandboxes; limits; a host that is gone.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, openSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, test } from "node:test";
import { startSandboxRig } from "../harness/sandbox.mjs";
import { assertExpired, gate, row, tasks } from "../harness/sandbox_life.mjs";
import { assertNoTraces, ownUsers, processesOf } from "../harness/sandbox_traces.mjs";
import { alive, ROOT, waitFor } from "../harness/server.mjs";

const BUILD = path.resolve(ROOT, process.env.CRAFT_BUILD_DIR ?? "build");
const rig = await startSandboxRig({ env: { SANDBOX_MAX: "2", SANDBOX_WORKSPACE_MAX: "3", ...ownUsers() } });
const { server, anthropic } = rig;

/** A second host, with the rig's configuration but its own directory and users. */
class Host {
	constructor() {
		this.dir = path.join(server.dir, "sandboxes-2");
		this.conf = path.join(server.dir, "conf/second.conf");
		const own = { SANDBOX_DIR: this.dir, ...ownUsers() };
		const lines = readFileSync(rig.rig.confFile, "utf8").split("\n").filter((line) => !(line.split("=")[0] in own));
		writeFileSync(this.conf, [...lines, ...Object.entries(own).map((pair) => pair.join("=")), ""].join("\n"), { mode: 0o600 });
	}

	async start() {
		const log = openSync(path.join(server.logDir, "craft-sandboxd-2.log"), "a");
		const began = server.psqlValue("select clock_timestamp()");
		this.child = spawn(path.join(BUILD, "sandbox/craft-sandboxd"), ["--config", this.conf],
			{ cwd: "/", env: { PATH: process.env.PATH }, stdio: ["ignore", log, log] });
		await waitFor(() => this.id && server.psqlValue(`select alive and started_at > '${began}' from report.sandbox_hosts where host_id = '${this.id}'`) === "t",
			{ deadline: 30_000, what: "the second host to sign on" });
	}

	get id() {
		const file = path.join(this.dir, "host-id");
		return existsSync(file) ? readFileSync(file, "utf8").trim() : "";
	}

	async end(signal) {
		if (!alive(this.child.pid)) return;
		this.child.kill(signal);
		await waitFor(() => this.child.exitCode !== null || this.child.signalCode !== null, { deadline: 15_000, what: "the second host's end" });
	}

	has(sessionId) { return existsSync(path.join(this.dir, "inst", sessionId)); }
}

const second = new Host();
after(async () => {
	await second.end("SIGTERM");
	await rig.stop();
});
await second.start();
for (const slug of ["team", "other", "third"]) await rig.addRepo("alice/notes", { "a.txt": "hello\n" }, { slug });

const hostOf = ({ sessionId }) => server.psqlValue(`select host_id from app.sandbox_session where id = '${sessionId}'`);
const hosts = (columns) => server.psql(`select ${columns} from report.sandbox_hosts order by host_id = '${second.id}'`);
let all;

test("two hosts share the sandboxes, each is taken once", async () => {
	all = await Promise.all(["team", "team", "team", "other"].map((slug) => rig.begin("alice/notes", { slug, params: { since: 0 } })));
	await Promise.all(all.map((client) => client.waitStatus("ready")));
	assert.deepEqual(hosts("capacity, sandboxes, to_clean, alive"), [["2", "2", "0", "t"], ["2", "2", "0", "t"]]);
	for (const client of all) {
		assert.equal(second.has(client.sessionId), hostOf(client) === second.id);
		assert.equal(existsSync(rig.instanceDir(client.sessionId)), hostOf(client) !== second.id);
		// One claim: it was told once.
		assert.equal(client.messages.filter(({ status }) => status === "cloning").length, 1);
	}
});

test("so are the jobs", async () => {
	await Promise.all(all.map(async (client, n) => {
		await Promise.all(Array.from({ length: 10 }, (_, i) => client.bash(`echo ${n}.${i} >>ran`)));
		assert.equal((await client.bash("wc -l <ran")).output, "10\n");
		assert.equal((await client.execute("Go")).result.output, "Done.");
		assert.deepEqual(tasks(client, "kind").length, 12);
		assert.deepEqual([...new Set(tasks(client, "outcome").flat())], ["success"]);
		assert.equal(client.messages.filter(({ type }) => type === "tool_result").length, 11);
	}));
});

test("a workspace has its limit, the hosts have theirs, and both say so", async () => {
	const full = await rig.create("alice/notes");
	assert.equal(full.status, 429);
	assert.match(full.json.error, /This workspace has 3 sandboxes already, and may have 3 \(SANDBOX_WORKSPACE_MAX\)/);
	const hostsFull = await rig.create("alice/notes", { slug: "other" });
	assert.equal(hostsFull.status, 503);
	assert.match(hostsFull.json.error, /All sandbox hosts are full, their limit of 4 sandboxes is reached \(SANDBOX_MAX on each\)/);
	const gone = all.find((client) => client.slug === "team" && hostOf(client) !== second.id) ?? all.find((client) => client.slug === "team");
	await gone.delete();
	await rig.gone(gone.sessionId);
	const next = await rig.ready("alice/notes", { slug: "third", params: { since: 0 } });
	assert.equal(hostOf(next), hostOf(gone), "where there is room");
	all[all.indexOf(gone)] = next;
});

test("a host that is gone for long loses its sandboxes, and their clients are told", async () => {
	const [lost, kept] = [true, false].map((is) => all.filter((client) => (hostOf(client) === second.id) === is));
	assert.deepEqual([lost.length, kept.length], [2, 2]);
	anthropic.script({ text: "Never said", hold: gate().promise });
	lost[0].startTask("Go");
	await lost[0].wait(({ type, data }) => type === "stream" && !data.includes("Done."), { from: lost[0].messages.length });
	const from = lost[0].messages.length;
	await second.end("SIGKILL");
	lost[1].send({ type: "tool", id: "waits", name: "Bash", input: { command: "true" } });
	await waitFor(() => tasks(lost[1], "ended_at is null").at(-1)[0] === "t", { what: "the job" });
	server.psql(`update app.sandbox_host set seen_at = now() - interval '119 s' where id = '${second.id}'; select api.sandbox_sweep(86400, 600)`);
	assert.equal(row(lost[0], "status")[0], "ready", "119 s are not long");
	assert.equal((await rig.create("alice/notes")).status, 503, "but it gets no new ones");
	server.psql(`update app.sandbox_host set seen_at = now() - interval '121 s' where id = '${second.id}'`);
	assert.equal(server.psqlValue("select lost from api.sandbox_sweep(86400, 600)"), "2");
	assert.match((await lost[0].wait(({ type }) => type === "error", { from })).message, /The sandbox host is gone/);
	assert.match((await lost[1].wait((m) => m.type === "tool_result" && m.id === "waits")).error, /The sandbox host is gone/);
	for (const client of lost) {
		await assertExpired(client, /^The sandbox host is gone$/);
		assert.equal(client.messages.at(-1).message, "The sandbox host is gone");
		assert.deepEqual(row(client, "status, end_reason, cleaned_at is null"), ["expired", "host", "t"]);
	}
	for (const client of kept) assert.equal((await client.bash("cat a.txt")).output, "hello\n");
	// When it comes back it removes what is left.
	await second.start();
	for (const client of lost) {
		await waitFor(() => !second.has(client.sessionId), { deadline: 15_000, what: "its files to go" });
		await waitFor(() => row(client, "cleaned_at is not null")[0] === "t", { what: "the record" });
		assert.equal(client.messages.filter(({ status }) => status === "expired").length, 1);
	}
	anthropic.script({ text: "Done." });
});

test("no host", async () => {
	await second.end("SIGTERM");
	await server.stopSandboxd();
	const answer = await rig.create("alice/notes", { slug: "third" });
	assert.deepEqual([answer.status, answer.json.error], [503, "No sandbox host is running, try again later"]);
	await server.startSandboxd();
	for (const client of all.filter((one) => row(one, "ended_at is null")[0] === "t")) {
		await client.waitStatus("ready");
		await client.delete();
		await assertNoTraces(rig, client.sessionId);
	}
	await waitFor(() => processesOf(rig).length === 0, { what: "the last process to go" });
});
