/* handshake.h: the HTTP/1.1 side of a WebSocket connection (RFC 6455 section 4.2, RFC 9110, RFC 9112):
 * parses the upgrade request and builds the answers, as functions over bytes.
 *
 * Two steps, so that the caller can authenticate between them: handshake_parse() reads the request as
 * HTTP, handshake_verify() checks that it is a proper WebSocket upgrade.
 */
#ifndef CRAFT_HANDSHAKE_H
#define CRAFT_HANDSHAKE_H

#include "lib/buf.h"

/* Longest request head that is read; one that is longer gets status 431. */
#define HANDSHAKE_HEAD_MAX 16384

enum handshake_result {
	HANDSHAKE_MORE, /* the head isn't complete: call again with more bytes */
	HANDSHAKE_OK,
	HANDSHAKE_BAD, /* answer with status and error, then close */
};

/* A request. All zero before the first call of handshake_parse(). The slices point into the bytes
 * given to the call that returned HANDSHAKE_OK, and are empty (ptr NULL) for headers that are absent. */
struct handshake {
	struct slice method;
	struct slice target; /* as it came: starts with '/', path and query, undecoded, no blanks or controls */
	struct slice host;   /* never absent */
	struct slice authorization;
	struct slice origin;
	struct slice request_id; /* X-Request-Id */
	struct slice real_ip;	 /* X-Real-IP */
	struct slice key;	 /* Sec-WebSocket-Key */
	struct slice version;	 /* Sec-WebSocket-Version */
	struct slice content_length;
	size_t head_len;	 /* bytes of the head with its empty line; frames may follow */
	bool upgrade;		 /* Upgrade names websocket */
	bool connection_upgrade; /* Connection names upgrade */
	bool deflate;		 /* an acceptable permessage-deflate was offered */
	uint8_t deflate_window;	 /* the server_max_window_bits of that offer, 0 without: below 15 the server
				  * may not send anything compressed with the usual window */
	uint16_t status;	 /* of HANDSHAKE_BAD: HTTP status */
	const char *error;	 /* of HANDSHAKE_BAD: a static text for the client */
	size_t scanned;		 /* handshake.c's own: how far earlier calls looked */
};

/* Looks at all the bytes received so far (they may have moved between calls). HANDSHAKE_OK: the
 * request is well-formed HTTP/1.1 without a body and its fields are set. HANDSHAKE_BAD, as soon as it
 * is certain, with status
 *   400  syntax: bare CR or LF, folded lines, blanks in names, control bytes; Host missing or twice;
 *        another single-valued header twice; a body; a malformed Sec-WebSocket-Extensions
 *   431  the head is longer than HANDSHAKE_HEAD_MAX
 *   505  another version than HTTP/1.x with x >= 1
 * Not an error here: another method than GET, a request that asks for no upgrade. */
enum handshake_result handshake_parse(struct handshake *hs, const char *data, size_t len)
	__attribute__((warn_unused_result));

/* Checks a request that handshake_parse() accepted against RFC 6455 section 4.2.1. Returns HANDSHAKE_OK,
 * or HANDSHAKE_BAD with status
 *   405  not GET
 *   426  no Upgrade: websocket, or another version than 13
 *   400  no Connection: upgrade; Sec-WebSocket-Key missing or not 16 bytes of base64 */
enum handshake_result handshake_verify(struct handshake *hs) __attribute__((warn_unused_result));

/* Appends the 101 answer (RFC 6455 section 4.2.2): Sec-WebSocket-Accept, and, when hs->deflate is set,
 * the extension as agreed: permessage-deflate without context takeover in either direction. Clear
 * hs->deflate before to decline it. Returns false, nothing appended, if no SHA-1 is to be had. */
bool handshake_accept(const struct handshake *hs, struct buf *out) __attribute__((warn_unused_result));

/* Appends a whole error response: the status line, the headers that the status demands (401
 * WWW-Authenticate, 405 Allow, 426 Upgrade and Sec-WebSocket-Version), Connection: close, and the body
 * {"error":text}. text is UTF-8. */
void handshake_error(struct buf *out, uint16_t status, const char *text);

#endif
