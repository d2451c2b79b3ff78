/* cursor.h: where a page of a list goes on, as text that URL libraries leave alone: letters, digits, '-', '_' and '.'.
 */
#ifndef CRAFT_FCGI_CURSOR_H
#define CRAFT_FCGI_CURSOR_H

#include "buf.h"

/* Appends the cursor behind name. */
void cursor_add(struct buf *out, struct slice name);

/* Appends the name of a cursor, or a text that isn't one of ours as it is: a name may be given too. False: it looks
 * like one of ours, and is cut or changed. */
bool cursor_read(struct slice text, struct buf *name);

#endif
