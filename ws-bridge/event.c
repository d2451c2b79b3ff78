/* event.c: numbered changes and their frames. */
#include "event.h"

#include <stdlib.h>

struct event *event_new(int64_t seq, struct slice entity, struct slice action, struct slice data, uint64_t origin)
{
	struct event *e = xcalloc(1, sizeof(*e));
	e->refs = 1;
	e->seq = seq;
	e->origin = origin;
	buf_add_str(&e->head, "{\"type\":\"broadcast\",\"event\":{\"entity\":\"");
	buf_add_slice(&e->head, entity);
	buf_add_str(&e->head, "\",\"action\":\"");
	buf_add_slice(&e->head, action);
	buf_add_str(&e->head, "\",\"data\":");
	buf_add_slice(&e->data, data);
	return e;
}

struct event *event_new_message(int64_t seq, struct slice body, struct slice target)
{
	struct event *e = xcalloc(1, sizeof(*e));
	e->refs = 1;
	e->seq = seq;
	e->target = target.ptr ? slice_dup(target) : NULL;
	while (body.len > 1 && body.ptr[body.len - 1] != '}')
		body.len--;
	if (body.len > 1)
		buf_add(&e->data, body.ptr, body.len - 1);
	return e;
}

struct event *event_ref(struct event *e)
{
	e->refs++;
	return e;
}

void event_unref(struct event *e)
{
	if (--e->refs)
		return;
	for (size_t i = 0; i < 4; i++) {
		if (e->frames[i])
			frame_buf_unref(e->frames[i]);
	}
	free(e->target);
	buf_free(&e->head);
	buf_free(&e->data);
	free(e);
}

/* A sandbox says a line at a time, thousands a second: inflating each costs a client more time (some 0.1 ms) than it
 * saves. */
#define STREAM_DEFLATE_MIN 8192

static struct frame_buf *encode(const struct event *e, bool with_seq, struct packer *packer)
{
	autobuf tail = { 0 };
	if (e->head.len)
		buf_add_char(&tail, '}');
	if (with_seq) {
		buf_add_str(&tail, ",\"seq\":");
		buf_add_i64(&tail, e->seq);
	}
	buf_add_char(&tail, '}');
	const struct slice parts[] = { buf_slice(&e->head), buf_slice(&e->data), buf_slice(&tail) };
	if (!e->head.len && e->data.len < STREAM_DEFLATE_MIN)
		packer = NULL;
	return frame_buf_new(FRAME_OP_TEXT, parts, 3, packer);
}

struct frame_buf *event_frame(struct event *e, bool with_seq, struct packer *packer)
{
	struct frame_buf **slot = &e->frames[(with_seq ? 1 : 0) + (packer ? 2 : 0)];
	if (!*slot)
		*slot = encode(e, with_seq, packer);
	return *slot;
}
