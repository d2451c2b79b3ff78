/* statements.c: craft-sandboxd's SQL. */
#include "statements.h"

/* clang-format off */
const struct db_statement statements[STMT_COUNT] = {
	[STMT_LISTEN] = { "listen", "listen craft_sandbox", 0 },
	[STMT_HOST_BEGIN] = { "host_begin", "select api.host_begin($1::text::uuid,$2::text,$3::text,$4::integer,$5::text)", 5 },
	[STMT_HOST_BEAT] = { "host_beat", "select api.host_beat($1::text::uuid,$2::text[],$3::bigint)", 3 },
	[STMT_HOST_END] = { "host_end", "select api.host_end($1::text::uuid)", 1 },
	[STMT_CLAIM] = { "host_claim", "select session, workspace, repo_key, branch, request, seq from api.host_claim($1::text::uuid,$2::integer)", 2 },
	[STMT_MINE] = { "host_sandboxes", "select session, workspace, repo_key, branch, request, seq, status from api.host_sandboxes($1::text::uuid)", 1 },
	[STMT_STATE] = { "sandbox_state", "select api.sandbox_state($1::text::uuid,$2::text,$3::text,$4::text,$5::text)", 5 },
	[STMT_END] = { "sandbox_end", "select api.sandbox_end($1::text::uuid,$2::text,$3::text,$4::text)", 4 },
	[STMT_ENDING] = { "sandbox_ending", "select session, reason from api.sandbox_ending($1::text::uuid)", 1 },
	[STMT_CLEANED] = { "sandbox_cleaned", "select api.sandbox_cleaned($1::text::uuid,$2::text)", 2 },
	[STMT_JOBS] = { "host_jobs", "select job, session, client, kind, tool_id, name, payload, sealed_key, request from api.host_jobs($1::text::uuid,$2::integer,false,$3::bigint)", 3 },
	[STMT_JOBS_KNOWN] = { "host_jobs_known", "select api.host_jobs_known($1::text::uuid,$2::bigint[])", 2 },
	[STMT_JOB_READ] = { "host_job_read", "select api.host_job_read($1::text::uuid,$2::bigint)", 2 },
	[STMT_JOBS_LOST] = { "sandbox_jobs_lost", "select job, session, client, kind, tool_id from api.sandbox_jobs_lost($1::text::uuid)", 1 },
	[STMT_JOB_END] = { "sandbox_job_end", "select api.sandbox_job_end($1::bigint,$2::text,$3::integer,$4::bigint)", 4 },
	[STMT_APPEND] = { "sandbox_append", "select api.sandbox_append($1::text::uuid,$2::text,$3::bigint,$4::text[],$5::text[])", 5 },
	[STMT_ANNOUNCE] = { "stream_announce", "select api.stream_announce($1::text)", 1 },
	[STMT_SWEEP] = { "sandbox_sweep", "select * from api.sandbox_sweep($1::bigint,$2::bigint)", 2 },
	[STMT_CREDENTIAL_FIND] = { "credential_find", "select sealed, invalid, api.seal_form()::bigint from api.credential_find($1::text,$2::text)", 2 },
	[STMT_CREDENTIAL_RENEW_BEGIN] = { "credential_renew_begin",
		"select api.credential_renew_begin($1::text,$2::text,$3::text,$4::text,$5::integer)", 5 },
	[STMT_CREDENTIAL_RENEWED] = { "credential_renewed", "select api.credential_renewed($1::text,$2::text,$3::text,$4::text,$5::text)", 5 },
	[STMT_CREDENTIAL_RENEW_FAILED] = { "credential_renew_failed", "select api.credential_renew_failed($1::text,$2::text,$3::text,$4::boolean)", 4 },
	[STMT_CREDENTIAL_CHECKED] = { "credential_checked", "select api.credential_checked($1::text,$2::text,$3::text,$4::boolean)", 4 },
};
/* clang-format on */
