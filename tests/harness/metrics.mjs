// metrics.mjs: what the daemons tell of themselves: asked over a unix socket or a port, and read by the letter of Prometheus' text format.
//
//   const { status, text } = await ask(path.join(server.runDir, "watch-ws-1.sock"), "/readyz");
//   const metrics = parseMetrics(text);
//   metrics.value("craft_ws_messages_total", { type: "labels:save" });   // a number; undefined: there is no such sample
//   metrics.families;                                                    // Map: name → { type, help, samples }

import assert from "node:assert/strict";
import http from "node:http";

/** One request: {status, headers, text}. at: a socket's path, or "ADDRESS:PORT". */
export function ask(at, target, { method = "GET", headers = {} } = {}) {
	const [, host, port] = /^([\d.]+):(\d+)$/.exec(at) ?? [];
	return new Promise((resolve, reject) => {
		const req = http.request({ ...(host ? { host, port } : { socketPath: at }), path: target, method, headers, agent: false });
		req.on("response", (res) => {
			let text = "";
			res.setEncoding("utf8").on("data", (part) => { text += part; }).on("error", reject)
				.on("end", () => resolve({ status: res.statusCode, headers: res.headers, text }));
		});
		req.on("error", reject);
		req.end();
	});
}

const NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*";

/** The labels between braces, unescaped. */
function parseLabels(text, line) {
	const labels = {};
	const pattern = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)/y;
	while (pattern.lastIndex < text.length) {
		const at = pattern.lastIndex, found = pattern.exec(text);
		assert.ok(found, `labels at ${at}: ${line}`);
		assert.ok(!(found[1] in labels), `a label twice: ${line}`);
		assert.ok(!(found[3] === "," && pattern.lastIndex === text.length), `a comma at the end: ${line}`);
		labels[found[1]] = found[2].replace(/\\(.)/g, (_, c) => (c === "n" ? "\n" : c));
	}
	return labels;
}

const keyOf = (name, labels) => `${name}${JSON.stringify(Object.entries(labels).sort())}`;

function checkHistogram(name, samples) {
	const groups = new Map();
	for (const sample of samples) {
		const { le, ...rest } = sample.labels;
		assert.equal(sample.name === `${name}_bucket`, le !== undefined, `${name}: le belongs to buckets`);
		const key = keyOf(name, rest);
		if (!groups.has(key)) groups.set(key, { buckets: [] });
		const group = groups.get(key);
		if (le !== undefined) group.buckets.push([le === "+Inf" ? Infinity : Number(le), sample.value]);
		else group[sample.name.slice(name.length + 1)] = sample.value;
	}
	for (const [key, { buckets, sum, count }] of groups) {
		for (let i = 1; i < buckets.length; i++) {
			assert.ok(buckets[i][0] > buckets[i - 1][0], `${key}: bounds ascend`);
			assert.ok(buckets[i][1] >= buckets[i - 1][1], `${key}: buckets are cumulative`);
		}
		assert.equal(buckets.at(-1)?.[0], Infinity, `${key}: the last bucket is +Inf`);
		assert.equal(buckets.at(-1)[1], count, `${key}: _count is the last bucket`);
		assert.ok(sum >= 0, `${key}: has a _sum`);
	}
}

/** Throws where the text isn't by the format, or breaks what Prometheus advises on names. */
export function parseMetrics(text) {
	assert.ok(text.endsWith("\n"), "the text ends with a line feed");
	const families = new Map(), values = new Map();
	let family, name;
	for (const line of text.slice(0, -1).split("\n")) {
		const help = new RegExp(`^# HELP (${NAME}) ((?:[^\\\\]|\\\\[\\\\n])+)$`).exec(line);
		const type = new RegExp(`^# TYPE (${NAME}) (counter|gauge|histogram)$`).exec(line);
		const sample = new RegExp(`^(${NAME})(?:\\{(.+)\\})? (\\S+)$`).exec(line);
		if (help) {
			name = help[1];
			assert.ok(!families.has(name), `${name} is told once`);
			family = { help: help[2], samples: [] };
			families.set(name, family);
		} else if (type) {
			assert.equal(type[1], name, "TYPE follows HELP");
			assert.equal(family.type, undefined, `one TYPE: ${line}`);
			family.type = type[2];
			assert.equal(name.endsWith("_total"), family.type === "counter", `${name}: counters end with _total, and only they`);
		} else {
			assert.ok(sample, `a sample: ${line}`);
			const suffixes = family.type === "histogram" ? ["_bucket", "_sum", "_count"] : [""];
			assert.ok(suffixes.some((suffix) => sample[1] === name + suffix), `${sample[1]} is of ${name}`);
			assert.match(sample[3], /^[0-9.e+-]+$/, line);
			const value = Number(sample[3]), labels = parseLabels(sample[2] ?? "", line), key = keyOf(sample[1], labels);
			assert.ok(Number.isFinite(value) && value >= 0, line);
			assert.ok(!values.has(key), `once: ${line}`);
			values.set(key, value);
			family.samples.push({ name: sample[1], labels, value });
		}
	}
	for (const [key, { type, samples }] of families) {
		assert.ok(type, `${key} has a type`);
		if (type === "histogram") checkHistogram(key, samples);
	}
	return { families, value: (wanted, labels = {}) => values.get(keyOf(wanted, labels)) };
}
