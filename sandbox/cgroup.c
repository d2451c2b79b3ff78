/* cgroup.c: the directories of cgroups that limit one sandbox. */
#include "cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cgroup_find.h"
#include "lib/cleanup.h"

#define ROOT "/sys/fs/cgroup"
#define SOCKETS_SHARE 16 /* of the memory */
#define SOCKETS_LEAST (16ll << 20)
#define CPU_PERIOD 100000 /* microseconds */
#define REMOVE_STEP_NS 10000000L
#define REMOVE_TRIES 500

/* Written by cgroup_probe() before other threads are there. */
static struct cgroup_base base;

enum cgroup_kind cgroup_probe(const char *parent, struct buf *about)
{
	autobuf self = { 0 };
	cgroup_base_free(&base);
	if (!cgroup_read("/proc/self", "cgroup", &self)) {
		buf_add_str(about, "this kernel has no cgroups");
		return CGROUP_NONE;
	}
	autobuf why = { 0 };
	cgroup_find(ROOT, buf_cstr(&self), parent, &base, &why);
	if (base.kind == CGROUP_NONE) {
		buf_add_slice(about, buf_slice(&why));
		return CGROUP_NONE;
	}
	buf_addf(about, "cgroup v%d:", base.kind == CGROUP_V2 ? 2 : 1);
	for (int i = 0; i < CGROUP_LIMITS; i++)
		if (base.dirs[i])
			buf_addf(about, " %s", cgroup_names[i]);
	return base.kind;
}

static bool write_number(const char *dir, const char *name, int64_t value)
{
	char text[32];
	(void)snprintf(text, sizeof(text), "%jd", (intmax_t)value);
	return cgroup_write(dir, name, text);
}

/* Buffers of sockets, which v2 counts as memory: of TCP by the file's name, in fact of all protocols of the internet. */
static bool limit_sockets(const char *dir, int64_t bytes)
{
	int64_t share = bytes / SOCKETS_SHARE;
	return write_number(dir, "memory.kmem.tcp.limit_in_bytes", share > SOCKETS_LEAST ? share : SOCKETS_LEAST) ||
	       errno == ENOENT;
}

bool cgroup_limits_sockets(const struct cgroup *c)
{
	autobuf text = { 0 };
	return c->memory && (c->kind == CGROUP_V2 || cgroup_read(c->memory, "memory.kmem.tcp.limit_in_bytes", &text));
}

/* Swap would only put off the end, at the cost of everyone. Where it isn't accounted for there is no such file. */
static bool limit_memory(enum cgroup_kind kind, const char *dir, int64_t bytes)
{
	if (kind == CGROUP_V2)
		return write_number(dir, "memory.max", bytes) &&
		       (write_number(dir, "memory.swap.max", 0) || errno == ENOENT);
	return write_number(dir, "memory.limit_in_bytes", bytes) &&
	       (write_number(dir, "memory.memsw.limit_in_bytes", bytes) || errno == ENOENT) &&
	       limit_sockets(dir, bytes);
}

static bool limit_cpu(enum cgroup_kind kind, const char *dir, int64_t percent)
{
	int64_t quota = percent * (CPU_PERIOD / 100);
	if (kind == CGROUP_V1)
		return write_number(dir, "cpu.cfs_period_us", CPU_PERIOD) &&
		       write_number(dir, "cpu.cfs_quota_us", quota);
	char text[64];
	(void)snprintf(text, sizeof(text), "%jd %d", (intmax_t)quota, CPU_PERIOD);
	return cgroup_write(dir, "cpu.max", text);
}

static bool set_limits(const struct cgroup *c, const struct cgroup_limits *limits, struct buf *error)
{
	const char *what = NULL;
	if (c->memory && limits->memory > 0 && !limit_memory(c->kind, c->memory, limits->memory))
		what = "memory";
	else if (c->pids && limits->pids > 0 && !write_number(c->pids, "pids.max", limits->pids))
		what = "processes";
	else if (c->cpu && limits->cpu > 0 && !limit_cpu(c->kind, c->cpu, limits->cpu))
		what = "CPU time";
	if (what)
		buf_addf(error, "cannot limit %s by a cgroup: %s", what, strerror(errno));
	return !what;
}

/* The directory of the name below that controller's base: one that is on the list already (v2: the same for all), or
 * a new one at its end. */
static const char *path_of(struct cgroup *c, int controller, const char *name)
{
	if (!base.dirs[controller])
		return NULL;
	struct buf path = { 0 };
	buf_addf(&path, "%s/%s", base.dirs[controller], name);
	(void)buf_cstr(&path);
	int i = 0;
	while (c->paths[i] && strcmp(c->paths[i], path.data) != 0)
		i++;
	if (c->paths[i])
		buf_free(&path);
	else
		c->paths[i] = path.data;
	return c->paths[i];
}

static void set_paths(struct cgroup *c, const char *name)
{
	*c = (struct cgroup){ .kind = base.kind };
	c->memory = path_of(c, CGROUP_MEMORY, name);
	c->pids = path_of(c, CGROUP_PIDS, name);
	c->cpu = path_of(c, CGROUP_CPU, name);
	c->cpuacct = path_of(c, CGROUP_CPUACCT, name);
	c->cpuset = path_of(c, CGROUP_CPUSET, name);
}

bool cgroup_make(const char *parent, const char *name, const struct cgroup_limits *limits, struct cgroup *out,
		 struct buf *error)
{
	(void)parent; /* base lies below it */
	set_paths(out, name);
	if (!cgroup_remove(out)) {
		buf_addf(error, "a cgroup %s is left and can't be removed", name);
		return false;
	}
	set_paths(out, name);
	for (int i = 0; i < CGROUP_MAX_PATHS && out->paths[i]; i++)
		if (mkdir(out->paths[i], 0755) < 0) {
			buf_addf(error, "cannot make %s: %s", out->paths[i], strerror(errno));
			(void)cgroup_remove(out);
			return false;
		}
	bool joinable = !out->cpuset || cgroup_inherit_cpuset(base.dirs[CGROUP_CPUSET], out->cpuset);
	if (!joinable)
		buf_addf(error, "cannot set up %s: %s", out->cpuset, strerror(errno));
	if (joinable && set_limits(out, limits, error))
		return true;
	(void)cgroup_remove(out);
	return false;
}

/* Never pid 0 and below: kill() would take those for groups. */
static void kill_members(const char *dir)
{
	autobuf members = { 0 };
	if (!cgroup_read(dir, "cgroup.procs", &members))
		return;
	for (const char *at = buf_cstr(&members); *at; at += strcspn(at, "\n"), at += strspn(at, "\n")) {
		long pid = strtol(at, NULL, 10);
		if (pid > 0)
			(void)kill((pid_t)pid, SIGKILL);
	}
}

/* One that forks faster than we kill is stopped by its limit of processes. */
static bool end(const struct cgroup *c, const char *dir)
{
	for (int tries = 0; tries < REMOVE_TRIES; tries++) {
		if (rmdir(dir) == 0 || errno == ENOENT)
			return true;
		if (errno != EBUSY)
			return false;
		/* The frozen don't die in v1, and late in v2. */
		if (c->kind == CGROUP_V2)
			(void)cgroup_write(dir, "cgroup.freeze", "0");
		if (c->kind != CGROUP_V2 || !cgroup_write(dir, "cgroup.kill", "1"))
			kill_members(dir);
		(void)nanosleep(&(struct timespec){ .tv_nsec = REMOVE_STEP_NS }, NULL);
	}
	return false;
}

bool cgroup_remove(struct cgroup *cgroup)
{
	bool gone = true;
	for (int i = 0; i < CGROUP_MAX_PATHS && cgroup->paths[i]; i++) {
		gone = end(cgroup, cgroup->paths[i]) && gone;
		free(cgroup->paths[i]);
	}
	*cgroup = (struct cgroup){ 0 };
	return gone;
}

/* Every directory below dir, each with a NUL behind it: what is read isn't removed meanwhile. */
static void list_names(const char *dir, struct buf *names)
{
	DIR *d = opendir(dir);
	if (!d)
		return;
	for (struct dirent *e; (e = readdir(d));)
		if (e->d_type == DT_DIR && e->d_name[0] != '.')
			buf_add(names, e->d_name, strlen(e->d_name) + 1);
	(void)closedir(d);
}

void cgroup_remove_all(const char *parent)
{
	(void)parent;
	for (int i = 0; i < CGROUP_CONTROLLERS; i++) {
		autobuf names = { 0 };
		if (base.dirs[i])
			list_names(base.dirs[i], &names);
		for (size_t at = 0; at < names.len; at += strlen(names.data + at) + 1) {
			struct cgroup left;
			set_paths(&left, names.data + at);
			(void)cgroup_remove(&left);
		}
	}
}

void cgroup_end(const char *parent)
{
	cgroup_remove_all(parent);
	for (int i = 0; i < CGROUP_CONTROLLERS; i++)
		if (base.dirs[i])
			(void)rmdir(base.dirs[i]);
	cgroup_base_free(&base);
}

/* The number behind the word in a file of "word number" lines; fallback where there is none. */
static int64_t read_count(const char *dir, const char *file, const char *word, int64_t fallback)
{
	autobuf text = { 0 };
	if (!dir || !cgroup_read(dir, file, &text))
		return fallback;
	size_t length = strlen(word);
	for (const char *line = buf_cstr(&text); line && *line;
	     line = strchr(line, '\n'), line = line ? line + 1 : NULL)
		if (strncmp(line, word, length) == 0)
			return strtoll(line + length, NULL, 10);
	return fallback;
}

int64_t cgroup_oom_kills(const struct cgroup *cgroup)
{
	const char *file = cgroup->kind == CGROUP_V2 ? "memory.events" : "memory.oom_control";
	return read_count(cgroup->memory, file, "oom_kill ", 0);
}

int64_t cgroup_memory(const struct cgroup *cgroup)
{
	const char *file = cgroup->kind == CGROUP_V2 ? "memory.current" : "memory.usage_in_bytes";
	return read_count(cgroup->memory, file, "", -1);
}
