// prometheus.mjs: a real Prometheus on loopback that reads what the daemons tell and evaluates PromQL.
//
//   const prometheus = await Prometheus.start({ "craft-fcgi": "127.0.0.1:9101", "craft-ws-bridge": "/run/watch.sock" });
//   await prometheus.scrapes(4);                            // of every target
//   await prometheus.query("sum(craft_ws_connections)");    // [{ metric, value }]; throws where it isn't PromQL
//   await prometheus.stop();

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { ask } from "./metrics.mjs";
import { alive, waitFor } from "./server.mjs";

const EVERY_MS = 300;

const listening = (server) => new Promise((resolve, reject) => {
	server.once("error", reject).listen(0, "127.0.0.1", () => resolve(server.address().port));
});

async function freePort() {
	const server = net.createServer();
	const port = await listening(server);
	await new Promise((done) => { server.close(done); });
	return port;
}

export const hasPrometheus = () => ["prometheus", "promtool"].every((name) => spawnSync(name, ["--version"]).status === 0);

/** What promtool says against a text of metrics; empty: nothing. */
export function promtool(text) {
	const { stdout, stderr, status } = spawnSync("promtool", ["check", "metrics"], { input: text, encoding: "utf8" });
	return status === 0 ? "" : `${stdout}${stderr}`;
}

export class Prometheus {
	/** targets: a job's name → where its daemon tells, a socket's path or ADDRESS:PORT. */
	static async start(targets) {
		const self = new Prometheus();
		self.jobs = Object.keys(targets);
		self.dir = mkdtempSync(path.join(tmpdir(), "craft-prometheus-"));
		// It reads no unix sockets.
		self.front = http.createServer((req, res) => {
			ask(targets[decodeURIComponent(req.url.slice(1))], "/metrics").then(({ status, headers, text }) => {
				res.writeHead(status, { "content-type": headers["content-type"] });
				res.end(text);
			}, () => res.destroy());
		});
		const front = await listening(self.front);
		self.port = await freePort();
		writeFileSync(path.join(self.dir, "prometheus.yml"), JSON.stringify({
			global: { scrape_interval: `${EVERY_MS}ms`, scrape_timeout: `${EVERY_MS}ms` },
			scrape_configs: self.jobs.map((job) => ({ job_name: job, metrics_path: `/${encodeURIComponent(job)}`, static_configs: [{ targets: [`127.0.0.1:${front}`] }] })),
		}));
		await self.#run();
		return self;
	}

	async #run() {
		this.child = spawn("prometheus", [`--config.file=${this.dir}/prometheus.yml`, `--storage.tsdb.path=${this.dir}/data`, "--log.level=warn",
			`--web.listen-address=127.0.0.1:${this.port}`], { stdio: ["ignore", "ignore", "pipe"] });
		let said = "";
		this.child.stderr.setEncoding("utf8").on("data", (part) => { said += part; });
		await waitFor(async () => {
			assert.equal(this.child.exitCode, null, said);
			return this.query("vector(1)").then(() => true, () => false);
		}, { what: "Prometheus", deadline: 30_000 });
	}

	async query(expression) {
		const answer = await fetch(`http://127.0.0.1:${this.port}/api/v1/query?${new URLSearchParams({ query: expression })}`);
		const { status, data, error } = await answer.json();
		assert.equal(status, "success", `${expression}: ${error}`);
		return data.result;
	}

	/** Waits until it has read every target that often. */
	scrapes(count) {
		return waitFor(async () => {
			const times = await this.query("sum by (job) (sum_over_time(up[5m]))");
			return times.length === this.jobs.length && times.every(({ value }) => Number(value[1]) >= count);
		}, { what: "Prometheus' reading", deadline: 30_000 });
	}

	async stop() {
		this.front.close();
		this.front.closeAllConnections();
		if (this.child?.exitCode === null) {
			this.child.kill("SIGTERM");
			await waitFor(() => !alive(this.child.pid), { deadline: 20_000, what: "Prometheus' end" });
		}
		rmSync(this.dir, { recursive: true, force: true });
	}
}

/** The expressions of a dashboard's panels, with Grafana's variables filled in. */
export function dashboardExpressions(file) {
	const { panels } = JSON.parse(readFileSync(file, "utf8"));
	return panels.flatMap((panel) => [panel, ...(panel.panels ?? [])]).flatMap((panel) => panel.targets ?? [])
		.map(({ expr }) => expr.replaceAll("$__rate_interval", "1m"));
}
