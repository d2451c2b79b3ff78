/* sandbox_message.c: checking a sandbox client's message. */
#include "sandbox_message.h"

#include "lib/json.h"
#include "lib/tool_fields.h"
#include "sealed_form.h"

#define UNKNOWN_TYPE "Unknown message type. Expected: execute, tool, ping, heartbeat, cancel, diff"
#define MAX_NAME 16	     /* of the members that we look at */
#define MAX_SEALED_KEY 16384 /* of anthropicApiKey, as JSON text */

/* The members that we look at; raw JSON, ptr NULL when absent. Of equal names the last counts, as in JSON.parse. */
enum member { TYPE, ID, NAME, INPUT, TASK, PROMPT, CONTEXT, ATTACHMENTS, ANTHROPIC_API_KEY, TOKEN_TYPE, MEMBERS };

_Static_assert((int)MEMBERS == SANDBOX_MEMBERS, "SANDBOX_MEMBERS is wrong");

static const char *const member_names[MEMBERS] = {
	[TYPE] = "type",
	[ID] = "id",
	[NAME] = "name",
	[INPUT] = "input",
	[TASK] = "task",
	[PROMPT] = "prompt",
	[CONTEXT] = "context",
	[ATTACHMENTS] = "attachments",
	[ANTHROPIC_API_KEY] = "anthropicApiKey",
	[TOKEN_TYPE] = "tokenType",
};

#define BIT(member) (1u << (member))

/* The requests: what they do, and the members that are stored. Whatever else a client sends goes no further: it may be
 * a secret in the wrong place. */
static const struct {
	const char *name;
	enum sandbox_effect effect;
	unsigned stored;
} requests[] = {
	[SANDBOX_BAD] = { "", SANDBOX_LISTENS, 0 },
	[SANDBOX_PING] = { "ping", SANDBOX_LISTENS, 0 },
	[SANDBOX_HEARTBEAT] = { "heartbeat", SANDBOX_CHANGES, 0 },
	[SANDBOX_EXECUTE] = { "execute", SANDBOX_CHANGES,
			      BIT(TYPE) | BIT(TASK) | BIT(PROMPT) | BIT(CONTEXT) | BIT(ATTACHMENTS) |
				      BIT(ANTHROPIC_API_KEY) | BIT(TOKEN_TYPE) },
	[SANDBOX_TOOL] = { "tool", SANDBOX_CHANGES, BIT(TYPE) | BIT(ID) | BIT(NAME) | BIT(INPUT) },
	[SANDBOX_CANCEL] = { "cancel", SANDBOX_CHANGES, BIT(TYPE) | BIT(ID) },
	[SANDBOX_DIFF] = { "diff", SANDBOX_CHANGES, BIT(TYPE) },
};
#define REQUESTS (sizeof(requests) / sizeof(*requests))

static const char *const attachment_names[] = { "name", "type", "content" };
#define ATTACHMENT_MEMBERS (sizeof(attachment_names) / sizeof(*attachment_names))

static const char *const tool_names[] = { "Bash", "Read", "Write", "Edit", "Glob", "Grep" };
#define TOOLS (sizeof(tool_names) / sizeof(*tool_names))

const char *sandbox_request_name(enum sandbox_request kind)
{
	return requests[kind].name;
}

enum sandbox_effect sandbox_request_effect(enum sandbox_request kind)
{
	return requests[kind].effect;
}

const char *sandbox_request_at(size_t i)
{
	return i < REQUESTS - 1 ? requests[SANDBOX_BAD + 1 + i].name : NULL;
}

const char *sandbox_tool_at(size_t i)
{
	return i < TOOLS ? tool_names[i] : NULL;
}

/* Is the raw value a string that reads like this? */
static bool says(struct slice raw, const char *text)
{
	autobuf decoded = { 0 };
	/* Six bytes for a character is the longest way to write it. */
	return json_kind_of(raw) == JSON_STRING && raw.len <= strlen(text) * 6 + 2 && json_decode(raw, &decoded) &&
	       slice_eq_str(buf_slice(&decoded), text);
}

static void read_members(struct slice object, struct slice values[MEMBERS])
{
	autobuf name = { 0 };
	struct json_iter it = json_iter(object);
	while (json_next(&it)) {
		buf_clear(&name);
		if (it.key.len > MAX_NAME * 6 + 2 || !json_decode(it.key, &name))
			continue;
		for (size_t i = 0; i < MEMBERS; i++) {
			/* null stands for what isn't there, as JavaScript's clients write it. */
			if (slice_eq_str(buf_slice(&name), member_names[i]))
				values[i] = json_kind_of(it.value) == JSON_NULL ? slice_make(NULL, 0) : it.value;
		}
	}
}

static bool is(struct slice raw, enum json_kind kind)
{
	return raw.ptr && json_kind_of(raw) == kind;
}

static bool is_id(struct slice raw)
{
	return (is(raw, JSON_STRING) || is(raw, JSON_NUMBER)) && raw.len <= SANDBOX_MAX_ID;
}

static const char *find_tool(struct slice name)
{
	for (size_t i = 0; i < TOOLS; i++) {
		if (says(name, tool_names[i]))
			return tool_names[i];
	}
	return NULL;
}

/* Fields that the tool doesn't have may be a secret in the wrong place as well. */
static const char *check_tool(const struct slice values[MEMBERS], struct buf *why)
{
	if (!values[ID].ptr || !values[NAME].ptr || !values[INPUT].ptr)
		return "Missing required fields: id, name, input";
	if (!is_id(values[ID]))
		return "Invalid id: must be a string or a number of at most 4096 bytes";
	if (!is(values[NAME], JSON_STRING))
		return "Invalid name: must be a string";
	if (!is(values[INPUT], JSON_OBJECT))
		return "Invalid input: must be an object";
	if (!find_tool(values[NAME]))
		return "Unknown tool. Expected: Bash, Read, Write, Edit, Glob, Grep";
	return tool_fields_check(find_tool(values[NAME]), values[INPUT], why) ? NULL : buf_cstr(why);
}

static bool is_attachment(struct slice raw)
{
	struct slice field;
	for (size_t i = 0; i < ATTACHMENT_MEMBERS; i++) {
		if (!is(raw, JSON_OBJECT) || !json_get(raw, attachment_names[i], &field) || !is(field, JSON_STRING))
			return false;
	}
	return true;
}

static bool are_attachments(struct slice raw)
{
	struct json_iter it = json_iter(raw);
	while (json_next(&it)) {
		if (!is_attachment(it.value))
			return false;
	}
	return true;
}

static bool absent_or(struct slice raw, enum json_kind kind)
{
	return !raw.ptr || json_kind_of(raw) == kind;
}

/* What isn't must not lie in a row of the database until somebody tries to decrypt it. */
static bool may_be_encrypted(struct slice raw)
{
	autowiped text = { 0 };
	if (raw.len > MAX_SEALED_KEY)
		return false;
	(void)buf_reserve(&text, raw.len);
	return json_decode(raw, &text) && sealed_form(buf_slice(&text));
}

static const char *check_execute(const struct slice values[MEMBERS])
{
	struct slice task = values[TASK].ptr ? values[TASK] : values[PROMPT];
	if (!task.ptr)
		return "Missing task";
	if (!is(task, JSON_STRING) || task.len <= 2)
		return values[TASK].ptr ? "Invalid task: must be a string that is not empty"
					: "Invalid prompt: must be a string that is not empty";
	if (!absent_or(values[CONTEXT], JSON_STRING))
		return "Invalid context: must be a string";
	if (!absent_or(values[ATTACHMENTS], JSON_ARRAY))
		return "Invalid attachments: must be an array";
	if (values[ATTACHMENTS].ptr && !are_attachments(values[ATTACHMENTS]))
		return "Invalid attachments: each must be an object with the strings name, type and content";
	if (!absent_or(values[ANTHROPIC_API_KEY], JSON_STRING))
		return "Invalid anthropicApiKey: must be a string";
	/* An empty one stands for none. */
	if (values[ANTHROPIC_API_KEY].len > 2 && !may_be_encrypted(values[ANTHROPIC_API_KEY]))
		return "Failed to decrypt anthropicApiKey. Ensure it is encrypted with the correct key.";
	if (values[TOKEN_TYPE].ptr && !says(values[TOKEN_TYPE], "api_key") && !says(values[TOKEN_TYPE], "oauth"))
		return "Invalid tokenType: must be \"api_key\" or \"oauth\"";
	return NULL;
}

static const char *check_cancel(const struct slice values[MEMBERS])
{
	if (values[ID].ptr && !is_id(values[ID]))
		return "Invalid id: must be a string or a number of at most 4096 bytes";
	return NULL;
}

static enum sandbox_request find_request(struct slice type)
{
	for (size_t i = SANDBOX_BAD + 1; type.ptr && i < REQUESTS; i++) {
		if (says(type, requests[i].name))
			return (enum sandbox_request)i;
	}
	return SANDBOX_BAD;
}

static const char *check(enum sandbox_request kind, const struct slice values[MEMBERS], struct buf *why)
{
	switch (kind) {
	case SANDBOX_BAD:
		return UNKNOWN_TYPE;
	case SANDBOX_EXECUTE:
		return check_execute(values);
	case SANDBOX_TOOL:
		return check_tool(values, why);
	case SANDBOX_CANCEL:
		return check_cancel(values);
	case SANDBOX_PING:
	case SANDBOX_HEARTBEAT:
	case SANDBOX_DIFF:
		break;
	}
	return NULL;
}

struct sandbox_message sandbox_message_parse(struct slice text, struct buf *why)
{
	struct sandbox_message m = { 0 };
	struct slice *values = m.members;
	if (!json_check(text, NULL) || json_kind_of(json_trim(text)) != JSON_OBJECT) {
		m.error = "Invalid JSON";
		return m;
	}
	read_members(text, values);
	m.kind = find_request(values[TYPE]);
	m.tool = m.kind == SANDBOX_TOOL;
	if (m.tool || m.kind == SANDBOX_CANCEL)
		m.id = is_id(values[ID]) ? values[ID] : m.id;
	m.error = check(m.kind, values, why);
	if (m.error)
		m.kind = SANDBOX_BAD;
	else if (m.tool)
		m.name = find_tool(values[NAME]);
	return m;
}

/* ---- what is stored ---- */

static void add_member(struct buf *out, bool first, const char *name, struct slice value)
{
	buf_addf(out, "%s\"%s\":", first ? "" : ",", name);
	buf_add_slice(out, value);
}

static void add_attachment(struct buf *out, struct slice raw)
{
	struct slice field;
	buf_add_char(out, '{');
	for (size_t i = 0; i < ATTACHMENT_MEMBERS; i++) {
		if (json_get(raw, attachment_names[i], &field))
			add_member(out, i == 0, attachment_names[i], field);
	}
	buf_add_char(out, '}');
}

static void add_attachments(struct buf *out, bool first, struct slice raw)
{
	struct json_iter it = json_iter(raw);
	const char *separator = "[";
	buf_addf(out, "%s\"%s\":", first ? "" : ",", member_names[ATTACHMENTS]);
	while (json_next(&it)) {
		buf_add_str(out, separator);
		add_attachment(out, it.value);
		separator = ",";
	}
	buf_add_str(out, *separator == '[' ? "[]" : "]");
}

void sandbox_message_store(const struct sandbox_message *m, struct buf *out)
{
	bool first = true;
	buf_add_char(out, '{');
	for (size_t i = 0; i < MEMBERS; i++) {
		if (!m->members[i].ptr || !(requests[m->kind].stored & BIT(i)))
			continue;
		if (i == ATTACHMENTS)
			add_attachments(out, first, m->members[i]);
		else
			add_member(out, first, member_names[i], m->members[i]);
		first = false;
	}
	buf_add_char(out, '}');
}

/* ---- refusals ---- */

static void add_field(struct buf *out, const char *name, const char *text)
{
	buf_addf(out, ",\"%s\":", name);
	json_encode(out, slice_of(text));
}

void sandbox_message_refusal(struct buf *out, bool tool, struct slice id, const char *text)
{
	if (!tool) {
		buf_add_str(out, "{\"type\":\"error\"");
	} else {
		buf_add_str(out, "{\"type\":\"tool_result\",\"id\":");
		buf_add_slice(out, id.len ? id : SLICE_LIT("\"unknown\""));
		buf_add_str(out, ",\"success\":false");
		add_field(out, "error", text);
	}
	add_field(out, "message", text);
	buf_add_char(out, '}');
}
