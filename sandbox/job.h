/* job.h: one request of a client: execute, tool, cancel or diff. It ends exactly once, by job_end(), which records it;
 * it is freed when nothing of it runs any more. */
#ifndef CRAFT_SANDBOX_JOB_H
#define CRAFT_SANDBOX_JOB_H

#include <sys/queue.h>

#include "agent.h"
#include "box.h"
#include "lib/json.h"
#include "lib/log.h"
#include "output.h"

struct sandbox;

enum job_kind { JOB_EXECUTE, JOB_TOOL, JOB_CANCEL, JOB_DIFF };

struct job {
	TAILQ_ENTRY(job) link;	    /* sandbox->jobs */
	TAILQ_ENTRY(job) diff_link; /* sandbox->diffs, when wants_diff */
	struct sandbox *sandbox;
	int64_t id;
	enum job_kind kind;
	char *client;	    /* its name */
	char *request;	    /* id of the one by which the client connected; empty: not known */
	struct log_ids ids; /* of that and the sandbox, for log lines */
	struct buf tool_id; /* JSON, as it came; empty: none */
	char *name;	    /* of the tool */
	struct buf payload; /* the message; checked JSON */
	bool started, wants_diff, ended;
	bool cancelled, timed_out;
	uint64_t started_at; /* ms of the loop's clock */
	int64_t oom_before;  /* kills for want of memory in the sandbox before it began */

	struct box_run *run; /* a tool, or an attachment being written */
	struct output output; /* of a tool */
	struct buf errors;
	uint64_t timeout;      /* of a tool, ms */

	struct buf sealed_key; /* the workspace's key that its client came with; empty: API_KEY */
	struct buf key;	       /* execute: for the model API; wiped when it ends */
	bool oauth;
	struct json_iter attachments; /* those that aren't written yet, in the payload */
	size_t attachment;	      /* index of the next one */
	struct buf notes;  /* about attachments, for the prompt */
	struct buf text;   /* the agent's last one */
	bool turn;	   /* the agent works on it */
	uint64_t turn_at;  /* when it began to, ms of the loop's clock */
	uint64_t line_at;  /* when it last said something, ms of the loop's clock */
	bool disk_full;	   /* it was ended for that */
	size_t bytes;	   /* of its lines */
	bool success;
	int exit_code;
};
TAILQ_HEAD(job_list, job);

/* Columns of api.host_jobs. */
struct job_row {
	int64_t id;
	struct slice client, kind, tool_id, name, payload, sealed_key, request;
};

/* NULL: of no kind that is known. */
struct job *job_new(struct sandbox *sandbox, const struct job_row *row);
/* Begins it: the sandbox is ready. It may end at once. */
void job_start(struct job *job);
/* Ends what runs of it soon; it answers by itself. */
void job_cancel(struct job *job);
/* Its message isn't needed any more, here and in the database. */
void job_read(struct job *job);
/* Its client is told text in place of an answer. outcome: as app.sandbox_job.outcome has it. */
void job_fail(struct job *job, const char *outcome, const char *text);
/* The same, and what runs of it is ended. */
void job_drop(struct job *job, const char *outcome, const char *text);
/* Records the end. The job may be gone when it returns. */
void job_end(struct job *job, const char *outcome, int exit_code, size_t bytes);
/* Frees it, if it has ended and nothing of it runs. */
void job_release(struct job *job);
/* Did the kernel kill something in the sandbox for want of memory since it began? */
bool job_ran_out_of_memory(const struct job *job);

/* The parts of each kind. */
void job_execute_start(struct job *job);
void job_execute_cancel(struct job *job);
/* A line of the agent; the end of its turn; the end of a process that was to be replaced. */
void job_execute_line(struct job *job, struct slice line);
void job_execute_result(struct job *job, const struct agent_result *result);
void job_execute_agent_gone(struct job *job);
void job_execute_diff_done(struct job *job, bool ok, struct slice patch, struct slice notes);
void job_tool_start(struct job *job);
void job_diff_done(struct job *job, bool ok, struct slice patch, struct slice notes);

#endif
