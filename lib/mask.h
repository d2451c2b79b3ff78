/* mask.h: keys in what is about to be logged, where nobody looked for one: in a path because of a forgotten '?', say.
 */
#ifndef CRAFT_MASK_H
#define CRAFT_MASK_H

#include "buf.h"

#define MASK "***"

/* A text to mask from now on, besides those that are known by their form; it is copied. NULL: none. At most
 * MASK_SECRETS. */
#define MASK_SECRETS 2
void mask_secret(const char *text);

/* Appends text with a mask for each workspace's key ("cak_…": api_key.h), for what stands behind "apiKey=", and for the
 * secrets; percent-encoded ones too. A mask reaches to the next slash, space or other separator of a URL or a log line.
 */
void mask_keys(struct buf *out, struct slice text);

#endif
