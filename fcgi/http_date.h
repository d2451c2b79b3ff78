/* http_date.h: dates in HTTP headers (RFC 9110 section 5.6.7). */
#ifndef CRAFT_FCGI_HTTP_DATE_H
#define CRAFT_FCGI_HTTP_DATE_H

#include "buf.h"

#define HTTP_DATE_SIZE 30 /* "Sun, 06 Nov 1994 08:49:37 GMT" and a NUL */

/* Seconds since 1970 as IMF-fixdate, whatever the locale. */
void http_date_format(int64_t seconds, char out[static HTTP_DATE_SIZE]);
/* Reads any of the three formats. False: none of them. */
bool http_date_parse(struct slice text, int64_t *seconds);

#endif
