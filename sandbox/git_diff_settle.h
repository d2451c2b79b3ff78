/* git_diff_settle.h: files of which git add stores other bytes than the commit has, though nobody has touched them:
 * CRLF in the repository where .gitattributes says text, keywords that are expanded there, and whatever else doesn't
 * come back as it went. They stay as the commit has them; and where line ends are all that is wrong, a file that was
 * changed keeps them, so that its diff is what was changed. Pure: reads what git diff-index and git hash-object say. */
#ifndef CRAFT_GIT_DIFF_SETTLE_H
#define CRAFT_GIT_DIFF_SETTLE_H

#include "lib/buf.h"

/* A regular file that is in the commit and in the index, with different bytes. */
struct git_diff_file {
	struct slice mode;  /* as it is now */
	struct slice blob;  /* the commit's */
	struct slice added; /* what git add has made of it */
	struct slice path;
	struct slice now, fresh,
		clean; /* ids of the file's bytes, of a fresh checkout's, and of what git add makes of that */
};

struct git_diff_settle {
	struct buf raw, now, fresh, clean; /* what was said */
	struct git_diff_file *files;
	size_t count;
	bool done;
};

void git_diff_settle_free(struct git_diff_settle *s);
/* Takes what git diff-index --raw -z --no-abbrev said. */
void git_diff_settle_raw(struct git_diff_settle *s, struct slice output);
/* For git checkout-index -z --stdin: the files, and before each the attributes that it may have. */
void git_diff_settle_checkout(const struct git_diff_settle *s, struct buf *out);
/* For git hash-object --stdin-paths: the files, in quotes. */
void git_diff_settle_paths(const struct git_diff_settle *s, struct buf *out);

enum git_diff_hash { GIT_DIFF_NOW, GIT_DIFF_FRESH, GIT_DIFF_CLEAN };
/* Takes what it said; false: not a line for each of them. */
bool git_diff_settle_hashed(struct git_diff_settle *s, enum git_diff_hash which, struct slice output);
/* Was any of them touched? After GIT_DIFF_NOW and GIT_DIFF_FRESH. */
bool git_diff_settle_touched(const struct git_diff_settle *s);
/* For git update-index -z --index-info: what is to be in the index instead; and a note about files that keep line ends
 * which .gitattributes doesn't allow. After all of them; GIT_DIFF_CLEAN may be missing. */
void git_diff_settle_entries(const struct git_diff_settle *s, struct buf *out, struct buf *notes);

#endif
