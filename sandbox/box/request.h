/* request.h: reading one packet of box_protocol.h with the descriptors that came with it. */
#ifndef CRAFT_BOX_REQUEST_H
#define CRAFT_BOX_REQUEST_H

#include "../box_protocol.h"

/* Arguments and variables in all. */
#define REQUEST_MAX_TEXTS 50000

struct request {
	struct box_message message;
	char **argv, **environment; /* NULL behind the last; valid until the next request */
	int stdio[3];		    /* -1: none */
	char *pointers[REQUEST_MAX_TEXTS + 2];
	char packet[sizeof(struct box_message) + BOX_MAX_TEXTS];
};

enum request_outcome {
	REQUEST_READ,
	REQUEST_NONE, /* nothing there, or nothing that makes sense; nothing is open */
	REQUEST_GONE  /* the other side has closed, or sent a packet of no bytes; nothing is open */
};

/* Receives one packet. After REQUEST_READ: request_close(). */
enum request_outcome request_receive(struct request *r, int control);
void request_close(struct request *r);

#endif
