#!/usr/bin/env node
// record-statements: writes tests/upgrade/released/statements.json: every SQL statement that the daemons of this tree have
// PostgreSQL parse, with parameters and columns as it describes them. To be run at a release, on the released commit; from
// then on tests/e2e/upgrade.test.mjs holds the schema of later commits against it.

import { readdirSync, utimesSync, writeFileSync } from "node:fs";
import path from "node:path";
import { ROOT, startServer, waitFor } from "../harness/server.mjs";
import { LOGGED, collectStatements, describe } from "../harness/statements.mjs";

const server = await startServer({ env: LOGGED });
try {
	// All are prepared when a daemon connects, but for those of the sweeper, which asks for what it finds: a blob that was
	// replaced long ago, and an old one.
	for (const body of ["first", "second"]) await server.request("/files/w/s/attachments/a", { method: "PUT", body });
	server.psql("update app.blob_gone set gone_at = now() - interval '1 day'");
	const blobs = path.join(server.dir, "blobs");
	for (const sub of readdirSync(blobs).filter((name) => name.length === 2))
		for (const blob of readdirSync(path.join(blobs, sub))) utimesSync(path.join(blobs, sub, blob), 1e9, 1e9);
	const wanted = ["blobs_forget", "blobs_known", "blobs_gone", "pg_is_in_recovery", "sandbox_claim", "session_save"];
	await waitFor(() => {
		const all = collectStatements(server).map(({ sql }) => sql).join("\n");
		return wanted.every((text) => all.includes(text));
	}, { deadline: 60_000, what: "all of the statements" });
	const described = describe(server, "craft", collectStatements(server));
	for (const { program, name, error } of described) if (error) throw new Error(`${program} ${name}: ${error}`);
	const file = path.join(ROOT, "tests/upgrade/released/statements.json");
	const text = described.map(({ error, ...one }) => JSON.stringify(one)).join(",\n");
	writeFileSync(file, `[\n${text}\n]\n`);
	console.log(`wrote ${described.length} statements to ${file}`);
} finally {
	await server.stop();
}
