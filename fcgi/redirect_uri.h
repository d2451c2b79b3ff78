/* redirect_uri.h: where the browser may be sent after GitHub's consent page (PROTOCOL section 5). */
#ifndef CRAFT_FCGI_REDIRECT_URI_H
#define CRAFT_FCGI_REDIRECT_URI_H

#include "buf.h"

#define REDIRECT_URI_MAX 2048 /* bytes */

/* craft-agent://…, http://localhost[:port][/…], http://127.0.0.1[:port][/…], http://[::1][:port][/…], or what `allow` lists: URIs with spaces
 * between them, NULL when there are none, each for itself and the paths below it (same scheme, host and port; any port where the host is one of those three).
 * Parsed by RFC 3986: no user, no fragment, nothing that isn't a URI's character (so neither CR, LF, space nor
 * backslash), no segment . or .. in the path, at most REDIRECT_URI_MAX bytes. */
bool redirect_uri_allowed(struct slice uri, const char *allow);

/* Appends ?name=value, or &name=value where the URI in the buffer has a query already; both percent-encoded. */
void redirect_uri_add(struct buf *uri, const char *name, struct slice value);

#endif
