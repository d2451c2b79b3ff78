# lib.sh: what the cases of bench/run share: the instance, its nginx, the load programs.
# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034 # bench/run sets these; the cases use them

# ---- the instance ----

helpers=() # pids of what runs beside the instance

clean_up() {
	local status=$?
	trap '' INT TERM HUP
	stop_helpers
	"$ROOT/script/down" --dir "$dir" >/dev/null || echo "could not stop all of $dir" >&2
	rm -rf -- "$dir"
	exit "$status"
}

stop_helpers() {
	((${#helpers[@]})) || return 0
	kill "${helpers[@]}" 2>/dev/null
	wait "${helpers[@]}" 2>/dev/null
	helpers=()
}

start_instance() {
	dir=$(mktemp -d "$parent/craft-bench.XXXXXX") || die "can't make a directory in $parent"
	trap clean_up EXIT
	trap 'echo "interrupted" >&2; exit 130' INT TERM HUP
	chmod 0755 "$dir"
	[[ $(stat -f -c %T "$dir") != tmpfs ]] || echo "warning: $dir is in memory: there a commit costs nothing" >&2
	# Its own key, made for this run: load programs that take headers as arguments show it in the process list.
	API_KEY=$(openssl rand -hex 16) || die "openssl is missing"
	export API_KEY
	# All clients come from one address here.
	WS_CONNECT_RATE=0 WS_ADDRESS_CONNECT_RATE=0 WS_ADDRESS_CONNECTIONS=0 WS_MAX_CONNECTIONS=20000 \
		chrt --other 0 "$ROOT/script/up" --dir "$dir" --port 0 --detach >"$dir/up.log" ||
		die "$(cat "$dir/up.log")"
	build=${CRAFT_BUILD_DIR:-$ROOT/build}
	[[ -x $build/bench/ws_load ]] || die "$build/bench/ws_load is not built"
	PGBENCH=$(find /usr/lib/postgresql -name pgbench 2>/dev/null | sort -V | tail -n 1)
	[[ $PGBENCH ]] || die "pgbench is missing; it comes with postgresql"
	look_around
}

# What is to be known after each start.
look_around() {
	socket=$dir/run/ws-1.sock
	bare_socket=$(realpath "$dir/run")/bare.sock
	url=$(sed -n 's/.*"url":"\([^"]*\)".*/\1/p' "$dir/ready.json")
	origin=()
	add_nginx_locations
	[[ ! $realtime ]] || go_before_others || die "the instance could not be made SCHED_RR"
}

# Not from the beginning: with such a priority nothing may join a control group, and boxes must. Children inherit it.
go_before_others() {
	local what pid
	for what in postgres nginx craft-fcgi craft-ws-bridge-1; do
		for pid in $(processes "$what"); do
			# One may end in between.
			chrt --rr -p 1 "$pid" || [[ ! -e /proc/$pid ]] || return 1
		done
	done
}

psql_in() { psql -XqAt -v ON_ERROR_STOP=1 -h "$dir/run/pg" -U postgres -d "$@"; }

# ---- its nginx ----

# The limits that need nginx: /bench/200 answers by itself, /bare/ leads to bench/bare with what the way to a bridge has.
add_nginx_locations() {
	local conf=$dir/nginx/bench.conf paths=$dir/nginx/craft-agent-cloud-paths.conf
	{
		sed -n '/^location @craft_ws {/,/^}/p' "$paths" |
			sed -e '1s|.*|location ^~ /bare/ {|' -e "s|proxy_pass .*|proxy_pass http://unix:$bare_socket;|"
		printf 'location = /bench/200 {\n\tinclude "%s/nginx/json.conf";\n\treturn 200 %s;\n}\n' "$dir" "'{\"status\":\"ok\"}'"
	} >"$conf" || die "can't write $conf"
	grep -q 'proxy_pass http://unix:.*bare.sock' "$conf" || die "no @craft_ws in $paths"
	sed -i "s|^\(\t*\)server_name _;|&\n\1include \"$conf\";|" "$dir/nginx/standalone.conf"
}

# The port without TLS, with these locations, is there from now on: TLS in the load program isn't what is measured.
plain() {
	[[ ${origin[plain]-} ]] || listen_plain || return 1
	plain_address=${origin[plain]#http://}
}

# ---- load ----

value() { sed -n "s/.*\\<$1=\\([0-9.]*\\).*/\\1/p" <<<"$2"; }

# Of which case so large a share of a core was the load program's own. In a file, because most callers are subshells.
own() { echo "$name $1" >>"$dir/own"; }

# load FIELD MODE [OPTION...]: that field of ws_load's line; straight to the bridge unless --connect says otherwise.
load() {
	local key=$1 told
	shift
	told=$("$build/bench/ws_load" "$1" --connect "$socket" --seconds "$seconds" "${@:2}") || return 1
	own "$(value own_cpu "$told")"
	value "$key" "$told"
}

# pgbench_rate CLIENTS DATABASE SCRIPT [SECONDS]: transactions per second. One second more, for the connecting, which is not counted.
pgbench_rate() {
	"$PGBENCH" -h "$dir/run/pg" -U postgres -n -M prepared -c "$1" -T "${4-$((seconds + 1))}" -f "$dir/$3.sql" "$2" 2>>"$dir/pgbench.log" |
		awk '/^tps = / { print $3; found = 1 } END { exit !found }' || die "pgbench failed: $(tail -n 3 "$dir/pgbench.log")"
}

declare -A best_clients=() # of a script of pgbench

# pgbench_best DATABASE SCRIPT: the rate with as many clients as gave the most when it was first run; in `best`.
pgbench_best() {
	local n rate most=0
	if [[ ! ${best_clients[$2]-} ]]; then
		for n in 2 4 8 16; do
			rate=$(pgbench_rate "$n" "$1" "$2" 1) || return 1
			awk -v a="$rate" -v b="$most" 'BEGIN { exit !(a > b) }' && most=$rate best_clients[$2]=$n
		done
		echo "    pgbench of $2 is fastest with ${best_clients[$2]} clients"
	fi
	best=$(pgbench_rate "${best_clients[$2]}" "$1" "$2")
}

# http_rate CLIENTS URL [HEADER]: requests per second with connections that are kept. Needs http_tool.
http_rate() {
	local times rate TIMEFORMAT='%R %U %S'
	local -a header=(-H "Authorization: Bearer $API_KEY" ${3:+-H "$3"})
	if command -v wrk >/dev/null; then
		times=$({ time wrk -t 1 -c "$1" --timeout 30s -d "${seconds}s" "${header[@]}" "$2" >"$dir/http.out" 2>&1; } 2>&1)
		rate=$(awk '/^Requests\/sec/ { r = $2 } /Non-2xx|Socket errors/ { bad = 1 } END { if (bad || !r) exit 1; print r }' "$dir/http.out")
	else
		times=$({ time ab -q -k -c "$1" -t "$seconds" -n 1000000 "${header[@]}" "$2" >"$dir/http.out" 2>&1; } 2>&1)
		rate=$(awk '/^Requests per second/ { r = $4 } END { if (!r) exit 1; print r }' "$dir/http.out")
	fi
	[[ $rate ]] || { cat "$dir/http.out" >&2; return 1; }
	own "$(awk '{ printf "%.2f", ($2 + $3) / $1 }' <<<"$times")"
	echo "$rate"
}

# http_tool ROW...: else these rows are skipped.
http_tool() {
	local row
	command -v wrk >/dev/null || command -v ab >/dev/null && return
	# shellcheck disable=SC2004,SC2034 # a key of table.sh's array
	for row; do skipped[$row]="neither wrk nor ab (apache2-utils) is installed"; done
	return 1
}
