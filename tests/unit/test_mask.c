/* test_mask.c: keys in what is about to be logged. */
#include "lib/mask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define KEY "cak_0123456789abcdef_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define SECRET "Ab/3-long-secret"

static const struct {
	const char *text, *masked;
} cases[] = {
	{ "", "" },
	{ "GET /workspace/a/sessions status=200", "GET /workspace/a/sessions status=200" },
	{ "cak", "cak" },
	{ "/a/100%", "/a/100%" },
	{ "/a/%6", "/a/%6" },
	{ "/apiKey/%63ake", "/apiKey/%63ake" },
	{ KEY, "***" },
	{ "GET /files/a/s/attachments/" KEY " status=401 bytes=1",
	  "GET /files/a/s/attachments/*** status=401 bytes=1" },
	{ "/workspace/" KEY "/sessions/" KEY "?x", "/workspace/***/sessions/***?x" },
	{ "/workspace/a/apiKey=" KEY " x", "/workspace/a/apiKey=*** x" },
	{ "/workspace/a/apikey=something+else/x", "/workspace/a/apikey=***/x" },
	{ "/workspace/a/apiKey%3Dsomething&b", "/workspace/a/apiKey%3D***&b" },
	{ "/workspace/a/%61piKey%253dsomething", "/workspace/a/%61piKey%253d***" },
	{ "/workspace/a/apiKey=", "/workspace/a/apiKey=" },
	{ "/a/%63%61k%5F0123", "/a/***" },
	{ "/a/c%61k_0%2f1", "/a/***" },
	{ "/a/%2563ak_0123/b", "/a/***/b" },
	{ "/a/%252563ak_0123/b", "/a/***/b" },
	{ "/a/%25cak_0123/b", "/a/%25***/b" },
	{ "/a/CAK_0123/b", "/a/***/b" },
	{ "x" SECRET "y", "x***y" },
	{ "/a/Ab%2F3-long-secret/b", "/a/***/b" },
	{ "/a/%41b%252F3%2Dlong-secret", "/a/***" },
	{ "/a/ab/3-long-secret", "/a/ab/3-long-secret" },
	{ "/a/Ab/3-long-secre", "/a/Ab/3-long-secre" },
};

static void masks(void **state)
{
	(void)state;
	mask_secret(NULL);
	mask_secret(SECRET);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		autobuf out = { 0 };
		mask_keys(&out, slice_of(cases[i].text));
		assert_string_equal(buf_cstr(&out), cases[i].masked);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(masks) };
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
