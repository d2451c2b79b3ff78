/* frame.c: the WebSocket frame reader and encoders. */
#include "frame.h"

#include <assert.h>

#include "deflate.h"

static_assert(sizeof(struct frame_reader) <= 152, "every idle connection holds one");

enum state {
	IN_HEAD,    /* the next byte belongs to a frame's header */
	IN_PAYLOAD, /* frame_left more bytes belong to its payload */
	DEAD,	    /* after a Close or an error: bytes are dropped */
};

/* RFC 6455 section 5.2, the first two bytes of a frame */
#define BIT_FIN 0x80
#define BIT_RSV1 0x40
#define BITS_RSV23 0x30
#define BITS_OPCODE 0x0f
#define BIT_CONTROL 0x08
#define BIT_MASK 0x80
#define BITS_LENGTH 0x7f
#define LENGTH_16 126 /* the length follows in 2 bytes */
#define LENGTH_64 127 /* the length follows in 8 bytes */

#define INFLATE_CHUNK ((size_t)4096)

/* Data inflate to 1032 times their size at most (a length of 258 in two bits). So many bytes are inflated at a time,
 * and no more once a call has made so many. */
#define INFLATE_STEP ((size_t)256)
#define INFLATE_SHARE ((size_t)256 << 10)
#define DECODER_MEMORY ((size_t)40 << 10)

void frame_reader_init(struct frame_reader *r, size_t max_message, bool deflate)
{
	*r = (struct frame_reader){ .max_message = max_message, .deflate = deflate };
}

/* Forgets the current message. */
static void drop_message(struct frame_reader *r)
{
	buf_free(&r->message);
	deflate_decoder_free(r->decoder);
	r->decoder = NULL;
	r->message_opcode = 0;
	r->wire = 0;
	r->size = 0;
	r->utf8 = (struct utf8){ 0 };
}

void frame_reader_free(struct frame_reader *r)
{
	drop_message(r);
	buf_free(&r->control);
	r->state = DEAD;
}

/* Releases the payload of the last event. A message in progress stays: the event was a control frame
 * between its fragments. */
static void release_delivered(struct frame_reader *r)
{
	if (!r->delivered)
		return;
	r->delivered = false;
	buf_free(&r->control);
	if (r->message_opcode == 0)
		buf_free(&r->message);
}

static void fail(struct frame_reader *r, struct frame_event *ev, uint16_t code, const char *reason)
{
	drop_message(r);
	buf_free(&r->control);
	r->state = DEAD;
	*ev = (struct frame_event){ .kind = FRAME_FAIL, .code = code, .reason = reason };
}

static uint8_t frame_opcode(const struct frame_reader *r)
{
	return r->head[0] & BITS_OPCODE;
}

static bool frame_final(const struct frame_reader *r)
{
	return r->head[0] & BIT_FIN;
}

static bool frame_control(const struct frame_reader *r)
{
	return r->head[0] & BIT_CONTROL;
}

/* What is wrong with a frame's first byte at this place of the stream, or NULL. */
static const char *check_first(const struct frame_reader *r, uint8_t b)
{
	uint8_t opcode = b & BITS_OPCODE;
	bool starts_message = opcode == FRAME_OP_TEXT || opcode == FRAME_OP_BINARY;
	if (b & BITS_RSV23)
		return "Reserved bit set";
	if ((b & BIT_RSV1) && !(r->deflate && starts_message))
		return "RSV1 set where no compression was agreed";
	if (!starts_message && opcode != FRAME_OP_CONTINUATION && (opcode < FRAME_OP_CLOSE || opcode > FRAME_OP_PONG))
		return "Reserved opcode";
	if ((b & BIT_CONTROL) && !(b & BIT_FIN))
		return "Fragmented control frame";
	if (starts_message && r->message_opcode)
		return "New message inside a fragmented one";
	if (opcode == FRAME_OP_CONTINUATION && !r->message_opcode)
		return "Continuation of no message";
	return NULL;
}

/* The same for the second byte. */
static const char *check_second(const struct frame_reader *r, uint8_t b)
{
	if (!(b & BIT_MASK))
		return "Frame not masked";
	if (frame_control(r) && (b & BITS_LENGTH) > FRAME_CONTROL_MAX)
		return "Control frame longer than 125 bytes";
	return NULL;
}

/* The length of the whole header, as far as the bytes so far tell. */
static size_t head_size(const struct frame_reader *r)
{
	if (r->head_len < 2)
		return 2;
	uint8_t length = r->head[1] & BITS_LENGTH;
	return 2 + 4 + (length == LENGTH_16 ? 2 : length == LENGTH_64 ? 8 : 0);
}

/* Decodes the payload length of a complete header. Returns what is wrong with it, or NULL. */
static const char *read_length(const struct frame_reader *r, uint64_t *length)
{
	uint8_t b = r->head[1] & BITS_LENGTH;
	size_t width = b == LENGTH_16 ? 2 : b == LENGTH_64 ? 8 : 0;
	*length = width ? 0 : b;
	for (size_t i = 0; i < width; i++)
		*length = *length << 8 | r->head[2 + i];
	if (*length >> 63)
		return "Frame length above 2^63";
	if ((width == 2 && *length < LENGTH_16) || (width == 8 && *length <= UINT16_MAX))
		return "Frame length not in its shortest form";
	return NULL;
}

/* The longest compressed form that is taken: Huffman codes of 9 bits for each byte, the worst that any
 * compressor makes, and some empty blocks. It bounds a message whose data inflate to nothing. */
static uint64_t wire_limit(const struct frame_reader *r)
{
	uint64_t max = r->max_message;
	return r->decoder ? max + max / 8 + 1024 : max;
}

/* Begins the payload of a data frame. Returns false, with an event, if it makes the message too big. */
static bool begin_data(struct frame_reader *r, struct frame_event *ev)
{
	if (frame_opcode(r) != FRAME_OP_CONTINUATION) {
		r->message_opcode = frame_opcode(r);
		if (r->head[0] & BIT_RSV1)
			r->decoder = deflate_decoder_new();
	}
	/* neither can overflow: wire is within the limit, frame_left below 2^63 */
	if (r->wire + r->frame_left > wire_limit(r)) {
		fail(r, ev, FRAME_CLOSE_TOO_BIG, "Message too big");
		return false;
	}
	r->wire += r->frame_left;
	return true;
}

/* Takes header bytes until the header is complete (the state is then IN_PAYLOAD), wrong (an event) or
 * the bytes are used up. Returns how many it took. */
static size_t read_head(struct frame_reader *r, const uint8_t *data, size_t len, struct frame_event *ev)
{
	size_t used = 0;
	const char *wrong = NULL;
	while (used < len && r->head_len < head_size(r) && !wrong) {
		r->head[r->head_len++] = data[used++];
		if (r->head_len == 1)
			wrong = check_first(r, r->head[0]);
		else if (r->head_len == 2)
			wrong = check_second(r, r->head[1]);
	}
	bool complete = r->head_len == head_size(r);
	if (!wrong && complete)
		wrong = read_length(r, &r->frame_left);
	if (wrong) {
		fail(r, ev, FRAME_CLOSE_PROTOCOL, wrong);
	} else if (complete && (frame_control(r) || begin_data(r, ev))) {
		memcpy(r->mask, r->head + r->head_len - sizeof(r->mask), sizeof(r->mask));
		r->head_len = 0;
		r->state = IN_PAYLOAD;
	}
	return used;
}

/* Unmasks n bytes in place (RFC 6455 section 5.3) and turns the mask on by as many. */
static void unmask(struct frame_reader *r, uint8_t *p, size_t n)
{
	uint8_t turned[8];
	for (size_t i = 0; i < sizeof(turned); i++)
		turned[i] = r->mask[i % 4];
	uint64_t mask;
	memcpy(&mask, turned, sizeof(mask));
	size_t i = 0;
	for (; i + sizeof(mask) <= n; i += sizeof(mask)) {
		uint64_t w;
		memcpy(&w, p + i, sizeof(w));
		w ^= mask;
		memcpy(p + i, &w, sizeof(w));
	}
	for (; i < n; i++)
		p[i] ^= turned[i % 8];
	memcpy(r->mask, turned + n % 4, sizeof(r->mask));
}

/* Accounts for bytes of the current message, as the peer meant them. Returns false with an event. Text
 * is checked before size, so that the outcome doesn't depend on how the bytes were cut. */
static bool check_content(struct frame_reader *r, const void *p, size_t n, struct frame_event *ev)
{
	size_t allowed = r->max_message - r->size;
	if (r->message_opcode == FRAME_OP_TEXT && !utf8_feed(&r->utf8, p, n < allowed ? n : allowed)) {
		fail(r, ev, FRAME_CLOSE_INVALID, "Text is not UTF-8");
		return false;
	}
	if (n > allowed) {
		fail(r, ev, FRAME_CLOSE_TOO_BIG, "Message too big");
		return false;
	}
	r->size += n;
	return true;
}

/* Inflates one frame's bytes into the message, or, binary, into nowhere. Returns false with an event. */
static bool inflate_content(struct frame_reader *r, struct slice in, struct frame_event *ev)
{
	char scratch[INFLATE_CHUNK];
	bool keep = r->message_opcode == FRAME_OP_TEXT;
	bool last = frame_final(r) && r->frame_left == 0;
	enum deflate_result rc;
	do {
		char *out = scratch;
		size_t room = sizeof(scratch);
		if (keep) {
			out = buf_reserve(&r->message, INFLATE_CHUNK);
			room = r->message.cap - r->message.len;
		}
		/* one byte above the cap tells that the message goes on, and is all the work it gets */
		if (room > r->max_message - r->size + 1)
			room = r->max_message - r->size + 1;
		rc = deflate_decode(r->decoder, &in, last, out, &room);
		if (!check_content(r, out, room, ev))
			return false;
		if (keep)
			r->message.len += room;
	} while (rc == DEFLATE_FULL);
	if (rc == DEFLATE_BAD)
		fail(r, ev, FRAME_CLOSE_INVALID, "Compressed data are broken");
	return rc == DEFLATE_OK;
}

/* Ends the message with *payload. */
static void deliver_message(struct frame_reader *r, struct slice payload, struct frame_event *ev)
{
	bool text = r->message_opcode == FRAME_OP_TEXT;
	if (text && !utf8_complete(&r->utf8)) {
		fail(r, ev, FRAME_CLOSE_INVALID, "Text is not UTF-8");
		return;
	}
	struct buf message = r->message;
	r->message = (struct buf){ 0 };
	drop_message(r);
	r->message = message;
	r->delivered = true;
	ev->kind = text ? FRAME_TEXT : FRAME_BINARY;
	ev->payload = text ? payload : (struct slice){ 0 };
}

/* Takes n unmasked bytes of the current data frame; frame_left says what is still missing of it. */
static void take_data(struct frame_reader *r, struct slice bytes, struct frame_event *ev)
{
	bool ends = frame_final(r) && r->frame_left == 0;
	bool whole = ends && r->size == 0; /* all of the message lies in the caller's bytes */
	if (r->decoder) {
		if (!inflate_content(r, bytes, ev))
			return;
		whole = false;
	} else if (!check_content(r, bytes.ptr, bytes.len, ev)) {
		return;
	} else if (!whole && r->message_opcode == FRAME_OP_TEXT) {
		buf_add_slice(&r->message, bytes);
	}
	if (ends)
		deliver_message(r, whole ? bytes : buf_slice(&r->message), ev);
}

bool frame_close_code_valid(uint16_t code)
{
	return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

/* RFC 6455 section 5.5.1: no body, or a code and perhaps a reason. */
static void deliver_close(struct frame_reader *r, struct slice body, struct frame_event *ev)
{
	uint16_t code = FRAME_CLOSE_NO_CODE;
	if (body.len == 1) {
		fail(r, ev, FRAME_CLOSE_PROTOCOL, "Close body of one byte");
		return;
	}
	if (body.len >= 2) {
		code = (uint16_t)((uint8_t)body.ptr[0] << 8 | (uint8_t)body.ptr[1]);
		body = slice_make(body.ptr + 2, body.len - 2);
		if (!frame_close_code_valid(code)) {
			fail(r, ev, FRAME_CLOSE_PROTOCOL, "Close code not allowed");
			return;
		}
		if (!utf8_valid(body.ptr, body.len)) {
			fail(r, ev, FRAME_CLOSE_INVALID, "Close reason is not UTF-8");
			return;
		}
	}
	drop_message(r);
	r->state = DEAD;
	*ev = (struct frame_event){ .kind = FRAME_CLOSE, .code = code, .payload = body };
}

/* Takes unmasked bytes of the current control frame; frame_left says what is still missing of it. */
static void take_control(struct frame_reader *r, struct slice bytes, struct frame_event *ev)
{
	if (r->frame_left > 0 || r->control.len > 0) {
		buf_add_slice(&r->control, bytes);
		bytes = buf_slice(&r->control);
	}
	if (r->frame_left > 0)
		return;
	r->delivered = true;
	ev->payload = bytes;
	if (frame_opcode(r) == FRAME_OP_CLOSE)
		deliver_close(r, bytes, ev);
	else
		ev->kind = frame_opcode(r) == FRAME_OP_PING ? FRAME_PING : FRAME_PONG;
}

static size_t read_payload(struct frame_reader *r, uint8_t *data, size_t len, struct frame_event *ev)
{
	size_t n = len < r->frame_left ? len : (size_t)r->frame_left;
	if (r->decoder && !frame_control(r) && n > INFLATE_STEP)
		n = INFLATE_STEP;
	if (n == 0 && r->frame_left > 0)
		return 0;
	unmask(r, data, n);
	r->frame_left -= n;
	if (r->frame_left == 0)
		r->state = IN_HEAD;
	struct slice bytes = { (const char *)data, n };
	if (frame_control(r))
		take_control(r, bytes, ev);
	else
		take_data(r, bytes, ev);
	return n;
}

size_t frame_reader_feed(struct frame_reader *r, uint8_t *data, size_t len, struct frame_event *ev)
{
	*ev = (struct frame_event){ 0 };
	release_delivered(r);
	size_t used = 0, before = r->size;
	while (used < len && r->state != DEAD && ev->kind == FRAME_NONE) {
		if (r->decoder && r->size - before > INFLATE_SHARE) {
			ev->kind = FRAME_BUSY;
			break;
		}
		if (r->state == IN_HEAD)
			used += read_head(r, data + used, len - used, ev);
		/* an empty payload is complete as soon as its header is */
		if (r->state == IN_PAYLOAD)
			used += read_payload(r, data + used, len - used, ev);
	}
	return r->state == DEAD ? len : used;
}

bool frame_reader_is_idle(const struct frame_reader *r)
{
	return r->state == IN_HEAD && r->head_len == 0 && r->message_opcode == 0;
}

size_t frame_reader_memory(const struct frame_reader *r)
{
	return r->message.cap + r->control.cap + (r->decoder ? DECODER_MEMORY : 0);
}

struct buf frame_reader_take(struct frame_reader *r, const struct frame_event *ev)
{
	struct buf taken = { 0 };
	if (r->message.len > 0 && ev->payload.ptr == r->message.data) {
		taken = r->message;
		r->message = (struct buf){ 0 };
	} else {
		buf_add_slice(&taken, ev->payload);
	}
	return taken;
}

size_t frame_header_encode(uint8_t out[FRAME_HEADER_MAX], enum frame_opcode opcode, bool rsv1, uint64_t len)
{
	size_t width = len < LENGTH_16 ? 0 : len <= UINT16_MAX ? 2 : 8;
	out[0] = (uint8_t)(BIT_FIN | (rsv1 ? BIT_RSV1 : 0) | (unsigned)opcode);
	out[1] = (uint8_t)(width == 0 ? len : width == 2 ? LENGTH_16 : LENGTH_64);
	for (size_t i = 0; i < width; i++)
		out[2 + i] = (uint8_t)(len >> 8 * (width - 1 - i));
	return 2 + width;
}

size_t frame_close_encode(uint8_t out[FRAME_CONTROL_MAX], uint16_t code, struct slice reason)
{
	if (code == FRAME_CLOSE_NO_CODE)
		return 0;
	size_t n = reason.len;
	if (n > FRAME_CONTROL_MAX - 2) {
		n = FRAME_CONTROL_MAX - 2;
		while (n > 0 && ((uint8_t)reason.ptr[n] & 0xc0) == 0x80)
			n--;
	}
	out[0] = (uint8_t)(code >> 8);
	out[1] = (uint8_t)code;
	if (n)
		memcpy(out + 2, reason.ptr, n);
	return 2 + n;
}
