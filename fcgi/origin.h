/* origin.h: what URLs that lead to this server begin with. */
#ifndef CRAFT_FCGI_ORIGIN_H
#define CRAFT_FCGI_ORIGIN_H

#include "request.h"

/* Appends PUBLIC_URL, or scheme and host of the request. STATUS_BAD_FIELD: the request has no usable Host. */
enum status origin_add(struct request *req, struct buf *out) __attribute__((warn_unused_result));

/* Appends the path of PUBLIC_URL, which a proxy in front has taken off; mostly none. */
void origin_add_path(const struct request *req, struct buf *out);

#endif
