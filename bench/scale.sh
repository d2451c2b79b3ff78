# scale.sh: what one unit costs among few and among many, read from PostgreSQL each time. The limit is the cost among the fewest of the same run.
# shellcheck shell=bash
# shellcheck disable=SC2154 # bench/run, lib.sh, files.sh and system.sh set these

list_sizes=(100 1000 5000) message_sizes=(1000 10000 100000) workspace_sizes=(1000 10000)

# scale_rows CASE PREFIX WHAT UNIT SIZE...
scale_rows() {
	local of=$1 row=$2 what=$3 unit=$4 first=$5 n
	shift 4
	for n; do rows+=("$row-$n|$of|$what $n|$unit|$unit, of $first|<= 1.25"); done
}
scale_rows scale-list scale-list 'a session, GET a list of' us "${list_sizes[@]}"
scale_rows scale-messages scale-load 'a message, GET a session of' us "${message_sizes[@]}"
scale_rows scale-messages scale-append 'a message, append to' us "${message_sizes[@]}"
scale_rows scale-workspaces scale-update 'an update, clients = workspaces' us "${workspace_sizes[@]}"
scale_rows scale-workspaces scale-memory 'a client, PSS, workspaces' KB "${workspace_sizes[@]}"

# per ROW FIRST SIZE VALUE: the figure, and for the fewest also everybody's limit.
per() {
	local n
	figure "$1-$3" "$4"
	[[ $2 == "$3" ]] || { limit "$1-$3" "${base[$1]}"; return; }
	base[$1]=$4
	limit "$1-$3" "$4"
}
declare -A base=()

# one_rate COUNT PATH: microseconds of a GET by one connection for each of COUNT.
one_rate() {
	local rate
	rate=$(http_rate 1 "${origin[plain]}$2") || return 1
	awk -v n="$1" -v rate="$rate" 'BEGIN { print 1e6 / rate / n }'
}

case_scale-list() {
	local n cost
	http_tool "${list_sizes[@]/#/scale-list-}" || return 0
	plain && workers_keep 0 || return 1
	for n in "${list_sizes[@]}"; do
		make_sessions "$n" && cost=$(one_rate "$n" "/workspace/list$n-0/sessions") || return 1
		per scale-list "${list_sizes[0]}" "$n" "$cost"
	done
	workers_keep 8M
}

# make_sessions COUNT: once; 16 under way, the first 16 of which ws_load doesn't count.
make_sessions() {
	[[ ! ${made[list$1]-} ]] || return 0
	made[list$1]=yes
	load count save --slug "list$1" --clients 1 --depth 16 --messages 1 --size 200 --warmup 0 --seconds 120 --count $(($1 - 16)) >/dev/null
}
declare -A made=()

case_scale-messages() {
	local n cost line
	http_tool "${message_sizes[@]/#/scale-load-}" || return 0
	plain && workers_keep 0 || return 1
	for n in "${message_sizes[@]}"; do
		# Of 256 bytes, so that the longest still is one message of the protocol.
		line=$(load p50_ms append --slug "messages$n" --messages "$n" --size 256 --warmup 0 --count 20) || return 1
		per scale-append "${message_sizes[0]}" "$n" "$(awk -v ms="$line" -v n="$n" 'BEGIN { print 1000 * ms / n }')"
		cost=$(one_rate "$n" "/workspace/messages$n-0/sessions/s-0") || return 1
		per scale-load "${message_sizes[0]}" "$n" "$cost"
	done
	workers_keep 8M
}

# Straight to the bridge's socket: through nginx the ports of one address would end.
case_scale-workspaces() {
	local n rate
	for n in "${workspace_sizes[@]}"; do
		idle_clients "$n" "$socket" || return 1
		per scale-memory "${workspace_sizes[0]}" "$n" "$(awk -v a="$before" -v b="$with" -v n="$n" 'BEGIN { print (b - a) / n }')"
		rate=$(load updates_per_s update --slug many --clients "$n" --workspaces "$n" --seconds $((seconds + 1))) || return 1
		per scale-update "${workspace_sizes[0]}" "$n" "$(awk -v rate="$rate" 'BEGIN { print 1e6 / rate }')"
	done
}
