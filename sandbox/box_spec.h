/* box_spec.h: the arguments of bwrap for a sandbox's box, and for git on the host's side: pure, so that golden tests
 * show them whole. */
#ifndef CRAFT_BOX_SPEC_H
#define CRAFT_BOX_SPEC_H

#include "cgroup.h"
#include "instance.h"
#include "lib/buf.h"

#define BOX_SPEC_BWRAP "/usr/bin/bwrap"

/* Where things are in the box. */
#define BOX_AGENT "/opt/agent/claude"
#define BOX_INIT "/opt/craft/craft-box"
#define BOX_SHELL "/opt/craft/bash" /* of the agent's commands: craft-box by another name */
#define BOX_WORKSPACE "/workspace"
#define BOX_HOME "/home/agent"

/* Numbers of descriptors in the launched process; see box.c. */
struct box_spec {
	const struct instance *instance;
	const char *agent; /* host path of Claude Code's program */
	const char *box;   /* host path of craft-box */
	/* Its limits are shown read-only, for programs that ask how much there is (the JVM, Node); NULL: none. */
	const struct cgroup *cgroup;
	int seccomp_fd; /* a compiled filter; -1: none */
	int status_fd;	/* for --json-status-fd; -1: none */
	int control_fd; /* passed to craft-box by its number */
};

/* Appends bwrap's whole command line, from BOX_SPEC_BWRAP to that of craft-box, each argument with a NUL behind it:
 * what box_spec_argv() makes an array of. (Not for bwrap's --args FD, which takes no command.) Nothing of it is seen in
 * the box, where craft-box is process 1. */
void box_spec_args(const struct box_spec *spec, struct buf *out);

/* A box for git on the host's side: no shell of the repository's, whole-tree kill, read-only but for what is named. It
 * runs as the user that starts it: for root without a user namespace, so that read_all reaches files of every user; for
 * others in one of their own, where read_all reaches their own files whatever the permissions. */
struct git_spec {
	bool network;
	const char *const *writable; /* host paths bound at the same path, NULL at the end; may be NULL */
	const char *const *readable;
	const char *const *environment; /* NAME, value, NAME, value ..., NULL at the end; may be NULL */
	const char *directory;		/* where it starts; NULL: / */
	bool read_all;			/* keep CAP_DAC_READ_SEARCH, for files without permissions */
	const char *const *command;	/* program and arguments, NULL at the end */
};
/* The same for git: from BOX_SPEC_BWRAP to the last of command. */
void git_spec_args(const struct git_spec *spec, struct buf *out);

/* An array of the arguments in args, with NULL at its end. It points into args, which must stay as it is; free() it. */
const char **box_spec_argv(const struct buf *args);

#endif
