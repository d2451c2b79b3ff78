/* test_fcgi_file_name.c: names that files may have, and what is said about others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "file_name.h"

static void accepts_odd_names(void **state)
{
	static const char *const good[] = {
		"a",
		"a b.png",
		"a b#?%&+\xc3\xa9\xf0\x9f\x98\x80.png",
		"...",
		".hidden",
		"..x",
		" ",
		"a\\b",
		"%2F",
		"C:x",
		"\xc2\x85\xe2\x80\xae",
		"e\xcc\x81",
		"~",
		"-rf",
		"*",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		if (file_name_fault(slice_of(good[i])))
			fail_msg("%s %s", good[i], file_name_fault(slice_of(good[i])));
	}
}

static void says_what_is_wrong(void **state)
{
	static const struct {
		struct slice name;
		const char *want;
	} cases[] = {
		{ { NULL, 0 }, "is empty" },
		{ { ".", 1 }, "is . or .." },
		{ { "..", 2 }, "is . or .." },
		{ { "/", 1 }, "holds a slash" },
		{ { "a/b", 3 }, "holds a slash" },
		{ { "../x", 4 }, "holds a slash" },
		{ { "a\0b", 3 }, "holds a control character" },
		{ { "a\n", 2 }, "holds a control character" },
		{ { "\r", 1 }, "holds a control character" },
		{ { "\x1f", 1 }, "holds a control character" },
		{ { "a\x7f", 2 }, "holds a control character" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *got = file_name_fault(cases[i].name);
		assert_non_null(got);
		assert_string_equal(got, cases[i].want);
	}
}

static void counts_bytes(void **state)
{
	char name[FILE_NAME_MAX + 1];
	(void)state;
	memset(name, 'x', sizeof(name));
	assert_null(file_name_fault(slice_make(name, FILE_NAME_MAX)));
	assert_string_equal(file_name_fault(slice_make(name, FILE_NAME_MAX + 1)), "is longer than 255 bytes");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_odd_names),
		cmocka_unit_test(says_what_is_wrong),
		cmocka_unit_test(counts_bytes),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
