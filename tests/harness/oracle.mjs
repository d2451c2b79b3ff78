// oracle.mjs: load on a server, and what must hold of it whatever breaks: every acknowledged change is in the state, and
// in the change log once; what was refused isn't; every listener saw all numbers in order and once; the state is what the
// log says, over REST and in the database.
//
//	const load = await Load.start(server, { workspaces: 2 });
//	…                                        // something breaks
//	await load.recovered(begin);             // until each writer had a change acknowledged that it began after that
//	assert.deepEqual(await load.check(), []);
//	await load.stop();

import https from "node:https";
import { Listener } from "./oracle_listener.mjs";
import { Model } from "./oracle_model.mjs";
import { randomOf } from "./oracle_ops.mjs";
import { NamedWriter, PlainWriter, RestWriter } from "./oracle_writers.mjs";
import { slowness } from "./pace.mjs";
import { waitFor } from "./server.mjs";

const quoted = (text) => `'${text.replaceAll("'", "''")}'`;
let counter = 0;

/** One workspace: its writers, its listeners, and what became of everything. */
export class Place {
	constructor(load, slug) {
		Object.assign(this, { load, slug, ops: new Map(), model: new Model(), checked: 0, writers: [], listeners: [] });
		this.path = `/workspace/${slug}`;
	}

	complain = (text) => this.load.blame(`${this.slug}: ${text}`);

	settings(name, more = {}) {
		const { load } = this;
		return { name, blame: this.complain, random: load.random, pause: load.pause, patience: load.patience,
			url: (query) => load.wsUrl(this.slug, query), options: () => load.server.wsOptions(),
			note: (op) => this.ops.set(op.mark, op), acked: (writer, op) => load.noteAcked(op), ...more };
	}

	/** The first writer makes the sessions that the others change. */
	async open({ named, plain, rest, listeners }) {
		const first = new NamedWriter(this.settings("n0"));
		this.writers.push(first);
		const setUp = ["hot", ...Array.from({ length: rest }, (_, i) => `rest-r${i}`)];
		for (const id of setUp)
			first.waiting.push({ at: 0, op: first.make({ mark: `setup ${id}`, type: "session:create",
				data: { id, name: `setup ${id}` } }) });
		await waitFor(() => (first.tick(), first.idle), { deadline: 30_000, what: `the workspace ${this.slug}` });
		first.ops.own.length = 0;
		for (let i = 1; i < named; i++) this.writers.push(new NamedWriter(this.settings(`n${i}`)));
		for (let i = 0; i < plain; i++) this.writers.push(new PlainWriter(this.settings(`p${i}`)));
		for (let i = 0; i < rest; i++)
			this.writers.push(new RestWriter(this.settings(`r${i}`, { pause: 40, path: this.path, request: this.load.request })));
		this.status = new NamedWriter(this.settings("s0", { only: "statuses:save", depth: 1, pause: 50 }));
		this.writers.push(this.status);
		for (let i = 0; i < listeners; i++)
			this.listeners.push(new Listener({ ...this.settings(`listener ${i} of ${this.slug}`), blame: this.load.blame,
				deflate: i % 2 === 1, flap: i === 2 ? 700 : 0, mayReload: this.load.mayReload }));
		await waitFor(() => this.listeners.every(({ at }) => at !== undefined), { deadline: 30_000, what: "the listeners" });
	}

	async head() {
		const [[seq]] = await this.load.server.query(`select seq from app.workspace where slug = ${quoted(this.slug)}`);
		return Number(seq);
	}

	async listenersHaveAll() {
		const head = await this.head();
		const behind = () => this.listeners.filter(({ at }) => at !== head);
		await waitFor(() => behind().length === 0, { deadline: 20_000 })
			.catch(() => behind().forEach(({ state }) => this.complain(`${state} of ${head}`)));
	}

	/** Rows of the log that weren't judged yet. */
	async #rows() {
		const rows = await this.load.server.query(`select seq, entity, action, data from report.changes
			where workspace = ${quoted(this.slug)} and seq > ${this.checked} order by seq`);
		return rows.map(([seq, entity, action, data]) => ({ seq: Number(seq), entity, action, data: JSON.parse(data) }));
	}

	/** The log: no gaps, every row made by one change of ours, no change twice, each as it was acknowledged. */
	async judgeLog() {
		const rows = await this.#rows();
		for (const row of rows) {
			if (row.seq !== this.checked + 1) this.complain(`the log goes on with ${row.seq} after ${this.checked}`);
			this.checked = row.seq;
			this.#judgeRow(row);
		}
		const head = await this.head();
		if (head !== this.checked) this.complain(`the log ends with ${this.checked}, the workspace counts ${head}`);
		return rows;
	}

	#judgeRow(row) {
		const { data } = row;
		const op = this.ops.get(data.mark ?? data.name);
		if (!op) this.complain(`row ${row.seq} of the log was made by nobody: ${JSON.stringify(data).slice(0, 200)}`);
		else if (op.logged) this.complain(`${op.mark} was applied twice: ${op.logged} and ${row.seq}`);
		else if (op.state === "refused") this.complain(`${op.mark} was refused, and applied as ${row.seq}`);
		else if (op.seq !== undefined && op.seq !== row.seq)
			this.complain(`${op.mark} was acknowledged as ${op.seq}, and is ${row.seq}`);
		if (!op || op.logged) return;
		this.model.apply(row, op, this.complain);
		op.logged = row.seq;
	}

	/** Every acknowledged change has a row. What is done with is forgotten but for the number of its row. */
	judgeAcknowledged() {
		for (const op of this.ops.values()) {
			if ((op.state === "acked" || op.state === "applied") && !op.logged) this.complain(`${op.mark} (${op.type}) was acknowledged and is lost`);
			if (op.logged && op.state !== "sent") op.data = op.answer = undefined;
		}
	}

	/** The listeners were given each of these rows, and nothing else. */
	judgeListeners(rows) {
		for (const listener of this.listeners) {
			for (const { seq, ...row } of rows) {
				const event = listener.events.get(seq);
				listener.events.delete(seq);
				if (seq <= listener.start) continue;
				if (!event) this.complain(`${listener.name} missed ${seq}`);
				else if (JSON.stringify(event) !== JSON.stringify(row))
					this.complain(`${listener.name} was given another ${seq}: ${JSON.stringify(event).slice(0, 200)}`);
			}
			// Below that is what came after the oracle had missed it.
			for (const seq of listener.events.keys())
				if (seq > this.checked) this.complain(`${listener.name} was given ${seq}, which isn't in the log`);
			listener.events.clear();
		}
	}

	/** Of changes of its own that it was told nobody knows of, a writer gets no number. */
	judgeWriters() {
		const untold = [...this.ops.values()].filter(({ state, logged }) => logged && (state === "unknown" || state === "applied"));
		for (const writer of this.writers) {
			for (const { writer: name, logged } of untold) if (name === writer.name) writer.saw?.(logged, true);
			if (writer.gap) this.complain(`${writer.name} was given ${writer.gap}`);
		}
	}

	async judgeState() {
		const { server, random } = this.load;
		const where = `join app.workspace w on w.id = s.workspace_id where w.slug = ${quoted(this.slug)}`;
		this.model.compareRows(await server.query(`select s.id, s.header from app.session s ${where}`),
			await server.query(`select s.id, m.body from app.session s join app.message m on m.session_key = s.key ${where} order by m.idx`),
			this.complain);
		const sample = ({ sessions }) => [...sessions.keys()].filter((id) => !id.includes(".") || random() < 0.05);
		await this.model.compare((path) => this.load.get(this.path + path), this.complain, sample);
	}
}

export class Load {
	/** named, plain, rest: writers of each kind in each workspace; listeners: the third of them comes and goes by itself;
	 *  mayReload: see Listener; pause, patience: see Writer; port: another one than the server's, such as a proxy's; seed: of the random numbers. */
	static async start(server, { workspaces = 2, named = 2, plain = 1, rest = 1, listeners = 3, pause = 20, patience = 4000,
		port = () => server.port, seed = 1, mayReload = false } = {}) {
		const load = new Load();
		Object.assign(load, { server, mayReload, pause, patience, port, faults: [], violations: [], random: randomOf(seed), acked: 0,
			stale: 0, agent: new https.Agent({ keepAlive: true, rejectUnauthorized: false }) });
		load.places = Array.from({ length: workspaces }, () => new Place(load, `oracle-${process.pid}-${++counter}`));
		await Promise.all(load.places.map((place) => place.open({ named, plain, rest, listeners })));
		load.resume();
		load.reading = setInterval(() => load.places.forEach((place) => load.#readBack(place)), 100);
		return load;
	}

	get writers() { return this.places.flatMap(({ writers }) => writers); }

	get listeners() { return this.places.flatMap(({ listeners }) => listeners); }

	blame = (text) => { if (this.violations.length < 100) this.violations.push(text); };

	wsUrl(slug, query) { return this.server.wsUrl(slug, query).replace(/:\d+\//, `:${this.port()}/`); }

	/** One request that gives up after `patience`: { status (0: no answer), text, json }. */
	request = (path, { method = "GET", body } = {}) => new Promise((resolve) => {
		const text = body === undefined ? undefined : JSON.stringify(body);
		const headers = { Authorization: `Bearer ${this.server.apiKey}`,
			...(text ? { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(text) } : {}) };
		const fail = (error) => resolve({ status: 0, text: error.code ?? error.message });
		const req = https.request({ host: "127.0.0.1", port: this.port(), path, method, headers, agent: this.agent },
			async (res) => {
				try {
					const parts = [];
					for await (const part of res) parts.push(part);
					const all = Buffer.concat(parts).toString();
					resolve({ status: res.statusCode, text: all, type: res.headers["content-type"],
						get json() { return JSON.parse(all); } });
				} catch (error) {
					fail(error);
				}
			});
		req.setTimeout(this.patience * slowness(), () => req.destroy(new Error("no answer in time")));
		req.on("error", fail);
		req.end(text);
	});

	/** GET that must succeed, within a while: JSON parsed, other text as it is. */
	get = (path) => waitFor(async () => {
		const { status, text, type } = await this.request(path);
		if (status !== 200) throw new Error(`GET ${path}: ${status} ${text}`);
		return { value: /json/.test(type) ? JSON.parse(text) : text };
	}, { deadline: 20_000, every: 100, what: path }).then(({ value }) => value);

	// What was acknowledged before a read began is in what it reads.
	async #readBack(place) {
		if (place.reading) return;
		place.reading = true;
		const known = place.status.ops.count && place.lastStatus;
		const { status, text } = await this.request(`${place.path}/statuses`);
		place.reading = false;
		if (status === 200 && known && JSON.parse(text).n < known)
			place.complain(`a read gave ${text} after ${known} had been acknowledged`);
		else if (![0, 200, 502, 503, 504].includes(status)) place.complain(`a read was answered ${status} ${text}`);
	}

	noteAcked(op) {
		this.acked++;
		this.firstAcked ??= op;
		if (op.type !== "statuses:save") return;
		const place = this.places.find(({ ops }) => ops.get(op.mark) === op);
		place.lastStatus = op.data.n;
	}

	resume() { this.writers.forEach((writer) => writer.start()); }

	/** Until each writer had a change acknowledged that it began after `since` (ms); resolves to the ms from then to the
	 *  first of these and to the last. */
	async recovered(since, deadline = 60_000) {
		const went = () => Date.now() - since;
		await waitFor(() => this.writers.some(({ lastAcked }) => lastAcked >= since), { deadline, what: "a write" });
		const first = went();
		await waitFor(() => this.writers.every(({ lastAcked }) => lastAcked >= since), { deadline,
			what: `a write of ${this.writers.filter(({ lastAcked }) => lastAcked < since).map(({ name }) => name)}` });
		return { first, all: went() };
	}

	/** From here on, how long is each writer without an acknowledgement? outage(): ms, of the one that fared worst. */
	watchOutage() { this.writers.forEach((writer) => writer.watchOutage()); }

	outage() { return Math.max(...this.writers.map(({ longest }) => longest)); }

	/** No new changes; until those under way have ended, and the listeners have all there is. */
	async quiesce(deadline = 60_000) {
		this.writers.forEach((writer) => writer.pauseWriting());
		await waitFor(() => this.writers.every(({ idle }) => idle), { deadline, what: "the last answers" });
		const busy = "select count(*) from pg_stat_activity where usename = 'craft_daemon' and state <> 'idle'";
		let heads = "";
		// Requests whose clients have left may still be on their way.
		await waitFor(async () => {
			if ((await this.server.query(busy))[0][0] !== "0") return false;
			const last = heads;
			heads = (await Promise.all(this.places.map((place) => place.head()))).join();
			return heads === last;
		}, { deadline, every: 150, what: "the daemons to be idle" });
		await Promise.all(this.places.map((place) => place.listenersHaveAll()));
	}

	/** Judges everything since the last time, and goes on writing. Resolves to what is wrong: texts. */
	async check({ goOn = true } = {}) {
		await this.quiesce().catch((error) => this.blame(error.message));
		for (const place of this.places) {
			place.judgeListeners(await place.judgeLog());
			place.judgeAcknowledged();
			place.judgeWriters();
			await place.judgeState().catch((error) => place.complain(`${error.message} ${error.cause?.message ?? ""}`));
		}
		if (goOn) this.resume();
		return this.violations.splice(0);
	}

	/** Sums up for people. */
	summary() {
		const sum = (list, of) => list.reduce((total, one) => total + of(one), 0);
		const errors = new Map();
		for (const writer of this.writers)
			for (const [text, n] of writer.errors) errors.set(text, (errors.get(text) ?? 0) + n);
		const states = {};
		for (const { ops } of this.places) for (const { state } of ops.values()) states[state] = (states[state] ?? 0) + 1;
		return { ...states, events: sum(this.listeners, ({ given }) => given), resumes: sum(this.listeners, (l) => l.resumes),
			timeouts: sum(this.writers, (w) => w.timeouts), errors: Object.fromEntries(errors) };
	}

	async stop() {
		clearInterval(this.reading);
		await Promise.all([...this.writers, ...this.listeners].map((one) => one.stop()));
		this.agent.destroy();
	}
}
