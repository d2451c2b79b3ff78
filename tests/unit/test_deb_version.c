/* test_deb_version.c: versions in Debian's order, beside dpkg where that is installed; and the table of known holes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "deb_version.h"
#include "known_holes.h"
#include "run_read.h"

/* Each is older than the next one. */
static const char *const rising[] = {
	"0~~",
	"0~~a",
	"0~",
	"0",
	"0.8.0",
	"0.8.0-2",
	"0.8.0-2+deb12u1",
	"0.11.0",
	"0.11.0-2",
	"0.12",
	"1.0~rc1-1",
	"1.0-1",
	"1.0-1a",
	"1.0-1+b1",
	"1.0a-1",
	"1.0+b-1",
	"1.22.1-9+deb12u2",
	"1.22.1-9+deb12u10",
	"1.22.1-9+deb12u11",
	"1.22.1-10",
	"1.26.3-3+deb13u11",
	"2.39.5",
	"12345678901234567890123-1",
	"12345678901234567890124-1",
	"1:0.1",
	"1:2.39.5-0+deb12u2",
	"1:2.39.5-0+deb12u3",
	"1:2.47.3-0+deb13u1",
	"2:0",
	NULL,
};

static void is_debians_order(void **state)
{
	(void)state;
	for (size_t i = 0; rising[i]; i++) {
		for (size_t j = 0; rising[j]; j++) {
			int got = deb_version_compare(slice_of(rising[i]), slice_of(rising[j]));
			if ((got < 0) != (i < j) || (got > 0) != (i > j))
				fail_msg("%s and %s: %d", rising[i], rising[j], got);
		}
	}
	assert_int_equal(deb_version_compare(SLICE_LIT("1.0"), SLICE_LIT("0:1.0-0")), 0);
	assert_int_equal(deb_version_compare(SLICE_LIT("1.007"), SLICE_LIT("1.7")), 0);
	assert_int_equal(deb_version_compare(SLICE_LIT(""), SLICE_LIT("")), 0);
	assert_true(deb_version_compare(SLICE_LIT(""), SLICE_LIT("1")) < 0);
}

/* dpkg's own word, on all neighbours. */
static void dpkg_says_the_same(void **state)
{
	(void)state;
	if (system("dpkg --compare-versions 1 lt 2 2>/dev/null") != 0) {
		skip();
	}
	for (size_t i = 0; rising[i + 1]; i++) {
		char command[256];
		(void)snprintf(command, sizeof(command), "dpkg --compare-versions '%s' lt '%s' 2>/dev/null", rising[i],
			       rising[i + 1]);
		if (system(command) != 0)
			fail_msg("%s is not older than %s for dpkg", rising[i], rising[i + 1]);
	}
}

static unsigned count_of(enum holes_part part, const char *version)
{
	unsigned n = 0;
	size_t next = 0;
	struct hole_found hole;
	while (known_hole_of(part, slice_of(version), &next, &hole)) {
		assert_true(*hole.part && *hole.ids && *hole.what && *hole.mended);
		n++;
	}
	return n;
}

static void knows_what_is_mended(void **state)
{
	static const struct {
		enum holes_part part;
		const char *bad[8], *good[8];
	} all[] = {
		{ HOLES_BUBBLEWRAP,
		  { "0.8.0-2+deb12u1", "0.8.0", "0.4.1", "0.11.0", "0.11.1" },
		  { "0.12", "0.12.0-1", "0.11.0-2", "0.11.0-2+deb13u1", "1.0" } },
		{ HOLES_NGINX,
		  { "1.22.1-9+deb12u10", "1.22.1-9", "1.22.1", "1.26.3-3+deb13u10", "1.28.0-1", "1.30.6" },
		  { "1.22.1-9+deb12u11", "1.22.1-9+deb12u12", "1.26.3-3+deb13u11", "1.30.7", "1.31.0-1~bookworm" } },
		{ HOLES_GIT,
		  { "1:2.39.5-0+deb12u2", "1:2.39.5", "1:2.30.2-1", "1:2.47.2-0.2", "1:2.50.0-1" },
		  { "1:2.39.5-0+deb12u3", "1:2.47.3-0+deb13u1", "1:2.43.7", "1:2.51.0-1" } },
		{ HOLES_LIBFCGI, { "2.4.2-2", "2.4.0-10", "2.4.4-1" }, { "2.4.2-2+deb12u1", "2.4.5-1" } },
		{ HOLES_AGENT, { "2.0.64", "1.0.0" }, { "2.0.65", "2.1.197" } },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		for (size_t j = 0; j < 8 && all[i].bad[j]; j++) {
			if (count_of(all[i].part, all[i].bad[j]) != 1)
				fail_msg("told %u times: %s", count_of(all[i].part, all[i].bad[j]), all[i].bad[j]);
		}
		for (size_t j = 0; j < 8 && all[i].good[j]; j++) {
			if (count_of(all[i].part, all[i].good[j]) != 0)
				fail_msg("told: %s", all[i].good[j]);
		}
	}
}

static void reads_what_programs_say(void **state)
{
	autobuf out = { 0 };
	static const char *const hello[] = { "sh", "-c", "echo out; echo err >&2; exit 3", NULL };
	static const char *const slow[] = { "sh", "-c", "echo a; exec sleep 60", NULL };
	static const char *const much[] = { "sh", "-c", "exec head -c 100000 /dev/zero", NULL };
	static const char *const nothing[] = { "/nonexistent/program", NULL };
	(void)state;
	assert_true(run_read(hello, 20000, false, &out));
	assert_string_equal(buf_cstr(&out), "out\n");
	assert_true(run_read(hello, 20000, true, &out));
	assert_string_equal(buf_cstr(&out), "out\nout\nerr\n");
	assert_false(run_read(slow, 300, false, &out));
	assert_false(run_read(much, 20000, false, &out));
	assert_false(run_read(nothing, 20000, false, &out));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_debians_order),
		cmocka_unit_test(dpkg_says_the_same),
		cmocka_unit_test(knows_what_is_mended),
		cmocka_unit_test(reads_what_programs_say),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
