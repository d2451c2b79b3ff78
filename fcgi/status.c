/* status.c: the table of errors. */
#include "status.h"

#include <assert.h>

#include "api_key.h"

/* retry_after: seconds after which the same request may do better; 0: nothing is known of that. */
static const struct {
	int http, retry_after;
	const char *text;
} table[STATUS_COUNT] = {
	[STATUS_OK] = { 200, 0, "OK" },
	[STATUS_BAD_PATH] = { 400, 0, "Malformed path" },
	[STATUS_UNAUTHORIZED] = { 401, 0, "Unauthorized" },
	[STATUS_TOO_MANY_ATTEMPTS] = { 429, 10,
				       "Unauthorized, and too many attempts with a wrong key from your address: try "
				       "again later" },
	[STATUS_BAD_SIGNATURE] = { 403, 0, "Invalid or expired signature" },
	[STATUS_UNCHECKED] = { 503, 1, "The key or signature can't be checked at the moment, try again in a second" },
	[STATUS_OTHER_WORKSPACE] = { 403, 0, API_KEY_OTHER_WORKSPACE },
	[STATUS_READ_ONLY] = { 403, 0, API_KEY_READ_ONLY },
	[STATUS_KEY_RATE] = { 429, 0, NULL },
	[STATUS_TICKET_NEEDED] = { 403, 0,
				   "This link is not valid or has expired: get one from POST /api/sandbox/check" },
	[STATUS_AHEAD] = { 503, 0, "This link does something when it is opened, so it can't be fetched ahead of that" },
	[STATUS_NOT_FOUND] = { 404, 0, "Not found" },
	[STATUS_FILE_NOT_FOUND] = { 404, 0, "File not found" },
	[STATUS_ASSET_NOT_FOUND] = { 404, 0, "Asset not found" },
	[STATUS_SESSION_NOT_FOUND] = { 404, 0, "Session not found" },
	[STATUS_SANDBOX_NOT_FOUND] = { 404, 0, "Sandbox session not found" },
	[STATUS_SANDBOX_EXPIRED] = { 410, 0, "Sandbox session expired" },
	[STATUS_NO_CREDENTIAL] = { 403, 0, "No GitHub credentials for this repo" },
	[STATUS_NO_SANDBOX_HOST] = { 503, 10, "No sandbox host is running, try again later" },
	[STATUS_HOSTS_FULL] = { 503, 30, NULL },
	[STATUS_WORKSPACE_FULL] = { 429, 30, NULL },
	[STATUS_WRONG_METHOD] = { 405, 0, "Method not allowed" },
	[STATUS_UPGRADE_REQUIRED] = { 426, 0, "WebSocket upgrade required" },
	[STATUS_BAD_FIELD] = { 400, 0, NULL },
	[STATUS_BODY_MISSING] = { 400, 0, "Missing request body: a JSON object is needed" },
	[STATUS_BODY_INCOMPLETE] = { 400, 0, "The request body is shorter than its Content-Length" },
	[STATUS_BODY_TOO_LARGE] = { 413, 0, "Request body too large" },
	[STATUS_UPLOAD_TOO_LARGE] = { 413, 0, NULL },
	[STATUS_QUOTA_EXCEEDED] = { 413, 0, NULL },
	[STATUS_UPLOADS_UNDER_WAY] = { 503, 0, NULL },
	[STATUS_PRECONDITION_FAILED] = { 412, 0,
					 "Precondition failed: the file is not the one that If-Match or "
					 "If-None-Match asks for" },
	[STATUS_ENCODED_BODY] = { 415, 0,
				  "Content-Encoding is not supported for uploads: send the bytes as they are to "
				  "be stored" },
	[STATUS_BAD_JSON] = { 400, 0, "Invalid JSON" },
	[STATUS_JSON_TOO_DEEP] = { 400, 0, "Invalid JSON: nested too deeply" },
	[STATUS_JSON_NO_OBJECT] = { 400, 0, "The request body must be a JSON object" },
	[STATUS_NO_SEAT] = { 503, 1,
			     "Half of the server's workers are busy with earlier requests of this workspace: wait for "
			     "their answers, and try "
			     "again" },
	[STATUS_ANSWERS_UNREAD] = { 503, 5,
				    "Earlier large answers of this workspace are still being read, and fill its part "
				    "of FCGI_SPOOL: "
				    "read them faster or fewer at once, and try again" },
	[STATUS_GITHUB_NOT_CONFIGURED] = { 503, 0,
					   "GitHub access is not set up on this server: GITHUB_CLIENT_ID and "
					   "GITHUB_CLIENT_SECRET are missing" },
	[STATUS_STORAGE_AWAY] = { 503, 10, "File storage unavailable, nothing was changed, try again later" },
	[STATUS_STORAGE_FULL] = { 507, 0,
				  "The server's disk is full: the upload was not stored and nothing was changed" },
	[STATUS_STORAGE_FAILED] = { 500, 0, "The server could not store the upload; nothing was changed" },
	[STATUS_DATABASE_AWAY] = { 503, 1, "Database unavailable, try again" },
	[STATUS_DATABASE_BUSY] = { 503, 1, "Others are changing this workspace, nothing was changed, try again" },
	[STATUS_DATABASE_UNKNOWN] = { 503, 0,
				      "Database connection lost: it is unknown whether the change was applied" },
	[STATUS_INTERNAL] = { 500, 0, "Internal error" },
	[STATUS_BROKEN] = { 500, 0, "Internal error" },
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
