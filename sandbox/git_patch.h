/* git_patch.h: what can be seen in a patch that git diff made, and done to it. Pure. */
#ifndef CRAFT_GIT_PATCH_H
#define CRAFT_GIT_PATCH_H

#include "lib/buf.h"

/* One file's part of a patch. */
struct git_patch_file {
	struct slice whole;    /* from "diff --git" to the next one */
	struct slice head;     /* up to the first hunk */
	struct slice old, new; /* names as they stand behind "--- " and "+++ ", maybe in quotes; empty: none */
};

/* The next file of *rest, which is moved on; false: there is none. */
bool git_patch_next(struct slice *rest, struct git_patch_file *file);
/* A name's bytes, without quotes and without "a/" or "b/". False: it is none (/dev/null). */
bool git_patch_name(struct slice token, struct buf *name);

/* Lines for info/attributes that make git treat as binary every file whose part isn't UTF-8 or has a NUL in it, so that
 * the patch fits into JSON. How many. */
size_t git_patch_attributes(struct slice patch, struct buf *attributes);
/* How many bytes of it come before the first such file. */
size_t git_patch_text(struct slice patch);
/* Is a file of this name, in any directory, deleted by it, or moved elsewhere? */
bool git_patch_loses(struct slice patch, const char *name);
/* Appends a note about what of the patch are submodules, of which only the commit is in it. */
void git_patch_notes(struct slice patch, struct buf *notes);
/* Marks a patch of which something is missing: two lines behind it, one at which git apply refuses the patch wherever
 * it ends, and "# diff cut at N bytes: WHY". inside: it was ended anywhere, not behind a whole part; what is behind its
 * last newline goes, and so does a binary part. */
void git_patch_cut(struct buf *patch, bool inside, const char *why);

#endif
