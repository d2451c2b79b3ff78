/* git_diff_look.h: what must be known of a working tree before git looks at it: nested repositories, files that are too
 * large, and FIFOs for which git would wait. Pure: reads the output of find(1) and git ls-files. */
#ifndef CRAFT_GIT_DIFF_LOOK_H
#define CRAFT_GIT_DIFF_LOOK_H

#include "lib/map.h"

struct git_diff_look {
	struct map nested;   /* directories with a .git in them, but the topmost */
	struct buf excluded; /* pathspecs, each with a NUL behind it */
	struct buf large;    /* for the user: the first large file and how many there are; empty: none */
	size_t large_count;
	struct buf fifo; /* a FIFO that git would read from; empty: none */
};

void git_diff_look_free(struct git_diff_look *look);
/* find's arguments, NULL at the end; size: its -size test, such as "+1000c". */
void git_diff_look_find(const char *size, const char *args[static 40]);
/* Takes what find said; the last record may be cut. */
void git_diff_look_found(struct git_diff_look *look, struct slice output);
/* Takes what git ls-files -s -z said: submodules of the commit that have a repository in them (all of them with every)
 * are excluded, because git add would run git in there. */
void git_diff_look_links(struct git_diff_look *look, struct slice output, bool every);

#endif
