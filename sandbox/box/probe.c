/* probe.c: tries the walls of the box from the inside. What should fail and doesn't is undone at once. */
#include "probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"

/* The daemon sets limits well below these. */
#define MEMORY_BOMB (192u << 20)
#define PROCESS_BOMB 256
#define DISK_FILES 12
#define DISK_FILE (16 << 20)

static void report(const char *name, const char *why_not)
{
	(void)printf("%s %s%s\n", name, why_not ? "no " : "yes", why_not ? why_not : "");
}

/* Is the namespace another one than the host's? */
static bool own_namespace(const char *kind, const char *hosts)
{
	char path[64], text[128];
	(void)snprintf(path, sizeof(path), "/proc/self/ns/%s", kind);
	ssize_t n = readlink(path, text, sizeof(text) - 1);
	if (n < 0)
		return false;
	text[n] = '\0';
	return strcmp(text, hosts) != 0;
}

/* Everything that comes behind the word in /proc/self/status. */
static bool status_is(const char *word, const char *value)
{
	char line[256];
	bool is = false;
	FILE *f = fopen("/proc/self/status", "re");
	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, word, strlen(word)) == 0)
			is = strncmp(line + strlen(word), value, strlen(value)) == 0;
	if (f)
		(void)fclose(f);
	return is;
}

static const char *user_namespace(const char *hosts)
{
	static const char *const none[] = { "CapEff:", "CapPrm:", "CapInh:", "CapBnd:", "CapAmb:" };
	if (!own_namespace("user", hosts))
		return "it is the host's";
	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++)
		if (!status_is(none[i], "\t0000000000000000"))
			return "capabilities are left";
	if (!status_is("NoNewPrivs:", "\t1"))
		return "new privileges can be had";
	return getuid() != 0 ? NULL : "it runs as root";
}

static const char *pid_namespace(const char *hosts)
{
	char name[32] = "";
	autoclose int fd = open("/proc/1/comm", O_RDONLY | O_CLOEXEC);
	if (!own_namespace("pid", hosts))
		return "it is the host's";
	if (fd < 0 || read(fd, name, sizeof(name) - 1) < 0 || strcmp(name, "craft-box\n") != 0)
		return "process 1 is not its own";
	return NULL;
}

/* The errno of a connection, 0 when there is one. A way out is not waited for: EINPROGRESS says that there is one. */
static int try_connect(int family, const char *address, int port, bool wait)
{
	autoclose int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | (wait ? 0 : SOCK_NONBLOCK), 0);
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
	if (fd < 0)
		return errno;
	if (family == AF_INET) {
		(void)inet_pton(AF_INET, address, &in.sin_addr);
		return connect(fd, (struct sockaddr *)&in, sizeof(in)) == 0 ? 0 : errno;
	}
	(void)inet_pton(AF_INET6, address, &in6.sin6_addr);
	return connect(fd, (struct sockaddr *)&in6, sizeof(in6)) == 0 ? 0 : errno;
}

static bool only_loopback(void)
{
	struct if_nameindex *all = if_nameindex();
	bool only = all && all[0].if_index && strcmp(all[0].if_name, "lo") == 0 && !all[1].if_index;
	if (all)
		if_freenameindex(all);
	return only;
}

/* The addresses outside are of the ranges for documentation (RFC 5737, 3849): no route must lead there. */
static const char *network_namespace(const char *hosts, int port)
{
	if (!own_namespace("net", hosts))
		return "it is the host's";
	if (!only_loopback())
		return "it has more than the loopback interface";
	if (try_connect(AF_INET, "127.0.0.1", port, true) != ECONNREFUSED)
		return "the host's ports can be reached";
	if (try_connect(AF_INET, "192.0.2.1", 443, false) != ENETUNREACH)
		return "there is a way out";
	int six = try_connect(AF_INET6, "2001:db8::1", 443, false);
	return six == ENETUNREACH || six == EAFNOSUPPORT || six == EADDRNOTAVAIL ? NULL : "there is a way out by IPv6";
}

/* What a process without capabilities may do anywhere, but not here. */
static const char *seccomp(void)
{
	/* That of netlink.h says nothing about the other. */
	if (!status_is("Seccomp:", "\t2"))
		return "there is no filter";
	if (unshare(CLONE_NEWUSER) == 0 || errno != EPERM)
		return "unshare is allowed";
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 || errno != EPERM)
		return "ptrace is allowed";
	if (mount("none", "/tmp", "tmpfs", 0, NULL) == 0 || errno != EPERM)
		return "mount is allowed";
	if (syscall(SYS_keyctl, 0, 0, 0, 0, 0) >= 0 || errno != EPERM)
		return "keyctl is allowed";
	if (syscall(SYS_io_uring_setup, 1, NULL) >= 0 || errno != EPERM)
		return "io_uring is allowed";
	if (socket(AF_PACKET, SOCK_RAW, 0) >= 0 || errno != EAFNOSUPPORT)
		return "raw sockets are allowed";
	return NULL;
}

static bool can_write(const char *dir)
{
	char path[256];
	(void)snprintf(path, sizeof(path), "%s/.craft-probe", dir);
	autoclose int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	bool can = fd >= 0 || errno != EROFS;
	if (fd >= 0)
		(void)unlink(path);
	return can;
}

static const char *read_only_root(const char *hosts_dir)
{
	static const char *const closed[] = { "/",    "/usr",	    "/usr/bin",	  "/etc",     "/etc/ssl", "/dev",
					      "/opt", "/opt/agent", "/opt/craft", "/run/sbx", "/home",	  "/var" };
	static const char *const absent[] = { "/root", "/boot", "/sys/kernel", "/sys/class", "/sys/devices",
					      "/mnt",  "/srv",	"/etc/shadow", "/var/lib",   "/var/log" };
	/* The limits of its cgroup, where there is one. */
	static const char *const closed_if_there[] = { "/sys", "/sys/fs/cgroup", "/sys/fs/cgroup/memory",
						       "/sys/fs/cgroup/cpu" };
	for (size_t i = 0; i < sizeof(closed) / sizeof(*closed); i++)
		if (can_write(closed[i]))
			return closed[i];
	for (size_t i = 0; i < sizeof(closed_if_there) / sizeof(*closed_if_there); i++)
		if (access(closed_if_there[i], F_OK) == 0 && can_write(closed_if_there[i]))
			return closed_if_there[i];
	for (size_t i = 0; i < sizeof(absent) / sizeof(*absent); i++)
		if (access(absent[i], F_OK) == 0)
			return absent[i];
	return access(hosts_dir, F_OK) == 0 ? "the host's files are there" : NULL;
}

/* ---- limits ---- */

static int wait_for(pid_t pid)
{
	int status = 0;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 0;
	return status;
}

/* The first to be killed: the rest of the box is to live on. */
static _Noreturn void use_memory(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd >= 0)
		(void)!write(fd, "1000", 4);
	char *p = mmap(NULL, MEMORY_BOMB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (size_t at = 0; p != MAP_FAILED && at < MEMORY_BOMB; at += 4096)
		((volatile char *)p)[at] = 1;
	_exit(p == MAP_FAILED ? 1 : 0);
}

static const char *memory(void)
{
	pid_t pid = fork();
	if (pid == 0)
		use_memory();
	int status = pid > 0 ? wait_for(pid) : 0;
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL ? NULL : "more could be used";
}

static const char *pids(void)
{
	pid_t made[PROCESS_BOMB];
	int count = 0;
	while (count < PROCESS_BOMB) {
		pid_t pid = fork();
		if (pid == 0)
			for (;;)
				(void)pause();
		if (pid < 0)
			break;
		made[count++] = pid;
	}
	bool stopped = count < PROCESS_BOMB && errno == EAGAIN;
	for (int i = 0; i < count; i++) {
		(void)kill(made[i], SIGKILL);
		(void)wait_for(made[i]);
	}
	return stopped ? NULL : "more could be started";
}

static const char *disk(void)
{
	bool stopped = false;
	for (int i = 0; i < DISK_FILES && !stopped; i++) {
		char path[64];
		(void)snprintf(path, sizeof(path), "/workspace/.craft-probe-%d", i);
		autoclose int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		stopped = fd < 0 || (fallocate(fd, 0, 0, DISK_FILE) < 0 && (errno == ENOSPC || errno == EDQUOT));
	}
	return stopped ? NULL : "more could be written";
}

int probe_main(char **argv)
{
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	report("user-namespace", user_namespace(argv[0]));
	report("pid-namespace", pid_namespace(argv[1]));
	report("ipc-namespace", own_namespace("ipc", argv[2]) ? NULL : "it is the host's");
	report("network-namespace", network_namespace(argv[3], atoi(argv[4])));
	report("seccomp", seccomp());
	report("read-only-root", read_only_root(argv[5]));
	report("memory", memory());
	report("pids", pids());
	report("disk", disk());
	(void)fflush(stdout);
	return 0;
}
