/* share.c: limits on processes, by the kernel's count of all in the box. */
#include "share.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define FEW 8 /* processes that a program may need at least */

/* A shell that can't fork tries for long before it gives up: so it is tried here, as if there were less room. */
bool share_take(unsigned processes)
{
	unsigned few = processes / 4 < FEW ? processes / 4 : FEW;
	struct rlimit limit = { processes - few, processes };
	if (!processes || setrlimit(RLIMIT_NPROC, &limit) < 0)
		return true;
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	if (pid < 0)
		return false;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NPROC, &limit);
	(void)waitpid(pid, NULL, 0);
	return true;
}

const char *share_error(int why)
{
	return why == EAGAIN
		       ? "too many processes run in the sandbox (SANDBOX_PIDS); cancel what runs, or end what was left "
			 "in the background"
		       : strerror(why);
}
