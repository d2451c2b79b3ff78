/* message.c: the bodies of messages to clients. */
#include "message.h"

#include "agent_line.h"

#define REFUSED "The answer was refused by the database, and is left out: "

/* ---- small ones ---- */

static void message_text(struct buf *out, struct slice bytes)
{
	buf_add_char(out, '"');
	draft_clean(out, bytes);
	buf_add_char(out, '"');
}

static void add_text(struct buf *out, const char *name, struct slice value)
{
	buf_addf(out, ",\"%s\":", name);
	message_text(out, value);
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

/* ---- those that may be big ---- */

static void begin(struct draft *d, const char *type)
{
	autobuf text = { 0 };
	buf_addf(&text, "{\"type\":\"%s\"", type);
	draft_json(d, buf_slice(&text));
}

static void add_flag(struct draft *d, const char *name, bool value)
{
	autobuf text = { 0 };
	buf_addf(&text, ",\"%s\":%s", name, value ? "true" : "false");
	draft_json(d, buf_slice(&text));
}

static void add_big(struct draft *d, const char *name, struct slice value)
{
	autobuf text = { 0 };
	buf_addf(&text, ",\"%s\":", name);
	draft_json(d, buf_slice(&text));
	draft_text(d, value);
}

static void end(struct draft *d)
{
	draft_json(d, SLICE_LIT("}"));
}

void message_stream(struct draft *d, struct slice line)
{
	d->line = true;
	begin(d, "stream");
	add_big(d, "data", line);
	end(d);
}

void message_left_out(struct buf *out, size_t bytes)
{
	autobuf line = { 0 };
	agent_line_note(&line, bytes);
	buf_add_str(out, "{\"type\":\"stream\"");
	add_text(out, "data", buf_slice(&line));
	buf_add_char(out, '}');
}

void message_result(struct draft *d, bool success, struct slice output, struct slice diff, struct slice notes)
{
	begin(d, "result");
	add_flag(d, "success", success);
	add_big(d, "output", output);
	add_big(d, "diff", diff);
	if (notes.len)
		add_big(d, "notes", notes);
	end(d);
	buf_addf(&d->instead, "{\"type\":\"result\",\"success\":%s,\"output\":\"%s%zu bytes\",\"diff\":\"\"}",
		 success ? "true" : "false", REFUSED, draft_size(d));
}

void message_tool_result(struct draft *d, const struct tool_result *result)
{
	begin(d, "tool_result");
	draft_json(d, SLICE_LIT(",\"id\":"));
	draft_json(d, result->id);
	add_flag(d, "success", result->success);
	add_big(d, "output", result->output);
	if (!result->success)
		add_big(d, "error", result->error);
	if (result->exit_code >= 0) {
		autobuf code = { 0 };
		buf_addf(&code, ",\"exitCode\":%d", result->exit_code);
		draft_json(d, buf_slice(&code));
	}
	end(d);
	buf_add_str(&d->instead, "{\"type\":\"tool_result\",\"id\":");
	buf_add_slice(&d->instead, result->id);
	buf_addf(&d->instead, ",\"success\":false,\"output\":\"\",\"error\":\"%s%zu bytes\"}", REFUSED, draft_size(d));
}

void message_diff(struct draft *d, struct slice diff, struct slice notes)
{
	begin(d, "diff");
	add_big(d, "diff", diff);
	if (notes.len)
		add_big(d, "notes", notes);
	end(d);
	buf_addf(&d->instead, "{\"type\":\"error\",\"message\":\"%s%zu bytes\"}", REFUSED, draft_size(d));
}
