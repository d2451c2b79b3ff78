# sync.sh: the cases of the WebSocket side: updates, saves, fan-out.
# shellcheck shell=bash
# shellcheck disable=SC2154 # bench/run and lib.sh set these

rows+=(
	"update16|update16|16 clients, 16 workspaces|updates/s|INSERT/s, pgbench 16 clients|>= 1.00, >= 6000 updates/s"
	"hot16|hot16|16 clients, one workspace|updates/s|INSERT/s, pgbench 16 clients|>= 0.80, >= 5000 updates/s"
	"pipeline|pipeline|1 client, 64 under way|updates/s|INSERT/s, pgbench 16 clients"
	"update1|update1|1 client, p50|ms|ms, fdatasync p50|<= 3.00, <= 0.90 ms"
	"append|append|append 2 KB to 4 MB, p50|ms|ms, json_check of 4 MB and a commit|<= 15 ms"
	"append-wal|append|append 2 KB to 4 MB, WAL|bytes|aim 10240 bytes|<= 10240 bytes"
	"save|save|new sessions of 1 MB, 4 clients|saves/s|COPY of its rows/s, psql, 4 clients|>= 0.50, >= 150 saves/s"
	"fanout50|fanout|1 KB to 50 listeners, nginx|deliveries/s|deliveries/s, bare server, nginx|>= 0.80, >= 80000 deliveries/s"
	"fanout500|fanout|1 KB to 500 listeners, nginx|deliveries/s|deliveries/s, bare server, nginx|>= 0.80, >= 80000 deliveries/s"
	"fanout1000|fanout|1 KB to 1,000 listeners, nginx|deliveries/s|deliveries/s, bare server, nginx|>= 0.80, >= 80000 deliveries/s"
	"fanout1000-p50|fanout|the same, p50|ms|ms, bare server, nginx|<= 15 ms"
	"fanout-direct|fanout-direct|1 KB to 1,000 listeners, no nginx|deliveries/s|deliveries/s, bare server"
)

# In the same cluster, so that the limits have the same disk, WAL and settings; logged, as ours are.
make_limit_tables() {
	psql_in craft <<-'END' || die "the limits' tables could not be made"
		create schema bench;
		create table bench.line (id bigint generated always as identity primary key, client integer, body text);
		create table bench.message (like app.message including all);
		alter table bench.message alter session_key set default pg_current_xact_id()::text::bigint;
	END
	cat >"$dir/insert.sql" <<-END
		insert into bench.line (client, body) values (:client_id, '$(printf '%0400d' 0)');
	END
}

# Each assignment of its own: a failure inside of $() as an argument would go unseen.
case_update16() {
	local l f
	l=$(pgbench_rate 16 craft insert) && f=$(load updates_per_s update --clients 16) || return 1
	limit update16 "$l"
	figure update16 "$f"
}

case_hot16() {
	local l f
	l=$(pgbench_rate 16 craft insert) && f=$(load updates_per_s update --clients 16 --workspaces 1) || return 1
	limit hot16 "$l"
	figure hot16 "$f"
}

case_pipeline() {
	local l f
	l=$(pgbench_rate 16 craft insert) && f=$(load updates_per_s update --clients 1 --depth 64) || return 1
	limit pipeline "$l"
	figure pipeline "$f"
}

case_update1() {
	local l f
	l=$("$build/bench/fdatasync" "$dir") && f=$(load p50_ms update --clients 1) || return 1
	limit update1 "$(value p50_ms "$l")"
	figure update1 "$f"
}

# The session is made before, and saved as it is once more at the begin: WAL of so many saves and one.
case_append() {
	local line before count bytes parse commits slug=append-$RANDOM
	parse=$("$build/bench/parse" 2000 2048) && commits=$(pgbench_rate 1 craft insert) || return 1
	load count append --slug "$slug" --count 0 >/dev/null || return 1
	before=$(psql_in craft -c "select pg_current_wal_insert_lsn()") || return 1
	line=$("$build/bench/ws_load" append --connect "$socket" --slug "$slug" --seconds "$seconds" --warmup 0 --count 200) || return 1
	own "$(value own_cpu "$line")"
	count=$(value count "$line")
	bytes=$(psql_in craft -c "select round(pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '$before') / ($count + 1))") || return 1
	limit append "$(awk -v parse="$(value p50_ms "$parse")" -v commits="$commits" 'BEGIN { print parse + 1000 / commits }')"
	figure append "$(value p50_ms "$line")"
	figure append-wal "$bytes"
}

# ---- COPY ----

case_save() {
	local l f
	prepare_copy || return 1
	l=$(copy_rate $((seconds * 50))) && f=$(load saves_per_s save) || return 1
	limit save "$l"
	figure save "$f"
}

# The rows of one session as the bridge stored them, without the key: each transaction gets another one.
prepare_copy() {
	local columns
	[[ ! -s $dir/message.copy ]] || return 0
	load count save --clients 1 --slug copy --warmup 0 --count 1 >/dev/null || return 1
	columns=$(psql_in craft -c "select string_agg(attname, ', ' order by attnum) from pg_attribute
		where attrelid = 'app.message'::regclass and attnum > 0 and not attisdropped and attname <> 'session_key'") || return 1
	copy_command="\\copy bench.message ($columns) from '$dir/message.copy'"
	psql_in craft -c "\\copy (select $columns from app.message where session_key = (select min(s.key) from app.session s
		join app.workspace w on w.id = s.workspace_id where w.slug = 'copy-0') order by 1) to '$dir/message.copy'" || return 1
	[[ -s $dir/message.copy ]]
}

# copy_rate COUNT: transactions per second of 4 psql that run so many each; their connecting is a small part of it.
copy_rate() {
	local i pid begin end status=0
	local -a clients=()
	psql_in craft -c 'truncate bench.message' || return 1
	for ((i = 0; i < $1; i++)); do echo "$copy_command"; done >"$dir/copy.sql"
	begin=${EPOCHREALTIME/[.,]/}
	for i in 1 2 3 4; do
		psql_in craft -f "$dir/copy.sql" &
		clients+=($!)
	done
	for pid in "${clients[@]}"; do wait "$pid" || status=1; done
	end=${EPOCHREALTIME/[.,]/}
	awk -v n="$((4 * $1))" -v us="$((end - begin))" 'BEGIN { print n / us * 1e6 }'
	return "$status"
}

# ---- fan-out ----

start_bare() {
	local end=$((SECONDS + 10))
	"$build/bench/bare" "$bare_socket" &
	helpers+=($!)
	until [[ -S $bare_socket ]]; do
		((SECONDS < end)) && sleep 0.02 || return 1
	done
}

# Events that not all listeners have yet: as many as hide that ours are durable where listeners are few, and so few that
# where they are many the time is the way and not a queue.
case_fanout() {
	local n status=0
	local -A depth=([50]=64 [500]=4 [1000]=2)
	plain && start_bare || return 1
	for n in 50 500 1000; do fanout "$n" "${depth[$n]}" || status=1; done
	stop_helpers
	return "$status"
}

# fanout LISTENERS DEPTH: both through nginx.
fanout() {
	local l f
	local -a options=(fanout --connect "$plain_address" --seconds "$seconds" --listeners "$1" --depth "$2")
	l=$("$build/bench/ws_load" "${options[@]}" --prefix /bare/) && f=$("$build/bench/ws_load" "${options[@]}") || return 1
	own "$(value own_cpu "$l")"
	own "$(value own_cpu "$f")"
	limit "fanout$1" "$(value deliveries_per_s "$l")"
	figure "fanout$1" "$(value deliveries_per_s "$f")"
	[[ $1 == 1000 ]] || return 0
	limit fanout1000-p50 "$(value p50_ms "$l")"
	figure fanout1000-p50 "$(value p50_ms "$f")"
}

case_fanout-direct() {
	local l f
	start_bare || return 1
	l=$(load deliveries_per_s fanout --connect "$bare_socket") && f=$(load deliveries_per_s fanout) || return 1
	stop_helpers
	limit fanout-direct "$l"
	figure fanout-direct "$f"
}
