# The schema's way to head: from nothing, from every older head, twice, at once; and what is refused.
# shellcheck shell=bash source=tests/sql/lib.sh
. "$TEST_LIB"
plan 46

work=$TEST_DIR/migrate
mkdir -p "$work"
head=$(find "$SQL_DIR/migrations" -name '*.sql' | wc -l)
state="select (select max(applied_at) from app.schema_migration), (select applied_at from app.schema_code), (select count(*) from app.schema_migration)"

# copy_sql NAME: a copy of the SQL directory to spoil
copy_sql() {
	rm -rf "${work:?}/$1"
	cp -R "$SQL_DIR" "$work/$1"
}

# expect_refusal DATABASE DIR REGEX NAME: exit code 1, that sentence, and nothing changed (4 tests)
expect_refusal() {
	local before
	before=$(sql "$1" "$state")
	dump_schema "$1" >"$work/before"
	craft_cloud "$1" migrate --sql-dir "$2"
	is "$code" 1 "$4: exit code"
	like "$out" "$3" "$4: says why"
	dump_schema "$1" >"$work/after"
	same_files "$work/before" "$work/after" "$4: the schema is as it was"
	is "$(sql "$1" "$state")" "$before" "$4: the records are as they were"
}

empty_db fresh
craft_cloud fresh migrate --sql-dir "$SQL_DIR" --dry-run
like "$out" "would apply migrations/0001_" "a dry run says what would be done"
is "$(sql fresh "select count(*) from pg_namespace where nspname = 'app'")" 0 "and does nothing"
craft_cloud fresh migrate --sql-dir "$SQL_DIR"
is "$code" 0 "empty to head"
is "$(sql fresh "select count(*) from app.schema_migration where sha256 ~ '^[0-9a-f]{64}$'")" "$head" "every migration is recorded"
is "$(sql fresh "select sha256 from app.schema_migration where version = 1")" "$(sha256sum "$SQL_DIR"/migrations/0001_*.sql | cut -d' ' -f1)" "with the file's SHA-256"
dump_schema fresh >"$work/fresh"
if [ "$(sql fresh "select current_setting('server_version_num')::int / 10000")" = 15 ]; then
	same_files "$GOLDEN" "$work/fresh" "the dump equals tests/golden/schema.sql"
else
	skip "the dump equals tests/golden/schema.sql" "the golden dump is PostgreSQL 15's"
fi

before=$(sql fresh "$state")
pg_dump -d fresh | grep -vE '^\\(un)?restrict' >"$work/data-before"
craft_cloud fresh migrate --sql-dir "$SQL_DIR"
is "$code" 0 "head to head"
like "$out" "nothing to do" "says that there is nothing to do"
is "$(sql fresh "$state")" "$before" "and applies nothing again"
pg_dump -d fresh | grep -vE '^\\(un)?restrict' >"$work/data-after"
same_files "$work/data-before" "$work/data-after" "the dump with data is the same"

# Every older head, made of the migrations up to it, of functions that are gone since and of one with another result.
failed=""
for ((n = 1; n <= head; n++)); do
	copy_sql old
	for file in "$work"/old/migrations/*.sql; do
		number=$(basename "$file")
		((10#${number:0:4} <= n)) || rm "$file"
	done
	rm "$work"/old/api/*.sql "$work"/old/report/*.sql
	cat >"$work/old/api/00_old.sql" <<-'END'
		create function api.gone(p integer) returns integer language sql as 'select 1';
		create function api.sessions(other_name text) returns integer language sql as 'select 1';
		create function app.gone_too() returns trigger language plpgsql as 'begin return new; end';
	END
	echo "create view report.workspaces as select 1 as another_column; create view report.gone as select * from report.workspaces;" >"$work/old/report/x.sql"
	empty_db "old_$n"
	craft_cloud "old_$n" migrate --sql-dir "$work/old" && [ "$code" = 0 ] || failed="$failed $n(make: $out)"
	((n < 2)) || sql "old_$n" "with w as (insert into app.workspace (slug) values ('w') returning id), p as (insert into app.project (workspace_id, repo_key, repo_url) select id, 'O/r', 'u' from w)
		insert into app.credential (workspace_id, repo_key, sealed) select id, 'O/r', 'sealed' from w"
	craft_cloud "old_$n" migrate --sql-dir "$SQL_DIR" && [ "$code" = 0 ] || failed="$failed $n($out)"
	((n < 2)) || [ "$(sql "old_$n" "select sealed, invalid, (select body ->> 'hasGitHubAuth' from api.project('w', 'o/r')) from api.credential_get('w', 'o/R')")" = "sealed|f|true" ] ||
		failed="$failed $n(credential)"
	dump_schema "old_$n" >"$work/upgraded"
	diff -u "$work/fresh" "$work/upgraded" >>"$work/diff" || failed="$failed $n(differs)"
	dropdb "old_$n"
done
is "$failed" "" "every older head comes to the same head" || head -n 40 "$work/diff" | sed 's/^/# /'

copy_sql changed
echo "-- one more line" >>"$work"/changed/migrations/0001_sync.sql
expect_refusal fresh "$work/changed" "0001_sync.sql was changed after it was applied" "a changed migration"

copy_sql missing
rm "$work"/missing/migrations/"$(printf '%04d' "$head")"_*.sql
expect_refusal fresh "$work/missing" "newer version of this program" "a recorded migration without a file"

copy_sql gap
next=$(printf '%04d' $((head + 2)))
echo "create table app.gap (a integer);" >"$work/gap/migrations/${next}_gap.sql"
expect_refusal fresh "$work/gap" "migration $(printf '%04d' $((head + 1))) is missing" "a gap in the numbers"

copy_sql twice
echo "create table app.twice (a integer);" >"$work/twice/migrations/0001_twice.sql"
expect_refusal fresh "$work/twice" "two migrations have the number 0001" "a number used twice"

copy_sql named
echo "create table app.named (a integer);" >"$work/named/migrations/next.sql"
expect_refusal fresh "$work/named" "next.sql is not named NNNN_name.sql" "a file with another name"

copy_sql bad
next=$(printf '%04d' $((head + 1)))
printf "create table app.good (a integer);\n-- é😀\n\nselect 'é😀',\n\tno_such_column from app.workspace;\n" >"$work/bad/migrations/${next}_bad.sql"
expect_refusal fresh "$work/bad" "${next}_bad.sql:5: column \"no_such_column\" does not exist" "an SQL error in a migration"

copy_sql code
printf "\n\ncreate or replace function api.bad() returns integer language sql as \$\$\n\tselect no_such_column \$\$;\n" >>"$work/code/api/99_bad.sql"
expect_refusal fresh "$work/code" "99_bad.sql:" "an SQL error in a function"

# Changed functions alone are applied, whole, and taken back.
copy_sql more
echo "create function api.more() returns integer language sql set search_path = app, pg_temp as 'select 1'; comment on function api.more() is 'One.';" >"$work/more/api/99_more.sql"
craft_cloud fresh migrate --sql-dir "$work/more"
is "$code:$(sql fresh "select has_function_privilege('craft_daemon', 'api.more()', 'execute'), has_function_privilege('public', 'api.more()', 'execute')")" \
	"0:t|f" "a new function is there, for the daemons only"
craft_cloud fresh migrate --sql-dir "$SQL_DIR"
dump_schema fresh >"$work/after"
same_files "$work/fresh" "$work/after" "a function that no file has any more goes"

# At once: all succeed, and each migration was applied once.
empty_db parallel
for i in 1 2 3 4; do
	DATABASE_URL="dbname=parallel" "$CRAFT_CLOUD" migrate --sql-dir "$SQL_DIR" >"$work/parallel.$i" 2>&1 &
	pids[i]=$!
done
codes=""
for i in 1 2 3 4; do
	wait "${pids[i]}"
	codes=$codes$?
done
is "$codes" 0000 "four at once succeed" || cat "$work"/parallel.* | sed 's/^/# /'
is "$(cat "$work"/parallel.* | grep -c '^applied migrations/0001')" 1 "one of them did the work"
dump_schema parallel >"$work/after"
same_files "$work/fresh" "$work/after" "and the schema is whole"

# One that has to wait says so.
mkfifo "$work/fifo"
psql -XqAt -d parallel <"$work/fifo" >"$work/holder" 2>&1 &
holder=$!
exec 7>"$work/fifo"
echo "select pg_advisory_lock(hashtext('craft-agent-cloud'), hashtext('migrate'));" >&7
wait_for 10 test -s "$work/holder"
DATABASE_URL="dbname=parallel" "$CRAFT_CLOUD" migrate --sql-dir "$SQL_DIR" >"$work/waiter" 2>&1 7>&- &
waiter=$!
wait_for 10 grep -q "waiting for another migration" "$work/waiter"
ok $? "one that waits says so"
exec 7>&-
wait "$holder" "$waiter"
like "$(cat "$work/waiter")" "nothing to do" "and goes on when the other is done"

dropdb fresh
dropdb parallel
