/* file_name.h: which names files, assets, and their workspaces and sessions may have (PROTOCOL section 4). */
#ifndef CRAFT_FCGI_FILE_NAME_H
#define CRAFT_FCGI_FILE_NAME_H

#include "buf.h"

#define FILE_NAME_MAX 255  /* bytes of one part */
#define FILE_PATH_MAX 1024 /* bytes of an asset's path */

/* NULL when the decoded name (valid UTF-8) may be used, else what is wrong with it, to stand behind its kind:
 * "is empty", "is longer than 255 bytes", "is . or ..", "holds a slash", "holds a control character" (U+0000 to U+001F,
 * U+007F). */
const char *file_name_fault(struct slice name);

#endif
