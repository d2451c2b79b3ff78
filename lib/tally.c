/* tally.c: the line about counters. */
#include "tally.h"

bool tally_add(struct buf *line, const struct tally_row *rows, size_t count, const uint64_t *counters, uint64_t *told)
{
	bool any = false;
	for (size_t i = 0; i < count; i++) {
		uint64_t now = counters[i];
		if (now == told[i])
			continue;
		buf_addf(line, " %s=%llu", rows[i].name, (unsigned long long)(now - told[i]));
		told[i] = now;
		any = true;
	}
	return any;
}
