# lib.sh: what the programs of script/ share: messages, the state directory, processes on record.
# shellcheck shell=bash
# shellcheck disable=SC2034 # ROOT is for those who source this

ROOT=$(cd -P "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PATH=$PATH:/usr/sbin:/sbin

step() { printf '==> %s\n' "$*"; }
die() {
	printf 'error: %s\n' "$*" >&2
	exit 1
}

# Prints the path of Claude Code's program: SANDBOX_AGENT's, else the one that script/bootstrap installs.
agent_program() {
	local machine=x64
	[[ $(uname -m) != aarch64 ]] || machine=arm64
	printf '%s\n' "${SANDBOX_AGENT:-$ROOT/sandbox/agent/node_modules/@anthropic-ai/claude-code-linux-$machine/claude}"
}

# ---- patience: seconds of a machine of its own ----
# Beside a load a second counts for less, so that slow isn't taken for dead; tests/harness/pace.mjs has the rule, for tests too.

declare -A patience_left=() patience_at=()
cpus=$(nproc)

# Sets uptime, in hundredths of a second.
read_uptime() {
	read -r uptime _ </proc/uptime
	uptime=$((10#${uptime/./}))
}

# Sets slowness: how many times slower than alone things go at present, in percent: the tasks that run or wait, for each CPU.
# read_slowness [LOADAVG]: a line as /proc/loadavg has it.
# shellcheck disable=SC2120 # a test gives one
read_slowness() {
	local load running
	read -r load _ _ running _ <<<"${1:-$(</proc/loadavg)}"
	load=$((10#${load/./})) running=$((${running%%/*} * 100))
	slowness=$(((load > running ? load : running) / cpus))
	((slowness >= 100)) || slowness=100
	((slowness <= 3200)) || slowness=3200
}

# be_patient WHAT SECONDS: begins to wait. patient WHAT: is some of it left? To be asked again and again.
be_patient() {
	read_uptime
	patience_left[$1]=$(($2 * 100000)) patience_at[$1]=$uptime
}
patient() {
	read_uptime
	read_slowness
	((patience_left[$1] -= (uptime - patience_at[$1]) * 100000 / slowness, patience_at[$1] = uptime))
	((patience_left[$1] > 0))
}

# ---- the state directory ----

# Sets DIR to the absolute path of $1, made when $2 is "create".
use_dir() {
	[[ $1 != *[[:cntrl:]\"\'\\\$*?\[\{\}\;]* ]] ||
		die "the path of the state directory may not hold control characters or any of \" ' \\ \$ * ? [ { } ;"
	if [[ ${2-} == create ]]; then
		mkdir -p -- "$1" || die "can't make $1"
	fi
	[[ -d $1 ]] || return 1
	DIR=$(cd -P -- "$1" && pwd) || die "can't enter $1"
}

# Only one up or down works on a state directory at a time.
lock_dir() {
	exec 9>>"$DIR/lock" || die "can't write to $DIR: is it another user's?"
	# That one has its own patience.
	flock -w 1200 9 || die "another script/up or script/down is at work on $DIR"
}

unlock_dir() { exec 9>&-; }

# What --only of script/up and script/down takes, and --revive.
check_only() {
	[[ $1 =~ ^(postgres|nginx|craft-fcgi|craft-sandboxd|craft-ws-bridge-[1-9][0-9]?)$ ]] ||
		die "${2:---only} takes postgres, nginx, craft-fcgi, craft-ws-bridge-N or craft-sandboxd"
}

# What --restart of script/up takes.
check_restart() {
	[[ $1 == all || $1 =~ ^(nginx|craft-fcgi|craft-sandboxd|craft-ws-bridge-[1-9][0-9]?)$ ]] ||
		die "--restart takes all, nginx, craft-fcgi, craft-ws-bridge-N or craft-sandboxd"
}

# ---- processes on record: pids/NAME holds "PID START BOOT SESSION" ----
# NAME.stopping: being stopped on purpose. NAME.old: another one takes its place. supervisor: script/keep-up. START (ticks since boot) and BOOT keep a recycled pid from being
# taken for ours.

boot_id() { cat /proc/sys/kernel/random/boot_id; }

# Sets the array field to what /proc/PID/stat says from the state on: STATE PPID PGRP SESSION ..., and START as 19.
read_stat() {
	local stat
	{ read -r -d '' stat || [[ $stat ]]; } 2>/dev/null <"/proc/$1/stat" || return 1
	# The name in parentheses may hold anything: fields are counted from its end.
	# shellcheck disable=SC2206
	field=(${stat##*) })
}

# Prints the start time of a live process; false for a zombie or none.
start_time() {
	local -a field
	read_stat "$1" && [[ ${field[0]} != [ZX] ]] && printf '%s' "${field[19]}"
}

# record_pid NAME PID [SESSION]: its session, where it isn't (or won't be) one of its own.
record_pid() {
	local start
	start=$(start_time "$2") || return 1
	printf '%s %s %s %s\n' "$2" "$start" "$(boot_id)" "${3:-$2}" >"$DIR/pids/$1"
}

# Prints the pid of the record file $1 if that very process still lives.
recorded_pid() {
	local pid start boot
	read -r pid start boot _ 2>/dev/null <"$1" || return 1
	[[ $boot == "$(boot_id)" && $(start_time "$pid") == "$start" ]] && printf '%s' "$pid"
}

# Names on record, but the supervisor's.
recorded_names() {
	local file
	for file in "$DIR"/pids/*; do
		[[ -e $file && $file != *.stopping && $file != */supervisor ]] && printf '%s\n' "${file##*/}"
	done
}

# Sets ticks: the CPU time that the process $1 and its descendants have used, in hundredths of a second.
read_ticks() {
	local -a field
	local pid
	ticks=0
	for pid in "$1" $(descendants "$1" | cut -d ' ' -f 1); do
		read_stat "$pid" && ((ticks += field[11] + field[12] + field[13] + field[14]))
	done
	return 0
}

# Prints "PID START" of all descendants of $1.
descendants() {
	local child
	cat "/proc/$1/task/"*/children 2>/dev/null | tr ' ' '\n' | while read -r child; do
		[[ $child ]] || continue
		printf '%s %s\n' "$child" "$(start_time "$child")"
		descendants "$child"
	done
}

# Has this process a file below DIR open? Root that may not look (many containers lack CAP_SYS_PTRACE) looks as its user.
uses_dir() {
	local -a look=(find "/proc/$1/fd" -lname "$DIR/*" -print -quit) user
	[[ ! $("${look[@]}" 2>/dev/null) ]] || return 0
	# Daemons with keys let nobody of their user look.
	[[ $(cat "/proc/$1/comm" 2>/dev/null) != craft-* || -n $(find "/proc/$1/fd" -type l -print -quit 2>/dev/null) ]] || return 0
	((EUID == 0)) && read -r -a user < <(stat -c '--reuid=%u --regid=%g' "/proc/$1" 2>/dev/null) &&
		[[ $(setpriv "${user[@]}" --clear-groups "${look[@]}" 2>/dev/null) ]]
}

# Prints "PID START" of what is left of the process in the record file $1, which has ended itself. It had a session of
# its own, or its predecessor's (a replaced nginx), whose number is nobody else's while somebody is in it, and all of it
# writes to a log below DIR.
leftovers() {
	local pid start boot session each
	local -a field
	read -r pid start boot session 2>/dev/null <"$1" && [[ $boot == "$(boot_id)" ]] || return 0
	: "${session:=$pid}"
	# Who has the number now could only get it after the last of the session.
	[[ $session != "$pid" ]] || ! read_stat "$pid" || [[ ${field[19]} == "$start" ]] || return 0
	for each in /proc/[0-9]*; do
		each=${each##*/}
		read_stat "$each" && [[ ${field[3]} == "$session" && ${field[0]} != [ZX] ]] && ((field[19] >= start)) &&
			uses_dir "$each" && printf '%s %s\n' "$each" "${field[19]}"
	done
	return 0
}

# Prints those of the "PID START" lines on stdin that still live.
still_living() {
	local pid start
	while read -r pid start; do
		if [[ $start && $(start_time "$pid") == "$start" ]]; then printf '%s\n' "$pid"; fi
	done
}

# stop_recorded SIGNAL PATIENCE NAME...: signals these, or what is left of one that has ended (the workers of an nginx
# whose master was killed), waits for them and their children, kills what stays.
stop_recorded() {
	local signal=$1 name pid left family=
	local -a files=() pids
	be_patient stop "$2"
	shift 2
	for name; do
		[[ ! -e $DIR/pids/$name ]] || mv "$DIR/pids/$name" "$DIR/pids/$name.stopping"
		[[ -e $DIR/pids/$name.stopping ]] || continue
		files+=("$DIR/pids/$name.stopping")
		if pid=$(recorded_pid "$DIR/pids/$name.stopping"); then
			family+="$pid $(start_time "$pid")"$'\n'$(descendants "$pid")$'\n'
			pids=("$pid")
		else
			left=$(leftovers "$DIR/pids/$name.stopping")
			family+=$left$'\n'
			mapfile -t pids < <(still_living <<<"$left")
		fi
		[[ ${#pids[@]} == 0 ]] || kill -s "$signal" "${pids[@]}" 2>/dev/null || true
	done
	while left=$(still_living <<<"$family") && [[ $left ]] && patient stop; do sleep 0.05; done
	for pid in $left; do
		printf 'process %s (%s) had to be killed\n' "$pid" "$(cat "/proc/$pid/comm" 2>/dev/null)" >&2
		kill -s KILL "$pid" 2>/dev/null || true
	done
	while [[ $left && $(still_living <<<"$family") ]]; do sleep 0.05; done
	rm -f "${files[@]}"
}

# Everything, in the order in which nobody loses anything: the bridges say goodbye through nginx.
stop_all() {
	local -a daemons=()
	local name drain
	drain=$(sed -n 's/^WS_DRAIN_TIME=//p' "$DIR/conf/craft-agent-cloud.conf" 2>/dev/null)
	rm -f "$DIR/ready.json"
	# Before it takes what is being stopped for dead.
	stop_recorded TERM 30 supervisor
	for name in "$DIR"/pids/craft-*; do
		name=${name##*/}
		[[ $name != 'craft-*' ]] && daemons+=("${name%.stopping}")
	done
	[[ ${#daemons[@]} == 0 ]] || stop_recorded TERM $((20 + ${drain:-0} / 1000)) "${daemons[@]}"
	stop_recorded TERM 10 nginx
	stop_recorded INT 60 postgres
	remove_run_dir
}

# run/ is a link when DIR is too long for the path of a socket.
remove_run_dir() {
	local target
	if [[ -L $DIR/run ]]; then
		target=$(readlink "$DIR/run")
		[[ $target != /tmp/craft-run.* ]] || rm -rf -- "$target"
	fi
	rm -rf -- "${DIR:?}/run"
}
