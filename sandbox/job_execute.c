/* job_execute.c: a task for the agent: key, attachments, the turn, the diff, the answer. */
#include <stdlib.h>

#include "agent_line.h"
#include "job.h"
#include "lib/json.h"
#include "lib/log.h"
#include "mask.h"
#include "message.h"
#include "prompt.h"
#include "sandbox.h"
#include "sandbox_diff.h"
#include "sandbox_disk.h"

#define QUEUE_MAX ((size_t)8 << 20) /* bytes that wait for the database before the agent isn't read any more */
#define ATTACHMENT_TIMEOUT 60000
#define UNDECRYPTABLE "Failed to decrypt anthropicApiKey. Ensure it is encrypted with the correct key."

static struct slice message_of(const struct job *job)
{
	return json_trim(buf_slice(&job->payload));
}

/* ---- the key ---- */

/* The client encrypted it with the key that it came with. */
static bool open_key(struct job *job, struct slice base64)
{
	struct daemon *d = job->sandbox->daemon;
	struct slice slug = slice_of(job->sandbox->workspace);
	const struct seal_place place = { .purpose = SEAL_API_KEY, .workspace = slug };
	autowiped own = { 0 };
	(void)buf_reserve(&own, job->sealed_key.len + 1);
	for (size_t i = 0; job->sealed_key.len && i < d->seal_key_count; i++) {
		if (unseal_at(&d->seal_keys[i], &place, buf_slice(&job->sealed_key), &own))
			return client_keys_open_with(d->client_keys, buf_cstr(&own), slug, base64, &job->key);
	}
	return client_keys_open(d->client_keys, slug, base64, &job->key);
}

/* NULL, or what is wrong. */
static const char *read_key(struct job *job)
{
	struct daemon *d = job->sandbox->daemon;
	autobuf sealed = { 0 }, type = { 0 };
	job->oauth = prompt_field(message_of(job), "tokenType", &type) && slice_eq_str(buf_slice(&type), "oauth");
	if (prompt_field(message_of(job), "anthropicApiKey", &sealed)) {
		(void)buf_reserve(&job->key, sealed.len + 1);
		bool opened = open_key(job, buf_slice(&sealed));
		return opened && job->key.len ? NULL : UNDECRYPTABLE;
	}
	if (!d->conf.anthropic_api_key)
		return "anthropicApiKey is required for execute requests";
	buf_add_str(&job->key, d->conf.anthropic_api_key);
	job->oauth = false;
	return NULL;
}

/* ---- the turn ---- */

static void on_agent_line(void *user, struct slice line)
{
	struct sandbox *sb = user;
	if (sb->task)
		job_execute_line(sb->task, line);
}

static void on_agent_result(void *user, const struct agent_result *result)
{
	struct sandbox *sb = user;
	if (sb->task)
		job_execute_result(sb->task, result);
}

static void on_agent_end(void *user, int exit_code)
{
	struct sandbox *sb = user;
	log_about(LOG_DEBUG, &sb->ids, "the agent's process ended: %d", exit_code);
	sb->agent = NULL;
	sb->agent_stopping = false;
	if (sb->task)
		job_execute_agent_gone(sb->task);
}

static const struct agent_events agent_events = { on_agent_line, on_agent_result, on_agent_end };

static bool have_agent(struct job *job, struct buf *error)
{
	struct sandbox *sb = job->sandbox;
	if (sb->agent)
		return true;
	struct box *box = sandbox_box(sb, error);
	if (!box)
		return false;
	sb->agent_oauth = job->oauth;
	sb->agent = agent_start(sb->daemon->loop, box, &sb->daemon->conf, job->oauth, buf_cstr(&sb->absent.note),
				&agent_events, sb, error);
	return sb->agent != NULL;
}

static void start_turn(struct job *job)
{
	struct sandbox *sb = job->sandbox;
	autobuf error = { 0 }, text = { 0 };
	if (job->cancelled) {
		job_fail(job, "cancelled", "Cancelled");
		return;
	}
	/* The placeholder that it was started with is of the other kind: job_execute_agent_gone() goes on. */
	if (sb->agent && (sb->agent_stopping || sb->agent_oauth != job->oauth)) {
		if (!sb->agent_stopping)
			agent_stop(sb->agent);
		sb->agent_stopping = true;
		return;
	}
	if (!have_agent(job, &error)) {
		job_fail(job, "error", buf_cstr(&error));
		return;
	}
	if (!sb->gateway) {
		job_fail(job, "error", "The sandbox's gateway is restarting, try again");
		return;
	}
	gateway_set_model_key(sb->gateway, buf_slice(&job->key), job->oauth);
	buf_wipe(&job->key);
	prompt_text(message_of(job), buf_slice(&job->notes), &text);
	job_read(job);
	job->turn = true;
	job->turn_at = job->line_at = uv_now(sb->daemon->loop);
	agent_turn(sb->agent, buf_slice(&text));
}

void job_execute_agent_gone(struct job *job)
{
	if (!job->turn && job->started && !job->run && !job->ended && !job->wants_diff)
		start_turn(job);
}

/* ---- attachments ---- */

static void write_attachments(struct job *job);

static void fail_attachment(struct job *job)
{
	autobuf text = { 0 };
	buf_add_str(&text, "An attachment could not be written. ");
	(void)sandbox_disk_for_task(job->sandbox, &text);
	job_fail(job, "error", buf_cstr(&text));
}

static void on_written(void *user, int exit_code, bool timed_out)
{
	struct job *job = user;
	job->run = NULL;
	if (job->ended) {
		job_release(job);
		return;
	}
	if (job->cancelled)
		job_fail(job, "cancelled", "Cancelled");
	else if (exit_code != 0 || timed_out)
		fail_attachment(job);
	else
		write_attachments(job);
}

static void note_attachment(struct job *job, const char *path, const struct attachment *a)
{
	if (job->notes.len == 0)
		buf_add_str(&job->notes, "Attached files:");
	buf_addf(&job->notes, "\n- %s (", path);
	if (a->type.len) {
		buf_add_slice(&job->notes, buf_slice(&a->type));
		buf_add_str(&job->notes, ", ");
	}
	buf_addf(&job->notes, "%zu bytes)", a->bytes.len);
}

/* By a shell in the box, as the sandbox's user; the name is an argument and the bytes come by a pipe. */
static void write_one(struct job *job, const struct attachment *a)
{
	autobuf error = { 0 }, dir = { 0 }, path = { 0 };
	buf_addf(&dir, "/home/agent/attachments/%lld-%zu", (long long)job->id, job->attachment);
	buf_addf(&path, "%s/", buf_cstr(&dir));
	buf_add_slice(&path, buf_slice(&a->name));
	note_attachment(job, buf_cstr(&path), a);
	const char *const argv[] = { "/bin/sh",	      "-c", "mkdir -p \"$1\" && cat >\"$2\"", "sh", buf_cstr(&dir),
				     buf_cstr(&path), NULL };
	struct box *box = sandbox_box(job->sandbox, &error);
	struct box_run_options options = { .argv = argv,
					   .input = buf_slice(&a->bytes),
					   .timeout = ATTACHMENT_TIMEOUT,
					   .on_exit = on_written,
					   .user = job };
	if (box)
		job->run = box_run(box, &options, &error);
	if (!job->run)
		job_fail(job, "error", buf_cstr(&error));
}

static void write_attachments(struct job *job)
{
	__attribute__((cleanup(attachment_free))) struct attachment a;
	if (!prompt_attachment(&job->attachments, &a)) {
		start_turn(job);
		return;
	}
	job->attachment++;
	if (a.malformed) {
		autobuf text = { 0 };
		buf_addf(&text, "attachments[%zu]: content is not base64", job->attachment - 1);
		job_fail(job, "error", buf_cstr(&text));
		return;
	}
	write_one(job, &a);
}

void job_execute_start(struct job *job)
{
	struct sandbox *sb = job->sandbox;
	const char *wrong = sb->task ? "A task is already running in this sandbox; wait for it or cancel it" : NULL;
	autobuf full = { 0 };
	if (!wrong)
		wrong = read_key(job);
	if (!wrong && !sandbox_disk_for_task(sb, &full))
		wrong = buf_cstr(&full);
	if (wrong) {
		/* Nobody but its client has to do with it. */
		job->started = false;
		job_fail(job, "error", wrong);
		return;
	}
	sb->task = job;
	job->attachments = prompt_attachments(message_of(job));
	write_attachments(job);
}

/* ---- while it runs ---- */

void job_execute_cancel(struct job *job)
{
	if (job->run)
		box_run_kill(job->run);
	else if (job->turn && job->sandbox->agent)
		agent_interrupt(job->sandbox->agent);
}

void job_execute_line(struct job *job, struct slice line)
{
	struct sandbox *sb = job->sandbox;
	struct draft draft = { 0 };
	message_stream(&draft, line);
	job->line_at = uv_now(sb->daemon->loop);
	job->bytes += line.len;
	sandbox_say_draft(sb, NULL, &draft);
	if (stream_queued(&sb->stream) > QUEUE_MAX && sb->agent)
		agent_pause(sb->agent);
}

static void add_reason(const struct job *job, struct buf *output)
{
	const struct conf *conf = &job->sandbox->daemon->conf;
	const char *gap = output->len ? "\n\n" : "";
	if (job->timed_out)
		buf_addf(output, "%sThe task was ended after %lld seconds (SANDBOX_TASK_TIMEOUT)", gap,
			 (long long)conf->sandbox_task_timeout);
	else if (job->cancelled)
		buf_addf(output, "%sThe task was cancelled", gap);
	else if (job->disk_full || job->sandbox->disk_full) {
		buf_add_str(output, gap);
		sandbox_disk_words(job->sandbox, output);
	} else if (job_ran_out_of_memory(job)) {
		buf_addf(output, "%sThe sandbox's memory limit of %lld bytes (SANDBOX_MEMORY) was reached", gap,
			 (long long)conf->sandbox_memory);
	} else if (job->sandbox->box && box_ended(job->sandbox->box)) {
		buf_addf(output, "%s%s", gap, SANDBOX_BOX_ENDED);
	}
}

/* A turn that may not do what it wanted still ends well. */
static void add_denials(struct job *job, struct slice denials)
{
	autobuf names = { 0 };
	if (denials.len)
		agent_line_denied(&names, denials);
	if (!names.len)
		return;
	buf_addf(&job->text, "%sNot permitted to it, and not done: %s. The server's SANDBOX_PERMISSION_MODE is %s",
		 job->text.len ? "\n\n" : "", buf_cstr(&names), job->sandbox->daemon->conf.sandbox_permission_mode);
	log_about(LOG_INFO, &job->ids, "task %lld: not permitted: %s", (long long)job->id, buf_cstr(&names));
}

static void log_failure(const struct job *job)
{
	const struct sandbox *sb = job->sandbox;
	autobuf said = { 0 };
	if (sb->agent)
		mask_secrets(&said, agent_errors(sb->agent));
	log_about(LOG_INFO, &job->ids, "task %lld failed, exit code %d%s%s", (long long)job->id, job->exit_code,
		  said.len ? ": " : "", buf_cstr(&said));
}

void job_execute_result(struct job *job, const struct agent_result *result)
{
	struct sandbox *sb = job->sandbox;
	size_t max = (size_t)sb->daemon->conf.sandbox_diff_max;
	__attribute__((cleanup(output_free))) struct output output = { 0 };
	if (!job->turn)
		return;
	job->turn = false;
	/* Between tasks nobody in the box can use the key. */
	if (sb->gateway)
		gateway_set_model_key(sb->gateway, slice_make(NULL, 0), false);
	if (sb->agent && (job->cancelled || job->timed_out))
		agent_sweep(sb->agent, uv_now(sb->daemon->loop) - job->turn_at);
	job->success = result->success && !job->cancelled && !job->timed_out;
	job->exit_code = job->success ? 0 : result->exit_code ? result->exit_code : 1;
	if (!job->success)
		log_failure(job);
	output_add(&output, result->output, max);
	output_text(&output, max, "SANDBOX_DIFF_MAX", &job->text);
	add_denials(job, result->denials);
	if (!job->success)
		add_reason(job, &job->text);
	sandbox_diff_want(job);
}

static const char *outcome_of(const struct job *job)
{
	if (job->success)
		return "success";
	if (job->timed_out)
		return "timeout";
	if (job->cancelled)
		return "cancelled";
	return job_ran_out_of_memory(job) ? "oom" : "failure";
}

void job_execute_diff_done(struct job *job, bool ok, struct slice patch, struct slice notes)
{
	struct draft result = { 0 };
	autobuf complete = { 0 }, cut = { 0 };
	patch = ok ? sandbox_diff_bounded(job->sandbox, patch, &cut) : slice_make("", 0);
	message_result(&result, job->success, buf_slice(&job->text), patch, notes);
	message_complete(&complete, job->exit_code);
	sandbox_say_draft(job->sandbox, NULL, &result);
	sandbox_say(job->sandbox, NULL, &complete);
	job_end(job, outcome_of(job), job->exit_code, job->bytes);
}
