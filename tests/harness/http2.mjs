// http2.mjs: the requests of Server.request() over HTTP/2, where CRAFT_TEST_HTTP2 is set: script/test runs files of e2e/ again so. What HTTP/2
// doesn't have (Transfer-Encoding, Upgrade, an agent of the test's own) goes on over HTTP/1.1.

import http2 from "node:http2";

const ONLY_1_1 = /^(transfer-encoding|connection|upgrade|expect|host|keep-alive|te)$/i;
/** Where nginx's limit for a URL is near: its answer to more is the end of the session (ENHANCE_YOUR_CALM), not 414. */
const LONGEST = 4096;
/** One session for each agent, which stands for the server's connections and ends with them. */
const sessions = new WeakMap();

/** Can the request go over HTTP/2, and is it to? agent: the one that it would have, own: the server's. */
export function overHttp2({ target, headers, agent }, own) {
	return Boolean(process.env.CRAFT_TEST_HTTP2) && (agent === own || agent === false) && target.length < LONGEST &&
		!Object.keys(headers).some((name) => ONLY_1_1.test(name));
}

/** Has a request of that agent's server gone over HTTP/2? */
export const sentOverHttp2 = (agent) => sessions.has(agent);

function connect(port) {
	const session = http2.connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false, maxSendHeaderBlockLength: 1 << 20, settings: { maxHeaderListSize: 1 << 20 } });
	session.on("error", () => {});
	session.unref();
	session.open = 0;
	return session;
}

function sessionOf(port, agent) {
	let session = sessions.get(agent);
	if (!session || session.closed || session.destroyed) {
		session = connect(port);
		sessions.set(agent, session);
		const destroy = agent.destroy.bind(agent);
		agent.destroy = () => {
			session.destroy();
			destroy();
		};
	}
	return session;
}

/** While requests are under way the session keeps the process; after the last of them it doesn't. */
function begin(session) {
	if (session.open++ === 0) session.ref();
}

function end(session, agent) {
	if (--session.open > 0) return;
	if (agent === false) session.close();
	session.unref();
}

function once({ port, path, method, headers, agent }, body) {
	const session = agent === false ? connect(port) : sessionOf(port, agent);
	begin(session);
	return new Promise((resolve, reject) => {
		const sent = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
		const stream = session.request({ ":method": method, ":path": path, ":authority": `127.0.0.1:${port}`, ...sent }, { endStream: body === undefined });
		const parts = [];
		let answer = null;
		stream.on("response", (all, flags, rawHeaders) => {
			const { ":status": status, ...rest } = all;
			answer = { status, headers: rest, rawHeaders: rawHeaders.slice(2) };
		});
		stream.on("data", (part) => parts.push(part));
		stream.on("error", () => {});
		stream.on("close", () => {
			end(session, agent);
			if (answer && stream.rstCode === http2.constants.NGHTTP2_NO_ERROR) resolve({ ...answer, body: Buffer.concat(parts) });
			else reject(Object.assign(new Error(`the stream was reset (${stream.rstCode})`), { code: "ECONNRESET", rst: stream.rstCode }));
		});
		if (body !== undefined) stream.end(body);
	});
}

/** As Server.request() answers: { status, headers, rawHeaders, body }. */
export async function http2Request(request, body) {
	for (;;) {
		try {
			return await once(request, body);
		} catch (error) {
			// More at once than nginx lets one session have: nothing was done (RFC 9113 section 8.7).
			if (error.rst !== http2.constants.NGHTTP2_REFUSED_STREAM) throw error;
		}
	}
}
