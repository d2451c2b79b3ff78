// files_page.mjs: a page in headless Chromium, served from another origin, that uses the file storage as a web client
// would, on a server of its own; and what is uploaded by it.
//
//	const files = await FilesPage.open();
//	files.check("a.txt", "text/plain", await files.page.evaluate(() => putText("a.txt", "text", "text/plain")));
//	await files.close();

import assert from "node:assert/strict";
import { X509Certificate, createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import http from "node:http";
import path from "node:path";
import { launchChromium, noChromium } from "./chromium.mjs";
import { startServer } from "./server.mjs";

/** Why there can't be a page; false: there can. */
export const skip = noChromium;
export const slug = "browser files";
export const session = "chat #1";

// ---- what is uploaded ----

/** Files whose script would run if a browser showed them as what they are: name, type, text (of the site's origin, which
 *  hears of it, and a word that it hears then), and whether the answer to a navigation must be a download. */
export const HOSTILE = [
	["page é😀.html", "text/html", html, true],
	["page.xhtml", "application/xhtml+xml", xhtml, true],
	["page.xml", "text/xml", xhtml, true],
	["drawing.svg", "image/svg+xml", svg, true],
	["script.js", "text/javascript", script, true],
	["page.txt", "text/plain", html, false],
	["page.png", "image/png", html, false],
];

// What a script of an uploaded file does when it runs: the site hears of it, and the title changes.
function script(origin, where) {
	return `if (self.document) document.title = "ran"; new Image().src = "${origin}/beacon?${encodeURIComponent(where)}";`;
}

function html(origin, where) {
	return `<!doctype html><meta charset="utf-8"><title>inert</title><p>An uploaded page.<script>${script(origin, where)}</script>
<img src="data:," onerror="new Image().src='${origin}/beacon?onerror'">`;
}

function xhtml(origin, where) {
	return `<?xml version="1.0"?>
<html xmlns="http://www.w3.org/1999/xhtml"><head><title>inert</title></head>
<body><p>An uploaded page.</p><script><![CDATA[${script(origin, where)}]]></script></body></html>`;
}

function svg(origin, where) {
	return `<svg xmlns="http://www.w3.org/2000/svg" width="120" height="80" onload="new Image().src='${origin}/beacon?onload'">
<script><![CDATA[${script(origin, where)}]]></script><rect width="120" height="80" fill="#00c000"/></svg>`;
}

/** One page, with a cross-reference table that is true. */
export function pdf(text) {
	const stream = `BT /F1 24 Tf 72 720 Td (${text}) Tj ET`;
	const objects = [
		"<< /Type /Catalog /Pages 2 0 R >>",
		"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
		`<< /Length ${stream.length} >>\nstream\n${stream}\nendstream`,
		"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
	];
	let out = "%PDF-1.4\n";
	let table = "0000000000 65535 f \n";
	for (const [n, object] of objects.entries()) {
		table += `${String(out.length).padStart(10, "0")} 00000 n \n`;
		out += `${n + 1} 0 obj\n${object}\nendobj\n`;
	}
	const count = objects.length + 1;
	return `${out}xref\n0 ${count}\n${table}trailer\n<< /Size ${count} /Root 1 0 R >>\nstartxref\n${out.length}\n%%EOF\n`;
}

// ---- the page ----

const page = `<!doctype html>
<meta charset="utf-8">
<title>Files of a session</title>
<style>body{font:14px sans-serif;margin:2em}h1{font-size:18px}img{height:160px}video{height:160px}li{white-space:pre}iframe{height:60px}</style>
<h1>Files of a session</h1>
<input type="file" id="input"><br>
<video id="video" muted crossorigin="anonymous"></video>
<div id="images"></div>
<ul id="list"></ul>
<script type="module">
const settings = await (await fetch("/settings.json")).json();
const base = settings.url + "/files/" + encodeURIComponent(settings.slug) + "/" + encodeURIComponent(settings.session);
const headers = { Authorization: "Bearer " + settings.apiKey };
const video = document.querySelector("#video");
const WIDTH = 320, HEIGHT = 180, CELLS = 10;
const address = (name, type = "attachments") => base + "/" + type + "/" + encodeURIComponent(name);

// What was uploaded, to be compared with what comes back.
window.sent = new Map();

async function ask(url, init = {}) {
	const response = await fetch(url, { cache: "no-store", ...init, headers: init.headers ?? headers });
	const bytes = await response.arrayBuffer();
	const names = ["ETag", "Content-Range", "X-Request-Id", "Content-Type"];
	return { status: response.status, bytes, text: new TextDecoder().decode(bytes),
		...Object.fromEntries(names.map((name) => [name, response.headers.get(name)])) };
}

// Without the bytes, which would be long on their way to the test.
window.ask = async (url, init) => ({ ...(await ask(url, init)), bytes: undefined });
window.list = async (type = "attachments") => JSON.parse((await ask(base + "/" + type)).text);
window.get = (name, more = {}, type) => window.ask(address(name, type), { headers: { ...headers, ...more } });
window.del = (name) => window.ask(name === undefined ? base : address(name), { method: "DELETE" });

window.put = async (name, body, more = {}, type = "attachments") => {
	const answer = await window.ask(address(name, type), { method: "PUT", body, headers: { ...headers, ...more } });
	if (answer.status === 201) window.sent.set(name, body);
	return answer;
};
window.putText = (name, text, mimeType, type) => window.put(name, new Blob([text], { type: mimeType }), {}, type);
window.putPicked = () => window.put(document.querySelector("#input").files[0].name, document.querySelector("#input").files[0]);

window.same = async (name) => {
	const [given, got] = [new Uint8Array(await window.sent.get(name).arrayBuffer()), new Uint8Array((await ask(address(name))).bytes)];
	return given.length > 0 && given.length === got.length && given.every((byte, at) => byte === got[at]);
};

window.sign = async (name, expiresIn = 600) => {
	const init = { method: "POST", body: JSON.stringify({ expiresIn }), headers: { ...headers, "Content-Type": "application/json" } };
	return JSON.parse((await ask(address(name) + "/sign", init)).text);
};

function paper(width, height) {
	const canvas = document.createElement("canvas");
	Object.assign(canvas, { width, height });
	return canvas.getContext("2d", { alpha: false, willReadFrequently: true });
}
const encoded = (context, type, quality) => new Promise((resolve) => context.canvas.toBlob(resolve, type, quality));

window.putPicture = async (name, type, width, height) => {
	const context = paper(width, height);
	const gradient = context.createLinearGradient(0, 0, width, height);
	["#143", "#e94", "#fed", "#37c"].forEach((color, n) => gradient.addColorStop(n / 3, color));
	context.fillStyle = gradient;
	context.fillRect(0, 0, width, height);
	context.fillStyle = "#fff";
	context.fillText(window.sent.size + " " + name, 4, 20);
	return window.put(name, await encoded(context, type, 0.9));
};

// Resolves to the image's size and the colour in its middle.
window.show = async (url) => {
	const image = new Image();
	image.crossOrigin = "anonymous";
	image.src = url;
	document.querySelector("#images").append(image);
	await image.decode();
	const context = paper(image.naturalWidth, image.naturalHeight);
	context.drawImage(image, 0, 0);
	return [image.naturalWidth, image.naturalHeight,
		...context.getImageData(image.naturalWidth >> 1, image.naturalHeight >> 1, 1, 1).data.slice(0, 3)];
};

// A frame has a colour of its own and its number, for people and as a row of cells: white, black, eight bits.
function draw(context, n) {
	context.fillStyle = "hsl(" + (n * 137.5) % 360 + " 60% 50%)";
	context.fillRect(0, 0, WIDTH, HEIGHT);
	context.fillStyle = "#fff";
	context.font = "bold 90px sans-serif";
	context.textAlign = "center";
	context.fillText(n, WIDTH / 2, 110);
	[1, 0, ...n.toString(2).padStart(CELLS - 2, "0")].forEach((bit, cell) => {
		context.fillStyle = Number(bit) ? "#fff" : "#000";
		context.fillRect(cell * WIDTH / CELLS, 140, WIDTH / CELLS, 40);
	});
}

window.makeFrames = async (count) => {
	const context = paper(WIDTH, HEIGHT);
	const frames = [];
	for (let n = 0; n < count; n++) {
		draw(context, n);
		const bytes = await (await encoded(context, "image/webp", 0.7)).arrayBuffer();
		frames.push(btoa(String.fromCharCode(...new Uint8Array(bytes))));
	}
	return frames;
};

// The number of the frame that the video shows, -1 for none of ours.
const screen = paper(WIDTH, HEIGHT);
window.shown = () => {
	screen.drawImage(video, 0, 0);
	const bits = Array.from({ length: CELLS }, (_, cell) =>
		screen.getImageData((cell + 0.5) * WIDTH / CELLS, 160, 1, 1).data[1] > 128 ? 1 : 0).join("");
	return bits.startsWith("10") ? parseInt(bits.slice(2), 2) : -1;
};

const happens = (name) => new Promise((resolve, reject) => {
	video.addEventListener(name, resolve, { once: true });
	video.addEventListener("error", () => reject(new Error("video: " + video.error.message)), { once: true });
});
window.loadVideo = async (url) => {
	const loaded = happens("loadeddata");
	video.src = url;
	await loaded;
	return [video.duration, video.videoWidth, video.videoHeight];
};
window.seek = async (time) => {
	const seeked = happens("seeked");
	video.currentTime = time;
	await seeked;
	return video.currentTime;
};
// Plays until a time; resolves to the numbers of the frames that were shown.
window.play = async (until) => {
	const numbers = [];
	const note = () => {
		numbers.push(window.shown());
		video.requestVideoFrameCallback(note);
	};
	video.requestVideoFrameCallback(note);
	video.playbackRate = 4;
	const reached = new Promise((resolve) => video.addEventListener("timeupdate", () => video.currentTime >= until && resolve()));
	await video.play();
	await Promise.race([reached, happens("ended")]);
	video.pause();
	return numbers;
};
window.unloadVideo = () => {
	video.removeAttribute("src");
	video.load();
};

window.showList = async () => {
	const items = (await window.list()).map((file) => {
		const item = document.createElement("li");
		item.textContent = [file.name, file.mimeType, file.size].join("   ");
		return item;
	});
	document.querySelector("#list").replaceChildren(...items);
};

// Resolves when the frame has loaded, which it doesn't when its address is a download.
window.frame = (url) => new Promise((resolve) => {
	const frame = document.createElement("iframe");
	frame.onload = () => resolve("loaded");
	frame.src = url;
	document.body.append(frame);
});
window.base = base;
window.ready = true;
</script>`;

// ---- the browser ----

// Of the server's key. A browser that ignores all errors of certificates keeps nothing in its HTTP cache.
function fingerprint(server) {
	const { publicKey } = new X509Certificate(readFileSync(path.join(server.dir, "tls", "cert.pem")));
	return createHash("sha256").update(publicKey.export({ type: "spki", format: "der" })).digest("base64");
}

export class FilesPage {
	/** server; page (Playwright's); origin of the site that served it; preflights (those that were made, "METHOD URL");
	 *  media (requests of <video>, with what came of each); beacons (of scripts that ran); sent (what was uploaded, by
	 *  name) */
	preflights = [];
	media = new Map();
	beacons = [];
	sent = new Map();

	static async open() {
		const files = new FilesPage();
		try {
			files.server = await startServer();
			await files.#serve();
			files.browser = await launchChromium(`--ignore-certificate-errors-spki-list=${fingerprint(files.server)}`);
			files.context = await files.browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 1280, height: 1100 } });
			files.page = await files.#openPage();
			return files;
		} catch (error) {
			await files.close();
			throw error;
		}
	}

	/** The browser and the site; the server goes with its own stop(). */
	async close() {
		await this.browser?.close();
		this.site?.close();
	}

	get origin() { return `http://127.0.0.1:${this.site.address().port}`; }

	#serve() {
		const routes = {
			"/": () => ["text/html", page],
			"/settings.json": () => ["application/json", JSON.stringify({ url: this.server.url, apiKey: this.server.apiKey, slug, session })],
			// The hostile files where they may do what they like.
			...Object.fromEntries(HOSTILE.map(([, type, text], n) => [`/hostile-${n}`, () => [type, text(this.origin, `control ${n}`)]])),
		};
		this.site = http.createServer((request, response) => {
			if (request.url.startsWith("/beacon?")) this.beacons.push(decodeURIComponent(request.url.slice(8)));
			const [type, body] = routes[request.url]?.() ?? ["text/plain", "not found"];
			response.writeHead(request.url in routes ? 200 : 404, { "Content-Type": type });
			response.end(body);
		});
		return new Promise((resolve) => this.site.listen(0, "127.0.0.1", resolve));
	}

	// Playwright does not show preflights, nor how much came of an answer that was cut: the protocol below it does.
	async #watchNetwork(opened) {
		const cdp = await this.context.newCDPSession(opened);
		await cdp.send("Network.enable");
		cdp.on("Network.requestWillBeSent", ({ requestId, request, type }) => {
			if (type === "Preflight" || request.method === "OPTIONS")
				this.preflights.push(`${request.headers["Access-Control-Request-Method"]} ${request.url}`);
			if (type === "Media") this.media.set(requestId, { url: request.url, range: request.headers.Range, bytes: 0 });
		});
		cdp.on("Network.responseReceived", ({ requestId, response }) => {
			if (this.media.has(requestId)) Object.assign(this.media.get(requestId), { status: response.status, headers: response.headers });
		});
		cdp.on("Network.dataReceived", ({ requestId, dataLength }) => {
			if (this.media.has(requestId)) this.media.get(requestId).bytes += dataLength;
		});
	}

	async #openPage() {
		const opened = await this.context.newPage();
		opened.faults = [];
		opened.on("pageerror", (error) => opened.faults.push(String(error)));
		await this.#watchNetwork(opened);
		await opened.goto(this.origin);
		await opened.waitForFunction("window.ready").catch((error) => assert.fail(`${error.message} ${opened.faults}`));
		return opened;
	}

	/** Opens an address in a tab of its own, where it is shown or becomes a download. without: an answer's header that
	 *  this browser is not to see. */
	async navigate(url, { without } = {}) {
		const tab = await this.context.newPage();
		try {
			if (without)
				await tab.route(url, async (route) => {
					const response = await route.fetch();
					const { [without]: hidden, ...headers } = response.headers();
					assert.ok(hidden, `no ${without}`);
					await route.fulfill({ response, headers });
				});
			const download = new Promise((resolve) => tab.once("download", resolve));
			const shown = await tab.goto(url).catch((error) => {
				if (!/Download is starting|ERR_ABORTED/.test(error.message)) throw error;
			});
			if (!shown) return { download: (await download).suggestedFilename() };
			return { title: await tab.title(), status: shown.status() };
		} finally {
			await tab.close();
		}
	}

	/** An upload was answered as it must be. */
	check(name, mimeType, answer) {
		assert.equal(answer.status, 201, answer.text);
		const file = JSON.parse(answer.text);
		assert.deepEqual([file.name, file.mimeType], [name, mimeType]);
		assert.deepEqual(Object.keys(file).sort(), ["mimeType", "name", "size", "uploadedAt"]);
		assert.ok(Math.abs(file.uploadedAt - Date.now()) < 60_000, `uploaded at ${file.uploadedAt}`);
		assert.match(answer["X-Request-Id"] ?? "", /^[\w-]{8,64}$/);
		this.sent.set(name, file);
		return file;
	}

	/** What report.files has of the session's workspace. */
	rows(columns) {
		return this.server.psql(`select ${columns} from report.files where workspace = '${slug}' order by type, name collate "C"`);
	}
}
