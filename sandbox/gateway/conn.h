/* conn.h: one connection from the box: buffered reading, whole writes, each with a deadline. The descriptor doesn't
 * block; the functions do. */
#ifndef CRAFT_GATEWAY_CONN_H
#define CRAFT_GATEWAY_CONN_H

#include <sys/uio.h>

#include "lib/buf.h"

#define CONN_BUFFER 65536

/* fd stays its owner's. All zero but fd is valid; free it with conn_free(). */
struct conn {
	int fd;
	char *buffer;
	size_t start, end; /* of what was read and not used yet */
};

void conn_free(struct conn *c);

/* Waits until fd is ready for the events (poll(2)) or the deadline (clock_ms()) has passed: false. */
bool conn_wait(int fd, short events, int64_t deadline);

enum conn_result { CONN_OK, CONN_END, CONN_TIMEOUT, CONN_BROKEN };

/* Reads more behind what is there, which must be less than CONN_BUFFER. CONN_END: the client sends no more. */
enum conn_result conn_fill(struct conn *c, int64_t deadline);
struct slice conn_pending(const struct conn *c);
/* The first n bytes of what is pending are used up. */
void conn_use(struct conn *c, size_t n);

/* Writes all of it to a descriptor that doesn't block; each byte may wait `idle` ms. parts is changed. */
bool write_all(int fd, struct iovec *parts, size_t count, int64_t idle);
bool conn_write(const struct conn *c, struct slice bytes);

/* Ends sending, and reads what still comes for a moment, so that the client gets to read the answer. */
void conn_linger(struct conn *c);
/* Has the client closed its end? */
bool conn_gone(const struct conn *c);

#endif
