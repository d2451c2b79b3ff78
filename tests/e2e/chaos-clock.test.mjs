// Clocks that jump while clients write: those of the daemons and that of the database, forth and back.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Scene } from "../harness/chaos_tests.mjs";
import { waitFor } from "../harness/server.mjs";

const HOUR = 3600;
const scene = await Scene.open({ bridges: 2, clocks: true });
const { world } = scene;
const { server } = world;

// Seconds between a time in ms and ours.
const ahead = (ms) => (Number(ms) - Date.now()) / 1000;
const near = (seconds, expected) => Math.abs(seconds - expected) < 120;

const clocks = {
	database: async () => ahead(server.psqlValue("select extract(epoch from clock_timestamp()) * 1000")),
	daemons: async () => ahead((await server.request("/workspace/clock/actions/new-chat", { method: "POST", body: {} })).json.createdAt),
};

for (const [name, read] of Object.entries(clocks)) {
	test(`the clock of the ${name} can be set`, async (t) => {
		if (world.noClocks) {
			t.skip(world.noClocks);
			return;
		}
		for (const seconds of [-HOUR, 0]) {
			world.setClock(name, seconds);
			await waitFor(async () => near(await read(), seconds), { what: `a clock ${seconds} s off` });
		}
	});
}

scene.fault("clock of the daemons set back by an hour", { hold: 3000 });
scene.fault("clock of the database set back by an hour", { hold: 3000 });
scene.fault("clock of the daemons jumps", { hold: 3000 });
