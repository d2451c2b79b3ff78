/* service.c: what a worker has for all its requests. */
#include "service.h"

#include "log.h"

bool service_blobs(struct service *s, const char *request_id)
{
	autobuf error = { 0 };
	if (s->blobs.root >= 0 || blobs_open(&s->blobs, s->conf->blob_dir, &error))
		return true;
	log_error(request_id, "%s", buf_cstr(&error));
	return false;
}
