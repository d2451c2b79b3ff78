/* frame.h: WebSocket framing (RFC 6455, with permessage-deflate of RFC 7692) as functions over bytes:
 * a reader that turns what a client sends into messages, and encoders for what a server sends.
 *
 * No sockets, no clock, no globals. How a connection uses the reader:
 *
 *	struct frame_event ev;
 *	do {
 *		size_t n = frame_reader_feed(&reader, data, len, &ev);
 *		data += n;
 *		len -= n;
 *		... act on ev; ev.payload is good until the next call for this reader ...
 *	} while (ev.kind != FRAME_NONE);
 *
 * The last round has nothing to read; it releases the memory of the last message.
 */
#ifndef CRAFT_FRAME_H
#define CRAFT_FRAME_H

#include "lib/buf.h"
#include "lib/utf8.h"

/* RFC 6455 section 5.2, opcodes. */
enum frame_opcode {
	FRAME_OP_CONTINUATION = 0,
	FRAME_OP_TEXT = 1,
	FRAME_OP_BINARY = 2,
	FRAME_OP_CLOSE = 8,
	FRAME_OP_PING = 9,
	FRAME_OP_PONG = 10,
};

/* RFC 6455 section 7.4.1 and the IANA registry, the codes that we use. */
enum frame_close_code {
	FRAME_CLOSE_NORMAL = 1000,
	FRAME_CLOSE_GOING_AWAY = 1001,
	FRAME_CLOSE_PROTOCOL = 1002,
	FRAME_CLOSE_NO_CODE = 1005,  /* never on the wire: the Close frame had no body */
	FRAME_CLOSE_ABNORMAL = 1006, /* never on the wire: there was no Close frame */
	FRAME_CLOSE_INVALID = 1007,  /* text that isn't UTF-8, data that don't inflate */
	FRAME_CLOSE_POLICY = 1008,
	FRAME_CLOSE_TOO_BIG = 1009,
	FRAME_CLOSE_INTERNAL = 1011,
	FRAME_CLOSE_RESTART = 1012,
	FRAME_CLOSE_TRY_LATER = 1013,
};

enum frame_kind {
	FRAME_NONE,   /* nothing complete: feed more */
	FRAME_TEXT,   /* payload: the whole message, valid UTF-8, inflated */
	FRAME_BINARY, /* a whole binary message went by; its bytes are not kept: payload is empty */
	FRAME_PING,   /* payload: up to 125 bytes to send back in a Pong */
	FRAME_PONG,   /* payload as it came */
	FRAME_CLOSE,  /* the peer closes: code (1005 if it gave none) and payload (its reason, UTF-8) */
	FRAME_FAIL,   /* the peer broke the protocol: send a Close with code and reason, then disconnect */
	FRAME_BUSY,   /* nothing complete, and bytes are left: feed them again, now or after others had a turn */
};

struct frame_event {
	enum frame_kind kind;
	uint16_t code;	      /* of CLOSE and FAIL, else 0 */
	const char *reason;   /* of FAIL: a static sentence, under 100 bytes; else NULL */
	struct slice payload; /* good until the next call of feed, take or free for this reader */
};

struct deflate_decoder;

/* Reads one client's frames. Embed it; the fields are frame.c's own. Between messages it holds no
 * other memory; within one, the bytes received so far (never what a length only announces) and, if it
 * is compressed, a decoder of about 40 KB. */
struct frame_reader {
	size_t max_message;		 /* bytes of a message, inflated */
	uint64_t frame_left;		 /* payload bytes of the current frame still to come */
	uint64_t wire;			 /* payload bytes that the current message's frames announced so far */
	size_t size;			 /* bytes of the current message so far, inflated */
	struct buf message;		 /* text of the current message, or the delivered one */
	struct buf control;		 /* payload of a control frame that came in pieces */
	struct deflate_decoder *decoder; /* while a compressed message is in progress */
	struct utf8 utf8;		 /* where in a character the text stands */
	uint8_t state;
	uint8_t head_len;	/* bytes in head */
	uint8_t head[14];	/* the current frame's header as far as it came */
	uint8_t mask[4];	/* turned so that mask[0] meets the next payload byte */
	uint8_t message_opcode; /* FRAME_OP_TEXT or _BINARY while a message is in progress, else 0 */
	bool deflate;		/* permessage-deflate was negotiated */
	bool delivered;		/* message and control belong to the last event: release them */
};

/* max_message is the cap on one message in bytes, counted after inflating; below 2^62. deflate: the handshake
 * agreed on permessage-deflate. */
void frame_reader_init(struct frame_reader *r, size_t max_message, bool deflate);

/* Releases what the reader holds. It can be initialised again. */
void frame_reader_free(struct frame_reader *r);

/* Takes bytes from the connection, up to the end of one message or control frame, and says in *ev what
 * they made. Returns the number of bytes taken; all of them when ev->kind is FRAME_NONE, FAIL or
 * CLOSE. What inflates to much is taken in part (FRAME_BUSY): a call inflates some 500 KB at most, however
 * little data say so. The payload is unmasked in place: the bytes taken are changed. A message that came in one
 * frame wholly inside `data` is not copied: ev->payload points into data. data may be NULL when len
 * is 0; such a call only releases the memory of the last event.
 * Errors come as FRAME_FAIL, as early as the bytes make them certain:
 *   1002  reserved bits or opcodes, frames not masked, control frames fragmented or over 125 bytes,
 *         lengths not in the shortest form or above 2^63, continuation rules (RFC 6455 sections 5.1 to
 *         5.5), Close bodies of one byte or with a code that must not be sent (section 7.4)
 *   1007  text or a close reason that isn't UTF-8 (section 8.1), data that don't inflate
 *   1009  a message above max_message; compressed, also one whose compressed form is longer than any
 *         real compressor makes of max_message bytes
 * RSV1 is allowed on the first frame of a message when deflate was negotiated (RFC 7692 section 6).
 * After FRAME_CLOSE or FRAME_FAIL every further byte is dropped and nothing more is produced. */
size_t frame_reader_feed(struct frame_reader *r, uint8_t *data, size_t len, struct frame_event *ev);

/* Is nothing of a frame or message there? */
bool frame_reader_is_idle(const struct frame_reader *r);

/* Bytes of memory that it holds. */
size_t frame_reader_memory(const struct frame_reader *r);

/* Makes the payload of the event that feed just returned the caller's: an assembled message is handed
 * over, one inside the caller's data is copied. The caller frees the result with buf_free(). */
struct buf frame_reader_take(struct frame_reader *r, const struct frame_event *ev) __attribute__((warn_unused_result));

#define FRAME_HEADER_MAX 10
#define FRAME_CONTROL_MAX 125

/* Writes the header of an unmasked, final frame with len payload bytes (RFC 6455 section 5.2); rsv1
 * marks a compressed message. Returns its length: 2, 4 or 10. */
size_t frame_header_encode(uint8_t out[FRAME_HEADER_MAX], enum frame_opcode opcode, bool rsv1, uint64_t len);

/* Writes the body of a Close frame (RFC 6455 section 5.5.1): the code, and the reason cut to what fits
 * without splitting a UTF-8 character. Code 1005 makes an empty body. Returns its length. The result
 * is to be sent with frame_header_encode(…, FRAME_OP_CLOSE, …). */
size_t frame_close_encode(uint8_t out[FRAME_CONTROL_MAX], uint16_t code, struct slice reason);

/* Whether a Close frame on the wire may carry the code: 1000-1003, 1007-1014, 3000-4999. */
bool frame_close_code_valid(uint16_t code);

#endif
