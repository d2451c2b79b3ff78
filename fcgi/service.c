/* service.c: what a worker has for all its requests. */
#include "service.h"

#include <errno.h>

#include <openssl/crypto.h>

#include "answer_cache.h"
#include "bounds.h"
#include "counts.h"
#include "github.h"
#include "log.h"
#include "workspace_keys.h"

void service_init(struct service *s, const struct worker_share *share)
{
	const struct conf *conf = share->conf;
	struct counts *counts = share->counts;
	*s = (struct service){ .conf = conf,
			       .bounds = share->bounds,
			       .counts = counts,
			       .spool = share->spool,
			       .seats = share->seats,
			       .seat = share->seat,
			       .keys = { .current = conf->api_key, .previous = conf->api_key_previous },
			       .blobs = { .root = -1, .incoming = -1 } };
	s->answers = answer_cache_new((size_t)conf->fcgi_answer_cache, counts ? &counts->answers : NULL);
	/* The configuration has checked both. */
	s->seal_key_count = seal_key_parse(conf->encryption_key, &s->seal_keys[0]);
	if (s->seal_key_count && conf->encryption_key_previous)
		s->seal_key_count += seal_key_parse(conf->encryption_key_previous, &s->seal_keys[1]);
	s->workspace_keys = workspace_keys_new(s->seal_keys, s->seal_key_count);
}

void service_free(struct service *s)
{
	blobs_close(&s->blobs);
	github_free(s->github);
	answer_cache_free(s->answers);
	workspace_keys_free(s->workspace_keys);
	OPENSSL_cleanse(s->seal_keys, sizeof(s->seal_keys));
}

struct github *service_github(struct service *s)
{
	if (!s->github)
		s->github = github_new(s->conf, s->counts ? &s->counts->github : NULL);
	if (!s->github)
		log_error(NULL, "libcurl can't be used");
	return s->github;
}

static bool begin_flush(void *bounds)
{
	return bounds_flush_begin(bounds);
}

static void end_flush(void *bounds)
{
	bounds_flush_end(bounds);
}

bool service_blobs(struct service *s, const char *request_id)
{
	autobuf error = { 0 };
	if (s->blobs.root >= 0)
		return true;
	if (blobs_open(&s->blobs, s->conf->blob_dir, &error)) {
		s->blobs.turns = (struct blob_turns){ begin_flush, end_flush, s->bounds };
		if (blobs_prepare(&s->blobs))
			return true;
		buf_addf(&error, "BLOB_DIR: can't make its directories: %s", strerror(errno));
		blobs_close(&s->blobs);
	}
	log_error(request_id, "%s", buf_cstr(&error));
	return false;
}
