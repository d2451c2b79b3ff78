/* fdatasync.c: how long a write of 8 KB followed by fdatasync takes in a directory: no commit can be faster.
 * The file is written before, so that only data move, as with PostgreSQL's recycled WAL segments. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stats.h"

#define BLOCK 8192
#define BLOCKS 512
#define LIMIT_US 2000000
#define LIMIT_WRITES 4000

static void check(int ok, const char *what)
{
	if (ok)
		return;
	(void)fprintf(stderr, "fdatasync: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void write_block(int fd, const char *block, unsigned n)
{
	check(pwrite(fd, block, BLOCK, (off_t)(n % BLOCKS) * BLOCK) == BLOCK, "write");
}

/* Unlinked at once: it is gone with the process. (O_TMPFILE isn't on every file system.) */
static int open_file(const char *dir)
{
	char path[4096];
	(void)snprintf(path, sizeof(path), "%s/fdatasync.XXXXXX", dir);
	int fd = mkostemp(path, O_CLOEXEC);
	check(fd >= 0, dir);
	check(unlink(path) == 0, "unlink");
	return fd;
}

int main(int argc, char **argv)
{
	static char block[BLOCK];
	static struct stats stats;
	if (argc != 2) {
		(void)fputs("Usage: fdatasync DIR\n", stderr);
		return 2;
	}
	int fd = open_file(argv[1]);
	for (unsigned i = 0; i < BLOCKS; i++)
		write_block(fd, block, i);
	check(fsync(fd) == 0, "fsync");
	uint64_t end = now_us() + LIMIT_US;
	for (unsigned i = 0; i < LIMIT_WRITES && now_us() < end; i++) {
		uint64_t begin = now_us();
		(void)memset(block, (int)i, sizeof(block));
		write_block(fd, block, i);
		check(fdatasync(fd) == 0, "fdatasync");
		stats_add(&stats, now_us() - begin);
	}
	(void)printf("p50_ms=%.3f p99_ms=%.3f count=%llu\n", stats_percentile_ms(&stats, 0.5),
		     stats_percentile_ms(&stats, 0.99), (unsigned long long)stats.count);
	(void)close(fd);
	return 0;
}
