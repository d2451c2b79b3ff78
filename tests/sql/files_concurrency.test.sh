# Many change the files of a workspace at once: one wins whole, counts stay exact, every replaced blob is gone once, nobody deadlocks.
# shellcheck shell=bash source=tests/sql/lib.sh
. "$TEST_LIB"
plan 27

work=$TEST_DIR/files
mkdir "$work"
clients=100

# put NAME SIZE REST: an upload of a blob of its own
put() {
	echo "api.file_put('w', 's', 'attachments', '$1', gen_random_uuid(), $2, 'text/plain', sha256('$2'), $3)"
}

# of_each STATEMENT: the statement, with # as the client's number, into $statements
of_each() {
	statements=()
	for ((c = 1; c <= clients; c++)); do
		statements+=("${1//#/$c}")
	done
}
usage() { sql "$TEST_DB" "select u.files, u.bytes from app.file_usage u join app.workspace w on w.id = u.workspace_id where w.slug = 'w'"; }
counted() { sql "$TEST_DB" "select count(*), coalesce(sum(size), 0) from app.file f join app.workspace w on w.id = f.workspace_id where w.slug = 'w'"; }

# A workspace that isn't there yet.
of_each "select status from $(put one "#" "null, null, 0")"
at_once app.file_usage "${statements[@]}"
is "$answers" " $clients ok;" "$clients uploads to one name" || tail -n 2 "$TEST_DIR"/at_once/out* | sed 's/^/# /'
is "$(counted | cut -d'|' -f1)" 1 "leave one file"
is "$(usage)" "$(counted)" "counted once, with its own bytes"
is "$(sql "$TEST_DB" "select encode(sha256, 'hex') = encode(sha256(size::text::bytea), 'hex') from app.file")" t "which is one of them whole"
is "$(sql "$TEST_DB" "select count(*), sum(size) + (select size from app.file) from app.blob_gone")" "$((clients - 1))|$((clients * (clients + 1) / 2))" "the other blobs are gone"
is "$(sql "$TEST_DB" "select count(*) from app.blob_gone g join app.file f on f.blob = g.blob")" 0 "and that of the file isn't"
is "$(sql "$TEST_DB" "select changes from app.file_usage")" "$clients" "each was a change"
is "$(sql "$TEST_DB" "select count(*) from app.workspace")" 1 "of one workspace"

# Preconditions.
clients=30
tag=$(sql "$TEST_DB" "select blob from app.file")
of_each "select status from $(put one "#" "array['$tag'], null, 0")"
at_once app.file_usage "${statements[@]}"
is "$answers" " $((clients - 1)) failed; 1 ok;" "of $clients that replace the same version one does"
of_each "select status from $(put two "#" "null, '{*}', 0")"
at_once app.file_usage "${statements[@]}"
is "$answers" " $((clients - 1)) failed; 1 ok;" "of $clients that make a file one does"
tag=$(sql "$TEST_DB" "select blob from app.file where name = 'two'")
of_each "select api.file_delete('w', 's', 'attachments', 'two', array['$tag'])"
at_once app.file_usage "${statements[@]}"
is "$answers" " $((clients - 1)) failed; 1 ok;" "of $clients that delete that version one does"
is "$(usage)" "$(counted)" "and the counts are right"

# The last bytes of a quota, by files of their own.
room=$(sql "$TEST_DB" "select api.files_room('w')")
of_each "select status from $(put "new#" 10 "null, null, $((room + 10 * 12 + 9))")"
at_once app.file_usage "${statements[@]}"
is "$answers" " 12 ok; $((clients - 12)) quota;" "as many find room as there is for"
is "$(usage)" "13|$((room + 120))" "and not a byte more is used"

# Deletions.
of_each "select api.file_delete('w', 's', 'attachments', 'one')"
at_once app.file_usage "${statements[@]}"
is "$answers" " $((clients - 1)) missing; 1 ok;" "of $clients that delete a file one does"
of_each "select api.files_delete_session('w', 's')"
at_once app.file_usage "${statements[@]}"
is "$answers" " $((clients - 1)) 0; 1 12;" "of $clients that delete a session one does"
is "$(usage)" "0|0" "nothing is left"

# Everything mixed, some of it rolled back, while others change what is synced and clean up. Each upload that was
# committed leaves a line.
storm=16 each=60
RANDOM=20260103
for ((c = 1; c <= storm; c++)); do
	for ((i = 1; i <= each; i++)); do
		where="'w$((RANDOM % 2))', 's$((RANDOM % 2))', 'attachments', 'f$((RANDOM % 3))'"
		end="commit"
		((RANDOM % 5 == 0)) && end="rollback"
		case $((RANDOM % 8)) in
		0) echo "begin; select 'delete ' || api.file_delete($where); $end;" ;;
		1) echo "begin; select 'session ' || api.files_delete_session('w$((RANDOM % 2))', 's$((RANDOM % 2))'); $end;" ;;
		2) echo "begin; select 'sync ' || (api.labels_save('w$((RANDOM % 2))', '{}')).status; $end;" ;;
		3) echo "begin; select 'forgotten ' || api.blobs_forget(array(select api.blobs_gone(0, 5))) as answer; rollback;" ;;
		*) echo "begin; select '$end put ' || status from api.file_put($where, gen_random_uuid(), $c * 1000 + $i, 'a/b', sha256('')); $end;" ;;
		esac
	done >"$work/storm$c"
done
blobs="select (select count(*) from app.file) + (select count(*) from app.blob_gone)"
before=$(sql "$TEST_DB" "$blobs")
for ((c = 1; c <= storm; c++)); do
	PGUSER=craft_daemon psql -XqAt -v ON_ERROR_STOP=1 -d "$TEST_DB" -f "$work/storm$c" >"$work/stormed$c" 2>&1 &
	pids[c]=$!
done
codes=""
for ((c = 1; c <= storm; c++)); do
	wait "${pids[c]}"
	codes=$codes$?
done
is "$codes" "$(printf '%0*d' $storm 0)" "$storm clients do everything at once, and nobody deadlocks" || tail -n 2 "$work"/stormed* | sed 's/^/# /'
committed=$(cat "$work"/stormed* | grep -c '^commit put ok$')
[ "$committed" -gt $((storm * each / 4)) ]
ok $? "many of them upload ($committed)"
is "$(($(sql "$TEST_DB" "$blobs") - before))" "$committed" "each blob is a file's or gone"
is "$(sql "$TEST_DB" "select count(*) from app.blob_gone g join app.file f on f.blob = g.blob")" 0 "and not both"
is "$(sql "$TEST_DB" "select count(*) from app.file_usage u where row(u.files, u.bytes) is distinct from (select row(count(*), coalesce(sum(f.size), 0)::bigint) from app.file f where f.workspace_id = u.workspace_id)")" 0 "counts are exact"
is "$(cat "$work"/stormed* | grep -vcE '^((commit|rollback) put ok|delete (ok|missing)|session [0-9]+|sync ok|forgotten [0-9]+)$')" 0 "and nothing else happened"

# Who changes files and who changes what is synced don't wait for each other.
beside="'s', 'attachments', 'beside', gen_random_uuid(), 1, 'a/b', sha256('')"
psql -XqAt -v ON_ERROR_STOP=1 -d "$TEST_DB" >"$work/beside" 2>&1 <<END
set lock_timeout = '5s';
select tap.other() as opened \\gset
select tap.dblink_exec('other', 'begin') as begun \\gset
select o as first from tap.dblink('other', \$\$ select status from api.labels_save('w0', '{}') \$\$) d (o text) \\gset
select :'first', status from api.file_put('w0', $beside);
select tap.dblink_exec('other', 'rollback; begin') as begun \\gset
select o as first from tap.dblink('other', \$\$ select status from api.file_put('w0', $beside) \$\$) d (o text) \\gset
select :'first', status from api.labels_save('w0', '{}');
select :'first', status from api.file_put('w1', $beside);
select count(*) from api.file_find('w0', 's', 'attachments', 'beside');
END
is "$(sed -n 1p "$work/beside")" "ok|ok" "a file while a synced change is under way" || sed 's/^/# /' "$work/beside"
is "$(sed -n 2p "$work/beside")" "ok|ok" "a synced change while a file is under way"
is "$(sed -n 3p "$work/beside")" "ok|ok" "a file of another workspace"
is "$(sed -n 4p "$work/beside")" 1 "and reading one"
