/* test_utf8.c: the UTF-8 validator against a plain decoder, and at every cut. */
#include "lib/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* Length of the valid character at p by the table of RFC 3629 section 4, or 0. */
static size_t plain_char(const uint8_t *p, size_t n)
{
	static const struct {
		uint8_t lead_min, lead_max, second_min, second_max, length;
	} rows[] = {
		{ 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};
	if (p[0] < 0x80)
		return 1;
	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		if (p[0] < rows[r].lead_min || p[0] > rows[r].lead_max)
			continue;
		size_t length = rows[r].length;
		if (n < length || p[1] < rows[r].second_min || p[1] > rows[r].second_max)
			return 0;
		for (size_t i = 2; i < length; i++)
			if ((p[i] & 0xc0) != 0x80)
				return 0;
		return length;
	}
	return 0;
}

static bool plain_valid(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n;) {
		size_t length = plain_char(p + i, n - i);
		if (length == 0)
			return false;
		i += length;
	}
	return true;
}

/* Bytes at and next to every boundary of the table. */
static const uint8_t edges[] = { 0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf,
				 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xfe, 0xff };
#define EDGES sizeof(edges)

static void all_pairs(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 65536; i++) {
		uint8_t s[2] = { (uint8_t)(i >> 8), (uint8_t)i };
		assert_int_equal(utf8_valid(s, 2), plain_valid(s, 2));
		assert_int_equal(utf8_valid(s, 1), plain_valid(s, 1));
	}
}

static void edges_of_four(void **state)
{
	(void)state;
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): EDGES is a number of elements */
	for (size_t i = 0; i < EDGES * EDGES * EDGES * EDGES; i++) {
		uint8_t s[4] = { edges[i % EDGES], edges[i / EDGES % EDGES], edges[i / EDGES / EDGES % EDGES],
				 edges[i / EDGES / EDGES / EDGES] };
		assert_int_equal(utf8_valid(s, 4), plain_valid(s, 4));
		assert_int_equal(utf8_valid(s, 3), plain_valid(s, 3));
	}
}

static size_t encode(uint32_t c, uint8_t *out)
{
	if (c < 0x80) {
		out[0] = (uint8_t)c;
		return 1;
	}
	size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	static const uint8_t lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
	for (size_t i = n - 1; i > 0; i--, c >>= 6)
		out[i] = (uint8_t)(0x80 | (c & 0x3f));
	out[0] = (uint8_t)(lead[n] | c);
	return n;
}

static void every_code_point(void **state)
{
	(void)state;
	for (uint32_t c = 0; c < 0x1fffff; c++) {
		uint8_t s[4];
		size_t n = encode(c, s);
		bool scalar = c <= 0x10ffff && (c < 0xd800 || c > 0xdfff);
		assert_int_equal(utf8_valid(s, n), scalar);
		if (n > 1)
			assert_false(utf8_valid(s, n - 1));
	}
}

/* A bad byte at each place of a long text, so that every path meets it: ASCII by 32, by 8, single. */
static void bad_byte_anywhere(void **state)
{
	(void)state;
	uint8_t s[150];
	for (size_t n = 1; n <= sizeof(s); n++) {
		memset(s, 'a', sizeof(s));
		assert_true(utf8_valid(s, n));
		for (size_t i = 0; i < n; i++) {
			s[i] = 0xff;
			assert_false(utf8_valid(s, n));
			s[i] = 'a';
		}
	}
}

static const char mixed[] = "plain ASCII for more than thirty-two bytes, then \xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"
			    " and again ASCII \xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf.";

static void cut_anywhere(void **state)
{
	(void)state;
	size_t n = sizeof(mixed) - 1;
	for (size_t i = 0; i <= n; i++) {
		for (size_t j = i; j <= n; j++) {
			struct utf8 s = { 0 };
			assert_true(utf8_feed(&s, mixed, i));
			assert_int_equal(utf8_complete(&s), plain_valid((const uint8_t *)mixed, i));
			assert_true(utf8_feed(&s, mixed + i, j - i));
			assert_true(utf8_feed(&s, mixed + j, n - j));
			assert_true(utf8_complete(&s));
		}
	}
}

/* The verdict comes with the very byte that spoils the text, and stays. */
static void earliest_byte(void **state)
{
	(void)state;
	static const struct {
		const char *bytes;
		size_t bad; /* index of the first byte that can't be right */
	} cases[] = {
		{ "a\x80", 1 },
		{ "\xc0\xaf", 0 },
		{ "\xc2 ", 1 },
		{ "\xe0\x9f\xbf", 1 },
		{ "\xed\xa0\x80", 1 },
		{ "\xed\xbf\xbf", 1 },
		{ "\xe2\x82 ", 2 },
		{ "\xf0\x8f\xbf\xbf", 1 },
		{ "\xf4\x90\x80\x80", 1 },
		{ "\xf5\x80\x80\x80", 0 },
		{ "\xf0\x9f\x98!", 3 },
		{ "\xff", 0 },
	};
	for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		struct utf8 s = { 0 };
		for (size_t i = 0; cases[c].bytes[i]; i++)
			assert_int_equal(utf8_feed(&s, cases[c].bytes + i, 1), i < cases[c].bad);
		assert_false(utf8_feed(&s, "a", 1));
		assert_false(utf8_feed(&s, NULL, 0));
		assert_false(utf8_complete(&s));
	}
}

static void nothing_is_valid(void **state)
{
	(void)state;
	assert_true(utf8_valid(NULL, 0));
	assert_true(utf8_valid("a\0b", 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_pairs),	    cmocka_unit_test(edges_of_four),
		cmocka_unit_test(every_code_point), cmocka_unit_test(bad_byte_anywhere),
		cmocka_unit_test(cut_anywhere),	    cmocka_unit_test(earliest_byte),
		cmocka_unit_test(nothing_is_valid),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
