/* output.c: the beginning and the end of a program's output. */
#include "output.h"

#include "draft.h"

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

void output_add(struct output *o, struct slice data, size_t max)
{
	size_t n = smaller(data.len, o->head.len < max ? max - o->head.len : 0);
	size_t half = max / 2;
	buf_add(&o->head, data.ptr, n);
	data = slice_make(data.ptr + n, data.len - n);
	buf_add_slice(&o->tail, data);
	/* Not at every call: what stays is moved. */
	if (o->tail.len <= 2 * half + 1)
		return;
	o->dropped += o->tail.len - half;
	buf_drop_front(&o->tail, o->tail.len - half);
}

size_t output_size(const struct output *o)
{
	return o->head.len + o->dropped + o->tail.len;
}

static struct slice beginning(struct slice bytes, size_t max)
{
	return slice_make(bytes.ptr, draft_fits(bytes, max));
}

static struct slice ending(struct slice bytes, size_t max)
{
	size_t n = draft_fits_end(bytes, max);
	return slice_make(bytes.ptr + bytes.len - n, n);
}

void output_text(const struct output *o, size_t max, const char *key, struct buf *out)
{
	autobuf joined = { 0 };
	struct slice head = buf_slice(&o->head), tail = buf_slice(&o->tail);
	if (!o->dropped) {
		buf_add_slice(&joined, head);
		buf_add_slice(&joined, tail);
		head = tail = buf_slice(&joined);
		if (draft_fits(head, max) == head.len) {
			buf_add_slice(out, head);
			return;
		}
	}
	head = beginning(head, max / 2);
	tail = ending(tail, max / 2);
	buf_add_slice(out, head);
	buf_addf(out,
		 "\n[%zu bytes are left out here: a result has at most %zu bytes, as JSON (%s). Write it "
		 "to a file, and read that in parts]\n",
		 output_size(o) - head.len - tail.len, max, key);
	buf_add_slice(out, tail);
}

void output_free(struct output *o)
{
	buf_free(&o->head);
	buf_free(&o->tail);
}
