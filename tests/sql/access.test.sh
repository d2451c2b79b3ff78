# The three kinds of people, logged in for real: the daemons execute api and nothing else, DBAs read report and
# nothing else, anybody else nothing.
# shellcheck shell=bash source=tests/sql/lib.sh
. "$TEST_LIB"
plan 62

# as ROLE STATEMENT
as() {
	out=$(PGUSER=$1 psql -XqAt -v ON_ERROR_STOP=1 -d "$TEST_DB" -c "$2" 2>&1)
	code=$?
}
# denied ROLE STATEMENT
denied() {
	as "$1" "$2"
	like "$code:$out" "^1:.*permission denied" "$1 may not: $2"
}

sql postgres "create role some_dba login; grant craft_dba to some_dba; create role some_stranger login;" >/dev/null

as craft_daemon "select (api.session_save('w', 's', '{\"id\":\"s\",\"name\":\"N\"}', p_count => 1, p_bytes => 1, p_idx => '{0}', p_hash => '{-1}', p_body => array['7']::json[])).status"
is "$out" ok "craft_daemon changes a workspace"
as craft_daemon "select string_agg(part::text, ',') from api.session_parts('w', 's')"
is "$out" '{"id":"s","name":"N"},7' "and reads it"
as craft_daemon "select api.announce('{w}')"
is "$code" 0 "and announces it"
as craft_daemon "select api.prune(1, 1, 1)"
is "$code:$out" 0:0 "and prunes"
as craft_daemon "select status from api.file_put('w', 's', 'attachments', 'f', 'aaaaaaaa-0000-4000-8000-000000000000', 7, 'image/png', sha256('x'))"
is "$out" ok "and makes a file"
as craft_daemon "select api.project_remember('w', 'o/r', 'https://github.com/o/r'), api.credential_put('w', 'o/r', 'https://github.com/o/r', 'main', 'SEALED', 'octocat', 7, 'repo', 1)"
is "$code" 0 "and stores a credential"
as craft_daemon "select sealed from api.credential_get('w', 'o/r')"
is "$out" SEALED "which only a function returns"
as craft_daemon "select api.oauth_use(decode(md5('x'), 'hex'), 4102444800000)"
is "$out" t "and uses an OAuth state"
host=aaaaaaaa-0000-4000-8000-000000000001
as craft_daemon "select api.host_begin('$host', 'h', '1', 1, 'all'); select status from api.sandbox_create('w', 'o/r', 'main', 60, 1)"
is "$out" "
ok" "and makes a sandbox"
sandbox=$(sql "$TEST_DB" "select id from app.sandbox_session")
as craft_daemon "select branch from api.sandbox_claim('$host', 1); select status from api.sandbox_submit('w', '$sandbox', 'c', 'execute', null, null, 'SEALED-task', 60)"
is "$out" "main
ok" "and gives it a job"
as craft_daemon "select api.sandbox_append('$host', '$sandbox', 0, '{\"\"}', '{SEALED-answer}'); select payload from api.sandbox_jobs('$host', 9, false)"
is "$out" "1
SEALED-task" "and answers it"
for table in session message workspace project credential oauth_used epoch schema_migration file file_usage blob_gone \
	sandbox_session sandbox_host sandbox_job sandbox_message; do
	denied craft_daemon "select * from app.$table"
done
denied craft_daemon "update app.workspace set seq = 0"
denied craft_daemon "select sealed from app.credential"
denied craft_daemon "update app.credential set invalid_at = null"
denied craft_daemon "delete from app.oauth_used"
denied craft_daemon "copy app.credential to stdout"
denied craft_daemon "select * from report.sessions"
denied craft_daemon "select * from report.files"
denied craft_daemon "select app.epoch_text()"
denied craft_daemon "create table api.t (a integer)"
denied craft_daemon "set role craft_owner"

as some_dba "select workspace, session, name, messages, message_bytes from report.sessions"
is "$out" "w|s|N|1|1" "a DBA reads the sessions"
as some_dba "select position, hash, body from report.messages where workspace = 'w' and session = 's'"
is "$out" "0|$(printf 7 | sha256sum | cut -d' ' -f1)|7" "and the messages"
as some_dba "select sessions, messages, changes from report.workspaces"
is "$out" "1|1|1" "and the workspaces"
as some_dba "select workspace, session, type, name, size, mime_type, sha256, blob_id, uploaded_at > now() - interval '1 hour' from report.files"
is "$out" "w|s|attachments|f|7|image/png|$(printf x | sha256sum | cut -d' ' -f1)|aaaaaaaa-0000-4000-8000-000000000000|t" "and the files"
as some_dba "select workspace, repo_key, has_github_auth, github_username, github_invalid_at is null from report.projects"
is "$out" "w|o/r|t|octocat|t" "and the projects"
sql "$TEST_DB" "analyze" >/dev/null
as some_dba "select s.branch, s.host, s.messages, t.kind, h.sandboxes from report.sandboxes s join report.tasks t using (sandbox_session) join report.sandbox_hosts h using (host)"
is "$out" "main|h|1|execute|1" "and the sandboxes, without what was said in them"
failed="" shown=""
for view in $(sql "$TEST_DB" "select viewname from pg_views where schemaname = 'report'"); do
	as some_dba "select * from report.$view"
	[ "$code" = 0 ] || failed="$failed $view"
	[[ $out != *SEALED* ]] || shown="$shown $view"
done
is "$failed" "" "and every view"
for view in pg_stats pg_stat_activity pg_stat_statements pg_prepared_statements; do
	as some_dba "select * from $view"
	[[ $out != *SEALED* ]] || shown="$shown $view"
done
is "$shown" "" "none of which shows a credential, nor does one of the system's"
dump=$(PGUSER=some_dba pg_dump -d "$TEST_DB" 2>&1)
like "$?:$dump" "^1:.*permission denied" "a DBA can't make a dump"
dump=$(PGUSER=some_dba pg_dump -n report -d "$TEST_DB" 2>&1)
[[ $dump == *report.projects* && $dump != *SEALED* ]]
ok $? "but one of the views, without a credential in it" || tail -n 3 <<<"$dump" | sed 's/^/# /'
denied some_dba "select * from app.session"
denied some_dba "select * from app.file"
denied some_dba "select * from app.credential"
denied some_dba "select sealed from app.credential"
denied some_dba "select * from app.sandbox_message"
denied some_dba "select payload from app.sandbox_job"
denied some_dba "select sealed from api.credential_get('w', 'o/r')"
denied some_dba "select sealed from api.credentials_to_rekey(null, null, 1)"
denied some_dba "select api.credential_delete('w', 'o/r')"
denied some_dba "select api.labels_save('w', '{}')"
denied some_dba "update app.session set name = null"
as some_dba "delete from report.messages"
is "$code" 1 "and the views can't be written through"

denied some_stranger "select * from report.sessions"
denied some_stranger "select api.epoch()"
denied some_stranger "select * from app.workspace"
# What a stranger can make must not stand in for what the functions mean.
as some_stranger "create temp table workspace (id bigint, slug text, seq bigint, floor bigint); grant all on workspace to public; select 1"
as craft_daemon "create temp table session (key bigint, workspace_id bigint, id text, version bigint, header json); set search_path = pg_temp, app; select count(*) from api.sessions('w') where body is not null"
is "$out" 1 "temporary tables don't stand in for the schema's"

sql postgres "drop role some_dba; drop role some_stranger" >/dev/null
