/* statements.c: the bridge's SQL. Mutations answer api.outcome: status, workspace_id, seq, answer. */
#include "statements.h"

#define COLUMNS(a, b, c, d, e, f)                                                                                      \
	"row($" #a "::text,$" #b "::boolean,$" #c "::text,$" #d "::text,$" #e "::bigint,$" #f                          \
	"::bigint)::api.session_columns"
#define REQUEST(a, b, c, d) "row($" #a "::text,$" #b "::text,$" #c "::bytea,$" #d "::bigint)::api.request"

/* clang-format off */
const struct db_statement statements[STMT_COUNT] = {
	[STMT_SESSION_CREATE] = { "session_create",
		"select * from api.session_create($1::text,$2::text,$3::json," COLUMNS(4, 5, 6, 7, 8, 9) ",$10::bigint," REQUEST(11, 12, 13, 14) ")", 14 },
	[STMT_SESSION_SAVE] = { "session_store",
		"select * from api.session_store($1::text,$2::text,$3::json," COLUMNS(4, 5, 6, 7, 8, 9)
		",$10::bigint,$11::bigint,$12::integer,$13::bigint,$14::integer[],$15::json[],$16::bytea[]," REQUEST(17, 18, 19, 20) ")", 20 },
	[STMT_SESSION_DELETE] = { "session_delete",
		"select * from api.session_delete($1::text,$2::text,$3::json,false," REQUEST(4, 5, 6, 7) ")", 7 },
	[STMT_SESSION_UPDATE] = { "session_update",
		"select * from api.session_update($1::text,$2::text,$3::json," COLUMNS(4, 5, 6, 7, 8, 9) ",$10::bigint,$11::bigint,$12::json," REQUEST(13, 14, 15, 16) ")", 16 },
	[STMT_SESSION_UPDATE_MANY] = { "session_update_many",
		"select * from api.session_update_many($1::text[],$2::integer[],$3::integer[],$4::integer[],$5::boolean[],$6::text[],$7::json[],"
		"$8::text[],$9::boolean[],$10::text[],$11::text[],$12::bigint[],$13::bigint[],$14::bigint[],$15::bigint[],$16::json[],$17::text[],"
		"$18::text[],$19::bytea[],$20::bigint[])", 20 },
	[STMT_SESSION_CLEAR] = { "session_clear_messages",
		"select * from api.session_clear_messages($1::text,$2::text,$3::json,$4::bigint," REQUEST(5, 6, 7, 8) ")", 8 },
	[STMT_SESSION_BASE] = { "session_state", "select * from api.session_state($1::text,$2::text)", 2 },
	[STMT_SESSION_HEADER] = { "session_header", "select * from api.session_header($1::text,$2::text)", 2 },
	[STMT_REFUSED] = { "refused", "select 'refused', null::bigint, null::bigint, null::json", 0 },
	[STMT_SOURCE_CREATE] = { "source_create", "select * from api.source_create($1::text,$2::text,$3::json," REQUEST(4, 5, 6, 7) ")", 7 },
	[STMT_SOURCE_SAVE_CONFIG] = { "source_save_config", "select * from api.source_save_config($1::text,$2::text,$3::json," REQUEST(4, 5, 6, 7) ")", 7 },
	[STMT_SOURCE_SAVE_GUIDE] = { "source_save_guide", "select * from api.source_save_guide($1::text,$2::text,$3::json,$4::json," REQUEST(5, 6, 7, 8) ")", 8 },
	[STMT_SOURCE_DELETE] = { "source_delete", "select * from api.source_delete($1::text,$2::text,$3::json," REQUEST(4, 5, 6, 7) ")", 7 },
	[STMT_STATUSES_SAVE] = { "statuses_save", "select * from api.statuses_save($1::text,$2::json," REQUEST(3, 4, 5, 6) ")", 6 },
	[STMT_LABELS_SAVE] = { "labels_save", "select * from api.labels_save($1::text,$2::json," REQUEST(3, 4, 5, 6) ")", 6 },
	[STMT_SKILL_SAVE] = { "skill_save", "select * from api.skill_save($1::text,$2::text,$3::json,$4::json,$5::json," REQUEST(6, 7, 8, 9) ")", 9 },
	[STMT_SKILL_DELETE] = { "skill_delete", "select * from api.skill_delete($1::text,$2::text,$3::json," REQUEST(4, 5, 6, 7) ")", 7 },
	[STMT_PLAN_SAVE] = { "plan_save", "select * from api.plan_save($1::text,$2::text,$3::text,$4::json,$5::json," REQUEST(6, 7, 8, 9) ")", 9 },
	[STMT_PLAN_DELETE] = { "plan_delete", "select * from api.plan_delete($1::text,$2::text,$3::text,$4::json," REQUEST(5, 6, 7, 8) ")", 8 },
	[STMT_ANNOUNCE_HEADS] = { "announce_heads", "select api.announce_heads($1::text)", 1 },
	[STMT_EPOCH] = { "epoch", "select api.epoch()", 0 },
	[STMT_HEADS] = { "heads", "select * from api.heads($1::text[])", 1 },
	[STMT_CHANGES] = { "changes", "select * from api.changes($1::text,$2::bigint,$3::integer,$4::integer)", 4 },
	[STMT_PRUNE] = { "prune", "select api.prune($1::bigint,$2::integer,$3::integer)", 3 },
	[STMT_LOG_LIMIT] = { "log_limit", "select api.log_limit_set($1::bigint,$2::bigint)", 2 },
	[STMT_LOG_USAGE] = { "log_usage", "select change_bytes, stream_bytes from api.log_usage()", 0 },
	[STMT_LISTEN] = { "listen", "listen craft_changes", 0 },
	[STMT_SANDBOX_OPEN] = { "sandbox_open", "select status, head, floor, state from api.sandbox_open($1::text,$2::text)", 2 },
	[STMT_SANDBOX_MESSAGES] = { "sandbox_messages",
		"select head, floor, seq, target, body from api.sandbox_messages($1::text,$2::bigint,$3::integer,$4::integer)", 4 },
	[STMT_SANDBOX_HEADS] = { "sandbox_heads", "select session, seq from api.sandbox_heads($1::text[])", 1 },
	[STMT_SANDBOX_SUBMIT] = { "sandbox_submit",
		"select status, host from api.sandbox_submit($1::text,$2::text,$3::text,$4::text,$5::text,$6::text,$7::text,$8::bigint,$9::text,$10::text,$11::bigint,$12::bigint)", 12 },
	[STMT_SANDBOX_ANNOUNCE] = { "sandbox_announce", "select api.sandbox_announce($1::text)", 1 },
	[STMT_SANDBOX_TOUCH] = { "sandbox_touch", "select api.sandbox_touch($1::text,$2::text,$3::bigint)", 3 },
	[STMT_LISTEN_STREAMS] = { "listen_streams", "listen craft_streams", 0 },
	[STMT_LISTEN_KEYS] = { "listen_keys", "listen craft_keys", 0 },
	[STMT_KEY_FIND] = { "key_find", "select workspace, sha256, read_only, per_minute::bigint, expires_ms from api.key_find($1::text)", 1 },
	[STMT_KEYS_LIVE] = { "keys_live", "select id, read_only, per_minute::bigint, expires_ms from api.keys_live($1::text[])", 1 },
	[STMT_KEYS_SINCE] = { "keys_since", "select id, workspace, created_ms from api.keys_since($1::bigint, $2::bigint)", 2 },
};
/* clang-format on */
