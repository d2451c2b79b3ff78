/* talker.c: a stand-in for Claude Code that says as much as it is told to, so that the way of its lines can be
 * measured.
 *
 * Like Claude Code in its duplex mode it reads messages from stdin, a line each. In the text of one stands
 *     talk COUNT BYTES MICROSECONDS
 * and it answers by COUNT lines of about BYTES bytes, one every MICROSECONDS (0: as fast as it can), between the line
 * that begins a turn and the one that ends it. Each line has its number and the monotonic time in microseconds right
 * before it was written. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "stats.h"

#define COUNT_MAX 10000000
#define BYTES_MAX 65536
#define INPUT_MAX (1 << 20)

struct order {
	long count, bytes, every_us;
};

static long take_number(const char **text, long max)
{
	char *end;
	long n = strtol(*text, &end, 10);
	if (end == *text || n < 0 || n > max) {
		(void)fprintf(stderr, "talker: it isn't said how much to talk\n");
		exit(1);
	}
	*text = end;
	return n;
}

static bool read_order(const char *line, struct order *order)
{
	const char *at = strstr(line, "talk ");
	if (!at)
		return false;
	at += strlen("talk ");
	order->count = take_number(&at, COUNT_MAX);
	order->bytes = take_number(&at, BYTES_MAX);
	order->every_us = take_number(&at, 1000000);
	return true;
}

static void wait_until(uint64_t us)
{
	struct timespec at = { .tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000) * 1000 };
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
		;
}

static void say(const char *line)
{
	(void)fputs(line, stdout);
	(void)fflush(stdout);
}

static void talk(const struct order *order)
{
	static char padding[BYTES_MAX + 1];
	uint64_t begin = now_us();
	memset(padding, 'x', (size_t)order->bytes);
	padding[order->bytes] = '\0';
	say("{\"type\":\"system\",\"subtype\":\"init\"}\n");
	for (long i = 0; i < order->count; i++) {
		if (order->every_us)
			wait_until(begin + (uint64_t)i * (uint64_t)order->every_us);
		(void)printf("{\"type\":\"assistant\",\"n\":%ld,\"us\":%llu,\"text\":\"%s\"}\n", i,
			     (unsigned long long)now_us(), padding);
		if (order->every_us)
			(void)fflush(stdout);
	}
	say("{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":false,\"result\":\"Done.\"}\n");
}

int main(void)
{
	static char line[INPUT_MAX];
	struct order order;
	while (fgets(line, sizeof(line), stdin)) {
		if (read_order(line, &order))
			talk(&order);
	}
	return 0;
}
