// chaos.mjs: ways to break a server under load, each by name. Whoever is killed is started again, as an init system does
// it; when a fault is over, everything runs.
//
//	const chaos = new Chaos(world, load, { hold: 2000 });
//	await chaos.strike("kill -9 of a bridge");        // { first, all, outage }: how long it was felt, in ms

import { spawn } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { Strace, childrenOf } from "./faults.mjs";
import { alive, script, waitFor } from "./server.mjs";

const wait = (ms) => new Promise((done) => setTimeout(done, ms));

export class Chaos {
	/** hold: ms for which something is stopped, stalled or full; random: () => [0, 1). */
	constructor(world, load, { hold = 2000, random = Math.random } = {}) {
		Object.assign(this, { world, load, server: world.server, hold, random, frozen: new Set() });
		// What is stopped can't be stopped for good.
		process.on("exit", this.#thaw);
	}

	#thaw = () => { for (const pid of this.frozen) if (alive(pid)) process.kill(pid, "SIGCONT"); };

	end() { process.off("exit", this.#thaw); }

	pick(list) { return list[Math.floor(this.random() * list.length)]; }

	// ---- processes ----

	/** The pid on record; 0 when it doesn't live. */
	pid(name) {
		const pid = Number(readFileSync(path.join(this.server.dir, "pids", name), "utf8").split(" ")[0]);
		return alive(pid) ? pid : 0;
	}

	get bridges() { return readdirSync(path.join(this.server.dir, "pids")).filter((name) => /^craft-ws-bridge-\d+$/.test(name)).sort(); }

	children(name, like = /./) {
		return childrenOf(this.pid(name)).filter((pid) => {
			try {
				return like.test(readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " "));
			} catch {
				return false;
			}
		});
	}

	/** Starts it again until it stays: an old one's remains may be in the way for a moment. */
	revive(name) {
		return waitFor(async () => {
			const { code, stdout, stderr } = await script("up", ["--dir", this.server.dir, "--only", name], this.server.env);
			if (code !== 0) throw new Error(`${stdout}${stderr}`);
			return this.pid(name);
		}, { deadline: 60_000, every: 200, what: `${name} to start again` });
	}

	/** SIGKILL by default; resolves when they are gone. */
	async kill(pids, signal = "SIGKILL") {
		if (!pids.length || !pids.every(Boolean)) throw new Error(`there is nothing to end by ${signal}`);
		for (const pid of pids) process.kill(pid, signal);
		await waitFor(() => !pids.some(alive), { deadline: 30_000, what: `${pids} to end by ${signal}` });
	}

	/** Kills one on record and starts it again. */
	async killAndRevive(name, signal) {
		await this.kill([this.pid(name)], signal);
		await this.revive(name);
	}

	/** Stops processes for a while. */
	async freeze(pids, during) {
		const held = pids.filter((pid) => pid && alive(pid));
		if (held.length === 0) throw new Error("there is nothing to stop");
		for (const pid of held) {
			this.frozen.add(pid);
			process.kill(pid, "SIGSTOP");
		}
		try {
			await (during ?? wait(this.hold));
		} finally {
			for (const pid of held) {
				if (alive(pid)) process.kill(pid, "SIGCONT");
				this.frozen.delete(pid);
			}
		}
	}

	// ---- the database ----

	/** The daemons' backends; where: more of a condition. */
	async backends(where = "true") {
		const rows = await this.server.query(`select pid from pg_stat_activity where usename = 'craft_daemon' and ${where}`);
		return rows.map(([pid]) => Number(pid));
	}

	async writingBackend() { return this.pick(await this.backends("application_name = 'craft-ws-bridge write'")); }

	/** Ends backends as an administrator does. */
	terminate(where) { return this.server.query(`select pg_terminate_backend(pid) from pg_stat_activity where ${where}`); }

	/** PostgreSQL runs and answers, whatever became of it. */
	async mendDatabase() {
		await waitFor(async () => {
			if (!this.pid("postgres")) await this.revive("postgres");
			return this.server.query("select 1");
		}, { deadline: 60_000, every: 200, what: "the database" });
	}

	/** Holds the rows of all workspaces; resolves to a function that lets go. */
	async holdWorkspaces() {
		const psql = spawn("psql", ["-XqAt", "-v", "ON_ERROR_STOP=1", "-h", path.join(this.server.runDir, "pg"), "-U", "postgres",
			"-d", "craft"], { stdio: ["pipe", "pipe", "inherit"] });
		let said = "";
		psql.stdout.setEncoding("utf8").on("data", (text) => { said += text; });
		const ended = new Promise((resolve) => psql.on("close", resolve));
		psql.stdin.on("error", () => {});
		psql.stdin.write("begin; select count(*) from (select from app.workspace order by slug for update) x; select 'held';\n");
		await waitFor(() => /held/.test(said), { deadline: 20_000, what: "the workspaces' rows" });
		return async () => {
			psql.stdin.end("rollback;\n");
			await ended;
		};
	}

	/** Until a bridge's transaction waits for a workspace: it was sent, and isn't committed. */
	midCommit() {
		return waitFor(async () => (await this.backends("application_name like 'craft-ws-bridge write%' and wait_event_type = 'Lock'")).length > 0,
			{ deadline: 20_000, what: "a transaction that waits" });
	}

	/** Kills a writing backend where it is about to send the nth of its next answers: that of a commit, or one before. */
	async killBeforeAnswer(nth) {
		const pid = await this.writingBackend();
		const trace = await Strace.attach(pid, "-e", "trace=sendto", "-e", `inject=sendto:signal=SIGKILL:when=${nth}`)
			.catch(() => null);
		// One whose bridge has no clients just now has nothing to answer.
		await waitFor(() => !alive(pid), { deadline: 3000 }).catch(() => this.kill([pid]));
		await trace?.end();
	}

	// ---- strikes ----

	/** One fault from beginning to end. first, all: ms from when everything runs again until some, and until every
	 *  writer had a change acknowledged that it began after that; outage: ms for which one had none at the most. */
	async strike(name, deadline) {
		this.load.watchOutage();
		await faults[name].run(this);
		const recovery = await this.load.recovered(Date.now(), deadline);
		return { name, ...recovery, outage: this.load.outage() };
	}

	/** Why this fault can't be made here; false: it can. */
	impossible(name) { return faults[name].unless?.(this.world) || false; }
}

const noProxy = ({ proxy }) => (proxy ? false : "there is no proxy");
const noLink = (world) => world.noLink;
const noDisk = (world) => world.noDisk;
const noClocks = (world) => world.noClocks;

async function rollingRestart(chaos) {
	for (const name of [...chaos.bridges, "craft-fcgi", "nginx", "postgres", "craft-sandboxd"]) {
		const { code, stderr } = await script("down", ["--dir", chaos.server.dir, "--only", name], chaos.server.env);
		if (code !== 0) throw new Error(stderr);
		await chaos.revive(name);
	}
}

async function clock(chaos, name, steps) {
	try {
		for (const seconds of steps) {
			chaos.world.setClock(name, seconds);
			await wait(chaos.hold);
		}
	} finally {
		chaos.world.setClock(name, 0);
	}
}

async function midCommit(chaos, during) {
	const letGo = await chaos.holdWorkspaces();
	try {
		await chaos.midCommit();
		await during();
	} finally {
		await letGo();
	}
}

// during: more that is done while it is full.
async function fullDisk(chaos, during = () => {}) {
	try {
		chaos.world.fillDisk();
		await during();
		await wait(chaos.hold);
	} finally {
		chaos.world.emptyDisk();
	}
	await chaos.mendDatabase();
}

// Files for the WAL that are there already are used up, so that it needs new ones.
async function switchWal(chaos) {
	try {
		for (let i = 0; i < 8; i++) await chaos.server.query("select pg_switch_wal() from (select pg_logical_emit_message(true, '', 'x')) x");
	} catch { /* it has stopped, which was the point */ }
}

async function badNetwork(chaos, begin, end) {
	begin(chaos.world.proxy);
	await wait(chaos.hold);
	end(chaos.world.proxy);
}

async function badLink(chaos, quality) {
	await chaos.world.link.set(quality);
	await wait(chaos.hold);
	await chaos.world.link.set({});
}

/** By name: run(chaos), and unless(world) where it isn't always possible. */
export const faults = {
	"kill -9 of a bridge": { run: (c) => c.killAndRevive(c.pick(c.bridges)) },
	"one of two bridges dead for a while": { run: async (c) => {
		const name = c.pick(c.bridges);
		await c.kill([c.pid(name)]);
		await c.load.recovered(Date.now());
		await c.revive(name);
	}, unless: ({ server }) => server.ready.pids["craft-ws-bridge"].length < 2 && "there is one bridge" },
	"kill -9 of all bridges": { run: async (c) => {
		await c.kill(c.bridges.map((name) => c.pid(name)));
		for (const name of c.bridges) await c.revive(name);
	} },
	"kill -9 of a worker": { run: (c) => c.kill([c.pick(c.children("craft-fcgi"))]) },
	"kill -9 of the master of craft-fcgi": { run: (c) => c.killAndRevive("craft-fcgi") },
	"kill -9 of an nginx worker": { run: (c) => c.kill([c.pick(c.children("nginx"))]) },
	"kill -9 of a PostgreSQL backend": { run: async (c) => {
		await c.kill([c.pick(await c.backends())]);
		await c.mendDatabase();
	} },
	"kill -9 of a backend between its commit and the answer": { run: async (c) => {
		await c.killBeforeAnswer(1 + Math.floor(c.random() * 3));
		await c.mendDatabase();
	} },
	"kill -9 of the postmaster": { run: async (c) => {
		await c.kill([c.pid("postgres")]);
		await c.mendDatabase();
	} },
	"immediate stop of PostgreSQL": { run: async (c) => {
		await c.kill([c.pid("postgres")], "SIGQUIT");
		await c.mendDatabase();
	} },
	"fast stop of PostgreSQL": { run: async (c) => {
		await c.kill([c.pid("postgres")], "SIGINT");
		await c.mendDatabase();
	} },
	"SIGSTOP of a bridge": { run: (c) => c.freeze([c.pid(c.pick(c.bridges))]) },
	"SIGSTOP of a worker": { run: (c) => c.freeze([c.pick(c.children("craft-fcgi"))]) },
	"SIGSTOP of the master of craft-fcgi": { run: (c) => c.freeze([c.pid("craft-fcgi")]) },
	"SIGSTOP of an nginx worker": { run: (c) => c.freeze([c.pick(c.children("nginx"))]) },
	"SIGSTOP of a writing backend": { run: async (c) => c.freeze([await c.writingBackend()]) },
	"SIGSTOP of a listening backend": { run: async (c) =>
		c.freeze([c.pick(await c.backends("application_name = 'craft-ws-bridge read'"))]) },
	"SIGSTOP of the postmaster": { run: (c) => c.freeze([c.pid("postgres")]) },
	"SIGSTOP of PostgreSQL's own processes": { run: (c) =>
		c.freeze(c.children("postgres", /postgres: (walwriter|checkpointer|background writer|autovacuum launcher)/)) },
	"SIGSTOP of all of PostgreSQL": { run: (c) => c.freeze([c.pid("postgres"), ...c.children("postgres")]) },
	"the LISTEN connections cut": { run: (c) => c.terminate("application_name = 'craft-ws-bridge read'") },
	"all connections of the daemons cut": { run: (c) => c.terminate("usename = 'craft_daemon'") },
	"kill -9 of a bridge in the middle of a commit": { run: (c) => midCommit(c, () => c.killAndRevive(c.pick(c.bridges))) },
	"kill -9 of all bridges in the middle of a commit": { run: (c) => midCommit(c, () => faults["kill -9 of all bridges"].run(c)) },
	"connections cut in the middle of a commit": { run: (c) => midCommit(c, () => c.terminate("usename = 'craft_daemon'")) },
	"kill -9 of a bridge whose backend is stopped": { run: async (c) => {
		const pid = await c.writingBackend();
		if (pid) process.kill(pid, "SIGSTOP");
		try {
			await wait(200);
			await c.kill(c.bridges.map((name) => c.pid(name)));
		} finally {
			if (pid && alive(pid)) process.kill(pid, "SIGCONT");
		}
		for (const name of c.bridges) await c.revive(name);
	} },
	"kill -9 of craft-sandboxd": { run: (c) => c.killAndRevive("craft-sandboxd") },
	"a bridge drains and starts again": { run: async (c) => c.killAndRevive(c.pick(c.bridges), "SIGTERM") },
	"craft-fcgi replaces its workers": { run: async (c) => { process.kill(c.pid("craft-fcgi"), "SIGHUP"); } },
	"nginx reloads": { run: async (c) => { process.kill(c.pid("nginx"), "SIGHUP"); } },
	"rolling restart of everything": { run: rollingRestart },
	"disk full under PostgreSQL": { run: (c) => fullDisk(c), unless: noDisk },
	"disk full under PostgreSQL and its WAL": { run: (c) => fullDisk(c, () => switchWal(c)), unless: noDisk },
	"clock of the daemons set back by an hour": { run: (c) => clock(c, "daemons", [-3600]), unless: noClocks },
	"clock of the daemons jumps": { run: (c) => clock(c, "daemons", [86_400 * 400, -86_400 * 400]), unless: noClocks },
	"clock of the database set back by an hour": { run: (c) => clock(c, "database", [-3600]), unless: noClocks },
	"network: all connections reset": { run: async (c) => { c.world.proxy.cut(); }, unless: noProxy },
	"network: half of the connections reset": { run: async (c) => { c.world.proxy.cut(0.5); }, unless: noProxy },
	"network: nothing passes": { run: (c) => badNetwork(c, (p) => p.stall(true), (p) => p.stall(false)), unless: noProxy },
	"network: nothing passes, then all is reset": { run: (c) => badNetwork(c, (p) => p.stall(true), (p) => {
		p.cut();
		p.stall(false);
	}), unless: noProxy },
	"network: packets late, out of order and lost": { run: (c) => badLink(c, { delay: 40, jitter: 20, loss: 0.05 }), unless: noLink },
	"network: every third packet lost": { run: (c) => badLink(c, { delay: 5, jitter: 5, loss: 0.33 }), unless: noLink },
	"network: the cable is pulled": { run: (c) => badLink(c, { loss: 1 }), unless: noLink },
};
