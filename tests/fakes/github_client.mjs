// github_client.mjs: methods of GitHub that use it from outside, as a program or a person at a browser would.

import http from "node:http";
import https from "node:https";
import { readFileSync } from "node:fs";

/** One request, redirects are not followed: {status, headers, text, json (getter)}. body: text, URLSearchParams (a form)
 *  or another object (JSON). */
export function request(target, { method = "GET", headers = {}, body } = {}) {
	const form = body instanceof URLSearchParams;
	const type = form ? "application/x-www-form-urlencoded" : "application/json";
	const bytes = body === undefined || typeof body === "string" ? body : form ? String(body) : JSON.stringify(body);
	const all = { "User-Agent": "fake-github", ...(bytes !== body && { "Content-Type": type }), ...headers };
	const { request: open } = target.startsWith("https:") ? https : http;
	return new Promise((resolve, reject) => {
		const req = open(target, { method, headers: all, agent: false, ca: this.caFile && readFileSync(this.caFile) });
		req.on("error", reject);
		req.on("response", async (res) => {
			try {
				const parts = [];
				for await (const part of res) parts.push(part);
				const text = Buffer.concat(parts).toString("utf8");
				resolve({ status: res.statusCode, headers: res.headers, text, get json() { return JSON.parse(text); } });
			} catch (error) {
				reject(error);
			}
		});
		req.end(bytes);
	});
}

const passwordOf = (github, login) => github.users.get(login.toLowerCase()).password;

const unescape = (text) => text.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(code));

// The form of a page: its hidden fields, which go out with the others.
function fill(page, more) {
	const hidden = [...page.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)">/g)];
	return new URLSearchParams([...hidden.map(([, name, value]) => [name, unescape(value)]), ...Object.entries(more)]);
}

/** Opens an authorize URL as a browser without cookies, signs in and consents (or not). Resolves to the URL of the app to
 *  which GitHub sends the browser at the end. */
export async function authorize(authorizeUrl, login, { deny = false, password = passwordOf(this, login) } = {}) {
	const jar = new Map();
	const go = async (url, body) => {
		const Cookie = [...jar].map((pair) => pair.join("=")).join("; ");
		const answer = await this.request(url, { method: body ? "POST" : "GET", headers: Cookie ? { Cookie } : {}, body });
		for (const set of answer.headers["set-cookie"] ?? []) jar.set(...set.split(";")[0].split("="));
		return answer;
	};
	let answer = await go(authorizeUrl);
	for (;;) {
		const { location } = answer.headers;
		if (location && !location.startsWith(`${this.url}/`)) return location;
		if (location) answer = await go(location);
		else if (answer.status === 200 && answer.text.includes('name="authorize"'))
			answer = await go(`${this.url}/login/oauth/authorize`, fill(answer.text, { authorize: deny ? "0" : "1" }));
		else if (answer.status === 200 && answer.text.includes('id="login_field"') && !answer.text.includes('role="alert"'))
			answer = await go(`${this.url}/session`, fill(answer.text, { login, password }));
		else throw new Error(`authorize ended with ${answer.status}\n${answer.text.replace(/<[^>]*>/g, " ")}`);
	}
}

/** In a Playwright page that shows the sign-in or consent page: signs in when asked, and presses Authorize or Cancel. */
export async function consentIn(page, login, { deny = false, password = passwordOf(this, login) } = {}) {
	await page.waitForSelector('#login_field, button[name="authorize"]');
	if (await page.$("#login_field")) {
		await page.fill("#login_field", login);
		await page.fill("#password", password);
		await page.click('button[name="commit"]');
	}
	await page.click(`button[name="authorize"][value="${deny ? 0 : 1}"]`);
}
