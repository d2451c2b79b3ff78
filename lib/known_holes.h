/* known_holes.h: programs and libraries on this machine that have holes which are known and mended elsewhere. A table
 * that is as old as this release: it says nothing about what was found later. */
#ifndef CRAFT_KNOWN_HOLES_H
#define CRAFT_KNOWN_HOLES_H

#include "buf.h"

/* Bits: what a caller stands on. */
enum holes_part { HOLES_BUBBLEWRAP = 1, HOLES_NGINX = 2, HOLES_GIT = 4, HOLES_LIBFCGI = 8, HOLES_AGENT = 16 };

struct hole_found {
	const char *part;    /* "bubblewrap" */
	const char *version; /* that is there */
	const char *ids;     /* "CVE-…, CVE-…", or what it has none for */
	const char *what;    /* happens by it */
	const char *mended;  /* where it is mended */
};

/* Calls found() for each. Versions are Debian's, by dpkg-query, where the part is a package of Debian's; else what the
 * program itself says (a library says nothing). agent: Claude Code's program, NULL: not asked. What isn't there has no
 * holes. Blocks, for seconds at worst. */
void known_holes_find(unsigned parts, const char *agent, void (*found)(void *user, const struct hole_found *hole),
		      void *user);
/* Has this version of a part the hole? For tests, and for what found() tells. NULL: none. */
const struct hole_found *known_hole_of(enum holes_part part, struct slice version, size_t *next,
				       struct hole_found *found);

/* Logs them as warnings. */
void known_holes_log(unsigned parts, const char *agent);

#endif
