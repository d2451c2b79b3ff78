/* main.c: the sandbox daemon: options, the checks before it serves, the event loop's rhythm, and the way to the end. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "cgroup.h"
#include "counts.h"
#include "disk.h"
#include "gateway.h"
#include "home.h"
#include "host.h"
#include "lib/cleanup.h"
#include "lib/known_holes.h"
#include "lib/log.h"
#include "lib/notify.h"
#include "lib/startup.h"
#include "probe.h"
#include "reach.h"
#include "sandbox.h"
#include "seccomp.h"
#include "store.h"
#include "threads.h"
#include "watched.h"

#define TICK_MS 250
#define LEAVE_LIMIT_MS 8000 /* for what is being stopped, and for the database to learn of it */

struct program {
	struct daemon daemon;
	struct host *host;
	struct watch *watch; /* NULL: nobody watches */
	int lock;	     /* held as long as it runs: SANDBOX_DIR is one daemon's */
	uv_signal_t term, interrupt;
	uv_timer_t tick;
	uv_check_t check;
	uv_prepare_t prepare;
	uv_idle_t busy; /* active: there is more to do */
	uint64_t second_at, leaving_since;
	bool leaving;
	bool hurried; /* not all was stopped in time: it dies with this process */
};

/* ---- the rhythm ---- */

static void on_busy(uv_idle_t *idle)
{
	(void)idle;
}

static void end_of_turn(struct program *p)
{
	struct sandbox *sb, *next;
	bool more = false;
	for (sb = TAILQ_FIRST(&p->daemon.sandboxes); sb; sb = next) {
		next = TAILQ_NEXT(sb, link);
		more = sandbox_turn(sb) || more;
	}
	/* As long as it is active, the loop doesn't wait for anything. */
	if (more)
		(void)uv_idle_start(&p->busy, on_busy);
	else
		(void)uv_idle_stop(&p->busy);
}

static void on_check(uv_check_t *check)
{
	end_of_turn(check->data);
}

static void on_prepare(uv_prepare_t *prepare)
{
	end_of_turn(prepare->data);
}

static void start_leaving(struct program *p)
{
	struct sandbox *sb;
	log_info(NULL, "stopping %zu sandboxes; their files stay", p->daemon.sandbox_count);
	notify_stopping();
	p->leaving = true;
	p->leaving_since = uv_now(p->daemon.loop);
	p->daemon.draining = true;
	host_leave(p->host);
	TAILQ_FOREACH(sb, &p->daemon.sandboxes, link)
	{
		sandbox_leave(sb);
	}
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct program *p = handle->data;
	(void)number;
	if (!p->leaving)
		start_leaving(p);
}

static void close_handles(struct program *p)
{
	watch_free(p->watch);
	uv_close((uv_handle_t *)&p->term, NULL);
	uv_close((uv_handle_t *)&p->interrupt, NULL);
	uv_close((uv_handle_t *)&p->tick, NULL);
	uv_close((uv_handle_t *)&p->check, NULL);
	uv_close((uv_handle_t *)&p->prepare, NULL);
	uv_close((uv_handle_t *)&p->busy, NULL);
}

static void leave(struct program *p, uint64_t now)
{
	struct daemon *d = &p->daemon;
	bool done = TAILQ_EMPTY(&d->sandboxes) && store_idle(d->state) && store_idle(d->streams) &&
		    store_idle(d->big_streams);
	if (!done && now - p->leaving_since < LEAVE_LIMIT_MS)
		return;
	if (!done)
		log_warn(NULL, "the database did not learn everything: it will at the next start");
	p->hurried = !done;
	close_handles(p);
	uv_stop(d->loop);
}

static void on_tick(uv_timer_t *timer)
{
	struct program *p = timer->data;
	struct sandbox *sb, *next;
	uint64_t now = uv_now(p->daemon.loop);
	notify_alive((int64_t)now);
	host_tick(p->host, now);
	if (now >= p->second_at) {
		p->second_at = now + 1000;
		for (sb = TAILQ_FIRST(&p->daemon.sandboxes); sb; sb = next) {
			next = TAILQ_NEXT(sb, link);
			sandbox_tick(sb, now);
		}
	}
	if (p->leaving)
		leave(p, now);
}

/* ---- the start ---- */

static void on_connected(void *user)
{
	struct program *p = user;
	if (p->host)
		host_connected(p->host);
}

static void on_notify(void *user, const char *payload)
{
	struct program *p = user;
	if (p->host)
		host_notified(p->host, payload);
}

static void start_handles(struct program *p)
{
	uv_loop_t *loop = p->daemon.loop;
	(void)uv_signal_init(loop, &p->term);
	(void)uv_signal_init(loop, &p->interrupt);
	(void)uv_timer_init(loop, &p->tick);
	(void)uv_check_init(loop, &p->check);
	(void)uv_prepare_init(loop, &p->prepare);
	(void)uv_idle_init(loop, &p->busy);
	p->term.data = p->interrupt.data = p->tick.data = p->check.data = p->prepare.data = p;
	(void)uv_signal_start(&p->term, on_signal, SIGTERM);
	(void)uv_signal_start(&p->interrupt, on_signal, SIGINT);
	(void)uv_timer_start(&p->tick, on_tick, TICK_MS, TICK_MS);
	(void)uv_check_start(&p->check, on_check);
	(void)uv_prepare_start(&p->prepare, on_prepare);
}

static void read_keys(struct daemon *d)
{
	d->api_keys = (struct auth_keys){ d->conf.api_key, d->conf.api_key_previous };
	d->client_keys = client_keys_new(&d->api_keys);
	/* The configuration has checked both. */
	d->seal_key_count = seal_key_parse(d->conf.encryption_key, &d->seal_keys[0]);
	if (d->seal_key_count && d->conf.encryption_key_previous)
		d->seal_key_count += seal_key_parse(d->conf.encryption_key_previous, &d->seal_keys[1]);
}

static bool is_program(const char *key, const char *path, const char *advice, struct buf *error)
{
	if (access(path, X_OK) == 0)
		return true;
	buf_addf(error, "%s: %s can't be run: %s%s", key, path, strerror(errno), advice);
	return false;
}

static bool have_programs(const struct conf *conf, struct buf *error)
{
	static const char *const names[] = { "craft-box", "craft-sandbox-launch", "craft-sandbox-gateway" };
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		autobuf path = { 0 };
		buf_addf(&path, "%s/%s", conf->sandbox_libexec, names[i]);
		if (!is_program("SANDBOX_LIBEXEC", buf_cstr(&path), "", error))
			return false;
	}
	return is_program("SANDBOX_AGENT", conf->sandbox_agent,
			  "; it comes with npm install -g @anthropic-ai/claude-code", error) &&
	       is_program("bubblewrap", "/usr/bin/bwrap", ": apt-get install bubblewrap", error) &&
	       is_program("git", "/usr/bin/git", ": apt-get install git", error);
}

/* Everything that must be so before sandboxes are made. */
static bool prepare(struct program *p, struct buf *protection, struct buf *error)
{
	struct daemon *d = &p->daemon;
	autobuf about = { 0 };
	if (!have_programs(&d->conf, error) || !gateway_check(&d->conf, error) ||
	    !home_open(&d->conf, d->host, &p->lock, error) || !disk_own_mounts(error) ||
	    !reach_prepare(&d->conf, error))
		return false;
	(void)snprintf(d->cgroup_parent, sizeof(d->cgroup_parent), "craft-sandbox-%.8s", d->host);
	(void)cgroup_probe(d->cgroup_parent, &about);
	log_info(NULL, "%s", buf_cstr(&about));
	cgroup_remove_all(d->cgroup_parent);
	d->seccomp_fd = seccomp_export(error);
	if (d->seccomp_fd < 0)
		return false;
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
	d->slots = xcalloc((size_t)d->conf.sandbox_max, sizeof(*d->slots));
	return probe_run(&d->conf, d->cgroup_parent, d->seccomp_fd, protection, error);
}

static void raise_file_limit(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static void free_parts(struct program *p)
{
	struct daemon *d = &p->daemon;
	host_free(p->host);
	store_free(d->streams);
	store_free(d->big_streams);
	store_free(d->state);
	/* What is closing needs one more turn of the loop. */
	(void)uv_run(d->loop, UV_RUN_DEFAULT);
	cgroup_end(d->cgroup_parent);
	client_keys_free(d->client_keys);
	OPENSSL_cleanse(d->seal_keys, sizeof(d->seal_keys));
	free(d->slots);
	free(d->counts);
	(void)close(d->seccomp_fd);
	(void)close(p->lock);
}

/* ---- what it stands on ---- */

static void look_for_holes(uv_work_t *work)
{
	const struct daemon *d = work->data;
	known_holes_log(HOLES_BUBBLEWRAP | HOLES_GIT | HOLES_AGENT, d->conf.sandbox_agent);
}

static void on_looked(uv_work_t *work, int status)
{
	(void)work;
	(void)status;
}

static int run(struct program *p)
{
	static uv_work_t holes;
	static const struct store_events state_events = { on_connected, on_notify }, stream_events = { NULL, NULL };
	struct daemon *d = &p->daemon;
	autobuf error = { 0 }, protection = { 0 };
	static uv_loop_t loop;
	threads_prepare();
	(void)uv_loop_init(&loop);
	d->loop = &loop;
	d->counts = xcalloc(1, sizeof(*d->counts));
	TAILQ_INIT(&d->sandboxes);
	raise_file_limit();
	(void)signal(SIGPIPE, SIG_IGN);
	if (!prepare(p, &protection, &error)) {
		(void)fprintf(stderr, "craft-sandboxd: %s\n", buf_cstr(&error));
		(void)uv_loop_close(&loop);
		free(d->slots);
		free(d->counts);
		return 1;
	}
	log_info(NULL, "protections in force: %s", buf_cstr(&protection));
	read_keys(d);
	d->state = store_new(&loop, &d->conf, "craft-sandboxd", true, &state_events, p);
	d->streams = store_new(&loop, &d->conf, "craft-sandboxd messages", false, &stream_events, p);
	d->big_streams = store_new(&loop, &d->conf, "craft-sandboxd big messages", false, &stream_events, p);
	p->host = host_new(d, buf_cstr(&protection));
	p->watch = watched_new(p->host);
	start_handles(p);
	holes.data = d;
	(void)uv_queue_work(&loop, &holes, look_for_holes, on_looked);
	notify_ready();
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	if (p->hurried) {
		cgroup_remove_all(d->cgroup_parent);
		log_info(NULL, "stopped, in a hurry");
		_exit(0);
	}
	free_parts(p);
	(void)uv_loop_close(&loop);
	log_info(NULL, "stopped");
	return 0;
}

int main(int argc, char **argv)
{
	static const struct startup about = {
		.name = "craft-sandboxd",
		.program = CONF_SANDBOX,
		.purpose = "Runs Claude Code and tools in isolated checkouts of repositories, as PostgreSQL asks for.",
		.signals = "SIGTERM ends what runs, tells its clients, and exits; the sandboxes' files stay for the "
			   "next start.",
	};
	static struct program program = { .lock = -1 };
	int status;
	if (!startup(&about, argc, argv, &program.daemon.conf, &status))
		return status;
	status = run(&program);
	conf_free(&program.daemon.conf);
	return status;
}
