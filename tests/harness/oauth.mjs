// oauth.mjs: a server and a fake GitHub that know each other, and the steps of a login between them.
//
//   const rig = await startRig({ env: { GITHUB_REVOKE: "1" } });
//   after(() => rig.stop());
//
//   const { authUrl } = (await rig.check("team", "alice/notes")).json;
//   const location = await rig.login("team", "alice/notes", "alice");          // all of it, without a browser
//   const back = await rig.consent("team", "alice/notes", "alice");            // up to GitHub's redirect to the callback
//   const state = rig.state({ workspace, repoKey, redirectUri, expires });     // as the server makes them
//   const { plain } = rig.credential("team", "alice/notes");                   // what is stored, opened
//
// Whatever secret passes through is remembered: stop() fails when a log holds one of them.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from "node:crypto";
import { copyFileSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { startGitHub } from "../fakes/github.mjs";
import { ROOT, startServer, waitFor } from "./server.mjs";

const BUILD = path.resolve(ROOT, process.env.CRAFT_BUILD_DIR ?? "build");
export const APP_URI = "craft-agent://oauth/callback";
export const CALLBACK = "/oauth/github/callback";
const REMEMBERED = new Set(["code", "state", "ticket"]);

/** github: options of startGitHub; people: users; env: of the server, null for a key that is not to be set; more: as
 *  startServer takes it. */
export async function startRig({ github: options = {}, people = ["alice", "bob"], env = {}, ...more } = {}) {
	const github = await startGitHub(options);
	try {
		for (const login of people) github.addUser(login);
		const all = { GITHUB_URL: github.url, GITHUB_API_URL: github.apiUrl, GITHUB_CA_FILE: github.caFile,
			GITHUB_CLIENT_ID: github.app.clientId, GITHUB_CLIENT_SECRET: github.app.clientSecret, ...env };
		const server = await startServer({ ...more, env: Object.fromEntries(Object.entries(all).filter(([, v]) => v !== null)) });
		return new Rig(github, server);
	} catch (error) {
		await github.stop();
		throw error;
	}
}

export class Rig {
	/** tokens, secrets: what no log may hold. */
	constructor(github, server) {
		Object.assign(this, { github, server, tokens: [], secrets: new Set([github.app.clientSecret]) });
		// The limit of GitHub for one user would have one test take another one's token away.
		github.tokenLimit = Infinity;
		github.app.callbackUrl = server.url + CALLBACK;
		this.secrets.add(this.encryptionKey);
		this.#listen();
	}

	#listen() {
		const { github } = this;
		github.onRefreshToken = (refresh) => this.secrets.add(refresh);
		const issue = github.issueToken.bind(github);
		github.issueToken = (...args) => {
			const token = issue(...args);
			this.tokens.push(token);
			this.secrets.add(token);
			return token;
		};
	}

	/** Remembers what is secret in a URL; returns it. */
	note(url) {
		if (URL.canParse?.(url) === false) return url;
		for (const [name, value] of new URL(url, this.server.url).searchParams)
			if (REMEMBERED.has(name) && value.length >= 16) this.secrets.add(value);
		return url;
	}

	async stop() {
		try {
			if (this.server.ready) this.assertNoSecret(this.server.logs(), "a log");
		} finally {
			await Promise.all([this.github.stop(), this.server.stop()]);
		}
	}

	assertNoSecret(text, where) {
		for (const secret of this.secrets) {
			const at = text.indexOf(secret);
			// Without showing it.
			if (at >= 0) assert.fail(`${where} holds a secret after: ${text.slice(Math.max(0, at - 200), at)}`);
		}
	}

	// ---- configuration ----

	get confFile() { return path.join(this.server.dir, "conf/craft-agent-cloud.conf"); }

	get encryptionKey() { return this.configured("ENCRYPTION_KEY"); }

	configured(key) { return new RegExp(`^${key}=(.*)$`, "m").exec(readFileSync(this.confFile, "utf8"))?.[1]; }

	/** Stops the server, changes its configuration (null: takes the key out) and starts it again. */
	async reconfigure(changes) {
		const { server } = this;
		await server.down();
		const lines = readFileSync(this.confFile, "utf8").split("\n");
		// The same file, so that it stays its owner's.
		writeFileSync(this.confFile, lines.filter((line) => !(line.split("=")[0] in changes)).join("\n"));
		for (const [key, value] of Object.entries(changes)) {
			if (value === null) delete server.env[key];
			else server.env[key] = value;
		}
		await server.up();
		this.secrets.add(this.encryptionKey);
	}

	/** Runs craft-cloud as the daemons' user: {code, stdout, stderr}. */
	cloud(...args) {
		const { uid, gid } = statSync(this.confFile);
		// The build directory may be closed to that user.
		const program = path.join(this.server.dir, "craft-cloud");
		copyFileSync(path.join(BUILD, "cli/craft-cloud"), program);
		const options = { cwd: "/", env: { PATH: process.env.PATH }, ...(process.getuid() === 0 && { uid, gid }) };
		return new Promise((resolve) => {
			execFile(program, [...args, "--config", this.confFile], options, (error, stdout, stderr) =>
				resolve({ code: error ? error.code : 0, stdout, stderr }));
		});
	}

	// ---- requests ----

	repoUrl(repoKey) { return `${this.github.url}/${repoKey}`; }

	/** POST /api/sandbox/check. */
	async check(workspaceSlug, repoKey, repoUrl = this.repoUrl(repoKey)) {
		const answer = await this.server.request("/api/sandbox/check", { method: "POST", body: { workspaceSlug, repoKey, repoUrl } });
		if (answer.status === 200 && answer.json.authUrl) this.note(answer.json.authUrl);
		return answer;
	}

	/** The authUrl of a project that needs one. */
	async authUrl(workspace, repoKey) {
		const { status, json } = await this.check(workspace, repoKey);
		assert.equal(status, 200);
		assert.deepEqual([json.ready, json.needsAuth], [false, true]);
		return json.authUrl;
	}

	async isReady(workspace, repoKey) {
		const { status, json, text } = await this.check(workspace, repoKey);
		assert.equal(status, 200, text);
		if (json.ready) assert.equal(text, '{"ready":true}');
		return json.ready;
	}

	/** Opens a URL of this server without a key, as a browser does. */
	visit(url, options = {}) {
		const { origin, pathname, search } = new URL(url, this.server.url);
		assert.equal(origin, this.server.url, url);
		this.note(url);
		return this.server.request(pathname + search, { key: null, ...options });
	}

	/** Path and query of /oauth/github with these parameters: those that are null are left out. */
	startPath(workspaceSlug, repoKey, { redirectUri = APP_URI, ...more } = {}) {
		const all = Object.entries({ workspaceSlug, repoKey, redirectUri, ...more }).filter(([, value]) => value !== null);
		return `/oauth/github?${all.map((pair) => pair.map(encodeURIComponent).join("=")).join("&")}`;
	}

	/** The URL of GitHub to which the server sends a browser that comes with the API key. */
	async toGitHub(workspace, repoKey, options) {
		const answer = await this.server.request(this.startPath(workspace, repoKey, options));
		assert.equal(answer.status, 302, answer.text);
		return this.note(answer.headers.location);
	}

	/** The callback's URL with the code, after that person consented (or not: deny). */
	async consent(workspace, repoKey, login, { deny = false, ...options } = {}) {
		return this.note(await this.github.authorize(await this.toGitHub(workspace, repoKey, options), login, { deny }));
	}

	/** Where the browser ends after the callback. */
	async land(callback) {
		const answer = await this.visit(callback);
		assert.equal(answer.status, 302, answer.text);
		return answer.headers.location;
	}

	/** A whole login; the URL at its end. */
	async login(workspace, repoKey, login, options) {
		return this.land(await this.consent(workspace, repoKey, login, options));
	}

	success(repoKey, login, uri = `${APP_URI}?`) {
		return `${uri}success=true&repo=${encodeURIComponent(repoKey)}&username=${encodeURIComponent(login)}`;
	}

	failure(repoKey, code, uri = `${APP_URI}?`) { return `${uri}error=${code}&repo=${encodeURIComponent(repoKey)}`; }

	/** A login that must succeed. */
	async authorize(workspace, repoKey, login) {
		assert.equal(await this.login(workspace, repoKey, login), this.success(repoKey, login));
	}

	/** An answer that is an error in JSON and sends nobody anywhere. */
	assertRefused(answer, status, pattern, what) {
		assert.equal(answer.status, status, `${what ?? ""} ${answer.text}`);
		assert.equal(answer.headers.location, undefined, what);
		assert.match(answer.headers["content-type"], /^application\/json\b/, what);
		assert.match(answer.json.error, pattern, what);
	}

	// ---- what the server makes ----

	/** A state as fcgi/oauth_token.c writes it; expires: seconds since 1970. */
	state(grant, options = {}) {
		const { nonce = randomBytes(16), ...more } = options;
		return this.#sealed("oauth state", (expires, fields) => Buffer.concat([expires, nonce, fields]), grant, more);
	}

	/** A ticket likewise: of what is signed only the time is in it. */
	ticket(grant, options) {
		return this.#sealed("oauth ticket", (expires, fields) => Buffer.concat([expires, fields]), grant, options, 8);
	}

	#sealed(label, text, grant, { expires = seconds() + 600, key = this.encryptionKey } = {}, kept) {
		const time = Buffer.alloc(8);
		time.writeBigInt64BE(BigInt(expires));
		const { workspace, repoKey, redirectUri = APP_URI } = grant;
		const signed = text(time, Buffer.concat([workspace, repoKey, redirectUri].flatMap(field)));
		const derived = Buffer.from(hkdfSync("sha256", Buffer.from(key, "hex"), "", label, 32));
		const mac = createHmac("sha256", derived).update(signed).digest();
		const made = Buffer.concat([signed.subarray(0, kept), mac]).toString("base64url");
		this.secrets.add(made);
		return made;
	}

	// ---- what is stored ----

	/** {sealed, plain (parsed)}: plain is null when the key doesn't open it; null when there is none. */
	credential(workspace, repoKey, key = this.encryptionKey) {
		const sealed = this.server.psqlValue(`select c.sealed from app.credential c join app.workspace w on w.id = c.workspace_id
			where w.slug = ${quote(workspace)} and c.repo_key = ${quote(repoKey)}`);
		return sealed === undefined ? null : { sealed, plain: unseal(sealed, key, { workspace, item: repoKey.toLowerCase() }) };
	}

	/** Has GitHub's last word on a credential be of an hour ago, so that it is asked again. */
	age(workspace) {
		this.server.psql(`update app.credential set checked_at = now() - interval '1 hour'
			where workspace_id = (select id from app.workspace where slug = ${quote(workspace)})`);
	}

	project(workspace, repoKey) {
		return this.server.request(`/workspace/${encodeURIComponent(workspace)}/projects/${encodeURIComponent(repoKey)}`);
	}

	async projects(workspace) {
		const answer = await this.server.request(`/workspace/${encodeURIComponent(workspace)}/projects`);
		assert.equal(answer.status, 200, answer.text);
		return answer.json;
	}

	forget(workspace, repoKey, options) {
		const target = `/workspace/${encodeURIComponent(workspace)}/projects/${encodeURIComponent(repoKey)}/credential`;
		return this.server.request(target, { method: "DELETE", ...options });
	}

	// ---- a fake that hangs ----

	/** GitHub doesn't answer, until letGo(). */
	hang(route = "*") { this.github.behave(route, "never"); }

	letGo(route = "*") {
		this.github.behave(route, null);
		this.github.release();
	}

	held(count) { return waitFor(() => this.github.held >= count, { what: `${count} requests at GitHub` }); }
}

export const seconds = () => Math.floor(Date.now() / 1000);

export const quote = (text) => `'${text.replaceAll("'", "''")}'`;

function field(text) {
	const bytes = Buffer.from(text);
	const length = Buffer.alloc(2);
	length.writeUInt16BE(bytes.length);
	return [length, bytes];
}

/** The associated data of the bound form: purpose, workspace and item, each behind its length. */
function placeBytes({ purpose = "github credential", workspace, item = "" }) {
	return Buffer.concat([purpose, workspace, item].flatMap((text) => {
		const length = Buffer.alloc(4);
		length.writeUInt32BE(Buffer.byteLength(text));
		return [length, Buffer.from(text)];
	}));
}

/** Seals as lib/seal.h says: bound to a place, or (null) in the older form. */
export function seal(plain, key, place) {
	const iv = randomBytes(12);
	const cipher = createCipheriv("aes-256-gcm", Buffer.from(key, "hex"), iv);
	if (place) cipher.setAAD(placeBytes(place));
	const text = [iv, cipher.update(plain, "utf8"), cipher.final(), cipher.getAuthTag()];
	return `${place ? "2:" : ""}${Buffer.concat(text).toString("base64")}`;
}

/** base64(IV ‖ AES-256-GCM ‖ tag), or 2: and the same bound to its place; parsed as JSON; null when this key doesn't open it. */
export function unseal(sealed, key, place) {
	const bound = sealed.startsWith("2:");
	const base64 = bound ? sealed.slice(2) : sealed;
	const raw = Buffer.from(base64, "base64");
	assert.equal(raw.toString("base64"), base64, "plain base64");
	const decipher = createDecipheriv("aes-256-gcm", Buffer.from(key, "hex"), raw.subarray(0, 12));
	if (bound) decipher.setAAD(placeBytes(place));
	decipher.setAuthTag(raw.subarray(-16));
	try {
		return JSON.parse(Buffer.concat([decipher.update(raw.subarray(12, -16)), decipher.final()]).toString("utf8"));
	} catch {
		return null;
	}
}

/** Runs git in a directory, without any of the user's configuration: {ok, out, err}. */
export function git(cwd, caFile, ...args) {
	const env = { PATH: process.env.PATH, HOME: cwd, LC_ALL: "C.UTF-8", GIT_CONFIG_NOSYSTEM: "1", GIT_TERMINAL_PROMPT: "0",
		GIT_SSL_CAINFO: caFile };
	return new Promise((resolve) => {
		execFile("git", args, { cwd, env }, (error, stdout, stderr) => resolve({ ok: !error, out: stdout, err: stderr }));
	});
}
