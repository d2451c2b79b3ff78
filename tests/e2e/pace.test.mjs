// The rule of patience is said in three languages: harness/pace.mjs and script/lib.sh make of a load what harness/pace.txt says
// (unit/test_pace has tests/unit/pace.h).

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { MOST, slowness, slownessOf } from "../harness/pace.mjs";
import { ROOT } from "../harness/server.mjs";

const rows = readFileSync(path.join(ROOT, "tests/harness/pace.txt"), "utf8").trim().split("\n").map((line) => line.split("\t"));

test("JavaScript", () => {
	assert.ok(rows.length > 5);
	for (const [loadavg, cpus, percent] of rows) assert.equal(Math.floor(slownessOf(loadavg, Number(cpus)) * 100 + 1e-6), Number(percent), loadavg);
	assert.equal(slownessOf(rows[0][0], 2, 0.5), 2, "half of the time was stolen");
	assert.ok(slowness() >= 1 && slowness() <= MOST);
});

test("the scripts", () => {
	const code = '. script/lib.sh; while IFS=$\'\\t\' read -r load cpus _; do read_slowness "$load"; echo "$slowness"; done <tests/harness/pace.txt';
	assert.deepEqual(execFileSync("bash", ["-c", code], { cwd: ROOT, encoding: "utf8" }).trim().split("\n"), rows.map(([, , percent]) => percent));
	assert.match(execFileSync("bash", ["-c", ". script/lib.sh; read_slowness; echo $slowness"], { cwd: ROOT, encoding: "utf8" }), /^\d{3,4}\n$/);
});
