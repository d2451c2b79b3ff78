/* child.c: begins child processes. */
#include "child.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
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
