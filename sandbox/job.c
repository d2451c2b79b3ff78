/* job.c: what all requests of clients have in common; and the small ones, cancel and diff. */
#include "job.h"

#include <stdlib.h>

#include "counts.h"
#include "lib/json.h"
#include "message.h"
#include "sandbox.h"
#include "sandbox_diff.h"
#include "store.h"

#define READ_BYTES 65536 /* of a message, from which on the database is told that it was read */

/* ms that it ran; 0: it never began. */
static uint64_t time_of(const struct job *job)
{
	uint64_t ms = job->started ? uv_now(job->sandbox->daemon->loop) - job->started_at : 0;
	return job->started && !ms ? 1 : ms;
}

static bool kind_of(struct slice text, enum job_kind *kind)
{
	static const char *const names[] = {
		[JOB_EXECUTE] = "execute", [JOB_TOOL] = "tool", [JOB_CANCEL] = "cancel", [JOB_DIFF] = "diff"
	};
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (slice_eq_str(text, names[i])) {
			*kind = (enum job_kind)i;
			return true;
		}
	}
	return false;
}

struct job *job_new(struct sandbox *sandbox, const struct job_row *row)
{
	enum job_kind kind;
	if (!kind_of(row->kind, &kind) || !json_check(row->payload, NULL))
		return NULL;
	struct job *job = xcalloc(1, sizeof(*job));
	job->sandbox = sandbox;
	job->id = row->id;
	job->kind = kind;
	job->client = slice_dup(row->client);
	job->name = slice_dup(row->name);
	job->request = slice_dup(row->request);
	job->ids = (struct log_ids){ .req = job->request, .sandbox = sandbox->session };
	buf_add_slice(&job->tool_id, row->tool_id);
	buf_add_slice(&job->payload, row->payload);
	buf_add_slice(&job->sealed_key, row->sealed_key);
	return job;
}

static void job_free(struct job *job)
{
	free(job->client);
	free(job->name);
	free(job->request);
	buf_free(&job->tool_id);
	buf_free(&job->payload);
	buf_free(&job->sealed_key);
	buf_free(&job->text);
	output_free(&job->output);
	buf_free(&job->errors);
	buf_free(&job->notes);
	buf_wipe(&job->key);
	free(job);
}

static void note_end(const struct job *job, const char *outcome)
{
	static const char *const words[] = {
		[JOB_EXECUTE] = "task", [JOB_TOOL] = "tool", [JOB_CANCEL] = "cancellation", [JOB_DIFF] = "diff"
	};
	uint64_t ms = time_of(job);
	counts_job(job->sandbox->daemon->counts, job->kind, outcome, ms);
	/* Tools are many, and in the database as well. */
	log_about(job->kind == JOB_EXECUTE ? LOG_INFO : LOG_DEBUG, &job->ids, "%s %lld ended: %s after %llu ms",
		  words[job->kind], (long long)job->id, outcome, (unsigned long long)ms);
}

void job_end(struct job *job, const char *outcome, int exit_code, size_t bytes)
{
	struct sandbox *sb = job->sandbox;
	if (job->ended)
		return;
	job->ended = true;
	note_end(job, outcome);
	buf_wipe(&job->key);
	if (sb->task == job)
		sb->task = NULL;
	sb->ended_jobs[sb->ended_count++ % SANDBOX_ENDED_JOBS] = job->id;
	stream_job_end(&sb->stream, job->id, outcome, exit_code, (int64_t)bytes);
	job_release(job);
}

void job_release(struct job *job)
{
	struct sandbox *sb = job->sandbox;
	if (!job->ended || job->run || job->wants_diff)
		return;
	TAILQ_REMOVE(&sb->jobs, job, link);
	job_free(job);
}

/* Small ones go with the job's end. */
void job_read(struct job *job)
{
	struct daemon *d = job->sandbox->daemon;
	bool big = job->payload.len > READ_BYTES;
	buf_free(&job->payload);
	if (!big)
		return;
	struct store_op *op = store_op_new(STMT_JOB_READ, NULL, NULL);
	store_op_text(op, slice_of(d->host));
	store_op_i64(op, job->id);
	store_send(d->state, op, true);
}

/* ---- answers of every kind ---- */

/* Tells its client that nothing came of it. */
static void say_failure(struct job *job, const char *text)
{
	struct draft draft = { 0 };
	if (job->kind == JOB_TOOL) {
		message_tool_result(&draft, &(struct tool_result){ .id = buf_slice(&job->tool_id),
								  .error = slice_of(text),
								  .exit_code = -1 });
		sandbox_say_draft(job->sandbox, job->client, &draft);
	} else if (job->started && job->kind == JOB_EXECUTE) {
		/* All have seen its lines. */
		sandbox_say_error(job->sandbox, NULL, text);
	} else {
		sandbox_say_error(job->sandbox, job->client, text);
	}
}

void job_fail(struct job *job, const char *outcome, const char *text)
{
	if (job->ended)
		return;
	say_failure(job, text);
	job_end(job, outcome, -1, 0);
}

void job_drop(struct job *job, const char *outcome, const char *text)
{
	if (job->run)
		box_run_kill(job->run);
	if (job->wants_diff)
		sandbox_diff_forget(job);
	job_fail(job, outcome, text);
}

/* ---- cancel ---- */

/* Ids are their client's: another one may use the same. */
static struct job *find_tool(struct sandbox *sb, const char *client, struct slice id)
{
	struct job *job;
	TAILQ_FOREACH(job, &sb->jobs, link)
	{
		if (job->kind == JOB_TOOL && !job->ended && strcmp(job->client, client) == 0 &&
		    slice_eq(buf_slice(&job->tool_id), id))
			return job;
	}
	return NULL;
}

static struct job *find_task(struct sandbox *sb)
{
	struct job *job;
	TAILQ_FOREACH(job, &sb->jobs, link)
	{
		if (job->kind == JOB_EXECUTE && !job->ended)
			return job;
	}
	return NULL;
}

static void cancel_start(struct job *job)
{
	struct sandbox *sb = job->sandbox;
	bool tool = job->tool_id.len > 0;
	struct job *target = tool ? find_tool(sb, job->client, buf_slice(&job->tool_id)) : find_task(sb);
	if (!target) {
		job_fail(job, "failure", tool ? "No tool with that id is running" : "No task is running");
		return;
	}
	job_end(job, "success", 0, 0);
	job_cancel(target);
}

void job_cancel(struct job *job)
{
	job->cancelled = true;
	if (!job->started)
		job_fail(job, "cancelled", "Cancelled");
	else if (job->kind == JOB_EXECUTE)
		job_execute_cancel(job);
	else if (job->run)
		box_run_kill(job->run);
}

/* ---- diff ---- */

void job_diff_done(struct job *job, bool ok, struct slice patch, struct slice notes)
{
	struct draft draft = { 0 };
	autobuf cut = { 0 };
	if (!ok) {
		autobuf text = { 0 };
		buf_add_slice(&text, notes);
		job_fail(job, "failure", buf_cstr(&text));
		return;
	}
	patch = sandbox_diff_bounded(job->sandbox, patch, &cut);
	message_diff(&draft, patch, notes);
	sandbox_say_draft(job->sandbox, job->client, &draft);
	job_end(job, "success", 0, patch.len);
}

void job_start(struct job *job)
{
	static void (*const starts[])(struct job *) = { [JOB_EXECUTE] = job_execute_start,
							[JOB_TOOL] = job_tool_start,
							[JOB_CANCEL] = cancel_start,
							[JOB_DIFF] = sandbox_diff_want };
	if (job->started || job->ended)
		return;
	job->started = true;
	job->started_at = uv_now(job->sandbox->daemon->loop);
	job->oom_before = cgroup_oom_kills(&job->sandbox->cgroup);
	if (job->kind == JOB_EXECUTE)
		log_about(LOG_INFO, &job->ids, "task %lld begins", (long long)job->id);
	starts[job->kind](job);
}

bool job_ran_out_of_memory(const struct job *job)
{
	return cgroup_oom_kills(&job->sandbox->cgroup) > job->oom_before;
}
