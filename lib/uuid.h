/* uuid.h: random identifiers (RFC 9562 section 5.4, version 4). */
#ifndef CRAFT_UUID_H
#define CRAFT_UUID_H

#include "buf.h"

#define UUID_SIZE 37 /* 36 characters and a NUL */

/* Makes a random one, in lower case. False: the system has no random bytes (errno). */
bool uuid_random(char text[static UUID_SIZE]);

/* Is the text a UUID as uuid_random() writes them: lower case, with hyphens? */
bool uuid_valid(struct slice text);

#endif
