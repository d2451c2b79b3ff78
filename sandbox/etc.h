/* etc.h: the files of /etc in the box: made from nothing for each instance; what is bound from the host is on a list,
 * what programs of /usr keep there is copied (etc_links.h). */
#ifndef CRAFT_ETC_H
#define CRAFT_ETC_H

#include "lib/conf.h"

/* What of the host's /etc is seen in the box, read-only, where it exists: nothing that tells about the host. */
struct etc_host_path {
	const char *name; /* below /etc */
	bool directory;
};
extern const struct etc_host_path etc_host_paths[]; /* ends with a name of NULL */

/* Writes all files into dir, an existing directory that belongs to the daemon, replacing what is there. */
bool etc_write(const char *dir, const struct conf *conf, struct buf *error);

#endif
