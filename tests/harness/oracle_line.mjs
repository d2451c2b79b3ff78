// oracle_line.mjs: a WebSocket that comes back: it reconnects whenever its connection ends, until it is stopped.
//
//	const line = new Line({ url: () => "wss://…", options: () => ({…}), open, message, close });
//	line.send(text);                    // only between open and close
//	line.drop();                        // as a lost network
//	await line.stop();

import { WebSocket } from "ws";

const PAUSE_MIN = 30, PAUSE_MAX = 500;
const HANDSHAKE = 2500;

export class Line {
	/** url, options: called for each try; open(), message(parsed, text), close(code): what happens. refused counts the
	 *  tries that led nowhere, by reason. */
	constructor(handlers) {
		this.handlers = handlers;
		this.connections = 0;
		this.refused = new Map();
		this.pause = PAUSE_MIN;
		this.stopped = false;
		this.#connect();
	}

	#connect() {
		let opened = false;
		const ws = new WebSocket(this.handlers.url(),
			{ perMessageDeflate: false, ...this.handlers.options(), handshakeTimeout: HANDSHAKE });
		this.ws = ws;
		ws.on("open", () => {
			opened = true;
			this.connections++;
			this.pause = PAUSE_MIN;
			this.handlers.open();
		});
		ws.on("message", (data) => this.handlers.message(JSON.parse(data.toString()), data));
		// 'close' follows, and tells it all.
		ws.on("error", (error) => opened || this.#count(error.code ?? error.message.slice(0, 60)));
		ws.on("close", (code) => {
			if (opened) this.handlers.close(code);
			if (this.stopped) return;
			this.timer = setTimeout(() => this.#connect(), this.pause * (0.5 + Math.random()));
			this.pause = Math.min(this.pause * 2, PAUSE_MAX);
		});
	}

	#count(reason) { this.refused.set(reason, (this.refused.get(reason) ?? 0) + 1); }

	get isOpen() { return this.ws.readyState === WebSocket.OPEN; }

	send(text) { this.ws.send(text); }

	drop() { this.ws.terminate(); }

	async stop() {
		this.stopped = true;
		clearTimeout(this.timer);
		if (this.ws.readyState === WebSocket.CLOSED) return;
		const closed = new Promise((resolve) => this.ws.once("close", resolve));
		this.ws.terminate();
		await closed;
	}
}
