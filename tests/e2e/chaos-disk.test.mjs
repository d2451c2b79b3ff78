// The database's disk is full for a while: changes are refused, with a text that says so, or PostgreSQL stops; nothing that
// was acknowledged is lost, nothing that was refused is there, and no daemon makes it worse.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Scene } from "../harness/chaos_tests.mjs";
import { stretched } from "../harness/pace.mjs";
import { waitFor } from "../harness/server.mjs";

const scene = await Scene.open({ bridges: 2, disk: 300 << 20, env: { SANDBOX_IDLE_TIMEOUT: String(stretched(8)) } });
const { server } = scene.world;

function told() { return Object.keys(scene.load.summary().errors).join("\n"); }

scene.fault("disk full under PostgreSQL", { hold: 4000, also: () => {
	assert.match(told(), /out of resources, nothing was changed/);
} });

scene.fault("disk full under PostgreSQL and its WAL", { hold: 4000 });

// For as long as it is wanted: statements about hosts of sandboxes fail as they do when the disk is full.
function noRoom(on) {
	server.psql(on ? `create function app.no_room() returns trigger language plpgsql as $$
			begin raise exception 'no space left' using errcode = '53100'; end $$;
		create trigger no_room before update on app.sandbox_host execute function app.no_room()`
		: "drop trigger no_room on app.sandbox_host; drop function app.no_room()");
}

test("a daemon whose statements fail so connects again more and more seldom, and works when there is room", async (t) => {
	const log = () => server.logs("craft-sandboxd").split("\n").filter((line) => / lost: /.test(line)).length;
	const beat = () => server.psqlValue("select max(seen_at) from app.sandbox_host");
	const before = log();
	noRoom(true);
	await waitFor(() => log() > before, { deadline: 20_000, what: "the first failure" });
	await new Promise((done) => setTimeout(done, 5000));
	const count = log() - before;
	noRoom(false);
	t.diagnostic(`${count} connections in 5 s`);
	assert.ok(count >= 3 && count <= 10, `${count} connections in 5 s`);
	const last = beat();
	await waitFor(() => beat() !== last, { deadline: 20_000, what: "a sign of life" });
});
