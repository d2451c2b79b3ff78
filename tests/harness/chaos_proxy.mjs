// chaos_proxy.mjs: a TCP proxy that behaves as a bad network does: it delays, stalls and cuts.
//
//	const proxy = await Proxy.start({ host: "127.0.0.1", port: 8443 });
//	… connect to 127.0.0.1, proxy.port …
//	proxy.delay = 200;        // ms, for each piece of data and direction
//	proxy.stall(true);        // nothing passes, nothing is lost, nobody is told
//	proxy.cut();              // every connection is reset, wherever it is
//	proxy.refusing = true;    // new connections are reset

import net from "node:net";

// A unix socket has no RST.
function reset(socket) {
	if (socket.remoteFamily) socket.resetAndDestroy();
	else socket.destroy();
}

export class Proxy {
	/** target: options of net.connect(); listen: those of server.listen(), by default a free port of 127.0.0.1. */
	static async start(target, listen = { host: "127.0.0.1", port: 0 }) {
		const proxy = new Proxy();
		Object.assign(proxy, { target, pairs: new Set(), delay: 0, refusing: false, stalled: false, passed: 0,
			random: Math.random });
		proxy.server = net.createServer({ allowHalfOpen: true }, (socket) => proxy.#accept(socket));
		await new Promise((resolve, reject) => proxy.server.once("error", reject).listen(listen, resolve));
		proxy.port = proxy.server.address().port;
		return proxy;
	}

	#accept(client) {
		client.on("error", () => {});
		if (this.refusing) {
			reset(client);
			return;
		}
		const upstream = net.connect({ ...this.target, allowHalfOpen: true });
		const pair = { client, upstream, queues: [] };
		this.pairs.add(pair);
		pair.queues.push(this.#forward(client, upstream), this.#forward(upstream, client));
		for (const socket of [client, upstream]) {
			socket.setNoDelay(true);
			socket.on("error", () => this.#end(pair));
			socket.on("close", () => this.#end(pair));
		}
	}

	// Data in order, each piece when its time has come.
	#forward(from, to) {
		const queue = { pieces: [], timer: null };
		const flush = () => {
			clearTimeout(queue.timer);
			queue.timer = null;
			while (!this.stalled && queue.pieces.length && queue.pieces[0].at <= Date.now()) {
				const { data } = queue.pieces.shift();
				if (data === null) to.end();
				else to.write(data);
			}
			if (!this.stalled && queue.pieces.length)
				queue.timer = setTimeout(flush, Math.max(1, queue.pieces[0].at - Date.now()));
			if (queue.pieces.length < 64) from.resume();
		};
		const put = (data) => {
			queue.pieces.push({ data, at: Math.max(Date.now() + this.delay, queue.pieces.at(-1)?.at ?? 0) });
			this.passed += data?.length ?? 0;
			if (queue.pieces.length >= 64) from.pause();
			flush();
		};
		from.on("data", put);
		from.on("end", () => put(null));
		queue.flush = flush;
		return queue;
	}

	#end(pair) {
		if (!this.pairs.delete(pair)) return;
		pair.queues.forEach(({ timer }) => clearTimeout(timer));
		pair.client.destroy();
		pair.upstream.destroy();
	}

	stall(on) {
		this.stalled = on;
		for (const { queues } of this.pairs) queues.forEach(({ flush }) => flush());
	}

	/** share: of the connections, at random. */
	cut(share = 1) {
		let count = 0;
		for (const pair of [...this.pairs]) {
			if (this.random() >= share) continue;
			[pair.client, pair.upstream].forEach(reset);
			this.#end(pair);
			count++;
		}
		return count;
	}

	async stop() {
		const closed = new Promise((resolve) => this.server.close(resolve));
		this.stall(false);
		this.cut();
		await closed;
	}
}
