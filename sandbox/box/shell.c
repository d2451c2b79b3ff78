/* shell.c: a command of the agent's gets its share of processes. */
#include "shell.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "share.h"
#include "tree.h"

#define BASH "/bin/bash"
#define EXIT_NOT_RUN 126
/* Of what the agent may have, a fifth is its own; of what its commands may have, a sixth isn't for those of before. See
 * box_protocol.h. */
#define OWN 5
#define NEW 6
#define ROUNDS 5
#define TRIES 50
#define PAUSE_NS 10000000L

static unsigned all_of_commands(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NPROC, &limit) < 0 || limit.rlim_max > UINT32_MAX)
		return 0;
	return (unsigned)(limit.rlim_max - limit.rlim_max / OWN);
}

/* Those that were killed count until somebody has waited for them. */
static bool take_soon(unsigned all)
{
	for (int tries = 0; tries < TRIES; tries++) {
		if (share_take(all))
			return true;
		(void)nanosleep(&(struct timespec){ .tv_nsec = PAUSE_NS }, NULL);
	}
	return false;
}

static bool have_room(void)
{
	unsigned all = all_of_commands();
	bool room = share_take(all);
	for (int rounds = 0; !room && rounds < ROUNDS && tree_restrain_strays(all - all / NEW); rounds++)
		room = take_soon(all);
	return room;
}

int shell_main(char **argv)
{
	bool room = have_room();
	if (room)
		(void)execv(BASH, argv);
	(void)dprintf(STDERR_FILENO, SHELL_NAME ": cannot be started: %s\n", share_error(room ? errno : EAGAIN));
	return EXIT_NOT_RUN;
}
