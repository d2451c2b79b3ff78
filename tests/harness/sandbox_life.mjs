// sandbox_life.mjs: how far a client's sandbox is: as its WebSocket, REST and the DBAs' views tell it.

import assert from "node:assert/strict";

/** {promise, open()}: something is held until the test says so. */
export function gate() {
	let open;
	const promise = new Promise((resolve) => { open = resolve; });
	return { promise, open };
}

/** What the client was told, in order. */
export const statuses = (client) => client.messages.filter(({ type, egress }) => type === "status" && !egress).map(({ status }) => status);

/** Columns of report.sandboxes, as texts. */
export const row = ({ rig, sessionId }, columns) =>
	rig.server.psql(`select ${columns} from report.sandboxes where sandbox_session = '${sessionId}'`)[0];

/** The same of report.tasks, a row a request. */
export const tasks = ({ rig, sessionId }, columns) =>
	rig.server.psql(`select ${columns} from report.tasks where sandbox_session = '${sessionId}' order by task`);

/** The status of a refused upgrade. */
async function upgradeStatus({ rig, sessionId, slug }) {
	const error = await rig.connect(sessionId, { slug }).then(() => assert.fail("let in"), (e) => e);
	return Number(/response: (\d+)/.exec(error.message)?.[1]);
}

/** It has ended, its client was told, and nobody gets in any more. text: of its error. */
export async function assertExpired(client, text, { deadline } = {}) {
	await client.wait((m) => m.type === "status" && m.status === "expired", { what: "status expired", deadline });
	const session = await client.session();
	assert.equal(session.status, "expired");
	if (text) assert.match(session.error, text);
	assert.equal(await upgradeStatus(client), 410);
	assert.equal((await client.heartbeat()).status, 410);
}
