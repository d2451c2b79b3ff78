# lib.sh: what bench/run and its cases share: the instance, the figures, the table.
# shellcheck shell=bash
# shellcheck disable=SC2154 # bench/run sets these

# ---- the instance ----

clean_up() {
	local status=$?
	trap '' INT TERM HUP
	"$ROOT/script/down" --dir "$dir" >/dev/null || echo "could not stop all of $dir" >&2
	rm -rf -- "$dir"
	exit "$status"
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
	WS_CONNECT_RATE=0 "$ROOT/script/up" --dir "$dir" --port 0 --detach >"$dir/up.log" || die "$(cat "$dir/up.log")"
	build=${CRAFT_BUILD_DIR:-$ROOT/build}
	[[ -x $build/bench/ws_load ]] || die "$build/bench/ws_load is not built"
	socket=$dir/run/ws-1.sock
	url=$(sed -n 's/.*"url":"\([^"]*\)".*/\1/p' "$dir/ready.json")
	PGBENCH=$(find /usr/lib/postgresql -name pgbench 2>/dev/null | sort -V | tail -n 1)
	[[ $PGBENCH ]] || die "pgbench is missing; it comes with postgresql"
}

psql_in() { psql -XqAt -v ON_ERROR_STOP=1 -h "$dir/run/pg" -U postgres -d "$@"; }

# ---- measuring ----

declare -A figures=() limits=() skipped=()
figure() { figures[$1]+="$2 "; }
limit() { limits[$1]+="$2 "; }

# ---- the table ----

median() { tr ' ' '\n' | grep . | sort -n | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

print_row() {
	local row=$1 what=$2 unit=$3 limit_unit=$4 reach=$5 f l
	if [[ ${skipped[$row]-} ]]; then
		printf '%-34s skipped: %s\n' "$what" "${skipped[$row]}"
		return
	fi
	f=$(median <<<"${figures[$row]}")
	l=${limit_unit#aim } l=${l%% *}
	if [[ $limit_unit == aim* ]]; then
		limit_unit="${limit_unit#aim * } (aim)"
	else
		l=$(median <<<"${limits[$row]}")
	fi
	awk -v what="$what" -v f="$f" -v unit="$unit" -v l="$l" -v limit_unit="$limit_unit" -v reach="$reach" 'BEGIN {
		digits = unit == "ms" ? 2 : unit == "MB" || unit == "s" ? 1 : 0
		printf "%-34s %10.*f %-13s %10.*f %-40s %6.2f  %s\n", what, digits, f, unit, digits, l, limit_unit, f / l, reach
	}'
}

print_table() {
	local line row of what unit limit_unit reach
	printf '\n%-34s %-24s %-51s %6s  %s\n' case figure limit ratio 'to reach'
	for line in "${rows[@]}"; do
		IFS='|' read -r row of what unit limit_unit reach <<<"$line"
		[[ " ${wanted[*]} " == *" $of "* ]] && print_row "$row" "$what" "$unit" "$limit_unit" "$reach"
	done
	printf '\nmedians of %s; %s CPUs, load average %s (%s before); uploads by mode %s\n' "$runs" "$(nproc)" \
		"$(cut -d ' ' -f 1-3 /proc/loadavg)" "$load_before" "${UPLOAD_MODE:-file}"
}
