/* test_fcgi_http_date.c: the three formats of dates in HTTP. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include "http_date.h"

#define EXAMPLE 784111777 /* RFC 9110's */

static void expect_seconds(const char *text, int64_t want)
{
	int64_t got;
	if (!http_date_parse(slice_of(text), &got))
		fail_msg("refused: %s", text);
	if (got != want)
		fail_msg("%s: want %lld, got %lld", text, (long long)want, (long long)got);
}

static void expect_text(int64_t seconds, const char *want)
{
	char text[HTTP_DATE_SIZE];
	http_date_format(seconds, text);
	assert_string_equal(text, want);
}

static void formats_and_reads_back(void **state)
{
	static const struct {
		int64_t seconds;
		const char *text;
	} cases[] = {
		{ 0, "Thu, 01 Jan 1970 00:00:00 GMT" },
		{ EXAMPLE, "Sun, 06 Nov 1994 08:49:37 GMT" },
		{ 951868799, "Tue, 29 Feb 2000 23:59:59 GMT" },
		{ 1767571200, "Mon, 05 Jan 2026 00:00:00 GMT" },
		{ -1, "Wed, 31 Dec 1969 23:59:59 GMT" },
		{ -2203891201, "Wed, 28 Feb 1900 23:59:59 GMT" },
		{ 253402300799, "Fri, 31 Dec 9999 23:59:59 GMT" },
		{ -62167219200, "Sat, 01 Jan 0000 00:00:00 GMT" },
		{ -62162078400, "Tue, 29 Feb 0000 12:00:00 GMT" },
		{ -62162035200, "Wed, 01 Mar 0000 00:00:00 GMT" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		expect_text(cases[i].seconds, cases[i].text);
		expect_seconds(cases[i].text, cases[i].seconds);
	}
	expect_text(INT64_MAX, "Fri, 31 Dec 9999 23:59:59 GMT");
	expect_text(INT64_MIN, "Sat, 01 Jan 0000 00:00:00 GMT");
}

static void every_day_comes_back(void **state)
{
	char text[HTTP_DATE_SIZE];
	(void)state;
	for (int64_t day = -25600; day < 100000; day++) {
		http_date_format(day * 86400 + 43210, text);
		expect_seconds(text, day * 86400 + 43210);
	}
}

static void reads_the_old_formats(void **state)
{
	(void)state;
	expect_seconds("Sunday, 06-Nov-94 08:49:37 GMT", EXAMPLE);
	expect_seconds("Tuesday, 29-Feb-00 23:59:59 GMT", 951868799);
	expect_seconds("Sun Nov  6 08:49:37 1994", EXAMPLE);
	expect_seconds("Wed Dec 31 23:59:59 1969", -1);
	/* a leap second */
	expect_seconds("Sat, 31 Dec 2016 23:59:60 GMT", 1483228800);
}

/* Seconds of noon on a first of March, by the C library. */
static int64_t first_of_march(int year)
{
	struct tm tm = { .tm_year = year - 1900, .tm_mon = 2, .tm_mday = 1, .tm_hour = 12 };
	return (int64_t)timegm(&tm);
}

/* RFC 9110: what seems to lie more than 50 years ahead is of the century before. */
static void two_digits_are_within_50_years(void **state)
{
	char text[64];
	struct tm now;
	time_t t = time(NULL);
	(void)state;
	(void)gmtime_r(&t, &now);
	int this_year = now.tm_year + 1900;
	for (int year = this_year - 49; year <= this_year + 50; year++) {
		/* the year whose date may lie right on the limit, as today is before or after March */
		if (year == this_year + 50 && first_of_march(this_year) >= t - 86400)
			continue;
		(void)snprintf(text, sizeof(text), "Monday, 01-Mar-%02d 12:00:00 GMT", year % 100);
		expect_seconds(text, first_of_march(year));
	}
}

/* Writes the time of so many seconds from now with another year as RFC 850 has it, and expects year + 50 or - 50. */
static void expect_shift(int64_t from_now, int shift)
{
	char text[64], month[4];
	struct tm tm;
	time_t t = time(NULL) + from_now;
	(void)gmtime_r(&t, &tm);
	if (tm.tm_mon == 1 && tm.tm_mday == 29)
		return;
	(void)strftime(month, sizeof(month), "%b", &tm);
	(void)snprintf(text, sizeof(text), "Monday, %02d-%s-%02d %02d:%02d:%02d GMT", tm.tm_mday, month,
		       (tm.tm_year + 50) % 100, tm.tm_hour, tm.tm_min, tm.tm_sec);
	tm.tm_year += shift;
	expect_seconds(text, (int64_t)timegm(&tm));
}

static void the_limit_is_no_matter_of_years(void **state)
{
	(void)state;
	expect_shift(-600, 50);
	expect_shift(600, -50);
}

static void refuses_everything_else(void **state)
{
	static const char *const bad[] = {
		"",
		"0",
		"784111777",
		"now",
		"Sun",
		"Sun, 06 Nov 1994 08:49:37",
		"Sun, 06 Nov 1994 08:49:37 UTC",
		"Sun, 06 Nov 1994 08:49:37 GMT ",
		" Sun, 06 Nov 1994 08:49:37 GMT",
		"Sun, 06 Nov 1994 08:49:37 GMTx",
		"Sun, 06 Nov 1994 08:49:37 +0000",
		"Sun, 6 Nov 1994 08:49:37 GMT",
		"Sun, 06 Nov 94 08:49:37 GMT",
		"Sun,06 Nov 1994 08:49:37 GMT",
		"sun, 06 Nov 1994 08:49:37 GMT",
		"Sun, 06 nov 1994 08:49:37 GMT",
		"So, 06 Nov 1994 08:49:37 GMT",
		"Sunday, 06 Nov 1994 08:49:37 GMT",
		"Sun, 06 Okt 1994 08:49:37 GMT",
		"Sun, 00 Nov 1994 08:49:37 GMT",
		"Sun, 31 Nov 1994 08:49:37 GMT",
		"Sun, 32 Dec 1994 08:49:37 GMT",
		"Sun, 29 Feb 1900 08:49:37 GMT",
		"Sun, 29 Feb 2023 08:49:37 GMT",
		"Sun, 30 Feb 2024 08:49:37 GMT",
		"Sun, 06 Nov 1994 24:00:00 GMT",
		"Sun, 06 Nov 1994 08:60:00 GMT",
		"Sun, 06 Nov 1994 08:49:61 GMT",
		"Sun, 06 Nov 1994 8:49:37 GMT",
		"Sun, 06 Nov 1994 08:49 GMT",
		"Sun, 06 Nov -994 08:49:37 GMT",
		"Sun, +6 Nov 1994 08:49:37 GMT",
		"Sun, 06 Nov 10000 08:49:37 GMT",
		"Sun, 06-Nov-94 08:49:37 GMT",
		"Sunday, 06-Nov-1994 08:49:37 GMT",
		"Sunday, 06-Nov-94 08:49:37",
		"Sunday, 30-Feb-94 08:49:37 GMT",
		"Sun Nov 6 08:49:37 1994",
		"Sun Nov  6 08:49:37 94",
		"Sun Nov  6 08:49:37 1994 GMT",
		"Sun Nov   6 08:49:37 1994",
		"Sun Nov 31 08:49:37 1994",
		"Sun Nov  0 08:49:37 1994",
	};
	int64_t seconds;
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (http_date_parse(slice_of(bad[i]), &seconds))
			fail_msg("accepted: %s", bad[i]);
	}
	assert_false(http_date_parse(slice_make(NULL, 0), &seconds));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formats_and_reads_back),	   cmocka_unit_test(every_day_comes_back),
		cmocka_unit_test(reads_the_old_formats),	   cmocka_unit_test(two_digits_are_within_50_years),
		cmocka_unit_test(the_limit_is_no_matter_of_years), cmocka_unit_test(refuses_everything_else),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
