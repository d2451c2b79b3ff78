/* sandbox_escape.h: a real box as every sandbox gets it, with a neighbour and services of the host around it. Needs
 * cmocka.h and sandbox_temp.h before it. */
#ifndef CRAFT_SANDBOX_ESCAPE_H
#define CRAFT_SANDBOX_ESCAPE_H

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "lib/cleanup.h"
#include "pace.h"
#include "sandbox/box.h"
#include "sandbox/reach.h"
#include "sandbox/seccomp.h"
#include "sandbox/tree.h"
#include "tests/uids.h"

#define SESSION "00000000-0000-4000-8000-00000000000e"
#define NEIGHBOUR "00000000-0000-4000-8000-00000000000f"
#define TIMEOUT_MS 60000

struct fixture {
	uv_loop_t loop;
	struct conf conf;
	struct instance instance, neighbour;
	struct cgroup cgroup;
	struct box *box;
	int filter, listener, abstract;
	char port[8], secret[64]; /* of the host's: a port, and a file */
	int code;		  /* of the run under way; -1: it runs */
	struct buf output;
};

static char parent[64];
static enum cgroup_kind cgroups;

/* ---- the box ---- */

static inline void on_output(void *user, struct slice data)
{
	buf_add_slice(&((struct fixture *)user)->output, data);
}

static inline void on_exit_(void *user, int code, bool timed_out)
{
	struct fixture *f = user;
	assert_false(timed_out);
	f->code = code;
}

static inline void on_ready(void *user)
{
	(void)user;
}

static inline void on_end(void *user, int code, struct slice text)
{
	struct fixture *f = user;
	print_message("# the box ended with %d: %.*s\n", code, (int)text.len, text.len ? text.ptr : "");
	f->box = NULL;
}

/* Its exit code; what it prints, errors included, is in f->output. */
static inline int shell(struct fixture *f, const char *script)
{
	const char *const argv[] = { "/bin/sh", "-c", script, NULL };
	const char *environment[] = { f->port, f->secret, NULL };
	const struct box_run_options options = { .argv = argv,
						 .environment = environment,
						 .timeout = pace_ms(TIMEOUT_MS),
						 .on_output = on_output,
						 .on_errors = on_output,
						 .on_exit = on_exit_,
						 .user = f };
	autobuf error = { 0 };
	buf_clear(&f->output);
	f->code = -1;
	if (!f->box || !box_run(f->box, &options, &error))
		fail_msg("%s: %s", script, buf_cstr(&error));
	while (f->code < 0 && f->box)
		(void)uv_run(&f->loop, UV_RUN_ONCE);
	return f->code;
}

/* The script succeeds when the box has a hole. */
static inline void refused(struct fixture *f, const char *script)
{
	if (shell(f, script) == 0)
		fail_msg("%s: %s", script, buf_cstr(&f->output));
}

static inline void prints(struct fixture *f, const char *script, const char *text)
{
	(void)shell(f, script);
	assert_string_equal(buf_cstr(&f->output), text);
}

/* ---- its surroundings ---- */

static inline int listen_on(const struct sockaddr *address, socklen_t length)
{
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, address, length), 0);
	assert_int_equal(listen(fd, 4), 0);
	return fd;
}

static inline void start_host_services(struct fixture *f)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	socklen_t length = sizeof(in);
	f->listener = listen_on((struct sockaddr *)&in, length);
	assert_int_equal(getsockname(f->listener, (struct sockaddr *)&in, &length), 0);
	(void)snprintf(f->port, sizeof(f->port), "P=%d", ntohs(in.sin_port));
	int n = snprintf(un.sun_path + 1, sizeof(un.sun_path) - 1, "craft-test-%d", (int)getpid());
	f->abstract = listen_on((struct sockaddr *)&un, (socklen_t)(sizeof(sa_family_t) + 1 + (size_t)n));
	temp_write(f->conf.sandbox_dir, "secret", "of the host");
	(void)snprintf(f->secret, sizeof(f->secret), "HOST=%s", f->conf.sandbox_dir);
}

static inline void make_instance(struct fixture *f, struct instance *i, const char *session, unsigned slot)
{
	autobuf error = { 0 };
	instance_init(i, &f->conf, session, slot);
	if (!instance_create(i, &f->conf, &error))
		fail_msg("%s", buf_cstr(&error));
}

static inline void start_box(struct fixture *f)
{
	autobuf error = { 0 };
	const struct cgroup_limits limits = { f->conf.sandbox_memory, f->conf.sandbox_pids, f->conf.sandbox_cpu };
	if (!cgroup_make(parent, "escape", &limits, &f->cgroup, &error))
		fail_msg("%s", buf_cstr(&error));
	const struct box_options options = { .conf = &f->conf,
					     .instance = &f->instance,
					     .cgroup = &f->cgroup,
					     .seccomp_fd = f->filter,
					     .on_ready = on_ready,
					     .on_end = on_end,
					     .user = f };
	f->box = box_start(&f->loop, &options, &error);
	if (!f->box)
		fail_msg("%s", buf_cstr(&error));
}

static inline int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	autobuf error = { 0 };
	f->conf = (struct conf){ .sandbox_dir = temp_dir(),
				 .sandbox_libexec = xstrdup(TOP_BUILDDIR "/sandbox"),
				 .sandbox_agent = xstrdup("/bin/true"),
				 .github_url = xstrdup("https://git.example"),
				 .sandbox_uid_base = uids_own(),
				 .sandbox_memory = 256 << 20,
				 .sandbox_pids = 64,
				 .sandbox_cpu = 100,
				 .sandbox_disk = 64 << 20 };
	/* The tree may lie where only root may enter. */
	if (geteuid() == 0 && !reach_prepare(&f->conf, &error))
		fail_msg("%s", buf_cstr(&error));
	assert_int_equal(uv_loop_init(&f->loop), 0);
	make_instance(f, &f->instance, SESSION, 0);
	make_instance(f, &f->neighbour, NEIGHBOUR, 1);
	temp_write(f->neighbour.repo, "secret", "of the neighbour");
	start_host_services(f);
	f->filter = seccomp_export(&error);
	start_box(f);
	*state = f;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;
	autobuf error = { 0 };
	if (f->box)
		box_kill(f->box);
	(void)uv_run(&f->loop, UV_RUN_DEFAULT);
	(void)uv_loop_close(&f->loop);
	(void)cgroup_remove(&f->cgroup);
	bool removed = instance_remove(&f->instance, &error) && instance_remove(&f->neighbour, &error) &&
		       tree_remove(f->conf.sandbox_dir, &error);
	instance_free(&f->instance);
	instance_free(&f->neighbour);
	char *texts[] = { f->conf.sandbox_dir, f->conf.sandbox_libexec, f->conf.sandbox_agent, f->conf.github_url };
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		free(texts[i]);
	buf_free(&f->output);
	(void)close(f->listener);
	(void)close(f->abstract);
	(void)close(f->filter);
	free(f);
	return removed ? 0 : -1;
}

static inline int end_all(void **state)
{
	cgroup_end(parent);
	return teardown(state);
}

#endif
