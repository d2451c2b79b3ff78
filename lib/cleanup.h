/* cleanup.h: scope-bound ownership: a variable marked with one of these macros is released when it
 * goes out of scope, and steal_ptr()/steal_fd() hand the resource on to another owner. */
#ifndef CRAFT_CLEANUP_H
#define CRAFT_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_close(const int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

/* The variable's heap block is freed at the end of its scope. */
#define autofree __attribute__((cleanup(cleanup_free)))
/* The variable's file descriptor is closed at the end of its scope, unless it is negative. */
#define autoclose __attribute__((cleanup(cleanup_close)))
/* Runs fn(&variable) at the end of the variable's scope. */
#define autocall(fn) __attribute__((cleanup(fn)))

/* Returns what *pp holds and empties it: the caller owns the block from here on. */
#define steal_ptr(pp)                                                                                                  \
	__extension__({                                                                                                \
		__typeof__(*(pp)) p_ = *(pp);                                                                          \
		*(pp) = NULL;                                                                                          \
		p_;                                                                                                    \
	})

/* The same for a file descriptor. */
static inline int steal_fd(int *fd)
{
	int taken = *fd;
	*fd = -1;
	return taken;
}

#endif
