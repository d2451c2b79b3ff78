/* launch.c: craft-sandbox-launch: the last steps between fork and the program of a sandbox: nothing of the daemon is
 * handed on.
 *
 *   craft-sandbox-launch [--uid N --gid N] [--parent PID] [--cgroup DIR]... [--nproc N] [--fsize N] [--nofile N]
 *                        [--cpus N [--cpus-from N]] --keep N -- PROGRAM ARGS...
 *
 * In this order: closes every descriptor above 2+N (those kept lose their close-on-exec flag), joins the cgroups, makes
 * itself the first choice of the OOM killer, keeps to --cpus of the CPUs that it may use, the (--cpus-from)th and
 * following ones, round about, so that programs count those, sets limits (processes, bytes of a file, descriptors; no
 * core files), becomes the user for good and checks that, umask 077, a session of its own, dies with its parent, gains
 * no privileges by exec, default signals, and executes PROGRAM (an absolute path) with an empty environment. --parent:
 * the process that must still be the parent once that is arranged; without it the one found at the start. Any failure:
 * one sentence on stderr and exit code 125. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "signals.h"

#define EXIT_LAUNCH 125
#define MAX_CGROUPS 8
/* Of -1000..1000: high enough that the kernel takes a sandbox's process before any of the host. */
#define OOM_SCORE_ADJ "600"

struct launch {
	bool drop;
	uid_t uid;
	gid_t gid;
	pid_t parent;
	const char *cgroups[MAX_CGROUPS];
	int cgroup_count;
	uint64_t nproc, fsize, nofile; /* 0: as they are */
	uint64_t cpus, cpus_from;      /* 0: all */
	int keep;
	char **command;
};

static _Noreturn __attribute__((format(printf, 1, 2))) void die(const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	char text[1024];
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	(void)dprintf(STDERR_FILENO, "craft-sandbox-launch: %s\n", text);
	_exit(EXIT_LAUNCH);
}

static uint64_t number(const char *option, const char *text, uint64_t max)
{
	uint64_t value = 0;
	if (!*text)
		die("--%s needs a number", option);
	for (const char *p = text; *p; p++) {
		unsigned digit = (unsigned)*p - '0';
		if (digit > 9 || value > (max - digit) / 10)
			die("--%s: '%s' is no number up to %ju", option, text, (uintmax_t)max);
		value = value * 10 + digit;
	}
	return value;
}

enum { UID = 1, GID, PARENT, CGROUP, NPROC, FSIZE, NOFILE, CPUS, CPUS_FROM, KEEP };

static const struct option options[] = {
	{ "uid", required_argument, NULL, UID },
	{ "gid", required_argument, NULL, GID },
	{ "parent", required_argument, NULL, PARENT },
	{ "cgroup", required_argument, NULL, CGROUP },
	{ "nproc", required_argument, NULL, NPROC },
	{ "fsize", required_argument, NULL, FSIZE },
	{ "nofile", required_argument, NULL, NOFILE },
	{ "cpus", required_argument, NULL, CPUS },
	{ "cpus-from", required_argument, NULL, CPUS_FROM },
	{ "keep", required_argument, NULL, KEEP },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'v' },
	{ NULL, 0, NULL, 0 },
};

static _Noreturn void usage(void)
{
	(void)printf(
		"Usage: craft-sandbox-launch [--uid N --gid N] [--parent PID] [--cgroup DIR]... [--nproc N] [--fsize "
		"N]\n"
		"                            [--nofile N] [--cpus N [--cpus-from N]] --keep N -- PROGRAM ARGS...\n\n"
		"Runs PROGRAM with the descriptors 0 to 2+N and nothing else of its caller. craft-sandboxd uses it.\n");
	exit(0);
}

static void take(struct launch *l, int option, const char *name)
{
	switch (option) {
	case UID:
		l->uid = (uid_t)number(name, optarg, UINT32_MAX - 1);
		break;
	case GID:
		l->gid = (gid_t)number(name, optarg, UINT32_MAX - 1);
		break;
	case PARENT:
		l->parent = (pid_t)number(name, optarg, INT32_MAX);
		break;
	case CGROUP:
		if (l->cgroup_count == MAX_CGROUPS)
			die("more than %d cgroups", MAX_CGROUPS);
		l->cgroups[l->cgroup_count++] = optarg;
		break;
	case NPROC:
		l->nproc = number(name, optarg, INT64_MAX);
		break;
	case FSIZE:
		l->fsize = number(name, optarg, INT64_MAX);
		break;
	case NOFILE:
		l->nofile = number(name, optarg, INT64_MAX);
		break;
	case CPUS:
		l->cpus = number(name, optarg, CPU_SETSIZE);
		break;
	case CPUS_FROM:
		l->cpus_from = number(name, optarg, INT32_MAX);
		break;
	case KEEP:
		l->keep = (int)number(name, optarg, 1000);
		break;
	default:
		die("unknown option; see --help");
	}
}

static void parse(struct launch *l, int argc, char **argv)
{
	*l = (struct launch){ .uid = (uid_t)-1, .gid = (gid_t)-1, .keep = -1, .parent = getppid() };
	int option, index = 0;
	opterr = 0;
	while ((option = getopt_long(argc, argv, "+", options, &index)) >= 0) {
		if (option == 'h')
			usage();
		if (option == 'v') {
			(void)printf("craft-sandbox-launch %s\n", PACKAGE_VERSION);
			exit(0);
		}
		take(l, option, option == '?' ? "" : options[index].name);
	}
	l->command = argv + optind;
	if (l->keep < 0)
		die("--keep is missing");
	if ((l->uid == (uid_t)-1) != (l->gid == (gid_t)-1))
		die("--uid and --gid go together");
	l->drop = l->uid != (uid_t)-1;
	if (l->drop && (l->uid == 0 || l->gid == 0))
		die("--uid and --gid can't be 0");
	if (!l->command[0] || l->command[0][0] != '/')
		die("the program must be an absolute path");
}

/* 0 to 2 are open in any case: else the program's first file would become its stderr. */
static void keep_descriptors(int keep)
{
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			die("cannot open /dev/null: %s", strerror(errno));
	for (int fd = 0; fd <= 2 + keep; fd++)
		if (fcntl(fd, F_SETFD, 0) < 0)
			die("descriptor %d is to be kept, but it isn't open", fd);
	if (close_range((unsigned)(3 + keep), ~0U, 0) < 0)
		die("cannot close descriptors: %s", strerror(errno));
}

static void write_text(const char *path, const char *text)
{
	autoclose int fd = open(path, O_WRONLY | O_CLOEXEC);
	size_t length = strlen(text);
	if (fd < 0 || write(fd, text, length) != (ssize_t)length)
		die("cannot write to %s: %s", path, strerror(errno));
}

/* Before the user is dropped: the directories are root's. "0" means the writer itself. */
static void join_cgroups(const struct launch *l)
{
	for (int i = 0; i < l->cgroup_count; i++) {
		char path[4096];
		int n = snprintf(path, sizeof(path), "%s/cgroup.procs", l->cgroups[i]);
		if (n < 0 || (size_t)n >= sizeof(path))
			die("the path of a cgroup is too long");
		write_text(path, "0");
	}
}

static void limit(__rlimit_resource_t resource, const char *name, uint64_t value)
{
	struct rlimit now;
	if (getrlimit(resource, &now) < 0)
		die("cannot read the limit %s: %s", name, strerror(errno));
	/* Only root may raise a hard limit. */
	rlim_t wanted = now.rlim_max != RLIM_INFINITY && value > now.rlim_max ? now.rlim_max : value;
	struct rlimit set = { .rlim_cur = wanted, .rlim_max = wanted };
	if (setrlimit(resource, &set) < 0)
		die("cannot set the limit %s: %s", name, strerror(errno));
}

static void set_limits(const struct launch *l)
{
	limit(RLIMIT_CORE, "core", 0);
	if (l->nproc)
		limit(RLIMIT_NPROC, "nproc", l->nproc);
	if (l->fsize)
		limit(RLIMIT_FSIZE, "fsize", l->fsize);
	if (l->nofile)
		limit(RLIMIT_NOFILE, "nofile", l->nofile);
}

/* Programs make as many threads as they count CPUs, and take none of a quota into account. It protects nothing, so
 * where it doesn't work, nothing is lost. */
static void limit_cpus(const struct launch *l)
{
	cpu_set_t may, keep;
	CPU_ZERO(&keep);
	if (!l->cpus || sched_getaffinity(0, sizeof(may), &may) < 0 || (uint64_t)CPU_COUNT(&may) <= l->cpus)
		return;
	uint64_t first = l->cpus_from % (uint64_t)CPU_COUNT(&may), at = 0;
	/* Twice around: those in front come behind the last. */
	for (size_t i = 0; i < (size_t)2 * CPU_SETSIZE && (uint64_t)CPU_COUNT(&keep) < l->cpus; i++)
		if (CPU_ISSET(i % CPU_SETSIZE, &may) && at++ >= first)
			CPU_SET(i % CPU_SETSIZE, &keep);
	(void)sched_setaffinity(0, sizeof(keep), &keep);
}

static void check_dropped(uid_t uid, gid_t gid)
{
	uid_t ruid, euid, suid;
	gid_t rgid, egid, sgid;
	if (getresuid(&ruid, &euid, &suid) < 0 || getresgid(&rgid, &egid, &sgid) < 0)
		die("cannot read the user back: %s", strerror(errno));
	if (ruid != uid || euid != uid || suid != uid || rgid != gid || egid != gid || sgid != gid)
		die("the user was not dropped");
	if (getgroups(0, NULL) != 0)
		die("groups are left");
	if (setuid(0) == 0 || setgid(0) == 0)
		die("root can be had back");
}

static void drop_user(uid_t uid, gid_t gid)
{
	if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		die("cannot become user %u, group %u: %s", (unsigned)uid, (unsigned)gid, strerror(errno));
	check_dropped(uid, gid);
}

/* After the drop, because a change of credentials clears the death signal. The parent may have gone before it was set.
 */
static void tie_to_parent(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		die("cannot ask to die with the parent: %s", strerror(errno));
	if (getppid() != parent)
		die("the parent is gone");
}

int main(int argc, char **argv)
{
	struct launch l;
	parse(&l, argc, argv);
	keep_descriptors(l.keep);
	join_cgroups(&l);
	write_text("/proc/self/oom_score_adj", OOM_SCORE_ADJ);
	limit_cpus(&l);
	set_limits(&l);
	if (l.drop)
		drop_user(l.uid, l.gid);
	(void)umask(077);
	if (setsid() < 0 && getsid(0) != getpid())
		die("cannot begin a session: %s", strerror(errno));
	tie_to_parent(l.parent);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		die("cannot forbid new privileges: %s", strerror(errno));
	if (!signals_default())
		die("cannot reset the signal mask: %s", strerror(errno));
	char *nothing[] = { NULL };
	(void)execve(l.command[0], l.command, nothing);
	die("cannot run %s: %s", l.command[0], strerror(errno));
}
