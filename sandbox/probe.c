/* probe.c: the outside half of the self-check: makes an instance with small limits, has the box probe itself, and looks
 * at what only the outside can see. */
#include "probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "box.h"
#include "lib/cleanup.h"
#include "lib/log.h"

#define SESSION "00000000-0000-4000-8000-000000000000"
#define TIMEOUT_MS 30000
#define OUTPUT_MAX 16384
/* Less than what box/probe.c tries to use. */
#define MEMORY (64 << 20)
#define PIDS 64
#define DISK (64 << 20)

const char *const probe_names[] = { "user-namespace",
				    "pid-namespace",
				    "ipc-namespace",
				    "network-namespace",
				    "seccomp",
				    "read-only-root",
				    "uid",
				    "memory",
				    "socket-memory",
				    "pids",
				    "cpu",
				    "disk",
				    NULL };

struct probe {
	struct conf conf; /* the daemon's, with other limits */
	struct instance instance;
	struct cgroup cgroup;
	struct box *box;
	bool cpu_held, timed_out;
	int exit_code; /* of craft-box probe; -1: it never ran to its end */
	struct buf output, errors;
};

/* ---- names ---- */

/* The next word of *text, which moves behind it. */
static bool next_word(const char **text, struct slice *word)
{
	*text += strspn(*text, " \t");
	*word = slice_make(*text, strcspn(*text, " \t"));
	*text += word->len;
	return word->len > 0;
}

static bool is_name(struct slice word)
{
	for (size_t i = 0; probe_names[i]; i++)
		if (slice_eq_str(word, probe_names[i]))
			return true;
	return false;
}

bool probe_check_names(const char *require, struct buf *error)
{
	const char *at = require;
	struct slice word;
	if (strcmp(require, "none") == 0)
		return true;
	while (next_word(&at, &word)) {
		if (is_name(word))
			continue;
		buf_add_str(error, "SANDBOX_REQUIRE: there is no protection ");
		buf_add_slice(error, word);
		buf_add_str(error, "; there are:");
		for (size_t i = 0; probe_names[i]; i++)
			buf_addf(error, " %s", probe_names[i]);
		return false;
	}
	return true;
}

/* What craft-box said about the name: NULL when it held. The text is good until the next call. */
static const char *said(struct buf *output, const char *name)
{
	static char why[200];
	size_t length = strlen(name);
	for (const char *line = buf_cstr(output); *line; line += strcspn(line, "\n"), line += *line == '\n') {
		if (strncmp(line, name, length) != 0 || line[length] != ' ')
			continue;
		if (strncmp(line + length, " yes\n", 5) == 0)
			return NULL;
		line += length + strspn(line + length, " ");
		(void)snprintf(why, sizeof(why), "%.*s", (int)strcspn(line, "\n"), line);
		return strncmp(why, "no ", 3) == 0 ? why + 3 : why;
	}
	return "the check did not get that far";
}

/* ---- what the outside sees ---- */

/* The first file that the probe made for the disk belongs to whom? */
static const char *check_uid(const struct probe *p)
{
	autobuf path = { 0 };
	struct stat st;
	buf_addf(&path, "%s/.craft-probe-0", p->instance.repo);
	if (geteuid() != 0)
		return "the daemon is not root: sandboxes run as its own user";
	if (lstat(buf_cstr(&path), &st) < 0)
		return "the check did not get that far";
	return st.st_uid == p->instance.uid && st.st_gid == p->instance.gid && st.st_uid != 0 ? NULL
											      : "it is another user";
}

/* Is the box in the cgroup that limits CPU time? */
static bool in_cpu_cgroup(const struct probe *p)
{
	char line[32];
	autobuf path = { 0 };
	bool found = false;
	if (!p->cgroup.cpu || p->conf.sandbox_cpu <= 0)
		return false;
	buf_addf(&path, "%s/cgroup.procs", p->cgroup.cpu);
	FILE *f = fopen(buf_cstr(&path), "re");
	while (f && fgets(line, sizeof(line), f))
		found = found || strtol(line, NULL, 10) == box_pid(p->box);
	if (f)
		(void)fclose(f);
	return found;
}

static const char *missing(struct probe *p, const char *name)
{
	if (strcmp(name, "uid") == 0)
		return check_uid(p);
	if (strcmp(name, "cpu") == 0)
		return p->cpu_held ? NULL : "there is no cgroup for it, or SANDBOX_CPU is 0";
	if (strcmp(name, "socket-memory") == 0)
		return p->conf.sandbox_memory && cgroup_limits_sockets(&p->cgroup)
			       ? NULL
			       : "there is no cgroup that counts it, or SANDBOX_MEMORY is 0";
	return said(&p->output, name);
}

/* ---- the box ---- */

static void on_output(void *user, struct slice data)
{
	struct probe *p = user;
	if (p->output.len + data.len <= OUTPUT_MAX)
		buf_add_slice(&p->output, data);
}

static void on_errors(void *user, struct slice data)
{
	struct probe *p = user;
	if (p->errors.len + data.len <= OUTPUT_MAX)
		buf_add_slice(&p->errors, data);
}

static void on_exit_(void *user, int exit_code, bool timed_out)
{
	struct probe *p = user;
	p->exit_code = exit_code;
	p->timed_out = timed_out;
	p->cpu_held = in_cpu_cgroup(p);
	box_kill(p->box);
}

static void on_ready(void *user)
{
	(void)user;
}

static void on_end(void *user, int exit_code, struct slice text)
{
	struct probe *p = user;
	(void)exit_code;
	p->box = NULL;
	on_errors(p, text);
}

/* A port of the host's own loopback, which must not be had from the inside. -1: none. */
static int listen_local(int *port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(in);
	autoclose int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&in, length) < 0 || listen(fd, 1) < 0 ||
	    getsockname(fd, (struct sockaddr *)&in, &length) < 0)
		return -1;
	*port = ntohs(in.sin_port);
	return steal_fd(&fd);
}

/* The name of the namespace that this process is in. */
static void namespace_name(const char *kind, char *out, size_t size)
{
	char path[64];
	(void)snprintf(path, sizeof(path), "/proc/self/ns/%s", kind);
	ssize_t n = readlink(path, out, size - 1);
	out[n > 0 ? n : 0] = '\0';
}

static bool start_run(struct probe *p, int port, struct buf *error)
{
	static const char *const kinds[] = { "user", "pid", "ipc", "net" };
	char names[4][64], number[16];
	for (size_t i = 0; i < 4; i++)
		namespace_name(kinds[i], names[i], sizeof(names[i]));
	(void)snprintf(number, sizeof(number), "%d", port);
	const char *const argv[] = { "/opt/craft/craft-box", "probe", names[0], names[1], names[2], names[3], number,
				     p->conf.sandbox_dir,    NULL };
	const struct box_run_options options = { .argv = argv,
						 .timeout = TIMEOUT_MS,
						 .on_output = on_output,
						 .on_errors = on_errors,
						 .on_exit = on_exit_,
						 .user = p };
	return box_run(p->box, &options, error) != NULL;
}

static bool run_box(struct probe *p, int seccomp_fd, struct buf *error)
{
	int port = 0;
	uv_loop_t loop;
	autoclose int listener = listen_local(&port);
	const struct box_options options = { .conf = &p->conf,
					     .instance = &p->instance,
					     .cgroup = &p->cgroup,
					     .seccomp_fd = seccomp_fd,
					     .on_ready = on_ready,
					     .on_end = on_end,
					     .user = p };
	if (listener < 0 || uv_loop_init(&loop) < 0) {
		buf_addf(error, "cannot begin the self-check: %s", strerror(errno));
		return false;
	}
	p->box = box_start(&loop, &options, error);
	bool started = p->box && start_run(p, port, error);
	if (p->box && !started)
		box_kill(p->box);
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	(void)uv_loop_close(&loop);
	return started;
}

/* It may print what a hostile environment made it print, but it comes from our own programs. */
static bool judge_run(struct probe *p, struct buf *error)
{
	if (p->exit_code == 0)
		return true;
	if (p->timed_out)
		buf_addf(error, "the self-check in a box took more than %d s", TIMEOUT_MS / 1000);
	else
		buf_addf(error, "no box can be started (code %d): %s", p->exit_code, buf_cstr(&p->errors));
	return false;
}

/* ---- all of it ---- */

static bool required(const char *require, const char *name)
{
	struct slice word;
	while (next_word(&require, &word))
		if (slice_eq_str(word, name))
			return true;
	return false;
}

static bool judge(struct probe *p, struct buf *protection, struct buf *error)
{
	bool enough = true;
	for (size_t i = 0; probe_names[i]; i++) {
		const char *why = missing(p, probe_names[i]);
		if (!why) {
			buf_addf(protection, "%s%s", protection->len ? " " : "", probe_names[i]);
			continue;
		}
		log_warn(NULL, "protection %s is not in force: %s", probe_names[i], why);
		if (!required(p->conf.sandbox_require, probe_names[i]))
			continue;
		buf_addf(error, "%s: %s, and SANDBOX_REQUIRE names it", probe_names[i], why);
		enough = false;
		break;
	}
	return enough;
}

/* A limit that isn't wanted isn't made up for the check. */
static void shrink(struct conf *conf)
{
	conf->sandbox_memory = conf->sandbox_memory ? MEMORY : 0;
	conf->sandbox_pids = conf->sandbox_pids ? PIDS : 0;
	conf->sandbox_disk = conf->sandbox_disk ? DISK : 0;
}

static bool prepare(struct probe *p, const char *cgroup_parent, struct buf *error)
{
	const struct cgroup_limits limits = { p->conf.sandbox_memory, p->conf.sandbox_pids, p->conf.sandbox_cpu };
	instance_init(&p->instance, &p->conf, SESSION, 0);
	return instance_create(&p->instance, &p->conf, error) &&
	       cgroup_make(cgroup_parent, "probe", &limits, &p->cgroup, error);
}

static void clean(struct probe *p)
{
	autobuf error = { 0 };
	if (!cgroup_remove(&p->cgroup))
		log_warn(NULL, "a cgroup of the self-check is left");
	if (!instance_remove(&p->instance, &error))
		log_warn(NULL, "%s", buf_cstr(&error));
	instance_free(&p->instance);
	buf_free(&p->output);
	buf_free(&p->errors);
}

bool probe_run(const struct conf *conf, const char *cgroup_parent, int seccomp_fd, struct buf *protection,
	       struct buf *error)
{
	struct probe p = { .conf = *conf, .exit_code = -1 };
	shrink(&p.conf);
	if (!probe_check_names(conf->sandbox_require, error))
		return false;
	bool good = prepare(&p, cgroup_parent, error) && run_box(&p, seccomp_fd, error) && judge_run(&p, error) &&
		    judge(&p, protection, error);
	clean(&p);
	return good;
}
