// craft-cloud workspace: an archive holds all of a workspace, byte for byte; read elsewhere it gives the same workspace,
// whose archive is the same file; and what is damaged is refused with nothing changed.

import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chownSync, closeSync, existsSync, mkdirSync, openSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, test } from "node:test";
import { Room, bytes } from "../harness/files.mjs";
import { BlobDir } from "../harness/housekeeping.mjs";
import { startServer, waitFor } from "../harness/server.mjs";
import { connect } from "../harness/sync.mjs";

const env = { SWEEP_INTERVAL: "0", MAX_UPLOAD: "1M", WORKSPACE_QUOTA: "3M" };
const [here, there] = await Promise.all([startServer({ env }), startServer({ env })]);
after(() => Promise.all([here, there].map((server) => server.stop())));
const [from, to] = [new BlobDir(here), new BlobDir(there)];
const SLUG = "team é😀 #1%";

// Where the daemons' user may write.
const dir = path.join(here.dir, "archives");
mkdirSync(dir);
if (process.getuid() === 0) chownSync(dir, from.uid, from.gid);
const file = (name) => path.join(dir, name);

const ok = async (of, ...args) => {
	const result = await of.cloud(["workspace", ...args]);
	assert.equal(result.code, 0, result.stderr);
	return result.stdout;
};

// Documents as no parser would write them again.
const odd = String.raw`"\u0000 \ud83d \ude00\ud83d \/ \u00e9 é 😀"`;
const header = (id, more = "") => `{ "z" : 1.10,"id":"${id}","name":${odd}, "a":1e999,"n":18446744073709551616,"a":{"b":[ ]}${more}}`;

async function fill(server, slug) {
	const client = await connect(server, slug, { since: 0 });
	const put = async (type, data) => {
		const answer = await client.send(`{"type":"${type}","data":${data},"requestId":1}`);
		assert.equal(answer.error, undefined, `${type} ${data.slice(0, 100)}`);
	};
	const message = (n) => `{"n":${n}.50, "text":${odd},"pad":"${"x".repeat(n % 700)}"}`;
	const messages = Array.from({ length: 20_000 }, (_, n) => message(n));
	await put("session:save", `{"id":"long","header":${header("long")},"messages":[${messages.join(" ,\n")}]}`);
	await put("session:create", header("empty"));
	await put("session:save", `{"id":"scalars","header":${header("scalars")},"messages":[1,null, "a\\nb" ,[],{},${odd}]}`);
	await put("session:save", `{"id":"big","header":${header("big")},"messages":["${"y\\\\\\\"".repeat(2_000_000)}"]}`);
	await put("session:updateMeta", `{"sessionId":"long","updates":{"later":${odd}}}`);
	for (const id of ["b", "a", "c"]) await put("source:create", `{"slug":"${id}","x":${odd}, "y":1.0}`);
	await put("source:saveGuide", `{"sourceSlug":"a","guide":${odd}}`);
	await put("source:saveGuide", '{"sourceSlug":"only-a-guide","guide":{"any":[1.0]}}');
	await put("statuses:save", `{"s":${odd} ,"n":0.10}`);
	await put("labels:save", `{"l":[ 1 , 2 ]}`);
	for (const id of ["two", "one"]) await put("skill:save", `{"slug":"${id}","content":${odd},"metadata":{"m":${odd}}}`);
	await put("plan:save", `{"sessionId":"long","fileName":"p é.md","content":${odd}}`);
	await put("plan:save", `{"sessionId":"never saved","fileName":"p","content":"x"}`);
	await client.close();
	for (const repo of ["Owner/Repo", "a/b"]) server.psql(`select api.project_remember('${slug}', '${repo}', 'https://github.com/${repo}')`);
	const room = new Room(server, slug);
	await room.put("s1/attachments/a%20b%20%C3%A9.png", bytes(300_000, "a"), { type: "image/png" });
	await room.put("s1/attachments/same", bytes(300_000, "a"));
	await room.put("s2/downloads/empty", "");
	await room.put("s1/attachments/replaced", "old");
	await room.put("s1/attachments/replaced", "new");
	await room.assets.put("deep/er/logo.svg", "<svg/>", { type: "image/svg+xml" });
}

const paths = ["/sessions", "/sessions/long", "/sessions/empty", "/sessions/scalars", "/sessions/big", "/sessions/long/plans",
	"/sessions/long/plans/p%20%C3%A9.md", "/sessions/never%20saved/plans", "/sources", "/sources/a", "/sources/only-a-guide", "/statuses",
	"/labels", "/skills", "/projects"];
// What a client reads, as text.
async function read(server, slug) {
	const texts = [];
	for (const p of paths) {
		const answer = await server.request(`/workspace/${encodeURIComponent(slug)}${p}`);
		assert.equal(answer.status, 200, p);
		texts.push(`${p} ${answer.text}`);
	}
	for (const p of ["files/%/s1/attachments", "files/%/s2/downloads", "files/%/s1/attachments/a%20b%20%C3%A9.png", "files/%/s1/attachments/same",
		"files/%/s2/downloads/empty", "files/%/s1/attachments/replaced", "assets/%/deep/er/logo.svg"]) {
		const answer = await server.request(`/${p.replace("%", encodeURIComponent(slug))}`);
		assert.equal(answer.status, 200, p);
		texts.push(`${p} ${answer.headers["content-type"]} ${createHash("sha256").update(answer.body).digest("hex")}`);
	}
	return texts;
}

const json = async (of, ...args) => JSON.parse(await ok(of, ...args, "--json"));
const sum = (name) => createHash("sha256").update(readFileSync(name)).digest("hex");
// All rows of a workspace but for its internal numbers.
const rows = (server) => server.psql(`select count(*), md5(string_agg(encode(m.sha256, 'hex'), '' order by s.id, m.idx)), coalesce(sum(s.message_bytes), 0), coalesce(sum(s.message_count), 0),
	string_agg(distinct concat_ws(' ', s.name, s.created_at, s.updated_seq), '|') from app.session s left join app.message m on m.session_key = s.key
	join app.workspace w on w.id = s.workspace_id where w.slug = '${SLUG}'`);

await fill(here, SLUG);
const original = file("original.tar");
await ok(from, "export", SLUG, original);

test("an archive imported elsewhere is the same workspace, and its archive the same file", async () => {
	assert.equal(await ok(to, "import", original), `imported ${SLUG}\n`);
	assert.deepEqual(await read(there, SLUG), await read(here, SLUG));
	assert.deepEqual(rows(there), rows(here));
	const again = file("again.tar");
	await ok(to, "export", SLUG, again);
	assert.equal(sum(again), sum(original));
	await to.isClean("the imported blobs");
	const [a, b] = [await json(from, "show", SLUG), await json(to, "show", SLUG)];
	const { changes, changesKept, lastChangeAt, ...rest } = a;
	assert.deepEqual({ ...b, changes, changesKept, lastChangeAt }, { ...rest, changes, changesKept, lastChangeAt });
	assert.deepEqual([rest.sessions, rest.messages, rest.sources, rest.configs, rest.skills, rest.plans, rest.projects, rest.files, rest.fileBytes],
		[4, 20_007, 4, 2, 2, 2, 2, 5, 600_009]);
});

test("tar and sha256sum know the archive", () => {
	const out = path.join(here.dir, "unpacked");
	mkdirSync(out);
	execFileSync("tar", ["-xf", original, "-C", out]);
	execFileSync("sha256sum", ["--quiet", "--strict", "-c", "SHA256SUMS"], { cwd: out });
	assert.deepEqual(readdirSync(out).sort(), ["SHA256SUMS", "blobs", "configs", "files", "manifest.json", "messages", "plans", "projects", "sessions", "skills", "sources"]);
	for (const part of readdirSync(path.join(out, "messages")))
		for (const line of readFileSync(path.join(out, "messages", part), "utf8").trimEnd().split("\n")) JSON.parse(JSON.parse(line).body);
	assert.ok(readdirSync(path.join(out, "messages")).length > 1, "parts");
	assert.equal(statSync(original).mode & 0o777, 0o600);
});

test("clients write on in the imported workspace, unchanged messages included", async () => {
	const client = await connect(there, SLUG, { since: 0 });
	const { seq } = await client.call("labels:save", { n: 1 });
	assert.equal(seq, client.hello.seq + 1);
	const before = there.psqlValue("select sum(xmin::text::bigint) from app.message");
	const session = (await there.request(`/workspace/${encodeURIComponent(SLUG)}/sessions/scalars`)).text;
	const messages = session.slice(session.indexOf('"messages":'), -1);
	const answer = await client.send(`{"type":"session:save","requestId":2,"data":{"id":"scalars","header":${header("scalars")},${messages}}}`);
	assert.equal(answer.error, undefined);
	assert.equal(there.psqlValue("select sum(xmin::text::bigint) from app.message"), before, "messages that are the same were written again");
	const late = await connect(there, SLUG, { since: 1 });
	assert.equal(late.hello.resumed, false, "of what was before the import there is no log");
	await Promise.all([client.close(), late.close()]);
});

test("under another name, from a pipe, and never into what isn't empty", async () => {
	const archive = readFileSync(original);
	const [program, ...args] = to.command(["workspace", "import", "-", "--as", "other"]);
	const child = spawn(program, args, { stdio: ["pipe", "inherit", "inherit"], cwd: "/" });
	child.stdin.end(archive);
	assert.equal(await new Promise((resolve) => child.on("exit", resolve)), 0);
	assert.deepEqual(await read(there, "other"), await read(here, SLUG));
	const before = await json(to, "show", "other");
	const { code, stderr } = await to.cloud(["workspace", "import", original, "--as", "other"]);
	assert.equal(code, 1);
	assert.match(stderr, /isn't empty.*--replace; nothing was changed/);
	assert.deepEqual(await json(to, "show", "other"), before);
	assert.equal((await from.cloud(["workspace", "export", SLUG, original])).code, 1, "a file that is there was overwritten");
	assert.match((await from.cloud(["workspace", "export", "nobody's", file("none")])).stderr, /no such workspace/);
	assert.ok(!existsSync(file("none")));
	await to.isClean();
});

// Whoever is connected to another workspace hears nothing of it.
async function goesOn(client) {
	await client.ok("labels:save", { n: 1 });
	assert.equal(client.closing, undefined);
	const back = await connect(there, "neighbour", { since: client.answers.at(-1).seq, epoch: client.hello.epoch });
	assert.equal(back.hello.resumed, true);
	await Promise.all([client.close(), back.close()]);
}

test("--replace puts the archive in the place of all that is there, and clients reload", async () => {
	const client = await connect(there, "other", { since: 0 });
	await client.ok("session:create", { id: "goes" });
	await client.ok("labels:save", { goes: true });
	await new Room(there, "other").put("s1/attachments/goes", "x");
	const neighbour = await connect(there, "neighbour", { since: 0 });
	const at = (await client.call("labels:save", { goes: 2 })).seq;
	await ok(to, "import", original, "--as", "other", "--replace");
	await client.closed;
	const again = await connect(there, "other", { since: at, epoch: client.hello.epoch });
	assert.equal(again.hello.resumed, false);
	assert.ok(again.hello.seq > at);
	await again.close();
	await goesOn(neighbour);
	assert.deepEqual(await read(there, "other"), await read(here, SLUG));
	assert.equal((await there.request("/files/other/s1/attachments/goes")).status, 404);
	await to.isClean();
});

// ---- what is refused ----

function tar(name, entries) {
	const out = path.join(dir, `${name}.d`);
	for (const [entry, data] of entries) {
		mkdirSync(path.dirname(path.join(out, entry)), { recursive: true });
		writeFileSync(path.join(out, entry), data);
	}
	execFileSync("tar", ["-cf", file(name), "-C", out, ...entries.map(([entry]) => entry)]);
	return file(name);
}
const sums = (entries) => entries.map(([name, data]) => `${createHash("sha256").update(data).digest("hex")}  ${name}\n`).join("");
const sealed = (entries) => [...entries, ["SHA256SUMS", sums(entries)]];

const small = [
	["manifest.json", null],
	["sessions/000001.jsonl", `${JSON.stringify({ id: "s", header: '{"id":"s"}', messages: 1, changedBy: 3, updatedAt: "2026-01-01T00:00:00.000001Z" })}\n`],
	["messages/000001.jsonl", `${JSON.stringify({ session: "s", position: 0, body: "[1.0]" })}\n`],
	["files/000001.jsonl", `${JSON.stringify({ session: "s", type: "downloads", name: "f", size: 3, mimeType: "a/b", sha256: createHash("sha256").update("abc").digest("hex"), createdAt: "2026-01-01T00:00:00Z", uploadedAt: "2026-01-01T00:00:00Z" })}\n`],
	["blobs/000001", "abc"],
];
const manifest = (more = {}) => Object.entries({ format: "craft-agent-cloud workspace", version: 1, workspace: "small", createdAt: "2026-01-01T00:00:00.000000Z", sessions: 1,
	messages: 1, messageBytes: 5, sources: 0, configs: 0, skills: 0, plans: 0, projects: 0, files: 1, fileBytes: 3, ...more })
	.map(([k, v]) => `${JSON.stringify(k)} : ${JSON.stringify(v)}`).join(", ").replace(/^.*$/, "{$&}");
small[0][1] = manifest();
const changed = (entry, data) => small.map(([name, old]) => [name, name.startsWith(entry) ? (typeof data === "function" ? data(old) : data) : old]);
const swap = (a, b) => (text) => { assert.ok(text.includes(a), `${a} in ${text}`); return text.replace(a, b); };
const without = (entry) => small.filter(([name]) => !name.startsWith(entry));

const refused = {
	"no tar": [/damaged/, () => { writeFileSync(file("no tar"), "hello ".repeat(1000)); return file("no tar"); }],
	"an empty file": [/damaged|no archive/, () => { writeFileSync(file("nothing"), ""); return file("nothing"); }],
	"another tar": [/no archive of a workspace/, () => tar("another", [["readme", "x"]])],
	"no sums": [/ends before SHA256SUMS/, () => tar("no sums", small)],
	"a byte that is another": [/SHA256SUMS/, () => tar("byte", [...changed("messages", swap("1.0", "1.1")), ["SHA256SUMS", sums(small)]])],
	"something after the sums": [/something follows/, () => tar("follows", [...sealed(small), ["sources/000001.jsonl", "{}"]])],
	"an entry of another name": [/nothing of that name/, () => tar("name", sealed([...small, ["etc/passwd", "x"]]))],
	"a newer format": [/newer craft-cloud/, () => tar("newer", sealed(changed("manifest", swap('"version" : 1', '"version" : 2'))))],
	"another count": [/manifest\.json says/, () => tar("count", sealed(changed("manifest", manifest({ sources: 1 }))))],
	"a line that is no JSON": [/no JSON object/, () => tar("line", sealed(changed("messages", "{\n")))],
	"a document that is no JSON": [/no such JSON/, () => tar("document", sealed(changed("messages", swap("[1.0]", "[1.0"))))],
	"a document too deep": [/no such JSON/, () => tar("deep", sealed(changed("messages", swap("[1.0]", "[".repeat(1001) + "]".repeat(1001)))))],
	"a header that is no object": [/no such JSON/, () => tar("header", sealed(changed("sessions", swap('{\\"id\\":\\"s\\"}', "[]"))))],
	"bytes that aren't UTF-8": [/no JSON object/, () => tar("utf8", sealed(changed("messages", Buffer.from([0x7b, 0xff, 0x7d]))))],
	"a message that is missing": [/messages of a session are missing/, () => tar("missing", sealed(without("messages")))],
	"a message of nobody": [/belongs to no session/, () => tar("nobody", sealed(changed("messages", swap('"s"', '"t"'))))],
	"a message twice": [/duplicate key/, () => tar("twice", sealed(changed("messages", (line) => line + line)))],
	"a file without bytes": [/files have no bytes/, () => tar("no bytes", sealed(without("blobs")))],
	"bytes without a file": [/no file has these bytes/, () => tar("no file", sealed([...small, ["blobs/000002", "abc"]]))],
	"other bytes": [/aren't the bytes of its file/, () => tar("bytes", sealed(changed("blobs", "abd")))],
	"a name that climbs": [/files\/000001\.jsonl, line 1: the name "\.\." is refused, as no URL can name it/, () => tar("climbs", sealed(changed("files", swap('"name":"f"', '"name":".."'))))],
	"a media type that would be headers": [/media type that can't be/, () => tar("mime", sealed(changed("files", swap('"a/b"', '"text/html\\r\\nX: y\\r\\n\\r\\n<script>"'))))],
	"a name with a line's end": [/name that can't be/, () => tar("line end", sealed(changed("files", swap('"name":"f"', '"name":"a\\nb"'))))],
	"a session that no URL can name": [/^craft-cloud: sessions\/000001\.jsonl, line 1: the id "\.\." is refused, as no URL can name it: delete what has it/, () => tar("dots", sealed(small.map(([name, data]) =>
		[name, /^(sessions|messages)/.test(name) ? data.replace(/"(id|session)":"s"/, '"$1":".."') : data])))],
	...Object.fromEntries(Object.entries({ sources: ["slug", { config: "{}", guide: null }], skills: ["slug", { content: '""', metadata: "{}" }],
		plans: ["name", { session: "s", content: '""' }] }).flatMap(([kind, [member, more]]) => [".", ".."].map((name) =>
		[`${kind} with the name ${name}`, [new RegExp(`${kind}/000001\\.jsonl, line 2: the ${member} "${name.replaceAll(".", "\\.")}" is refused, as no URL`),
			() => tar(`${kind} ${name}`, sealed([...small.slice(0, 3), [`${kind}/000001.jsonl`, ["fine", name].map((text) => JSON.stringify({ ...more, [member]: text })
				.replace(/\.(?=")/g, "\\u002e") + "\n").join("")], ...small.slice(3)]))]]))),
	"a type that isn't": [/file_type_check|violates/, () => tar("type", sealed(changed("files", swap("downloads", "uploads"))))],
	"a file above MAX_UPLOAD": [/MAX_UPLOAD/, () => tar("upload", sealed(changed("blobs", Buffer.alloc((1 << 20) + 1))))],
	"a time without end": [/file_times_are_dates/, () => tar("infinity", sealed(changed("files", swap('"uploadedAt":"2026-01-01T00:00:00Z"', '"uploadedAt":"infinity"'))))],
	"a time before all headers": [/file_times_are_dates/, () => tar("bc", sealed(changed("files", swap('"uploadedAt":"2026-01-01T00:00:00Z"', '"uploadedAt":"4000-01-01 BC"'))))],
	"a session's time without end": [/session_updated_at_is_date/, () => tar("session infinity", sealed(changed("sessions", swap("2026-01-01T00:00:00.000001Z", "-infinity"))))],
	"a number that JavaScript can't hold": [/session_seq_is_exact/, () => tar("seq", sealed(changed("sessions", swap('"changedBy":3', '"changedBy":9223372036854775807'))))],
	"a number below none": [/session_seq_is_exact/, () => tar("negative", sealed(changed("sessions", swap('"changedBy":3', '"changedBy":-1'))))],
	"a workspace's time without end": [/workspace_created_at_is_date/, () => tar("created", sealed(changed("manifest", swap("2026-01-01T00:00:00.000000Z", "infinity"))))],
	"a time that is none": [/damaged/, () => tar("time", sealed(changed("sessions", swap("2026-01-01T", "2026-13-01T"))))],
};

for (const [name, [complaint, make]] of Object.entries(refused))
	test(`refused, with nothing changed: ${name}`, async () => {
		const before = [there.psql("select count(*), sum(seq) from app.workspace"), await to.check()];
		const { code, stdout, stderr } = await to.cloud(["workspace", "import", make()]);
		assert.equal(code, 1, stdout);
		assert.match(stderr, complaint);
		assert.match(stderr, /; nothing was changed\n$/);
		assert.deepEqual([there.psql("select count(*), sum(seq) from app.workspace"), await to.check()], before);
	});

test("what all these were made of is taken", async () => {
	await ok(to, "import", tar("small", sealed(small)));
	assert.equal((await there.request("/workspace/small/sessions/s")).text, '{"id":"s","messages":[[1.0]]}');
	await new Room(there, "small").holds("s/downloads/f", Buffer.from("abc"));
});

test("an archive cut anywhere is refused", async () => {
	const whole = readFileSync(file("small"));
	for (let cut = 0; cut < whole.length - 1024; cut += 1280) {
		writeFileSync(file("cut"), whole.subarray(0, cut));
		const { code, stderr } = await to.cloud(["workspace", "import", file("cut"), "--as", "cut"]);
		if (code === 0) {
			assert.ok(cut >= whole.indexOf("SHA256SUMS") + 512 + sums(small).length, `${cut} of ${whole.length}`);
			break;
		}
		assert.match(stderr, /nothing was changed/);
	}
	assert.equal(there.psqlValue("select count(*) from app.workspace where slug = 'cut' and seq = 0"), "0");
});

test("WORKSPACE_QUOTA holds", async () => {
	const { code, stderr } = await to.cloud(["workspace", "import", original, "--as", "quota"], { env: { WORKSPACE_QUOTA: "500000" } });
	assert.equal(code, 1);
	assert.match(stderr, /WORKSPACE_QUOTA/);
	await to.isClean();
});

test("an export whose blobs are missing or damaged fails, and leaves no file", async () => {
	const id = from.store("victim", "bytes", { workspace: "broken" });
	writeFileSync(from.at(id), "other");
	assert.match((await from.cloud(["workspace", "export", "broken", file("broken")])).stderr, /is damaged: run craft-cloud check/);
	assert.ok(!existsSync(file("broken")));
	here.psql(`update app.file set blob = gen_random_uuid() where blob = '${id}'`);
	assert.match((await from.cloud(["workspace", "export", "broken", file("broken")])).stderr, /can't open the blob/);
	assert.ok(!existsSync(file("broken")));
});

test("an export to a full disk fails and says so", () => {
	const [program, ...args] = from.command(["workspace", "export", SLUG]);
	const full = openSync("/dev/full", "w");
	const { status, stderr } = spawnSync(program, args, { stdio: ["ignore", full, "pipe"], cwd: "/", encoding: "utf8" });
	closeSync(full);
	assert.equal(status, 1, stderr);
	assert.equal(stderr, "craft-cloud: can't write the archive: No space left on device\n");
});

test("delete needs --yes, tells its clients, and leaves nothing of the workspace", async () => {
	assert.match((await to.cloud(["workspace", "delete", "other"])).stderr, /say --yes/);
	const client = await connect(there, "other", { since: 0 });
	const neighbour = await connect(there, "neighbour", { since: 0 });
	const at = client.hello.seq;
	const list = (await there.request("/workspace/other/sessions")).headers.etag;
	const files = (await there.request("/files/other/s1/attachments")).headers.etag;
	there.psql(`insert into app.credential (workspace_id, repo_key, sealed) select id, 'a/b', 'x' from app.workspace where slug = 'other'`);
	const tables = there.psql(`select c.oid::regclass from pg_class c join pg_attribute a on a.attrelid = c.oid where c.relnamespace = 'app'::regnamespace
		and c.relkind = 'r' and a.attname = 'workspace_id'`).flat();
	const id = there.psqlValue("select id from app.workspace where slug = 'other'");
	assert.match(await ok(to, "delete", "other", "--yes"), /^deleted other/);
	await client.closed;
	for (const table of tables) assert.equal(there.psqlValue(`select count(*) from ${table} where workspace_id = ${id}`), "0", table);
	assert.equal(there.psqlValue("select count(*) from app.message m where not exists (select from app.session s where s.key = m.session_key)"), "0");
	assert.deepEqual((await there.request("/workspace/other/sessions")).json, []);
	assert.equal((await client.closed).code, 1012);
	await goesOn(neighbour);
	const between = await connect(there, "other", { since: at, epoch: client.hello.epoch });
	assert.equal(between.hello.resumed, false);
	assert.ok(between.hello.seq > at, "made anew, it must not count to numbers that clients know");
	const seq = between.hello.seq;
	assert.equal((await between.call("labels:save", { n: 1 })).seq, seq + 1);
	for (const since of [at, 1]) {
		const again = await connect(there, "other", { since, epoch: client.hello.epoch });
		assert.deepEqual(again.hello, { ...client.hello, seq: seq + 1, resumed: false });
		await again.close();
	}
	const resumed = await connect(there, "other", { since: seq, epoch: client.hello.epoch });
	assert.equal(resumed.hello.resumed, true);
	await resumed.waitFor(1);
	await Promise.all([between.close(), resumed.close()]);
	await new Room(there, "other").put("s1/attachments/a", "x");
	assert.notEqual((await there.request("/workspace/other/sessions")).headers.etag, list);
	assert.notEqual((await there.request("/files/other/s1/attachments")).headers.etag, files);
	assert.match((await to.cloud(["workspace", "delete", "nobody's", "--yes"])).stderr, /no such workspace/);
	to.ageGone(301);
	await to.gc();
	await to.isClean();
	await ok(to, "import", original, "--as", "third");
	assert.deepEqual(await read(there, "third"), await read(here, SLUG));
});

test("a workspace with a running sandbox isn't deleted", async () => {
	await ok(to, "import", file("small"), "--as", "busy");
	there.psql(`insert into app.sandbox_session (id, workspace_id, repo_key, sandbox_id, branch, status, expires_at)
		select gen_random_uuid(), id, 'a/b', 'x', 'main', 'ready', now() + interval '1 h' from app.workspace where slug = 'busy'`);
	assert.match((await to.cloud(["workspace", "delete", "busy", "--yes"])).stderr, /sandboxes/);
	assert.equal((await json(to, "show", "busy")).sandboxes, 1);
	there.psql("update app.sandbox_session set ended_at = now(), end_reason = 'user', status = 'expired', cleaned_at = now()");
	await ok(to, "delete", "busy", "--yes");
});

test("an export under load is one moment's state", async () => {
	const client = await connect(here, "load", { since: 0 });
	let writing = true, n = 0;
	const writer = (async () => {
		while (writing) {
			n++;
			await client.ok("session:save", { id: "s", header: { id: "s", n }, messages: Array.from({ length: 50 }, () => ({ n })) });
			await client.ok("labels:save", { n });
		}
	})();
	for (let i = 0; i < 8; i++) {
		const seen = n;
		await waitFor(() => n > seen, { what: "a write" });
		const name = file(`load-${i}`);
		await ok(from, "export", "load", name);
		await ok(to, "import", name, "--as", `load-${i}`);
		const { messages, n: head } = (await there.request(`/workspace/load-${i}/sessions/s`)).json;
		assert.deepEqual(messages, Array.from({ length: 50 }, () => ({ n: head })));
		const labels = (await there.request(`/workspace/load-${i}/labels`)).json.n ?? 0;
		assert.ok(labels === head || labels === head - 1, `${labels} of ${head}`);
	}
	writing = false;
	await writer;
	await client.close();
});
