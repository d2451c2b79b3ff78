/* status.h: how handling a request ends, and what the client is told: one table of HTTP status and text. */
#ifndef CRAFT_FCGI_STATUS_H
#define CRAFT_FCGI_STATUS_H

#include <stddef.h>

enum status {
	STATUS_OK, /* the handler has answered */
	STATUS_BAD_PATH,
	STATUS_UNAUTHORIZED,
	STATUS_TOO_MANY_ATTEMPTS, /* with a wrong key */
	STATUS_BAD_SIGNATURE,
	STATUS_UNCHECKED,	/* neither good nor bad is known of a key or a signature */
	STATUS_OTHER_WORKSPACE, /* of a workspace's key, as the next two */
	STATUS_READ_ONLY,
	STATUS_KEY_RATE, /* the text is the request's own `detail` */
	STATUS_TICKET_NEEDED,
	STATUS_AHEAD, /* fetched before anybody has opened it */
	STATUS_NOT_FOUND,
	STATUS_FILE_NOT_FOUND,
	STATUS_ASSET_NOT_FOUND,
	STATUS_SESSION_NOT_FOUND,
	STATUS_SANDBOX_NOT_FOUND,
	STATUS_SANDBOX_EXPIRED,
	STATUS_NO_CREDENTIAL,
	STATUS_NO_SANDBOX_HOST,
	STATUS_HOSTS_FULL, /* the text is the request's own `detail`, as of the next */
	STATUS_WORKSPACE_FULL,
	STATUS_WRONG_METHOD,
	STATUS_UPGRADE_REQUIRED,
	STATUS_BAD_FIELD, /* the text is the request's own `detail` */
	STATUS_BODY_MISSING,
	STATUS_BODY_INCOMPLETE,
	STATUS_BODY_TOO_LARGE,
	STATUS_UPLOAD_TOO_LARGE, /* the text is the request's own `detail`, as of the next */
	STATUS_QUOTA_EXCEEDED,
	STATUS_UPLOADS_UNDER_WAY,
	STATUS_PRECONDITION_FAILED,
	STATUS_ENCODED_BODY,
	STATUS_BAD_JSON,
	STATUS_JSON_TOO_DEEP,
	STATUS_JSON_NO_OBJECT,
	STATUS_NO_SEAT, /* its workspace has half of the workers, and too many of its requests wait, or this one for too
			   long */
	STATUS_ANSWERS_UNREAD, /* what slow readers have of the workspace leaves no room for another large answer */
	STATUS_GITHUB_NOT_CONFIGURED,
	STATUS_STORAGE_AWAY,	 /* the directory of blobs can't be used; nothing was changed */
	STATUS_STORAGE_FULL,	 /* nothing was changed */
	STATUS_STORAGE_FAILED,	 /* nothing was changed */
	STATUS_DATABASE_AWAY,	 /* nothing was changed */
	STATUS_DATABASE_BUSY,	 /* others held the workspace for too long; nothing was changed */
	STATUS_DATABASE_UNKNOWN, /* a change was sent and its outcome never came */
	STATUS_INTERNAL,
	STATUS_BROKEN, /* part of the answer is out already: the connection must be broken off */
	STATUS_COUNT
};

/* HTTP status code of an ending that is an error. */
int status_http(enum status status);
/* What the client reads in {"error":…}; NULL when the request has its own text in `detail`. */
const char *status_text(enum status status);
/* Seconds for Retry-After; 0: none. */
int status_retry_after(enum status status);
/* The statuses that we send have places, below STATUS_HTTP_MAX; the last one is all others'. */
#define STATUS_HTTP_MAX 24
size_t status_place(int http);
int status_at(size_t place); /* 0: others */
/* Reason phrase of an HTTP status code that we send (RFC 9110 section 15). */
const char *status_reason(int http);

#endif
