/* agent_line.c: lines of Claude Code's stream-json, read and written. */
#include "agent_line.h"

#include "lib/json.h"
#include "lib/utf8.h"

#define MIN(a, b) ((a) < (b) ? (a) : (b))

/* ---- lines ---- */

static void give(struct agent_lines *lines, struct slice line, agent_line_fn *on_line, void *user)
{
	size_t dropped = lines->dropped;
	lines->dropped = 0;
	if (line.len || dropped)
		on_line(user, line, dropped);
}

/* The line becomes too long by part: its beginning stays, memory for the rest is given back. */
static void shorten(struct agent_lines *lines, struct slice part)
{
	size_t limit = MIN(lines->max, AGENT_LINE_HEAD), length = lines->rest.len + part.len;
	struct buf head = { 0 };
	buf_add(&head, lines->rest.data, MIN(lines->rest.len, limit));
	buf_add(&head, part.ptr, MIN(part.len, limit - head.len));
	lines->dropped = length - head.len;
	buf_free(&lines->rest);
	lines->rest = head;
}

static void keep(struct agent_lines *lines, struct slice part)
{
	if (lines->dropped)
		lines->dropped += part.len;
	else if (lines->rest.len + part.len > lines->max)
		shorten(lines, part);
	else
		buf_add_slice(&lines->rest, part);
}

/* The end of the line that rest holds the beginning of. */
static void end_line(struct agent_lines *lines, agent_line_fn *on_line, void *user)
{
	/* on_line may be long at it, or end everything: nothing of ours is in use meanwhile. */
	autobuf line = lines->rest;
	lines->rest = (struct buf){ 0 };
	give(lines, buf_slice(&line), on_line, user);
}

void agent_lines_feed(struct agent_lines *lines, struct slice data, agent_line_fn *on_line, void *user)
{
	const char *at = data.ptr, *end = data.ptr + data.len, *newline;
	while (at < end && (newline = memchr(at, '\n', (size_t)(end - at)))) {
		struct slice part = slice_make(at, (size_t)(newline - at));
		if (lines->rest.len || lines->dropped || part.len > lines->max) {
			keep(lines, part);
			end_line(lines, on_line, user);
		} else {
			give(lines, part, on_line, user);
		}
		at = newline + 1;
	}
	if (at < end)
		keep(lines, slice_make(at, (size_t)(end - at)));
}

void agent_lines_end(struct agent_lines *lines, agent_line_fn *on_line, void *user)
{
	end_line(lines, on_line, user);
}

void agent_lines_free(struct agent_lines *lines)
{
	buf_free(&lines->rest);
}

/* ---- what a line is ---- */

static const struct {
	const char *type;
	enum agent_line_kind kind;
} kinds[] = {
	{ "\"result\"", AGENT_LINE_RESULT },
	{ "\"control_request\"", AGENT_LINE_CONTROL_REQUEST },
	{ "\"control_response\"", AGENT_LINE_CONTROL_RESPONSE },
	{ "\"control_cancel_request\"", AGENT_LINE_CONTROL_RESPONSE },
};

static enum agent_line_kind kind_of(struct slice type)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (slice_eq_str(type, kinds[i].type))
			return kinds[i].kind;
	return AGENT_LINE_MESSAGE;
}

/* Turns that a person's message didn't begin name what did. */
static bool is_own(struct slice object)
{
	struct slice origin, kind;
	return json_get(object, "origin", &origin) && json_kind_of(origin) == JSON_OBJECT &&
	       json_get(origin, "kind", &kind) && !slice_eq_str(kind, "\"human\"");
}

static bool is_text(struct slice value)
{
	return json_kind_of(value) == JSON_STRING && utf8_valid(value.ptr, value.len);
}

/* The final text; a turn that ended otherwise has a list of errors. */
static struct slice output_of(struct slice object)
{
	struct slice value;
	if (json_get(object, "result", &value) && is_text(value))
		return value;
	if (json_get(object, "errors", &value) && json_kind_of(value) == JSON_ARRAY) {
		struct json_iter it = json_iter(value);
		if (json_next(&it) && is_text(it.value))
			return it.value;
	}
	return (struct slice){ 0 };
}

static void parse_object(struct slice object, struct agent_line *out)
{
	struct slice value;
	if (json_get(object, "type", &value))
		out->kind = kind_of(value);
	if (out->kind == AGENT_LINE_CONTROL_REQUEST && json_get(object, "request_id", &value))
		out->request_id = value;
	if (out->kind != AGENT_LINE_RESULT)
		return;
	out->success = json_get(object, "is_error", &value) && slice_eq_str(value, "false");
	out->own = is_own(object);
	out->output = output_of(object);
	if (json_get(object, "permission_denials", &value) && json_kind_of(value) == JSON_ARRAY)
		out->denials = value;
}

static bool starts_with(struct slice text, const char *s)
{
	size_t n = strlen(s);
	return text.len >= n && memcmp(text.ptr, s, n) == 0;
}

/* Of a line that is too long only the beginning is there. A result must be seen nevertheless: else the turn would never
 * end. Its small members come before its text. */
static void parse_head(struct slice head, struct agent_line *out)
{
	if (!starts_with(head, "{\"type\":\"result\","))
		return;
	const char *success = memmem(head.ptr, head.len, "\"is_error\":false", strlen("\"is_error\":false"));
	const char *text = memmem(head.ptr, head.len, "\"result\":", strlen("\"result\":"));
	out->kind = AGENT_LINE_RESULT;
	out->success = success && (!text || success < text);
}

/* The messages that are big: with the results of tools, and with texts. */
static bool is_for_the_client(struct slice head)
{
	return starts_with(head, "{\"type\":\"user\",") || starts_with(head, "{\"type\":\"assistant\",");
}

void agent_line_parse(struct slice head, size_t dropped, struct agent_line *out)
{
	*out = (struct agent_line){ .kind = AGENT_LINE_TEXT };
	if (!dropped && head.len > AGENT_LINE_LOOKED_AT && is_for_the_client(head)) {
		out->kind = AGENT_LINE_MESSAGE;
		return;
	}
	if (dropped) {
		out->kind = AGENT_LINE_MESSAGE;
		parse_head(head, out);
		return;
	}
	struct slice value = json_trim(head);
	if (!value.len || *value.ptr != '{' || !json_check(value, NULL))
		return;
	out->kind = AGENT_LINE_MESSAGE;
	parse_object(value, out);
}

/* ---- what is written ---- */

#define MAX_DENIED 10 /* tools that are named */
#define MAX_TOOL_NAME 64

/* Which of the names found so far, or a new one at the end. */
static size_t place_of(char names[][MAX_TOOL_NAME + 1], size_t count, struct slice name)
{
	size_t i = 0;
	while (i < count && !slice_eq_str(name, names[i]))
		i++;
	return i;
}

void agent_line_denied(struct buf *out, struct slice denials)
{
	char names[MAX_DENIED][MAX_TOOL_NAME + 1];
	size_t times[MAX_DENIED] = { 0 }, count = 0;
	struct json_iter it = json_iter(denials);
	while (json_next(&it)) {
		struct slice raw;
		autobuf name = { 0 };
		if (json_kind_of(it.value) != JSON_OBJECT || !json_get(it.value, "tool_name", &raw) || !is_text(raw))
			continue;
		json_decode_lossy(raw, &name, MAX_TOOL_NAME);
		size_t i = place_of(names, count, buf_slice(&name));
		if (i == MAX_DENIED || name.len > MAX_TOOL_NAME)
			continue;
		if (i == count)
			(void)memcpy(names[count++], buf_cstr(&name), name.len + 1);
		times[i]++;
	}
	for (size_t i = 0; i < count; i++)
		buf_addf(out, times[i] > 1 ? "%s%s (%zu)" : "%s%s", i ? ", " : "", names[i], times[i]);
}

void agent_line_note(struct buf *out, size_t length)
{
	buf_addf(out,
		 "{\"type\":\"system\",\"subtype\":\"line_left_out\",\"bytes\":%zu,"
		 "\"message\":\"A line of %zu bytes was too long and is left out\"}",
		 length, length);
}

void agent_line_prompt(struct buf *out, struct slice text)
{
	buf_add_str(out, "{\"type\":\"user\",\"message\":{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":");
	json_encode(out, text);
	buf_add_str(out, "}]},\"parent_tool_use_id\":null}\n");
}

void agent_line_interrupt(struct buf *out, unsigned number)
{
	buf_addf(out,
		 "{\"type\":\"control_request\",\"request_id\":\"interrupt-%u\",\"request\":{\"subtype\":\"interrupt\"}"
		 "}\n",
		 number);
}

void agent_line_refusal(struct buf *out, struct slice request_id)
{
	buf_add_str(out, "{\"type\":\"control_response\",\"response\":{\"subtype\":\"error\",\"request_id\":");
	buf_add_slice(out, request_id);
	buf_add_str(out, ",\"error\":\"There is nobody to ask\"}}\n");
}
