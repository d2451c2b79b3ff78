/* test_agent_line.c: what comes from the agent's stdout, in pieces and lines of any length. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdlib.h>

#include <cmocka.h>

#include "lib/json.h"
#include "sandbox/agent_line.h"

/* ---- lines ---- */

/* What came, each line with '|' behind it, and how much of it was dropped. */
static void note_line(void *user, struct slice line, size_t dropped)
{
	struct buf *seen = user;
	buf_add_slice(seen, line);
	if (dropped)
		buf_addf(seen, "+%zu", dropped);
	buf_add_char(seen, '|');
}

/* text in pieces of `piece` bytes, each in memory of its own size, so that the sanitizer sees a read beyond it. */
static void expect_lines(const char *text, size_t max, size_t piece, const char *want)
{
	struct agent_lines lines = { .max = max };
	autobuf seen = { 0 };
	for (size_t at = 0, n; at < strlen(text); at += n) {
		n = strlen(text) - at < piece ? strlen(text) - at : piece;
		char *copy = xmalloc(n);
		memcpy(copy, text + at, n);
		agent_lines_feed(&lines, slice_make(copy, n), note_line, &seen);
		free(copy);
	}
	agent_lines_end(&lines, note_line, &seen);
	agent_lines_free(&lines);
	assert_string_equal(buf_cstr(&seen), want);
}

static void lines_come_whole_from_pieces_of_any_size(void **state)
{
	(void)state;
	for (size_t piece = 1; piece < 20; piece++) {
		expect_lines("", 100, piece, "");
		expect_lines("one\ntwo\nthree", 100, piece, "one|two|three|");
		expect_lines("\n\n a \n\nb\r\n\n", 100, piece, " a |b\r|");
		expect_lines("0123456789\n012345678\n", 10, piece, "0123456789|012345678|");
	}
}

static void a_line_that_is_too_long_is_cut_and_the_next_is_whole(void **state)
{
	(void)state;
	for (size_t piece = 1; piece < 40; piece++)
		expect_lines("short\n0123456789abcdef\nafter\n012345678\n01234567\n0123456789", 8, piece,
			     "short|01234567+8|after|01234567+1|01234567|01234567+2|");
}

static void the_beginning_of_a_long_line_is_kept(void **state)
{
	(void)state;
	struct agent_lines lines = { .max = (size_t)1 << 20 };
	autobuf seen = { 0 }, want = { 0 };
	char part[1000];
	memset(part, 'x', sizeof(part));
	agent_lines_feed(&lines, SLICE_LIT("head"), note_line, &seen);
	for (int i = 0; i < 2000; i++)
		agent_lines_feed(&lines, slice_make(part, sizeof(part)), note_line, &seen);
	assert_true(lines.rest.cap < 4 * AGENT_LINE_HEAD);
	agent_lines_feed(&lines, SLICE_LIT("\n"), note_line, &seen);
	agent_lines_free(&lines);
	buf_addf(&want, "+%zu|", 4 + 2000 * sizeof(part) - AGENT_LINE_HEAD);
	assert_int_equal(seen.len, AGENT_LINE_HEAD + want.len);
	assert_memory_equal(seen.data, "headxxx", 7);
	assert_string_equal(buf_cstr(&seen) + AGENT_LINE_HEAD, buf_cstr(&want));
}

static void ten_megabytes_pass(void **state)
{
	(void)state;
	struct agent_lines lines = { .max = AGENT_LINE_MAX };
	autobuf seen = { 0 };
	size_t size = (size_t)10 << 20;
	char part[65536];
	memset(part, 'y', sizeof(part));
	for (size_t i = 0; i < size; i += sizeof(part))
		agent_lines_feed(&lines, slice_make(part, sizeof(part)), note_line, &seen);
	agent_lines_feed(&lines, SLICE_LIT("\n"), note_line, &seen);
	agent_lines_free(&lines);
	assert_int_equal(seen.len, size + 1);
	assert_int_equal(strspn(buf_cstr(&seen), "y"), size);
}

/* ---- what a line is ---- */

static struct agent_line parse(const char *text)
{
	struct agent_line line;
	agent_line_parse(slice_of(text), 0, &line);
	return line;
}

static void kinds_are_told_apart(void **state)
{
	static const struct {
		const char *text;
		enum agent_line_kind kind;
	} cases[] = {
		{ "", AGENT_LINE_TEXT },
		{ " ", AGENT_LINE_TEXT },
		{ "No conversation found", AGENT_LINE_TEXT },
		{ "[1]", AGENT_LINE_TEXT },
		{ "\"result\"", AGENT_LINE_TEXT },
		{ "{\"type\":\"result\"", AGENT_LINE_TEXT },
		{ "{\"type\":\"result\"}}", AGENT_LINE_TEXT },
		{ "{}", AGENT_LINE_MESSAGE },
		{ "{\"type\":7}", AGENT_LINE_MESSAGE },
		{ "{\"type\":\"system\",\"subtype\":\"init\"}", AGENT_LINE_MESSAGE },
		{ "{\"type\":\"assistant\",\"message\":{\"type\":\"result\"}}", AGENT_LINE_MESSAGE },
		{ " {\"a\":1, \"type\" : \"result\"} ", AGENT_LINE_RESULT },
		{ "{\"type\":\"control_request\"}", AGENT_LINE_CONTROL_REQUEST },
		{ "{\"type\":\"control_response\",\"response\":{}}", AGENT_LINE_CONTROL_RESPONSE },
		{ "{\"type\":\"control_cancel_request\"}", AGENT_LINE_CONTROL_RESPONSE },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (parse(cases[i].text).kind != cases[i].kind)
			fail_msg("%s is taken for %d", cases[i].text, (int)parse(cases[i].text).kind);
}

static void expect_result(const char *text, bool success, bool own, const char *output)
{
	struct agent_line line = parse(text);
	assert_int_equal(line.kind, AGENT_LINE_RESULT);
	if (line.success != success || line.own != own)
		fail_msg("%s: success %d, own %d", text, line.success, line.own);
	if (!slice_eq_str(line.output, output))
		fail_msg("%s: output %.*s", text, (int)line.output.len, line.output.ptr);
}

static void results_are_judged_by_is_error(void **state)
{
	(void)state;
	expect_result("{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":false,\"result\":\"Done \\u00e4\"}",
		      true, false, "\"Done \\u00e4\"");
	expect_result("{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":true,\"api_error_status\":401,"
		      "\"result\":\"Invalid API key\"}",
		      false, false, "\"Invalid API key\"");
	expect_result("{\"type\":\"result\",\"subtype\":\"success\",\"result\":\"x\"}", false, false, "\"x\"");
	expect_result("{\"type\":\"result\",\"is_error\":\"false\"}", false, false, "");
	expect_result("{\"type\":\"result\",\"is_error\":false,\"result\":{\"a\":1}}", true, false, "");
	expect_result("{\"type\":\"result\",\"is_error\":true,\"errors\":[\"one\",\"two\"]}", false, false, "\"one\"");
	expect_result("{\"type\":\"result\",\"is_error\":true,\"errors\":[]}", false, false, "");
	expect_result("{\"type\":\"result\",\"is_error\":true,\"errors\":[1]}", false, false, "");
	/* no UTF-8 */
	expect_result("{\"type\":\"result\",\"is_error\":false,\"result\":\"\xF0\"}", true, false, "");
}

static void expect_denied(const char *denials, const char *text)
{
	autobuf all = { 0 }, names = { 0 };
	buf_addf(&all, "{\"type\":\"result\",\"is_error\":false,\"result\":\"x\",\"permission_denials\":%s}", denials);
	struct agent_line line = parse(buf_cstr(&all));
	if (line.denials.len)
		agent_line_denied(&names, line.denials);
	assert_string_equal(buf_cstr(&names), text);
}

static void what_was_not_permitted_is_named(void **state)
{
	(void)state;
	expect_denied("[]", "");
	expect_denied("null", "");
	expect_denied("{\"tool_name\":\"Bash\"}", "");
	expect_denied("[{\"tool_name\":\"Bash\",\"tool_input\":{}},{\"tool_name\":\"Write\"},{\"tool_name\":\"Bash\"}]",
		      "Bash (2), Write");
	expect_denied("[1,{},{\"tool_name\":1},{\"tool_name\":\"B\"}]", "B");
	expect_denied("[{\"tool_name\":\"1\"},{\"tool_name\":\"2\"},{\"tool_name\":\"3\"},{\"tool_name\":\"4\"},"
		      "{\"tool_name\":\"5\"},{\"tool_name\":\"6\"},{\"tool_name\":\"7\"},{\"tool_name\":\"8\"},"
		      "{\"tool_name\":\"9\"},{\"tool_name\":\"10\"},{\"tool_name\":\"11\"},{\"tool_name\":\"1\"}]",
		      "1 (2), 2, 3, 4, 5, 6, 7, 8, 9, 10");
	autobuf names = { 0 };
	struct agent_line none = parse("{\"type\":\"result\",\"is_error\":false}");
	assert_int_equal(none.denials.len, 0);
	agent_line_denied(&names,
			  SLICE_LIT("[{\"tool_name\":"
				    "\"0123456789012345678901234567890123456789012345678901234567890123456789\"}]"));
	assert_true(names.len <= 64);
}

static void turns_of_its_own_are_known(void **state)
{
	(void)state;
	expect_result(
		"{\"type\":\"result\",\"is_error\":false,\"result\":\"x\",\"origin\":{\"kind\":\"task-notification\"}}",
		true, true, "\"x\"");
	expect_result("{\"type\":\"result\",\"is_error\":false,\"result\":\"x\",\"origin\":{\"kind\":\"human\"}}", true,
		      false, "\"x\"");
	expect_result("{\"type\":\"result\",\"is_error\":false,\"result\":\"x\",\"origin\":null}", true, false,
		      "\"x\"");
}

static void a_result_that_is_too_long_is_seen(void **state)
{
	static const struct {
		const char *head;
		enum agent_line_kind kind;
		bool success;
	} cases[] = {
		{ "{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":false,\"result\":\"xxxx",
		  AGENT_LINE_RESULT, true },
		{ "{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":true,\"result\":\"\"is_error\":false",
		  AGENT_LINE_RESULT, false },
		{ "{\"type\":\"result\",\"result\":\"xxxx", AGENT_LINE_RESULT, false },
		{ "{\"type\":\"result\",", AGENT_LINE_RESULT, false },
		{ "{\"type\":\"result", AGENT_LINE_MESSAGE, false },
		{ "{\"type\":\"assistant\",\"message\":\"{\"type\":\"result\",", AGENT_LINE_MESSAGE, false },
		{ "", AGENT_LINE_MESSAGE, false },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct agent_line line;
		agent_line_parse(slice_of(cases[i].head), 1, &line);
		if (line.kind != cases[i].kind || line.success != cases[i].success || line.output.len)
			fail_msg("%s: kind %d, success %d", cases[i].head, (int)line.kind, line.success);
	}
}

static void requests_bring_their_id(void **state)
{
	(void)state;
	struct agent_line line = parse("{\"type\":\"control_request\",\"request_id\":\"a\\\"b\",\"request\":{}}");
	assert_true(slice_eq_str(line.request_id, "\"a\\\"b\""));
	assert_int_equal(parse("{\"type\":\"control_request\"}").request_id.len, 0);
}

/* ---- what is written ---- */

static void expect_json_line(struct buf *line, const char *want)
{
	assert_string_equal(buf_cstr(line), want);
	assert_true(json_check(buf_slice(line), NULL));
	assert_null(memchr(line->data, '\n', line->len - 1));
	buf_clear(line);
}

static void lines_are_written(void **state)
{
	(void)state;
	autobuf line = { 0 };
	agent_line_prompt(&line, SLICE_LIT("say \"ä\"\n\\ and\0nothing"));
	expect_json_line(&line,
			 "{\"type\":\"user\",\"message\":{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":"
			 "\"say \\\"ä\\\"\\n\\\\ and\\u0000nothing\"}]},\"parent_tool_use_id\":null}\n");
	agent_line_interrupt(&line, 3);
	expect_json_line(&line, "{\"type\":\"control_request\",\"request_id\":\"interrupt-3\",\"request\":"
				"{\"subtype\":\"interrupt\"}}\n");
	agent_line_refusal(&line, SLICE_LIT("\"x-1\""));
	expect_json_line(&line,
			 "{\"type\":\"control_response\",\"response\":{\"subtype\":\"error\",\"request_id\":\"x-1\","
			 "\"error\":\"There is nobody to ask\"}}\n");
	agent_line_note(&line, 70000000);
	expect_json_line(&line, "{\"type\":\"system\",\"subtype\":\"line_left_out\",\"bytes\":70000000,\"message\":"
				"\"A line of 70000000 bytes was too long and is left out\"}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_come_whole_from_pieces_of_any_size),
		cmocka_unit_test(a_line_that_is_too_long_is_cut_and_the_next_is_whole),
		cmocka_unit_test(the_beginning_of_a_long_line_is_kept),
		cmocka_unit_test(ten_megabytes_pass),
		cmocka_unit_test(kinds_are_told_apart),
		cmocka_unit_test(results_are_judged_by_is_error),
		cmocka_unit_test(what_was_not_permitted_is_named),
		cmocka_unit_test(turns_of_its_own_are_known),
		cmocka_unit_test(a_result_that_is_too_long_is_seen),
		cmocka_unit_test(requests_bring_their_id),
		cmocka_unit_test(lines_are_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
