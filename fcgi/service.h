/* service.h: what a worker has for all its requests. */
#ifndef CRAFT_FCGI_SERVICE_H
#define CRAFT_FCGI_SERVICE_H

#include "auth.h"
#include "blobs.h"
#include "conf.h"
#include "seal.h"

struct github;
struct answer_cache;
struct bounds;
struct counts;
struct workspace_keys;

struct service {
	const struct conf *conf;
	struct bounds *bounds; /* the workers' common ones; NULL: none */
	struct counts *counts; /* where it counts; NULL: nowhere */
	struct auth_keys keys;
	struct seal_key seal_keys[2]; /* ENCRYPTION_KEY, and the one before it */
	size_t seal_key_count;
	struct workspace_keys *workspace_keys;
	struct github *github; /* NULL: see service_github() */
	struct answer_cache *answers;
	struct blobs blobs; /* not open: see service_blobs() */
};

void service_init(struct service *s, const struct conf *conf, struct bounds *bounds, struct counts *counts);
void service_free(struct service *s);

/* Opens the directory of blobs where that has failed so far. False: it can't be used now, logged. */
bool service_blobs(struct service *s, const char *request_id);

/* The connection to GitHub, made when it is first needed. NULL: libcurl can't be used, logged. */
struct github *service_github(struct service *s);

#endif
