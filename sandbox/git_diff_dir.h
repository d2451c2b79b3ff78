/* git_diff_dir.h: the directory of one diff in an instance's scratch: a git directory of our own with a copy of the
 * shadow's index, so that git writes nowhere else. Blocks, for worker threads. */
#ifndef CRAFT_GIT_DIFF_DIR_H
#define CRAFT_GIT_DIFF_DIR_H

#include "git_place.h"

struct git_diff_dir {
	char *dir;		  /* all of it */
	char *git;		  /* for GIT_DIR */
	char *index;		  /* for GIT_INDEX_FILE */
	char *objects;		  /* of the shadow, for GIT_ALTERNATE_OBJECT_DIRECTORIES */
	char *tree;		  /* a working tree for files as the commit has them */
	char *shadow, *old_index; /* the shadow and its index */
	char base[GIT_ID_SIZE];	  /* the commit that was checked out */
};

void git_diff_dir_init(struct git_diff_dir *d, const struct instance *instance);
void git_diff_dir_free(struct git_diff_dir *d);

/* Makes it, after removing what there was, and reads base. False: *error. */
bool git_diff_dir_make(struct git_diff_dir *d, const struct instance *instance, struct buf *error);
/* Sets what git believes about files before all .gitattributes of theirs. */
bool git_diff_dir_attributes(const struct git_diff_dir *d, const struct instance *instance, struct slice lines,
			     struct buf *error);
/* Has the shadow an index with which the files' times are to be trusted? Looks at one file. */
bool git_diff_dir_index_kept(const struct instance *instance);
/* After the files were compared with the diff's index: its times are to be trusted, by this diff, and, if it is old
 * enough to tell what comes after it by the time, by all later ones: then it becomes the shadow's. */
bool git_diff_dir_keep_index(const struct git_diff_dir *d, const struct instance *instance, struct buf *error);
bool git_diff_dir_remove(const struct git_diff_dir *d, struct buf *error);

#endif
