// statements.mjs: the SQL statements that daemons prepare, as PostgreSQL describes them: what the program of one release and
// the schema of the next must agree on.
//
//	const list = collectStatements(server);              // [{ program, name, sql }], from the log of startServer(LOGGED)
//	const described = describe(server, "craft", list);   // with parameters, columns, and error: null, or why not

import { spawnSync } from "node:child_process";

/** For startServer(): PostgreSQL logs each statement that is parsed. */
export const LOGGED = { CRAFT_PG_FLAGS: "-c log_min_duration_statement=0 -c log_line_prefix=%a|%u|", METRICS: "yes", SWEEP_INTERVAL: "1" };

/** What the daemons' role has had parsed until now. A program's connections ("craft-ws-bridge read") count as one program. */
export function collectStatements(server) {
	const found = new Map();
	for (const line of server.logs("postgres").split("\n")) {
		const match = /^(craft-\S+)[^|]*\|craft_daemon\|LOG: {2}duration: \S+ ms {2}parse (\S+): (.*)$/.exec(line);
		if (!match) continue;
		const [, program, name, sql] = match;
		found.set(`${program} ${sql}`, { program, name: name === "<unnamed>" ? "" : name, sql });
	}
	return [...found.values()].sort((a, b) => (`${a.program} ${a.name} ${a.sql}` < `${b.program} ${b.name} ${b.sql}` ? -1 : 1));
}

// What is no query has neither parameters nor columns, and PREPARE takes none.
const isQuery = (sql) => /^select\b/i.test(sql);

function describeScript(list) {
	const steps = ["set role craft_daemon;", "set plan_cache_mode = force_generic_plan;"];
	list.forEach(({ sql }, i) => {
		const failed = `\\if :ERROR\n\\qecho E :LAST_ERROR_MESSAGE\n\\endif`;
		steps.push(`\\qecho S ${i}`);
		if (!isQuery(sql)) return;
		steps.push(`prepare s${i} as ${sql};`, failed, `select 'P ' || coalesce(array_to_string(parameter_types::text[], '|'), '') from pg_prepared_statements where name = 's${i}';`,
			`${sql} \\gdesc`, failed,
			// Who may not call a function hears it only when it is to be run.
			`\\qecho X`, `explain (costs off) execute s${i}${nulls(sql)};`, failed, `\\qecho Y`);
	});
	return steps.join("\n");
}

const nulls = (sql) => {
	const count = Math.max(0, ...[...sql.matchAll(/\$(\d+)/g)].map(([, n]) => Number(n)));
	return count ? `(${Array(count).fill("null").join()})` : "";
};

export function describe(server, database, list) {
	const { status, stdout, stderr } = spawnSync("psql", ["-XqAt", "-F", "\u001f", "-h", server.pgHost, "-U", "postgres", "-d", database], { input: describeScript(list), encoding: "utf8" });
	if (status !== 0) throw new Error(`psql: ${stderr}`);
	const described = list.map(({ program, name, sql }) => ({ program, name, sql, parameters: [], columns: [], error: null }));
	let now, explaining = false;
	for (const line of stdout.split("\n")) {
		if (/^S \d+$/.test(line)) [now, explaining] = [described[Number(line.slice(2))], false];
		else if (line === "X") explaining = true;
		else if (line === "Y") explaining = false;
		else if (/^E /.test(line)) now.error ??= line.slice(2);
		else if (explaining || !line) continue;
		else if (/^P /.test(line)) now.parameters = line.slice(2).split("|").filter(Boolean);
		else now.columns.push(line.split("\u001f"));
	}
	return described;
}
