/* test_sandbox_bodies.c: the messages that craft-sandboxd makes, and the execute messages that it takes apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/json.h"
#include "sandbox/mask.h"
#include "sandbox/message.h"
#include "sandbox/output.h"
#include "sandbox/prompt.h"

static void assert_text(struct buf *got, const char *want)
{
	assert_true(json_check(buf_slice(got), NULL));
	assert_string_equal(buf_cstr(got), want);
	buf_clear(got);
}

static void assert_draft(struct draft *d, const char *want)
{
	while (!draft_done(d))
		(void)draft_step(d);
	assert_text(&d->out, want);
	if (d->instead.len)
		assert_true(json_check(buf_slice(&d->instead), NULL));
	draft_free(d);
}

static void test_messages(void **state)
{
	(void)state;
	autobuf b = { 0 };
	struct draft d = { 0 };
	message_stream(&d, SLICE_LIT("{\"a\":\"\\u0000\"}"));
	assert_draft(&d, "{\"type\":\"stream\",\"data\":\"{\\\"a\\\":\\\"\\\\u0000\\\"}\"}");
	message_result(&d, true, SLICE_LIT("ok"), SLICE_LIT("diff\n"), slice_make(NULL, 0));
	assert_draft(&d, "{\"type\":\"result\",\"success\":true,\"output\":\"ok\",\"diff\":\"diff\\n\"}");
	message_result(&d, false, slice_make("", 0), slice_make("", 0), SLICE_LIT("n"));
	assert_draft(&d, "{\"type\":\"result\",\"success\":false,\"output\":\"\",\"diff\":\"\",\"notes\":\"n\"}");
	message_complete(&b, 137);
	assert_text(&b, "{\"type\":\"complete\",\"exitCode\":137}");
	message_error(&b, "no");
	assert_text(&b, "{\"type\":\"error\",\"message\":\"no\"}");
	message_status(&b, "ready", NULL);
	assert_text(&b, "{\"type\":\"status\",\"status\":\"ready\"}");
	message_status(&b, "expired", "why");
	assert_text(&b, "{\"type\":\"status\",\"status\":\"expired\",\"message\":\"why\"}");
	message_egress(&b, "ready", SLICE_LIT("egress"), SLICE_LIT("h:1"), SLICE_LIT("r"));
	assert_text(&b, "{\"type\":\"status\",\"status\":\"ready\",\"egress\":{\"allowed\":false,\"kind\":\"egress\","
			"\"host\":\"h:1\",\"reason\":\"r\"}}");
	message_diff(&d, SLICE_LIT("d"), SLICE_LIT("n"));
	assert_draft(&d, "{\"type\":\"diff\",\"diff\":\"d\",\"notes\":\"n\"}");
	message_left_out(&b, 7);
	assert_true(json_check(buf_slice(&b), NULL));
}

static void test_tool_results(void **state)
{
	(void)state;
	struct draft d = { 0 };
	message_tool_result(&d, &(struct tool_result){ .id = SLICE_LIT("\"\\ud83d\""),
						       .success = true,
						       .output = SLICE_LIT("a"),
						       .error = SLICE_LIT("never"),
						       .exit_code = 0 });
	assert_draft(&d,
		     "{\"type\":\"tool_result\",\"id\":\"\\ud83d\",\"success\":true,\"output\":\"a\",\"exitCode\":0}");
	message_tool_result(&d,
			    &(struct tool_result){ .id = SLICE_LIT("7"), .error = SLICE_LIT("e"), .exit_code = -1 });
	assert_draft(&d, "{\"type\":\"tool_result\",\"id\":7,\"success\":false,\"output\":\"\",\"error\":\"e\"}");
}

static void assert_cleaned(const char *bytes, size_t n, const char *want)
{
	struct draft d = { 0 };
	draft_text(&d, slice_make(bytes, n));
	assert_draft(&d, want);
}

static void test_bytes_become_text(void **state)
{
	(void)state;
	assert_cleaned("a\0b", 3, "\"a\\u0000b\"");
	assert_cleaned("\xff", 1, "\"\xef\xbf\xbd\"");
	assert_cleaned("a\xe4z\xc3\xa4", 5, "\"a\xef\xbf\xbdz\xc3\xa4\"");
	/* Half a character at the end. */
	assert_cleaned("a\xc3", 2, "\"a\xef\xbf\xbd\"");
	assert_cleaned("\xf0\x9f\x98", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
	assert_cleaned(NULL, 0, "\"\"");
}

/* A text of several pieces, in which characters lie across their ends, becomes what it becomes in one. */
static void test_big_text_in_pieces(void **state)
{
	(void)state;
	static const char *const patterns[] = { "\xf0\x9f\x98\x80z", "\xc3\xa4", "\"\n\\", "\xa4", "\xf0\x9f\x98", "a\xe2\x82\xacm" };
	for (size_t i = 0; i < sizeof(patterns) / sizeof(*patterns); i++) {
		autobuf text = { 0 }, want = { 0 };
		struct draft d = { 0 };
		unsigned steps = 0;
		while (text.len < 3 * DRAFT_PIECE)
			buf_add_str(&text, patterns[i]);
		buf_add_str(&want, "[\"");
		draft_clean(&want, buf_slice(&text));
		buf_add_str(&want, "\",\"x\"]");
		draft_json(&d, SLICE_LIT("["));
		draft_text(&d, buf_slice(&text));
		draft_json(&d, SLICE_LIT(","));
		draft_text(&d, SLICE_LIT("x"));
		draft_json(&d, SLICE_LIT("]"));
		assert_true(draft_size(&d) >= text.len);
		while (!draft_step(&d))
			steps++;
		assert_true(steps >= 3);
		assert_int_equal(d.out.len, want.len);
		assert_memory_equal(d.out.data, want.data, want.len);
		draft_free(&d);
	}
}

static void test_what_fits(void **state)
{
	(void)state;
	assert_int_equal(draft_fits(SLICE_LIT("abc"), 100), 3);
	assert_int_equal(draft_fits(SLICE_LIT("abc"), 2), 2);
	assert_int_equal(draft_fits(SLICE_LIT("\0\0\0"), 12), 2);
	assert_int_equal(draft_fits(SLICE_LIT("a\xf0\x9f\x98\x80"), 4), 1);
	assert_int_equal(draft_fits(SLICE_LIT("\xff\xff"), 5), 1);
	assert_int_equal(draft_fits_end(SLICE_LIT("abc"), 2), 2);
	assert_int_equal(draft_fits_end(SLICE_LIT("\xf0\x9f\x98\x80z"), 4), 1);
	assert_int_equal(draft_fits_end(SLICE_LIT("a\n\n"), 4), 2);
	assert_int_equal(draft_fits_end(SLICE_LIT("abc"), 9), 3);
}

/* What is sent of an output is never more than max (and the note), and has both ends. */
static void test_outputs(void **state)
{
	(void)state;
	for (size_t n = 0; n < 6000; n += 997) {
		struct output o = { 0 };
		autobuf text = { 0 }, json = { 0 };
		for (size_t i = 0; i < n; i++) {
			char byte = i % 50 ? (char)('a' + i % 26) : '\0';
			output_add(&o, slice_make(&byte, 1), 1024);
		}
		assert_int_equal(output_size(&o), n);
		output_text(&o, 1024, "KEY", &text);
		draft_clean(&json, buf_slice(&text));
		assert_true(json.len <= 1024 + 300);
		if (n < 900) {
			assert_int_equal(text.len, n);
		} else {
			assert_true(json.len > 900);
			assert_non_null(strstr(buf_cstr(&json), "left out here: a result has at most 1024 bytes"));
			assert_int_equal(text.data[text.len - 1], (n - 1) % 50 ? (int)('a' + (n - 1) % 26) : 0);
			assert_int_equal(text.data[1], 'b');
			assert_true(o.head.len + o.tail.len <= (size_t)3 * 1024);
		}
		output_free(&o);
	}
}

static void assert_prompt(const char *message, const char *notes, const char *want)
{
	autobuf b = { 0 };
	prompt_text(slice_of(message), slice_of(notes), &b);
	assert_string_equal(buf_cstr(&b), want);
}

static void test_prompts(void **state)
{
	(void)state;
	assert_prompt("{\"task\":\"t\"}", "", "t");
	assert_prompt("{\"prompt\":\"p\"}", "", "p");
	assert_prompt("{\"prompt\":\"p\",\"task\":\"t\"}", "", "t");
	assert_prompt("{\"task\":\"t\",\"context\":\"Human: a\\n\\nAssistant: b\"}", "",
		      "Human: a\n\nAssistant: b\n\nt");
	assert_prompt("{\"task\":\"t\",\"context\":\"\"}", "n", "t\n\nn");
	assert_prompt("{\"task\":\"\\ud83d!\",\"context\":null}", "", "\xef\xbf\xbd!");
}

static void assert_attachment(const char *name, const char *want)
{
	autobuf message = { 0 };
	__attribute__((cleanup(attachment_free))) struct attachment a;
	buf_addf(&message, "{\"attachments\":[{\"name\":\"%s\",\"type\":\"image/png\",\"content\":\"AAEC\"}]}", name);
	struct json_iter it = prompt_attachments(buf_slice(&message));
	assert_true(prompt_attachment(&it, &a));
	assert_string_equal(buf_cstr(&a.name), want);
	assert_string_equal(buf_cstr(&a.type), "image/png");
	assert_false(a.malformed);
	assert_int_equal(a.bytes.len, 3);
	assert_memory_equal(a.bytes.data, "\0\1\2", 3);
}

static void test_attachment_names(void **state)
{
	(void)state;
	assert_attachment("a b.png", "a b.png");
	assert_attachment("../../etc/passwd", "passwd");
	assert_attachment("c:\\\\x\\\\y.txt", "y.txt");
	assert_attachment("..", "_.");
	assert_attachment(".bashrc", "_bashrc");
	assert_attachment("a\\nb\\u0000c", "a_b\xef\xbf\xbd"
					   "c");
	assert_attachment("", "attachment");
	assert_attachment("x/", "attachment");
}

static void test_long_attachment_name(void **state)
{
	(void)state;
	autobuf message = { 0 };
	__attribute__((cleanup(attachment_free))) struct attachment a;
	buf_add_str(&message, "{\"attachments\":[{\"name\":\"x");
	for (int i = 0; i < 300; i++)
		buf_add_str(&message, "\xc3\xa4");
	buf_add_str(&message, "\",\"content\":\"\"}]}");
	struct json_iter it = prompt_attachments(buf_slice(&message));
	assert_true(prompt_attachment(&it, &a));
	/* Not half of a character. */
	assert_int_equal(a.name.len, 199);
}

static void test_malformed_attachments(void **state)
{
	(void)state;
	struct slice message = SLICE_LIT("{\"attachments\":[{\"name\":\"a\",\"content\":\"!\"},{\"name\":\"b\"},"
					 "{\"content\":\"AA==\"}]}");
	struct attachment a;
	struct json_iter it = prompt_attachments(message);
	for (size_t i = 0; i < 3; i++) {
		assert_true(prompt_attachment(&it, &a));
		assert_int_equal(a.malformed, i < 2);
		attachment_free(&a);
	}
	assert_false(prompt_attachment(&it, &a));
	static const char *const none[] = { "{\"attachments\":{}}", "{\"attachments\":[1]}", "{}" };
	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++) {
		it = prompt_attachments(slice_of(none[i]));
		assert_false(prompt_attachment(&it, &a));
	}
}

static void assert_masked(const char *text, const char *want)
{
	autobuf b = { 0 };
	mask_secrets(&b, slice_of(text));
	assert_string_equal(buf_cstr(&b), want);
}

static void test_secrets_are_masked(void **state)
{
	(void)state;
	assert_masked("", "");
	assert_masked("x-api-key: sk-ant-api03-aB_9-z\nnext", "x-api-key: sk-ant-***\nnext");
	assert_masked("https://x:gho_abcDEF123@github.com sk-ant-", "https://x:gho_***@github.com sk-ant-***");
	assert_masked("ghp_1 github_pat_22A_b sk-an", "ghp_*** github_pat_*** sk-an");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_tool_results),
		cmocka_unit_test(test_bytes_become_text),
		cmocka_unit_test(test_big_text_in_pieces),
		cmocka_unit_test(test_what_fits),
		cmocka_unit_test(test_outputs),
		cmocka_unit_test(test_prompts),
		cmocka_unit_test(test_attachment_names),
		cmocka_unit_test(test_long_attachment_name),
		cmocka_unit_test(test_malformed_attachments),
		cmocka_unit_test(test_secrets_are_masked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
