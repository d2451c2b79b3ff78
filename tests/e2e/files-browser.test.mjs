// A page in headless Chromium, served from another origin, uses the file storage as a web client would: uploads by
// fetch with Authorization (so the preflights must be right), a photo in an <img> and a gigabyte of video in a
// <video> by signed URLs, lists and deletes. What uploaded scripts must not do: files-scripts.test.mjs.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createReadStream, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { FilesPage, HOSTILE, pdf, session, skip } from "../harness/files_page.mjs";
import { backstop } from "../harness/pace.mjs";
import { vp8OfWebp, writeWebm } from "../harness/video.mjs";

// Exactly what an upload may have by default, and 256 seconds.
const VIDEO_SIZE = 1 << 30;
const VIDEO_FRAMES = 256;
const VIDEO = "far seeks.webm";
const ODD = "a b#?%&+é😀.png";
const NAMES = [ODD, ODD.normalize("NFD"), "%41%2541.png", "photo.jpg", "paper.pdf", VIDEO];
const IMAGES = NAMES.slice(0, 3);
let files;
let a;
let server;
let video;
let videoSha256;

function artifacts() {
	const dir = process.env.CRAFT_TEST_ARTIFACTS ?? path.join(server.dir, "artifacts");
	mkdirSync(dir, { recursive: true });
	return dir;
}

async function sha256(file) {
	const hash = createHash("sha256");
	for await (const part of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(part);
	return hash.digest("hex");
}

const byBytes = (one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other));

async function close() {
	await files?.close();
	if (video) rmSync(path.dirname(video), { recursive: true, force: true });
}

after(async () => {
	await close();
	await server?.stop();
});

if (!skip) {
	files = await FilesPage.open();
	({ page: a, server } = files);
	video = path.join(mkdtempSync(path.join(tmpdir(), "craft-video-")), VIDEO);
	const webps = await a.evaluate((count) => makeFrames(count), VIDEO_FRAMES);
	await writeWebm(
		video,
		webps.map((webp) => vp8OfWebp(Buffer.from(webp, "base64"))),
		{ size: VIDEO_SIZE },
	);
	assert.equal(statSync(video).size, VIDEO_SIZE);
}

test("a photo, a PDF and files with odd names are uploaded and come back", { skip }, async () => {
	files.check("photo.jpg", "image/jpeg", await a.evaluate(() => putPicture("photo.jpg", "image/jpeg", 1600, 1200)));
	for (const name of IMAGES) files.check(name, "image/png", await a.evaluate((given) => putPicture(given, "image/png", 64, 48), name));
	const paper = files.check(
		"paper.pdf",
		"application/pdf",
		await a.evaluate((text) => putText("paper.pdf", text, "application/pdf"), pdf("From a page")),
	);
	assert.equal(paper.size, pdf("From a page").length);
	for (const [name, type, text] of HOSTILE)
		files.check(name, type, await a.evaluate(([given, body, mimeType]) => putText(given, body, mimeType), [name, text(files.origin, name), type]));
	for (const name of NAMES.filter((other) => other !== VIDEO)) assert.ok(await a.evaluate((given) => same(given), name), name);
	assert.ok(
		files.preflights.some((url) => url.startsWith("PUT ") && url.endsWith("/attachments/a%20b%23%3F%25%26%2B%C3%A9%F0%9F%98%80.png")),
		`no preflight was made, the test proves nothing: ${files.preflights}`,
	);
});

test("conditions and ranges pass the preflight, and what a page needs is readable", { skip }, async () => {
	const whole = await a.evaluate(() => get("paper.pdf"));
	assert.match(whole.ETag ?? "", /^"[^"]+"$/);
	assert.match(whole["X-Request-Id"] ?? "", /^[\w-]{8,64}$/);
	assert.equal(whole["Content-Type"], "application/pdf");
	const part = await a.evaluate(() => get("paper.pdf", { Range: "bytes=5-7" }));
	assert.deepEqual([part.status, part.text], [206, pdf("From a page").slice(5, 8)]);
	assert.deepEqual([part["Content-Range"], part.ETag], [`bytes 5-7/${files.sent.get("paper.pdf").size}`, whole.ETag]);
	const known = await a.evaluate((etag) => get("paper.pdf", { "If-None-Match": etag }), whole.ETag);
	assert.deepEqual([known.status, known.text, known.ETag], [304, "", whole.ETag]);
	const beyond = await a.evaluate(() => get("paper.pdf", { Range: "bytes=99999999-" }));
	assert.equal(beyond.status, 416);
	const again = await a.evaluate(() => put("paper.pdf", "another", { "If-None-Match": "*", "Content-Type": "text/plain" }));
	assert.equal(again.status, 412);
	assert.equal((await a.evaluate(() => get("paper.pdf"))).ETag, whole.ETag);
});

test("errors are readable from the page", { skip }, async () => {
	const answers = await a.evaluate(async () => [
		await get("nothing.png"),
		await get("paper.pdf", { Authorization: "Bearer wrong" }),
		await put("paper.pdf", "x", { Authorization: "Bearer wrong" }),
		await get("paper.pdf", {}, "uploads"),
		await put("a/b", "x"),
		await ask(base + "/attachments/paper.pdf?exp=1&sig=00", { headers: {} }),
	]);
	assert.deepEqual(
		answers.map((answer) => answer.status),
		[404, 401, 401, 400, 400, 403],
	);
	for (const answer of answers) {
		assert.equal(typeof JSON.parse(answer.text).error, "string");
		assert.match(answer["X-Request-Id"] ?? "", /^[\w-]{8,64}$/);
	}
	assert.deepEqual(JSON.parse(answers[0].text), { error: "File not found" });
});

test("a gigabyte of video picked from the disk is uploaded", { skip }, async () => {
	const hashed = sha256(video);
	await a.setInputFiles("#input", video);
	const file = files.check(VIDEO, "video/webm", await a.evaluate(() => putPicked()));
	assert.equal(file.size, VIDEO_SIZE);
	videoSha256 = await hashed;
	assert.equal(files.rows("sha256, name").find(([, name]) => name === VIDEO)?.[0], videoSha256);
});

test("photos show in an <img> by signed URLs", { skip }, async () => {
	const { url, expiresAt } = await a.evaluate(() => sign("photo.jpg"));
	assert.ok(url.startsWith(`${server.url}/files/browser%20files/chat%20%231/attachments/photo.jpg?`), url);
	assert.ok(Math.abs(expiresAt - Date.now() - 600_000) < 60_000, `expires at ${expiresAt}`);
	assert.deepEqual((await a.evaluate((given) => show(given), url)).slice(0, 2), [1600, 1200]);
	for (const name of IMAGES) {
		const signed = await a.evaluate((given) => sign(given), name);
		assert.deepEqual((await a.evaluate((given) => show(given), signed.url)).slice(0, 2), [64, 48], name);
	}
});

test("the video plays and seeks by ranges, without being downloaded", { skip }, async () => {
	const { url } = await a.evaluate((name) => sign(name), VIDEO);
	assert.deepEqual(await a.evaluate((given) => loadVideo(given), url), [VIDEO_FRAMES, 320, 180]);
	await a.waitForFunction(() => shown() === 0);
	for (const time of [250.5, 3.25, 128, 255.5, 60.75]) {
		assert.ok(Math.abs((await a.evaluate((to) => seek(to), time)) - time) < 0.001, `not at ${time}`);
		await a
			.waitForFunction((wanted) => shown() === wanted, Math.floor(time), { timeout: backstop(10_000) })
			.catch(async () => assert.fail(`at ${time} it shows frame ${await a.evaluate(() => shown())}`));
	}
	const numbers = [...new Set(await a.evaluate(() => play(64)))];
	// A busy machine may leave out some.
	const ascending = numbers.every((number, n) => number > (numbers[n - 1] ?? 59) && number < 70);
	assert.ok(ascending && numbers.length >= 2, `frames ${numbers} while playing`);

	const requests = [...files.media.values()].filter((request) => request.status);
	for (const { url: asked, range, status, headers } of requests) {
		assert.equal(asked, url);
		assert.equal(status, 206);
		const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(range ?? "") ?? assert.fail(`Range: ${range}`);
		const got = Object.entries(headers).find(([name]) => name.toLowerCase() === "content-range")?.[1];
		assert.equal(got, `bytes ${first}-${last || VIDEO_SIZE - 1}/${VIDEO_SIZE}`);
	}
	assert.ok(
		requests.some(({ range }) => Number(/\d+/.exec(range)[0]) > 0.9 * VIDEO_SIZE),
		"no request for a range far behind",
	);
	const bytes = requests.reduce((sum, request) => sum + request.bytes, 0);
	assert.ok(bytes > 1 << 20 && bytes < VIDEO_SIZE / 2, `${bytes} bytes came in ${requests.length} answers`);
});

test("the list is complete, by name, with true types; a screenshot is kept", { skip }, async () => {
	const types = Object.fromEntries([
		...IMAGES.map((name) => [name, "image/png"]),
		["photo.jpg", "image/jpeg"],
		["paper.pdf", "application/pdf"],
		[VIDEO, "video/webm"],
		...HOSTILE.map(([name, type]) => [name, type]),
	]);
	const listed = await a.evaluate(() => list());
	assert.deepEqual(
		listed.map(({ name, mimeType }) => [name, mimeType]),
		Object.entries(types).sort(([one], [other]) => byBytes(one, other)),
	);
	for (const file of listed) assert.deepEqual(file, files.sent.get(file.name));
	await a.evaluate(() => showList());
	const file = path.join(artifacts(), "files-browser.png");
	await a.screenshot({ path: file });
	assert.ok(readFileSync(file).length > 5000);
});

test("a DBA sees in report.files what is stored, and the blobs are there", { skip }, async () => {
	const times = "created_at <= uploaded_at, extract(epoch from uploaded_at) * 1000";
	const found = files.rows(`session, type, name, size, mime_type, sha256, blob_id, ${times}`);
	assert.deepEqual(
		found.map((row) => row[2]),
		[...files.sent.keys()].sort(byBytes),
	);
	for (const [foundSession, type, name, size, mimeType, digest, blob, inOrder, uploaded] of found) {
		const file = files.sent.get(name);
		assert.deepEqual([foundSession, type, Number(size), mimeType, inOrder], [session, "attachments", file.size, file.mimeType, "t"]);
		assert.ok(Math.abs(Number(uploaded) - file.uploadedAt) <= 1, `${name}: ${uploaded} and ${file.uploadedAt}`);
		assert.match(blob, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
		const stored = path.join(server.dir, "blobs", blob.slice(0, 2), blob);
		assert.equal(statSync(stored).size, file.size);
		if (name === VIDEO) assert.equal(digest, videoSha256);
		else assert.equal(digest, await sha256(stored), name);
	}
	assert.equal(new Set(found.map((row) => row[6])).size, found.length);
});

test("one file is deleted, then the session: the list is empty and signed URLs give 404", { skip }, async () => {
	await a.evaluate(() => unloadVideo());
	for (const type of ["downloads", "long_responses"])
		assert.equal((await a.evaluate((given) => putText("more.txt", "more", "text/plain", given), type)).status, 201);
	const urls = {};
	for (const name of ["photo.jpg", VIDEO, ODD]) urls[name] = (await a.evaluate((given) => sign(given), name)).url;

	const answer = await a.evaluate((name) => del(name), ODD);
	assert.deepEqual([answer.status, JSON.parse(answer.text)], [200, { success: true }]);
	const left = (await a.evaluate(() => list())).map((file) => file.name);
	assert.deepEqual(left, [...files.sent.keys()].filter((name) => name !== ODD).sort(byBytes));
	assert.equal((await a.evaluate((url) => ask(url, { headers: {} }), urls[ODD])).status, 404);
	const head = await a.evaluate((url) => ask(url, { method: "HEAD", headers: {} }), urls["photo.jpg"]);
	assert.equal(head.status, 200, "the others are still there");

	const all = await a.evaluate(() => del());
	assert.deepEqual([all.status, JSON.parse(all.text)], [200, { success: true, deleted: left.length + 2 }]);
	for (const type of ["attachments", "downloads", "long_responses"])
		assert.deepEqual(await a.evaluate((given) => list(given), type), []);
	for (const url of Object.values(urls)) {
		const gone = await a.evaluate((given) => ask(given, { headers: {} }), url);
		assert.deepEqual([gone.status, JSON.parse(gone.text)], [404, { error: "File not found" }]);
	}
	assert.deepEqual(files.rows("name"), []);
});

test("no page met an error of its own", { skip }, async () => {
	const { faults } = a;
	// Here and not only in after(): node 18 does not run that at the top level, and an open browser keeps it alive.
	await close();
	assert.deepEqual(faults, []);
	assert.deepEqual(files.beacons, []);
});
