/* signals.h: a program that starts another one gives it signals as they are by default. */
#ifndef CRAFT_SANDBOX_SIGNALS_H
#define CRAFT_SANDBOX_SIGNALS_H

#include <signal.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

/* No signal is ignored, caught or blocked. By the system call (its struct is all zero then), because the C library
 * doesn't let its own two signals be touched, and some programs (make) start others with these ignored. False: errno.
 */
static inline bool signals_default(void)
{
	static const unsigned char plain[64];
	for (int sig = 1; sig < NSIG; sig++) {
		if (sig != SIGKILL && sig != SIGSTOP)
			(void)syscall(SYS_rt_sigaction, sig, plain, NULL, (size_t)(NSIG - 1) / 8);
	}
	sigset_t none;
	(void)sigemptyset(&none);
	return sigprocmask(SIG_SETMASK, &none, NULL) == 0;
}

#endif
