// tenants_victim.mjs: the second tenant of the tenants' campaign: works all the time, times each thing that it does, and
// knows what it must find afterwards.
//
//   const victim = await Victim.start({ server, rig, slug, key, other });
//   victim.phase = "quiet";                            // the samples of now on belong to it
//   victim.samples("quiet", "sync")                    // milliseconds
//   await victim.pause(); await victim.check(); victim.go();

import assert from "node:assert/strict";
import { bytes, inSeconds, sha256, signature } from "./files.mjs";
import { SandboxClient } from "./sandbox.mjs";
import { waitFor } from "./server.mjs";
import { connect } from "./sync.mjs";

const PATIENCE = 120_000;
const FILES = 16;
const SECRET = "the second tenant's own words";

/** What it does over and over, each in a loop of its own, with a pause between two (milliseconds). */
const WORK = { sync: 20, tool: 60, upload: 60, signed: 40 };

export class Victim {
	/** server; rig: a SandboxRig; slug, key: its workspace and the key of it; repoKey: a repository that it may clone. */
	constructor(options) {
		Object.assign(this, options, { phase: "quiet", taken: new Map(), last: {}, count: 0, files: new Map(), errors: [] });
	}

	static async start(options) {
		const victim = new Victim(options);
		await victim.connect();
		await victim.writer.ok("session:create", { id: "s", secret: SECRET, n: 0 });
		victim.request = (target, more = {}) => victim.server.request(target, { key: victim.key, ...more });
		const created = await victim.rig.create(victim.repoKey, { slug: victim.slug, key: victim.key });
		assert.equal(created.status, 200, created.text);
		victim.sandboxId = created.json.sessionId;
		await victim.connectSandbox();
		await victim.sandbox.waitStatus("ready");
		await victim.doing.upload.call(victim);
		victim.go();
		return victim;
	}

	async connect() {
		const options = { apiKey: this.key, client: `victim-${process.pid}` };
		this.writer = await connect(this.server, this.slug, options);
		this.listener = await connect(this.server, this.slug, { ...options, client: `listener-${process.pid}`, since: this.heard?.seq ?? 0,
			...(this.heard && { epoch: this.heard.epoch }) });
	}

	async connectSandbox() {
		this.sandbox = await new SandboxClient({ server: this.server }, this.sandboxId, this.slug).connect({}, { key: this.key });
	}

	/** One of each: throws when the answer is wrong. */
	doing = {
		async sync() {
			const n = this.count + 1;
			const data = await this.writer.ok("session:updateMeta", { sessionId: "s", updates: { n } });
			assert.equal(data.n, n);
			this.count = n;
		},
		async tool() {
			const { output } = await this.sandbox.bash("echo $((6*7))", { deadline: PATIENCE });
			assert.equal(output, "42\n");
			this.sandbox.messages.length = 0;
		},
		async upload() {
			const name = `f${this.files.size < FILES ? this.files.size : Math.floor(Math.random() * FILES)}`;
			const body = bytes(65536);
			this.underWay = { name, hash: sha256(body) };
			const { status, text } = await this.request(`/files/${this.slug}/s/attachments/${name}`, { method: "PUT", body });
			assert.equal(status, 201, text);
			this.files.set(name, sha256(body));
			this.underWay = null;
		},
		async signed() {
			const path = `files/${this.slug}/s/attachments/f0`, exp = inSeconds(300);
			const before = this.files.get("f0");
			const { status, text, body } = await this.server.request(`/${path}?exp=${exp}&sig=${signature(this.key, path, exp)}`, { key: null });
			assert.equal(status, 200, text);
			const found = sha256(body);
			assert.ok([before, this.files.get("f0"), this.underWay?.hash].includes(found), "another content than any that was stored");
		},
	};

	go() {
		this.going = true;
		this.loops = Promise.all(Object.entries(WORK).map(async ([what, pause]) => {
			while (this.going) {
				const phase = this.phase, begin = performance.now();
				try {
					await this.doing[what].call(this);
				} catch (error) {
					this.errors.push(`${what} (${phase}): ${error.message.slice(0, 300)}`);
				}
				this.last[what] = performance.now();
				if (phase === this.phase) this.#take(phase, what, performance.now() - begin, 2 * pause);
				await new Promise((done) => setTimeout(done, pause));
			}
		}));
	}

	/** Ends the loops; what was under way is answered. */
	async pause() {
		this.going = false;
		await this.loops;
	}

	/** Who waited long would have asked again meanwhile: what these would have waited counts, too (HdrHistogram's correction for
	 *  coordinated omission). */
	#take(phase, what, ms, interval) {
		for (let rest = ms; rest === ms || rest > 0; rest -= interval) this.#samples(phase, what).push(rest);
	}

	#samples(phase, what) {
		const key = `${phase}\0${what}`;
		if (!this.taken.has(key)) this.taken.set(key, []);
		return this.taken.get(key);
	}

	samples(phase, what) { return this.#samples(phase, what); }

	/** Everything acknowledged is there and nothing else; the listener has had it in order. Loops must rest. */
	async check() {
		const { json } = await this.request(`/workspace/${this.slug}/sessions/s`);
		assert.equal(json.n, this.count, "the last acknowledged change");
		assert.equal(json.secret, SECRET);
		for (const [name, hash] of this.files) {
			const { status, body } = await this.request(`/files/${this.slug}/s/attachments/${name}`);
			assert.equal(status, 200, name);
			if (this.underWay?.name !== name) assert.equal(sha256(body), hash, name);
		}
		const heard = () => this.listener.broadcasts.map(({ event }) => event.data.n).filter(Number.isInteger);
		await waitFor(() => heard().at(-1) === this.count, { deadline: PATIENCE, what: `the listener's ${this.count}, it has ${heard().at(-1)}` });
		const first = heard()[0];
		assert.deepEqual(heard(), Array.from({ length: this.count - first + 1 }, (_, i) => first + i), "its events, in order");
	}

	/** What nobody else may see. */
	get secret() { return SECRET; }

	close() {
		for (const one of [this.writer?.ws, this.listener?.ws, this.sandbox?.ws]) one?.terminate();
	}
}
