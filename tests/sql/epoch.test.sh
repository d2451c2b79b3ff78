# The epoch: the same over a restart of the server, another one after a restore, a failover and epoch_renew().
# shellcheck shell=bash source=tests/sql/lib.sh
. "$TEST_LIB"
plan 10

epoch() {
	PGUSER=craft_daemon psql -XqAt -d "$1" -c "select api.epoch()"
}

sql "$TEST_DB" "select api.session_save('w', 's', '{\"a\":\"\\u0000\\ud83d\"}')" >/dev/null
before=$(epoch "$TEST_DB")
like "$before" "^[0-9a-f]{16}$" "an epoch"
server pg_ctl -D "$TEST_DIR/data" -l "$TEST_DIR/server.log" -m fast -w restart >/dev/null
is "$(epoch "$TEST_DB")" "$before" "stays over a restart"
server pg_ctl -D "$TEST_DIR/data" -l "$TEST_DIR/server.log" -m immediate -w restart >/dev/null
is "$(epoch "$TEST_DB")" "$before" "and over a crash"

# Only our schemas: pgTAP isn't part of what is restored.
pg_dump -Fc -n app -n api -n report -d "$TEST_DB" -f "$TEST_DIR/epoch.dump"
empty_db restored
pg_restore --exit-on-error -d restored "$TEST_DIR/epoch.dump"
ok $? "a dump is restored into another database"
[ "$(epoch restored)" != "$before" ]
ok $? "whose epoch is another"
is "$(sql restored "select body::text from api.sessions('w') offset 1")" '{"a":"\u0000\ud83d"}' "and whose documents are the same"
craft_cloud restored migrate --sql-dir "$SQL_DIR"
like "$out" "nothing to do" "and which is at head"
dropdb restored

# A standby that takes over.
standby=$TEST_DIR/standby
server mkdir -m 700 "$standby" "$standby/socket"
server pg_basebackup -R -D "$standby/data" -c fast
ok $? "a standby is made"
server pg_ctl -D "$standby/data" -l "$standby/log" -w -o "-c unix_socket_directories='$standby/socket'" start >/dev/null
server pg_ctl -D "$standby/data" -w promote >/dev/null
promoted=$(PGHOST=$standby/socket epoch "$TEST_DB")
like "$promoted" "^[0-9a-f]{16}$" "and promoted"
[ "$promoted" != "$before" ]
ok $? "its epoch is another"
server pg_ctl -D "$standby/data" -m immediate -w stop >/dev/null
