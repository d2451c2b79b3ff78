/* message_list.h: the messages that clients may send, as text for people and tests. */
#ifndef CRAFT_MESSAGE_LIST_H
#define CRAFT_MESSAGE_LIST_H

#include <stdio.h>

/* Prints a line for each, with tabs between its parts:
 * "workspace", the type, entity/action of its event, what its answer's data is, the fields that its data must have;
 * "sandbox", the type, and what it does: "listens" or "changes", which a read-only key may not (those of a workspace
 * all change); "tool" and the name. */
void message_list_print(FILE *out);

#endif
