/* parse.c: how long it takes to look at every byte of a session's JSON once: no save of the whole can be faster. */
#include <stdio.h>
#include <stdlib.h>

#include "json.h"
#include "stats.h"

#define RUNS 50

/* A session:save of so many messages of so many bytes, about as ws_load's. */
static void build(struct buf *b, long messages, long size)
{
	buf_add_str(b, "{\"type\":\"session:save\",\"data\":{\"id\":\"s-0\",\"header\":{},\"messages\":[");
	for (long i = 0; i < messages; i++) {
		buf_addf(b,
			 "%s{\"id\":\"msg-%010ld\",\"type\":\"assistant\",\"timestamp\":1767225600000,\"content\":\"",
			 i ? "," : "", i);
		for (long left = size - 90; left > 0; left -= 10)
			buf_add_str(b, "ten bytes ");
		buf_add_str(b, "\"}");
	}
	buf_add_str(b, "]}}");
}

int main(int argc, char **argv)
{
	static struct stats stats;
	autobuf text = { 0 };
	long messages = argc == 3 ? strtol(argv[1], NULL, 10) : 0, size = argc == 3 ? strtol(argv[2], NULL, 10) : 0;
	if (messages < 1 || size < 100 || messages > 1000000 || size > 1000000) {
		(void)fputs(
			"Usage: parse MESSAGES BYTES\nChecks a session of so many messages of so many bytes as JSON, "
			"over and over.\n",
			stderr);
		return 2;
	}
	build(&text, messages, size);
	for (int i = 0; i < RUNS; i++) {
		size_t depth;
		uint64_t begin = now_us();
		if (!json_check(slice_make(text.data, text.len), &depth))
			return 1;
		stats_add(&stats, now_us() - begin);
	}
	(void)printf("bytes=%zu p50_ms=%.3f\n", text.len, stats_percentile_ms(&stats, 0.5));
	return 0;
}
