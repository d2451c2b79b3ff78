# hostile.sh: what a well-behaved client notices while others mean harm, and what they cost. bench/hostile plays each kind
# through nginx, at a bounded rate and nice 19, because it shares the CPUs with the server. The limit is the same client's
# p99 in the same run right before, undisturbed.
# BENCH_HOSTILE names some of the kinds.
# shellcheck shell=bash
# shellcheck disable=SC2154 # bench/run, lib.sh, files.sh and system.sh set these

declare -A hostile_what=([noread]='20 that never read' [trickle]='100 that trickle bytes' [half]='50 half frames of 50 MB'
	[pings]='8 ping floods' [requests]='8 × 20,000 requests, unread' [bombs]='8 inflation bombs of 256 MB'
	[slowloris]='500 heads without end' [wrong]='500 wrong keys per second')
read -r -a hostile_kinds <<<"${BENCH_HOSTILE:-noread trickle half pings requests bombs slowloris wrong}"
for kind in "${hostile_kinds[@]}"; do
	rows+=(
		"hostile-$kind|hostile|p99 beside ${hostile_what[$kind]}|ms|ms, undisturbed (attacker: nice 19)|<= 2.00"
		"hostile-$kind-memory|hostile|  memory that it costs at most|MB|aim 320 MB|<= 320 MB"
		"hostile-$kind-cpu|hostile|  CPU of nginx and us meanwhile|% of a core|% of a core, undisturbed"
	)
done
rows+=("hostile-attempt|hostile|an upgrade with a wrong key, CPU|us|aim 500 us|<= 500 us")

case_hostile() {
	local kind
	plain && nginx_settled || return 1
	for kind in "${hostile_kinds[@]}"; do hostile "$kind" || return 1; done
	attempts
}

# hostile KIND: the updater alone, then beside these. Who only listens listens to the updater's own workspace.
hostile() {
	local quiet quiet_cpu before line spent watcher
	before=$(pss) || return 1
	# From before the undisturbed run: it costs the same in both.
	watch_memory &
	watcher=$!
	helpers+=("$watcher")
	well_behaved || return 1
	quiet=$(value p99_ms "$line") quiet_cpu=$spent
	begin_attack "$1" || return 1
	well_behaved || return 1
	limit "hostile-$1" "$quiet"
	figure "hostile-$1" "$(value p99_ms "$line")"
	limit "hostile-$1-cpu" "$quiet_cpu"
	figure "hostile-$1-cpu" "$spent"
	# It has the attacker's input, too.
	kill "$watcher"
	end_attack || return 1
	figure "hostile-$1-memory" "$(awk -v a="$before" '{ v = ($1 - a) / 1024; if (v > most) most = v } END { print most + 0 }' "$dir/memory.out")"
	echo "    $line"
	stop_helpers
}

# One client, one request at a time. Sets `line` to what ws_load says, and `spent` to the CPU of nginx and our processes.
well_behaved() {
	local begin before
	before=$(ticks) begin=$(uptime_now)
	line=$("$build/bench/ws_load" update --connect "$plain_address" --slug behaved --clients 1 --seconds $((seconds + 2))) || return 1
	spent=$(awk -v t="$(($(ticks) - before))" -v hz="$(getconf CLK_TCK)" -v a="$begin" -v b="$(uptime_now)" 'BEGIN { print 100 * t / hz / (b - a) }')
}

# Clock ticks that these processes have used.
ticks() {
	local what pid
	for what in nginx craft-fcgi craft-ws-bridge-1; do
		for pid in $(processes "$what"); do cat "/proc/$pid/stat" 2>/dev/null; done
	done | awk '{ sub(/.*\) /, ""); sum += $12 + $13 } END { print sum + 0 }'
}

begin_attack() {
	local said path=/workspace/hostile
	[[ $1 != noread ]] || path=/workspace/behaved-0
	coproc HOSTILE { behind_all && exec "$build/bench/hostile" "$1" "$plain_address" "$path"; }
	# shellcheck disable=SC2153 # made by coproc
	hostile_pid=$HOSTILE_PID
	helpers+=("$hostile_pid")
	exec {hostile_in}>&"${HOSTILE[1]}" {hostile_out}<&"${HOSTILE[0]}"
	read -r -t 60 said <&"$hostile_out" && [[ $said == ready ]]
}

# Sets `line` to what was done.
end_attack() {
	local fd=${HOSTILE[1]-}
	exec {hostile_in}>&-
	[[ ! $fd ]] || exec {fd}>&-
	read -r -t 60 line <&"$hostile_out" || return 1
	exec {hostile_out}<&-
}

# This shell and its children have the CPUs only when the server leaves them, also under --realtime.
behind_all() {
	chrt --other -p 0 "$BASHPID" && renice -n 19 -p "$BASHPID" >/dev/null
}

watch_memory() {
	behind_all
	: >"$dir/memory.out"
	while :; do
		pss >>"$dir/memory.out"
		sleep 0.3
	done
}

# What an attempt with a wrong key costs nginx and the bridge, with nothing else going on.
attempts() {
	local before after line
	begin_attack wrong || return 1
	before=$(ticks)
	sleep "$seconds"
	after=$(ticks)
	end_attack || return 1
	figure hostile-attempt "$(awk -v t="$((after - before))" -v hz="$(getconf CLK_TCK)" -v n="$(value actions "$line")" \
		-v all="$(value seconds "$line")" -v s="$seconds" 'BEGIN { print 1e6 * t / hz / (n * s / all) }')"
	stop_helpers
}
