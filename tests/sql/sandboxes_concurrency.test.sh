# Many at once: limits hold, sandboxes and jobs are taken once, messages are stored once, and nobody deadlocks.
# shellcheck shell=bash source=tests/sql/lib.sh
. "$TEST_LIB"
plan 33

clients=20
work=$TEST_DIR/sandboxes_concurrency
mkdir "$work"
# host NUMBER: its id.
host() { printf '00000000-0000-4000-8000-%012d' "$1"; }
# begin NUMBER CAPACITY
begin() { sql "$TEST_DB" "select api.host_begin('$(host "$1")', 'host$1', '1', $2, 'all')" >/dev/null; }
# of_each STATEMENT: the statement for each client, # being its number, in the array statements.
of_each() {
	statements=()
	for ((i = 0; i < clients; i++)); do
		statements+=("${1//\#/$i}")
	done
}
# Function calls that wait for a lock before they touch a table come to the table by this.
gate="where (select status from api.sandbox_open('w', 'none')) is not null"
create="from api.sandbox_create"
count() { sql "$TEST_DB" "select count(*) from app.sandbox_session where $1"; }

for w in w v; do
	sql "$TEST_DB" "select api.project_remember('$w', 'o/r', 'u')" >/dev/null
done

# Places.
begin 1 50
of_each "select status $create('w', 'o/r', 'b#', 1800, 7) $gate"
at_once app.sandbox_session "${statements[@]}"
is "$answers" " 7 ok; $((clients - 7)) workspace_full;" "of $clients that make a sandbox in a workspace with room for 7, 7 do"
is "$(count true)" 7 "and no more are there"
begin 1 12
of_each "select status $create('v', 'o/r', 'b#', 1800, 100) $gate"
at_once app.sandbox_session "${statements[@]}"
is "$answers" " $((clients - 5)) host_full; 5 ok;" "of $clients that make one when the hosts have room for 5, 5 do"
is "$(count true)" 12 "and no more are there"

# Claims.
for ((i = 0; i < clients; i++)); do
	begin "1$i" 2
done
of_each "select session from api.sandbox_claim(('00000000-0000-4000-8000-' || lpad('1#', 12, '0'))::uuid, 5)"
at_once app.sandbox_session "${statements[@]}"
is "$(cat "$TEST_DIR"/at_once/out* | sort -u | wc -l)|$(cat "$TEST_DIR"/at_once/out* | wc -l)" "12|12" "$clients hosts claim: each sandbox goes to one"
is "$(sql "$TEST_DB" "select max(n) from (select count(*) as n from app.sandbox_session group by host_id) x")" 2 "and none gets more than it has room for"
is "$(count "host_id is null or status <> 'cloning'")" 0 "none is left over"
sql "$TEST_DB" "update app.sandbox_session set host_id = '$(host 1)'" >/dev/null
one=$(sql "$TEST_DB" "select min(s.id::text) from app.sandbox_session s join app.workspace w on w.id = s.workspace_id where w.slug = 'w'")

# Jobs.
of_each "select status from api.sandbox_submit('w', '$one', 'c#', 'execute', null, null, '{}', 1800)"
at_once app.sandbox_session "${statements[@]}"
is "$answers" " $((clients - 1)) busy; 1 ok;" "of $clients that begin a task one does"
sql "$TEST_DB" "select count(*) from generate_series(1, 89) i, api.sandbox_submit('w', '$one', 'c', 'tool', i::text, 'Bash', '{}', 1800)" >/dev/null
of_each "select status from api.sandbox_submit('w', '$one', 'c#', 'tool', '1', 'Bash', '{}', 1800)"
at_once app.sandbox_session "${statements[@]}"
is "$answers" " 10 ok; $((clients - 10)) too_many;" "of $clients that call tools when 90 jobs are under way 10 may"
of_each "select job from api.sandbox_jobs('$(host 1)', 7)"
at_once app.sandbox_job "${statements[@]}"
is "$(cat "$TEST_DIR"/at_once/out* | sort -u | wc -l)|$(cat "$TEST_DIR"/at_once/out* | wc -l)" "100|100" "$clients take jobs: each is taken once"
job=$(sql "$TEST_DB" "select min(id) from app.sandbox_job")
of_each "select api.sandbox_job_end($job, 'success', 0, 1)"
at_once app.sandbox_job "${statements[@]}"
is "$answers" " $((clients - 1)) f; 1 t;" "of $clients that end a job one does"
of_each "select count(*) from api.sandbox_jobs_lost('$(host 1)')"
at_once app.sandbox_session "${statements[@]}"
is "$answers" " $((clients - 1)) 0; 1 99;" "lost jobs are told to one"

# Messages.
of_each "select api.sandbox_append('$(host 1)', '$one', 0, array['', '', ''], array['a', 'b', 'c'])"
at_once app.sandbox_session "${statements[@]}"
is "$answers" " $clients 3;" "$clients try to store the same messages"
is "$(sql "$TEST_DB" "select string_agg(seq || body, ' ') from api.sandbox_messages('$one', 0, 100)")" "1a 2b 3c" "they are stored once"

# Ends.
of_each "select api.sandbox_end('$(host 1)', '$one', 'crash', 'by #')"
at_once app.sandbox_session "${statements[@]}"
is "$answers" " $((clients - 1)) f; 1 t;" "of $clients that end a sandbox one does"
of_each "select api.sandbox_delete('w', '$one')"
at_once app.sandbox_session "${statements[@]}"
is "$answers $(sql "$TEST_DB" "select end_reason from app.sandbox_session where id = '$one'")" " $clients ok; crash" "who deletes it then doesn't end it again"
of_each "select count(*) from api.sandbox_ending('$(host 1)')"
sql "$TEST_DB" "update app.sandbox_session set expires_at = now() - interval '1 s' where ended_at is null; update app.sandbox_host set seen_at = clock_timestamp()" >/dev/null
at_once app.sandbox_session "${statements[@]}"
is "$(count "ended_at is null or end_reason <> 'idle' and id <> '$one'")" 0 "$clients look for those whose time is over: all of them end"
sql "$TEST_DB" "update app.sandbox_session set cleaned_at = now()" >/dev/null

# Who comes second sees what the first has done.
begin 2 50
sql "$TEST_DB" "select count(*) $create('w', 'o/r', 'second', 1800, 100)" >/dev/null
two=$(sql "$TEST_DB" "select id from app.sandbox_session where branch = 'second'")
# second FIRST SECOND NAME WANT: the first statement is committed only when the second one waits for it or is done.
second() {
	local dir=$work/second first pid
	rm -rf "$dir"
	mkdir "$dir"
	mkfifo "$dir/gate"
	psql -XqAt -v ON_ERROR_STOP=1 -d "$TEST_DB" <"$dir/gate" >"$dir/first" 2>&1 &
	first=$!
	exec 7>"$dir/gate"
	echo "begin; $1; select 'held';" >&7
	wait_for 60 grep -qs held "$dir/first"
	PGUSER=craft_daemon psql -XqAt -d "$TEST_DB" -c "$2" >"$dir/answer" 2>&1 7>&- &
	pid=$!
	wait_for 60 waits_or_ended $pid
	echo "commit;" >&7
	exec 7>&-
	wait $first $pid
	is "$(cat "$dir/answer")" "$4" "$3"
}
waits_or_ended() {
	! kill -0 "$1" 2>/dev/null || there "select count(*) > 0 from pg_stat_activity where datname = '$TEST_DB' and usename = 'craft_daemon' and wait_event_type = 'Lock'"
}
second "update app.sandbox_session set last_activity_at = now() where id = '$two'" "select count(*) from api.sandbox_claim('$(host 2)', 1)" "who claims doesn't wait for a sandbox that is touched" 0
sql "$TEST_DB" "select api.sandbox_claim('$(host 2)', 1)" >/dev/null
second "select api.sandbox_delete('w', '$two')" "select api.sandbox_touch('w', '$two', 60)" "a heartbeat that comes while it is deleted" expired
is "$(sql "$TEST_DB" "select count(*) from api.sandbox_ending('$(host 2)')")" 1 "doesn't save it"
sql "$TEST_DB" "update app.sandbox_session set ended_at = null, end_reason = null, status = 'ready' where id = '$two'" >/dev/null
second "select api.sandbox_delete('w', '$two')" "select status from api.sandbox_submit('w', '$two', 'c', 'execute', null, null, '{}', 60)" "nor does a task" expired
sql "$TEST_DB" "update app.sandbox_session set ended_at = null, end_reason = null, status = 'ready', expires_at = now() - interval '1 s' where id = '$two'" >/dev/null
begin 2 50
second "select api.sandbox_touch('w', '$two', 60)" "select count(*) from api.sandbox_ending('$(host 2)')" "a heartbeat just before its time is over" 0
is "$(count "id = '$two' and ended_at is null")" 1 "saves it"

# Notifications.
told() {
	psql -XqAt -v ON_ERROR_STOP=1 -d "$TEST_DB" -c "listen craft_sandbox" -c "listen craft_streams" -c "select from $1" 2>&1 | sed -nE 's/.*notification "(.*)" with payload "(.*)" received.*/\1 \2/p'
}
begin 2 50
is "$(told "api.sandbox_create('w', 'o/r', 'told', 1800, 100)")" "craft_sandbox *" "a new sandbox is told to all hosts"
told=$(sql "$TEST_DB" "select id from app.sandbox_session where branch = 'told'")
is "$(told "api.sandbox_delete('w', '$told')")" "craft_streams $told:1" "one deleted that no host has, to the bridges"
is "$(told "api.sandbox_delete('w', '$two')")" "craft_sandbox $(host 2)" "one that a host has, to that host"
is "$(told "(values ('$(host 2)'), (null)) x (h), api.sandbox_announce(h)")" "craft_sandbox $(host 2)
craft_sandbox *" "work, to a host or to all"
is "$(told "api.stream_announce('a:1,b:2')")" "craft_streams a:1,b:2" "messages, to the bridges"
pairs=$(sql "$TEST_DB" "select string_agg(gen_random_uuid() || ':9223372036854775807', ',') from generate_series(1, 300)")
is "$(told "api.stream_announce('$pairs')" | sed 's/^craft_streams //' | paste -sd, | tr , '\n' | sort)" "$(tr , '\n' <<<"$pairs" | sort)" "however many"

# Everything mixed, some of it rolled back; as the daemons do it, each transaction about one sandbox, or what one function does.
sql "$TEST_DB" "update app.sandbox_session set ended_at = now() - interval '1 day', end_reason = 'user', cleaned_at = now() where cleaned_at is null" >/dev/null
begin 1 6
begin 2 6
storm=8 each=150
RANDOM=20260105
for ((c = 1; c <= storm; c++)); do
	for ((i = 1; i <= each; i++)); do
		h=$(host $((RANDOM % 2 + 1)))
		some="(select session from api.sandbox_mine('$h') order by md5(session || $RANDOM) limit 1)"
		take="coalesce(max(job), 0) as job from api.sandbox_jobs('$h', 3, $( ((RANDOM % 2)) && echo true || echo false))"
		w=$( ((RANDOM % 2)) && echo w || echo v)
		end="commit"
		((RANDOM % 5 == 0)) && end="rollback"
		case $((RANDOM % 14)) in
		0 | 1) echo "begin; select 'create ' || status $create('$w', 'o/r', 'storm', 1800, 5); $end;" ;;
		2) echo "begin; select 'claim ' || count(*) from api.sandbox_claim('$h', 2); $end;" ;;
		3) echo "begin; select 'state', api.sandbox_state('$h', $some, 'ready', null, 'c'); $end;" ;;
		4) echo "begin; select 'touch', api.sandbox_touch('$w', $some, 60); $end;" ;;
		5) echo "begin; select 'submit ' || status from api.sandbox_submit('$w', $some, 'c', 'execute', null, null, 'p', 60); $end;" ;;
		6) echo "begin; select 'submit ' || status from api.sandbox_submit('$w', $some, 'c', 'tool', '1', 'Bash', 'p', 60); $end;" ;;
		7) echo "select $take \\gset
			begin; select 'end', api.sandbox_job_end(:job, 'success', 0, 1); $end;" ;;
		8) echo "begin; select 'append', api.sandbox_append('$h', m.session, m.seq, array['', ''], array['1', '2']) from api.sandbox_mine('$h') m order by md5(m.session || $RANDOM) limit 1; $end;" ;;
		9) echo "begin; select 'beat ' || api.host_beat('$h', array(select session from api.sandbox_mine('$h')), 60 + $((RANDOM % 1000))); $end;" ;;
		10) echo "begin; select 'ending ' || count(*) from api.sandbox_ending('$h') e; $end; select 'cleaned', api.sandbox_cleaned('$h', $some);" ;;
		11) echo "begin; select 'sweep ' || messages from api.sandbox_sweep(0, 0); $end;" ;;
		12) echo "begin; select 'delete', api.sandbox_delete('$w', $some); $end;" ;;
		13) echo "begin; select 'lost ' || count(*) from api.sandbox_jobs_lost('$h'); $end;" ;;
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
is "$codes" "$(printf '%0*d' $storm 0)" "$storm clients do everything at once, and nobody deadlocks" || tail -n 3 "$work"/stormed* | sed 's/^/# /'
done_of() { cat "$work"/stormed* | grep -cE "$1"; }
[ "$(done_of '^create ok')" -gt 20 ] && [ "$(done_of '^submit ok')" -gt 20 ] && [ "$(done_of '^append\|[0-9]')" -gt 20 ] && [ "$(done_of '^end\|t')" -gt 5 ] && [ "$(done_of '^cleaned\|t')" -gt 5 ]
ok $? "much of it happens" || cat "$work"/stormed* | sort | uniq -c | sort -rn | head -n 40 | sed 's/^/# /'
is "$(sql "$TEST_DB" "select count(*) from app.sandbox_session s where s.seq - s.floor <> (select count(*) from app.sandbox_message m where m.session_id = s.id and m.seq > s.floor and m.seq <= s.seq)
	or exists (select from app.sandbox_message m where m.session_id = s.id and m.seq not between s.floor + 1 and s.seq)")" 0 "messages are numbered without gaps"
is "$(sql "$TEST_DB" "select count(*) from app.sandbox_job j join app.sandbox_session s on s.id = j.session_id where j.ended_at is null and s.cleaned_at is not null")" 0 "no job is left in what was cleaned"
