/* test_fcgi_byte_range.c: which bytes a Range asks for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "byte_range.h"

struct wanted {
	const char *value;
	enum byte_range_result result;
	uint64_t first, last;
};

static void expect(const struct wanted *rows, size_t count, uint64_t size)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t first = 0, last = 0;
		enum byte_range_result got = byte_range_parse(slice_of(rows[i].value), size, &first, &last);
		bool same = got == rows[i].result &&
			    (got != BYTE_RANGE_PART || (first == rows[i].first && last == rows[i].last));
		if (!same)
			fail_msg("%s of %llu: %d, %llu-%llu", rows[i].value, (unsigned long long)size, (int)got,
				 (unsigned long long)first, (unsigned long long)last);
	}
}

#define EXPECT(rows, size) expect(rows, sizeof(rows) / sizeof(*(rows)), size)

static void of_a_hundred_bytes(void **state)
{
	static const struct wanted rows[] = {
		{ "bytes=0-9", BYTE_RANGE_PART, 0, 9 },
		{ "bytes=0-0", BYTE_RANGE_PART, 0, 0 },
		{ "BYTES=90-", BYTE_RANGE_PART, 90, 99 },
		{ "bytes= 5-6 ", BYTE_RANGE_PART, 5, 6 },
		{ "bytes=99-99", BYTE_RANGE_PART, 99, 99 },
		{ "bytes=50-99999999999999999999999999", BYTE_RANGE_PART, 50, 99 },
		{ "bytes=-1", BYTE_RANGE_PART, 99, 99 },
		{ "bytes=-100", BYTE_RANGE_PART, 0, 99 },
		{ "bytes=-99999999999999999999999999", BYTE_RANGE_PART, 0, 99 },
		{ "bytes=100-", BYTE_RANGE_BEYOND, 0, 0 },
		{ "bytes=99999999999999999999999999-", BYTE_RANGE_BEYOND, 0, 0 },
		{ "bytes=-0", BYTE_RANGE_BEYOND, 0, 0 },
		{ "", BYTE_RANGE_ALL, 0, 0 },
		{ "bytes=", BYTE_RANGE_ALL, 0, 0 },
		{ "bytes", BYTE_RANGE_ALL, 0, 0 },
		{ "bytes=-", BYTE_RANGE_ALL, 0, 0 },
		{ "bytes=5", BYTE_RANGE_ALL, 0, 0 },
		{ "bytes=9-5", BYTE_RANGE_ALL, 0, 0 },
		{ "bytes=0-1,5-6", BYTE_RANGE_ALL, 0, 0 },
		{ "bytes=0-1x", BYTE_RANGE_ALL, 0, 0 },
		{ "bytes=--1", BYTE_RANGE_ALL, 0, 0 },
		{ "bytes=+1-2", BYTE_RANGE_ALL, 0, 0 },
		{ "lines=0-1", BYTE_RANGE_ALL, 0, 0 },
	};
	(void)state;
	EXPECT(rows, 100);
}

static void of_nothing(void **state)
{
	static const struct wanted rows[] = {
		{ "bytes=0-", BYTE_RANGE_BEYOND, 0, 0 },
		{ "bytes=-1", BYTE_RANGE_BEYOND, 0, 0 },
		{ "bytes=0-0", BYTE_RANGE_BEYOND, 0, 0 },
	};
	(void)state;
	EXPECT(rows, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_a_hundred_bytes),
		cmocka_unit_test(of_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
