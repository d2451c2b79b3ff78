/* byte_range.h: the Range of a request (RFC 9110 section 14.2), for bytes that craft-fcgi sends itself. As nginx has it
 * with max_ranges 1: one range is honoured, several are answered with everything. */
#ifndef CRAFT_FCGI_BYTE_RANGE_H
#define CRAFT_FCGI_BYTE_RANGE_H

#include "buf.h"

enum byte_range_result {
	BYTE_RANGE_ALL,	  /* none was asked for, or nothing that we know: everything is to be sent */
	BYTE_RANGE_PART,  /* *first to *last are to be sent, with 206 */
	BYTE_RANGE_BEYOND /* it lies behind the last byte: 416 */
};

/* What the value of a Range header, which may be empty, asks for of `size` bytes. */
enum byte_range_result byte_range_parse(struct slice value, uint64_t size, uint64_t *first, uint64_t *last);

#endif
