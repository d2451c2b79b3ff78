/* message.c: the bodies of messages to clients. */
#include "message.h"

#include "lib/json.h"
#include "lib/utf8.h"

/* The length of the valid text at the beginning. */
static size_t valid_prefix(struct slice bytes)
{
	struct utf8 state = { 0 };
	size_t whole = 0;
	for (size_t i = 0; i < bytes.len; i++) {
		if (!utf8_feed(&state, bytes.ptr + i, 1))
			return whole;
		if (utf8_complete(&state))
			whole = i + 1;
	}
	return whole;
}

void message_text(struct buf *out, struct slice bytes)
{
	if (utf8_valid(bytes.ptr, bytes.len)) {
		json_encode(out, bytes);
		return;
	}
	autobuf clean = { 0 };
	while (bytes.len) {
		size_t n = valid_prefix(bytes);
		buf_add(&clean, bytes.ptr, n);
		if (n == bytes.len)
			break;
		buf_add_str(&clean, "\xef\xbf\xbd");
		bytes = slice_make(bytes.ptr + n + 1, bytes.len - n - 1);
	}
	json_encode(out, buf_slice(&clean));
}

static void add_flag(struct buf *out, const char *name, bool value)
{
	buf_addf(out, ",\"%s\":%s", name, value ? "true" : "false");
}

static void add_text(struct buf *out, const char *name, struct slice value)
{
	buf_addf(out, ",\"%s\":", name);
	message_text(out, value);
}

static void add_notes(struct buf *out, struct slice notes)
{
	if (notes.len)
		add_text(out, "notes", notes);
}

void message_stream(struct buf *out, struct slice line)
{
	buf_add_str(out, "{\"type\":\"stream\"");
	add_text(out, "data", line);
	buf_add_char(out, '}');
}

void message_result(struct buf *out, bool success, struct slice output, struct slice diff, struct slice notes)
{
	buf_add_str(out, "{\"type\":\"result\"");
	add_flag(out, "success", success);
	add_text(out, "output", output);
	add_text(out, "diff", diff);
	add_notes(out, notes);
	buf_add_char(out, '}');
}

void message_complete(struct buf *out, int exit_code)
{
	buf_addf(out, "{\"type\":\"complete\",\"exitCode\":%d}", exit_code);
}

void message_error(struct buf *out, const char *text)
{
	buf_add_str(out, "{\"type\":\"error\"");
	add_text(out, "message", slice_of(text));
	buf_add_char(out, '}');
}

void message_status(struct buf *out, const char *status, const char *detail)
{
	buf_add_str(out, "{\"type\":\"status\"");
	add_text(out, "status", slice_of(status));
	if (detail && *detail)
		add_text(out, "message", slice_of(detail));
	buf_add_char(out, '}');
}

void message_egress(struct buf *out, const char *status, struct slice kind, struct slice host, struct slice reason)
{
	buf_add_str(out, "{\"type\":\"status\"");
	add_text(out, "status", slice_of(status));
	buf_add_str(out, ",\"egress\":{\"allowed\":false");
	add_text(out, "kind", kind);
	add_text(out, "host", host);
	add_text(out, "reason", reason);
	buf_add_str(out, "}}");
}

void message_tool_result(struct buf *out, const struct tool_result *result)
{
	buf_add_str(out, "{\"type\":\"tool_result\",\"id\":");
	buf_add_slice(out, result->id);
	add_flag(out, "success", result->success);
	add_text(out, "output", result->output);
	if (!result->success)
		add_text(out, "error", result->error);
	if (result->exit_code >= 0)
		buf_addf(out, ",\"exitCode\":%d", result->exit_code);
	buf_add_char(out, '}');
}

void message_diff(struct buf *out, struct slice diff, struct slice notes)
{
	buf_add_str(out, "{\"type\":\"diff\"");
	add_text(out, "diff", diff);
	add_notes(out, notes);
	buf_add_char(out, '}');
}
