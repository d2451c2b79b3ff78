/* process.h: a child process on the event loop, started through craft-sandbox-launch, which closes every descriptor but
 * the wanted ones, joins the cgroups, sets limits, drops the user and dies with the daemon. Its environment is empty.
 */
#ifndef CRAFT_PROCESS_H
#define CRAFT_PROCESS_H

#include <sys/types.h>
#include <uv.h>

#include "cgroup.h"
#include "lib/buf.h"

struct process;

struct process_result {
	int exit_code; /* the program's; 128+N when signal N ended it */
	bool timed_out;
	bool output_cut;     /* there was more than output_max; the process was killed then */
	struct slice output; /* what it wrote to stdout, when output_max isn't 0 */
	struct slice errors; /* the last errors_max bytes of stderr */
};

struct process_options {
	const char *name;	 /* for logs */
	const char *launch;	 /* absolute path of craft-sandbox-launch */
	const char *const *argv; /* program (absolute path) and arguments, NULL at the end; never a secret */
	uid_t uid;		 /* when the daemon is root; else ignored */
	gid_t gid;
	const struct cgroup *cgroup;	      /* NULL: none */
	int64_t max_processes, max_file_size; /* rlimits; 0: as the daemon's */
	int64_t max_cpus, first_cpu;	      /* how many CPUs it may use, and the number of the first; 0: all */
	const int *fds;			      /* become 3, 4, ... in the child; they stay the caller's */
	size_t fd_count;
	struct slice input; /* for stdin; empty: /dev/null. Copied. */
	size_t output_max;  /* 0: stdout is /dev/null */
	size_t errors_max;  /* 0: stderr is /dev/null */
	uint64_t timeout;   /* ms; 0: none */
	void (*on_exit)(void *user,
			const struct process_result *result); /* once, from the loop; process is freed after */
	void *user;
};

/* Starts it; everything is copied. NULL: *error says why, on_exit never comes. */
struct process *process_start(uv_loop_t *loop, const struct process_options *options, struct buf *error);
pid_t process_pid(const struct process *process);
/* SIGKILL; on_exit still comes, once it is reaped and its pipes are closed. */
void process_kill(struct process *process);
/* SIGKILL, and on_exit doesn't come. */
void process_abandon(struct process *process);

#endif
