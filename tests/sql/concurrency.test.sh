# Many writers at once, some of which roll back: numbers without gaps, in the order in which they become visible.
# shellcheck shell=bash source=tests/sql/lib.sh
. "$TEST_LIB"
plan 9

clients=8 each=100
work=$TEST_DIR/concurrency
mkdir "$work"

# Each client: transactions of one to three changes of two workspaces (locked in one order), every fourth or so rolled back.
RANDOM=20260102
commits=0
for ((c = 1; c <= clients; c++)); do
	for ((i = 1; i <= each; i++)); do
		echo "begin; select api.session_save('hot', 's$((i % 5))', '{}', p_request => row('c$c', 'client$c', sha256('$i'), $i)::api.request);"
		((RANDOM % 3 == 0)) && echo "select api.labels_save('second', '{}');"
		if ((RANDOM % 4 == 0)); then
			echo "rollback;"
		else
			echo "commit;"
			commits=$((commits + 1))
		fi
	done >"$work/client$c"
done

# A reader that follows by cursor while they write: fails at the first number that isn't the next one.
cat >"$work/reader" <<END
do \$\$
declare
	v_since bigint := 0;
	v_rows bigint[];
	v_head bigint;
	v_rounds integer := 0;
	v_until timestamptz := clock_timestamp() + interval '1200 s';
begin
	while v_since < $commits and clock_timestamp() < v_until loop
		select array_agg(c.seq order by c.seq) filter (where c.seq is not null), max(c.head) into v_rows, v_head from api.changes('hot', v_since, 50) c;
		for i in 1 .. coalesce(cardinality(v_rows), 0) loop
			if v_rows[i] <> v_since + 1 then
				raise exception 'after % came %', v_since, v_rows[i];
			end if;
			v_since := v_rows[i];
		end loop;
		-- The head and the rows are of one snapshot: a short page ends at the head.
		if coalesce(cardinality(v_rows), 0) < 50 and v_since <> coalesce(v_head, 0) then
			raise exception 'the head is % and the rows end at %', v_head, v_since;
		end if;
		v_rounds := v_rounds + 1;
	end loop;
	create temp table result as select v_since as last, v_rounds as rounds;
end
\$\$;
select last, rounds > 10 from result;
END
PGUSER=craft_daemon psql -XqAt -v ON_ERROR_STOP=1 -d "$TEST_DB" -f "$work/reader" >"$work/read" 2>&1 &
reader=$!
for ((c = 1; c <= clients; c++)); do
	PGUSER=craft_daemon psql -XqAt -v ON_ERROR_STOP=1 -d "$TEST_DB" -f "$work/client$c" >"$work/out$c" 2>&1 &
	pids[c]=$!
done
codes=""
for ((c = 1; c <= clients; c++)); do
	wait "${pids[c]}"
	codes=$codes$?
done
is "$codes" 00000000 "$clients clients make $each transactions each" || tail -n 2 "$work"/out* | sed 's/^/# /'
is "$(sql "$TEST_DB" "select count(*), min(l.seq), max(l.seq), max(w.seq) from app.change_log l join app.workspace w on w.id = l.workspace_id where w.slug = 'hot'")" \
	"$commits|1|$commits|$commits" "numbers 1 to $commits without a gap, one for each commit"
is "$(sql "$TEST_DB" "select count(*) = max(l.seq) from app.change_log l join app.workspace w on w.id = l.workspace_id where w.slug = 'second'")" t "in the other workspace too"
wait "$reader"
is "$(cat "$work/read")" "$commits|t" "a reader that followed missed none and met none too early"
is "$(sql "$TEST_DB" "select count(*) from app.seen_request")" "$commits" "what was rolled back isn't remembered"

# The same requests again, all clients at once: nothing is applied twice.
sed -i 's/^rollback;/commit;/' "$work"/client*
for ((c = 1; c <= clients; c++)); do
	PGUSER=craft_daemon psql -XqAt -v ON_ERROR_STOP=1 -d "$TEST_DB" -f "$work/client$c" >"$work/out$c" 2>&1 &
	pids[c]=$!
done
wait "${pids[@]}"
is "$(sql "$TEST_DB" "select w.seq from app.workspace w where slug = 'hot'")" $((clients * each)) "sent again, only what was rolled back is applied"
is "$(cat "$work"/out* | grep -c '^(repeat,')" "$commits" "the others are repeats"

# All at once for a workspace and a session that aren't there yet: one makes them.
for ((c = 1; c <= clients; c++)); do
	PGUSER=craft_daemon psql -XqAt -d "$TEST_DB" -c "select (api.session_create('new', 'one', '{}')).status" >"$work/out$c" 2>&1 &
	pids[c]=$!
done
wait "${pids[@]}"
is "$(sort "$work"/out* | uniq -c | tr -s ' ' | tr '\n' ';')" " 7 exists; 1 ok;" "of $clients that make one session, one does"
is "$(sql "$TEST_DB" "select seq from app.workspace where slug = 'new'")" 1 "with one number"
