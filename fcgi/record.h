/* record.h: records of FastCGI, written without libfcgi: it sends no more than 8 KB at once. */
#ifndef CRAFT_FCGI_RECORD_H
#define CRAFT_FCGI_RECORD_H

#include "buf.h"

/* Writes head and then body as FCGI_STDOUT records (FastCGI specification 3.3 and 6.4) of request id to the blocking
 * socket fd, between which and libfcgi nothing may be buffered. Empty ones write nothing. False: the peer is gone. */
bool record_write(int fd, int id, struct slice head, struct slice body);

#endif
