/* test_log.c: lines of the log in both formats. */
#include "lib/log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/buf.h"
#include "lib/json.h"
#include "lib/utf8.h"

/* What is written to stderr meanwhile goes into a pipe. */
static int saved, reader;

static void catch (void)
{
	int fds[2];
	assert_int_equal(pipe(fds), 0);
	saved = dup(STDERR_FILENO);
	assert_true(saved >= 0 && dup2(fds[1], STDERR_FILENO) >= 0);
	assert_int_equal(close(fds[1]), 0);
	reader = fds[0];
}

static const char *caught(void)
{
	static char text[16384];
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	assert_int_equal(close(saved), 0);
	ssize_t n = read(reader, text, sizeof(text) - 1);
	assert_true(n >= 0);
	text[n] = '\0';
	assert_int_equal(close(reader), 0);
	return text;
}

/* The line of one event, without its time and process. */
static const char *line(enum log_format format, const char *req, const char *message)
{
	log_set_format(format);
	catch ();
	log_info(req, "%s", message);
	return caught();
}

static void logfmt(void **state)
{
	(void)state;
	const char *text = line(LOG_LOGFMT, "8f3c", "a \"b\"\n\x01");
	assert_non_null(strstr(text, "Z level=info prog=test pid="));
	assert_non_null(strstr(text, " req=8f3c msg=\"a \\\"b\\\"\\n\\x01\"\n"));
	text = line(LOG_LOGFMT, NULL, "x");
	assert_null(strstr(text, "req="));
}

/* Ids of a sandbox behind those of a request; what isn't known is left out. */
static void sandboxes(void **state)
{
	const struct log_ids both = { "8f3c", "4f6b" }, one = { "", "4f6b" }, none = { NULL, "" };
	(void)state;
	log_set_format(LOG_LOGFMT);
	catch ();
	log_about(LOG_INFO, &both, "%d", 1);
	assert_non_null(strstr(caught(), " req=8f3c sandbox=4f6b msg=\"1\"\n"));
	catch ();
	log_about(LOG_INFO, &one, "x");
	const char *text = caught();
	assert_true(strstr(text, " sandbox=4f6b msg=") && !strstr(text, "req="));
	log_set_format(LOG_JSON);
	catch ();
	log_about(LOG_INFO, &both, "x");
	assert_non_null(strstr(caught(), ",\"req\":\"8f3c\",\"sandbox\":\"4f6b\",\"msg\":\"x\"}\n"));
	catch ();
	log_about(LOG_INFO, &none, "x");
	text = caught();
	assert_true(!strstr(text, "req") && !strstr(text, "sandbox"));
}

/* The message's JSON text; the whole line must be one object. */
static void json_is(const char *req, const char *message, const char *want)
{
	const char *text = line(LOG_JSON, req, message);
	struct slice object = slice_make(text, strlen(text) - 1), value;
	autobuf quoted = { 0 };
	assert_int_equal(text[object.len], '\n');
	assert_null(memchr(object.ptr, '\n', object.len));
	assert_true(utf8_valid(object.ptr, object.len));
	assert_true(json_check(object, NULL) && json_kind_of(object) == JSON_OBJECT);
	assert_true(json_get(object, "time", &value) && value.len == 26);
	assert_true(json_get(object, "level", &value) && slice_eq_str(value, "\"info\""));
	assert_true(json_get(object, "prog", &value) && slice_eq_str(value, "\"test\""));
	buf_addf(&quoted, "%d", (int)getpid());
	assert_true(json_get(object, "pid", &value) && slice_eq(value, buf_slice(&quoted)));
	assert_int_equal(json_get(object, "req", &value), req != NULL);
	assert_true(json_get(object, "msg", &value));
	if (!slice_eq_str(value, want))
		fail_msg("want %s, got %.*s", want, (int)value.len, value.ptr);
}

static void json(void **state)
{
	(void)state;
	json_is("8f3c", "plain", "\"plain\"");
	json_is(NULL, "a \"b\" \\ \n\t\x01\x7f", "\"a \\\"b\\\" \\\\ \\n\\u0009\\u0001\\u007f\"");
	json_is(NULL, "ü€\xf0\x9f\x98\x80", "\"ü€\xf0\x9f\x98\x80\"");
}

#define REPLACED "\xef\xbf\xbd"

static void bad_utf8_is_replaced(void **state)
{
	(void)state;
	json_is(NULL,
		"a\xff\xfe"
		"b",
		"\"a" REPLACED REPLACED "b\"");
	json_is(NULL, "\xc3", "\"" REPLACED "\"");
	json_is(NULL,
		"\xe2\x82"
		"x",
		"\"" REPLACED REPLACED "x\"");
	json_is(NULL, "\xed\xa0\x80", "\"" REPLACED REPLACED REPLACED "\"");
	json_is(NULL, "\xf4\x90\x80\x80", "\"" REPLACED REPLACED REPLACED REPLACED "\"");
	json_is("\xff\"", "x", "\"x\"");
}

/* A long message is cut, in the middle of a character maybe. */
static void long_lines(void **state)
{
	char text[5000];
	(void)state;
	for (size_t i = 0; i + 1 < sizeof(text); i += 2)
		memcpy(text + i, "\xc3\xbc", 2);
	text[sizeof(text) - 2] = '\0';
	log_set_format(LOG_JSON);
	catch ();
	log_info(NULL, "x%s", text);
	const char *got = caught();
	assert_true(strlen(got) > 2000 && strlen(got) < 2400);
	assert_true(json_check(slice_make(got, strlen(got) - 1), NULL));
}

static void levels(void **state)
{
	enum log_format format;
	(void)state;
	log_set_format(LOG_JSON);
	log_set_level(LOG_WARN);
	catch ();
	log_info(NULL, "no");
	log_warn(NULL, "yes");
	const char *text = caught();
	log_set_level(LOG_INFO);
	assert_null(strstr(text, "no"));
	assert_non_null(strstr(text, "\"level\":\"warn\""));
	assert_true(log_format_parse("json", &format) && format == LOG_JSON);
	assert_true(log_format_parse("logfmt", &format) && format == LOG_LOGFMT);
	assert_false(log_format_parse("JSON", &format));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(logfmt),     cmocka_unit_test(json),	cmocka_unit_test(bad_utf8_is_replaced),
		cmocka_unit_test(long_lines), cmocka_unit_test(levels), cmocka_unit_test(sandboxes),
	};
	log_init("test");
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
