/* sandbox.c: one sandbox from its claim to its end. */
#include "sandbox.h"

#include <stdlib.h>

#include "counts.h"
#include "git_place.h"
#include "lib/git_ref.h"
#include "lib/log.h"
#include "message.h"
#include "sandbox_diff.h"
#include "sandbox_parts.h"
#include "sandbox_submodules.h"
#include "store.h"

#define FILES_AWAY                                                                                                     \
	"The sandbox's files can't be had at the moment; the server's log says why. They are kept, and it is tried "   \
	"again"
#define LEAVING "The sandbox server is restarting; what ran was ended, the files stay. Try again"

/* ---- telling ---- */

const char *sandbox_status(const struct sandbox *sb)
{
	static const char *const names[] = { [SANDBOX_MAKING] = "provisioning",
					     [SANDBOX_CLONING] = "cloning",
					     [SANDBOX_READY] = "ready",
					     [SANDBOX_ENDING] = "expired" };
	return sb->state == SANDBOX_READY && sb->idle ? "idle" : names[sb->state];
}

void sandbox_say_draft(struct sandbox *sb, const char *client, struct draft *draft)
{
	counter_add(&sb->daemon->counts->messages, 1);
	counter_add(&sb->daemon->counts->message_bytes, draft_size(draft));
	stream_add(&sb->stream, client, draft);
}

void sandbox_say(struct sandbox *sb, const char *client, struct buf *body)
{
	struct draft draft = { .out = *body };
	*body = (struct buf){ 0 };
	sandbox_say_draft(sb, client, &draft);
}

void sandbox_say_error(struct sandbox *sb, const char *client, const char *text)
{
	autobuf body = { 0 };
	message_error(&body, text);
	sandbox_say(sb, client, &body);
}

static void say_status(struct sandbox *sb, const char *detail)
{
	autobuf body = { 0 };
	message_status(&body, sandbox_status(sb), detail);
	sandbox_say(sb, NULL, &body);
}

/* ---- the database ---- */

static void on_state(void *user, const PGresult *r)
{
	struct sandbox *sb = user;
	if (r && PQntuples(r) == 1 && !db_get_bool(r, 0, 0))
		sandbox_end(sb, "host", NULL, true);
}

static struct slice text_or_null(const char *text)
{
	return text ? slice_of(text) : slice_make(NULL, 0);
}

/* A statement about it: its first parameters are the host's id and its own. */
static struct store_op *session_op(struct sandbox *sb, enum statement statement, store_done done)
{
	struct store_op *op = store_op_new(statement, done, sb);
	store_op_text(op, slice_of(sb->daemon->host));
	store_op_text(op, slice_of(sb->session));
	return op;
}

static void write_state(struct sandbox *sb, const char *commit)
{
	struct store_op *op = session_op(sb, STMT_STATE, on_state);
	store_op_text(op, slice_of(sandbox_status(sb)));
	store_op_text(op, slice_make(NULL, 0));
	store_op_text(op, text_or_null(commit));
	store_send(sb->daemon->state, op, true);
}

/* Who hears of the end finds it in the database, too. */
static void on_end_written(void *user, const PGresult *r)
{
	struct sandbox *sb = user;
	(void)r;
	say_status(sb, sb->end_text);
	free(sb->end_text);
	sb->end_text = NULL;
}

static void write_end(struct sandbox *sb, const char *reason, const char *error)
{
	struct store_op *op = session_op(sb, STMT_END, on_end_written);
	store_op_text(op, slice_of(reason));
	store_op_text(op, text_or_null(error));
	store_send(sb->daemon->state, op, true);
}

void sandbox_write_cleaned(struct daemon *d, struct slice session)
{
	struct store_op *op = store_op_new(STMT_CLEANED, NULL, NULL);
	store_op_text(op, slice_of(d->host));
	store_op_text(op, session);
	store_send(d->state, op, true);
}

static void enter_with(struct sandbox *sb, enum sandbox_state state, const char *commit, const char *detail)
{
	sb->state = state;
	sb->worked_at = uv_now(sb->daemon->loop);
	write_state(sb, commit);
	say_status(sb, detail);
}

static void enter(struct sandbox *sb, enum sandbox_state state, const char *commit)
{
	enter_with(sb, state, commit, NULL);
}

/* ---- ready ---- */

static void start_waiting_jobs(struct sandbox *sb)
{
	struct job *job, *next;
	for (job = TAILQ_FIRST(&sb->jobs); job && sb->state == SANDBOX_READY; job = next) {
		next = TAILQ_NEXT(job, link);
		job_start(job);
	}
}

static void read_absent(struct sandbox *sb)
{
	autobuf text = { 0 };
	git_place_absent(&sb->instance, &text);
	git_absent_parse(&sb->absent, buf_slice(&text));
	sb->submodules = submodules_new(sb);
}

static void become_ready(struct sandbox *sb, const char *commit)
{
	read_absent(sb);
	parts_start(sb);
	log_about(LOG_INFO, &sb->ids, "ready%s%s", commit ? " at commit " : "", commit ? commit : "");
	enter_with(sb, SANDBOX_READY, commit, sb->adopted ? NULL : buf_cstr(&sb->absent.note));
	start_waiting_jobs(sb);
}

/* ---- the clone ---- */

static void on_cloned(void *user, enum git_outcome outcome, const char *text, const char *commit)
{
	struct sandbox *sb = user;
	sb->clone = NULL;
	if (sb->state == SANDBOX_ENDING)
		return;
	/* It was last at work when the clone began. */
	counts_clone(sb->daemon->counts, outcome == GIT_OK, uv_now(sb->daemon->loop) - sb->worked_at);
	if (outcome == GIT_OK) {
		become_ready(sb, commit);
		return;
	}
	/* Another process may have renewed the token since it was read. */
	if (outcome == GIT_UNAUTHORIZED && !sb->cloned_again && credential_ask_other(&sb->credential)) {
		sb->cloned_again = true;
		return;
	}
	log_about(LOG_WARN, &sb->ids, "cloning %s failed: %s", sb->repo_key, text);
	if (outcome == GIT_UNAUTHORIZED)
		credential_note_refused(&sb->credential);
	sandbox_end(sb, "clone", text, false);
}

static void start_clone(struct sandbox *sb)
{
	struct git_clone_options options = { .conf = &sb->daemon->conf,
					     .instance = &sb->instance,
					     .workspace = sb->workspace,
					     .repo_key = sb->repo_key,
					     .branch = sb->branch,
					     .token = buf_slice(&sb->credential.token.access),
					     .on_done = on_cloned,
					     .user = sb };
	enter(sb, SANDBOX_CLONING, NULL);
	/* craft-fcgi has looked at it; whoever writes to the database by hand has not. */
	if (*sb->branch && !branch_valid(slice_of(sb->branch))) {
		sandbox_end(sb, "clone", "The branch has a name that git doesn't take", false);
		return;
	}
	sb->clone = git_clone_start(sb->daemon->loop, &options);
}

/* ---- the credential ---- */

static void on_credential(void *user, bool usable)
{
	struct sandbox *sb = user;
	if (sb->state == SANDBOX_ENDING)
		github_token_free(&sb->credential.token);
	else if (sb->state == SANDBOX_READY)
		parts_renew_token(sb, usable);
	else if (sb->adopted)
		become_ready(sb, NULL);
	else if (usable)
		start_clone(sb);
	else
		sandbox_end(sb, "clone", "No GitHub credentials for this repo", false);
}

void sandbox_ask_credential(struct sandbox *sb)
{
	credential_ask(&sb->credential);
}

/* ---- making ---- */

static void drop_jobs(struct sandbox *sb, const char *outcome, const char *text)
{
	struct job *job, *next;
	for (job = TAILQ_FIRST(&sb->jobs); job; job = next) {
		next = TAILQ_NEXT(job, link);
		job_drop(job, outcome, text);
	}
}

/* Files that a user has are kept, whatever keeps them from being used: it is tried again, until the sandbox expires. */
static void not_made(struct sandbox *sb, const char *error)
{
	log_about(LOG_ERROR, &sb->ids, "%s", error);
	if (!sb->adopted || !instance_is_whole(&sb->instance)) {
		sandbox_end(sb, "crash",
			    sb->adopted ? "The sandbox's files were lost"
					: "The sandbox could not be made; the server's log says why",
			    false);
		return;
	}
	retry_failed(&sb->files_retry, uv_now(sb->daemon->loop));
	drop_jobs(sb, "host", FILES_AWAY);
	if (sb->files_retry.failures == 1)
		say_status(sb, FILES_AWAY);
}

static bool make_cgroup(struct sandbox *sb, struct buf *error)
{
	const struct conf *conf = &sb->daemon->conf;
	const struct cgroup_limits limits = { conf->sandbox_memory, conf->sandbox_pids, conf->sandbox_cpu };
	sb->has_cgroup = cgroup_make(sb->daemon->cgroup_parent, sb->session, &limits, &sb->cgroup, error);
	return sb->has_cgroup;
}

void sandbox_made(struct sandbox *sb, bool ok, const char *error)
{
	autobuf text = { 0 };
	if (sb->state == SANDBOX_ENDING)
		return;
	if (!ok) {
		not_made(sb, error);
	} else if (!make_cgroup(sb, &text)) {
		not_made(sb, buf_cstr(&text));
	} else {
		retry_worked(&sb->files_retry);
		sandbox_ask_credential(sb);
	}
}

static bool take_slot(struct sandbox *sb)
{
	struct daemon *d = sb->daemon;
	for (unsigned i = 0; i < (unsigned)d->conf.sandbox_max; i++) {
		if (d->slots[i])
			continue;
		d->slots[i] = sb;
		sb->slot = i;
		return true;
	}
	return false;
}

static void on_stream_drained(void *user)
{
	struct sandbox *sb = user;
	if (sb->agent)
		agent_resume(sb->agent);
}

static void on_stream_lost(void *user)
{
	sandbox_end(user, "host", NULL, true);
}

bool sandbox_begin(struct daemon *d, const struct sandbox_row *row, bool adopt)
{
	struct sandbox *sb = xcalloc(1, sizeof(*sb));
	sb->daemon = d;
	if (!take_slot(sb)) {
		free(sb);
		return false;
	}
	sb->session = slice_dup(row->session);
	sb->workspace = slice_dup(row->workspace);
	sb->repo_key = slice_dup(row->repo_key);
	sb->branch = slice_dup(row->branch);
	sb->request = slice_dup(row->request);
	sb->ids = (struct log_ids){ .req = sb->request, .sandbox = sb->session };
	credential_init(&sb->credential, d, &sb->ids, sb->workspace, sb->repo_key, on_credential, sb);
	sb->adopted = adopt;
	sb->worked_at = uv_now(d->loop);
	TAILQ_INIT(&sb->jobs);
	TAILQ_INIT(&sb->diffs);
	stream_init(&sb->stream, d, &sb->ids, row->seq);
	sb->stream.on_drained = on_stream_drained;
	sb->stream.on_lost = on_stream_lost;
	sb->stream.user = sb;
	instance_init(&sb->instance, &d->conf, sb->session, sb->slot);
	sb->instance.workspace = sb->workspace;
	TAILQ_INSERT_TAIL(&d->sandboxes, sb, link);
	d->sandbox_count++;
	counter_add(adopt ? &d->counts->adopted : &d->counts->made, 1);
	log_about(LOG_INFO, &sb->ids, "%s sandbox of %s, branch %s, slot %u", adopt ? "adopting the" : "making a",
		  sb->repo_key, sb->branch, sb->slot);
	parts_make(sb);
	return true;
}

struct sandbox *sandbox_find(struct daemon *d, struct slice session)
{
	struct sandbox *sb;
	TAILQ_FOREACH(sb, &d->sandboxes, link)
	{
		if (slice_eq_str(session, sb->session))
			return sb;
	}
	return NULL;
}

/* ---- work ---- */

bool sandbox_busy(const struct sandbox *sb)
{
	/* One whose files can't be had isn't kept alive by that. */
	return (sb->state != SANDBOX_READY && !sb->files_retry.failures) || !TAILQ_EMPTY(&sb->jobs);
}

static void wake(struct sandbox *sb)
{
	sb->worked_at = uv_now(sb->daemon->loop);
	if (!sb->idle)
		return;
	sb->idle = false;
	enter(sb, SANDBOX_READY, NULL);
}

void sandbox_take(struct sandbox *sb, struct job *job)
{
	TAILQ_INSERT_TAIL(&sb->jobs, job, link);
	if (sb->state == SANDBOX_ENDING) {
		job_drop(job, sb->reason ? "expired" : "host", sb->reason ? "Sandbox session expired" : LEAVING);
		return;
	}
	if (sb->state == SANDBOX_MAKING && sb->files_retry.failures) {
		job_drop(job, "host", FILES_AWAY);
		return;
	}
	if (sb->state == SANDBOX_READY)
		wake(sb);
	/* A cancel is for what waits, too. */
	if (sb->state == SANDBOX_READY || job->kind == JOB_CANCEL)
		job_start(job);
}

static void limit_task(struct sandbox *sb, uint64_t now)
{
	struct job *task = sb->task;
	if (!task || task->timed_out || now - task->started_at < (uint64_t)sb->daemon->conf.sandbox_task_timeout * 1000)
		return;
	log_about(LOG_INFO, &task->ids, "task %lld has run for SANDBOX_TASK_TIMEOUT", (long long)task->id);
	task->timed_out = true;
	job_execute_cancel(task);
}

void sandbox_tick(struct sandbox *sb, uint64_t now)
{
	credential_tick(&sb->credential, sb->state == SANDBOX_READY);
	submodules_tick(sb->submodules, sb->state == SANDBOX_READY);
	parts_tick(sb);
	if (sb->state != SANDBOX_READY)
		return;
	limit_task(sb, now);
	if (sandbox_busy(sb)) {
		sb->worked_at = now;
	} else if (!sb->idle && now - sb->worked_at >= (uint64_t)sb->daemon->conf.sandbox_agent_idle * 1000) {
		sb->idle = true;
		if (sb->agent && !sb->agent_stopping) {
			/* A task that comes meanwhile waits for its end. */
			sb->agent_stopping = true;
			agent_stop(sb->agent);
		}
		enter(sb, SANDBOX_READY, NULL);
	}
}

/* ---- the end ---- */

static void stop(struct sandbox *sb, const char *outcome, const char *text)
{
	sb->state = SANDBOX_ENDING;
	drop_jobs(sb, outcome, text);
	parts_stop(sb);
	if (!sb->credential.renewing)
		github_token_free(&sb->credential.token);
}

/* What clients are told. */
static const char *words_for(const char *reason)
{
	static const struct {
		const char *reason, *words;
	} all[] = { { "user", "The sandbox was deleted" },
		    { "idle", "The sandbox expired: it had no work and no heartbeat (SANDBOX_IDLE_TIMEOUT)" },
		    { "disk", "The sandbox was ended: its disk is full (SANDBOX_DISK)" },
		    { "crash", "The sandbox broke down" },
		    { "host", "The sandbox is not on this host any more" } };
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		if (strcmp(all[i].reason, reason) == 0)
			return all[i].words;
	}
	return "The sandbox has ended";
}

void sandbox_end(struct sandbox *sb, const char *reason, const char *error, bool in_database)
{
	if (sb->state == SANDBOX_ENDING)
		return;
	const char *text = error ? error : words_for(reason);
	log_about(LOG_INFO, &sb->ids, "ends: %s", reason);
	counts_sandbox_end(sb->daemon->counts, reason);
	sb->reason = reason;
	stop(sb, strcmp(reason, "clone") == 0 ? "error" : "expired", text);
	if (in_database) {
		say_status(sb, text);
		return;
	}
	sb->end_text = xstrdup(text);
	write_end(sb, reason, error);
}

void sandbox_leave(struct sandbox *sb)
{
	if (sb->state == SANDBOX_ENDING)
		return;
	stop(sb, "host", LEAVING);
}

static void sandbox_free(struct sandbox *sb)
{
	struct daemon *d = sb->daemon;
	if (sb->reason) {
		sandbox_write_cleaned(d, slice_of(sb->session));
		log_about(LOG_INFO, &sb->ids, "removed");
	}
	store_forget(d->state, sb);
	stream_free(&sb->stream);
	d->slots[sb->slot] = NULL;
	d->sandbox_count--;
	TAILQ_REMOVE(&d->sandboxes, sb, link);
	instance_free(&sb->instance);
	credential_end(&sb->credential);
	submodules_free(sb->submodules);
	git_absent_free(&sb->absent);
	free(sb->end_text);
	free(sb->session);
	free(sb->workspace);
	free(sb->repo_key);
	free(sb->branch);
	free(sb->request);
	free(sb);
}

static bool all_stopped(const struct sandbox *sb)
{
	return !sb->working && !sb->credential.renewing && !submodules_busy(sb->submodules) && !sb->clone &&
	       !sb->gateway && !sb->box && !sb->agent && !sb->diff && TAILQ_EMPTY(&sb->jobs);
}

bool sandbox_turn(struct sandbox *sb)
{
	bool more = stream_flush(&sb->stream);
	if (sb->state != SANDBOX_ENDING || !all_stopped(sb))
		return more;
	if (!sb->removed)
		parts_remove(sb);
	else if (stream_idle(&sb->stream) && !sb->end_text)
		sandbox_free(sb);
	return more;
}
