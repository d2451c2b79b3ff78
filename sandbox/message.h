/* message.h: the bodies of messages to clients (PROTOCOL section 7), as JSON. Pure. Text that comes out of a box is any
 * bytes: what is no UTF-8 becomes U+FFFD. */
#ifndef CRAFT_SANDBOX_MESSAGE_H
#define CRAFT_SANDBOX_MESSAGE_H

#include "draft.h"

void message_complete(struct buf *out, int exit_code);
void message_error(struct buf *out, const char *text);
/* detail: why it is so; NULL: nothing to say. */
void message_status(struct buf *out, const char *status, const char *detail);
/* A decision of the allow-list, beside the status as it is. */
void message_egress(struct buf *out, const char *status, struct slice kind, struct slice host, struct slice reason);

/* Those that may be big. But for stream they come with what is said when they can't be stored. */
void message_stream(struct draft *out, struct slice line);
/* What stands for a line of so many bytes that can't be sent. */
void message_left_out(struct buf *out, size_t bytes);
void message_result(struct draft *out, bool success, struct slice output, struct slice diff, struct slice notes);
void message_diff(struct draft *out, struct slice diff, struct slice notes);

/* An answer to a tool. id: JSON as the client sent it. error: empty when success. */
struct tool_result {
	struct slice id;
	bool success;
	struct slice output;
	struct slice error;
	int exit_code; /* negative: not sent */
};
void message_tool_result(struct draft *out, const struct tool_result *result);

#endif
