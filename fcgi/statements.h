/* statements.h: every SQL statement of craft-fcgi, named once. */
#ifndef CRAFT_FCGI_STATEMENTS_H
#define CRAFT_FCGI_STATEMENTS_H

#include "db.h"

enum statement {
	SQL_NONE,
	/* Tags alone: $1 slug (and $2 session id) -> the ETag's text, or null. */
	SQL_WORKSPACE_TAG,
	SQL_SESSION_TAG,
	/* Rows (tag, body): a list's first row has the tag alone, a document is one row. */
	SQL_SESSIONS,
	SQL_PLANS,
	SQL_SOURCES,
	SQL_SOURCE,
	SQL_STATUSES,
	SQL_LABELS,
	SQL_SKILLS,
	SQL_PROJECTS,
	SQL_PROJECT,
	SQL_SANDBOXES,
	SQL_SANDBOX,
	/* Parts. */
	SQL_SESSION_PARTS, /* (tag, starts, part) */
	SQL_PLAN_PARTS,	   /* (tag, part) */
	/* Changes, and what they are based on. */
	SQL_SESSION_HEADER, /* (version, header) */
	SQL_SESSION_CREATE, /* (status) */
	SQL_SESSION_UPDATE, /* (status) */
	SQL_SESSION_DELETE, /* (status) */
	/* Projects, GitHub's credentials for them, and OAuth states that were used. */
	SQL_OAUTH_USE, /* (boolean): false, it was used before */
	SQL_OAUTH_OUTCOME,
	SQL_OAUTH_OUTCOME_OF, /* (text, or null) */
	SQL_SEAL_FORM,	      /* (1 or 2) */
	SQL_PROJECT_REMEMBER,
	SQL_CREDENTIAL_PUT,
	SQL_CREDENTIAL_FIND, /* (sealed, invalid, checked_ms or null, denied or null), or no row */
	SQL_CREDENTIAL_CHECKED,
	SQL_CREDENTIAL_DENIED,
	SQL_CREDENTIAL_RENEW_BEGIN, /* (go, wait or changed) */
	SQL_CREDENTIAL_RENEWED,	    /* (boolean): false, another one took its place */
	SQL_CREDENTIAL_RENEW_FAILED,
	SQL_CREDENTIAL_DELETE, /* (sealed, or null) */
	/* Sandboxes. */
	SQL_SANDBOX_CREATE, /* (status, session, in_use) */
	SQL_SANDBOX_DELETE, /* (status) */
	SQL_SANDBOX_TOUCH,  /* (status) */
	/* Workspaces' keys. */
	SQL_KEY_FIND,	 /* (workspace, sha256, read_only, per_minute, expires_ms), or no row */
	SQL_KEYS_SINCE,	 /* (id, workspace, created_ms) */
	SQL_KEYS_SEALED, /* (id, sealed, expires_ms) */
	/* Files and assets. */
	SQL_FILE_PUT,		  /* (status, uploaded_ms) */
	SQL_FILE_FIND,		  /* (blob, size, mime_type, uploaded_ms) */
	SQL_FILE_DELETE,	  /* (status) */
	SQL_FILES,		  /* (tag, body, name) */
	SQL_FILES_DELETE_SESSION, /* (deleted) */
	SQL_FILES_ROOM,		  /* (bytes) */
	SQL_BLOBS_GONE,		  /* (blob), the oldest first */
	SQL_BLOBS_FORGET,	  /* (number) */
	SQL_ANNOUNCE,
	SQL_COUNT
};

/* By enum statement; SQL_NONE has no text. All results are asked for in binary format. */
extern const struct db_statement statements[SQL_COUNT];

#endif
