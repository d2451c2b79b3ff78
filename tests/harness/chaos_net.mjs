// chaos_net.mjs: a link of its own between clients and nginx, from a network namespace to the host, on which packets are
// delayed and lost (tests/bad_link.c). Clients connect to `port`: from there by a unix socket into the namespace, from a
// relay in there by TCP over the link to the host, and on to nginx.
//
//	const link = await Link.open(server);
//	await link.set({ delay: 40, jitter: 20, loss: 0.03 });          // ms, ms, share of the packets
//	await link.set({ delay: 0, jitter: 0, loss: 1 });                               // { passed, lost }: packets so far

import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Proxy } from "./chaos_proxy.mjs";
import { ROOT, waitFor } from "./server.mjs";

function run(...argv) {
	const { status, stderr, error } = spawnSync(argv[0], argv.slice(1), { encoding: "utf8" });
	if (status !== 0) throw new Error(`${argv.join(" ")}: ${error?.message ?? stderr.trim()}`);
}

/** False, or why this machine has no such link. */
export function noLink() {
	const { status, stderr, error } = spawnSync("unshare", ["--net", "sh", "-c", "ip tuntap add dev t mode tun"], { encoding: "utf8" });
	return status === 0 ? false : `this machine can't make network namespaces and devices: ${error?.message ?? stderr.trim()}`;
}

let counter = 0;

export class Link {
	static async open(server, quality = {}) {
		const link = new Link();
		const n = (process.pid * 8 + counter++) % 16384;
		const net = `10.${200 + (n >> 12)}.${(n >> 4) & 255}`, last = (n & 15) * 16;
		Object.assign(link, { name: `craft${process.pid}-${counter}`, outside: `cf${n}o`, inside: `cf${n}i`,
			host: `${net}.${last + 1}`, peer: `${net}.${last + 2}`, dir: mkdtempSync(path.join(tmpdir(), "craft-net-")), answers: [] });
		process.on("exit", link.#remove);
		try {
			await link.#open(server);
			await link.set(quality);
		} catch (error) {
			await link.close();
			throw error;
		}
		return link;
	}

	async #open(server) {
		run("ip", "netns", "add", this.name);
		await this.#startLink();
		run("ip", "addr", "add", this.host, "peer", this.peer, "dev", this.outside);
		run("ip", "link", "set", this.outside, "up");
		run("ip", "-n", this.name, "addr", "add", this.peer, "peer", this.host, "dev", this.inside);
		run("ip", "-n", this.name, "link", "set", this.inside, "up");
		this.near = await Proxy.start({ host: "127.0.0.1", port: server.port }, { host: this.host, port: 0 });
		const socket = path.join(this.dir, "s");
		this.relay = spawn("ip", ["netns", "exec", this.name, process.execPath, fileURLToPath(import.meta.url), socket, this.host,
			String(this.near.port)], { stdio: ["pipe", "pipe", "inherit"] });
		let said = "";
		this.relay.stdout.setEncoding("utf8").on("data", (text) => { said += text; });
		await waitFor(() => said.includes("ready"), { what: "the relay in the namespace" });
		this.far = await Proxy.start({ path: socket });
		this.port = this.far.port;
	}

	async #startLink() {
		this.link = spawn(path.join(process.env.CRAFT_BUILD_DIR ?? path.join(ROOT, "build"), "tests/bad_link"),
			[`/run/netns/${this.name}`, this.inside, this.outside], { stdio: ["pipe", "pipe", "inherit"] });
		const failed = new Promise((_, reject) => {
			this.link.on("error", reject);
			this.link.on("exit", (status) => reject(new Error(`bad_link ended with ${status}`)));
		});
		failed.catch(() => {});
		this.failed = failed;
		createInterface({ input: this.link.stdout }).on("line", (line) => this.answers.shift()?.(line));
		await Promise.race([new Promise((resolve) => this.answers.push(resolve)), failed]);
	}

	/** From now on, in each direction. Resolves to { passed, lost }, packets up to now. */
	async set({ delay = 0, jitter = 0, loss = 0 }) {
		const answer = new Promise((resolve) => this.answers.push(resolve));
		this.link.stdin.write(`${delay} ${jitter} ${Math.round(loss * 10_000)}\n`);
		const [passed, lost] = (await Promise.race([answer, this.failed])).split(" ").map(Number);
		return { passed, lost };
	}

	// The devices go with bad_link, and it ends with its stdin.
	#remove = () => {
		spawnSync("ip", ["netns", "del", this.name]);
		rmSync(this.dir, { recursive: true, force: true });
	};

	async close() {
		process.off("exit", this.#remove);
		await this.far?.stop();
		await Promise.all([this.relay, this.link].filter((child) => child?.exitCode === null).map((child) => {
			const ended = new Promise((resolve) => child.once("exit", resolve));
			child.stdin.end();
			return ended;
		}));
		await this.near?.stop();
		this.#remove();
	}
}

// As a program: the relay in the namespace, until the end of stdin.
if (process.argv[1] === fileURLToPath(import.meta.url)) {
	const [socket, host, port] = process.argv.slice(2);
	await Proxy.start({ host, port: Number(port) }, { path: socket });
	process.stdin.on("end", () => process.exit(0)).resume();
	console.log("ready");
}
