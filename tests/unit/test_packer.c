/* test_packer.c: big messages are compressed a slice at a time, in turns; and the frames that come of it. */
#include "ws-bridge/packer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "ws-bridge/deflate.h"
#include "ws-bridge/frame_buf.h"

/* noise: what compressing makes longer. */
static void fill(struct buf *b, size_t n, bool noise)
{
	uint32_t x = (uint32_t)n;
	for (size_t i = 0; i < n; i++) {
		x = x * 1664525 + 1013904223;
		buf_add_char(b, noise ? (char)(x >> 24) : (char)('a' + (x >> 24) % 5));
	}
}

static void expect_inflated(struct slice in, struct slice plain)
{
	autobuf out = { 0 };
	struct deflate_decoder *d = deflate_decoder_new();
	size_t n = plain.len + 1;
	char *at = buf_reserve(&out, n);
	assert_int_equal(deflate_decode(d, &in, true, at, &n), DEFLATE_OK);
	out.len = n;
	assert_true(slice_eq(buf_slice(&out), plain));
	deflate_decoder_free(d);
}

struct job {
	struct buf plain, packed;
	bool done;
};

static void keep(void *owner, struct slice packed)
{
	struct job *job = owner;
	assert_false(job->done);
	job->done = true;
	buf_add_slice(&job->packed, packed);
}

static void begin(struct packer *packer, struct job *job, size_t bytes)
{
	fill(&job->plain, bytes, false);
	assert_non_null(packing_new(packer, buf_slice(&job->plain), keep, job));
}

static void end(struct job *job)
{
	buf_free(&job->plain);
	buf_free(&job->packed);
}

static void each_has_its_turn(void **state)
{
	(void)state;
	struct job big = { 0 }, small = { 0 };
	struct packer *packer = packer_new(DEFLATE_LEVEL_DEFAULT);
	assert_false(packer_is_busy(packer));
	assert_false(packer_turn(packer));
	begin(packer, &big, 20 * PACKER_SLICE);
	assert_false(packer_turn(packer));
	begin(packer, &small, PACKER_SLICE + 1);
	/* Two slices, and as many turns for the other one. */
	size_t turns = 0, ends = 0;
	for (; !small.done; turns++)
		ends += packer_turn(packer);
	assert_true(turns <= 4);
	assert_int_equal(ends, 1);
	assert_false(big.done);
	for (; packer_is_busy(packer); turns++)
		ends += packer_turn(packer);
	assert_int_equal(turns, 19 + 2);
	assert_int_equal(ends, 2);
	expect_inflated(buf_slice(&big.packed), buf_slice(&big.plain));
	expect_inflated(buf_slice(&small.packed), buf_slice(&small.plain));
	end(&big);
	end(&small);
	packer_free(packer);
}

static void they_are_bounded(void **state)
{
	(void)state;
	struct job jobs[PACKER_JOBS + 1] = { 0 };
	struct packing *first = NULL;
	struct packer *packer = packer_new(DEFLATE_LEVEL_DEFAULT);
	for (size_t i = 0; i <= PACKER_JOBS; i++)
		fill(&jobs[i].plain, 3 * PACKER_SLICE + i, false);
	for (size_t i = 0; i < PACKER_JOBS; i++) {
		struct packing *p = packing_new(packer, buf_slice(&jobs[i].plain), keep, &jobs[i]);
		assert_non_null(p);
		first = first ? first : p;
	}
	assert_null(packing_new(packer, buf_slice(&jobs[PACKER_JOBS].plain), keep, &jobs[PACKER_JOBS]));
	assert_false(packer_turn(packer));
	packing_cancel(first);
	assert_non_null(packing_new(packer, buf_slice(&jobs[PACKER_JOBS].plain), keep, &jobs[PACKER_JOBS]));
	while (packer_is_busy(packer))
		(void)packer_turn(packer);
	assert_false(jobs[0].done);
	for (size_t i = 1; i <= PACKER_JOBS; i++)
		expect_inflated(buf_slice(&jobs[i].packed), buf_slice(&jobs[i].plain));
	for (size_t i = 0; i <= PACKER_JOBS; i++)
		end(&jobs[i]);
	packer_free(packer);
}

/* The payload of a big frame, whose length takes two bytes or eight. */
static struct slice payload_of(const struct frame_buf *f, bool *deflated)
{
	size_t head = f->data[1] == 126 ? 4 : 10;
	*deflated = f->data[0] & 0x40;
	assert_int_equal(f->data[0] & ~0x40, 0x81);
	assert_in_range(f->data[1], 126, 127);
	return slice_make((const char *)f->data + head, f->len - head);
}

static void expect_frame(struct packer *packer, bool noise)
{
	bool deflated;
	autobuf plain = { 0 };
	fill(&plain, 5 * PACKER_SLICE, noise);
	const struct slice parts[] = { slice_make(plain.data, 7), slice_make(plain.data + 7, plain.len - 7) };
	struct frame_buf *f = frame_buf_new(FRAME_OP_TEXT, parts, 2, packer);
	size_t weight = f->weight;
	for (size_t i = 0; i < 5; i++) {
		assert_null(f->data);
		assert_int_equal(packer_turn(packer), i == 4);
	}
	assert_non_null(f->data);
	assert_int_equal(f->weight, weight);
	struct slice payload = payload_of(f, &deflated);
	assert_int_equal(deflated, !noise);
	if (deflated)
		expect_inflated(payload, buf_slice(&plain));
	else
		assert_true(slice_eq(payload, buf_slice(&plain)));
	assert_int_equal(frame_buf_bytes(), f->len);
	frame_buf_unref(f);
}

static void frames_are_whole(void **state)
{
	(void)state;
	struct packer *packer = packer_new(DEFLATE_LEVEL_DEFAULT);
	expect_frame(packer, false);
	expect_frame(packer, true);
	assert_int_equal(frame_buf_bytes(), 0);
	packer_free(packer);
}

static void more_go_as_they_are(void **state)
{
	(void)state;
	bool deflated;
	autobuf plain = { 0 };
	struct packer *packer = packer_new(DEFLATE_LEVEL_DEFAULT);
	struct frame_buf *frames[PACKER_JOBS + 1];
	fill(&plain, 2 * PACKER_SLICE, false);
	struct slice part = buf_slice(&plain);
	for (size_t i = 0; i <= PACKER_JOBS; i++)
		frames[i] = frame_buf_new(FRAME_OP_TEXT, &part, 1, packer);
	assert_null(frames[PACKER_JOBS - 1]->data);
	assert_true(slice_eq(payload_of(frames[PACKER_JOBS], &deflated), part));
	assert_false(deflated);
	/* One that nobody wants any more is given up. */
	for (size_t i = 0; i <= PACKER_JOBS; i++)
		frame_buf_unref(frames[i]);
	assert_false(packer_is_busy(packer));
	assert_int_equal(frame_buf_bytes(), 0);
	packer_free(packer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_has_its_turn),
		cmocka_unit_test(they_are_bounded),
		cmocka_unit_test(frames_are_whole),
		cmocka_unit_test(more_go_as_they_are),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
