// chromium.mjs: headless Chromium.
//
//	if (!noChromium) browser = await launchChromium();

import { existsSync } from "node:fs";
import { chromium } from "playwright-core";
import { backstop, stretched } from "./pace.mjs";

const CHROMIUM = process.env.CRAFT_CHROMIUM ?? "/usr/bin/chromium";

/** Why tests that need it are skipped, or false. */
export const noChromium = existsSync(CHROMIUM) || process.env.CI ? false : `no ${CHROMIUM}: apt-get install chromium`;

/** Playwright's browser. args: more of Chromium's switches. What is waited for there may take longer beside a load. */
export async function launchChromium(...args) {
	const browser = await chromium.launch({ executablePath: CHROMIUM, timeout: backstop(30_000), args: ["--no-sandbox", "--disable-gpu",
		"--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", ...args] });
	const newContext = browser.newContext.bind(browser);
	browser.newContext = async (options) => {
		const context = await newContext(options);
		context.setDefaultTimeout(stretched(30_000));
		return context;
	};
	return browser;
}
