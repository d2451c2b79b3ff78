/* status.c: the table of errors. */
#include "status.h"

#include <assert.h>

#include "api_key.h"

/* retry_after: seconds after which the same request may do better; 0: nothing is known of that. */
static const struct {
	int http;
	const char *text;
	int retry_after;
} table[STATUS_COUNT] = {
	[STATUS_OK] = { 200, "OK", 0 },
	[STATUS_BAD_PATH] = { 400, "Malformed path", 0 },
	[STATUS_UNAUTHORIZED] = { 401, "Unauthorized", 0 },
	[STATUS_TOO_MANY_ATTEMPTS] = { 429,
				       "Unauthorized, and too many attempts with a wrong key from your address: try "
				       "again later",
				       10 },
	[STATUS_BAD_SIGNATURE] = { 403, "Invalid or expired signature", 0 },
	[STATUS_UNCHECKED] = { 503, "The key or signature can't be checked at the moment, try again in a second", 1 },
	[STATUS_OTHER_WORKSPACE] = { 403, API_KEY_OTHER_WORKSPACE, 0 },
	[STATUS_READ_ONLY] = { 403, API_KEY_READ_ONLY, 0 },
	[STATUS_KEY_RATE] = { 429, NULL, 0 },
	[STATUS_TICKET_NEEDED] = { 403, "This link is not valid or has expired: get one from POST /api/sandbox/check",
				   0 },
	[STATUS_AHEAD] = { 503, "This link does something when it is opened, so it can't be fetched ahead of that", 0 },
	[STATUS_NOT_FOUND] = { 404, "Not found", 0 },
	[STATUS_FILE_NOT_FOUND] = { 404, "File not found", 0 },
	[STATUS_ASSET_NOT_FOUND] = { 404, "Asset not found", 0 },
	[STATUS_SESSION_NOT_FOUND] = { 404, "Session not found", 0 },
	[STATUS_SANDBOX_NOT_FOUND] = { 404, "Sandbox session not found", 0 },
	[STATUS_SANDBOX_EXPIRED] = { 410, "Sandbox session expired", 0 },
	[STATUS_NO_CREDENTIAL] = { 403, "No GitHub credentials for this repo", 0 },
	[STATUS_NO_SANDBOX_HOST] = { 503, "No sandbox host is running, try again later", 10 },
	[STATUS_HOSTS_FULL] = { 503, NULL, 30 },
	[STATUS_WORKSPACE_FULL] = { 429, NULL, 30 },
	[STATUS_WRONG_METHOD] = { 405, "Method not allowed", 0 },
	[STATUS_UPGRADE_REQUIRED] = { 426, "WebSocket upgrade required", 0 },
	[STATUS_BAD_FIELD] = { 400, NULL, 0 },
	[STATUS_BODY_MISSING] = { 400, "Missing request body: a JSON object is needed", 0 },
	[STATUS_BODY_INCOMPLETE] = { 400, "The request body is shorter than its Content-Length", 0 },
	[STATUS_BODY_TOO_LARGE] = { 413, "Request body too large", 0 },
	[STATUS_UPLOAD_TOO_LARGE] = { 413, NULL, 0 },
	[STATUS_QUOTA_EXCEEDED] = { 413, NULL, 0 },
	[STATUS_UPLOADS_UNDER_WAY] = { 503, NULL, 0 },
	[STATUS_PRECONDITION_FAILED] = { 412,
					 "Precondition failed: the file is not the one that If-Match or "
					 "If-None-Match asks for",
					 0 },
	[STATUS_ENCODED_BODY] = { 415,
				  "Content-Encoding is not supported for uploads: send the bytes as they are to "
				  "be stored",
				  0 },
	[STATUS_BAD_JSON] = { 400, "Invalid JSON", 0 },
	[STATUS_JSON_TOO_DEEP] = { 400, "Invalid JSON: nested too deeply", 0 },
	[STATUS_JSON_NO_OBJECT] = { 400, "The request body must be a JSON object", 0 },
	[STATUS_GITHUB_NOT_CONFIGURED] = { 503,
					   "GitHub access is not set up on this server: GITHUB_CLIENT_ID and "
					   "GITHUB_CLIENT_SECRET are missing",
					   0 },
	[STATUS_STORAGE_AWAY] = { 503, "File storage unavailable, nothing was changed, try again later", 10 },
	[STATUS_STORAGE_FULL] = { 507, "The server's disk is full: the upload was not stored and nothing was changed",
				  0 },
	[STATUS_STORAGE_FAILED] = { 500, "The server could not store the upload; nothing was changed", 0 },
	[STATUS_DATABASE_AWAY] = { 503, "Database unavailable, try again", 1 },
	[STATUS_DATABASE_BUSY] = { 503, "Others are changing this workspace, nothing was changed, try again", 1 },
	[STATUS_DATABASE_UNKNOWN] = { 503, "Database connection lost: it is unknown whether the change was applied",
				      0 },
	[STATUS_INTERNAL] = { 500, "Internal error", 0 },
	[STATUS_BROKEN] = { 500, "Internal error", 0 },
};

int status_http(enum status status)
{
	assert(status < STATUS_COUNT && table[status].http);
	return table[status].http;
}

const char *status_text(enum status status)
{
	assert(status < STATUS_COUNT);
	return table[status].text;
}

int status_retry_after(enum status status)
{
	assert(status < STATUS_COUNT);
	return table[status].retry_after;
}

static const struct {
	int http;
	const char *reason;
} reasons[] = {
	{ 200, "OK" },
	{ 201, "Created" },
	{ 204, "No Content" },
	{ 206, "Partial Content" },
	{ 302, "Found" },
	{ 304, "Not Modified" },
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 410, "Gone" },
	{ 412, "Precondition Failed" },
	{ 413, "Content Too Large" },
	{ 415, "Unsupported Media Type" },
	{ 416, "Range Not Satisfiable" },
	{ 426, "Upgrade Required" },
	{ 429, "Too Many Requests" },
	{ 500, "Internal Server Error" },
	{ 503, "Service Unavailable" },
	{ 507, "Insufficient Storage" },
};
#define REASONS (sizeof(reasons) / sizeof(*reasons))

_Static_assert(REASONS < STATUS_HTTP_MAX, "STATUS_HTTP_MAX is too small");

static size_t find_reason(int http)
{
	size_t i = 0;
	while (i < REASONS && reasons[i].http != http)
		i++;
	return i;
}

const char *status_reason(int http)
{
	size_t i = find_reason(http);
	return i < REASONS ? reasons[i].reason : "Unknown";
}

size_t status_place(int http)
{
	return find_reason(http);
}

int status_at(size_t place)
{
	return place < REASONS ? reasons[place].http : 0;
}
