/* presentation.h: how a browser is told to take users' bytes: shown where that is safe, a download where not, and never
 * as something that runs as our site. */
#ifndef CRAFT_FCGI_PRESENTATION_H
#define CRAFT_FCGI_PRESENTATION_H

#include "request.h"
#include "response.h"

/* Appends the Content-Type for a stored media type: as stored, but text gets the charset that it doesn't name when a
 * person is about to look at it. What can't stand in a header (a row that was made past the checks) is
 * MEDIA_TYPE_DEFAULT. */
void presentation_type(const struct request *req, struct slice media_type, struct buf *out);

/* Adds Vary, and Content-Security-Policy and Content-Disposition, for a file called name. */
void presentation_headers(const struct request *req, struct slice media_type, struct slice name, struct response *res);
/* Vary alone, for an answer without the bytes. */
void presentation_vary(const struct request *req, struct slice media_type, struct response *res);

#endif
