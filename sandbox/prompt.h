/* prompt.h: an execute message taken apart. Pure. */
#ifndef CRAFT_SANDBOX_PROMPT_H
#define CRAFT_SANDBOX_PROMPT_H

#include "lib/json.h"

/* Appends what the agent is told: the context, if any, the task (or prompt), and notes, if any, paragraph by paragraph.
 * Code points that UTF-8 can't hold become U+FFFD. */
void prompt_text(struct slice message, struct slice notes, struct buf *out);

/* Where the attachments begin; there may be none. They are looked for once: the message may be big, and they many. */
struct json_iter prompt_attachments(struct slice message);
/* The next attachment. name: a file name without any directory, made safe and short. False: there is none. */
struct attachment {
	struct buf name, type, bytes;
	bool malformed; /* the content isn't base64 */
};
bool prompt_attachment(struct json_iter *attachments, struct attachment *attachment);
void attachment_free(struct attachment *attachment);

/* A text field of the message, decoded; false: it isn't there, null or empty. */
bool prompt_field(struct slice message, const char *name, struct buf *out);

#endif
