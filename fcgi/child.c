/* child.c: begins child processes. */
#include "child.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

pid_t child_start(void)
{
	struct sigaction usual = { .sa_handler = SIG_DFL };
	pid_t master = getpid();
	pid_t pid = fork();
	if (pid != 0)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	/* The master may have died before that. */
	if (getppid() != master)
		exit(1);
	(void)sigaction(SIGCHLD, &usual, NULL);
	return 0;
}

int64_t child_clock(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}
