/* cgroup.h: limits on memory, processes and CPU of one sandbox, by cgroup v2 where its controllers are delegated, else
 * by the v1 hierarchies that exist, else not at all (then the rlimits and the watchdog are what is left). */
#ifndef CRAFT_CGROUP_H
#define CRAFT_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/buf.h"

#define CGROUP_MAX_PATHS 6

enum cgroup_kind { CGROUP_NONE, CGROUP_V1, CGROUP_V2 };

struct cgroup {
	enum cgroup_kind kind;
	char *paths[CGROUP_MAX_PATHS]; /* directories to join (cgroup.procs); the first NULL ends them */
	/* Which of paths limits what, or NULL where nothing does. */
	const char *memory, *pids, *cpu;
	const char *cpuacct, *cpuset; /* of v1, which limit nothing; or NULL */
};

struct cgroup_limits {
	int64_t memory; /* bytes; 0: none */
	int64_t pids;
	int64_t cpu; /* percent of one CPU; 0: none */
};

/* What this machine offers, found out once at start, before any other function here: makes the directory below which
 * sandboxes get theirs. parent: its name, unique to this daemon's SANDBOX_DIR, without slashes. With v2 the process may
 * move itself into a leaf beside that directory, because controllers can't be handed on from where processes are.
 * Appends to about what will be limited, or why nothing is. */
enum cgroup_kind cgroup_probe(const char *parent, struct buf *about);

/* Makes the directories for one sandbox, with the limits; what was left of that name is ended first. False: *error;
 * nothing is left. With CGROUP_NONE: true and empty. cgroup_remove() frees what is in *out. */
bool cgroup_make(const char *parent, const char *name, const struct cgroup_limits *limits, struct cgroup *out,
		 struct buf *error);
/* Kills what is in it, removes the directories and empties the struct. Blocking, but bounded (5 s). False: something is
 * left. */
bool cgroup_remove(struct cgroup *cgroup);
/* Removes all that a daemon before left below parent. */
void cgroup_remove_all(const char *parent);
/* The same, and parent itself; nothing can be made after that. */
void cgroup_end(const char *parent);
/* Do its sockets' buffers count against a limit? */
bool cgroup_limits_sockets(const struct cgroup *cgroup);
/* How many times the kernel killed a process in it for want of memory. */
int64_t cgroup_oom_kills(const struct cgroup *cgroup);
/* Memory in use, bytes; -1: not known. */
int64_t cgroup_memory(const struct cgroup *cgroup);

#endif
