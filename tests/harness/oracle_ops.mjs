// oracle_ops.mjs: the changes that writers make. Each carries a mark of its own, which its row of the change log and its
// event carry too: { mark, type, data }, as the protocol takes it.

const pad = (size) => "x".repeat(size);

/** What one writer writes, one change after another. random: () => [0, 1). only: one type, always. */
export class Ops {
	constructor(name, random, only) {
		Object.assign(this, { name, random, only, count: 0, own: [], document: [] });
	}

	next() {
		const mark = `${this.name}.${++this.count}`;
		const [type, data] = this.only ? [this.only, { mark, n: this.count }] : this.#choose(mark);
		return { mark, type, data };
	}

	/** The change was acknowledged: what it made may be used from here on. */
	done({ type, data }) {
		if (type === "session:create") this.own.push(data.id);
	}

	#choose(mark) {
		const name = this.name, n = this.count;
		const kind = this.random();
		if (kind < 0.15) return ["session:create", { id: `${name}-${n}`, mark, pad: pad(n % 900) }];
		if (kind < 0.45) return ["session:updateMeta", { sessionId: "hot", updates: { mark, [name]: n } }];
		if (kind < 0.5) return ["session:updateSdkId", { sessionId: "hot", sdkSessionId: `sdk ${mark}`, mark }];
		if (kind < 0.68) return ["session:save", this.#save(mark)];
		if (kind < 0.7) return ["session:save", this.#saveBig(mark)];
		if (kind < 0.75) return ["plan:save", { sessionId: "hot", fileName: `${name}.md`, content: `# ${mark}`, mark }];
		if (kind < 0.8) return ["skill:save", { slug: name, content: mark, metadata: { n }, mark }];
		if (kind < 0.84) return ["source:saveConfig", { slug: name, n, mark }];
		if (this.own.length < 20 || kind < 0.86) return ["labels:save", { n, mark }];
		return ["session:delete", { sessionId: this.own.shift(), mark }];
	}

	// A conversation that grows by a message each time, and begins anew now and then.
	#save(mark) {
		const id = `doc-${this.name}`;
		if (this.document.length >= 20) this.document = [];
		this.document = [...this.document, { mark, text: pad(1500) }];
		return { id, header: { id, mark }, messages: this.document };
	}

	// Goes by the bridge's lane for big saves.
	#saveBig(mark) {
		const id = `big-${this.name}`;
		return { id, header: { id, mark }, messages: [{ mark, text: pad(160_000) }] };
	}
}

/** The same random numbers for the same seed (mulberry32). */
export function randomOf(seed) {
	let a = seed >>> 0;
	return () => {
		a = (a + 0x6d2b79f5) | 0;
		let t = Math.imul(a ^ (a >>> 15), 1 | a);
		t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
		return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
	};
}
