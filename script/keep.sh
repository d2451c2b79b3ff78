# keep.sh: starts again what script/up has started and what died: for script/up in the foreground, and for script/keep-up after --detach.
# shellcheck shell=bash
# shellcheck disable=SC2154

# What lived less long than this died again: it waits twice as long each time, from a second to half a minute. In hundredths of a second.
short_life=3000 first_pause=100 longest_pause=3000

declare -A noticed=() begun=() pause=() next_try=() log_size=()
reviving='' told=''
read -r this_boot </proc/sys/kernel/random/boot_id
# Nothing ever comes from it: a sleep without a process.
exec {never}<> <(:)

nap() { read -r -t "$1" -u "$never" || true; }

# tell TEXT: on the terminal, also on that of script/up --detach ($terminal: a descriptor) while it is there.
tell() {
	printf -v told '==> %(%T)T %s' -1 "$1"
	printf '%s\n' "$told"
	[[ ! ${terminal-} ]] || { printf '%s\n' "$told" >&"$terminal"; } 2>/dev/null || terminal=''
}

# is_alive FILE: recorded_pid without a process, as it is asked all the time.
is_alive() {
	local pid start boot
	local -a field
	read -r pid start boot _ 2>/dev/null <"$1" && [[ $boot == "$this_boot" ]] &&
		read_stat "$pid" && [[ ${field[0]} != [ZX] && ${field[19]} == "$start" ]]
}

# One look at all that is on record; PostgreSQL first, as the others wait for it.
keep_up() {
	local file name
	read_uptime
	for file in "$DIR"/pids/postgres "$DIR"/pids/*; do
		name=${file##*/}
		# Being stopped, or replaced, on purpose; and whoever asks.
		[[ $name != *.* && $name != supervisor ]] || continue
		is_alive "$file" || [[ ! -e $file || ! -e $DIR/ready.json ]] || keep_up_one "$name" "$(<"$file")"
	done 2>/dev/null
}

keep_up_one() {
	if [[ ${noticed[$1]-} != "$2" ]]; then
		noticed[$1]=$2
		notice_death "$1"
	fi
	((uptime >= next_try[$1])) || return 0
	if revive "$1"; then
		begun[$1]=$uptime
	else
		wait_longer "$1"
		tell "$1 could not be started: next try in $((pause[$1] / 100)) s"
		tell_end_of revive
	fi
}

notice_death() {
	if [[ ! ${begun[$1]-} ]] || ((uptime - begun[$1] >= short_life)); then
		pause[$1]=0 next_try[$1]=$uptime
		tell "$1 died: starting it again"
	else
		wait_longer "$1"
		tell "$1 died again after $(((uptime - begun[$1]) / 100)) s: next try in $((pause[$1] / 100)) s"
		tell_end_of "$1"
	fi
}

wait_longer() {
	((pause[$1] = pause[$1] ? pause[$1] * 2 : first_pause, pause[$1] <= longest_pause)) || pause[$1]=$longest_pause
	next_try[$1]=$((uptime + pause[$1]))
}

# What it has said since it was started, the last of it.
tell_end_of() {
	local line
	while IFS= read -r line; do tell "    $line"; done < <(tail -c +"$((${log_size[$1]:-0} + 1))" "$DIR/log/$1.log" | tail -n 5)
}

# In a session of its own, for stop_reviving; script/up looks again when it has the lock, as script/down may come between.
revive() {
	local status
	log_size[$1]=$(stat -c %s "$DIR/log/$1.log")
	setsid "$ROOT/script/up" --dir "$DIR" --revive "$1" </dev/null >"$DIR/log/revive.log" 2>&1 {never}<&- 6>&- 9>&- &
	reviving=$!
	wait "$reviving"
	status=$?
	reviving=''
	read_uptime
	return "$status"
}

# What waits for the lock ends at once; what has it comes to its end.
stop_reviving() { [[ ! $reviving ]] || kill -s TERM -- "-$reviving" 2>/dev/null || true; }
