// oracle_listener.mjs: a client that only listens, and resumes after every loss of its connection. It notes each event
// that it was given; that they come without gaps and once is judged at once, that they are true by the oracle.

import { Line } from "./oracle_line.mjs";

export class Listener {
	/** url: of these query parameters, for each try; blame(text): for what must not happen. deflate: negotiates
	 *  compression. flap: ms after which it leaves by itself, again and again; 0: never. mayReload: another epoch may send
	 *  it to reload, from where it goes on. */
	constructor({ name, url, options, blame, deflate = false, flap = 0, mayReload = false }) {
		Object.assign(this, { name, blame, mayReload, at: undefined, epoch: undefined, resumes: 0, reloads: 0, given: 0 });
		this.events = new Map(); // seq -> { entity, action, data } since the oracle looked last
		this.line = new Line({
			url: () => url(this.at === undefined ? { since: 0 } : { since: this.at, epoch: this.epoch }),
			options: () => ({ ...options(), perMessageDeflate: deflate }),
			open: () => { this.greeted = false; },
			message: (message) => this.#receive(message),
			close: () => { this.greeted = false; },
		});
		// Not while it is still on its way in: on a slow machine it would never get there.
		if (flap) this.flapping = setInterval(() => { if (this.greeted) this.line.drop(); }, flap);
	}

	#receive(message) {
		if (message.type === "hello" && !this.greeted) this.#greet(message);
		else if (message.type === "broadcast" && this.greeted) this.#note(message);
		else this.blame(`${this.name}: unexpected ${JSON.stringify(message).slice(0, 200)}`);
	}

	#greet(hello) {
		this.greeted = true;
		if (this.at === undefined) {
			this.at = this.start = hello.seq;
			this.epoch = hello.epoch;
			return;
		}
		this.resumes++;
		if (this.mayReload && !hello.resumed && hello.epoch !== this.epoch && hello.seq >= this.at) {
			this.reloads++;
			this.at = this.start = hello.seq;
			this.epoch = hello.epoch;
			return;
		}
		if (!hello.resumed) this.blame(`${this.name}: told to reload after ${this.at}, the head being ${hello.seq}`);
		if (hello.seq < this.at) this.blame(`${this.name}: the head went back from ${this.at} to ${hello.seq}`);
		if (hello.epoch !== this.epoch) this.blame(`${this.name}: the epoch changed`);
		if (!hello.resumed) this.at = hello.seq;
		this.epoch = hello.epoch;
	}

	#note({ seq, event }) {
		if (seq !== this.at + 1) this.blame(`${this.name}: after ${this.at} came ${seq}`);
		this.at = seq;
		this.given++;
		this.events.set(seq, event);
	}

	/** For people. */
	get state() {
		const { connections, refused } = this.line;
		const how = `${this.line.isOpen ? "connected" : "away"}, ${this.greeted ? "greeted" : "not greeted"}`;
		return `${this.name} (${how}, ${connections} connections, refused ${JSON.stringify([...refused])}) is at ${this.at}`;
	}

	async stop() {
		clearInterval(this.flapping);
		await this.line.stop();
	}
}
