/* glob.h: glob patterns over paths: "*", "?", "[…]" within a name, "**" over directories, "{a,b}". */
#ifndef CRAFT_BOX_GLOB_H
#define CRAFT_BOX_GLOB_H

#include "buf.h"

struct glob {
	char ***patterns; /* each a list of names, NULL at the end; NULL at the end */
	size_t count;
};

/* A pattern without "/" stands for names in any directory, as in a .gitignore. False: it is longer than 8 KB, or has
 * more than 1,000 alternatives in braces. glob_free() in any case. */
bool glob_compile(struct glob *g, const char *pattern);
void glob_free(struct glob *g);
/* path: relative to where the pattern begins, without "./". */
bool glob_match(const struct glob *g, const char *path);

#endif
