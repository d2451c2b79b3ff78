// A bad network between the clients and nginx: a real link, from a network namespace, on which packets are late, lost and
// out of order; and connections that are reset, or go silent.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Scene } from "../harness/chaos_tests.mjs";
import { waitFor } from "../harness/server.mjs";

const scene = await Scene.open({ bridges: 2, proxy: true, link: true });
const { link, noLink } = scene.world;

test("the link loses packets and delays them", async (t) => {
	if (noLink) {
		t.skip(noLink);
		return;
	}
	const before = await link.set({ delay: 100, loss: 0.2 });
	await waitFor(async () => {
		const begin = Date.now();
		if ((await scene.load.request("/")).status !== 200) return false;
		assert.ok(Date.now() - begin >= 200, `there and back in ${Date.now() - begin} ms`);
		return true;
	}, { deadline: 60_000, what: "a request that gets through" });
	const after = await link.set({});
	assert.ok(after.passed > before.passed && after.lost > before.lost, `${JSON.stringify(before)} ${JSON.stringify(after)}`);
	assert.deepEqual(await scene.load.check(), []);
});

scene.fault("network: packets late, out of order and lost", { hold: 15_000 });
scene.fault("network: every third packet lost", { hold: 10_000 });
scene.fault("network: the cable is pulled", { hold: 6000 });
scene.fault("network: all connections reset");
scene.fault("network: half of the connections reset");
scene.fault("network: nothing passes", { hold: 6000 });
scene.fault("network: nothing passes, then all is reset", { hold: 3000 });
