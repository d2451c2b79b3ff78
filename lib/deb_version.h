/* deb_version.h: comparing versions as Debian does it (deb-version(7)). */
#ifndef CRAFT_DEB_VERSION_H
#define CRAFT_DEB_VERSION_H

#include "buf.h"

/* Below 0, 0 or above 0 as a is older than, equal to or newer than b: [epoch:]upstream[-revision]. A version of a
 * program itself is one without epoch and revision. */
int deb_version_compare(struct slice a, struct slice b);

#endif
