/* etc_links.h: Debian's packages keep files of programs in /etc (the JDK, Maven, Chromium) and reach them by links from
 * /usr. Which of them a box may see, and their copies. */
#ifndef CRAFT_ETC_LINKS_H
#define CRAFT_ETC_LINKS_H

#include <stdbool.h>

#include "lib/buf.h"

/* May this path below /etc be seen in a box, by its name? Nothing of the host's own configuration, of services, users
 * and keys. Pure. */
bool etc_links_admitted(const char *path);
/* Appends the paths below etc that links below usr lead to, each with a NUL behind it, the admitted ones only. The
 * links speak of /usr and /etc, wherever these are: tests have others. */
void etc_links_find(const char *usr, const char *etc, struct buf *paths);
/* Copies those paths, and what some programs read without a link, into the directory: regular files and directories
 * that are root's and that everybody may read, and links; what isn't so, or isn't admitted, is left out. False: errno.
 */
bool etc_links_copy(const char *etc, struct slice paths, int directory);
/* The same of the host. Its links are looked for at the first call, and again when packages have changed. From any
 * thread. */
bool etc_links_copy_host(int directory);

#endif
