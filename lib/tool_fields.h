/* tool_fields.h: which fields the inputs of tools have: those of Claude Code's own tools of these names. Each is
 * honoured, or refused by its name; none is ignored. Pure. */
#ifndef CRAFT_TOOL_FIELDS_H
#define CRAFT_TOOL_FIELDS_H

#include <stdbool.h>

#include "lib/buf.h"

/* input: checked JSON, an object. False: *error says which field is wrong, for the user. A tool that isn't known has no
 * fields to be wrong. */
bool tool_fields_check(const char *tool, struct slice input, struct buf *error);

#endif
