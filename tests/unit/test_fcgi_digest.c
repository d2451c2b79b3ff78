/* test_fcgi_digest.c: digests that clients send, and those of the bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "digest.h"

#define HELLO "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:"
#define WORLD "sha-256=:SG6kYiTRu0+2gPNPfJrZao8k7Ii+c+qOWmxlJg6cuKc=:"
#define HELLO_512 "sha-512=:m3HSJL1i83hdltRq0+o9czGb+8KJDKra4t/3JRlnPKcjI8PZm6XBHXx6zG4UuMXaDEZjR1wuXDre9G9zvN7AQw==:"
#define HELLO_MD5 "XUFAKrxLKna5cZ2REBfFkg=="

static const unsigned char hello_sha256[SHA256_SIZE] =
	"\x2c\xf2\x4d\xba\x5f\xb0\xa3\x0e\x26\xe8\x3b\x2a\xc5\xb9\xe2\x9e"
	"\x1b\x16\x1e\x5c\x1f\xa7\x42\x5e\x73\x04\x33\x62\x93\x8b\x98\x24";

static const char *parse(struct digest_wanted *w, const char *repr, const char *content, const char *md5)
{
	return digest_wanted_parse(w, slice_of(repr), slice_of(content), slice_of(md5));
}

/* Expects that the value is good and that the SHA-256 in it is hello's. */
static void expect_hello(const char *value)
{
	struct digest_wanted w;
	if (parse(&w, value, "", "") || !w.has_sha256)
		fail_msg("refused or not seen: %s", value);
	assert_memory_equal(w.sha256, hello_sha256, SHA256_SIZE);
	assert_string_equal(w.sha256_header, "Repr-Digest");
	assert_false(w.has_md5);
	assert_null(parse(&w, "", value, ""));
	assert_true(w.has_sha256);
	assert_string_equal(w.sha256_header, "Content-Digest");
}

static void finds_sha256_among_others(void **state)
{
	(void)state;
	expect_hello(HELLO);
	expect_hello("sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ:");
	expect_hello(HELLO_512 ", " HELLO);
	expect_hello("  " HELLO " \t,\t" HELLO_512 "  ");
	expect_hello(HELLO ";a;b=1;c=\"x, \\\"\\\\ y\";  d=:AA==:;e=?0;f=tok/en:*");
	expect_hello("a, *b-_.*9=-12, c=1.5, d=(), e=( 1  2;x \"(\" tok );p=1, f=?1;q, g=\"\", h=:AA==:, " HELLO);
}

static void the_last_of_a_key_counts(void **state)
{
	struct digest_wanted w;
	(void)state;
	expect_hello(WORLD ", " HELLO);
	expect_hello("sha-256=:AA==:, sha-256, sha-256=1, " HELLO);
	assert_string_equal(parse(&w, HELLO ", sha-256=:AA==:", "", ""), "Repr-Digest");
}

static void passes_over_what_has_none(void **state)
{
	static const char *const others[] = {
		"", "  ", HELLO_512, "sha-256x=1", "md5=:XUFAKrxLKna5cZ2REBfFkg==:", "a"
	};
	struct digest_wanted w;
	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		assert_null(parse(&w, others[i], others[i], ""));
		assert_false(w.has_sha256 || w.has_md5);
	}
}

/* Expects that neither of the headers may have the value. */
static void expect_malformed(const char *value)
{
	struct digest_wanted w;
	const char *repr = parse(&w, value, "", ""), *content = parse(&w, "", value, "");
	if (!repr || !content)
		fail_msg("not refused: %s", value);
	assert_string_equal(repr, "Repr-Digest");
	assert_string_equal(content, "Content-Digest");
}

static void refuses_what_is_malformed(void **state)
{
	static const char *const bad[] = {
		/* not the bytes of a SHA-256 */
		"sha-256",
		"sha-256=1",
		"x=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:, sha-256=1",
		"sha-256=\"x\"",
		"sha-256=?1",
		"sha-256=(:AA==:)",
		"sha-256=::",
		"sha-256=:AA==:",
		"sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ==:",
		"sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmC:",
		"sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmA==:",
		"sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQAAA==:",
		"sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQA:",
		"sha-256=:=LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ:",
		"sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOL=CQ=:",
		/* base64 with other characters */
		"sha-256=:LPJNul-wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:",
		"sha-256=:LPJNul+wow4m6Dsqxbni hsWHlwfp0JecwQzYpOLmCQ=:",
		"sha-512=:!!!!:",
		"x=:A\xc3\xa4==:",
		/* no dictionary */
		"sha-256=LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=",
		"sha-256=:LPJNul",
		"SHA-256=:AA==:",
		"9a=1",
		"a=",
		"a =1",
		"a= 1",
		"a=\"",
		"a=\"\\x\"",
		"a=\"\x01\"",
		"a=\"\x7f\"",
		"a=\"\xc3\xa4\"",
		"a=?2",
		"a=?",
		"a=-",
		"a=1.",
		"a=.5",
		"a=1.2345",
		"a=1234567890123456",
		"a=1234567890123.1",
		"a=(",
		"a=(1",
		"a=(1,2)",
		"a=(1)2",
		"a=(1\"x\")",
		"a=)",
		"a=@",
		"=1",
		"\xff",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		expect_malformed(bad[i]);
}

static void refuses_more_behind_a_good_one(void **state)
{
	static const char *const behind[] = { ",", ", ", " x=1", ",,x=1", ", ,x=1", ",x=1,",
					      "x", ";",	 ";=1",	 ";a=",	  ";A",	    "=" };
	autobuf text = { 0 };
	(void)state;
	for (size_t i = 0; i < sizeof(behind) / sizeof(*behind); i++) {
		buf_clear(&text);
		buf_addf(&text, "%s%s", HELLO, behind[i]);
		expect_malformed(buf_cstr(&text));
	}
	expect_malformed("," HELLO);
}

static void headers_must_not_contradict(void **state)
{
	struct digest_wanted w;
	(void)state;
	assert_null(parse(&w, HELLO, HELLO, HELLO_MD5));
	assert_true(w.has_sha256 && w.has_md5);
	assert_string_equal(parse(&w, HELLO, WORLD, ""), "Content-Digest");
}

static void reads_content_md5(void **state)
{
	static const char *const bad[] = { "XUFAKrxLKna5cZ2REBfFkg===",	 "XUFAKrxLKna5cZ2REBfFkg=",
					   "XUFAKrxLKna5cZ2REBfF",	 "XUFAKrxLKna5cZ2REBfFkgAA",
					   ":XUFAKrxLKna5cZ2REBfFkg==:", "5d41402abc4b2a76b9719d911017c592",
					   "XUFAKrxLKna5cZ2RE\nfFkg==",	 "=" };
	struct digest_wanted w;
	(void)state;
	assert_null(parse(&w, "", "", " " HELLO_MD5 "\t"));
	assert_true(w.has_md5 && !w.has_sha256);
	assert_memory_equal(w.md5, "\x5d\x41\x40\x2a\xbc\x4b\x2a\x76\xb9\x71\x9d\x91\x10\x17\xc5\x92", MD5_SIZE);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		const char *header = parse(&w, "", "", bad[i]);
		if (!header)
			fail_msg("not refused: %s", bad[i]);
		assert_string_equal(header, "Content-MD5");
	}
}

/* ---- computing ---- */

/* Digests the text byte by byte; returns the header that says otherwise. */
static const char *mismatch_of(const char *text, const struct digest_wanted *w, unsigned char *sha256)
{
	struct digest d;
	const char *mismatch = "unset";
	assert_true(digest_begin(&d, w->has_md5));
	for (; *text; text++)
		assert_true(digest_add(&d, text, 1));
	assert_true(digest_end(&d, w, sha256, &mismatch));
	digest_free(&d);
	return mismatch;
}

static void computes_and_compares(void **state)
{
	struct digest_wanted w = { 0 };
	unsigned char sha256[SHA256_SIZE];
	(void)state;
	assert_null(mismatch_of("hello", &w, sha256));
	assert_memory_equal(sha256, hello_sha256, SHA256_SIZE);
	assert_null(parse(&w, HELLO, "", HELLO_MD5));
	assert_null(mismatch_of("hello", &w, sha256));
	assert_string_equal(mismatch_of("hellO", &w, sha256), "Repr-Digest");
	assert_null(parse(&w, "", HELLO, ""));
	assert_string_equal(mismatch_of("", &w, sha256), "Content-Digest");
	assert_null(parse(&w, HELLO, "", "1B2M2Y8AsgTpgAmY7PhCfg=="));
	assert_string_equal(mismatch_of("hello", &w, sha256), "Content-MD5");
	assert_null(
		parse(&w, "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:", "", "1B2M2Y8AsgTpgAmY7PhCfg=="));
	assert_null(mismatch_of("", &w, sha256));
}

static void md5_that_was_not_begun_is_no_match(void **state)
{
	struct digest d;
	struct digest_wanted w;
	const char *mismatch;
	unsigned char sha256[SHA256_SIZE];
	(void)state;
	assert_null(parse(&w, "", "", HELLO_MD5));
	assert_true(digest_begin(&d, false));
	assert_false(digest_end(&d, &w, sha256, &mismatch));
	digest_free(&d);
	digest_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_sha256_among_others),
		cmocka_unit_test(the_last_of_a_key_counts),
		cmocka_unit_test(passes_over_what_has_none),
		cmocka_unit_test(refuses_what_is_malformed),
		cmocka_unit_test(refuses_more_behind_a_good_one),
		cmocka_unit_test(headers_must_not_contradict),
		cmocka_unit_test(reads_content_md5),
		cmocka_unit_test(computes_and_compares),
		cmocka_unit_test(md5_that_was_not_begun_is_no_match),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
