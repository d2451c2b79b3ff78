/* sandbox.h: one sandbox from its claim to its end.
 * MAKING (directories, disk) -> CLONING -> READY (box and gateway run; idle when its agent was ended for want of work)
 * -> ENDING (everything in it is being stopped, then removed). A sandbox of a daemon before goes from MAKING to READY
 * when its files are whole. */
#ifndef CRAFT_SANDBOX_H
#define CRAFT_SANDBOX_H

#include "agent.h"
#include "box.h"
#include "cgroup.h"
#include "credential.h"
#include "daemon.h"
#include "gateway.h"
#include "git_absent.h"
#include "git_clone.h"
#include "git_diff.h"
#include "instance.h"
#include "job.h"
#include "retry.h"
#include "stream.h"

enum sandbox_state { SANDBOX_MAKING, SANDBOX_CLONING, SANDBOX_READY, SANDBOX_ENDING };

/* More than a sandbox may have open in the database at a time. */
#define SANDBOX_ENDED_JOBS 256

struct sandbox {
	TAILQ_ENTRY(sandbox) link;
	struct daemon *daemon;
	enum sandbox_state state;
	char *session, *workspace, *repo_key, *branch;
	char *request;	    /* id of the one that asked for it; empty: not known */
	struct log_ids ids; /* of both, for log lines */
	unsigned slot;
	struct stream stream;
	struct instance instance;
	struct cgroup cgroup;
	bool has_cgroup;

	bool working; /* a worker thread is at its files */
	struct git_clone *clone;
	struct gateway *gateway;
	struct box *box;
	struct agent *agent;
	bool agent_oauth;    /* which placeholder the agent has */
	bool agent_stopping; /* it is being replaced */
	struct retry files_retry, gateway_retry, box_retry;
	struct credential credential;  /* its token only until git and the gateway have it */
	bool cloned_again;	       /* the first token was refused */
	struct git_absent absent;      /* what the checkout hasn't; from READY on */
	struct submodules *submodules; /* NULL: none */

	struct job_list jobs;  /* all that aren't freed yet: waiting for the clone, running, or ending */
	struct job *task;      /* the execute under way */
	struct git_diff *diff; /* for the first of diffs, or going */
	bool diff_going;       /* it is being cancelled */
	struct job_list diffs;
	int64_t ended_jobs[SANDBOX_ENDED_JOBS]; /* the last ones, a ring */
	size_t ended_count;

	bool disk_full;	      /* as clients were told */
	bool reserve_kept;    /* of its disk; see disk_reserve.h */
	bool adopted;	      /* its files are a daemon's before */
	bool idle;	      /* as clients were told */
	int64_t measured;     /* bytes, then */
	uint64_t measured_at; /* when its disk use was last looked at, ms of the loop's clock */
	uint64_t worked_at;   /* when it last had work, ms of the loop's clock */
	const char *reason;   /* why it ends; NULL: the daemon stops, and its files stay */
	char *end_text;	      /* what clients are told when the database knows of the end */
	bool removed;	      /* its files are gone, or are to stay */
};

/* Columns of api.host_claim and api.host_sandboxes. */
struct sandbox_row {
	struct slice session, workspace, repo_key, branch, request;
	int64_t seq;
};

/* Begins one: all of it anew, or, adopt, with the files that a daemon before has left. False: no slot is free. */
bool sandbox_begin(struct daemon *daemon, const struct sandbox_row *row, bool adopt);
struct sandbox *sandbox_find(struct daemon *daemon, struct slice session);

/* Ends it: what runs is stopped (clients are told), its files are removed. reason: as app.sandbox_session.end_reason
 * has it. error: a sentence for the user, or NULL. in_database: the database knows already. May be called at any state,
 * also twice. */
void sandbox_end(struct sandbox *sandbox, const char *reason, const char *error, bool in_database);
/* The daemon stops: what runs is stopped (clients are told), the files stay for the next one. */
void sandbox_leave(struct sandbox *sandbox);

/* A job has come, and is the sandbox's from here on: starts it, or lets it wait for the clone. */
void sandbox_take(struct sandbox *sandbox, struct job *job);
/* The box that runs, started if it doesn't. NULL: *error says why, for the user. */
struct box *sandbox_box(struct sandbox *sandbox, struct buf *error);
#define SANDBOX_BOX_ENDED                                                                                              \
	"The sandbox's box has ended, with all that ran in it. Its files are kept; it is started again when "          \
	"something "                                                                                                   \
	"is asked"
/* Goes on with what can go on, and sends what is to be told. Call it once a turn of the loop: sandboxes go only here.
 * True: there is more to do, call it again soon. */
bool sandbox_turn(struct sandbox *sandbox);
/* Nothing of it is on this host any more: the database is told. */
void sandbox_write_cleaned(struct daemon *daemon, struct slice session);
/* Has it work? */
bool sandbox_busy(const struct sandbox *sandbox);
/* Once a second. */
void sandbox_tick(struct sandbox *sandbox, uint64_t now);

/* Tells all clients, or one. */
void sandbox_say(struct sandbox *sandbox, const char *client, struct buf *body);
void sandbox_say_draft(struct sandbox *sandbox, const char *client, struct draft *draft);
void sandbox_say_error(struct sandbox *sandbox, const char *client, const char *text);
/* provisioning, cloning, ready, idle or expired. */
const char *sandbox_status(const struct sandbox *sandbox);

#endif
