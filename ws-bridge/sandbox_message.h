/* sandbox_message.h: what a client of a sandbox may send, checked and taken apart. Pure: text in, slices out. */
#ifndef CRAFT_SANDBOX_MESSAGE_H
#define CRAFT_SANDBOX_MESSAGE_H

#include "lib/buf.h"

enum sandbox_request {
	SANDBOX_BAD,
	SANDBOX_PING,
	SANDBOX_HEARTBEAT,
	SANDBOX_EXECUTE,
	SANDBOX_TOOL,
	SANDBOX_CANCEL,
	SANDBOX_DIFF,
};

/* What a request does: a read-only key may only listen. */
enum sandbox_effect { SANDBOX_LISTENS, SANDBOX_CHANGES };

/* Longest id of a tool request, as JSON text. */
#define SANDBOX_MAX_ID 4096
/* How many members are known. */
#define SANDBOX_MEMBERS 10

struct sandbox_message {
	enum sandbox_request kind;
	bool tool;	  /* it is, or wanted to be, a tool request: what goes wrong is told in a tool_result */
	struct slice id;  /* of a tool or cancel: JSON text of a string or number, inside the message; ptr NULL: none */
	const char *name; /* the tool's; static */
	const char *error; /* of SANDBOX_BAD: for the client; static, or in *why */
	struct slice members[SANDBOX_MEMBERS]; /* those that are known, for sandbox_message_store() */
};

/* Any text. The result's slices point into it. why: empty; what is wrong, where that is said in words of the moment. */
struct sandbox_message sandbox_message_parse(struct slice text, struct buf *why);

/* Appends what is stored of a message, whose text must still be there: the members that its request knows, each once,
 * as they came. */
void sandbox_message_store(const struct sandbox_message *m, struct buf *out);

/* Appends the answer to a request that can't be done: a tool_result for a tool, else an error. */
void sandbox_message_refusal(struct buf *out, bool tool, struct slice id, const char *text);

/* The name under which clients and the database know the request. */
const char *sandbox_request_name(enum sandbox_request kind);
enum sandbox_effect sandbox_request_effect(enum sandbox_request kind);
/* The i-th request, and the i-th tool, by name; NULL: there are no more. */
const char *sandbox_request_at(size_t i);
const char *sandbox_tool_at(size_t i);

#endif
