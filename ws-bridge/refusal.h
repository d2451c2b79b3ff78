/* refusal.h: what a client gets to read when the database refuses its change. */
#ifndef CRAFT_REFUSAL_H
#define CRAFT_REFUSAL_H

#include "lib/sqlstate.h"

/* Never NULL. */
const char *refusal_text(enum sqlstate_kind kind);

#endif
