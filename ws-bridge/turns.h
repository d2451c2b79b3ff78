/* turns.h: turns of connections that sent much at once, or are to be sent it, so that others don't wait until all of it
 * is dealt with. */
#ifndef CRAFT_TURNS_H
#define CRAFT_TURNS_H

#include "conn.h"

/* What is left of an OPEN connection's bytes is looked at when others had their turn; it isn't read until then. */
void turns_wait(struct conn *conn);

/* It ends: no turn any more. */
void turns_leave(struct conn *conn);

/* Deals with what is left of their bytes, as far as there is time in one turn of the loop. */
void turns_run(struct bridge *bridge);

#endif
