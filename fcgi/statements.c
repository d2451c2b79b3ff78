/* statements.c: the table of SQL statements. */
#include "statements.h"

/* A set-returning function in FROM is run to its end, into memory and temporary files, before the first row
 * comes; in the select list its rows come as they are made. offset 0 keeps the inner select apart, so that
 * the function is called once and not once per column. */
#define STREAM(columns, call) "select " columns " from (select " call " as r offset 0) s"
#define TAG_BODY "(r).tag, (r).body"
#define COLUMNS "row($4::text, $5::boolean, $6::text, $7::text, $8::bigint, $9::bigint)::api.session_columns"

/* One line is one statement. */
/* clang-format off */
const struct db_statement statements[SQL_COUNT] = {
	[SQL_WORKSPACE_TAG] = { "workspace_tag", "select api.workspace_tag($1::text)", 1 },
	[SQL_SESSION_TAG] = { "session_tag", "select api.session_tag($1::text, $2::text)", 2 },
	[SQL_SESSIONS] = { "sessions", STREAM(TAG_BODY, "api.sessions($1::text)"), 1 },
	[SQL_PLANS] = { "plans", STREAM(TAG_BODY, "api.plans($1::text, $2::text)"), 2 },
	[SQL_SOURCES] = { "sources", STREAM(TAG_BODY, "api.sources($1::text)"), 1 },
	[SQL_SOURCE] = { "source", "select tag, body from api.source($1::text, $2::text)", 2 },
	[SQL_STATUSES] = { "statuses", "select tag, body from api.statuses($1::text)", 1 },
	[SQL_LABELS] = { "labels", "select tag, body from api.labels($1::text)", 1 },
	[SQL_SKILLS] = { "skills", STREAM(TAG_BODY, "api.skills($1::text)"), 1 },
	[SQL_PROJECTS] = { "projects", STREAM(TAG_BODY, "api.projects($1::text)"), 1 },
	[SQL_PROJECT] = { "project", "select tag, body from api.project($1::text, $2::text)", 2 },
	[SQL_SANDBOXES] = { "sandboxes", STREAM(TAG_BODY, "api.sandboxes($1::text)"), 1 },
	[SQL_SANDBOX] = { "sandbox", "select tag, body from api.sandbox($1::text, $2::text)", 2 },
	[SQL_SESSION_PARTS] = { "session_parts", STREAM("(r).tag, (r).starts, (r).part, (r).piece", "api.session_parts($1::text, $2::text)"), 2 },
	[SQL_PLAN_PARTS] = { "plan_parts", STREAM("(r).tag, (r).part", "api.plan_parts($1::text, $2::text, $3::text)"), 3 },
	[SQL_SESSION_HEADER] = { "session_header", "select version, header from api.session_header($1::text, $2::text)", 2 },
	[SQL_SESSION_CREATE] = { "session_create", "select status from api.session_create($1::text, $2::text, $3::json, " COLUMNS ")", 9 },
	[SQL_SESSION_UPDATE] = { "session_update",
		"select status from api.session_update($1::text, $2::text, $3::json, " COLUMNS ", $10::bigint)", 10 },
	[SQL_SESSION_DELETE] = { "session_delete", "select status from api.session_delete($1::text, $2::text, null, true)", 2 },
	[SQL_OAUTH_USE] = { "oauth_use", "select api.oauth_use($1::bytea, $2::bigint)", 2 },
	[SQL_PROJECT_REMEMBER] = { "project_remember", "select api.project_remember($1::text, $2::text, $3::text)", 3 },
	[SQL_CREDENTIAL_PUT] = { "credential_put",
		"select api.credential_put($1::text, $2::text, $3::text, $4::text, $5::text, $6::text, $7::bigint, $8::text, $9::bigint)", 9 },
	[SQL_OAUTH_OUTCOME] = { "oauth_outcome", "select api.oauth_outcome($1::bytea, $2::text)", 2 },
	[SQL_OAUTH_OUTCOME_OF] = { "oauth_outcome_of", "select api.oauth_outcome_of($1::bytea)", 1 },
	[SQL_SEAL_FORM] = { "seal_form", "select api.seal_form()::bigint", 0 },
	[SQL_CREDENTIAL_FIND] = { "credential_find", "select sealed, invalid, checked_ms, denied from api.credential_find($1::text, $2::text)", 2 },
	[SQL_CREDENTIAL_DENIED] = { "credential_denied", "select api.credential_denied($1::text, $2::text, $3::text, $4::text)", 4 },
	[SQL_CREDENTIAL_RENEW_BEGIN] = { "credential_renew_begin",
		"select api.credential_renew_begin($1::text, $2::text, $3::text, $4::text, $5::bigint::integer)", 5 },
	[SQL_CREDENTIAL_RENEWED] = { "credential_renewed", "select api.credential_renewed($1::text, $2::text, $3::text, $4::text, $5::text)", 5 },
	[SQL_CREDENTIAL_RENEW_FAILED] = { "credential_renew_failed", "select api.credential_renew_failed($1::text, $2::text, $3::text, $4::boolean)", 4 },
	[SQL_CREDENTIAL_CHECKED] = { "credential_checked", "select api.credential_checked($1::text, $2::text, $3::text, $4::boolean)", 4 },
	[SQL_CREDENTIAL_DELETE] = { "credential_delete", "select api.credential_delete($1::text, $2::text)", 2 },
	[SQL_SANDBOX_CREATE] = { "sandbox_create",
		"select status, session, in_use::bigint from api.sandbox_create($1::text, $2::text, $3::text, $4::bigint, $5::bigint::integer, $6::text)", 6 },
	[SQL_SANDBOX_DELETE] = { "sandbox_delete", "select api.sandbox_delete($1::text, $2::text)", 2 },
	[SQL_SANDBOX_TOUCH] = { "sandbox_touch", "select api.sandbox_touch($1::text, $2::text, $3::bigint)", 3 },
	[SQL_KEY_FIND] = { "key_find", "select workspace, sha256, read_only, per_minute::bigint, expires_ms from api.key_find($1::text)", 1 },
	[SQL_KEYS_SINCE] = { "keys_since", "select id, workspace, created_ms from api.keys_since($1::bigint, $2::bigint)", 2 },
	[SQL_KEYS_SEALED] = { "keys_sealed", "select id, sealed, expires_ms from api.keys_sealed($1::text)", 1 },
	[SQL_FILE_PUT] = { "file_put",
		"select status, uploaded_ms from api.file_put($1::text, $2::text, $3::text, $4::text, $5::text::uuid, $6::bigint, $7::text, $8::bytea, "
		"$9::text[], $10::text[], $11::bigint)", 11 },
	[SQL_FILE_FIND] = { "file_find", "select blob, size, mime_type, uploaded_ms from api.file_find($1::text, $2::text, $3::text, $4::text)", 4 },
	[SQL_FILE_DELETE] = { "file_delete", "select status from api.file_delete($1::text, $2::text, $3::text, $4::text, $5::text[])", 5 },
	[SQL_FILES] = { "files", STREAM("(r).tag, (r).body, (r).name", "api.files($1::text, $2::text, $3::text, $4::text, $5::bigint)"), 5 },
	[SQL_FILES_DELETE_SESSION] = { "files_delete_session", "select deleted from api.files_delete_session($1::text, $2::text)", 2 },
	[SQL_FILES_ROOM] = { "files_room", "select api.files_room($1::text, $2::text, $3::text, $4::text)", 4 },
	[SQL_BLOBS_GONE] = { "blobs_gone", "select blob::text from api.blobs_gone($1::bigint, $2::bigint::integer) as blob", 2 },
	[SQL_BLOBS_FORGET] = { "blobs_forget", "select api.blobs_forget($1::text[]::uuid[])", 1 },
	[SQL_ANNOUNCE] = { "announce", "select api.announce($1::text[])", 1 },
};
/* clang-format on */
