// tenants_attacks.mjs: the first tenant of the tenants' campaign, as a process of its own (the campaign starts it with the
// lowest priority, as its programs would run on another machine). It has a key of its own workspace, and a sandbox there.
//
//	parent → { begin: {url, port, apiKey, slug, sandboxId, modelKey, other: {slug, sandboxId}} }   → { ready: [names] }
//	parent → { run: name, ms }                                       → { done: name, rounds, told: {text: n}, leaks: [text] }
//
// An attack goes on until its time is over; what the server says is counted by its text.

import { once } from "node:events";
import http2 from "node:http2";
import https from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { bytes, inSeconds, signature } from "./files.mjs";
import { SandboxClient, sealKey } from "./sandbox.mjs";
import { Server, waitFor } from "./server.mjs";
import { connect, open } from "./sync.mjs";

const MB = 1 << 20;
let server, me, sandbox, told, leaks, secret;

const tell = (text) => {
	const short = String(text).replaceAll(/[0-9a-f-]{36}|\d+/g, "…").slice(0, 160);
	told[short] = (told[short] ?? 0) + 1;
};

function note(what, text) {
	if (String(text).includes(secret)) leaks.push(what);
}

async function request(target, options = {}) {
	try {
		const answer = await server.request(target, { key: me.apiKey, ...options });
		note(target, answer.text);
		tell(`${answer.status} ${answer.status >= 400 ? answer.text : ""}`);
		return answer;
	} catch (error) {
		tell(error.code ?? error.message);
		return null;
	}
}

async function tool(command, { deadline = 20_000, ...options } = {}) {
	const answer = await sandbox.bash(command, { fails: true, deadline, ...options }).catch((error) => ({ error: error.message.split(";")[0] }));
	sandbox.messages.length = 0;
	tell(answer.error ?? (answer.success ? "tool ok" : `tool failed ${answer.exitCode}`));
	return answer;
}

async function rejoin() {
	sandbox?.ws?.terminate();
	sandbox = await new SandboxClient({ server }, me.sandboxId, me.slug).connect({}, { key: me.apiKey });
}

/** A sandbox that works: another one when an attack of before has left it without room for a command. */
async function workingSandbox() {
	if (sandbox.closed) await rejoin();
	const answer = await sandbox.bash("true", { fails: true, deadline: 20_000 }).catch(() => null);
	sandbox.messages.length = 0;
	if (answer?.success) return;
	await request(`/api/sandbox/${me.slug}/${me.sandboxId}`, { method: "DELETE" });
	const created = await request("/api/sandbox/create", { method: "POST", body: { workspaceSlug: me.slug, repoKey: me.repoKey, branch: "main" } });
	me.sandboxId = created.json.sessionId;
	await rejoin();
	await waitFor(async () => (await sandbox.bash("true", { fails: true, deadline: 20_000 })).success, { deadline: 60_000, what: "a new sandbox" });
	sandbox.messages.length = 0;
	tell("a new sandbox was needed");
}

/** A request whose body goes out as `write` says: (req, res promise) => … */
function slowUpload(name, length) {
	const req = https.request({ host: "127.0.0.1", port: me.port, path: `/files/${me.slug}/s/attachments/${name}`, method: "PUT", agent: false,
		rejectUnauthorized: false, headers: { Authorization: `Bearer ${me.apiKey}`, "Content-Length": length } });
	req.on("response", (res) => {
		tell(res.statusCode);
		res.resume();
	});
	req.on("error", (error) => tell(error.code ?? error.message));
	return req;
}

async function withSync(work) {
	const client = await connect(server, me.slug, { apiKey: me.apiKey, client: "attacker" });
	try {
		await work(client, async (type, data) => {
			const answer = await client.call(type, data).catch((error) => ({ error: error.message }));
			tell(answer.error ?? `${type} ok`);
			return answer;
		});
	} finally {
		client.kill();
	}
}

const together = (n, work) => Promise.all(Array.from({ length: n }, (_, i) => work(i)));
const names = (n, prefix) => Object.fromEntries(Array.from({ length: n }, (_, i) => [`${prefix}${i}`, i]));

/** name → (over): runs until over(). */
const attacks = {
	async "objects of 40,000 names"(over) {
		await withSync(async (client, call) => {
			await call("session:create", { id: "names" });
			for (let i = 0; !over(); i++) {
				await call("session:updateMeta", { sessionId: "names", updates: names(40_000, `k${i % 2}-`) });
				await request(`/workspace/${me.slug}/sessions/names`);
			}
		});
	},

	async "headers of 2 MB that are changed"(over) {
		await withSync(async (client, call) => {
			await call("session:save", { id: "big", header: { id: "big", pad: "x".repeat(2 * MB) }, messages: [] });
			await call("session:save", { id: "big", header: { id: "big", pad: "x".repeat(MB - 4096) }, messages: [] });
			for (let i = 0; !over(); i++) await call("session:updateMeta", { sessionId: "big", updates: { i } });
		});
	},

	async "64 MB of zeros as one tool's output"(over) {
		while (!over()) await tool("head -c 67108864 /dev/zero", { deadline: 60_000 });
	},

	async "20 tool inputs of 15 MB"(over) {
		while (!over()) {
			const content = "x".repeat(15 * MB);
			const results = together(20, (i) => sandbox.tool("Write", { file_path: `/tmp/big${i}`, content }, { deadline: 60_000 })
				.then(({ success, error }) => tell(success ? "tool ok" : error), (error) => tell(error.message.split(";")[0])));
			await results;
			sandbox.messages.length = 0;
			if (sandbox.closed) {
				tell(`closed ${sandbox.closed.code} ${sandbox.closed.reason}`);
				await rejoin();
			}
			await tool("rm -f /tmp/big*");
		}
	},

	async "16 uploads of 200 bytes a second"(over) {
		const all = await together(16, (i) => slowUpload(`slow${i}`, 10_000_000));
		while (!over()) {
			for (const req of all) if (!req.destroyed) req.write(Buffer.alloc(20));
			await sleep(100);
		}
		for (const req of all) req.destroy();
	},

	async "made-up signatures"(over) {
		const exp = inSeconds(300);
		for (let i = 0; !over(); i++) {
			await together(10, (n) => request(`/files/nobody-${i}-${n}/s/attachments/f?exp=${exp}&sig=${"ab".repeat(32)}`, { key: null }));
			await sleep(20);
		}
	},

	async "readers of 30 MB that don't read"(over) {
		await withSync(async (client, call) => {
			const text = "y".repeat(29 * MB / 30);
			await call("session:save", { id: "long", header: { id: "long" }, messages: Array.from({ length: 30 }, (_, id) => ({ id, text })) });
		});
		const readers = Array.from({ length: 12 }, () => https.get({ host: "127.0.0.1", port: me.port, agent: false, rejectUnauthorized: false,
			path: `/workspace/${me.slug}/sessions/long`, headers: { Authorization: `Bearer ${me.apiKey}` } }, (res) => {
			tell(res.statusCode);
			res.pause();
		}).on("error", (error) => tell(error.code ?? error.message)));
		while (!over()) await sleep(100);
		for (const req of readers) req.destroy();
	},

	async "uploads side by side, up to the quota"(over) {
		while (!over()) {
			const body = bytes(8 * MB);
			await together(6, (i) => request(`/files/${me.slug}/s/attachments/q${i}-${Math.random()}`, { method: "PUT", body, agent: false }));
			await request(`/files/${me.slug}/s`, { method: "DELETE" });
		}
	},

	async "uploads that are broken off over HTTP/2"(over) {
		await request(`/files/${me.slug}/s/attachments/h2`, { method: "PUT", body: "old" });
		while (!over()) {
			const session = http2.connect(`https://127.0.0.1:${me.port}`, { rejectUnauthorized: false });
			session.on("error", (error) => tell(error.code));
			await together(8, async () => {
				if (session.destroyed) return;
				const stream = session.request({ ":method": "PUT", ":path": `/files/${me.slug}/s/attachments/h2`, authorization: `Bearer ${me.apiKey}` });
				stream.on("error", () => {});
				stream.write(Buffer.alloc(100_000));
				await sleep(30);
				stream.end();
				stream.close(http2.constants.NGHTTP2_CANCEL);
			});
			session.destroy();
			await sleep(50);
		}
		const answer = await request(`/files/${me.slug}/s/attachments/h2`);
		if (answer?.status === 200 && answer.text !== "old") leaks.push("a broken upload replaced the file");
	},

	async "refused uploads of 50 MB"(over) {
		const body = Buffer.alloc(50 * MB);
		while (!over()) await request(`/files/${me.other.slug}/s/attachments/f0`, { method: "PUT", body, agent: false });
	},

	async "a fork bomb in the background"(over) {
		await tool("(b() { b | b & }; b) >/dev/null 2>&1 &", { timeout: 2000 });
		while (!over()) await tool("echo still", { timeout: 2000 });
		sandbox.send({ type: "cancel" });
		await tool("kill -9 -1", { timeout: 2000 });
	},

	async "memory of sockets"(over) {
		const program = "import socket,time\ns=[]\nfor i in range(400):\n a,b=socket.socketpair()\n a.setblocking(0)\n s+=[a,b]\n try:\n  while 1: a.send(b'x'*65536)\n except OSError: pass\ntime.sleep(1)";
		while (!over()) await tool(`python3 -c "${program}" || perl -MSocket -e 'for(1..400){socketpair(my $a,my $b,AF_UNIX,SOCK_STREAM,0);$a->blocking(0);1 while syswrite($a,"x"x65536);push @s,$a,$b} sleep 1'`, { timeout: 10_000 });
	},

	async "a full disk"(over) {
		while (!over()) {
			await tool("cat /dev/zero >/workspace/full; echo $?", { timeout: 20_000 });
			await tool("echo x >/tmp/x; rm -f /workspace/full");
		}
	},

	async "3,000 repositories in the repository, and its diff"(over) {
		await tool("for i in $(seq 3000); do mkdir -p n/$i/.git/objects n/$i/.git/refs; echo ref: refs/heads/main >n/$i/.git/HEAD; done", { timeout: 60_000, deadline: 90_000 });
		while (!over()) {
			sandbox.send({ type: "diff" });
			await sandbox.wait((m) => m.type === "diff" || m.type === "error", { deadline: 60_000 }).then((m) => tell(m.type), (error) => tell(error.message.split(";")[0]));
			sandbox.messages.length = 0;
		}
		await tool("rm -rf n", { timeout: 60_000, deadline: 90_000 });
	},

	async "keys in plain, and CONNECT to whatever"(over) {
		while (!over()) {
			sandbox.send({ type: "execute", task: "hi", anthropicApiKey: me.modelKey });
			await sandbox.wait((m) => m.type === "error" || m.type === "complete", { deadline: 30_000 }).then((m) => tell(m.message ?? m.type), (error) => tell(error.message.split(";")[0]));
			sandbox.messages.length = 0;
			await tool(`curl -sS -m 5 -p -x http://127.0.0.1:3128 https://127.0.0.1:${me.port}/ 2>&1 | tail -1; true`);
		}
	},

	async "the neighbour's doors"(over) {
		const exp = inSeconds(300), path = `files/${me.other.slug}/s/attachments/f0`;
		while (!over()) {
			for (const target of [`/workspace/${me.other.slug}/sessions`, `/workspace/${me.other.slug}/sessions/s`, `/${path}`,
				`/files/${me.other.slug}/s/attachments`, `/files/${me.slug}%2F..%2F${me.other.slug}/s/attachments/f0`,
				`/${path}?exp=${exp}&sig=${signature(me.apiKey, path, exp)}`, `/api/sandbox/${me.other.slug}/${me.other.sandboxId}/status`,
				`/api/sandbox/${me.slug}/${me.other.sandboxId}/status`, `/workspace/${me.other.slug}/projects`]) {
				const answer = await request(target);
				if (answer?.status === 200) leaks.push(`${target}: 200`);
			}
			for (const slug of [me.slug, me.other.slug]) {
				const client = new SandboxClient({ server }, me.other.sandboxId, slug);
				await client.connect({}, { key: me.apiKey }).then(() => leaks.push(`the other's sandbox by ${slug}`), (error) => tell(error.message));
				client.ws.terminate();
			}
			const ws = open(server, me.other.slug, { apiKey: me.apiKey });
			const [event] = await Promise.race([once(ws, "open").then(() => ["open"]), once(ws, "unexpected-response").then(() => ["refused"]), once(ws, "error").then(() => ["refused"])]);
			if (event === "open") leaks.push("the other's workspace");
			ws.terminate();
			await tool("cat /proc/*/environ /proc/*/cmdline 2>/dev/null | tr '\\0' '\\n' | tail -c 2000; ls -la / /home /tmp").then(({ output }) => note("in the box", output ?? ""));
			await sleep(50);
		}
	},

	async "a sandbox made and deleted, over and over"(over) {
		while (!over()) {
			const answer = await request("/api/sandbox/create", { method: "POST", body: { workspaceSlug: me.slug, repoKey: me.repoKey, branch: "main" } });
			if (answer?.status === 200) {
				await sleep(300);
				await request(`/api/sandbox/${me.slug}/${answer.json.sessionId}`, { method: "DELETE" });
			} else {
				await sleep(200);
			}
		}
	},
};

async function begin(options) {
	me = options;
	secret = options.secret;
	server = Object.assign(new Server("", false, {}), { url: me.url, port: me.port, apiKey: me.apiKey,
		agent: new https.Agent({ keepAlive: true, rejectUnauthorized: false }) });
	[told, leaks] = [{}, []];
	me.sealed = sealKey(me.apiKey, `craft-agent-sandbox:${me.slug}`, me.modelKey);
	await rejoin();
	process.send({ ready: Object.keys(attacks) });
}

async function run(name, ms) {
	[told, leaks] = [{}, []];
	try {
		await workingSandbox();
		const end = Date.now() + ms;
		await attacks[name](() => Date.now() >= end);
	} catch (error) {
		tell(`the attack ended: ${error.message}`);
	}
	process.send({ done: name, told, leaks });
}

process.on("message", (message) => {
	if (message.begin) begin(message.begin).catch((error) => process.send({ failed: error.stack }));
	else run(message.run, message.ms);
});
process.on("disconnect", () => process.exit(0));
