// incoming.mjs: reads what a request brings: its body, form fields, cookies and credentials.

const BODY_LIMIT = 1 << 20;
const SECRET = /^(access_token|authenticity_token|client_secret|code|code_verifier|password|refresh_token|return_to|state|ticket|token)$/;

/** Names to values for the log, where the secret ones become "…". */
export const masked = (parameters) =>
	Object.fromEntries([...parameters].map(([name, value]) => [name, SECRET.test(name) ? "…" : value]));

export function cookiesOf({ headers }) {
	const pairs = (headers.cookie ?? "").split(/;\s*/).map((pair) => pair.split(/=(.*)/s));
	return Object.fromEntries(pairs.filter(([name]) => name).map(([name, value = ""]) => [name, value]));
}

/** The token of `Bearer` or `token` credentials; null. */
export const bearerToken = ({ headers }) => /^(?:bearer|token)\s+(\S+)$/i.exec(headers.authorization ?? "")?.[1] ?? null;

/** [user, password] of `Basic` credentials; null. */
export function basicPair({ headers }) {
	const [, encoded] = /^basic\s+(\S+)$/i.exec(headers.authorization ?? "") ?? [];
	if (!encoded) return null;
	const [user, password = ""] = Buffer.from(encoded, "base64").toString("utf8").split(/:(.*)/s);
	return [user, password];
}

/** The token of `Basic` credentials as git sends them: the password whatever the user's name is, or the name alone. */
export function basicToken(request) {
	const [user, password] = basicPair(request) ?? [];
	return (["", "x-oauth-basic"].includes(password) ? user : password) ?? null;
}

/** Resolves to {body, fields}: a text, and its form or JSON members as URLSearchParams. */
export async function readBody(request) {
	const parts = [];
	let size = 0;
	for await (const part of request) {
		size += part.length;
		if (size > BODY_LIMIT) throw new Error("a body of more than 1 MB");
		parts.push(part);
	}
	const body = Buffer.concat(parts).toString("utf8");
	return { body, fields: fieldsOf(body, request.headers["content-type"] ?? "") };
}

function fieldsOf(body, type) {
	if (/^application\/x-www-form-urlencoded\b/i.test(type)) return new URLSearchParams(body);
	if (!/^application\/json\b/i.test(type)) return new URLSearchParams();
	try {
		const members = Object.entries(JSON.parse(body)).filter(([, value]) => ["string", "number"].includes(typeof value));
		return new URLSearchParams(members.map(([name, value]) => [name, String(value)]));
	} catch {
		return new URLSearchParams();
	}
}
