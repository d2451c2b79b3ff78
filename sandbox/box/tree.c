/* tree.c: the end of a whole tree of processes: all are stopped first, so that none forks while others are killed. */
#include "tree.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "buf.h"
#include "cleanup.h"
#include "clock.h"

/* A process that waits for the disk, or for its child of vfork(), doesn't stop: it is killed all the same. */
#define STOP_PASSES 50

#define MANY 32
#define NICE 10
#define SKIP_5 " %*s %*s %*s %*s %*s"

enum mark { UNKNOWN, DOOMED, SPARED };

struct entry {
	pid_t pid, parent;
	char state;
	unsigned threads;
	uint64_t began; /* ticks since the machine's start */
	enum mark mark;
};

struct table {
	struct entry *entries;
	size_t count, room;
};

/* "PID (NAME) STATE PARENT ...", where the name may hold anything. */
static bool read_entry(int proc, const char *pid, struct entry *entry)
{
	char path[64], text[512];
	(void)snprintf(path, sizeof(path), "%.20s/stat", pid);
	autoclose int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return false;
	text[n] = '\0';
	const char *end = strrchr(text, ')');
	if (!end || strlen(end) < 5)
		return false;
	*entry = (struct entry){ .pid = atoi(pid), .state = end[2], .parent = atoi(end + 4), .threads = 1 };
	(void)sscanf(end + 2, "%*c" SKIP_5 SKIP_5 SKIP_5 " %*s %u %*s %" SCNu64, &entry->threads,
		     &entry->began); /* proc(5): fields 20 and 22 */
	return true;
}

static void read_table(struct table *t)
{
	t->count = 0;
	DIR *dir = opendir("/proc");
	if (!dir)
		return;
	for (struct dirent *e; (e = readdir(dir));) {
		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		if (t->count == t->room) {
			t->room = t->room ? t->room * 2 : 256;
			t->entries = xrealloc(t->entries, t->room * sizeof(*t->entries));
		}
		if (read_entry(dirfd(dir), e->d_name, &t->entries[t->count]))
			t->count++;
	}
	(void)closedir(dir);
}

static void free_table(struct table *t)
{
	free(t->entries);
}

/* Those that stay: with all that comes from them. */
struct spared {
	const pid_t *pids;
	size_t count;
	uint64_t since; /* and children of the root that began before */
};

static enum mark mark_of(const struct table *t, pid_t pid)
{
	for (size_t i = 0; i < t->count; i++)
		if (t->entries[i].pid == pid)
			return t->entries[i].mark;
	return UNKNOWN;
}

static bool is_spared(const struct entry *e, pid_t root, const struct spared *spared)
{
	for (size_t i = 0; i < spared->count; i++)
		if (spared->pids[i] == e->pid)
			return true;
	return e->pid == getpid() || (e->parent == root && e->began < spared->since);
}

/* Hands marks down from parents to children until nothing changes. How many living ones are doomed. */
static size_t mark_tree(struct table *t, pid_t root, const struct spared *spared)
{
	for (size_t i = 0; i < t->count; i++)
		if (is_spared(&t->entries[i], root, spared))
			t->entries[i].mark = SPARED;
	size_t alive = 0;
	for (bool changed = true; changed;) {
		changed = false;
		for (size_t i = 0; i < t->count; i++) {
			struct entry *e = &t->entries[i];
			if (e->mark != UNKNOWN || e->pid == root)
				continue;
			e->mark = e->parent == root ? DOOMED : mark_of(t, e->parent);
			changed |= e->mark != UNKNOWN;
			alive += e->mark == DOOMED && e->state != 'Z' && e->state != 'X';
		}
	}
	return alive;
}

/* How many it was sent to: those that are neither dead nor stopped already, when it is SIGSTOP. */
static size_t signal_doomed(const struct table *t, int signal)
{
	size_t sent = 0;
	for (size_t i = 0; i < t->count; i++) {
		const struct entry *e = &t->entries[i];
		if (e->mark != DOOMED || strchr(signal == SIGSTOP ? "ZXTt" : "ZX", e->state))
			continue;
		(void)kill(e->pid, signal);
		sent++;
	}
	return sent;
}

static void nap(void)
{
	(void)nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

static bool kill_all(pid_t root, const struct spared *spared)
{
	autocall(free_table) struct table table = { 0 };
	int64_t deadline = clock_ms() + TREE_KILL_MS;
	size_t alive = 1;
	for (unsigned pass = 0; alive && clock_ms() < deadline; pass++) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		read_table(&table);
		alive = mark_tree(&table, root, spared);
		/* A pass that finds all of them stopped may kill: none can have forked since. */
		bool stopping = pass % (STOP_PASSES + 1) < STOP_PASSES && signal_doomed(&table, SIGSTOP) > 0;
		if (!stopping)
			(void)signal_doomed(&table, SIGKILL);
		if (alive)
			nap();
	}
	return alive == 0;
}

bool tree_kill(pid_t root, const pid_t *spared, size_t count)
{
	return kill_all(root, &(struct spared){ .pids = spared, .count = count });
}

bool tree_kill_strays(pid_t root, pid_t program, uint32_t age_ms)
{
	struct timespec now = { 0 };
	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	uint64_t ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	uint64_t since = ms > age_ms ? (ms - age_ms) * (uint64_t)sysconf(_SC_CLK_TCK) / 1000 : 0;
	return kill_all(root, &(struct spared){ .pids = &program, .count = 1, .since = since });
}

/* ---- what is left behind ---- */

/* Those whose limit was another one. New processes have their parent's. */
static size_t limit_doomed(const struct table *t, unsigned left)
{
	const struct rlimit limit = { left, left };
	size_t changed = 0;
	for (size_t i = 0; i < t->count; i++) {
		struct rlimit before;
		if (t->entries[i].mark == DOOMED && prlimit(t->entries[i].pid, RLIMIT_NPROC, &limit, &before) == 0)
			changed += before.rlim_max != left;
	}
	return changed;
}

static void let_others_go_first(const struct table *t)
{
	for (size_t i = 0; i < t->count; i++)
		if (t->entries[i].mark == DOOMED)
			(void)setpriority(PRIO_PROCESS, (id_t)t->entries[i].pid, NICE);
}

/* Of those above, as many are killed as it takes. */
static void thin_out(const struct table *t, unsigned left)
{
	size_t all = 0;
	for (size_t i = 0; i < t->count; i++)
		all += t->entries[i].state == 'Z' ? 1 : t->entries[i].threads;
	for (size_t i = t->count; i > 0 && all > left; i--) {
		const struct entry *e = &t->entries[i - 1];
		if (e->mark != DOOMED || e->state == 'Z')
			continue;
		(void)kill(e->pid, SIGKILL);
		all -= all < e->threads ? all : e->threads;
	}
}

static size_t look(struct table *t, pid_t root, const struct spared *spared)
{
	read_table(t);
	return mark_tree(t, root, spared);
}

/* Many may fork faster than they are found: those are stopped meanwhile. True: they were. */
static bool limit_all(struct table *t, pid_t root, const struct spared *spared, unsigned left)
{
	int64_t deadline = clock_ms() + TREE_RESTRAIN_MS;
	bool stop = false;
	for (;;) {
		stop = look(t, root, spared) >= MANY || stop;
		size_t running = stop ? signal_doomed(t, SIGSTOP) : 0;
		size_t changed = limit_doomed(t, left);
		if ((!running && !changed) || clock_ms() >= deadline)
			return stop;
	}
}

static bool restrain(pid_t root, const struct spared *spared, unsigned left)
{
	bool some = false;
	autocall(free_table) struct table table = { 0 };
	bool stopped = limit_all(&table, root, spared, left);
	if (stopped)
		let_others_go_first(&table);
	thin_out(&table, left);
	for (size_t i = 0; i < table.count; i++) {
		if (table.entries[i].mark != DOOMED)
			continue;
		some = true;
		if (stopped)
			(void)kill(table.entries[i].pid, SIGCONT);
	}
	return some;
}

void tree_restrain(pid_t root, unsigned left)
{
	(void)restrain(root, &(struct spared){ 0 }, left);
}

static pid_t parent_of(pid_t pid)
{
	char text[16];
	struct entry entry = { 0 };
	autoclose int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	(void)snprintf(text, sizeof(text), "%d", (int)pid);
	return read_entry(proc, text, &entry) ? entry.parent : 0;
}

/* Up to the child of process 1, which adopts orphans; the one below it is the program. */
bool tree_restrain_strays(unsigned left)
{
	pid_t program = getpid(), root = parent_of(program), above = root > 1 ? parent_of(root) : 0;
	for (; above > 1; above = parent_of(root)) {
		program = root;
		root = above;
	}
	return above == 1 && restrain(root, &(struct spared){ .pids = &program, .count = 1 }, left);
}
