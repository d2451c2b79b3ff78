// oracle_writers.mjs: clients that write all the time, and note what became of each change:
//
//	acked     acknowledged: it must be in the state, and in the log once
//	applied   answered with an error that says that it was applied
//	refused   answered with an error that says that nothing was changed: it must not be in the log
//	unknown   no answer, or one that says that nobody knows: at most once in the log
//
// NamedWriter has a name (?client=) and sends again, with the same requestId, whatever wasn't acknowledged. PlainWriter is
// the client of today: it has none and sends nothing twice. RestWriter changes by the actions of REST.

import { Line } from "./oracle_line.mjs";
import { Ops } from "./oracle_ops.mjs";
import { ownMs, slowness } from "./pace.mjs";

const UNKNOWN = /outcome is unknown|unknown whether/;
const APPLIED = /^This change was applied, but/;
const NOTHING = /nothing was changed|try again/;

class Writer {
	/** pause: ms between changes; depth: requests at most without an answer yet; patience: ms until a client gives a
	 *  connection up that doesn't answer; note(op): is told of every change that is made; acked(writer, op): of every one
	 *  that was acknowledged. */
	constructor({ name, url, options, blame, note, acked, random, only, pause = 15, patience = 12_000, depth = 4 }) {
		Object.assign(this, { name, url, options, blame, note, acked, pause, patience, depth, writing: false,
			errors: new Map(), timeouts: 0, lastAcked: 0 });
		this.watchOutage();
		this.ops = new Ops(name, random, only);
	}

	start() {
		this.writing = true;
		this.timer ??= setInterval(() => this.tick(), this.pause);
	}

	/** No new changes; what is under way goes on. */
	pauseWriting() { this.writing = false; }

	make(op = this.ops.next()) {
		Object.assign(op, { writer: this.name, state: "sent", begun: Date.now() });
		this.note(op);
		return op;
	}

	acknowledge(op, seq, answer) {
		Object.assign(op, { state: "acked", seq, answer });
		this.lastAcked = op.begun;
		this.longest = Math.max(this.longest, ownMs() - this.ackedAt);
		this.ackedAt = ownMs();
		this.ops.done(op);
		this.acked(this, op);
	}

	watchOutage() { Object.assign(this, { ackedAt: ownMs(), longest: 0 }); }

	error(text) { this.errors.set(text, (this.errors.get(text) ?? 0) + 1); }
}

class SocketWriter extends Writer {
	constructor(settings) {
		super(settings);
		this.sent = []; // ops whose answers this connection owes, in order
		this.waiting = []; // to be sent (again)
		this.line = new Line({
			url: () => this.url({ since: 0, ...(this.client ? { client: this.client } : {}) }),
			options: this.options,
			open: () => {
				Object.assign(this, { at: undefined, early: new Set() });
				this.tick();
			},
			message: (message) => this.#receive(message),
			close: () => this.lost(this.sent.splice(0)),
		});
	}

	get idle() { return this.sent.length === 0 && this.waiting.length === 0; }

	tick() {
		const oldest = this.sent[0];
		if (oldest && Date.now() - oldest.sentAt > this.patience * slowness()) {
			this.timeouts++;
			this.line.drop();
			return;
		}
		if (!this.line.isOpen) return;
		while (this.waiting.length && this.waiting[0].at <= Date.now() && this.sent.length < this.depth)
			this.#send(this.waiting.shift().op);
		if (this.writing && this.waiting.length === 0 && this.sent.length < this.depth) this.#send(this.make());
	}

	#send(op) {
		op.sentAt = Date.now();
		op.sends = (op.sends ?? 0) + 1;
		this.sent.push(op);
		this.line.send(JSON.stringify({ type: op.type, data: op.data, requestId: op.mark }));
	}

	#receive(message) {
		if (message.type === "response") this.#answered(message);
		else if (message.type === "hello") this.at = message.seq;
		else this.saw(message.seq);
	}

	// Its own changes and those of the others are all the numbers, each once. The answer to a change may come behind the
	// events after it, and one that is given again is an older one's.
	saw(seq, again) {
		if (this.at === undefined || (again && (seq <= this.at || this.early.has(seq)))) return;
		if (seq <= this.at || this.early.has(seq)) this.blame(`${this.name}: ${seq} came again`);
		this.early.add(seq);
		while (this.early.delete(this.at + 1)) this.at++;
	}

	/** What is missing though all answers are there, as a text. */
	get gap() { return this.early?.size && this.line.isOpen ? `nothing between ${this.at} and ${[...this.early]}` : ""; }

	#answered({ requestId, data, error, seq }) {
		const op = this.sent.shift();
		if (op?.mark !== requestId) {
			this.blame(`${this.name}: an answer to ${requestId} where ${op?.mark} was due`);
			return;
		}
		if (error !== undefined) this.failed(op, error);
		else if (!Number.isInteger(seq)) this.blame(`${op.mark}: acknowledged without a number`);
		else {
			this.saw(seq, op.sends > 1);
			this.acknowledge(op, seq, data);
		}
	}

	failed(op, error) {
		this.error(error);
		if (![UNKNOWN, APPLIED, NOTHING].some((known) => known.test(error))) this.blame(`${op.mark}: ${op.type} was refused: ${error}`);
	}

	async stop() {
		clearInterval(this.timer);
		await this.line.stop();
	}
}

export class NamedWriter extends SocketWriter {
	get client() { return `client-${this.name}`; }

	failed(op, error) {
		super.failed(op, error);
		this.waiting.push({ op, at: Date.now() + 100 });
	}

	lost(ops) { this.waiting.unshift(...ops.map((op) => ({ op, at: 0 }))); }
}

export class PlainWriter extends SocketWriter {
	failed(op, error) {
		super.failed(op, error);
		op.state = UNKNOWN.test(error) ? "unknown" : APPLIED.test(error) ? "applied" : "refused";
	}

	lost(ops) {
		for (const op of ops) op.state = "unknown";
	}
}

/** Renames a session of its own by POST /actions/rename-session; request: server.request. */
export class RestWriter extends Writer {
	constructor({ request, path, ...settings }) {
		super({ ...settings, pause: settings.pause ?? 40 });
		Object.assign(this, { request, path, busy: false, statuses: new Map() });
	}

	get idle() { return !this.busy; }

	async tick() {
		if (this.busy || !this.writing) return;
		this.busy = true;
		const mark = `${this.name}.${++this.ops.count}`;
		const op = this.make({ mark, type: "rename", data: { sessionId: `rest-${this.name}`, name: mark } });
		const answer = await this.request(`${this.path}/actions/rename-session`, { method: "POST", body: op.data });
		this.statuses.set(answer.status, (this.statuses.get(answer.status) ?? 0) + 1);
		if (answer.status === 200) this.acknowledge(op, undefined, answer.json);
		else this.#refused(op, answer);
		this.busy = false;
	}

	#refused(op, { status, text }) {
		op.state = status === 503 && NOTHING.test(text) && !UNKNOWN.test(text) ? "refused" : "unknown";
		this.error(`${status} ${text}`.slice(0, 120));
		if (![0, 502, 503, 504].includes(status)) this.blame(`${op.mark}: ${status} ${text}`);
	}

	async stop() { clearInterval(this.timer); }
}
