/* sandbox_parts.c: what a sandbox is made of. */
#include "sandbox_parts.h"

#include <stdlib.h>

#include "counts.h"
#include "lib/log.h"
#include "message.h"

#define BOX_FAILURES_MAX 3
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

static void on_measured(struct sandbox *sb, int64_t used)
{
	if (sb->state == SANDBOX_READY && used > sb->daemon->conf.sandbox_disk)
		sandbox_end(sb, "disk", NULL, false);
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
	(void)uv_queue_work(sb->daemon->loop, &work->request, in_thread, after);
}

void parts_make(struct sandbox *sb)
{
	begin(sb, TASK_MAKE);
}

void parts_remove(struct sandbox *sb)
{
	begin(sb, TASK_REMOVE);
}

void parts_watch(struct sandbox *sb)
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
	if (!event->allowed)
		counter_add(&sb->daemon->counts->egress_refused, event->times);
	if (event->allowed || sb->state != SANDBOX_READY)
		return;
	message_egress(&body, sandbox_status(sb), event->kind, event->host, event->reason);
	sandbox_say(sb, NULL, &body);
}

static void on_gateway_end(void *user, int exit_code)
{
	struct sandbox *sb = user;
	sb->gateway = NULL;
	if (sb->state != SANDBOX_READY)
		return;
	log_about(LOG_ERROR, &sb->ids, "the gateway ended by itself: %d", exit_code);
	sandbox_ask_credential(sb);
}

static struct slice text_of(const struct buf *b)
{
	return b->len ? buf_slice(b) : SLICE_LIT("");
}

static bool start_gateway(struct sandbox *sb, struct buf *error)
{
	struct gateway_options options = { .conf = &sb->daemon->conf,
					   .instance = &sb->instance,
					   .request = sb->request,
					   .repo_key = sb->repo_key,
					   .git_token = text_of(&sb->credential.token.access),
					   .on_event = on_gateway_event,
					   .on_end = on_gateway_end,
					   .user = sb };
	sb->gateway = gateway_start(sb->daemon->loop, &options, error);
	github_token_free(&sb->credential.token);
	return sb->gateway != NULL;
}

void parts_renew_token(struct sandbox *sb, bool usable)
{
	autobuf error = { 0 };
	if (sb->gateway && usable)
		gateway_set_git_token(sb->gateway, text_of(&sb->credential.token.access));
	if (sb->gateway) {
		github_token_free(&sb->credential.token);
		return;
	}
	if (start_gateway(sb, &error))
		return;
	log_about(LOG_ERROR, &sb->ids, "%s", buf_cstr(&error));
	sandbox_end(sb, "crash", NULL, false);
}

/* ---- the box ---- */

static void on_box_ready(void *user)
{
	struct sandbox *sb = user;
	sb->box_failures = 0;
}

static void on_box_end(void *user, int exit_code, struct slice text)
{
	struct sandbox *sb = user;
	sb->box = NULL;
	if (sb->state != SANDBOX_READY)
		return;
	sb->box_failures++;
	log_about(LOG_ERROR, &sb->ids, "the box ended by itself: %d %.*s", exit_code,
		  (int)(text.len < 500 ? text.len : 500), text.ptr ? text.ptr : "");
	if (sb->box_failures >= BOX_FAILURES_MAX)
		sandbox_end(sb, cgroup_oom_kills(&sb->cgroup) > 0 ? "oom" : "crash", NULL, false);
}

struct box *sandbox_box(struct sandbox *sb, struct buf *error)
{
	struct box_options options = { .conf = &sb->daemon->conf,
				       .instance = &sb->instance,
				       .cgroup = sb->has_cgroup ? &sb->cgroup : NULL,
				       .seccomp_fd = sb->daemon->seccomp_fd,
				       .on_ready = on_box_ready,
				       .on_end = on_box_end,
				       .user = sb };
	if (!sb->box)
		sb->box = box_start(sb->daemon->loop, &options, error);
	return sb->box;
}

bool parts_start(struct sandbox *sb, struct buf *error)
{
	return start_gateway(sb, error) && sandbox_box(sb, error) != NULL;
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
