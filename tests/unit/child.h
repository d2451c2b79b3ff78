/* child.h: processes of a test's own. Needs cmocka.h before it. cmocka catches signals and failed assertions by a jump
 * back to where it runs the tests: a forked child that met one would run the rest of them. So this is the only place
 * where tests fork. */
#ifndef CRAFT_CHILD_H
#define CRAFT_CHILD_H

#include <signal.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

/* Starts a child that does this work and ends with its result; a signal, a failed assertion or a skip ends it too, by a
 * signal. -1: it could not be made. */
static inline pid_t child_start(int (*work)(void *), void *user)
{
	static const int caught[] = { SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGSYS, SIGABRT };
	pid_t pid = fork();
	if (pid != 0)
		return pid;
	for (size_t i = 0; i < sizeof(caught) / sizeof(*caught); i++)
		(void)signal(caught[i], SIG_DFL);
	(void)setenv("CMOCKA_TEST_ABORT", "1", 1);
	_exit(work(user));
}

#endif
