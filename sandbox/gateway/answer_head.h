/* answer_head.h: the head of a server's answer on its way to the box: read line by line, cleaned, written. Pure. */
#ifndef CRAFT_GATEWAY_ANSWER_HEAD_H
#define CRAFT_GATEWAY_ANSWER_HEAD_H

#include "lib/buf.h"

#define ANSWER_HEAD_MAX 65536

/* All zero: nothing came yet. */
struct answer_head {
	long status;
	bool coded;	   /* it came with a transfer coding, which says how long it is */
	bool chunked;	   /* set by answer_head_write(): the body has to be written in chunks */
	struct buf length; /* digits; empty: none was named */
	struct buf fields;
};

enum answer_head_result { ANSWER_HEAD_MORE, ANSWER_HEAD_WHOLE, ANSWER_HEAD_TOO_LARGE };

/* Takes a line as it came, with its CR LF: status line, field or the empty one. Fields of the connection, cookies and
 * what isn't well-formed are left out, and those with `secret` in their name; where it stands in a value, asterisks
 * take its place. Answers below 200 are passed over. ANSWER_HEAD_WHOLE: the head of the real answer is there. */
enum answer_head_result answer_head_add(struct answer_head *a, struct slice line, struct slice secret);
/* Appends it as the client gets it. */
void answer_head_write(struct answer_head *a, struct buf *out, bool close);
void answer_head_free(struct answer_head *a);

#endif
