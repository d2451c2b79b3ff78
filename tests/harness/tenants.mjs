// tenants.mjs: the tenants' campaign of script/soak. Two workspaces with a key each on one server: the owner of the first does its
// worst, one attack after the other, while the second works. Its p99 beside the attacks is compared with what it is between them;
// memory and disk are watched; at last all daemons are killed, and everything has to come back by itself.
//
//	node tests/harness/tenants.mjs --minutes 10 --only PATTERN        (a regular expression; all attacks whose name it matches)
//
// The exit status is 1 when anything was lost, readable, too slow, too big, or didn't come back.

import { fork, spawnSync } from "node:child_process";
import { statfsSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { setTimeout as sleep } from "node:timers/promises";
import { childrenOf } from "./faults.mjs";
import { memory } from "./hostile.mjs";
import { startSandboxRig } from "./sandbox.mjs";
import { alive, ROOT, waitFor } from "./server.mjs";
import { Victim } from "./tenants_victim.mjs";

const { values } = parseArgs({ options: { minutes: { type: "string", default: "10" }, only: { type: "string", default: "" } } });
const SLOT = 15_000, REST = 5_000, SETTLE = 1_000;
const RATIO = 2;
const MB = 1 << 20;
const DAEMONS = ["nginx", "craft-fcgi", "craft-ws-bridge", "craft-sandboxd"];
const WORK = ["sync", "tool", "upload", "signed"];
/** What the attacker may use at most, of each: as the keys below say. */
const QUOTA = 100 * MB, DISK = 256 * MB, GROWTH = 600 * MB;

const violations = [];
const say = (text) => console.log(`${new Date().toISOString().slice(11, 19)} ${text}`);
const wrong = (text) => {
	violations.push(text);
	say(`VIOLATION: ${text}`);
};

const quantile = (list, q) => [...list].sort((a, b) => a - b)[Math.min(list.length - 1, Math.floor(list.length * q))] ?? NaN;

/** Ten workers at most in a row: what an operator sets on a machine of two CPUs. */
const env = { SANDBOX_CPU: "100", SANDBOX_MEMORY: "512M", SANDBOX_DISK: String(DISK), WORKSPACE_QUOTA: String(QUOTA) };

class Campaign {
	async start() {
		this.rig = await startSandboxRig({ env, bridges: 2, slug: "first", respawn: true });
		const { rig } = this;
		this.server = rig.server;
		await rig.addRepo("alice/one", { "a.txt": "one\n" }, { slug: "first" });
		await rig.addRepo("alice/two", { "a.txt": "two\n" }, { slug: "second" });
		const keys = {};
		for (const slug of ["first", "second"]) keys[slug] = await this.#key(slug);
		this.victim = await Victim.start({ server: this.server, rig, slug: "second", key: keys.second, repoKey: "alice/two" });
		await this.#attacker(keys.first);
		this.before = memory(this.server, ...DAEMONS);
		this.highest = this.before;
		this.timer = setInterval(() => { this.highest = Math.max(this.highest, memory(this.server, ...DAEMONS)); }, 1000);
	}

	async #key(slug) {
		const { code, stdout, stderr } = await this.rig.rig.cloud("key", "add", "--workspace", slug, "--name", "owner");
		if (code !== 0) throw new Error(stderr);
		this.rig.rig.secrets.add(stdout.trim());
		return stdout.trim();
	}

	async #attacker(apiKey) {
		const created = await this.rig.create("alice/one", { slug: "first", key: apiKey });
		const sandboxId = created.json.sessionId;
		const status = async () => (await this.server.request(`/api/sandbox/first/${sandboxId}/status`)).json.status;
		await waitFor(async () => (await status()) === "ready", { deadline: 120_000, what: "the attacker's sandbox" });
		this.child = fork(path.join(ROOT, "tests/harness/tenants_attacks.mjs"), { execPath: "/usr/bin/nice", execArgv: ["-n", "19", process.execPath] });
		this.child.send({ begin: { url: this.server.url, port: this.server.port, apiKey, slug: "first", sandboxId, repoKey: "alice/one",
			modelKey: this.rig.modelKey, secret: this.victim.secret, other: { slug: "second", sandboxId: this.victim.sandboxId } } });
		this.names = (await this.#reply(120_000)).ready.filter((name) => new RegExp(values.only).test(name));
	}

	#reply(deadline) {
		return new Promise((resolve, reject) => {
			const late = setTimeout(() => reject(new Error("the attacker doesn't answer")), deadline);
			this.child.once("message", (message) => {
				clearTimeout(late);
				if (message.failed) reject(new Error(message.failed));
				else resolve(message);
			});
		});
	}

	/** One attack, and a rest after it. */
	async attack(name) {
		const { victim } = this, before = this.usage();
		victim.phase = name;
		this.child.send({ run: name, ms: SLOT });
		const { told, leaks } = await this.#reply(SLOT + 300_000);
		victim.phase = "after";
		for (const leak of leaks) wrong(`${name}: ${leak}`);
		say(`${name}: ${WORK.map((what) => this.figures(name, what)).join("; ")}`);
		const now = this.usage();
		say(`    ${Object.keys(now).map((what) => `${what} ${((now[what] - before[what]) / MB).toFixed(0)} MB`).join(", ")} more`);
		say(`    it was told: ${Object.entries(told).map(([text, n]) => `${n} × ${text.trim()}`).join(" | ")}`);
		await sleep(SETTLE);
		victim.phase = "quiet";
		await sleep(REST);
		for (const error of victim.errors.splice(0)) wrong(`the second tenant's ${error}`);
	}

	figures(phase, what) {
		const list = this.victim.samples(phase, what);
		return `${what} ${quantile(list, 0.5).toFixed(1)}/${quantile(list, 0.99).toFixed(1)} ms`;
	}

	/** p99 of all attacks together against that of the time between them. */
	verdict() {
		for (const what of WORK) {
			const attacked = this.names.flatMap((name) => this.victim.samples(name, what));
			const quiet = this.victim.samples("quiet", what);
			const [a, b] = [quantile(attacked, 0.99), quantile(quiet, 0.99)];
			say(`${what}: p99 ${a.toFixed(1)} ms beside attacks (${attacked.length}), ${b.toFixed(1)} ms between them (${quiet.length}): ` +
				`${(a / b).toFixed(2)} x; p50 ${quantile(attacked, 0.5).toFixed(1)} / ${quantile(quiet, 0.5).toFixed(1)} ms`);
			if (!(a <= RATIO * b)) wrong(`${what} is ${(a / b).toFixed(2)} x as slow beside the attacks`);
		}
		say(`memory of the daemons: ${(this.before / MB).toFixed(0)} MB before, ${(this.highest / MB).toFixed(0)} MB at most`);
		if (this.highest - this.before > GROWTH) wrong("memory grew beyond its limit");
	}

	/** Bytes: the database, what was written to its log, uploads and answers on their way, the daemons. */
	usage() {
		const [[database, wal]] = this.server.psql("select pg_database_size('craft'), pg_current_wal_lsn() - '0/0'");
		const { stdout } = spawnSync("du", ["-sb", path.join(this.server.dir, "nginx"), path.join(this.server.dir, "blobs/incoming")], { encoding: "utf8" });
		const spool = stdout.split("\n").reduce((sum, line) => sum + (Number.parseInt(line, 10) || 0), 0);
		return { database: Number(database), WAL: Number(wal), spool, memory: memory(this.server, ...DAEMONS) };
	}

	disk() {
		const rows = this.server.psql(`select s.workspace, pg_size_pretty(pg_database_size('craft')),
			(select coalesce(sum(size), 0) from report.files f where f.workspace = s.workspace) from report.workspaces s order by 1`);
		for (const row of rows) say(`disk: ${row.join("  ")}`);
		const { bavail, bsize } = statfsSync(this.server.dir);
		say(`disk: ${((bavail * bsize) / 2 ** 30).toFixed(1)} GB free`);
	}

	/** kill -9 of everything that serves; script/up's supervisor has to bring it back. */
	async killAll() {
		const { victim, server } = this;
		await victim.pause();
		await victim.check();
		// Their children too: workers of nginx would serve on until a new nginx comes, and then hang up on everybody.
		const daemons = Object.values(server.ready.pids).flat(), pids = [...daemons, ...daemons.flatMap(childrenOf)];
		for (const pid of pids) if (alive(pid)) process.kill(pid, "SIGKILL");
		say(`killed ${pids.length} processes`);
		const begin = performance.now();
		await waitFor(async () => {
			victim.close();
			await victim.connect();
			await victim.connectSandbox();
			await victim.sandbox.bash("true", { deadline: 10_000 });
			return true;
		}, { deadline: 120_000, every: 200, what: "everything to come back by itself" });
		say(`all is back after ${((performance.now() - begin) / 1000).toFixed(1)} s`);
		victim.go();
		await sleep(REST);
		await victim.pause();
		await victim.check();
		for (const error of victim.errors.splice(0)) wrong(`after the kill: ${error}`);
	}

	async stop() {
		clearInterval(this.timer);
		this.child?.kill();
		this.victim?.close();
		await this.rig?.stop();
	}
}

const campaign = new Campaign();
try {
	await campaign.start();
	say(`${campaign.server.url}, ${campaign.server.dir}; quiet first`);
	await sleep(4 * REST);
	const end = Date.now() + Number(values.minutes) * 60_000;
	for (let n = 0; Date.now() < end; n++) await campaign.attack(campaign.names[n % campaign.names.length]);
	campaign.verdict();
	campaign.disk();
	await campaign.killAll();
} catch (error) {
	wrong(`${error.stack} ${error.cause?.stack ?? ""}`);
} finally {
	await campaign.stop().catch((error) => wrong(error.message));
}
console.log(`\nviolations: ${violations.length}`);
for (const text of violations) console.log(`  ${text}`);
process.exit(violations.length ? 1 : 0);
