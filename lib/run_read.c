/* run_read.c: running a small program. */
#include "run_read.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"

static bool start(const char *const *argv, bool errors_too, int out, pid_t *pid)
{
	autobuf path = { 0 };
	posix_spawn_file_actions_t actions;
	const char *given = getenv("PATH");
	buf_addf(&path, "PATH=%s", given ? given : "/usr/sbin:/usr/bin:/sbin:/bin");
	char locale[] = "LC_ALL=C";
	char *environment[] = { locale, path.data, NULL };
	(void)buf_cstr(&path);
	environment[1] = path.data;
	if (posix_spawn_file_actions_init(&actions) != 0)
		return false;
	bool ok = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0) == 0 &&
		  posix_spawn_file_actions_adddup2(&actions, out, 1) == 0 &&
		  (errors_too ? posix_spawn_file_actions_adddup2(&actions, out, 2)
			      : posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)) == 0 &&
		  posix_spawnp(pid, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, environment) == 0;
	(void)posix_spawn_file_actions_destroy(&actions);
	return ok;
}

/* Until its end; false: the time is over. */
static bool read_all(int fd, int64_t deadline, struct buf *out)
{
	for (;;) {
		char bytes[4096];
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int64_t left = deadline - clock_ms();
		int ready = left > 0 ? poll(&p, 1, (int)left) : 0;
		if (ready == 0)
			return false;
		ssize_t n = ready > 0 ? read(fd, bytes, sizeof(bytes)) : -1;
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0;
		if (out->len + (size_t)n > RUN_READ_MAX)
			return false;
		buf_add(out, bytes, (size_t)n);
	}
}

bool run_read(const char *const *argv, int timeout, bool errors_too, struct buf *out)
{
	int ends[2];
	pid_t pid;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return false;
	autoclose int in = ends[0];
	bool started = start(argv, errors_too, ends[1], &pid);
	(void)close(ends[1]);
	if (!started)
		return false;
	bool whole = read_all(in, clock_ms() + timeout, out);
	if (!whole)
		(void)kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return whole;
}
