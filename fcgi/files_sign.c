/* files_sign.c: makes URLs that open one file or asset for a while without a key (PROTOCOL section 4). */
#include <stdlib.h>

#include "body.h"
#include "cleanup.h"
#include "clock.h"
#include "database.h"
#include "file_key.h"
#include "handlers.h"
#include "json.h"
#include "log.h"
#include "origin.h"
#include "signature.h"

#define SIGN_BODY (64u << 10) /* bytes */

enum status files_sign_check(struct request *req, struct database *db)
{
	bool declared;
	uint64_t length;
	enum status status = file_key_check(req, db);
	return status == STATUS_OK ? body_declared(req, SIGN_BODY, &declared, &length) : status;
}

/* A whole number of seconds; a number as JSON may write it, so 60 is 6e1 too. */
static enum status lifetime(struct request *req, int64_t *seconds)
{
	struct slice value;
	*seconds = SIGNATURE_DEFAULT_TIME;
	if (!json_get(json_trim(buf_slice(&req->body)), "expiresIn", &value))
		return STATUS_OK;
	double number = 0;
	if (json_kind_of(value) == JSON_NUMBER) {
		autofree char *text = slice_dup(value);
		number = strtod(text, NULL);
	}
	if (!(number >= 1 && number <= SIGNATURE_MAX_TIME) || number != (double)(int64_t)number)
		return request_bad_field(req, "Invalid expiresIn: must be a whole number of seconds from 1 to %d",
					 SIGNATURE_MAX_TIME);
	*seconds = (int64_t)number;
	return STATUS_OK;
}

static enum status answer_signed(struct request *req, struct response *res, const struct file_key *key, int64_t expires)
{
	autobuf path = { 0 }, url = { 0 }, body = { 0 };
	file_key_path(key, &path);
	enum status status = origin_add(req, &url);
	if (status != STATUS_OK)
		return status;
	file_key_target(key, &url);
	buf_addf(&url, "?exp=%lld&sig=", (long long)expires);
	const char *by = req->key ? buf_cstr(&req->key_text) : req->service->keys.current;
	if (!signature_make(by, buf_slice(&path), expires, &url)) {
		log_error(req->id, "signing a URL failed");
		return STATUS_INTERNAL;
	}
	buf_add_str(&body, "{\"url\":");
	json_encode(&body, buf_slice(&url));
	buf_addf(&body, ",\"expiresAt\":%lld}", (long long)expires * 1000);
	response_json(res, 200, buf_slice(&body));
	return STATUS_OK;
}

enum status files_sign(struct request *req, struct response *res, struct database *db)
{
	int64_t seconds = 0;
	const PGresult *row;
	struct file_key key = file_key_of(req);
	enum status status = request_read_object(req, SIGN_BODY, true);
	if (status == STATUS_OK)
		status = lifetime(req, &seconds);
	if (status == STATUS_OK)
		status = file_key_find(&key, req, db, &row);
	return status == STATUS_OK ? answer_signed(req, res, &key, clock_wall_s() + seconds) : status;
}
