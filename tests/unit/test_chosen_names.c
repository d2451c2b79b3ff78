/* test_chosen_names.c: texts chosen against XXH3. Names that were chosen to lie in one place of a table cost no more
 * than others. They are made by computing XXH3-64 of 8 bytes backwards, which is what an attacker of an unkeyed table
 * does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>
#include <xxhash.h>

#include "json.h"
#include "map.h"

#define NAMES 8000
#define NAME 8
#define LOW_BITS 20 /* of their XXH3 are zero: tables of up to a million places have them all in one */
#define MIX 0x9FB21C651E98DF25ull

static char chosen[NAMES][NAME], usual[NAMES][NAME];

static uint64_t rotate(uint64_t v, unsigned by)
{
	return by % 64 ? v << by % 64 | v >> (64 - by % 64) : v;
}

/* f(x) = x ^ rotl(x,49) ^ rotl(x,24) is its own inverse after 64 times, so 63 times is the inverse; f done 2^n times
 * rotates by 2^n times as much. */
static uint64_t undo_rotations(uint64_t v)
{
	for (unsigned n = 0; n < 6; n++)
		v ^= rotate(v, 49u << n) ^ rotate(v, 24u << n);
	return v;
}

/* The inverse of an odd number modulo 2^64, by Newton's method. */
static uint64_t inverse(uint64_t odd)
{
	uint64_t v = odd;
	for (int i = 0; i < 6; i++)
		v *= 2 - odd * v;
	return v;
}

/* Input of the last step of XXH3's XXH3_len_4to8_64b() of 8 bytes that has this hash. */
static uint64_t backwards(uint64_t hash, uint64_t un_mix)
{
	uint64_t v = hash ^ hash >> 28 ^ hash >> 56;
	v *= un_mix;
	v ^= (v >> 35) + NAME;
	v *= un_mix;
	return undo_rotations(v);
}

static bool fits_json(const char *name)
{
	for (size_t i = 0; i < NAME; i++) {
		if (name[i] < ' ' || name[i] == '"' || name[i] == '\\' || name[i] == 0x7f)
			return false;
	}
	return true;
}

static void choose_names(void)
{
	static const char zeros[NAME];
	uint64_t un_mix = inverse(MIX), flip = backwards(XXH3_64bits(zeros, NAME), un_mix), tried = 0;
	for (size_t n = 0; n < NAMES;) {
		uint64_t input = backwards(++tried << LOW_BITS, un_mix) ^ flip;
		uint32_t halves[2] = { (uint32_t)(input >> 32), (uint32_t)input };
		memcpy(chosen[n], halves, NAME);
		if (!fits_json(chosen[n]))
			continue;
		assert_true((XXH3_64bits(chosen[n], NAME) & ((1u << LOW_BITS) - 1)) == 0);
		n++;
	}
}

static void make_usual_names(void)
{
	for (size_t n = 0; n < NAMES; n++)
		(void)memcpy(usual[n], "k0000000", NAME);
	for (size_t n = 0; n < NAMES; n++) {
		for (size_t left = n, i = NAME - 1; left; left /= 10)
			usual[n][i--] = (char)('0' + left % 10);
	}
}

static int setup(void **state)
{
	(void)state;
	choose_names();
	make_usual_names();
	return 0;
}

static double merge_seconds(char (*names)[NAME])
{
	autobuf object = { 0 }, out = { 0 };
	buf_add_char(&object, '{');
	for (size_t n = 0; n < NAMES; n++) {
		buf_add_str(&object, n ? ",\"" : "\"");
		buf_add(&object, names[n], NAME);
		buf_add_str(&object, "\":1");
	}
	buf_add_char(&object, '}');
	assert_true(json_check(buf_slice(&object), NULL));
	clock_t begin = clock();
	json_merge(&out, SLICE_LIT("{}"), buf_slice(&object));
	double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
	assert_true(slice_eq(buf_slice(&out), buf_slice(&object)));
	return seconds;
}

static double map_seconds(char (*names)[NAME])
{
	struct map m = { 0 };
	clock_t begin = clock();
	for (size_t n = 0; n < NAMES; n++)
		map_put(&m, slice_make(names[n], NAME), names[n]);
	for (size_t n = 0; n < NAMES; n++)
		assert_ptr_equal(map_get(&m, slice_make(names[n], NAME)), names[n]);
	double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
	assert_int_equal(m.count, NAMES);
	map_free(&m);
	return seconds;
}

/* The processor's time of the chosen names is a small multiple of the usual ones', where an unkeyed table needs
 * hundreds. */
static void expect_alike(double (*measure)(char (*names)[NAME]))
{
	double few = 1e9, many = 1e9;
	for (int i = 0; i < 3; i++) {
		double a = measure(usual), b = measure(chosen);
		few = a < few ? a : few;
		many = b < many ? b : many;
	}
	if (many > 20 * few + 0.001)
		fail_msg("chosen names take %g s, others %g s", many, few);
}

static void merging(void **state)
{
	(void)state;
	expect_alike(merge_seconds);
}

static void finding(void **state)
{
	(void)state;
	expect_alike(map_seconds);
}

/* What tests/e2e/lossless.test.mjs stores one after the other. */
static void these_texts_have_one_xxh3(void **state)
{
	static const char *const twins[][2] = {
		{ "{\"id\":\"m1\",\"text\":\"659ef3ebd94bd431\"}", "{\"id\":\"m1\",\"text\":\"e7bf29a0f7863c89\"}" },
		{ "labels:save{\"version\":1,\"labels\":[\"5489d72fb468698f\"]}",
		  "labels:save{\"version\":1,\"labels\":[\"74b62a0c05831a44\"]}" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(twins) / sizeof(*twins); i++) {
		assert_string_not_equal(twins[i][0], twins[i][1]);
		assert_true(XXH3_64bits(twins[i][0], strlen(twins[i][0])) ==
			    XXH3_64bits(twins[i][1], strlen(twins[i][1])));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(merging),
		cmocka_unit_test(finding),
		cmocka_unit_test(these_texts_have_one_xxh3),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, NULL);
}
