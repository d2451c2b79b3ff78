// sandbox.mjs: the cases of sandboxes, run by bench/run. It starts a server of its own by script/up, with the fakes of
// tests/fakes, and prints lines "figure ROW NUMBER", "limit ROW NUMBER" and "note TEXT".

const CASES = ["create", "turn", "tool", "stream", "memory", "many"];

const [name] = process.argv.slice(2);
if (!CASES.includes(name)) {
	console.error(`Usage: node bench/sandbox.mjs ${CASES.join("|")}`);
	process.exit(2);
}
const { run } = await import(`./sandbox/${name}.mjs`);
try {
	await run();
} catch (error) {
	console.error(error);
	process.exitCode = 1;
}
