/* ws_client.h: the client's side of a WebSocket (RFC 6455), as far as a load program needs it: masked text
 * frames out, whole unmasked frames in, no extensions. What can't be gone on with ends the program. */
#ifndef CRAFT_BENCH_WS_CLIENT_H
#define CRAFT_BENCH_WS_CLIENT_H

#include "buf.h"

/* A text frame that is built once and then changed in place: what is sent again and again costs no copy and
 * no masking. All zero is empty; buf_free(&m.bytes) releases it. */
struct ws_message {
	struct buf bytes; /* room for the head, then the payload, masked */
	size_t head;	  /* where the head begins, once ws_message_frame() wrote it */
};

#define WS_NUMBER_MIN 1000000000u /* numbers have ten digits, so that any fits in any other's place */

void ws_message_begin(struct ws_message *m);
void ws_message_add(struct ws_message *m, const char *text);
/* Appends WS_NUMBER_MIN. Returns its place, for ws_message_set_number(). */
size_t ws_message_add_number(struct ws_message *m);
void ws_message_set_number(struct ws_message *m, size_t place, uint32_t offset); /* WS_NUMBER_MIN + offset */
size_t ws_message_len(const struct ws_message *m);
void ws_message_cut(struct ws_message *m, size_t len); /* drops what lies behind len bytes of payload */
/* The whole frame; valid until the message is changed. */
struct slice ws_message_frame(struct ws_message *m);

#define WS_PEEK 160

struct ws_client {
	int fd;
	struct slice unsent; /* the rest of a message's frame: the message may not change before it is empty */
	uint8_t head[14];    /* of the incoming frame */
	size_t head_len;
	bool in_payload, pong_due;
	uint64_t left;	    /* bytes of its payload still to come */
	char peek[WS_PEEK]; /* the first bytes of its payload */
	size_t peek_len;
};

/* Connects to a unix socket (an address with a '/') or HOST:PORT, asks for `target` with the key, and reads
 * the 101. The socket doesn't block from then on. */
void ws_client_open(struct ws_client *c, const char *address, const char *target, const char *key);
void ws_client_close(struct ws_client *c);

/* Sends a message, or the rest of one. True: all of it left. */
bool ws_client_send(struct ws_client *c, struct ws_message *m);
bool ws_client_flush(struct ws_client *c);

/* Reads once; on_text gets the first bytes (at most WS_PEEK) of each text message that is complete. */
void ws_client_receive(struct ws_client *c, void (*on_text)(void *user, struct slice peek), void *user);

/* Prints the sentence and exits with 1. */
_Noreturn void die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
