/* spawn.c: how long it takes to start a program and wait for its end: no tool call can be faster. */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stats.h"

static void fail(const char *what, const char *why)
{
	(void)fprintf(stderr, "spawn: %s: %s\n", what, why);
	exit(1);
}

static void run(char *const argv[])
{
	pid_t pid;
	int status = 0;
	int error = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);
	if (error)
		fail(argv[0], strerror(error));
	if (waitpid(pid, &status, 0) != pid)
		fail("waitpid", strerror(errno));
	if (status != 0)
		fail(argv[0], "it failed");
}

int main(int argc, char **argv)
{
	static struct stats stats;
	long count = argc > 2 ? strtol(argv[1], NULL, 10) : 0;
	if (count < 1 || count > 1000000) {
		(void)fprintf(stderr,
			      "Usage: spawn COUNT PROGRAM [ARG...]\nRuns it COUNT times, one after the other.\n");
		return 2;
	}
	for (long i = 0; i < count; i++) {
		uint64_t begin = now_us();
		run(argv + 2);
		stats_add(&stats, now_us() - begin);
	}
	(void)printf("count=%ld p50_ms=%.3f p95_ms=%.3f p99_ms=%.3f\n", count, stats_percentile_ms(&stats, 0.5),
		     stats_percentile_ms(&stats, 0.95), stats_percentile_ms(&stats, 0.99));
	return 0;
}
