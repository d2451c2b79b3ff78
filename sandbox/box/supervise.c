/* supervise.c: starts one program of the box, waits for its end, and kills its whole tree on order. */
#include "supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/signals.h"
#include "share.h"
#include "tree.h"

#define EXIT_NOT_RUN 126
#define EXIT_NO_PROGRAM 127
/* Above all numbers that are about to be given out again. */
#define FIRST_FREE 10

static int out_of_the_way(int fd)
{
	int got = fd < 0 ? open("/dev/null", O_RDWR | O_CLOEXEC) : fd;
	return fcntl(got, F_DUPFD_CLOEXEC, FIRST_FREE);
}

/* The streams become 0 to 2, keep (if any) becomes 3, and nothing else stays open. */
static void arrange(const int stdio[3], int keep)
{
	int moved[3];
	for (int i = 0; i < 3; i++)
		moved[i] = out_of_the_way(stdio[i]);
	int kept = keep < 0 ? -1 : fcntl(keep, F_DUPFD_CLOEXEC, FIRST_FREE);
	for (int i = 0; i < 3; i++)
		if (dup2(moved[i], i) < 0)
			_exit(EXIT_NOT_RUN);
	if (kept >= 0 && dup3(kept, 3, O_CLOEXEC) < 0)
		_exit(EXIT_NOT_RUN);
	if (close_range(kept < 0 ? 3 : 4, ~0U, 0) < 0)
		_exit(EXIT_NOT_RUN);
}

static void take_share(const struct supervise *s)
{
	if (share_take(s->processes))
		return;
	(void)dprintf(STDERR_FILENO, "%s: cannot be started: %s\n", s->argv[0], share_error(errno));
	_exit(EXIT_NOT_RUN);
}

static _Noreturn void run_program(const struct supervise *s)
{
	arrange(s->stdio, -1);
	take_share(s);
	(void)signals_default();
	(void)setsid();
	(void)umask(022);
	for (char **e = s->environment; *e; e++)
		(void)putenv(*e);
	(void)execvp(s->argv[0], s->argv);
	int why = errno;
	if (why == ENOENT)
		(void)dprintf(STDERR_FILENO, "%s: there is no such program\n", s->argv[0]);
	else
		(void)dprintf(STDERR_FILENO, "%s: cannot be run: %s\n", s->argv[0], strerror(why));
	_exit(why == ENOENT ? EXIT_NO_PROGRAM : EXIT_NOT_RUN);
}

static int children_descriptor(void)
{
	sigset_t set;
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static bool has_children(void)
{
	siginfo_t info;
	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

static void exit_when_program_did(pid_t program, unsigned left)
{
	int status;
	for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
		if (pid != program)
			continue;
		if (left && has_children())
			tree_restrain(getpid(), left);
		_exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
	}
}

/* A number: what the program has left behind since so many milliseconds is killed, and nothing else. */
static void obey(pid_t program, int order)
{
	uint32_t age;
	ssize_t n = read(order, &age, sizeof(age));
	if (n == sizeof(age)) {
		(void)tree_kill_strays(getpid(), program, age);
		return;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	(void)tree_kill(getpid(), NULL, 0);
	_exit(128 + SIGKILL);
}

static _Noreturn void watch(pid_t program, int order, int children, unsigned left)
{
	struct pollfd fds[] = { { .fd = order, .events = POLLIN }, { .fd = children, .events = POLLIN } };
	struct signalfd_siginfo info;
	for (;;) {
		(void)poll(fds, 2, -1);
		while (read(children, &info, sizeof(info)) > 0)
			;
		exit_when_program_did(program, left);
		if (fds[0].revents)
			obey(program, order);
	}
}

void supervise(const struct supervise *s)
{
	static const int nothing[3] = { -1, -1, -1 };
	(void)prctl(PR_SET_NAME, "craft-run");
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	pid_t program = fork();
	if (program == 0)
		run_program(s);
	if (program < 0) {
		(void)dprintf(s->stdio[2], "%s: cannot be started: %s\n", s->argv[0], share_error(errno));
		_exit(EXIT_NOT_RUN);
	}
	/* The pipes are the program's alone: their end is its end. */
	arrange(nothing, s->order);
	watch(program, 3, children_descriptor(), s->left);
}
