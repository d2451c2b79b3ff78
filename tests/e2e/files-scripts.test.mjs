// Files that would like to run as our origin, opened in headless Chromium by signed URLs: in tabs, in frames and as images.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { FilesPage, HOSTILE, skip } from "../harness/files_page.mjs";
import { waitFor } from "../harness/server.mjs";

let files;
let a;
let beacons;

after(async () => {
	await files?.close();
	await files?.server.stop();
});

if (!skip) {
	files = await FilesPage.open();
	({ page: a, beacons } = files);
}

async function inFrame(url, name) {
	const download = a.waitForEvent("download").catch(() => null);
	await Promise.race([download, a.evaluate((given) => frame(given), url)]);
	for (const child of a.frames().slice(1)) assert.notEqual(await child.title(), "ran", `${name} ran in a frame`);
	await a.evaluate(() => document.querySelectorAll("iframe").forEach((element) => element.remove()));
	// Time for a beacon that is on its way; the last test looks again.
	await a.evaluate(() => fetch("/settings.json").then((response) => response.text()));
	assert.deepEqual(beacons, [], `${name} ran in a frame`);
}

test("scripts of uploaded files don't run as our origin", { skip }, async () => {
	// Where it may, each of them but the plain ones does run: the beacon works.
	for (const n of [0, 1, 2, 3]) {
		await files.navigate(`${files.origin}/hostile-${n}`);
		await waitFor(() => beacons.includes(`control ${n}`), { what: `the beacon of ${HOSTILE[n][0]}` });
	}
	beacons.length = 0;
	for (const [name, type, text] of HOSTILE)
		files.check(name, type, await a.evaluate(([given, body, mimeType]) => putText(given, body, mimeType), [name, text(files.origin, name), type]));
	for (const [name, , , downloads] of HOSTILE) {
		const { url } = await a.evaluate((given) => sign(given), name);
		const seen = await files.navigate(url);
		if (downloads) assert.deepEqual(seen, { download: name });
		else assert.ok(seen.download === name || seen.title !== "ran", `${name}: ${JSON.stringify(seen)}`);
		assert.deepEqual(beacons, [], `${name} ran`);
		await inFrame(url, name);
	}
	assert.equal(await a.title(), "Files of a session");
});

test("nor where Content-Disposition doesn't count", { skip }, async () => {
	for (const [name] of HOSTILE.filter(([, , , downloads]) => downloads)) {
		const { url } = await a.evaluate((given) => sign(given), name);
		const seen = await files.navigate(url, { without: "content-disposition" });
		assert.equal(seen.status, 200, `${name}: ${JSON.stringify(seen)}`);
		assert.notEqual(seen.title, "ran", name);
		assert.deepEqual(beacons, [], `${name} ran`);
	}
});

test("an uploaded SVG shows as an image, and its script doesn't run", { skip }, async () => {
	const { url } = await a.evaluate(() => sign("drawing.svg"));
	assert.deepEqual(await a.evaluate((given) => show(given), url), [120, 80, 0, 192, 0]);
	assert.deepEqual(await files.navigate(url), { download: "drawing.svg" }, "the image in the cache is no page");
	assert.deepEqual(beacons, []);
});

test("no page met an error of its own, and no uploaded script ran", { skip }, async () => {
	const { faults } = a;
	// Here and not only in after(): node 18 does not run that at the top level, and an open browser keeps it alive.
	await files.close();
	assert.deepEqual(faults, []);
	assert.deepEqual(beacons, []);
});
