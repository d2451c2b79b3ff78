/* tally.h: counters with names, and the one line in the log that says how they grew. */
#ifndef CRAFT_TALLY_H
#define CRAFT_TALLY_H

#include <stdint.h>

#include "buf.h"

/* A row of a table of counters. */
struct tally_row {
	const char *name; /* in the line */
	const char *help; /* what is counted */
};

/* Appends " name=n" for each counter that is more than `told`, which follows it. False: none is. */
bool tally_add(struct buf *line, const struct tally_row *rows, size_t count, const uint64_t *counters, uint64_t *told);

#endif
