# system.sh: the cases of memory with idle clients and of the time that a start takes.
# shellcheck shell=bash
# shellcheck disable=SC2154 # bench/run, lib.sh and files.sh set these

rows+=(
	"idle|idle|1,000 idle clients, nginx, PSS each|KB|aim 24 KB|<= 24 KB"
	"idle-back|idle|given back within 10 s of their end|%|aim 100 %|>= 90 %"
	"start|start|start of all services to a GET's 200|s|aim 1 s|<= 1 s"
	"start-ours|start|of it from the first craft daemon on|s|aim 1 s"
	"start-script|start|script/up as a whole to that 200|s|aim 1 s"
)

# ---- idle clients ----

case_idle() {
	plain && nginx_settled && idle_clients 1000 "$plain_address" || return 1
	figure idle "$(awk -v a="$before" -v b="$with" 'BEGIN { print (b - a) / 1000 }')"
	figure idle-back "$(awk -v a="$before" -v b="$with" -v c="$after" 'BEGIN { print 100 * (b - c) / (b - a) }')"
	echo "    PSS of nginx and our processes in KB: $before, $with, $after"
}

# idle_clients COUNT ADDRESS: a workspace each. Sets `before`, `with` and `after` to the PSS in KB.
idle_clients() {
	local line end bound pid
	before=$(pss) || return 1
	coproc IDLE { exec "$build/bench/ws_load" idle --connect "$2" --clients "$1"; }
	pid=$IDLE_PID
	helpers+=("$pid")
	read -r -t 120 line <&"${IDLE[0]}" && [[ $line == ready ]] || return 1
	with=$(pss) || return 1
	# shellcheck disable=SC1083,SC2093 # this closes a descriptor
	exec {IDLE[1]}>&-
	wait "$pid" || return 1
	helpers=()
	bound=$((before + (with - before) / 20)) end=$((SECONDS + 10))
	while after=$(pss) && ((after > bound && SECONDS < end)); do sleep 0.2; done
}

# Pages that several processes share count a part in each, so the sum is right. PostgreSQL is not in it.
pss() {
	local pid what
	for what in nginx craft-fcgi craft-ws-bridge-1 craft-sandboxd; do
		for pid in $(processes "$what"); do
			# A worker may end in between.
			awk '/^Pss:/ { print $2 }' "/proc/$pid/smaps_rollup" 2>/dev/null
		done
	done | awk '{ sum += $1 } END { if (!sum) exit 1; print sum }'
}

# The workers from before a reload are gone.
nginx_settled() {
	local pid end=$((SECONDS + 20))
	for pid in $(processes nginx); do
		while grep -qa 'shutting down' "/proc/$pid/cmdline" 2>/dev/null; do
			((SECONDS < end)) && sleep 0.1 || return 1
		done
	done
}

# ---- start ----

# The same port again, for nothing but the time to change.
case_start() {
	local up begin answered end=$((SECONDS + 60))
	plain || return 1
	"$ROOT/script/down" --dir "$dir" >/dev/null || return 1
	begin=$(uptime_now)
	chrt --other 0 "$ROOT/script/up" --dir "$dir" --port "${url##*:}" --detach >"$dir/up.log" &
	up=$!
	until curl -skf -o /dev/null -H @"$dir/key.header" "$url/workspace/start/sessions"; do
		((SECONDS < end)) && sleep 0.01 || return 1
	done
	answered=$(uptime_now)
	wait "$up" || return 1
	figure start "$(since "$answered" postgres nginx)"
	figure start-ours "$(since "$answered" craft-fcgi craft-ws-bridge-1 craft-sandboxd nginx)"
	figure start-script "$(awk -v a="$begin" -v b="$answered" 'BEGIN { print b - a }')"
	look_around
}

uptime_now() { cut -d ' ' -f 1 /proc/uptime; }

# since UPTIME NAME...: seconds from the start of the first of these processes until then.
since() {
	local until=$1 what pid ticks first=
	shift
	for what; do
		pid=$(recorded_pid "$dir/pids/$what") && ticks=$(start_time "$pid") || return 1
		[[ $first ]] && ((ticks > first)) || first=$ticks
	done
	awk -v a="$first" -v hz="$(getconf CLK_TCK)" -v b="$until" 'BEGIN { print b - a / hz }'
}
