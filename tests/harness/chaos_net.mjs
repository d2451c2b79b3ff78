// chaos_net.mjs: a link of its own between clients and nginx, in a network namespace, over which packets are delayed and
// lost by the kernel. Clients connect to `port`: from there by a unix socket into the namespace, from a relay in there
// over a veth pair back to the host, and on to nginx.
//
//	const link = await Link.open(server, "netem delay 40ms 10ms loss 3%");

import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Proxy } from "./chaos_proxy.mjs";
import { waitFor } from "./server.mjs";

function run(...argv) {
	const { status, stderr, error } = spawnSync(argv[0], argv.slice(1), { encoding: "utf8" });
	if (status !== 0) throw new Error(`${argv.join(" ")}: ${error?.message ?? stderr.trim()}`);
}

/** False, or why this machine has no such link. qdisc: as tc takes it. */
export function noLink(qdisc) {
	const { status, stderr, error } = spawnSync("unshare",
		["--net", "sh", "-c", `ip link set lo up && tc qdisc add dev lo root ${qdisc}`], { encoding: "utf8" });
	return status === 0 ? false : `this machine can't do ${qdisc.split(" ")[0]}: ${error?.message ?? stderr.trim().split("\n")[0]}`;
}

let counter = 0;

export class Link {
	static async open(server, qdisc) {
		const link = new Link();
		const n = (process.pid * 8 + counter++) % 16384;
		Object.assign(link, { name: `craft${process.pid}-${counter}`, outside: `cf${n}o`, inside: `cf${n}i`,
			net: `10.${200 + (n >> 12)}.${(n >> 4) & 255}.${(n & 15) * 16}`, dir: mkdtempSync(path.join(tmpdir(), "craft-net-")) });
		try {
			await link.#open(server, qdisc);
		} catch (error) {
			await link.close();
			throw error;
		}
		return link;
	}

	async #open(server, qdisc) {
		const base = this.net.replace(/\d+$/, "");
		const last = Number(this.net.split(".")[3]);
		const [host, peer] = [`${base}${last + 1}`, `${base}${last + 2}`];
		run("ip", "netns", "add", this.name);
		run("ip", "link", "add", this.outside, "type", "veth", "peer", "name", this.inside, "netns", this.name);
		run("ip", "addr", "add", `${host}/28`, "dev", this.outside);
		run("ip", "link", "set", this.outside, "up");
		run("ip", "-n", this.name, "addr", "add", `${peer}/28`, "dev", this.inside);
		run("ip", "-n", this.name, "link", "set", this.inside, "up");
		for (const where of [["-n", this.name], []])
			run("tc", ...where, "qdisc", "add", "dev", where.length ? this.inside : this.outside, "root", ...qdisc.split(" "));
		this.near = await Proxy.start({ host: "127.0.0.1", port: server.port }, { host, port: 0 });
		const socket = path.join(this.dir, "s");
		this.relay = spawn("ip", ["netns", "exec", this.name, process.execPath, fileURLToPath(import.meta.url), socket, host,
			String(this.near.port)], { stdio: ["ignore", "pipe", "inherit"] });
		let said = "";
		this.relay.stdout.setEncoding("utf8").on("data", (text) => { said += text; });
		await waitFor(() => said.includes("ready"), { what: "the relay in the namespace" });
		this.far = await Proxy.start({ path: socket });
		this.port = this.far.port;
	}

	/** Packets that the link lost or delayed away, by tc's count. */
	dropped() {
		return [["-n", this.name, "-s", "qdisc", "show", "dev", this.inside], ["-s", "qdisc", "show", "dev", this.outside]]
			.reduce((sum, argv) => sum + Number(spawnSync("tc", argv, { encoding: "utf8" }).stdout.match(/dropped (\d+)/)[1]), 0);
	}

	async close() {
		await this.far?.stop();
		if (this.relay) {
			const ended = new Promise((resolve) => this.relay.once("exit", resolve));
			this.relay.kill("SIGKILL");
			await ended;
		}
		await this.near?.stop();
		spawnSync("ip", ["netns", "del", this.name]);
		spawnSync("ip", ["link", "del", this.outside]);
		rmSync(this.dir, { recursive: true, force: true });
	}
}

// As a program: the relay in the namespace.
if (process.argv[1] === fileURLToPath(import.meta.url)) {
	const [socket, host, port] = process.argv.slice(2);
	await Proxy.start({ host, port: Number(port) }, { path: socket });
	console.log("ready");
}
