// logs.mjs: what must not stand in a server's logs after a test.

import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";

const COMPLAINTS = [
	/ERROR: (Address|Leak|Undefined\w*)Sanitizer[^]*?(?=\n\n|$)/,
	/^.*Sanitizer has encountered a fatal error.*$/m,
	/^.*: runtime error: .*$/m,
	/^WARNING: ThreadSanitizer[^]*?(?=\n={18}|$)/m,
	// valgrind -q says nothing else but warnings about itself.
	/^==\d+== (?!Warning:)\S[^]*?(?=\n==\d+== \n|$)/m,
	/^.*(Assertion .* failed|fatal: ).*$/m,
	/^.*exited on signal (6|11).*$/m,
];

/** Throws when a log below dir holds a complaint of a sanitizer, of valgrind, a failed assertion or the API key. */
export function scanLogs(dir, apiKey) {
	for (const name of readdirSync(dir)) {
		const text = readFileSync(path.join(dir, name), "utf8");
		for (const pattern of COMPLAINTS) {
			const found = text.match(pattern);
			if (found) throw new Error(`${name}: ${found[0].slice(0, 4000)}`);
		}
		if (apiKey && text.includes(apiKey)) throw new Error(`${name} holds the API key`);
	}
}
