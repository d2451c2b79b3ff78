/* bad_link.c: a link between two network namespaces over which packets come late, or not at all; for kernels without
 * netem, and with the same effect. Each end is a TUN device, which the caller gives addresses.
 *
 *   bad_link NETNS INSIDE OUTSIDE     NETNS: a path as in /run/netns; INSIDE, OUTSIDE: names of the devices
 *
 * Says "ready", and takes lines "DELAY JITTER LOSS" on stdin: milliseconds, milliseconds, and packets of 10,000 that
 * are lost; from then on that holds in each direction, and the answer is "PASSED LOST" so far. Ends at the end of
 * stdin. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/queue.h>
#include <unistd.h>

#include "lib/clock.h"

#define MTU_MAX 65536
#define QUEUE_MAX 4096 /* packets under way; what comes beyond them is lost, as in a router */

struct packet {
	TAILQ_ENTRY(packet) link;
	int64_t due;
	int to;
	size_t len;
	unsigned char bytes[];
};
TAILQ_HEAD(packets, packet);

static struct packets under_way = TAILQ_HEAD_INITIALIZER(under_way);
static size_t count;
static int64_t delay, jitter, loss; /* ms, ms, of 10,000 */
static uint64_t passed, lost;
static uint64_t seed = 88172645463325252U;

/* xorshift64: 0 <= result < below. */
static int64_t chance(int64_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (int64_t)(seed >> 1) % below;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int open_tun(const char *name)
{
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	(void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &request) != 0)
		die(name);
	return fd;
}

/* A device belongs to the namespace in which it was made, wherever its other side is. */
static int open_tun_in(const char *netns, const char *name)
{
	int fd = open(netns, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET) != 0)
		die(netns);
	(void)close(fd);
	return open_tun(name);
}

/* By the time at which they arrive: with jitter packets overtake one another. */
static void put(int to, const unsigned char *bytes, size_t len)
{
	struct packet *p = malloc(sizeof(*p) + len), *after;
	if (!p)
		die("malloc");
	p->due = clock_ms() + delay + (jitter ? chance(2 * jitter + 1) - jitter : 0);
	p->to = to;
	p->len = len;
	memcpy(p->bytes, bytes, len);
	after = TAILQ_LAST(&under_way, packets);
	while (after && after->due > p->due)
		after = TAILQ_PREV(after, packets, link);
	if (after)
		TAILQ_INSERT_AFTER(&under_way, after, p, link);
	else
		TAILQ_INSERT_HEAD(&under_way, p, link);
	count++;
}

static void take_in(int from, int to)
{
	static unsigned char bytes[MTU_MAX];
	ssize_t n;
	while ((n = read(from, bytes, sizeof(bytes))) > 0) {
		if (count >= QUEUE_MAX || chance(10000) < loss)
			lost++;
		else
			put(to, bytes, (size_t)n);
	}
}

/* What a device doesn't take (its interface is down, say) is lost. */
static void hand_over(void)
{
	struct packet *p;
	int64_t now = clock_ms();
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what was removed isn't first any more */
	while ((p = TAILQ_FIRST(&under_way)) && p->due <= now) {
		if (write(p->to, p->bytes, p->len) == (ssize_t)p->len)
			passed++;
		else
			lost++;
		TAILQ_REMOVE(&under_way, p, link);
		count--;
		free(p);
	}
}

/* False at the end of stdin. */
static bool obey(void)
{
	char line[128];
	long long d, j, l;
	ssize_t n = read(STDIN_FILENO, line, sizeof(line) - 1);
	if (n <= 0)
		return false;
	line[n] = '\0';
	if (sscanf(line, "%lld %lld %lld", &d, &j, &l) != 3 || d < 0 || d > 60000 || j < 0 || j > d || l < 0 ||
	    l > 10000)
		return false;
	delay = d;
	jitter = j;
	loss = l;
	printf("%llu %llu\n", (unsigned long long)passed, (unsigned long long)lost);
	return true;
}

static int until_due(void)
{
	const struct packet *first = TAILQ_FIRST(&under_way);
	int64_t left = first ? first->due - clock_ms() : 1000;
	return left < 0 ? 0 : (int)left;
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		(void)fputs("usage: bad_link NETNS INSIDE OUTSIDE\n", stderr);
		return 2;
	}
	int outside = open_tun(argv[3]), inside = open_tun_in(argv[1], argv[2]);
	struct pollfd fds[] = { { STDIN_FILENO, POLLIN, 0 }, { outside, POLLIN, 0 }, { inside, POLLIN, 0 } };
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	puts("ready");
	for (;;) {
		if (poll(fds, 3, until_due()) < 0 && errno != EINTR)
			die("poll");
		if (fds[0].revents && !obey())
			return 0;
		take_in(outside, inside);
		take_in(inside, outside);
		hand_over();
	}
}
