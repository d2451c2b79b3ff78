// docs/dba.md: each of its queries runs for a reader as it stands there, and finds what there is.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { block, blocks } from "../harness/blocks.mjs";
import { Room, bytes } from "../harness/files.mjs";
import { startServer } from "../harness/server.mjs";
import { connect } from "../harness/sync.mjs";

const DOC = "docs/dba.md";
const server = await startServer({ env: { SWEEP_INTERVAL: "0" } });
after(() => server.stop());

const named = await connect(server, "team", { since: 0, client: "laptop" });
await named.ok("session:create", { id: "s1", name: "First", createdAt: Date.now() });
await named.ok("session:save", { id: "s1", header: { id: "s1", name: "Cut \ud83d", createdAt: Date.now() }, messages: [{ text: "\u0000" }, { text: "x".repeat(5000) }] });
await named.ok("session:save", { id: "s2", header: { id: "s2", name: "Small", createdAt: Date.now() }, messages: [{}] });
const plain = await connect(server, "other");
await plain.ok("labels:save", { l: 1 });
assert.equal((await server.request("/workspace/team/actions/flag-session", { method: "POST", body: { sessionId: "s1" } })).status, 200);
const room = new Room(server, "team");
await room.put("s1/attachments/large.bin", bytes(100_000));
await room.put("s1/attachments/small.bin", bytes(10));
await Promise.all([named.close(), plain.close()]);
// No sandbox has to run for what is said of them, and nobody may claim those that wait.
await server.stopSandboxd();
server.psql(`with h as (insert into app.sandbox_host (id, name, version, capacity, protection, seen_at)
		values (gen_random_uuid(), 'box1', '1', 4, 'all', now() - interval '1 hour') returning id),
	s as (insert into app.sandbox_session (id, workspace_id, repo_key, sandbox_id, branch, status, expires_at, created_at, host_id, ended_at, end_reason)
		select gen_random_uuid(), w.id, 'a/b', v.name, 'main', v.status, now() + interval '1 h', now() - interval '1 hour',
			case when v.hosted then (select id from h) end, case when v.reason is not null then now() end, v.reason
		from app.workspace w, (values ('stuck', 'ready', true, null), ('alone', 'provisioning', false, null), ('broken', 'expired', true, 'oom'), ('fine', 'expired', true, 'user'))
			as v (name, status, hosted, reason) where w.slug = 'team' returning id, sandbox_id)
	insert into app.sandbox_job (session_id, client, kind, name, queued_at, taken_at, ended_at, outcome, bytes_in)
	select s.id, 'c', v.kind, v.tool, now() - v.age, case when v.taken then now() - v.age end, case when v.outcome is not null then now() end, v.outcome, 1
	from s, (values ('execute', null, interval '2 hours', true, null), ('tool', 'Bash', interval '11 minutes', false, null), ('tool', 'Read', interval '1 minute', true, null),
		('diff', null, interval '2 hours', true, 'success')) as v (kind, tool, age, taken, outcome) where s.sandbox_id = 'stuck'`);
server.psql(`insert into app.credential (workspace_id, repo_key, sealed, username, invalid_at) select id, 'a/b', 'x', 'octocat', now() from app.workspace where slug = 'team'`);
server.psql("select api.project_remember('team', 'a/b', 'https://github.com/a/b')");
server.psql(block(DOC, "reader"));

// What each has to find; columns by their place.
const finds = {
	changes: (rows) => {
		assert.deepEqual(rows.filter(([, workspace]) => workspace === "team").map(([, , seq, who, entity, action, id]) => [seq, who, entity, action, id]), [
			["4", "REST or SQL", "session", "updated", "s1"], ["3", "laptop", "session", "updated", "s2"],
			["2", "laptop", "session", "updated", "s1"], ["1", "laptop", "session", "created", "s1"]]);
		const [other] = rows.filter(([, workspace]) => workspace === "other");
		assert.match(other[3], /^(?!REST).+/, "a connection");
	},
	history: (rows) => assert.deepEqual(rows.map(([seq, , action]) => [seq, action]), [["1", "created"], ["2", "updated"], ["4", "updated"]]),
	"largest-sessions": (rows) => assert.deepEqual(rows.map(([workspace, session, name, messages]) => [workspace, session, name, messages]),
		[["team", "s1", "Cut \ufffd", "2"], ["team", "s2", "Small", "1"]]),
	"largest-workspaces": (rows) => assert.deepEqual(rows.map(([workspace, sessions, messages, , files]) => [workspace, sessions, messages, files]),
		[["team", "2", "3", "2"], ["other", "0", "0", "0"]]),
	"largest-files": (rows) => assert.deepEqual(rows.map(([, , , name, size]) => [name, size]), [["large.bin", "98 kB"], ["small.bin", "10 bytes"]]),
	tables: (rows) => assert.ok(rows.some(([table]) => table === "app.message") && rows.every(([table]) => table.startsWith("app."))),
	growth: (rows) => {
		const sum = (column) => rows.reduce((n, row) => n + Number(row[column]), 0);
		assert.deepEqual([sum(1), sum(3)], [5, 2]);
	},
	"new-sessions": (rows) => assert.equal(rows.reduce((n, [, , sessions]) => n + Number(sessions), 0), 2),
	"stuck-tasks": (rows) => assert.deepEqual(rows.map(([, , , kind, tool, , host, alive, state]) => [kind, tool, host, alive, state]),
		[["execute", "", "box1", "f", "runs"], ["tool", "Bash", "box1", "f", "waits"]]),
	"failed-sandboxes": (rows) => assert.deepEqual(rows.map((row) => [row[5], row[7]]).sort(), [["", ""], ["box1", "oom"]]),
	outcomes: (rows) => assert.deepEqual(rows.map(([, kind, outcome, count]) => [kind, outcome, count]), [["diff", "success", "1"]]),
	credentials: (rows) => assert.deepEqual(rows.map(([workspace, repo, user]) => [workspace, repo, user]), [["team", "a/b", "octocat"]]),
};

const queries = blocks(DOC).filter(({ kind }) => kind === "query");

for (const { name, text, owner } of queries)
	test(`the query ${name}`, () => {
		const rows = server.psql(text, owner ? {} : { role: "reporter" });
		assert.ok(rows.length > 0, "it finds nothing");
		finds[name](rows);
	});

test("every query is judged, and every view is in the document", () => {
	assert.deepEqual(queries.map(({ name }) => name).sort(), Object.keys(finds).sort());
	const used = queries.map(({ text }) => text).join("\n");
	const views = server.psql("select viewname from pg_views where schemaname = 'report'").flat();
	for (const view of ["changes", "requests", "sessions", "workspaces", "files", "tasks", "sandboxes", "sandbox_hosts", "projects"]) {
		assert.ok(views.includes(view), view);
		assert.match(used, new RegExp(`report\\.${view}\\b`));
	}
});

test("the reader reads the views and nothing else", () => {
	for (const sql of ["select * from app.credential", "select * from app.session", "select api.epoch()", "delete from report.sessions"])
		assert.throws(() => server.psql(sql, { role: "reporter" }), /permission denied|cannot delete/);
});
