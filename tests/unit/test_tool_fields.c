/* test_tool_fields.c: what may stand in a tool's input. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/tool_fields.h"

static void takes_every_field(void **state)
{
	static const char *const inputs[][2] = {
		{ "Bash", "{\"command\":\"x\",\"timeout\":5,\"description\":\"d\",\"run_in_background\":false}" },
		{ "Bash", "{\"command\":\"x\",\"timeout\":null,\"run_in_background\":null}" },
		{ "Read", "{\"file_path\":\"x\",\"offset\":1,\"limit\":\"2\",\"pages\":null}" },
		{ "Write", "{\"file_path\":\"x\",\"content\":\"\"}" },
		{ "Edit", "{\"file_path\":\"x\",\"old_string\":\"a\",\"new_string\":\"b\",\"replace_all\":true}" },
		{ "Glob", "{\"pattern\":\"*\",\"path\":\"x\"}" },
		{ "Grep",
		  "{\"pattern\":\"x\",\"path\":\".\",\"glob\":\"*.c\",\"type\":\"c\",\"output_mode\":\"content\",\"-"
		  "A\":1,"
		  "\"-B\":1,\"-C\":1,\"context\":1,\"-n\":true,\"-i\":\"false\",\"-o\":true,\"multiline\":false,"
		  "\"head_limit\":0,\"offset\":3}" },
		{ "Grep", "{}" },
		{ "Nothing", "{\"x\":1}" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(inputs) / sizeof(*inputs); i++) {
		autobuf error = { 0 };
		if (!tool_fields_check(inputs[i][0], slice_of(inputs[i][1]), &error))
			fail_msg("%s: %s", inputs[i][1], buf_cstr(&error));
	}
}

static void refuses_by_name(void **state)
{
	static const char *const inputs[][3] = {
		{ "Bash", "{\"command\":\"x\",\"run_in_background\":true}",
		  "run_in_background can't be had here: a call" },
		{ "Bash", "{\"run_in_background\":\"yes\"}", "run_in_background can't" },
		{ "Bash", "{\"dangerouslyDisableSandbox\":true}", "dangerouslyDisableSandbox can't" },
		{ "Bash", "{\"timeout\":\"5\"}", "timeout must be a number of milliseconds from 1 to 600000" },
		{ "Bash", "{\"description\":1}", "description must be a string." },
		{ "Bash", "{\"cwd\":\"/\"}", "Bash has no field \"cwd\". There are: command, timeout, description" },
		{ "Bash", "{\"Command\":\"x\"}", "Bash has no field \"Command\"" },
		{ "Read", "{\"pages\":\"1-2\"}", "pages can't be had here: Read shows" },
		{ "Read", "{\"limit\":-1}", "limit must be a whole number that isn't negative." },
		{ "Read", "{\"offset\":1.5}", "offset must be" },
		{ "Read", "{\"offset\":[]}", "offset must be" },
		{ "Edit", "{\"replace_all\":1}", "replace_all must be true or false." },
		{ "Glob", "{\"head_limit\":1}", "Glob has no field \"head_limit\". There are: pattern, path" },
		{ "Grep", "{\"-A\":\"x\"}", "-A must be a whole number" },
		{ "Grep", "{\"output_mode\":1}", "output_mode must be a string." },
		{ "Grep", "{\"\\u002d\\u0041\":{}}", "-A must be" },
		{ "Grep", "{\"\\ud800\":1}", "Grep has no field" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(inputs) / sizeof(*inputs); i++) {
		autobuf error = { 0 };
		if (tool_fields_check(inputs[i][0], slice_of(inputs[i][1]), &error))
			fail_msg("taken: %s", inputs[i][1]);
		if (strncmp(buf_cstr(&error), inputs[i][2], strlen(inputs[i][2])) != 0)
			fail_msg("%s: %s", inputs[i][1], buf_cstr(&error));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_every_field),
		cmocka_unit_test(refuses_by_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
