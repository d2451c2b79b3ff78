/* service.c: what a worker has for all its requests. */
#include "service.h"

#include <errno.h>

#include "log.h"

bool service_blobs(struct service *s, const char *request_id)
{
	autobuf error = { 0 };
	if (s->blobs.root >= 0)
		return true;
	if (blobs_open(&s->blobs, s->conf->blob_dir, &error)) {
		if (blobs_prepare(&s->blobs))
			return true;
		buf_addf(&error, "BLOB_DIR: can't make its directories: %s", strerror(errno));
		blobs_close(&s->blobs);
	}
	log_error(request_id, "%s", buf_cstr(&error));
	return false;
}
