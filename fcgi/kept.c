/* kept.c: between the conditional request and the cache. */
#include "kept.h"

#include "answer_cache.h"
#include "conditional.h"
#include "etag.h"
#include "routes.h"

/* What an answer is kept under; empty: it isn't. Names hold no NUL. */
static struct slice cache_key(const struct request *req, struct buf *key)
{
	if (req->route->tag == SQL_NONE || req->method != METHOD_GET)
		return slice_make(NULL, 0);
	buf_addf(key, "%d", (int)req->route->statement);
	for (size_t i = 0; i < req->arg_count; i++) {
		buf_add_char(key, '\0');
		buf_add_slice(key, req->args[i]);
	}
	return buf_slice(key);
}

enum status kept_answer(struct request *req, struct response *res, struct database *db, const char *type, bool *done)
{
	autobuf key = { 0 }, tag = { 0 };
	struct answer_cache *answers = req->service->answers;
	struct slice name = cache_key(req, &key), kept_tag, body = answer_cache_get(answers, name, &kept_tag);
	*done = false;
	if (!body.ptr) {
		if (name.len)
			answer_cache_count(answers, ANSWER_MISS);
		return conditional_by_tag(req, res, db, type, done);
	}
	enum status status = conditional_tag(req, db, &tag);
	if (status != STATUS_OK)
		return status;
	*done = etag_matches(req->if_none_match, buf_slice(&tag)) || slice_eq(kept_tag, buf_slice(&tag));
	answer_cache_count(answers, *done ? ANSWER_HIT : ANSWER_STALE);
	if (*done && conditional_begin(req, res, buf_slice(&tag), type))
		(void)response_write(res, body);
	return STATUS_OK;
}

bool kept_begin(struct request *req, struct response *res, struct slice tag, const char *type)
{
	if (!conditional_begin(req, res, tag, type))
		return false;
	if (req->route->tag != SQL_NONE && req->method == METHOD_GET)
		response_keep(res, tag, answer_cache_longest(req->service->answers));
	return true;
}

void kept_end(const struct request *req, struct response *res)
{
	autobuf key = { 0 };
	if (res->keep)
		answer_cache_put(req->service->answers, cache_key(req, &key), buf_slice(&res->kept_tag),
				 buf_slice(&res->kept));
}
