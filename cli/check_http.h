/* check_http.h: asks the server as a client does. */
#ifndef CRAFT_CHECK_HTTP_H
#define CRAFT_CHECK_HTTP_H

#include "buf.h"

/* GET <url>/ without a key answers as our service does. ca_file may be NULL. False: *error says what came instead. */
bool check_http(const char *url, const char *ca_file, struct buf *error);

#endif
