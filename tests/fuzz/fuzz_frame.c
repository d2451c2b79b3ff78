/* fuzz_frame.c: any bytes into the frame reader: it must make the same events however they are cut,
 * keep its bounds and its promises. */
#include <assert.h>
#include <stdlib.h>

#include "ws-bridge/frame.h"

#define MAX_EVENTS 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a run made: how many events, and a digest of each of the last ones. */
struct run {
	uint64_t count;
	uint64_t digests[MAX_EVENTS];
	enum frame_kind last;
};

static uint64_t hash(struct slice s)
{
	uint64_t h = UINT64_C(14695981039346656037);
	for (size_t i = 0; i < s.len; i++)
		h = (h ^ (uint8_t)s.ptr[i]) * UINT64_C(1099511628211);
	return h;
}

static void check_event(const struct frame_event *ev, size_t max_message)
{
	bool ends = ev->kind == FRAME_CLOSE || ev->kind == FRAME_FAIL;
	assert((ev->code != 0) == ends);
	assert((ev->reason != NULL) == (ev->kind == FRAME_FAIL));
	if (ev->kind == FRAME_TEXT)
		assert(ev->payload.len <= max_message && utf8_valid(ev->payload.ptr, ev->payload.len));
	else if (ev->kind == FRAME_BINARY || ev->kind == FRAME_FAIL)
		assert(ev->payload.len == 0);
	else
		assert(ev->payload.len <= FRAME_CONTROL_MAX);
	if (ev->kind == FRAME_CLOSE)
		assert(ev->code == FRAME_CLOSE_NO_CODE || frame_close_code_valid(ev->code));
	if (ev->kind == FRAME_FAIL)
		assert(ev->code == FRAME_CLOSE_PROTOCOL || ev->code == FRAME_CLOSE_INVALID ||
		       ev->code == FRAME_CLOSE_TOO_BIG);
}

static void record(struct run *run, struct frame_reader *r, const struct frame_event *ev)
{
	check_event(ev, r->max_message);
	assert(run->last != FRAME_CLOSE && run->last != FRAME_FAIL);
	run->last = ev->kind;
	uint64_t digest = hash(ev->payload);
	run->digests[run->count++ % MAX_EVENTS] = digest ^ ((uint64_t)ev->kind << 32 | (uint64_t)ev->code << 16);
	if (run->count % 3 == 0) {
		autobuf taken = frame_reader_take(r, ev);
		assert(hash(buf_slice(&taken)) == digest);
	}
}

static void feed(struct frame_reader *r, const uint8_t *data, size_t len, struct run *run)
{
	uint8_t *copy = malloc(len ? len : 1);
	if (!copy)
		abort();
	if (len)
		memcpy(copy, data, len);
	size_t at = 0;
	struct frame_event ev;
	do {
		size_t n = frame_reader_feed(r, copy + at, len - at, &ev);
		assert(n <= len - at);
		at += n;
		if (ev.kind != FRAME_NONE && ev.kind != FRAME_BUSY)
			record(run, r, &ev);
	} while (ev.kind != FRAME_NONE);
	assert(at == len);
	free(copy);
}

/* seed 0: all at once; else in pieces of pseudo-random lengths, mostly short. */
static void run_input(const uint8_t *data, size_t size, size_t max, bool deflate, uint32_t seed, struct run *run)
{
	struct frame_reader r;
	frame_reader_init(&r, max, deflate);
	for (size_t at = 0; at < size;) {
		size_t n = size - at;
		if (seed) {
			seed = seed * 1664525 + 1013904223;
			size_t most = seed >> 31 ? 8 : 300;
			size_t wish = 1 + (seed >> 16) % most;
			n = wish < n ? wish : n;
		}
		feed(&r, data + at, n, run);
		at += n;
	}
	frame_reader_free(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t limits[4] = { 1, 200, 5000, 1 << 20 };
	if (size < 2)
		return 0;
	bool deflate = data[0] & 1;
	size_t max = limits[data[0] >> 1 & 3];
	struct run whole = { 0 };
	struct run cut = { 0 };
	run_input(data + 2, size - 2, max, deflate, 0, &whole);
	run_input(data + 2, size - 2, max, deflate, 1U + data[1], &cut);
	assert(whole.count == cut.count);
	assert(memcmp(whole.digests, cut.digests, sizeof(whole.digests)) == 0);
	return 0;
}
