/* packs.h: connections whose next message is being compressed (packer.h). */
#ifndef CRAFT_PACKS_H
#define CRAFT_PACKS_H

#include "conn.h"

/* It has nothing to send until a message was compressed. */
void packs_wait(struct conn *conn);

/* It ends, or waits no more. */
void packs_leave(struct conn *conn);

/* A message was compressed: those that wait look whether it is theirs. */
void packs_wake(struct bridge *bridge);

#endif
