/* mask.h: secrets taken out of text that goes into a log. Pure. */
#ifndef CRAFT_SANDBOX_MASK_H
#define CRAFT_SANDBOX_MASK_H

#include "lib/buf.h"

/* Appends the text with what looks like a key of Anthropic's (sk-ant-…) or a token of GitHub's (gho_…, ghp_…,
 * github_pat_… and the like) replaced by its beginning and three asterisks. What runs in a box has neither; a
 * repository's files may. */
void mask_secrets(struct buf *out, struct slice text);

#endif
