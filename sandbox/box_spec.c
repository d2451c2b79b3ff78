/* box_spec.c: the arguments of bwrap: what exists in a box. Their order is the order of the mounts. */
#include "box_spec.h"

#include "etc.h"

static void add(struct buf *out, const char *arg)
{
	buf_add(out, arg, strlen(arg) + 1);
}

/* NULL at the end. */
static void add_all(struct buf *out, const char *const *args)
{
	for (; args && *args; args++)
		add(out, *args);
}

#define ADD(out, ...) add_all((out), (const char *const[]){ __VA_ARGS__, NULL })

static void add_number(struct buf *out, int n)
{
	buf_add_i64(out, n);
	buf_add_char(out, '\0');
}

/* dir and name as one argument. */
static void add_path(struct buf *out, const char *dir, const char *name)
{
	buf_add_str(out, dir);
	add(out, name);
}

/* A network namespace without an interface but lo, and so on; no user namespace may be made inside, because those are
 * where most ways out through the kernel begin. */
static void add_namespaces(struct buf *out)
{
	ADD(out, "--unshare-user", "--uid", "1000", "--gid", "1000", "--disable-userns", "--unshare-pid",
	    "--unshare-ipc", "--unshare-uts", "--unshare-cgroup", "--unshare-net", "--hostname", "sandbox");
	/* craft-box as process 1: bwrap's own command line and environment are nowhere to be read. */
	ADD(out, "--as-pid-1", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv");
}

static void add_descriptors(const struct box_spec *spec, struct buf *out)
{
	if (spec->seccomp_fd >= 0) {
		add(out, "--seccomp");
		add_number(out, spec->seccomp_fd);
	}
	if (spec->status_fd >= 0) {
		add(out, "--json-status-fd");
		add_number(out, spec->status_fd);
	}
}

static void add_programs(struct buf *out)
{
	ADD(out, "--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin", "--symlink", "usr/lib", "/lib",
	    "--symlink", "usr/lib64", "/lib64", "--symlink", "usr/sbin", "/sbin");
}

/* Our own files, and over their empty namesakes those of the host's that say nothing about it. */
static void add_etc(const struct instance *i, struct buf *out)
{
	ADD(out, "--ro-bind", i->etc, "/etc");
	for (const struct etc_host_path *p = etc_host_paths; p->name; p++) {
		add(out, "--ro-bind-try");
		add_path(out, "/etc/", p->name);
		add_path(out, "/etc/", p->name);
	}
}

/* /dev is closed after /dev/shm has its place in it. */
static void add_kernel_files(struct buf *out)
{
	ADD(out, "--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--size", "67108864", "--tmpfs", "/dev/shm",
	    "--remount-ro", "/dev");
}

/* Where programs look for the limits of the cgroup that is theirs by its namespace. */
static void add_limits(const struct cgroup *c, struct buf *out)
{
	const char *one = c && c->memory ? c->memory : c ? c->cpu : NULL;
	if (!one)
		return;
	if (c->kind == CGROUP_V2) {
		ADD(out, "--ro-bind", one, "/sys/fs/cgroup");
		return;
	}
	const char *const pairs[][2] = { { c->memory, "/sys/fs/cgroup/memory" },
					 { c->cpu, "/sys/fs/cgroup/cpu" },
					 { c->cpuacct, "/sys/fs/cgroup/cpuacct" },
					 { c->cpuset, "/sys/fs/cgroup/cpuset" } };
	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++)
		if (pairs[i][0])
			ADD(out, "--ro-bind", pairs[i][0], pairs[i][1]);
}

static void add_files(const struct box_spec *spec, struct buf *out)
{
	const struct instance *i = spec->instance;
	ADD(out, "--ro-bind", spec->agent, BOX_AGENT, "--ro-bind", spec->box, BOX_INIT, "--ro-bind", spec->box,
	    BOX_SHELL);
	ADD(out, "--bind", i->tmp, "/tmp", "--dir", "/var", "--symlink", "../tmp", "/var/tmp");
	ADD(out, "--perms", "0755", "--size", "1048576", "--tmpfs", "/run", "--ro-bind", i->run, "/run/sbx");
	ADD(out, "--bind", i->home, BOX_HOME, "--bind", i->repo, BOX_WORKSPACE, "--remount-ro", "/", "--chdir",
	    BOX_WORKSPACE);
}

static const char *const box_environment[] = {
	"HOME",	       BOX_HOME,
	"USER",	       "agent",
	"LOGNAME",     "agent",
	"PATH",	       "/usr/local/bin:/usr/bin:/bin",
	"SHELL",       "/bin/bash",
	"LANG",	       "C.UTF-8",
	"TERM",	       "dumb",
	"TMPDIR",      "/tmp",
	"HTTP_PROXY",  "http://127.0.0.1:3128",
	"HTTPS_PROXY", "http://127.0.0.1:3128",
	"http_proxy",  "http://127.0.0.1:3128",
	"https_proxy", "http://127.0.0.1:3128",
	"NO_PROXY",    "127.0.0.1,localhost",
	"no_proxy",    "127.0.0.1,localhost",
	NULL,
};

static void add_environment(const char *const *pairs, struct buf *out)
{
	for (; pairs && pairs[0]; pairs += 2)
		ADD(out, "--setenv", pairs[0], pairs[1]);
}

void box_spec_args(const struct box_spec *spec, struct buf *out)
{
	add(out, BOX_SPEC_BWRAP);
	add_namespaces(out);
	add_descriptors(spec, out);
	add_programs(out);
	add_etc(spec->instance, out);
	add_kernel_files(out);
	add_limits(spec->cgroup, out);
	add_files(spec, out);
	add_environment(box_environment, out);
	ADD(out, "--", BOX_INIT, "init");
	add_number(out, spec->control_fd);
}

/* What TLS and names need. */
static const char *const network_files[] = {
	"/etc/resolv.conf",	"/etc/hosts",	  "/etc/nsswitch.conf", "/etc/ssl",
	"/etc/ca-certificates", "/etc/host.conf", "/etc/gai.conf",	NULL,
};

static void add_same(struct buf *out, const char *option, const char *const *paths)
{
	for (; paths && *paths; paths++)
		ADD(out, option, *paths, *paths);
}

void git_spec_args(const struct git_spec *spec, struct buf *out)
{
	ADD(out, BOX_SPEC_BWRAP, "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup");
	if (!spec->network)
		add(out, "--unshare-net");
	ADD(out, "--die-with-parent", "--new-session", "--cap-drop", "ALL");
	if (spec->read_all)
		ADD(out, "--cap-add", "CAP_DAC_READ_SEARCH");
	add(out, "--clearenv");
	add_programs(out);
	ADD(out, "--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache");
	if (spec->network)
		add_same(out, "--ro-bind-try", network_files);
	ADD(out, "--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev", "--perms", "1777", "--tmpfs", "/tmp");
	add_same(out, "--ro-bind", spec->readable);
	add_same(out, "--bind", spec->writable);
	ADD(out, "--remount-ro", "/", "--chdir", spec->directory ? spec->directory : "/");
	add_environment(spec->environment, out);
	add(out, "--");
	add_all(out, spec->command);
}

const char **box_spec_argv(const struct buf *args)
{
	size_t count = 0;
	for (size_t i = 0; i < args->len; i++)
		count += args->data[i] == '\0';
	const char **argv = xcalloc(count + 1, sizeof(*argv));
	const char *p = args->data;
	for (size_t i = 0; i < count; i++, p += strlen(p) + 1)
		argv[i] = p;
	return argv;
}
