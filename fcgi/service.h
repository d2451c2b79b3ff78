/* service.h: what a worker has for all its requests. */
#ifndef CRAFT_FCGI_SERVICE_H
#define CRAFT_FCGI_SERVICE_H

#include "auth.h"
#include "blobs.h"
#include "conf.h"

struct service {
	const struct conf *conf;
	struct auth_keys keys;
	struct blobs blobs; /* not open: see service_blobs() */
};

/* Opens the directory of blobs where that has failed so far. False: it can't be used now, logged. */
bool service_blobs(struct service *s, const char *request_id);

#endif
