/* secrecy.c: no core files, and no looking in. */
#include "secrecy.h"

#include <sys/prctl.h>
#include <sys/resource.h>

void secrecy_keep(void)
{
	const struct rlimit none = { 0 };
	(void)setrlimit(RLIMIT_CORE, &none);
	/* A core_pattern that is a pipe ignores the limit, but not this. The leak checker looks into its own process as
	 * a debugger does. */
#ifndef __SANITIZE_ADDRESS__
	(void)prctl(PR_SET_DUMPABLE, 0);
#endif
}
