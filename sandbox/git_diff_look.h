/* git_diff_look.h: what must be known of a working tree before git looks at it: nested repositories, files that are too
 * large, FIFOs for which git would wait, and whether it has attributes. Pure: reads the output of find(1), grep(1) and
 * git ls-files. Names are the agent's to choose, so lists are sorted and searched by halves, and have a bound. */
#ifndef CRAFT_GIT_DIFF_LOOK_H
#define CRAFT_GIT_DIFF_LOOK_H

#include "lib/buf.h"

/* More nested repositories than this are a reason not to make a diff. */
#define GIT_DIFF_NESTED_MAX 10000
#define GIT_DIFF_FIND_ARGS 56

/* Paths that lie elsewhere, sorted. */
struct git_diff_paths {
	struct slice *items;
	size_t count, room;
};

struct git_diff_look {
	struct buf names;	      /* where the paths of nested lie */
	struct git_diff_paths nested; /* directories with a .git in them, but the topmost */
	struct git_diff_paths files;  /* those of them whose .git is a file */
	struct git_diff_paths
		apart;	       /* those that are no plain files: submodules, linked worktrees, and what is below */
	struct buf link_names; /* where the paths of submodules lie */
	struct git_diff_paths filled; /* submodules of the commit that have a repository in them */
	struct buf heads;	      /* entries of those: what is checked out in them */
	size_t worktree_count;	      /* linked worktrees */
	struct buf worktrees;	      /* for the user: the first ones */
	struct buf excluded;	      /* pathspecs, each with a NUL behind it */
	struct buf large;	      /* for the user: the first large file and how many there are; empty: none */
	size_t large_count;
	struct buf fifo;   /* a FIFO that git would read from; empty: none */
	bool attributes;   /* a .gitattributes is there, */
	bool ignores;	   /* a .gitignore */
	struct buf forced; /* entries of files that the agent has added though .gitignore names them */
};

void git_diff_look_free(struct git_diff_look *look);
/* find's arguments, NULL at the end; size: its -size test, such as "+1000c". */
void git_diff_look_find(const char *size, const char *args[static GIT_DIFF_FIND_ARGS]);
/* Takes what find said; the last record may be cut. */
void git_diff_look_found(struct git_diff_look *look, struct slice output);
/* The .git of files, "./PATH/.git", each with a NUL behind it, for xargs and grep. */
void git_diff_look_files(const struct git_diff_look *look, struct buf *out);
/* Takes what grep -HZ said of them, "./PATH/.git" NUL "gitdir: TARGET" NEWLINE: linked worktrees of the checkout are
 * excluded, submodules left to git. */
void git_diff_look_targets(struct git_diff_look *look, struct slice output);
/* Takes what git ls-files -s -z said: submodules of the commit that have a repository in them (all of them with every)
 * are excluded, because git add would run git in there. */
void git_diff_look_links(struct git_diff_look *look, struct slice output, bool every);
/* The submodules of which git_diff_look_heads() must know, each with a NUL behind it, for xargs and git_diff_look_head.
 */
void git_diff_look_filled(const struct git_diff_look *look, struct buf *out);
/* For sh -c with paths: says what is checked out in them. rev-parse reads the configuration there, but runs nothing. */
extern const char git_diff_look_head[];
/* Takes what it said. */
void git_diff_look_heads(struct git_diff_look *look, struct slice output);
/* Takes what git ls-files -ci -z said of the agent's own index: such files belong to the diff all the same. */
void git_diff_look_forced(struct git_diff_look *look, struct slice output);
/* Input for git update-index -z --index-info: the commits that are checked out in submodules, files that .gitignore
 * would keep out, and an entry in each nested repository that is to be plain files. git takes a directory for one of
 * files, and not for a repository, when it knows a file there. */
void git_diff_look_entries(const struct git_diff_look *look, struct buf *out);
/* Appends notes about nested repositories of which files are in the patch, about linked worktrees, and about submodules
 * that were filled. */
void git_diff_look_notes(const struct git_diff_look *look, struct slice patch, struct buf *notes);

#endif
