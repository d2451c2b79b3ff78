// oracle_model.mjs: what a workspace must hold, made anew from its change log and from what the writers sent. It judges
// each row of the log: the data must be what the change says.

const text = JSON.stringify;

/** Equal as JSON, order of keys included? */
export const same = (a, b) => text(a) === text(b);

function merged(model, id, updates, complain) {
	const session = model.sessions.get(id);
	if (!session) {
		complain(`a change of the session ${id}, which isn't there`);
		return updates;
	}
	session.header = { ...session.header, ...updates };
	return session.header;
}

// By type of message: changes the model, and returns what the event's data must be.
const changes = {
	"session:create": (model, { id }, row) => {
		const { createdAt, lastUsedAt, ...sent } = row.data;
		model.sessions.set(id, { header: row.data, messages: [] });
		return Number.isInteger(createdAt) && createdAt === lastUsedAt ? { data: sent } : {};
	},
	"session:updateMeta": (model, { sessionId, updates }, row, complain) =>
		({ all: merged(model, sessionId, updates, complain) }),
	"rename": (model, { sessionId, name }, row, complain) => ({ all: merged(model, sessionId, { name }, complain) }),
	"session:updateSdkId": (model, { sessionId, sdkSessionId }, row, complain) => {
		merged(model, sessionId, { sdkSessionId }, complain);
		return {};
	},
	"session:save": (model, { id, header, messages }) => {
		model.sessions.set(id, { header, messages });
		return { all: header };
	},
	"session:delete": (model, { sessionId }) => {
		model.sessions.delete(sessionId);
		model.plans.delete(sessionId);
		return {};
	},
	"plan:save": (model, { sessionId, fileName, content }) => {
		if (!model.plans.has(sessionId)) model.plans.set(sessionId, new Map());
		model.plans.get(sessionId).set(fileName, content);
		return {};
	},
	"skill:save": (model, { slug, content, metadata }) => {
		model.skills.set(slug, { slug, content, metadata });
		return {};
	},
	"source:saveConfig": (model, data) => {
		model.sources.set(data.slug, data);
		return {};
	},
	"labels:save": (model, data) => {
		model.labels = data;
		return {};
	},
	"statuses:save": (model, data) => {
		model.statuses = data;
		return {};
	},
};

const echoes = new Set(["session:create", "session:updateMeta", "rename"]);

export class Model {
	constructor() {
		Object.assign(this, { sessions: new Map(), plans: new Map(), skills: new Map(), sources: new Map(), labels: undefined,
			statuses: undefined });
	}

	/** One row of the log ({ seq, entity, action, data }), made by op. complain(text): what is wrong. */
	apply(row, op, complain) {
		const { all, data = op.data } = changes[op.type](this, op.data, row, complain);
		const is = op.type === "session:create" ? { ...row.data, createdAt: undefined, lastUsedAt: undefined } : row.data;
		if (all !== undefined ? !same(row.data, all) : !same(is, op.data) || !same(data, op.data))
			complain(`row ${row.seq} of the log isn't what ${op.mark} (${op.type}) sent: ${text(row.data).slice(0, 300)}`);
		if (op.state === "acked" && !same(op.answer, echoes.has(op.type) ? row.data : { success: true }))
			complain(`the answer to ${op.mark} isn't what was stored: ${text(op.answer).slice(0, 300)}`);
	}

	/** What a reader of the state finds to complain about. get(path): GET of the workspace, parsed. */
	async compare(get, complain, sample) {
		const equal = (what, is, should) => same(is, should) ||
			complain(`${what}: ${text(is)?.slice(0, 200)} instead of ${text(should)?.slice(0, 200)}`);
		const headers = (await get("/sessions")).map((header) => text(header)).sort();
		equal("the list of sessions", headers, [...this.sessions.values()].map(({ header }) => text(header)).sort());
		for (const id of sample(this)) {
			const { header, messages } = this.sessions.get(id);
			equal(`session ${id}`, await get(`/sessions/${id}`), { ...header, messages });
		}
		if (this.labels) equal("labels", await get("/labels"), this.labels);
		if (this.statuses) equal("statuses", await get("/statuses"), this.statuses);
		const by = (list, key) => [...list].sort((a, b) => (a[key] < b[key] ? -1 : 1));
		equal("skills", by(await get("/skills"), "slug"), by(this.skills.values(), "slug"));
		equal("sources", by(await get("/sources"), "slug"), by(this.sources.values(), "slug"));
		for (const [session, plans] of this.plans) {
			equal("plans", (await get(`/sessions/${session}/plans`)).map(({ name }) => name).sort(), [...plans.keys()].sort());
			for (const [name, content] of plans) equal(`plan ${name}`, await get(`/sessions/${session}/plans/${name}`), content);
		}
	}

	/** The same against rows of the database itself: sessions [id, header], messages [id, body] in order. */
	compareRows(sessions, messages, complain) {
		const stored = new Map(sessions.map(([id, header]) => [id, { header: JSON.parse(header), messages: [] }]));
		for (const [id, body] of messages) stored.get(id)?.messages.push(JSON.parse(body));
		for (const [id, session] of this.sessions)
			if (!same(stored.get(id), session)) complain(`session ${id} in the database isn't what was stored`);
		for (const id of stored.keys()) if (!this.sessions.has(id)) complain(`session ${id} shouldn't be in the database`);
	}
}
