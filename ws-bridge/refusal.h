/* refusal.h: what a client gets to read when the database refuses its change. */
#ifndef CRAFT_REFUSAL_H
#define CRAFT_REFUSAL_H

#include <stdbool.h>

struct refusal {
	const char *sqlstate; /* or the beginning of several */
	bool again;	      /* worth another try by ourselves */
	const char *text;
};

/* The row for an SQLSTATE; never NULL. */
const struct refusal *refusal_for(const char *sqlstate);

#endif
