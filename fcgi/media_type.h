/* media_type.h: what is stored as a file's Content-Type, and which types a browser could run as a document of ours. */
#ifndef CRAFT_FCGI_MEDIA_TYPE_H
#define CRAFT_FCGI_MEDIA_TYPE_H

#include "buf.h"

#define MEDIA_TYPE_DEFAULT "application/octet-stream"
#define MEDIA_TYPE_MAX 255 /* bytes */

/* May the value be stored and sent back as it is: printable ASCII of at most MEDIA_TYPE_MAX bytes? */
bool media_type_storable(struct slice type);

/* Could a browser that navigates there run or render it as active content: HTML, XML and SVG of any kind, scripts,
 * style sheets, multipart and message types, or anything that is no well-formed type/subtype? Case doesn't matter. */
bool media_type_active(struct slice type);

/* Appends the value of a Content-Disposition (RFC 6266) that makes it a download called name (UTF-8): filename as
 * quoted ASCII with '_' for what doesn't fit, and filename* (RFC 8187). */
void media_type_attachment(struct buf *out, struct slice name);

#endif
