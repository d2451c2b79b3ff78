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
struct seats;
struct spool;
struct workspace_keys;

/* What the master gives a worker. */
struct worker_share {
	const struct conf *conf;
	int listen_fd;	       /* non-blocking */
	struct bounds *bounds; /* shared with the others, as the rest; NULL: none */
	struct counts *counts; /* where it counts; NULL: nowhere */
	struct spool *spool;   /* where answers wait for slow readers; NULL: they are waited for */
	struct seats *seats;   /* NULL: nobody counts whom it serves */
	size_t seat;	       /* its own of them */
	bool reserve;	       /* it serves only while all others of its pool are in long requests */
};

struct service {
	const struct conf *conf;
	struct bounds *bounds; /* the workers' common ones; NULL: none */
	struct counts *counts; /* where it counts; NULL: nowhere */
	struct spool *spool;   /* where answers wait for slow readers; NULL: they are waited for */
	struct seats *seats;   /* which workspace has which worker; NULL: nobody counts */
	size_t seat;	       /* this worker's */
	size_t seat_waiters;   /* requests that this worker keeps until their workspace may have another one */
	struct auth_keys keys;
	struct seal_key seal_keys[2]; /* ENCRYPTION_KEY, and the one before it */
	size_t seal_key_count;
	struct workspace_keys *workspace_keys;
	struct github *github; /* NULL: see service_github() */
	struct answer_cache *answers;
	struct blobs blobs; /* not open: see service_blobs() */
};

void service_init(struct service *s, const struct worker_share *share);
void service_free(struct service *s);

/* Opens the directory of blobs where that has failed so far. False: it can't be used now, logged. */
bool service_blobs(struct service *s, const char *request_id);

/* The connection to GitHub, made when it is first needed. NULL: libcurl can't be used, logged. */
struct github *service_github(struct service *s);

#endif
