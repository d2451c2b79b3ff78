# Many at once: a project is made once, a state is used once, the credential is one that was granted, nobody deadlocks.
# shellcheck shell=bash source=tests/sql/lib.sh
. "$TEST_LIB"
plan 26

work=$TEST_DIR/oauth
mkdir "$work"
clients=30

# of_each STATEMENT: the statement, with # as the client's number, into $statements
of_each() {
	statements=()
	for ((c = 1; c <= clients; c++)); do
		statements+=("${1//#/$c}")
	done
}
projects() { sql "$TEST_DB" "select count(*), count(distinct p.workspace_id), count(distinct w.slug) from app.project p join app.workspace w on w.id = p.workspace_id"; }

# A workspace and a project that aren't there yet, then another project.
of_each "select api.project_remember('w', 'o/one', 'https://github.com/o/one')::text || 'ok'"
at_once app.workspace "${statements[@]}"
is "$answers" " $clients ok;" "$clients remember one project" || sed 's/^/# /' "$TEST_DIR"/at_once/out*
is "$(projects)" "1|1|1" "which is one row of one workspace"
of_each "select api.project_remember('w', (array['O/Two', 'o/two', 'O/TWO'])[# % 3 + 1], 'https://github.com/o/two#')::text || 'ok'"
at_once app.project "${statements[@]}"
is "$answers" " $clients ok;" "$clients remember one in different case, each with another URL" || sed 's/^/# /' "$TEST_DIR"/at_once/out*
is "$(projects)" "2|1|1" "which is one row more"
like "$(sql "$TEST_DB" "select repo_key || ' ' || repo_url from app.project where repo_id = 'o/two'")" "^[Oo]/T[Ww][Oo] https://github.com/o/two[0-9]+$|^o/two https://github.com/o/two[0-9]+$" "with one of the URLs"

# A credential that is granted several times at once: one of them, whole.
of_each "select api.credential_put('x', 'o/three', 'https://github.com/o/three', 'main', 'sealed #', 'user #', #, 'repo', #)::text || 'ok'"
at_once app.workspace "${statements[@]}"
is "$answers" " $clients ok;" "$clients store a credential" || sed 's/^/# /' "$TEST_DIR"/at_once/out*
is "$(sql "$TEST_DB" "select count(*), bool_and(sealed = 'sealed ' || user_id and username = 'user ' || user_id and app.ms(authenticated_at) = user_id) from app.credential")" "1|t" "of which one remains, with its own user"
is "$(projects)" "3|2|2" "and one project"

# Replaced under a new key, checked and deleted at once.
sealed=$(sql "$TEST_DB" "select sealed from api.credential_get('x', 'o/three')")
id=$(sql "$TEST_DB" "select id from app.workspace where slug = 'x'")
of_each "select api.credential_rekey($id, 'o/three', '$sealed', 'again #')"
at_once app.credential "${statements[@]}"
is "$answers" " $((clients - 1)) f; 1 t;" "of $clients that seal it anew one does"
of_each "select coalesce(left(api.credential_delete('x', 'o/three'), 5), 'none')"
at_once app.credential "${statements[@]}"
is "$answers" " 1 again; $((clients - 1)) none;" "of $clients that delete it one gets it"

# States.
of_each "select api.oauth_use(decode(md5('one'), 'hex'), 4102444800000)"
at_once app.oauth_used "${statements[@]}"
is "$answers" " $((clients - 1)) f; 1 t;" "of $clients that use a state one may"
sql "$TEST_DB" "insert into app.oauth_used select decode(md5('old' || i), 'hex'), now() - interval '1 day' from generate_series(1, 500) i"
of_each "select api.oauth_use(decode(md5('own #'), 'hex'), 4102444800000)"
at_once app.oauth_used "${statements[@]}"
is "$answers" " $clients t;" "$clients that use states of their own may, and forget old ones"
is "$(sql "$TEST_DB" "select count(*) filter (where expires_at < now()) < 500, count(*) filter (where expires_at > now()) from app.oauth_used")" "t|$((clients + 1))" "and only those"

# Who comes second waits for what becomes of the first.
psql -XqAt -v ON_ERROR_STOP=1 -d "$TEST_DB" >"$work/second" 2>&1 <<'END'
create procedure tap.blocked(p_pid integer) language plpgsql as $$
begin
	for i in 1 .. 2000 loop
		if exists (select from pg_locks where pid = p_pid and not granted) then
			return;
		end if;
		perform pg_sleep(0.01);
	end loop;
	raise 'nobody waits';
end
$$;
create procedure tap.race(p_statement text, p_end text, out p_first text, out p_second text) language plpgsql as $$
declare
	v_pid integer := (select o from tap.dblink('second', 'select pg_backend_pid()') d (o integer));
begin
	perform tap.dblink_exec('first', 'begin');
	p_first := (select o from tap.dblink('first', p_statement) d (o text));
	perform tap.dblink_send_query('second', p_statement);
	call tap.blocked(v_pid);
	perform tap.dblink_exec('first', p_end);
	p_second := (select o from tap.dblink_get_result('second') d (o text));
	perform from tap.dblink_get_result('second') d (o text);
end
$$;
select tap.other('first') is null or tap.other('second') is null as connected \gset
call tap.race($$ select api.oauth_use(decode(md5('two'), 'hex'), 4102444800000) $$, 'commit', null, null);
call tap.race($$ select api.oauth_use(decode(md5('three'), 'hex'), 4102444800000) $$, 'rollback', null, null);
call tap.race($$ select api.project_remember('y', 'o/r', 'u')::text || 'ok' $$, 'commit', null, null);
call tap.race($$ select api.project_remember('z', 'o/r', 'u')::text || 'ok' $$, 'rollback', null, null);
call tap.race($$ select api.project_remember('y', 'o/s', 'u')::text || 'ok' $$, 'commit', null, null);
call tap.race($$ select api.credential_put('y', 'o/r', 'u', 'main', 's', 'n', 1, 'repo', 1)::text || 'ok' $$, 'commit', null, null);
select string_agg(w.slug || ':' || p.repo_key, ' ' order by w.slug, p.position) from app.project p join app.workspace w on w.id = p.workspace_id where w.slug in ('y', 'z');

-- Forgetting old states is nothing to wait for.
set lock_timeout = '5s';
insert into app.oauth_used select decode(md5('older' || i), 'hex'), now() - interval '1 day' from generate_series(1, 10) i;
select tap.dblink_exec('first', 'begin') as begun \gset
select o as first from tap.dblink('first', $$ select api.oauth_use(decode(md5('four'), 'hex'), 4102444800000) $$) d (o boolean) \gset
select :'first', api.oauth_use(decode(md5('five'), 'hex'), 4102444800000);
select tap.dblink_exec('first', 'commit') as done \gset

-- What is synced is another lock, as far as the project is there.
select tap.dblink_exec('first', 'begin') as begun \gset
select o as first from tap.dblink('first', $$ select status from api.labels_save('y', '{}') $$) d (o text) \gset
select api.project_remember('y', 'o/r', 'other') as done \gset
select api.credential_put('y', 'o/r', 'u', 'trunk', 't', 'n', 1, 'repo', 1) as done \gset
select :'first', api.credential_delete('y', 'o/r');
END
line() { sed -n "$1p" "$work/second"; }
is "$(line 1)" "t|f" "a state that one used another can't" || sed 's/^/# /' "$work/second"
is "$(line 2)" "t|t" "a state whose use was rolled back can be used"
is "$(line 3)" "ok|ok" "a project that another makes just now"
is "$(line 4)" "ok|ok" "one that another didn't make after all"
is "$(line 5)" "ok|ok" "also in a workspace that is there"
is "$(line 6)" "ok|ok" "a credential that another stores just now"
is "$(line 7)" "y:o/r y:o/s z:o/r" "each is one row"
is "$(line 8)" "t|t" "two that forget the same old states don't wait for each other"
is "$(line 9)" "ok|t" "a known project and its credential while a synced change is under way"

# Everything mixed, some of it rolled back.
storm=8 each=60
RANDOM=20260104
for ((c = 1; c <= storm; c++)); do
	for ((i = 1; i <= each; i++)); do
		where="'s$((RANDOM % 2))', '$( ((RANDOM % 2)) && echo O || echo o)/r$((RANDOM % 2))'"
		url="'https://github.com/$((RANDOM % 3))'"
		end="commit"
		((RANDOM % 5 == 0)) && end="rollback"
		case $((RANDOM % 8)) in
		0) echo "begin; select 'delete ' || (api.credential_delete($where) is null); $end;" ;;
		1) echo "begin; select 'sync ' || (api.labels_save('s$((RANDOM % 2))', '{}')).status; $end;" ;;
		2) echo "begin; select 'checked', api.credential_checked($where, 'c$((RANDOM % 3))', $((RANDOM % 2)) = 1); $end;" ;;
		3) echo "begin; select '$end use ' || api.oauth_use(decode(md5('storm$((RANDOM % 40))'), 'hex'), 4102444800000); $end;" ;;
		4) echo "begin; select 'rekey ' || api.credential_rekey(r.workspace_id, r.repo_key, r.sealed, 'c$((RANDOM % 3))') from api.credentials_to_rekey(null, null, 3) r; $end;" ;;
		5) echo "begin; select 'remember ' || api.project_remember($where, $url); $end;" ;;
		*) echo "begin; select 'put ' || api.credential_put($where, $url, 'b$((RANDOM % 3))', 'c$((RANDOM % 3))', 'n', 1, 'repo', 1); $end;" ;;
		esac
	done >"$work/storm$c"
done
for ((c = 1; c <= storm; c++)); do
	PGUSER=craft_daemon psql -XqAt -v ON_ERROR_STOP=1 -d "$TEST_DB" -f "$work/storm$c" >"$work/stormed$c" 2>&1 &
	pids[c]=$!
done
codes=""
for ((c = 1; c <= storm; c++)); do
	wait "${pids[c]}"
	codes=$codes$?
done
is "$codes" "$(printf '%0*d' $storm 0)" "$storm clients do everything at once" || tail -n 2 "$work"/stormed* | sed 's/^/# /'
is "$(cat "$work"/stormed* | grep -vcE '^(delete (true|false)|sync ok|checked\||(commit|rollback) use (true|false)|rekey (true|false)|remember |put )$')" 0 "and nothing else happened" || cat "$work"/stormed* | sort | uniq -c | sed 's/^/# /'
is "$(sql "$TEST_DB" "select count(*), count(distinct (p.workspace_id, lower(p.repo_key))) from app.project p join app.workspace w on w.id = p.workspace_id where w.slug in ('s0', 's1')")" "4|4" "four projects are left"
storm_nonces="select count(*) from app.oauth_used u join generate_series(0, 39) i on u.nonce = decode(md5('storm' || i), 'hex')"
is "$(cat "$work"/stormed* | grep -c '^commit use true$')" "$(sql "$TEST_DB" "$storm_nonces")" "each state that is known was used once"
