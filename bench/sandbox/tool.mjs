// tool.mjs: the way of a tool call from the WebSocket into the box and back, beside the start of a bare program and of a
// bare box.

import { createTimed, figure, limit, now, note, percentile, program, remove, spread, withRig } from "./rig.mjs";

const CALLS = 300;
const BATCHES = 10;
const PARALLEL = 20;

const BOX = ["bwrap", "--unshare-all", "--die-with-parent", "--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin",
	"--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64", "--proc", "/proc", "--dev", "/dev", "true"];

let lastId = 0;

const call = (client) => client.timeTool("Bash", { command: "true" }, `bench-${++lastId}`);

async function oneByOne(client) {
	const times = [];
	for (let i = 0; i < CALLS; i++) times.push(await call(client));
	return times;
}

// Calls per second, of which so many are under way at the same time.
async function atOnce(client) {
	const begin = now();
	for (let i = 0; i < BATCHES; i++) await Promise.all(Array.from({ length: PARALLEL }, () => call(client)));
	return BATCHES * PARALLEL * 1000 / (now() - begin);
}

export const run = () => withRig({}, async (rig) => {
	await rig.addRepo("alice/small");
	const { client } = await createTimed(rig, "alice/small");
	await call(client);
	const bare = await program("spawn", CALLS, "true"), box = await program("spawn", CALLS, ...BOX);
	const times = await oneByOne(client);
	for (const [row, p] of [["sandbox-tool", 0.5], ["sandbox-tool-p95", 0.95], ["sandbox-tool-p99", 0.99]])
		figure(row, percentile(times, p));
	limit("sandbox-tool", box.p50_ms);
	limit("sandbox-tool-p95", box.p95_ms);
	limit("sandbox-tool-p99", box.p99_ms);
	figure("sandbox-tool-20", await atOnce(client));
	limit("sandbox-tool-20", 1000 / box.p50_ms);
	const disk = await program("fdatasync", rig.server.dir);
	note(`Bash true in ms: ${spread(times)}; true alone ${bare.p50_ms}, in a new box ${box.p50_ms}, ` +
		`fdatasync ${disk.p50_ms}`);
	await remove(rig, client);
});
