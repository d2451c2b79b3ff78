/* sandbox_parts.c: what a sandbox is made of. */
#include "sandbox_parts.h"

#include <stdlib.h>

#include "counts.h"
#include "lib/log.h"
#include "message.h"
#include "sandbox_disk.h"
#include "sandbox_submodules.h"
#include "threads.h"

#define WATCH_EVERY 5000 /* ms */

/* ---- work on files, in a thread ---- */

enum task { TASK_MAKE, TASK_MEASURE, TASK_REMOVE };

struct work {
	uv_work_t request;
	struct sandbox *sb;
	enum task task;
	bool ok;
	int64_t used;
	struct buf error;
};

/* The files stay when only the daemon ends. */
static bool remove_all(struct sandbox *sb, struct buf *error)
{
	bool ok = !sb->has_cgroup || cgroup_remove(&sb->cgroup);
	if (!ok)
		buf_add_str(error, "its control groups; ");
	return (!sb->reason || instance_remove(&sb->instance, error)) && ok;
}

static void in_thread(uv_work_t *request)
{
	struct work *work = request->data;
	struct sandbox *sb = work->sb;
	const struct conf *conf = &sb->daemon->conf;
	if (work->task == TASK_MAKE)
		work->ok = sb->adopted ? instance_adopt(&sb->instance, conf, &work->error)
				       : instance_create(&sb->instance, conf, &work->error);
	else if (work->task == TASK_MEASURE)
		work->used = instance_used(&sb->instance);
	else
		work->ok = remove_all(sb, &work->error);
}

/* Without a file system of its own nothing stops what writes, but its end. What is there stays, so that some of it can
 * be removed, unless it goes on. */
static void on_measured(struct sandbox *sb, int64_t used)
{
	int64_t limit = sb->daemon->conf.sandbox_disk;
	autobuf body = { 0 }, text = { 0 };
	if (sb->state != SANDBOX_READY || used <= limit)
		return;
	if (used / 2 > limit) {
		sandbox_end(sb, "disk", NULL, false);
		return;
	}
	buf_addf(&text,
		 "The sandbox's disk is full: %lld of %lld MiB are used (SANDBOX_DISK). What ran was ended; remove "
		 "files with "
		 "the tool Bash. At twice the limit the sandbox ends",
		 (long long)(used >> 20), (long long)(limit >> 20));
	message_status(&body, sandbox_status(sb), buf_cstr(&text));
	sandbox_say(sb, NULL, &body);
	if (used > sb->measured && sb->box)
		box_kill(sb->box);
	sb->measured = used;
}

static void after(uv_work_t *request, int status)
{
	struct work *work = request->data;
	struct sandbox *sb = work->sb;
	(void)status;
	sb->working = false;
	if (work->task == TASK_MAKE) {
		sandbox_made(sb, work->ok, buf_cstr(&work->error));
	} else if (work->task == TASK_MEASURE) {
		on_measured(sb, work->used);
	} else {
		/* What could not be removed is tried again at the daemon's next start. */
		if (!work->ok)
			log_about(LOG_ERROR, &sb->ids, "not all of the sandbox could be removed: %s",
				  buf_cstr(&work->error));
		sb->removed = true;
	}
	buf_free(&work->error);
	free(work);
}

static void begin(struct sandbox *sb, enum task task)
{
	struct work *work = xcalloc(1, sizeof(*work));
	work->sb = sb;
	work->task = task;
	work->request.data = work;
	sb->working = true;
	threads_queue(sb->daemon->loop, sb->workspace, &work->request, in_thread, after);
}

void parts_make(struct sandbox *sb)
{
	begin(sb, TASK_MAKE);
}

void parts_remove(struct sandbox *sb)
{
	begin(sb, TASK_REMOVE);
}

static void watch_disk(struct sandbox *sb)
{
	const struct conf *conf = &sb->daemon->conf;
	if (sb->instance.limited || !conf->sandbox_disk || sb->working ||
	    uv_now(sb->daemon->loop) - sb->measured_at < WATCH_EVERY)
		return;
	sb->measured_at = uv_now(sb->daemon->loop);
	begin(sb, TASK_MEASURE);
}

/* ---- the gateway ---- */

static void on_gateway_event(void *user, const struct gateway_event *event)
{
	struct sandbox *sb = user;
	autobuf body = { 0 };
	if (event->refused)
		(void)credential_ask_other(&sb->credential);
	if (event->not_granted)
		submodules_ask_again(sb->submodules);
	if (!event->allowed)
		counter_add(&sb->daemon->counts->egress_refused, event->times);
	if (event->allowed || sb->state != SANDBOX_READY)
		return;
	message_egress(&body, sandbox_status(sb), event->kind, event->host, event->reason);
	sandbox_say(sb, NULL, &body);
}

/* The credential comes first: it is kept nowhere. */
static void try_gateway(struct sandbox *sb)
{
	if (!sb->gateway && !retry_wait(&sb->gateway_retry, uv_now(sb->daemon->loop)))
		sandbox_ask_credential(sb);
}

static void on_gateway_end(void *user, int exit_code)
{
	struct sandbox *sb = user;
	sb->gateway = NULL;
	if (sb->state != SANDBOX_READY)
		return;
	log_about(LOG_ERROR, &sb->ids, "the gateway ended by itself: %d", exit_code);
	retry_failed(&sb->gateway_retry, uv_now(sb->daemon->loop));
	try_gateway(sb);
}

static struct slice text_of(const struct buf *b)
{
	return b->len ? buf_slice(b) : SLICE_LIT("");
}

/* What can't be started is tried again by parts_tick(). */
static void start_gateway(struct sandbox *sb)
{
	autobuf error = { 0 };
	struct gateway_options options = { .conf = &sb->daemon->conf,
					   .instance = &sb->instance,
					   .request = sb->request,
					   .repo_key = sb->repo_key,
					   .git_token = text_of(&sb->credential.token.access),
					   .on_event = on_gateway_event,
					   .on_end = on_gateway_end,
					   .user = sb };
	sb->gateway = gateway_start(sb->daemon->loop, &options, &error);
	github_token_free(&sb->credential.token);
	retry_began(&sb->gateway_retry, uv_now(sb->daemon->loop));
	submodules_tell(sb->submodules);
	if (sb->gateway)
		return;
	log_about(LOG_ERROR, &sb->ids, "%s", buf_cstr(&error));
	retry_failed(&sb->gateway_retry, uv_now(sb->daemon->loop));
}

void parts_renew_token(struct sandbox *sb, bool usable)
{
	if (sb->gateway && usable)
		gateway_set_git_token(sb->gateway, text_of(&sb->credential.token.access));
	if (sb->gateway)
		github_token_free(&sb->credential.token);
	else
		start_gateway(sb);
}

/* ---- the box ---- */

static void on_box_ready(void *user)
{
	struct sandbox *sb = user;
	retry_worked(&sb->box_retry);
}

/* Its files stay, whatever is wrong with it: it is started again when something is asked. */
static void on_box_end(void *user, int exit_code, struct slice text)
{
	struct sandbox *sb = user;
	autobuf body = { 0 };
	sb->box = NULL;
	if (sb->state != SANDBOX_READY)
		return;
	retry_failed(&sb->box_retry, uv_now(sb->daemon->loop));
	log_about(LOG_ERROR, &sb->ids, "the box ended by itself: %d %.*s", exit_code,
		  (int)(text.len < 500 ? text.len : 500), text.ptr ? text.ptr : "");
	message_status(&body, sandbox_status(sb), SANDBOX_BOX_ENDED);
	sandbox_say(sb, NULL, &body);
}

static struct box *start_box(struct sandbox *sb, struct buf *error)
{
	struct box_options options = { .conf = &sb->daemon->conf,
				       .instance = &sb->instance,
				       .cgroup = sb->has_cgroup ? &sb->cgroup : NULL,
				       .seccomp_fd = sb->daemon->seccomp_fd,
				       .on_ready = on_box_ready,
				       .on_end = on_box_end,
				       .user = sb };
	struct box *box = box_start(sb->daemon->loop, &options, error);
	retry_began(&sb->box_retry, uv_now(sb->daemon->loop));
	if (!box)
		retry_failed(&sb->box_retry, uv_now(sb->daemon->loop));
	return box;
}

struct box *sandbox_box(struct sandbox *sb, struct buf *error)
{
	uint64_t wait = retry_wait(&sb->box_retry, uv_now(sb->daemon->loop));
	if (!sb->box && wait)
		buf_addf(error,
			 "The sandbox's box ended %u times right after its start. The files are kept; it is started "
			 "again when something is asked in %llu seconds or later",
			 sb->box_retry.failures, (unsigned long long)(wait + 999) / 1000);
	else if (!sb->box)
		sb->box = start_box(sb, error);
	return sb->box;
}

void parts_start(struct sandbox *sb)
{
	autobuf error = { 0 };
	start_gateway(sb);
	if (!sandbox_box(sb, &error))
		log_about(LOG_ERROR, &sb->ids, "%s", buf_cstr(&error));
}

void parts_tick(struct sandbox *sb)
{
	uint64_t now = uv_now(sb->daemon->loop);
	if (sb->state == SANDBOX_READY) {
		watch_disk(sb);
		sandbox_disk_tick(sb, now);
		try_gateway(sb);
	} else if (sb->state == SANDBOX_MAKING && sb->files_retry.failures && !sb->working &&
		   !retry_wait(&sb->files_retry, now)) {
		parts_make(sb);
	}
}

/* ---- stopping ---- */

static void on_clone_cancelled(void *user)
{
	struct sandbox *sb = user;
	sb->clone = NULL;
}

void parts_stop(struct sandbox *sb)
{
	if (sb->clone)
		git_clone_cancel(sb->clone, on_clone_cancelled);
	if (sb->gateway)
		gateway_stop(sb->gateway);
	if (sb->box)
		box_kill(sb->box);
}
