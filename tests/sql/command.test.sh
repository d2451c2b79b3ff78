# craft-cloud's command line, status and workspaces.
# shellcheck shell=bash source=tests/sql/lib.sh
. "$TEST_LIB"
plan 30

out=$("$CRAFT_CLOUD" --help 2>&1)
is $? 0 "--help"
like "$out" "migrate.*status.*workspaces" "lists the commands"
like "$out" "DATABASE_OWNER_URL" "and the configuration"
like "$("$CRAFT_CLOUD" --version)" "^craft-cloud [0-9]" "--version"

# usage REGEX ARGS…: exit code 2 and a hint
usage() {
	local regex=$1
	shift
	craft_cloud "$TEST_DB" "$@"
	like "$code:$out" "^2:.*$regex.*--help" "refused: craft-cloud $*"
}
usage "which command"
usage "unknown command frobnicate" frobnicate
usage "unknown option --frobnicate" migrate --frobnicate
usage "a value is missing after --config" migrate --config
usage "unexpected argument now" migrate now
usage "dry-run doesn't go with status" status --dry-run
out=$("$CRAFT_CLOUD" status 2>&1)
like "$?:$out" "^2:.*DATABASE_URL is not set" "no database configured"
echo "FROBNICATE=1" >"$TEST_DIR/bad.conf"
craft_cloud "$TEST_DB" status --config "$TEST_DIR/bad.conf"
like "$code:$out" "^2:.*bad.conf:1: unknown key FROBNICATE" "an unknown key, with file and line"
craft_cloud no_such_database status --sql-dir "$SQL_DIR"
like "$code:$out" "^1:.*can't connect to PostgreSQL.*no_such_database" "no such database"
out=$(DATABASE_URL="host=$PGHOST user=nobody_known password=hunter22 dbname=postgres" "$CRAFT_CLOUD" status --sql-dir "$SQL_DIR" 2>&1)
is "$(grep -c hunter22 <<<"$out")" 0 "a password isn't repeated"
craft_cloud "$TEST_DB" migrate --sql-dir /nonexistent
like "$code:$out" "^1:.*/nonexistent/roles.sql" "no SQL directory"
craft_cloud postgres status --sql-dir "$SQL_DIR"
like "$code:$out" "^1:.*no schema.*craft-cloud migrate" "status of an empty database says what to do"

# As the daemons' role, which may execute api and nothing else.
status() {
	out=$(DATABASE_URL="dbname=$TEST_DB user=craft_daemon" "$CRAFT_CLOUD" "$1" --sql-dir "${2:-$SQL_DIR}" 2>&1)
	code=$?
}
sql "$TEST_DB" "select api.session_save('team', 's1', '{}', p_count => 3, p_bytes => 99, p_idx => array[0, 1, 2], p_hash => array[1, 2, 3], p_body => array['1', '2', '3']::json[])" >/dev/null
sql "$TEST_DB" "select api.file_put('team', 's1', 'downloads', n, gen_random_uuid(), 40, 'a/b', sha256('')) from unnest(array['f', 'g', 'f']) n" >/dev/null
sql "$TEST_DB" "select api.labels_save(E'a\\x1b[31mb\\u009bé', '{}')" >/dev/null
status status
like "$code:$out" "^1:.*synchronous_commit and fsync" "a server without fsync is something wrong"
sql postgres "alter system set fsync = on" && sql postgres "select pg_reload_conf()" >/dev/null
wait_for 10 test "$(sql postgres 'show fsync')" = on
PGAPPNAME=craft-ws-bridge psql -XqAt -d "$TEST_DB" -c "select pg_sleep(600)" >/dev/null 2>&1 &
sleeper=$!
connected="select count(*) = 1 from pg_stat_activity where application_name = 'craft-ws-bridge'"
is_connected() { [ "$(sql "$TEST_DB" "$connected")" = t ]; }
wait_for 10 is_connected
status status
is "$code" 0 "status is fine"
like "$out" "schema version +$(find "$SQL_DIR/migrations" -name '*.sql' | wc -l)" "with the schema's version"
like "$out" "sessions +1"$'\n'"messages +3"$'\n'"message bytes +99 bytes"$'\n'"changes +2" "and counts"
like "$out" "files +2"$'\n'"file bytes +80 bytes"$'\n'"deleted blobs +1"$'\n'"notify queue, % +0" "and files"
like "$out" "epoch +[0-9a-f]{16}" "and the epoch"
like "$out" "craft-ws-bridge +1 connection" "and who is connected"
sql postgres "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'craft-ws-bridge'" >/dev/null
wait "$sleeper"

cp -R "$SQL_DIR" "$TEST_DIR/newer"
chmod -R u+w "$TEST_DIR/newer"
echo "select 1;" >"$TEST_DIR/newer/migrations/$(printf '%04d' $(($(find "$SQL_DIR/migrations" -name '*.sql' | wc -l) + 1)))_next.sql"
status status "$TEST_DIR/newer"
like "$code:$out" "^1:.*run craft-cloud migrate" "a database behind the program"
like "$out" "pending migrations 1" "says how many migrations are missing"
echo "-- changed" >>"$TEST_DIR/newer/migrations/0001_sync.sql"
status status "$TEST_DIR/newer"
like "$code:$out" "^1:.*0001_sync.sql was changed" "a changed migration"

status workspaces
is "$code" 0 "workspaces"
like "$out" "team +1 +3 +99  20[0-9-]+T[0-9:]+Z" "with counts and time"
like "$out" $'\n'"a\?\[31mb\?é +0 " "and nothing that a terminal obeys"

"$CRAFT_CLOUD" --help >/dev/full 2>/dev/null
is $? 1 "output that can't be written is an error"
sql postgres "alter system reset fsync" && sql postgres "select pg_reload_conf()" >/dev/null
