/* cgroup_find.h: where cgroup.c may make its directories. */
#ifndef CRAFT_CGROUP_FIND_H
#define CRAFT_CGROUP_FIND_H

#include "cgroup.h"

/* The first CGROUP_LIMITS of them limit something. The others are v1's, and only for programs that want to read limits:
 * the JVM takes none of them for true where it doesn't find all of v1. */
enum cgroup_controller {
	CGROUP_MEMORY,
	CGROUP_PIDS,
	CGROUP_CPU,
	CGROUP_CPUACCT,
	CGROUP_CPUSET,
	CGROUP_CONTROLLERS,
	CGROUP_LIMITS = CGROUP_CPUACCT
};

struct cgroup_base {
	enum cgroup_kind kind;
	char *dirs[CGROUP_CONTROLLERS]; /* where each one's directories are made, NULL where it can't be had; with v2
					 * the same for all that can */
};

extern const char *const cgroup_names[CGROUP_CONTROLLERS];

/* Finds and makes it, PARENT included. root: where the hierarchies are mounted (/sys/fs/cgroup but in tests). self:
 * text of /proc/self/cgroup. Appends to about why something is missing. */
void cgroup_find(const char *root, const char *self, const char *parent, struct cgroup_base *base, struct buf *about);
void cgroup_base_free(struct cgroup_base *base);

/* Writes text to dir/name, which must exist. False: errno. */
bool cgroup_write(const char *dir, const char *name, const char *text);
/* A cpuset takes no process before it has CPUs and memory: those of the one above it. */
bool cgroup_inherit_cpuset(const char *from, const char *to);
/* Reads dir/name whole, up to some 64 KiB. False: errno. */
bool cgroup_read(const char *dir, const char *name, struct buf *out);

#endif
