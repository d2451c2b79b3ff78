/* fuzz_agent_line.c: any bytes as the agent's output, in pieces: lines are the same as in one piece, none is too long,
 * and what is read of them lies in them. */
#include <assert.h>

#include "lib/cleanup.h"
#include "lib/json.h"
#include "sandbox/agent_line.h"

#define MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_output(const struct agent_line *line)
{
	autobuf text = { 0 };
	if (!line->output.len)
		return;
	assert(line->kind == AGENT_LINE_RESULT);
	json_decode_lossy(line->output, &text, SIZE_MAX);
	assert(text.len <= 3 * line->output.len);
}

/* An exact copy, so that reading beyond the end is seen. Lines and what is missing of them are added to user. */
static void on_line(void *user, struct slice line, size_t dropped)
{
	autofree char *copy = xmalloc(line.len + !line.len);
	struct agent_line parsed;
	assert(line.len <= MAX && (dropped || line.len) && !memchr(line.ptr, '\n', line.len));
	memcpy(copy, line.ptr, line.len);
	agent_line_parse(slice_make(copy, line.len), dropped, &parsed);
	check_output(&parsed);
	if (parsed.kind == AGENT_LINE_CONTROL_REQUEST && parsed.request_id.len) {
		autobuf answer = { 0 };
		agent_line_refusal(&answer, parsed.request_id);
		assert(json_check(buf_slice(&answer), NULL));
	}
	buf_add_u64(user, dropped);
	buf_add_slice(user, line);
	buf_add_char(user, '\n');
}

static void feed(const uint8_t *data, size_t size, size_t piece, struct buf *seen)
{
	struct agent_lines lines = { .max = MAX };
	for (size_t at = 0, n; at < size; at += n) {
		n = size - at < piece ? size - at : piece;
		agent_lines_feed(&lines, slice_make((const char *)data + at, n), on_line, seen);
	}
	agent_lines_end(&lines, on_line, seen);
	agent_lines_free(&lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autobuf whole = { 0 }, pieces = { 0 };
	if (size < 2)
		return 0;
	feed(data + 1, size - 1, size, &whole);
	feed(data + 1, size - 1, (size_t)data[0] + 1, &pieces);
	assert(slice_eq(buf_slice(&whole), buf_slice(&pieces)));
	return 0;
}
