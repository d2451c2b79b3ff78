// rest_load.mjs: constant load over REST of which not one request may fail: reads, uploads that are read back, changes.
//
//	const load = new RestLoad(server, "team");
//	await load.open();
//	…                                       // something is restarted
//	assert.deepEqual(await load.stop(), []);

import { randomBytes } from "node:crypto";
import https from "node:https";
import { ownMs } from "./pace.mjs";

// A connection for each request.
const FRESH = new https.Agent({ keepAlive: false, rejectUnauthorized: false });
const SIZES = [10, 3000, 200_000];

export class RestLoad {
	/** keepAlive: whether connections are kept. again: whether a request is sent again whose connection was closed before any
	 *  answer, as HTTP's clients do it: nginx closes those of which it has read nothing yet when it is told to leave. more:
	 *  functions of (load, n) that make a request of their own, in turn with ours. */
	constructor(server, slug, { loops = 4, keepAlive = true, again = false, more = [] } = {}) {
		Object.assign(this, { server, slug, loops, again, failures: [], done: 0, resent: 0, slowest: 0, running: false, kinds: [...kinds, ...more] });
		this.agent = new https.Agent({ keepAlive, rejectUnauthorized: false, maxSockets: loops });
	}

	/** Makes what is read, and begins. */
	async open() {
		const made = await this.server.request(`/workspace/${this.slug}/actions/new-chat`, { method: "POST", body: { name: "rolling" } });
		if (made.status !== 201) throw new Error(made.text);
		this.session = made.json.id;
		this.running = true;
		this.work = Array.from({ length: this.loops }, (_, lane) => this.#loop(lane));
	}

	async #loop(lane) {
		for (let n = 0; this.running; n++) {
			try {
				await this.kinds[(n + lane) % this.kinds.length](this, `${lane}-${n}`);
			} catch (error) {
				this.blame(error.message);
			}
		}
	}

	blame(text) { if (this.failures.length < 50) this.failures.push(`${new Date().toISOString()} ${text}`); }

	/** One request, which has to be answered with that status. */
	async request(method, target, { expect = 200, ...options } = {}) {
		const begun = ownMs();
		try {
			const send = (agent, tries) => this.server.request(target, { method, agent, ...options }).catch((error) => {
				if (!tries || !/^(ECONNRESET|EPIPE)$/.test(error.code)) throw error;
				this.resent++;
				return send(FRESH, tries - 1);
			});
			const answer = await send(this.agent, this.again ? 2 : 0);
			if (answer.status !== expect) this.blame(`${method} ${target}: ${answer.status} ${answer.text.slice(0, 200)}`);
			return answer;
		} catch (error) {
			this.blame(`${method} ${target}: ${error.code ?? error.message} after ${Math.round(ownMs() - begun)} ms`);
			return null;
		} finally {
			this.done++;
			this.slowest = Math.max(this.slowest, ownMs() - begun);
		}
	}

	/** Ends when the requests under way are answered; resolves to what went wrong. */
	async stop() {
		this.running = false;
		await Promise.all(this.work ?? []);
		this.agent.destroy();
		return this.failures;
	}
}

const kinds = [
	(load) => load.request("GET", `/workspace/${load.slug}/sessions`),
	(load) => load.request("GET", `/workspace/${load.slug}/sessions/${load.session}`),
	async (load, n) => {
		const body = randomBytes(SIZES[Math.floor(Math.random() * SIZES.length)]), target = `/files/${load.slug}/s/attachments/${n}`;
		await load.request("PUT", target, { body, expect: 201, headers: { "Content-Type": "application/octet-stream" } });
		const back = await load.request("GET", target);
		if (back?.status === 200 && !back.body.equals(body)) load.blame(`GET ${target}: other bytes`);
		await load.request("DELETE", target);
	},
	async (load, n) => {
		const { json } = await load.request("POST", `/workspace/${load.slug}/actions/rename-session`, { body: { sessionId: load.session, name: n } }) ?? {};
		if (json && json.name !== n) load.blame(`${n} was acknowledged as ${json.name}`);
	},
	// What may wait for GitHub has workers of its own.
	(load) => load.request("DELETE", `/workspace/${load.slug}/projects/nobody%2Fnothing/credential`),
	(load) => load.request("GET", `/workspace/${load.slug}/labels`),
];
