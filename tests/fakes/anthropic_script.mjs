// anthropic_script.mjs: what a conversation has come to, and which step of a script answers it.

const textOf = (content) => (typeof content === "string" ? content
	: (content ?? []).filter(({ type }) => type === "text").map(({ text }) => text).join("\n"));

const blocks = (content) => (typeof content === "string" ? [{ type: "text", text: content }] : (content ?? []));

// What Claude Code adds to what a person says.
const REMINDER = /<system-reminder>.*?<\/system-reminder>\s*/gs;
const INTERRUPTED = "[Request interrupted by user";

const ROLES = ["user", "assistant"];

const isResult = ({ type }) => type === "tool_result";

// What a person says in a message: it isn't results of tools and reminders. A prompt that failed or was interrupted and
// the next one are one message: the last text counts.
function promptOf({ role, content }) {
	if (role !== "user") return "";
	const all = blocks(content);
	const cut = all.findLastIndex(({ text }) => text?.startsWith(INTERRUPTED));
	if (cut < 0 && all.some(isResult)) return "";
	const said = all.slice(cut + 1).map((block) => textOf([block]).replace(REMINDER, "").trim());
	return said.findLast((text) => text !== "") ?? "";
}

const usesOf = (messages) => messages.filter(({ role }) => role === "assistant")
	.flatMap(({ content }) => blocks(content).filter(({ type }) => type === "tool_use"));

function resultsOf(messages) {
	const uses = new Map(usesOf(messages).map((use) => [use.id, use]));
	return messages.filter(({ role }) => role === "user").flatMap(({ content }) => blocks(content).filter(isResult))
		.map((block) => ({ id: block.tool_use_id, name: uses.get(block.tool_use_id)?.name,
			input: uses.get(block.tool_use_id)?.input, text: textOf(block.content), isError: block.is_error === true }));
}

/** What a script's function is told: {prompt: the last thing that the person said, prompts: the last of each of his
 *  messages, results: of the tools since then, [{id, name, input, text, isError}], answers: messages of the assistant
 *  since then, tools: names of the tools that it may use, system: text, body: the request, agent: the User-Agent}. */
export function conversationOf(body, agent = "") {
	const prompts = body.messages.map(promptOf);
	const last = prompts.findLastIndex((prompt) => prompt !== "");
	const since = body.messages.slice(last + 1);
	return { prompt: prompts[last] ?? "", prompts: prompts.filter((prompt) => prompt !== ""), results: resultsOf(since),
		answers: since.filter(({ role }) => role === "assistant").length,
		tools: (body.tools ?? []).map(({ name }) => name), system: textOf(body.system), body, agent };
}

/** Is it a request that Claude Code makes for itself (a title, a topic, a summary of an agent, a look at the quota)? It
 *  gives no tools to these, or only the server's. */
export const isSide = ({ body, agent }) => /^claude-(cli|code)\//.test(agent) &&
	!(body.tools ?? []).some(({ input_schema: schema }) => schema);

const SIDE = { text: '{"title": "A task", "isNewTopic": false}' };

/** The step that answers. script: a function of the conversation to a step or a list of steps, or such a list; of a
 *  list the one whose turn it is, counted from the last prompt; the last one again when there are no more. */
export async function stepOf(script, conversation) {
	if (isSide(conversation)) return SIDE;
	const found = typeof script === "function" ? await script(conversation) : script;
	if (!Array.isArray(found)) return typeof found === "string" ? { text: found } : found;
	const step = found[Math.min(conversation.answers, found.length - 1)];
	return stepOf(() => step ?? { text: "Done." }, conversation);
}

// Every use of a tool is answered in the very next message, and nothing else is.
function misplacedResult(messages) {
	const turns = messages.filter(({ role }) => role !== "system");
	for (const [index, { role, content }] of turns.entries()) {
		const results = role === "user" ? blocks(content).filter(isResult).map(({ tool_use_id: id }) => id) : [];
		const uses = index === 0 ? [] : usesOf(turns.slice(index - 1, index)).map(({ id }) => id);
		const left = uses.find((id) => !results.includes(id));
		if (left) return `messages.${index - 1}: tool_use ids were found without tool_result blocks right after: ${left}`;
		const odd = results.find((id) => !uses.includes(id));
		if (odd) return `messages.${index}: unexpected tool_use_id found in tool_result blocks: ${odd}`;
	}
	return null;
}

/** Why the API refuses this body; null when it takes it. betas: of the anthropic-beta header. */
export function refusalOf(body, betas = []) {
	if (body === null || typeof body !== "object" || Array.isArray(body)) return "Input should be an object";
	for (const name of ["model", "messages"]) if (!(name in body)) return `${name}: Field required`;
	if (!Array.isArray(body.messages)) return "messages: Input should be a valid list";
	if (body.messages.length === 0) return "messages: at least one message is required";
	const roles = betas.some((beta) => beta.startsWith("mid-conversation-system-")) ? [...ROLES, "system"] : ROLES;
	const wrong = body.messages.findIndex((message) => !roles.includes(message?.role) ||
		!(typeof message.content === "string" || Array.isArray(message.content)));
	if (wrong >= 0) return `messages.${wrong}: Input should be a message of ${roles.join(" or ")}`;
	const isEmpty = ({ type, text }) => type === "text" && !text;
	const empty = body.messages.findIndex(({ content }) => blocks(content).some(isEmpty));
	if (empty >= 0) return `messages.${empty}: text content blocks must be non-empty`;
	return misplacedResult(body.messages);
}
