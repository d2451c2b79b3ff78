/* record.h: records of FastCGI, written without libfcgi: it sends no more than 8 KB at once. */
#ifndef CRAFT_FCGI_RECORD_H
#define CRAFT_FCGI_RECORD_H

#include "output.h"

/* Writes head and then body as FCGI_STDOUT records (FastCGI specification 3.3 and 6.4) of request id. Empty ones write
 * nothing. False: out->state says why. */
bool record_write(struct output *out, int id, struct slice head, struct slice body);
/* The end of the answer, and of the request: an empty FCGI_STDOUT record, and FCGI_END_REQUEST (5.5). */
bool record_end(struct output *out, int id);
/* A record of a version that doesn't exist (3.3): whoever reads it gives the answer up. */
bool record_bad(struct output *out);

#endif
