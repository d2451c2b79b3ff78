// tap.mjs: reads TAP (versions 12 to 14, with node's indented subtests) and counts the leaves.

/** Parses the output of one producer. Returns {passed, failed, skipped, failures, skips, error}:
 *  failures: [{name, diagnostic}], skips: [{name, reason}]; error: why the output as a whole can't be
 *  trusted (no plan, another number of tests than planned, bail out), or null. */
export function parseTap(text) {
	const result = { passed: 0, failed: 0, skipped: 0, failures: [], skips: [], error: null };
	const path = []; // names of the subtests that are open, by level
	const seen = [0]; // results per level since the last result of the level above
	let plan = null, skipAll = null, topLevel = 0, failure = null, inYaml = null;

	const count = (ok, name, directive) => {
		failure = null;
		if (directive !== undefined) {
			result.skipped++;
			result.skips.push({ name, reason: directive });
		} else if (ok) {
			result.passed++;
		} else {
			result.failed++;
			result.failures.push(failure = { name, diagnostic: "" });
		}
	};

	for (const line of text.split("\n")) {
		const indent = line.match(/^ */)[0].length;
		const rest = line.slice(indent);
		// A YAML block belongs to the result above it; what it holds is not TAP.
		if (inYaml !== null) {
			if (rest === "..." && indent === inYaml) inYaml = null;
			else if (failure) failure.diagnostic += `${line}\n`;
			continue;
		}
		if (rest === "---" && indent > 0) {
			inYaml = indent;
			continue;
		}
		const level = indent >> 2;
		const found = rest.match(/^(not )?ok\b(?:\s+\d+)?\s*-?\s*(.*?)(?:\s+#\s*SKIP\S*\s*(.*))?$/is);
		const subtest = rest.match(/^# Subtest: (.*)$/s);
		const planned = rest.match(/^1\.\.(\d+)(?:\s*#\s*SKIP\S*\s*(.*))?$/i);
		if (subtest) {
			path.length = level;
			path[level] = subtest[1];
		} else if (found && indent % 4 === 0) {
			const name = [...path.slice(0, level), found[2] || "(no name)"].join(" > ");
			const children = seen[level + 1] ?? 0;
			seen.length = level + 1;
			seen[level] = (seen[level] ?? 0) + 1;
			if (level === 0) topLevel++;
			// A parent repeats what its children said, unless it fails by itself (a hook, a deadline).
			if (!children) count(!found[1], name, found[3]);
			else if (found[1] && !result.failures.some((f) => f.name.startsWith(`${name} > `))) count(false, name);
			else failure = null;
		} else if (planned && level === 0) {
			plan = Number(planned[1]);
			if (plan === 0) skipAll = planned[2] ?? "";
		} else if (/^Bail out!/.test(line)) {
			result.error = line;
		} else if (failure && rest.startsWith("#")) {
			failure.diagnostic += `${line}\n`;
		}
	}
	if (skipAll !== null && topLevel === 0) {
		result.skipped++;
		result.skips.push({ name: "all of it", reason: skipAll });
	} else if (!result.error && plan === null) result.error = "no plan: it died or is no TAP";
	else if (!result.error && plan !== topLevel) result.error = `planned ${plan} tests, ran ${topLevel}`;
	return result;
}
