// chaos_tests.mjs: what the files tests/e2e/chaos-*.test.mjs are made of: servers under load, and a test for each fault.
//
//	const scene = await Scene.open({ bridges: 2 });
//	scene.fault("kill -9 of a bridge");               // defines a test

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Chaos } from "./chaos.mjs";
import { World } from "./chaos_world.mjs";
import { Load } from "./oracle.mjs";

/** So soon after everything runs again each writer has a change acknowledged, that it began after that: ms. The most that
 *  the server's own pauses add up to is about 8 s (a try to connect that hangs for 6 s, and 2 s until the next). */
export const BOUND = 30_000;

export class Scene {
	/** settings: of World.open(); load: of Load.start(). */
	static async open(settings, load = {}) {
		const scene = new Scene();
		// Before anything can fail.
		after(() => scene.close());
		scene.world = await World.open(settings);
		scene.load = await Load.start(scene.world.server, { pause: 30, port: () => scene.world.port, ...load });
		scene.chaos = new Chaos(scene.world, scene.load);
		return scene;
	}

	async close() {
		this.chaos?.end();
		await this.load?.stop();
		await this.world?.close();
	}

	/** A test that strikes so and finds that nothing was lost. hold: see Chaos; also(): more to be found, after it. */
	fault(name, { hold = 1500, bound = BOUND, also = () => {} } = {}) {
		test(`${name}: nothing is lost, and writes go on`, async (t) => {
			const impossible = this.chaos.impossible(name);
			if (impossible) {
				t.skip(impossible);
				return;
			}
			this.chaos.hold = hold;
			const { all, outage } = await this.chaos.strike(name, bound);
			t.diagnostic(`everybody writes ${(all / 1000).toFixed(1)} s after it; without an answer for ${(outage / 1000).toFixed(1)} s`);
			const wrong = await this.load.check();
			if (wrong.length) t.diagnostic(`the logs are in ${this.world.keepLogs("chaos")}`);
			assert.deepEqual(wrong.slice(0, 10), []);
			await also(t);
		});
	}
}
