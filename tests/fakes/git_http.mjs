// git_http.mjs: real repositories on disk, served over smart HTTP by git's own `git http-backend`.

import { execFile, spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import path from "node:path";
import { text } from "./answer.mjs";
import { basicToken } from "./incoming.mjs";

const REFUSED = { "WWW-Authenticate": 'Basic realm="GitHub"' };

// As GitHub has them: partial clones and the fetch of any commit work.
const CONFIG = ["uploadpack.allowFilter=true", "uploadpack.allowAnySHA1InWant=true", "http.receivepack=true",
	"gc.auto=0", "receive.autogc=false"];

// A path or text as git fast-import reads it.
const quoted = (value) => `"${value.replace(/["\\]/g, "\\$&").replace(/\n/g, "\\n")}"`;

function changes(files) {
	return Object.entries(files).flatMap(([name, file]) => {
		if (file === null) return [`D ${quoted(name)}\n`];
		const { content, mode = "100644" } = typeof file === "string" || Buffer.isBuffer(file) ? { content: file } : file;
		if (mode === "160000") return [`M 160000 ${content} ${quoted(name)}\n`];
		const bytes = Buffer.from(content);
		return [`M ${mode} inline ${quoted(name)}\ndata ${bytes.length}\n`, bytes, "\n"];
	});
}

export class GitRepositories {
	#root;
	#env;
	#children = new Set();
	#seconds = 1_700_000_000;
	/** What git http-backend said on stderr: for a look when a test fails. */
	errors = "";

	constructor(dir) {
		this.#root = path.join(dir, "repositories");
		mkdirSync(this.#root, { mode: 0o700 });
		// Nothing of the environment's: a GIT_DIR there or the user's configuration would have its say.
		this.#env = { PATH: process.env.PATH, HOME: dir, LC_ALL: "C.UTF-8", GIT_CONFIG_NOSYSTEM: "1",
			GIT_CONFIG_GLOBAL: "/dev/null" };
	}

	path(id) { return path.join(this.#root, `${id}.git`); }

	/** Runs git in a repository: resolves to its stdout without the last newline, rejects with its stderr. */
	git(id, args, input = "") {
		return new Promise((resolve, reject) => {
			const child = execFile("git", ["-C", id === null ? this.#root : this.path(id), ...args],
				{ env: this.#env, maxBuffer: 1 << 30 }, (error, stdout, stderr) => {
					this.#children.delete(child);
					if (error) reject(new Error(`git ${args[0]}: ${stderr || error.message}`));
					else resolve(stdout.replace(/\n$/, ""));
				});
			this.#children.add(child);
			child.stdin.on("error", () => {});
			child.stdin.end(input);
		});
	}

	async create(id, defaultBranch) {
		await this.git(null, ["init", "-q", "--bare", "-b", defaultBranch, this.path(id)]);
		for (const setting of CONFIG) await this.git(id, ["config", ...setting.split("=")]);
	}

	/** Adds a commit: {branch, from, message, author, files}; see GitHub.commit(). Resolves to its id. */
	async commit(id, { branch, from = branch, message = "A commit", author = "Octo Cat <octo@example.com>", files = {} }) {
		const parent = await this.git(id, ["rev-parse", "-q", "--verify", `${from}^{commit}`]).catch(() => null);
		if (!parent && from !== branch) throw new Error(`no ${from} to begin ${branch} at`);
		const bytes = Buffer.from(message);
		const parts = [`commit refs/heads/${branch}\ncommitter ${author} ${this.#seconds++} +0000\ndata ${bytes.length}\n`,
			bytes, "\n", parent ? `from ${parent}\n` : "", ...changes(files), "\n"];
		await this.git(id, ["fast-import", "--quiet", "--force"], Buffer.concat(parts.map((part) => Buffer.from(part))));
		return this.git(id, ["rev-parse", `refs/heads/${branch}`]);
	}

	/** Lets git http-backend answer; file is "info/refs", "git-upload-pack" or "git-receive-pack". */
	async serve(id, file, { request, query, user }) {
		const { headers } = request;
		const env = { ...this.#env, GIT_PROJECT_ROOT: this.#root, GIT_HTTP_EXPORT_ALL: "1", PATH_INFO: `/${id}.git/${file}`,
			REQUEST_METHOD: request.method, QUERY_STRING: query, REMOTE_ADDR: request.socket.remoteAddress ?? "",
			CONTENT_TYPE: headers["content-type"] ?? "", ...(user && { REMOTE_USER: user }),
			...(headers["content-length"] && { CONTENT_LENGTH: headers["content-length"] }),
			// http-backend itself unpacks compressed bodies.
			...(headers["content-encoding"] && { HTTP_CONTENT_ENCODING: headers["content-encoding"] }),
			...(headers["git-protocol"] && { GIT_PROTOCOL: headers["git-protocol"] }) };
		const child = spawn("git", ["http-backend"], { env, cwd: this.#root, stdio: ["pipe", "pipe", "pipe"] });
		this.#watch(child, request);
		return parseHead(await readHead(child.stdout), child.stdout);
	}

	#watch(child, request) {
		this.#children.add(child);
		child.on("error", (error) => { this.errors += `${error.message}\n`; });
		// The client went away: what is half done ends.
		const { socket } = request;
		const stop = () => child.kill();
		socket.once("close", stop);
		child.on("close", () => {
			socket.off("close", stop);
			this.#children.delete(child);
		});
		child.stderr.setEncoding("utf8").on("data", (said) => { this.errors = (this.errors + said).slice(-65536); });
		child.stdin.on("error", () => {});
		request.pipe(child.stdin);
	}

	async stop() {
		const gone = [...this.#children].map((child) => new Promise((resolve) => child.once("close", resolve)));
		this.kill();
		await Promise.all(gone);
	}

	/** At once, for a process that is about to end. */
	kill() { for (const child of this.#children) child.kill("SIGKILL"); }
}

// The CGI header, up to the empty line; what follows stays in the stream.
async function readHead(stream) {
	let head = Buffer.alloc(0);
	for (;;) {
		const end = head.indexOf("\r\n\r\n");
		if (end >= 0) {
			if (end + 4 < head.length) stream.unshift(head.subarray(end + 4));
			return head.subarray(0, end).toString("latin1");
		}
		const chunk = stream.read();
		if (chunk) head = Buffer.concat([head, chunk]);
		else if (stream.readableEnded || stream.destroyed) throw new Error(`git http-backend said only: ${head}`);
		else await new Promise((resolve) => ["readable", "end", "close"].forEach((name) => stream.once(name, resolve)));
	}
}

function parseHead(head, body) {
	const headers = Object.fromEntries(head.split("\r\n").map((line) => {
		const colon = line.indexOf(":");
		return [line.slice(0, colon), line.slice(colon + 1).trim()];
	}));
	const { Status: status = "200 OK", ...rest } = headers;
	return { status: Number.parseInt(status, 10), headers: rest, body };
}

// What GitHub says to a client that may not do this; null when it may.
function refusal(github, { repo, identity, wantsWrite }) {
	const may = repo ? github.permission(repo, identity) : null;
	if (!identity && (!may || wantsWrite))
		return text(401, may ? "No anonymous write access.\n" : "Repository not found.\n", REFUSED);
	if (!may) return text(404, "Repository not found.\n");
	if (!wantsWrite) return null;
	if (repo.archived) return text(403, "This repository was archived so it is read-only.\n");
	if (may === "read")
		return text(403, `Permission to ${repo.fullName}.git denied to ${identity.login}.\n`);
	if (!identity.scopes.some((scope) => scope === "repo" || (scope === "public_repo" && !repo.private)))
		return text(403, "Write access to repository not granted.\n");
	return null;
}

async function handleGit(github, { request, url, groups, entry }) {
	const { owner, name, file } = groups;
	const service = file === "info/refs" ? url.searchParams.get("service") : file;
	const identity = github.identify(basicToken(request), entry);
	if (request.headers.authorization && !identity)
		return text(401, "Invalid username or token. Password authentication is not supported for Git operations.\n", REFUSED);
	const moved = github.renamed(owner, name);
	const repo = moved ?? github.findRepo(owner, name);
	const refused = refusal(github, { repo, identity, wantsWrite: service === "git-receive-pack" });
	if (refused) return refused;
	if (!["git-upload-pack", "git-receive-pack"].includes(service))
		return text(403, "Please upgrade your git client.\nGitHub.com no longer supports git over dumb-http.\n");
	if (moved) return text(301, "", { Location: `${github.url}/${moved.fullName}.git/${file}${url.search}` });
	return github.repositories.serve(repo.id, file, { request, query: url.search.slice(1), user: identity?.login });
}

const gitPath = (file) => new RegExp(`^/(?<owner>[^/]+)/(?<name>[^/]+?)(?:\\.git)?/(?<file>${file})$`);

export const gitRoutes = [
	{ name: "git", site: "web", method: "GET", path: gitPath("info/refs"), stream: true, handle: handleGit },
	{ name: "git", site: "web", method: "POST", path: gitPath("git-(?:upload|receive)-pack"), stream: true, handle: handleGit },
];
