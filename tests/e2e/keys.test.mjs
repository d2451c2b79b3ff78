// Keys that open one workspace (craft-cloud key): REST, sync, files and signed URLs with them, on two bridges; what they don't
// open; revoked, expired, read-only, at most so many requests; another ENCRYPTION_KEY; and that nothing holds them.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHmac, randomBytes } from "node:crypto";
import path from "node:path";
import { after, before, test } from "node:test";
import { startRig } from "../harness/oauth.mjs";
import { ownMs, slowness } from "../harness/pace.mjs";
import { ProcessWatch } from "../harness/process_watch.mjs";
import { waitFor } from "../harness/server.mjs";
import { connect, within } from "../harness/sync.mjs";

const [A, B] = [randomBytes(32).toString("hex"), randomBytes(32).toString("hex")];
const OTHER = { error: "This key is for another workspace" };
const READ_ONLY = { error: "This key is read-only: nothing was changed" };
const UNAUTHORIZED = { error: "Unauthorized" };
let rig, server, key, watch;

before(async () => {
	rig = await startRig({ bridges: 2, env: { ENCRYPTION_KEY: A, WRONG_KEY_RATE: "0" } });
	rig.secrets.add(B);
	server = rig.server;
	rig.secrets.add(server.apiKey).add(A);
	watch = new ProcessWatch(() => rig.secrets);
	key = await add("team", "laptop");
});
after(() => {
	watch?.stop();
	return rig?.stop();
});

/** craft-cloud key add: the key. */
async function add(workspace, name, ...options) {
	const { code, stdout, stderr } = await rig.cloud("key", "add", "--workspace", workspace, "--name", name, ...options);
	assert.deepEqual([code, stderr], [0, ""]);
	assert.match(stdout, /^cak_[0-9a-f]{16}_[0-9a-f]{64}\n$/, "the key and nothing else");
	rig.secrets.add(stdout.trim());
	return stdout.trim();
}

async function revoke(workspace, name) {
	const { code, stdout, stderr } = await rig.cloud("key", "revoke", "--workspace", workspace, "--name", name);
	assert.deepEqual([code, stderr], [0, ""]);
	return stdout;
}

async function ask(target, status, options = {}) {
	const answer = await server.request(target, { key, ...options });
	assert.equal(answer.status, status, `${options.method ?? "GET"} ${target}: ${answer.text}`);
	return answer;
}

const refusal = (workspace, options) => connect(server, workspace, options).then(
	(client) => client.close().then(() => assert.fail("it was let in")),
	(error) => ({ status: error.response.status, ...JSON.parse(error.response.body) }));

/** Within two seconds. */
const soon = (cond, what) => waitFor(cond, { deadline: 2000, what });

const sign = (key, target, exp) => createHmac("sha256", key).update(`${decodeURIComponent(target.slice(1))}:${exp}`).digest("hex");
const signed = (key, target, exp = Math.floor(Date.now() / 1000) + 60) => `${target}?exp=${exp}&sig=${sign(key, target, exp)}`;

test("it opens its workspace, and says so at the front page", async () => {
	assert.equal((await ask("/", 200)).json.status, "ok");
	await ask(`/?apiKey=${key}`, 200, { key: null });
	assert.deepEqual((await ask("/workspace/team/sessions", 200)).json, []);
	const { id } = (await ask("/workspace/team/actions/new-chat", 201, { method: "POST", body: { name: "n" } })).json;
	assert.equal((await ask(`/workspace/team/sessions/${id}`, 200)).json.id, id);
	assert.equal((await ask("/workspace/team/sessions", 200, { key: server.apiKey })).json.length, 1);
	await ask("/workspace/team/nothing", 404);
	await ask("/workspace/team", 426);
});

test("files and assets", async () => {
	for (const target of ["/files/team/s/attachments/a%20b.txt", "/assets/team/icons/x.svg"]) {
		await ask(target, 201, { method: "PUT", body: "hello" });
		assert.equal((await ask(target, 200)).text, "hello");
		await ask(target, 200, { method: "HEAD" });
	}
	assert.equal((await ask("/files/team/s/attachments", 200)).json.length, 1);
	await ask("/files/team/s/attachments/gone.txt", 201, { method: "PUT", body: "x" });
	await ask("/files/team/s/attachments/gone.txt", 200, { method: "DELETE" });
});

test("no other workspace, nor what is for none; and which one it is for isn't said", async () => {
	const get = ["/workspace/other/sessions", "/workspace/Team/sessions", "/workspace/team%20/labels", "/files/other/s/attachments", "/files/other/s/attachments/a.txt",
		"/assets/other/x", "/api/sandbox/other/1/status", "/workspace/other", "/workspace/other/projects/a/b",
		"/oauth/github?workspaceSlug=other&repoKey=a/b&redirectUri=craft-agent://x"];
	for (const target of get) assert.deepEqual((await ask(target, 403)).json, OTHER, target);
	const post = { "/workspace/other/actions/new-chat": {}, "/api/sandbox/other/1/heartbeat": {}, "/files/other/s/attachments/a/sign": {},
		"/api/sandbox/create": { workspaceSlug: "other", repoKey: "a/b", branch: "main" },
		"/api/sandbox/check": { workspaceSlug: "other", repoKey: "a/b", repoUrl: "https://github.com/a/b" } };
	for (const [target, body] of Object.entries(post)) assert.deepEqual((await ask(target, 403, { method: "POST", body })).json, OTHER, target);
	for (const target of ["/files/other/s/attachments/a", "/assets/other/a"]) {
		assert.deepEqual((await ask(target, 403, { method: "PUT", body: "x" })).json, OTHER, target);
		assert.deepEqual((await ask(target, 403, { method: "DELETE" })).json, OTHER, target);
	}
	assert.equal(server.psqlValue("select count(*) from app.workspace where slug <> 'team'"), "0");
});

test("its repositories' login, and their sandboxes", async () => {
	const query = "workspaceSlug=team&repoKey=a/b&redirectUri=craft-agent%3A%2F%2Fx";
	await ask(`/oauth/github?${query}`, 302);
	const body = { workspaceSlug: "team", repoKey: "a/b", repoUrl: `${rig.github.url}/a/b` };
	assert.equal((await ask("/api/sandbox/check", 200, { method: "POST", body })).json.needsAuth, true);
	assert.match((await ask("/api/sandbox/create", 403, { method: "POST", body: { ...body, branch: "main" } })).json.error, /GitHub credentials/);
	await ask("/api/sandbox/team/1/status", 404);
});

test("what only looks like a key opens nothing", async () => {
	const last = key.endsWith("0") ? "1" : "0";
	for (const wrong of [key.slice(0, -1) + last, `cak_${"0".repeat(16)}_${"0".repeat(64)}`, key.toUpperCase(), key.slice(0, -1), `${key}0`, key.slice(0, 20)]) {
		assert.deepEqual((await ask("/workspace/team/sessions", 401, { key: wrong })).json, UNAUTHORIZED);
		assert.deepEqual((await ask("/", 401, { key: wrong })).json, UNAUTHORIZED);
		for (const bridge of [0, 1]) assert.deepEqual(await refusal("team", { apiKey: wrong, bridge }), { status: 401, ...UNAUTHORIZED });
	}
	const upload = await ask("/files/team/s/attachments/a", 401, { method: "PUT", body: "x", key: key.slice(0, -1) + last });
	assert.deepEqual(upload.json, UNAUTHORIZED);
});

test("sync, on both bridges, by header and by query", async () => {
	const [a, b, c] = [await connect(server, "team", { apiKey: key, bridge: 0 }), await connect(server, "team", { apiKey: key, bridge: 1, auth: "query" }),
		await connect(server, "team", { bridge: 0 })];
	await a.ok("session:create", { id: "s1" });
	for (const client of [b, c]) assert.equal((await client.waitFor(1))[0].event.entity, "session");
	await b.ok("labels:save", { version: 1, labels: [] });
	for (const client of [a]) assert.equal((await client.waitFor(1))[0].event.entity, "labels");
	for (const bridge of [0, 1]) assert.deepEqual(await refusal("other", { apiKey: key, bridge }), { status: 403, ...OTHER });
	assert.equal((await refusal("other/sandbox/ws/1", { apiKey: key })).status, 403);
	for (const client of [a, b, c]) await client.close();
});

test("URLs that it signs, or has signed, are good while it is", async () => {
	const target = "/files/team/s/attachments/a%20b.txt", icon = "/assets/team/icons/x.svg";
	const mobile = await add("team", "mobile"), stranger = await add("other", "mobile");
	const { url } = (await ask(`${target}/sign`, 200, { method: "POST", body: {}, key: mobile })).json;
	const made = new URL(url), exp = made.searchParams.get("exp");
	assert.equal(made.searchParams.get("sig"), sign(mobile, target, exp), "by that key, and nothing else is in it");
	const own = [made.pathname + made.search, signed(mobile, target), signed(mobile, icon)], laptops = signed(key, target), masters = signed(server.apiKey, target);
	for (const link of [...own, laptops, masters]) assert.equal((await ask(link, 200, { key: null })).text, "hello", link);
	for (const link of [signed(stranger, target), signed(mobile, target, Math.floor(Date.now() / 1000) - 2), signed(mobile, target).replace("/team/", "/other/"),
		signed(mobile, "/files/team/s/attachments")]) await ask(link, 403, { key: null });
	await ask(own[0], 403, { key: null, method: "DELETE" });
	assert.match(await revoke("team", "mobile"), new RegExp(`^revoked ${mobile.slice(4, 20)}\n$`));
	for (const link of own) await soon(async () => (await server.request(link, { key: null })).status === 403, "the end of its URLs");
	for (const link of [laptops, masters]) await ask(link, 200, { key: null });
});

test("revoking closes its sockets, on both bridges, and ends all else", async () => {
	const lost = await add("team", "lost");
	const clients = await Promise.all([0, 1, 0, 1].map((bridge) => connect(server, "team", { apiKey: lost, bridge })));
	const others = await Promise.all([0, 1].map((bridge) => connect(server, "team", { apiKey: bridge ? key : server.apiKey, bridge })));
	for (let i = 0; i < 8; i++) await ask("/workspace/team/labels", 200, { key: lost });
	await revoke("team", "lost");
	const start = Date.now(), own = ownMs();
	for (const client of clients) assert.deepEqual(await within(client.closed, 8000, "the close"), { code: 1008, reason: "the key was revoked" });
	assert.ok(ownMs() - own < 2000, `${ownMs() - own} ms`);
	await waitFor(() => Date.now() - start > 2000);
	for (let i = 0; i < 8; i++) await ask("/workspace/team/labels", 401, { key: lost });
	for (const bridge of [0, 1]) assert.deepEqual(await refusal("team", { apiKey: lost, bridge }), { status: 401, ...UNAUTHORIZED });
	for (const client of others) {
		await client.ok("labels:save", { version: 2, labels: [] });
		await client.close();
	}
	const { code, stderr } = await rig.cloud("key", "revoke", "--workspace", "team", "--name", "lost");
	assert.equal(code, 1);
	assert.match(stderr, /no such key/);
});

test("a bridge that wasn't told finds out by itself", async () => {
	const silent = await add("team", "silent");
	const clients = await Promise.all([0, 1].map((bridge) => connect(server, "team", { apiKey: silent, bridge })));
	server.psql("update app.api_key set revoked_at = now(), sealed = null where name = 'silent'");
	const own = ownMs();
	for (const client of clients) assert.equal((await within(client.closed, 8000, "the close")).code, 1008);
	assert.ok(ownMs() - own < 2000, `${ownMs() - own} ms`);
});

test("one that expires does so by itself", async () => {
	const brief = await add("team", "brief", "--expires", "4s");
	const client = await connect(server, "team", { apiKey: brief });
	await ask("/workspace/team/labels", 200, { key: brief });
	const expires = Number(server.psqlValue("select app.ms(expires_at) from app.api_key where name = 'brief'"));
	assert.deepEqual(await within(client.closed, 8000, "the close"), { code: 1008, reason: "the key has expired" });
	assert.ok(Date.now() >= expires && (Date.now() - expires) / slowness() < 2000, `${Date.now() - expires} ms after it expired`);
	await ask("/workspace/team/labels", 401, { key: brief });
	assert.equal((await refusal("team", { apiKey: brief })).status, 401);
});

test("a read-only one reads, and changes nothing", async () => {
	const reader = await add("team", "reader", "--read-only"), options = { key: reader };
	await ask("/workspace/team/sessions", 200, options);
	const { url } = (await ask("/assets/team/sign/icons/x.svg", 200, { method: "POST", body: {}, ...options })).json;
	await ask(new URL(url).pathname + new URL(url).search, 200, { key: null });
	const before = server.psqlValue("select seq from app.workspace where slug = 'team'");
	for (const [method, target, body] of [["POST", "/workspace/team/actions/new-chat", {}], ["PUT", "/files/team/s/attachments/new", "x"], ["PUT", "/assets/team/new", "x"],
		["DELETE", "/files/team/s"], ["DELETE", "/assets/team/icons/x.svg"], ["DELETE", "/workspace/team/projects/a/b/credential"],
		["POST", "/api/sandbox/check", { workspaceSlug: "team", repoKey: "a/b", repoUrl: "https://github.com/a/b" }],
		["POST", "/api/sandbox/team/1/heartbeat", {}], ["GET", "/oauth/github?workspaceSlug=team&repoKey=a/b&redirectUri=craft-agent://x"]])
		assert.deepEqual((await ask(target, 403, { method, body, ...options })).json, READ_ONLY, `${method} ${target}`);
	const client = await connect(server, "team", { apiKey: reader });
	const answer = await client.call("session:create", { id: "never" });
	assert.equal(answer.error, READ_ONLY.error);
	assert.match((await client.call("what", {})).error, /^Unknown message type/);
	assert.equal(server.psqlValue("select seq from app.workspace where slug = 'team'"), before);
	const writer = await connect(server, "team", { apiKey: key });
	await writer.ok("labels:save", { version: 3, labels: [] });
	assert.equal((await client.waitFor(1))[0].event.entity, "labels", "it hears of what others change");
	for (const each of [client, writer]) await each.close();
	await ask("/assets/team/icons/x.svg", 200);
});

test("one with a rate makes no more requests than that, whichever worker they come to", async () => {
	const slow = await add("team", "slow", "--rate", "6"), options = { key: slow };
	for (let i = 0; i < 5; i++) await ask("/workspace/team/labels", 200, options);
	await ask("/files/team/s/attachments/counted", 201, { method: "PUT", body: "x", ...options });
	const refused = await ask("/workspace/team/labels", 429, options);
	assert.match(refused.json.error, /^Too many requests with this key, which may make 6 a minute/);
	assert.equal(refused.headers["retry-after"], "10");
	const upload = await ask("/files/team/s/attachments/counted", 429, { method: "PUT", body: "y", ...options });
	assert.match(upload.json.error, /6 a minute/);
	await ask("/workspace/team/labels", 200);
	// Each bridge counts for itself, the upgrade too.
	const client = await connect(server, "team", { apiKey: slow, bridge: 0 });
	for (let i = 0; i < 5; i++) await client.ok("labels:save", { version: i, labels: [] });
	assert.match((await client.call("labels:save", { version: 9, labels: [] })).error, /^Too many requests with this key, which may make 6 a minute/);
	assert.equal((await refusal("team", { apiKey: slow, bridge: 0 })).status, 429);
	await client.close();
	assert.equal((await ask("/workspace/team/labels", 200)).json.version, 4);
	await waitFor(() => /limits:.* key_rate=/.test(server.logs("craft-fcgi")), { deadline: 15_000, what: "the counter in the log" });
});

test("wrong commands make nothing", async () => {
	const count = server.psqlValue("select count(*) from app.api_key");
	for (const [pattern, ...args] of [[/needs --workspace and --name/, "add", "--workspace", "team"], [/needs --workspace/, "add", "--name", "x"],
		[/key of that name/, "add", "--workspace", "team", "--name", "laptop"], [/lies ahead/, "add", "--workspace", "team", "--name", "x", "--expires", "2020-01-01"],
		[/lies ahead/, "add", "--workspace", "team", "--name", "x", "--expires", "soon"], [/number of requests/, "add", "--workspace", "team", "--name", "x", "--rate", "0"],
		[/control characters/, "add", "--workspace", "team", "--name", "a\nb"], [/doesn't go with/, "list", "--read-only"], [/unknown command/, "what"]]) {
		const { code, stdout, stderr } = await rig.cloud("key", ...args);
		assert.notEqual(code, 0);
		assert.equal(stdout, "");
		assert.match(stderr, pattern);
	}
	assert.equal(server.psqlValue("select count(*) from app.api_key"), count);
});

test("the list shows what they are for, and no key", async () => {
	await add("team", "dated", "--expires", "2099-12-31");
	const { code, stdout, stderr } = await rig.cloud("key", "list", "--workspace", "team");
	assert.deepEqual([code, stderr], [0, ""]);
	assert.match(stdout, new RegExp(`^${key.slice(4, 20)}  team +laptop +live +all +- .*Z  -  +\\d{4}-\\d\\d-\\d\\dT\\d\\d:00:00Z$`, "m"));
	assert.match(stdout, /team +lost +revoked/);
	assert.match(stdout, /team +brief +expired/);
	assert.match(stdout, /team +reader +live +read-only/);
	assert.match(stdout, /team +slow +live +all +6 /);
	assert.match(stdout, /team +dated .* 2099-12-31T00:00:00Z/);
	assert.doesNotMatch(stdout, /other/);
	rig.assertNoSecret(stdout, "craft-cloud key list");
	assert.match((await rig.cloud("key", "list")).stdout, /other +mobile/);
});

test("scripts get the list as JSON", async () => {
	const { code, stdout, stderr } = await rig.cloud("key", "list", "--workspace", "team", "--json");
	assert.deepEqual([code, stderr, stdout.split("\n").length], [0, "", 2]);
	rig.assertNoSecret(stdout, "craft-cloud key list --json");
	const list = JSON.parse(stdout), named = (name) => list.find((one) => one.name === name);
	assert.deepEqual(Object.keys(named("laptop")), ["id", "workspace", "name", "state", "readOnly", "perMinute", "createdAt", "expiresAt", "lastUsedAt", "revokedAt"]);
	const { createdAt, lastUsedAt, ...laptop } = named("laptop");
	assert.deepEqual(laptop, { id: key.slice(4, 20), workspace: "team", name: "laptop", state: "live", readOnly: false, perMinute: null, expiresAt: null, revokedAt: null });
	assert.ok(Math.abs(Date.now() - Date.parse(createdAt)) < 600_000 && /:00:00Z$/.test(lastUsedAt));
	assert.deepEqual([named("reader").readOnly, named("slow").perMinute, named("dated").expiresAt], [true, 6, "2099-12-31T00:00:00Z"]);
	assert.deepEqual([named("brief").state, named("lost").state, named("lost").revokedAt !== null], ["expired", "revoked", true]);
	assert.ok(list.every(({ workspace }) => workspace === "team"));
	assert.equal((await rig.cloud("key", "list", "--workspace", "nobody's", "--json")).stdout, "[]\n");
	const all = JSON.parse((await rig.cloud("key", "list", "--json")).stdout);
	assert.ok(all.length > list.length && all.some(({ workspace }) => workspace === "other"));
});

test("a key that is in a path by mistake is masked in every log, encoded or not", async () => {
	const first = `%${key.charCodeAt(0).toString(16)}`;
	const all = [...key].map((c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`).join("");
	const shapes = [`apiKey=${key}`, `apikey%3D${key}`, `apiKey%253d${server.apiKey}`, key, `a${key}`, first + key.slice(1), `%25${first.slice(1)}${key.slice(1)}`, all, key.toUpperCase()];
	const ids = [];
	for (const shape of shapes)
		for (const target of [`/workspace/team/${shape}`, `/workspace/${shape}/sessions`, `/files/team/s/attachments/${shape}`, `/assets/team/a/${shape}/b`, `/workspace/team/${"long".repeat(110)}/${shape}`])
			for (const given of [null, "wrong", key]) {
				const { headers } = await server.request(target, { key: given });
				ids.push({ id: headers["x-request-id"], given });
			}
	for (const shape of shapes) {
		assert.equal((await refusal(shape, { apiKey: "wrong" })).status, 401);
		const client = await connect(server, shape);
		await client.close();
	}
	const masked = (text, id) => text.split("\n").some((line) => line.includes(id) && line.includes("***"));
	await waitFor(() => ids.every(({ id }) => masked(server.logs("nginx-access"), id)), { what: "a mask in each line of nginx" });
	// Wrong keys don't get a line each.
	await waitFor(() => ids.every(({ id, given }) => given !== key || masked(server.logs("craft-fcgi"), id)), { what: "a mask in each line of craft-fcgi" });
	await waitFor(() => /connected to workspace apiKey=\*\*\*/.test(server.logs("craft-ws-bridge")), { what: "the bridge's line" });
	let logs = server.logs();
	for (let i = 0; i < 3; i++) {
		rig.assertNoSecret(logs.toLowerCase(), "the logs");
		logs = logs.replace(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
	}
});

test("nothing holds a key: not the database, not the logs", async () => {
	const dump = spawnSync("pg_dump", ["-h", path.join(server.runDir, "pg"), "-U", "postgres", "-d", "craft"], { encoding: "utf8", maxBuffer: 1 << 30 });
	assert.equal(dump.status, 0, dump.stderr);
	assert.ok(dump.stdout.includes(key.slice(4, 20)), "the id is there");
	rig.assertNoSecret(dump.stdout, "the database");
	for (const prefix of [""]) rig.assertNoSecret(server.logs(prefix), "the logs");
	assert.equal(server.psqlValue("select count(*) from app.api_key where name = 'lost' and sealed is null"), "1");
});

test("no command line and no environment of any process has held a key or a secret meanwhile", () => {
	// What follows runs script/up and down, whose caller may have secrets in the environment; what they start has none.
	const { found, seen } = watch.stop();
	assert.deepEqual(found, []);
	for (const name of ["craft-cloud", "craft-fcgi", "craft-ws-bridge", "nginx", "postgres"]) assert.ok(seen.has(name), `${name} among ${[...seen].join()}`);
});

test("API_KEY needs no database, and made-up keys don't ask it", async () => {
	const target = signed(key, "/files/team/s/attachments/a%20b.txt");
	await server.stopDatabase();
	await ask("/", 200, { key: server.apiKey });
	for (const wrong of ["x".repeat(85), "cak_", `cak_${"g".repeat(16)}_${"0".repeat(64)}`]) await ask("/", 401, { key: wrong });
	await ask("/", 503, { key: await Promise.resolve(`cak_${"1".repeat(16)}_${"0".repeat(64)}`) });
	assert.notEqual((await server.request(target, { key: null })).status, 200);
	await server.startDatabase();
	await waitFor(async () => (await server.request("/", { key })).status === 200, { what: "the database" });
});

test("who makes up keys makes the database answer some of them only, and nobody else notices", async () => {
	const begin = Date.now(), statuses = {}, workers = 4;
	const asked = () => Number(server.psqlValue("select idx_scan from pg_stat_all_tables where relname = 'api_key'"));
	const before = asked();
	for (let i = 0; i < 40; i++) {
		const answers = await Promise.all(Array.from({ length: 50 }, () => server.request("/", { key: `cak_${randomBytes(8).toString("hex")}_${"0".repeat(64)}` })));
		for (const { status } of answers) statuses[status] = (statuses[status] ?? 0) + 1;
		await ask("/workspace/team/labels", 200);
	}
	const most = workers * (200 + 22 * (1 + (Date.now() - begin) / 1000));
	assert.deepEqual(Object.keys(statuses), ["401"], JSON.stringify(statuses));
	assert.ok(asked() - before <= most, `${asked() - before} were looked up, at most ${most} may be`);
});

test("two API_KEYs during a rotation open all, as ever", async () => {
	const [old, next] = [server.apiKey, `next-${randomBytes(16).toString("hex")}`];
	const target = "/files/team/s/attachments/a%20b.txt";
	rig.secrets.add(next);
	await rig.reconfigure({ API_KEY: next, API_KEY_PREVIOUS: old });
	for (const master of [old, next]) {
		await ask("/workspace/team/labels", 200, { key: master });
		await ask(signed(master, target), 200, { key: null });
		await (await connect(server, "team", { apiKey: master })).close();
	}
	await rig.reconfigure({ API_KEY_PREVIOUS: null });
	await ask("/workspace/team/labels", 401, { key: old });
	await ask(signed(old, target), 403, { key: null });
	assert.equal((await refusal("team", { apiKey: old })).status, 401);
	for (const still of [next, key]) await ask("/workspace/team/labels", 200, { key: still });
});

test("another ENCRYPTION_KEY: keys and their URLs go on, and rekey makes the old one unnecessary", async () => {
	const target = "/files/team/s/attachments/a%20b.txt";
	await rig.reconfigure({ ENCRYPTION_KEY: B, ENCRYPTION_KEY_PREVIOUS: A });
	await ask(signed(key, target), 200, { key: null });
	const fresh = await add("team", "fresh");
	const { code, stdout } = await rig.cloud("rekey");
	assert.equal(code, 0, stdout);
	assert.match(stdout, /^re-encrypted +[1-9]/m);
	const again = await rig.cloud("rekey", "--json");
	const counts = JSON.parse(again.stdout);
	assert.deepEqual([again.code, again.stderr, counts.reencrypted, counts.changedMeanwhile, counts.neither], [0, "", 0, 0, []]);
	assert.ok(counts.already >= 5, again.stdout);
	server.psql("update app.api_key set sealed = 'bm90aGluZw==' where name = 'dated'");
	server.psql("select api.credential_put('team', 'o/r', 'https://github.com/o/r', 'main', 'bm90aGluZw==', 'octocat', 1, 'repo', null)");
	const lost = await rig.cloud("rekey", "--json");
	assert.equal(lost.code, 1);
	assert.match(lost.stderr, /open with neither key/);
	assert.deepEqual(JSON.parse(lost.stdout), { ...counts, already: counts.already - 1,
		neither: [{ workspace: "team", repository: "o/r" }, { workspace: "team", key: "dated" }] });
	await rig.reconfigure({ ENCRYPTION_KEY_PREVIOUS: null });
	for (const each of [key, fresh]) {
		await ask("/workspace/team/labels", 200, { key: each });
		await ask(signed(each, target), 200, { key: null });
	}
	await (await connect(server, "team", { apiKey: key })).close();
});

test("nor do the daemons of now", () => {
	const { found, seen } = new ProcessWatch(() => rig.secrets).stop();
	assert.deepEqual(found, []);
	for (const name of ["craft-fcgi", "craft-ws-bridge", "craft-sandboxd"]) assert.ok(seen.has(name), name);
});
