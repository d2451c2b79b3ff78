/* test_conf_errors.c: what is wrong with a configuration is said, and never with a secret in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "cleanup.h"
#include "conf.h"

#define SECRET "sesame5e5ame"

static void unlink_path(char (*path)[64])
{
	(void)unlink(*path);
}

static void write_file(const char *path, struct slice text)
{
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	assert_int_equal(fwrite(text.ptr, 1, text.len, f), text.len);
	assert_int_equal(fclose(f), 0);
}

/* The error of such a file, in out. */
static void load(struct slice text, struct buf *out)
{
	autocall(unlink_path) char path[64];
	struct conf conf;
	buf_clear(out);
	(void)snprintf(path, sizeof(path), "/tmp/test_conf_errors.%d", (int)getpid());
	write_file(path, text);
	assert_false(conf_load(&conf, CONF_BRIDGE, path, out));
	conf_free(&conf);
	assert_null(strstr(buf_cstr(out), "sesame"));
	assert_null(strstr(buf_cstr(out), "5e5ame"));
}

static void expect(struct slice text, const char *want)
{
	autobuf error = { 0 };
	load(text, &error);
	if (!strstr(buf_cstr(&error), want))
		fail_msg("want %s, got %s", want, buf_cstr(&error));
}

/* A value on a line of its own has an "=" too, and where a path belongs people put the key. */
static void misplaced_secrets_are_not_repeated(void **state)
{
	(void)state;
	expect(SLICE_LIT("API_KEY=\npostgresql://u:" SECRET "@h/x?a=b\n"), ":1: API_KEY must be");
	expect(SLICE_LIT("postgresql://u:" SECRET "@h/x?a=b\n"), ":1: unknown key");
	expect(SLICE_LIT(SECRET "==\n"), ":1: unknown key");
	expect(SLICE_LIT("API_KEY_FILE=" SECRET "\n"), ":1: API_KEY_FILE: can't read that file: No such file");
	expect(SLICE_LIT("API_KEY_FILE=/nonexistent/" SECRET "\n"), ":1: API_KEY_FILE: can't read that file");
	expect(SLICE_LIT("NOPE=" SECRET "\n"), ":1: unknown key NOPE");
	expect(SLICE_LIT("=" SECRET "\n"), ":1: unknown key");
	expect(SLICE_LIT(SECRET "\n"), ":1: not of the form KEY=value");
}

static void nuls_are_refused(void **state)
{
	autobuf text = { 0 };
	char path[64];
	(void)state;
	expect(SLICE_LIT("API_KEY=12345678\0" SECRET "\nDATABASE_URL=x\n"), ":1: holds a NUL byte");
	expect(SLICE_LIT("# \0\nAPI_KEY=12345678\nDATABASE_URL=x\n"), ":1: holds a NUL byte");
	(void)snprintf(path, sizeof(path), "/tmp/test_conf_errors.%d.key", (int)getpid());
	write_file(path, SLICE_LIT("12345678\0" SECRET "\n"));
	buf_addf(&text, "API_KEY_FILE=%s\n", path);
	expect(buf_slice(&text), ":1: API_KEY_FILE: that file holds a NUL byte");
	assert_int_equal(unlink(path), 0);
}

static void what_opens_but_cannot_be_read_is_no_empty_file(void **state)
{
	struct conf conf;
	autobuf error = { 0 };
	(void)state;
	assert_false(conf_load(&conf, CONF_BRIDGE, "/tmp", &error));
	assert_string_equal(buf_cstr(&error), "can't read the configuration /tmp: Is a directory");
	conf_free(&conf);
	expect(SLICE_LIT("DATABASE_URL_FILE=/tmp\n"), ":1: DATABASE_URL_FILE: can't read that file: Is a directory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(misplaced_secrets_are_not_repeated),
		cmocka_unit_test(nuls_are_refused),
		cmocka_unit_test(what_opens_but_cannot_be_read_is_no_empty_file),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
