/* file_key.c: which file a request is about. */
#include "file_key.h"

#include "database.h"
#include "file_name.h"

#define SHOWN_TYPE 255 /* bytes */
#define TYPES "attachments, downloads, long_responses"
#define ASSETS SLICE_LIT("assets")

static bool is_asset(const struct request *req)
{
	return req->path.count > 0 && slice_eq(req->path.seg[0], ASSETS);
}

static enum status check_name(struct request *req, const char *kind, struct slice name)
{
	const char *fault = file_name_fault(name);
	return fault ? request_bad_field(req, "Invalid %s: it %s", kind, fault) : STATUS_OK;
}

/* Bytes of a text that are repeated to the client, up to a character's end. */
static size_t text_cut(struct slice text)
{
	size_t len = text.len;
	if (len <= SHOWN_TYPE)
		return len;
	for (len = SHOWN_TYPE; len && ((unsigned char)text.ptr[len] & 0xC0) == 0x80;)
		len--;
	return len;
}

static enum status check_type(struct request *req, struct slice type)
{
	static const char *const types[] = { "attachments", "downloads", "long_responses" };
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		if (slice_eq_str(type, types[i]))
			return STATUS_OK;
	}
	return request_bad_field(req, "Invalid file type: %.*s. Must be one of: " TYPES, (int)text_cut(type), type.ptr);
}

/* The parts of an asset's path were put together by the router; a slash can only be inside of them here. */
static enum status check_asset(struct request *req)
{
	for (size_t i = req->rest_from; i < req->path.count; i++) {
		const char *fault = file_name_fault(req->path.seg[i]);
		if (fault)
			return request_bad_field(req, "Invalid asset path: a part of it %s", fault);
	}
	if (req->path.trailing_slash)
		return request_bad_field(req, "Invalid asset path: its last part is empty");
	if (req->args[1].len > FILE_PATH_MAX)
		return request_bad_field(req, "Invalid asset path: it is longer than %d bytes", FILE_PATH_MAX);
	return STATUS_OK;
}

enum status file_key_check(struct request *req, struct database *db)
{
	(void)db;
	enum status status = check_name(req, "workspace name", req->args[0]);
	if (status != STATUS_OK)
		return status;
	if (is_asset(req))
		return check_asset(req);
	status = check_name(req, "session name", req->args[1]);
	if (status == STATUS_OK && req->arg_count > 2)
		status = check_type(req, req->args[2]);
	if (status == STATUS_OK && req->arg_count > 3)
		status = check_name(req, "file name", req->args[3]);
	return status;
}

struct file_key file_key_of(const struct request *req)
{
	if (is_asset(req))
		return (struct file_key){ .workspace = req->args[0],
					  .session = SLICE_LIT(""),
					  .type = ASSETS,
					  .name = req->args[1],
					  .asset = true };
	return (struct file_key){
		.workspace = req->args[0], .session = req->args[1], .type = req->args[2], .name = req->args[3]
	};
}

void file_key_path(const struct file_key *key, struct buf *out)
{
	buf_add_str(out, key->asset ? "assets/" : "files/");
	buf_add_slice(out, key->workspace);
	if (!key->asset) {
		buf_add_char(out, '/');
		buf_add_slice(out, key->session);
		buf_add_char(out, '/');
		buf_add_slice(out, key->type);
	}
	buf_add_char(out, '/');
	buf_add_slice(out, key->name);
}

void file_key_target(const struct file_key *key, struct buf *out)
{
	autobuf path = { 0 };
	file_key_path(key, &path);
	/* No name holds a slash, so the slashes are those between the segments. */
	const char *at = path.data, *end = path.data + path.len;
	while (at <= end) {
		const char *slash = memchr(at, '/', (size_t)(end - at));
		size_t len = (size_t)((slash ? slash : end) - at);
		buf_add_char(out, '/');
		uri_encode(out, slice_make(at, len));
		at += len + 1;
	}
}

void file_key_params(const struct file_key *key, struct db_params *params)
{
	db_add_text(params, key->workspace);
	db_add_text(params, key->session);
	db_add_text(params, key->type);
	db_add_text(params, key->name);
}

enum status file_key_find(const struct file_key *key, struct request *req, struct database *db, const PGresult **row)
{
	struct db_params params = { 0 };
	file_key_params(key, &params);
	enum status status = database_read(db, req->route->statement, &params, row);
	if (status != STATUS_OK || *row)
		return status;
	return key->asset ? STATUS_ASSET_NOT_FOUND : STATUS_FILE_NOT_FOUND;
}
