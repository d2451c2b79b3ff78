/* git_run.h: git on the host's side, hardened: in a box of its own (git_spec_args()) with an environment of ours, no
 * configuration but ours, no hooks, no helpers, no protocol but the one wanted. */
#ifndef CRAFT_GIT_RUN_H
#define CRAFT_GIT_RUN_H

#include "lib/conf.h"
#include "process.h"

/* Who runs it. */
struct git_user {
	uid_t uid;
	gid_t gid;
};

/* The user of the cache, who alone talks to the git host: SANDBOX_UID_BASE + 1, or the daemon's own when not root. */
struct git_user git_cache_user(const struct conf *conf);

struct git_run_options {
	const struct conf *conf;
	const char *name; /* for logs */
	struct git_user user;
	const struct cgroup *cgroup; /* may be NULL */
	bool network;		     /* and the protocol of GITHUB_URL; else none at all */
	bool read_all;		     /* files without permissions too */
	bool alone;		     /* git can start no other program, not even git */
	const char *const *writable; /* host paths, NULL at the end; may be NULL */
	const char *const *readable;
	const char *directory;		/* NULL: / */
	const char *const *settings;	/* more of "name=value", NULL at the end; may be NULL */
	const char *const *environment; /* NAME, value ..., NULL at the end; may be NULL */
	const char *const *args;	/* git's, NULL at the end */
	const char *program;		/* runs this of /usr/bin with args instead of git; NULL: git */
	int token_fd;			/* of git_token(); -1: none */
	struct slice input;
	size_t output_max;     /* 0: stdout isn't read */
	uint64_t timeout;      /* ms; 0: none */
	int64_t max_file_size; /* 0: no limit */
	void (*on_exit)(void *user_data, const struct process_result *result);
	void *user_data;
};

/* Starts it; see process_start(). */
struct process *git_run(uv_loop_t *loop, const struct git_run_options *options, struct buf *error);
/* The command line that git_run() starts, each argument with a NUL behind it. Pure. */
void git_run_args(const struct git_run_options *options, struct buf *out);

/* A descriptor that holds the token and can't be changed, for token_fd; the caller closes it. -1 for an empty token, or
 * when there is no memory. */
int git_token(struct slice token);

#endif
