/* files_list.c: the files of one type of a session, whole or in pages (PROTOCOL section 4). */
#include <stdlib.h>

#include "cleanup.h"
#include "cursor.h"
#include "database.h"
#include "documents.h"
#include "etag.h"
#include "file_key.h"
#include "handlers.h"
#include "log.h"
#include "origin.h"
#include "query.h"
#include "utf8.h"

#define MAX_PAGE 10000

enum { COL_TAG, COL_BODY, COL_NAME };

/* What ?limit= and ?cursor= ask for. */
struct page {
	int64_t limit; /* 0: all */
	bool has_cursor;
	struct buf cursor; /* the last name of the page before */
};

static void page_free(struct page *p)
{
	buf_free(&p->cursor);
}

static bool parse_limit(struct slice text, int64_t *limit)
{
	*limit = 0;
	for (size_t i = 0; i < text.len && *limit <= MAX_PAGE; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
		*limit = *limit * 10 + (text.ptr[i] - '0');
	}
	return *limit >= 1 && *limit <= MAX_PAGE;
}

static bool is_text(struct slice s)
{
	return s.len <= REQUEST_MAX_NAME && utf8_valid(s.ptr, s.len) && !memchr(s.ptr, '\0', s.len);
}

/* *found: it is there, and good. */
static enum status parse_cursor(struct request *req, struct buf *name, bool *found)
{
	autobuf text = { 0 };
	enum query_result result = query_once(req, "cursor", &text);
	*found = result == QUERY_OK;
	if (result == QUERY_MISSING)
		return STATUS_OK;
	if (*found && cursor_read(buf_slice(&text), name) && is_text(buf_slice(name)))
		return STATUS_OK;
	return request_bad_field(req,
				 "Invalid cursor: take it from the Link of the page before, or give the last name of "
				 "that page, percent-encoded");
}

static enum status parse_page(struct request *req, struct page *p)
{
	struct slice limit;
	if (uri_query_find(uri_query(req->target), "limit", &limit) && !parse_limit(limit, &p->limit))
		return request_bad_field(req, "Invalid limit: must be a whole number from 1 to %d", MAX_PAGE);
	return parse_cursor(req, &p->cursor, &p->has_cursor);
}

/* Link: <…>; rel="next" (RFC 8288), percent-encoded as a URI must be. */
static void add_link(struct request *req, struct response *res, const struct page *p, struct slice last)
{
	autobuf link = { 0 };
	buf_add_char(&link, '<');
	origin_add_path(req, &link);
	buf_add_str(&link, "/files");
	for (size_t i = 0; i < req->arg_count; i++) {
		buf_add_char(&link, '/');
		uri_encode(&link, req->args[i]);
	}
	buf_addf(&link, "?limit=%lld&cursor=", (long long)p->limit);
	cursor_add(&link, last);
	buf_add_str(&link, ">; rel=\"next\"");
	response_header(res, HEADER_LINK, buf_slice(&link));
}

/* A page is bounded, and whether another one follows has to be known before its first byte goes out. */
static enum status collect_page(struct request *req, struct response *res, struct database *db, const struct page *p,
				struct buf *body)
{
	const PGresult *row;
	autobuf last = { 0 };
	for (int64_t n = 0;; n++) {
		enum status status = database_row(db, &row);
		if (status != STATUS_OK)
			return status;
		if (!row || n == p->limit) {
			buf_add_str(body, n ? "]" : "[]");
			if (row)
				add_link(req, res, p, buf_slice(&last));
			return row ? database_row(db, &row) : STATUS_OK;
		}
		buf_add_char(body, n ? ',' : '[');
		buf_add_slice(body, db_get(row, 0, COL_BODY));
		buf_clear(&last);
		buf_add_slice(&last, db_get(row, 0, COL_NAME));
	}
}

static enum status write_page(struct request *req, struct response *res, struct database *db, const struct page *p)
{
	autobuf body = { 0 };
	enum status status = collect_page(req, res, db, p, &body);
	if (status == STATUS_OK)
		(void)response_write(res, buf_slice(&body));
	return status;
}

static enum status read_list(struct request *req, struct database *db, const struct page *p, const PGresult **row)
{
	struct db_params params = { 0 };
	for (size_t i = 0; i < req->arg_count; i++)
		db_add_text(&params, req->args[i]);
	db_add_text(&params, p->has_cursor ? buf_slice(&p->cursor) : slice_make(NULL, 0));
	if (p->limit)
		db_add_i64(&params, p->limit + 1);
	else
		db_add_null(&params);
	return database_read(db, req->route->statement, &params, row);
}

enum status files_list(struct request *req, struct response *res, struct database *db)
{
	const PGresult *row;
	autocall(page_free) struct page page = { 0 };
	enum status status = parse_page(req, &page);
	if (status == STATUS_OK)
		status = read_list(req, db, &page, &row);
	if (status != STATUS_OK)
		return status;
	if (!row) {
		log_error(req->id, "the list of files has no row with a tag");
		return STATUS_INTERNAL;
	}
	struct slice tag = db_get(row, 0, COL_TAG);
	if (etag_matches(req->if_none_match, tag)) {
		response_not_modified(res, tag);
		return STATUS_OK;
	}
	response_begin(res, 200, TYPE_JSON);
	response_etag(res, tag);
	return page.limit ? write_page(req, res, db, &page) : documents_write_rows(res, db);
}
