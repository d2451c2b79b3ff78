/* box.h: the running box of one sandbox: bwrap, with craft-box as its pid 1, which starts programs inside on request.
 * Everything that comes out of it is untrusted: bounded, never interpreted. */
#ifndef CRAFT_BOX_H
#define CRAFT_BOX_H

#include <uv.h>

#include "cgroup.h"
#include "instance.h"
#include "lib/conf.h"

struct box;
struct box_run;

struct box_options {
	const struct conf *conf;
	const struct instance *instance;
	const struct cgroup *cgroup;
	int seccomp_fd; /* stays the caller's; -1: none */
	/* craft-box answers: programs can be started (they may also be asked for before). */
	void (*on_ready)(void *user);
	/* The box is gone, with all that ran in it (each run's on_exit came before). text: the last words of bwrap, for
	 * the log. */
	void (*on_end)(void *user, int exit_code, struct slice text);
	void *user;
};

/* SIGPIPE must be ignored. NULL: *error says why, and nothing is called. The box is freed after on_end. */
struct box *box_start(uv_loop_t *loop, const struct box_options *options, struct buf *error);
/* Kills everything in it; on_end still comes. */
void box_kill(struct box *box);
/* Has it ended? Then its runs' ends are told because of that. */
bool box_ended(const struct box *box);
/* Of the outer bwrap; 0 when it has ended. */
pid_t box_pid(const struct box *box);

struct box_run_options {
	/* The program and its arguments inside, NULL at the end; 100,000 bytes in all. */
	const char *const *argv;
	/* "NAME=value" in addition to the box's, NULL at the end; may be NULL; no secrets. */
	const char *const *environment;
	struct slice input; /* written to its stdin; copied */
	bool is_agent;	    /* it gets another share of the processes than tools do: see box_run.c */
	bool keep_input;    /* stdin stays open for box_run_write(); else it is closed after input */
	uint64_t timeout;   /* ms; 0: none. Then all that it started is killed, daemons of its own too */
	/* Bytes as they come; may be NULL (they go to /dev/null then). */
	void (*on_output)(void *user, struct slice data);
	void (*on_errors)(void *user, struct slice data);
	/* Ended, and its pipes were read to their ends, or were quiet for a moment (a second at most) because something
	 * that it left in the background holds them; then the struct is freed. A paused one waits to be resumed, unless
	 * it was killed. exit_code: 128+N for a signal, 137 at the box's end; 127: no such program, 126: can't be
	 * started, with a sentence among the errors. */
	void (*on_exit)(void *user, int exit_code, bool timed_out);
	void *user;
};

/* Callbacks come from the loop, never from within a call. NULL: *error says why (too long, no box, 64 run already). */
struct box_run *box_run(struct box *box, const struct box_run_options *options, struct buf *error);
/* Queues bytes for stdin. How much waits: box_run_queued(). */
void box_run_write(struct box_run *run, struct slice data);
void box_run_close_input(struct box_run *run);
size_t box_run_queued(const struct box_run *run);
/* Kills it and all that it started; on_exit still comes. */
void box_run_kill(struct box_run *run);
/* Kills what it has left in the background in the last age_ms, but nothing that is its child still. */
void box_run_sweep(struct box_run *run, uint64_t age_ms);
/* Stops and starts reading its output, for back-pressure. */
void box_run_pause(struct box_run *run);
void box_run_resume(struct box_run *run);

#endif
