/* uids.h: user ids that nobody else on this machine has, for a test program that is root: limits such as RLIMIT_NPROC
 * count by user, and two that run at a time must not count together. */
#ifndef CRAFT_TESTS_UIDS_H
#define CRAFT_TESTS_UIDS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define UIDS_FIRST 700000 /* below those of script/up's sandboxes, which begin at 1000000 */
#define UIDS_RANGES 2000
#define UIDS_EACH 64

/* Is the range this program's from here on? It is as long as the program lives: the kernel frees an abstract socket's
 * name. */
static inline bool uids_claim(unsigned range)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int n = snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "craft-test-uids-%u", range);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && bind(fd, (struct sockaddr *)&name, (socklen_t)(sizeof(sa_family_t) + 1 + (size_t)n)) == 0)
		return true;
	if (fd >= 0)
		(void)close(fd);
	return false;
}

/* The first of UIDS_EACH, the same each time. Ranges are taken in turn, as processes of the last one may still be
 * ending. */
static inline uint32_t uids_own(void)
{
	static uint32_t first;
	for (unsigned i = 0; first == 0 && i < UIDS_RANGES; i++) {
		unsigned range = ((unsigned)getpid() + i) % UIDS_RANGES;
		if (uids_claim(range))
			first = UIDS_FIRST + range * UIDS_EACH;
	}
	return first;
}

#endif
