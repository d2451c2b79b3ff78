// chromium.mjs: headless Chromium.
//
//	if (!noChromium) browser = await launchChromium();

import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

const CHROMIUM = process.env.CRAFT_CHROMIUM ?? "/usr/bin/chromium";

/** Why tests that need it are skipped, or false. */
export const noChromium = existsSync(CHROMIUM) || process.env.CI ? false : `no ${CHROMIUM}: apt-get install chromium`;

/** Playwright's browser. args: more of Chromium's switches. */
export const launchChromium = (...args) => chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-gpu", "--disable-quic",
	"--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", ...args] });
