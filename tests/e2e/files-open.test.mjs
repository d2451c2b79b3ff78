// What people see who open a signed link in a browser's tab: videos and sounds play, images, text and PDFs show, and what
// could run is a download. What uploaded scripts must not do: files-scripts.test.mjs.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { FilesPage, pdf, skip } from "../harness/files_page.mjs";
import { waitFor } from "../harness/server.mjs";
import { vp8OfWebp, writeWebm } from "../harness/video.mjs";

const TEXT = "Grüße, Zoë — 日本語 😀\n";
let files;
let a;
const scratch = mkdtempSync(path.join(tmpdir(), "craft-open-"));

async function close() {
	await files?.close();
	rmSync(scratch, { recursive: true, force: true });
}

after(async () => {
	await close();
	await files?.server.stop();
});

if (!skip) {
	files = await FilesPage.open();
	({ page: a } = files);
}

// A second of a sine, as the simplest sound file that there is.
function wav() {
	const rate = 8000, bytes = Buffer.alloc(44 + 2 * rate);
	bytes.write("RIFF", 0);
	bytes.writeUInt32LE(36 + 2 * rate, 4);
	bytes.write("WAVEfmt ", 8);
	for (const [at, value] of [[16, 16], [24, rate], [28, 2 * rate], [40, 2 * rate]]) bytes.writeUInt32LE(value, at);
	for (const [at, value] of [[20, 1], [22, 1], [32, 2], [34, 16]]) bytes.writeUInt16LE(value, at);
	bytes.write("data", 36);
	for (let n = 0; n < rate; n++) bytes.writeInt16LE(Math.round(8000 * Math.sin(n / 3)), 44 + 2 * n);
	return bytes;
}

async function webm() {
	const file = path.join(scratch, "film.webm");
	const webps = await a.evaluate((count) => makeFrames(count), 8);
	await writeWebm(file, webps.map((webp) => vp8OfWebp(Buffer.from(webp, "base64"))), { size: 1 << 20 });
	return readFileSync(file);
}

const at = (name) => `/files/${encodeURIComponent("browser files")}/${encodeURIComponent("chat #1")}/attachments/${encodeURIComponent(name)}`;

async function put(name, type, body) {
	const { server } = files;
	const answer = await server.request(at(name), { method: "PUT", body, headers: type ? { "Content-Type": type } : {} });
	assert.equal(answer.status, 201, answer.text);
	return answer.json;
}

// Opens the signed link as a person does, and hands the tab to look.
async function open(name, look) {
	const { url } = await a.evaluate((given) => sign(given), name);
	const tab = await files.context.newPage();
	const faults = [];
	tab.on("console", (message) => message.type() === "error" && faults.push(message.text()));
	try {
		const answer = await tab.goto(url);
		assert.equal(answer.status(), 200, name);
		await look(tab, answer, faults);
	} catch (error) {
		throw new Error(`${name}: ${error.message} ${faults.join("; ")}`, { cause: error });
	} finally {
		await tab.close();
	}
}

async function plays(tab, answer) {
	const state = () => tab.evaluate(() => {
		const media = document.querySelector("video, audio");
		return media && { ready: media.readyState, error: media.error?.message ?? null, width: media.videoWidth, length: media.duration };
	});
	await waitFor(async () => {
		const seen = await state();
		assert.equal(seen?.error ?? null, null);
		return seen?.ready >= 2;
	}, { what: `the media to be loaded: ${JSON.stringify(await state())}` });
	const csp = answer.headers()["content-security-policy"];
	assert.match(csp, /^sandbox; default-src 'none'; media-src 'self'/);
	return state();
}

test("a video and a sound play", { skip }, async () => {
	await put("film.webm", "video/webm", await webm());
	await put("tone.wav", "audio/wav", wav());
	await open("film.webm", async (tab, answer) => {
		const { width, length } = await plays(tab, answer);
		assert.deepEqual([width, length], [320, 8]);
		await tab.evaluate(() => Object.assign(document.querySelector("video"), { muted: true }).play());
		await waitFor(() => tab.evaluate(() => document.querySelector("video").currentTime > 0.5), { what: "it to play" });
	});
	await open("tone.wav", async (tab, answer) => assert.equal((await plays(tab, answer)).length, 1));
});

test("an image shows", { skip }, async () => {
	await a.evaluate(() => putPicture("photo.png", "image/png", 640, 480));
	await open("photo.png", async (tab) => {
		const size = await tab.evaluate(() => [document.images[0].naturalWidth, document.images[0].naturalHeight]);
		assert.deepEqual(size, [640, 480]);
	});
});

test("text is read as UTF-8 unless it says otherwise", { skip }, async () => {
	await put("note.txt", "text/plain", TEXT);
	await put("latin.txt", "text/plain; charset=iso-8859-1", Buffer.from("Gr\xfc\xdfe", "latin1"));
	await put("note.md", null, TEXT);
	await open("note.txt", async (tab) => {
		assert.equal(await tab.evaluate(() => document.body.textContent.split("\n")[0]), TEXT.trim());
	});
	await open("latin.txt", async (tab) => assert.equal(await tab.evaluate(() => document.body.textContent), "Grüße"));
	await open("note.md", async (tab) => assert.equal(await tab.evaluate(() => document.body.textContent.trim()), TEXT.trim()));
	// A program with a key gets the type as it was stored.
	const stored = await files.server.request(at("note.txt"));
	assert.equal(stored.headers["content-type"], "text/plain");
});

// How many pixels of a screenshot are red.
async function redOf(tab) {
	const shot = (await tab.screenshot()).toString("base64");
	return a.evaluate(async (png) => {
		const image = new Image();
		image.src = `data:image/png;base64,${png}`;
		await image.decode();
		const context = Object.assign(document.createElement("canvas"), { width: image.width, height: image.height }).getContext("2d");
		context.drawImage(image, 0, 0);
		const { data } = context.getImageData(0, 0, image.width, image.height);
		let red = 0;
		for (let n = 0; n < data.length; n += 4) red += data[n] > 200 && data[n + 1] < 60 && data[n + 2] < 60;
		return red;
	}, shot);
}

test("a PDF shows", { skip }, async () => {
	const paint = "1 0 0 rg 0 0 612 700 re f ";
	const paper = pdf("From a link").replace(/<< \/Length (\d+) >>\nstream\n/, (_, n) => `<< /Length ${Number(n) + paint.length} >>\nstream\n${paint}`);
	await put("paper.pdf", "application/pdf", paper);
	await open("paper.pdf", async (tab) => {
		await waitFor(async () => await redOf(tab) > 50_000, { timeout: 60_000, what: "the page to be painted" });
	});
});

test("what came without a type has the one that its name tells", { skip }, async () => {
	const { server } = files;
	for (const [name, type] of [["icon.svg", "image/svg+xml"], ["PHOTO.JPG", "image/jpeg"], ["a.tar.gz", "application/gzip"], ["notes", "application/octet-stream"],
		["page.html", "text/html"], [".png", "image/png"], ["x.", "application/octet-stream"], ["x.unheard-of", "application/octet-stream"], ["x.unheardo", "application/octet-stream"]]) {
		assert.equal((await put(name, null, "x")).mimeType, type, name);
		assert.equal((await server.request(at(name))).headers["content-type"], type, name);
	}
	// What was said counts, whatever the name.
	assert.equal((await put("icon.svg", "application/octet-stream", "x")).mimeType, "application/octet-stream");
});

test("the browser is closed", { skip }, async () => {
	const { faults } = a;
	await close();
	assert.deepEqual(faults, []);
});
