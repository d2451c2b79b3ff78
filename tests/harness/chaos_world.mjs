// chaos_world.mjs: a server that things can be done to: its database on a small disk of its own, its daemons and its
// database with clocks of their own, its clients behind a proxy and a link (chaos_proxy.mjs, chaos_net.mjs).
//
//	const world = await World.open({ bridges: 2, disk: 400 << 20, clocks: true, proxy: true, link: true });
//	world.server, world.port, world.proxy, world.link, world.noDisk (false, or why not), world.noClocks, world.noLink

import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Link, noLink } from "./chaos_net.mjs";
import { Proxy } from "./chaos_proxy.mjs";
import { ROOT, startServer } from "./server.mjs";

const FAKETIME = ["/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1", "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1"];

function sh(...argv) {
	const { status, stderr, error } = spawnSync(argv[0], argv.slice(1), { encoding: "utf8" });
	if (status !== 0) throw new Error(`${argv.join(" ")}: ${error?.message ?? stderr.trim()}`);
}

// A file system of so many bytes in a file; false, or why there is none.
function mountDisk(image, dir, size) {
	if (process.getuid() !== 0) return "this machine can't mount a small file system for a user";
	try {
		sh("truncate", "-s", String(size), image);
		// Nothing is kept back for root, so that full is full for all.
		sh("mkfs.ext4", "-q", "-F", "-m", "0", "-O", "^has_journal", image);
		sh("mount", "-o", "loop", image, dir);
		// initdb wants it empty.
		rmSync(path.join(dir, "lost+found"), { recursive: true });
		return false;
	} catch (error) {
		return `this machine can't mount a small file system: ${error.message}`;
	}
}

function noFaketime(env) {
	if (!FAKETIME.some((file) => existsSync(file))) return "this machine can't fake clocks: no libfaketime (Debian package faketime)";
	const build = env.CRAFT_BUILD_DIR ?? "";
	const config = path.join(build, "config.status");
	if (existsSync(config) && /fsanitize=address/.test(readFileSync(config, "utf8")))
		return "this machine can't fake clocks under AddressSanitizer";
	return false;
}

export class World {
	/** disk: bytes for the database. */
	static async open({ bridges = 2, disk = 0, clocks = false, proxy = false, link = false, env = {} } = {}) {
		const world = new World();
		const base = mkdtempSync(path.join(tmpdir(), "craft-chaos-"));
		Object.assign(world, { base, dir: path.join(base, "state"), noDisk: "no disk was asked for",
			noClocks: "no clocks were asked for", noLink: "no link was asked for" });
		chmodSync(base, 0o755);
		mkdirSync(path.join(world.dir, "pg"), { recursive: true });
		world.cleanUp = () => {
			if (world.noDisk === false) spawnSync("umount", ["-l", path.join(world.dir, "pg")]);
			rmSync(base, { recursive: true, force: true });
		};
		process.on("exit", world.cleanUp);
		if (disk) world.noDisk = mountDisk(path.join(base, "disk"), path.join(world.dir, "pg"), disk);
		if (clocks) world.noClocks = noFaketime(process.env);
		try {
			world.server = await startServer({ dir: world.dir, bridges, env: { ...world.#environment(), ...env } });
		} catch (error) {
			process.off("exit", world.cleanUp);
			world.cleanUp();
			throw error;
		}
		await world.#openNetwork(proxy, link);
		return world;
	}

	async #openNetwork(proxy, link) {
		this.noLink = link ? noLink() : this.noLink;
		try {
			if (this.noLink === false) this.link = await Link.open(this.server);
			if (proxy) this.proxy = await Proxy.start({ host: "127.0.0.1", port: this.link?.port ?? this.server.port });
		} catch (error) {
			await this.close();
			throw error;
		}
	}

	/** Where clients connect to, on 127.0.0.1. */
	get port() { return (this.proxy ?? this.link ?? this.server).port; }

	#environment() {
		// Little is kept in reserve, so that a full disk is met soon.
		const env = { SWEEP_INTERVAL: "0", CRAFT_PG_FLAGS: "-c min_wal_size=32MB -c max_wal_size=64MB" };
		if (this.noClocks !== false) return env;
		this.clocks = { daemons: path.join(this.base, "clock-daemons"), database: path.join(this.base, "clock-database") };
		for (const name of Object.keys(this.clocks)) this.setClock(name, 0);
		const wrapper = (name) => ["env", `LD_PRELOAD=${FAKETIME.find((file) => existsSync(file))}`,
			`FAKETIME_TIMESTAMP_FILE=${this.clocks[name]}`, "FAKETIME_CACHE_DURATION=1", "FAKETIME_DONT_FAKE_MONOTONIC=1",
			"FAKETIME_DISABLE_SHM=1"].join(" ");
		return { ...env, CRAFT_WRAPPER: wrapper("daemons"), CRAFT_PG_WRAPPER: wrapper("database") };
	}

	/** Sets the clock of the "daemons" or of the "database", in seconds against the true time. */
	setClock(name, seconds) {
		writeFileSync(this.clocks[name], `${seconds < 0 ? "" : "+"}${seconds}\n`);
	}

	get filler() { return path.join(this.dir, "pg", "filler"); }

	/** Leaves not a byte on the database's disk. */
	fillDisk() {
		const { bavail, bsize } = statfsSync(path.join(this.dir, "pg"));
		spawnSync("fallocate", ["-l", String(Math.max(bavail - 64, 1) * bsize), this.filler]);
		// What is left of it, and of the roundings.
		spawnSync("dd", ["if=/dev/zero", `of=${this.filler}`, "bs=4k", "oflag=append", "conv=notrunc", "status=none"]);
	}

	emptyDisk() { rmSync(this.filler, { force: true }); }

	/** Copies all logs to where a run's artifacts go, for a look at a failure; resolves to that directory. */
	keepLogs(name) {
		const to = path.join(process.env.CRAFT_TEST_ARTIFACTS ?? path.join(ROOT, "build/artifacts"), `${name}-${process.pid}-${path.basename(this.base)}`);
		cpSync(this.server.logDir, to, { recursive: true });
		return to;
	}

	async close() {
		process.off("exit", this.cleanUp);
		try {
			await this.proxy?.stop();
			await this.link?.close();
		} finally {
			await this.server.stop().finally(this.cleanUp);
		}
	}
}
