/* git_id.h: ids of commits and other objects, as hex digits. */
#ifndef CRAFT_GIT_ID_H
#define CRAFT_GIT_ID_H

#include "lib/buf.h"

/* A commit's id, also where git is made to use SHA-256 one day. */
#define GIT_ID_SIZE 65

/* As many hex digits as an id has. Pure. */
bool git_id_valid(struct slice text);

#endif
