# lib.sh: TAP and PostgreSQL for *.test.sh; sourced. tests/sql/run sets TEST_DIR, TEST_DB, SQL_DIR, CRAFT_CLOUD and PGHOST.
# shellcheck shell=bash disable=SC2034 # what is set for the caller
tap_count=0
# What craft_cloud() and at_once() leave for the caller.
out="" code=0 answers=""

plan() {
	echo "1..$1"
}

# ok STATUS NAME: passes when STATUS is 0.
ok() {
	tap_count=$((tap_count + 1))
	if [ "$1" = 0 ]; then
		echo "ok $tap_count - $2"
	else
		echo "not ok $tap_count - $2"
		return 1
	fi
}

# is GOT WANT NAME
is() {
	[ "$1" = "$2" ]
	ok $? "$3" && return
	printf '%s\n' "got:  $1" "want: $2" | sed 's/^/# /'
	return 1
}

# like TEXT REGEX NAME
like() {
	[[ $1 =~ $2 ]]
	ok $? "$3" && return
	printf '%s\n' "got:  $1" "want: $2" | sed 's/^/# /'
	return 1
}

# same_files A B NAME
same_files() {
	diff -u "$1" "$2" >"$TEST_DIR/diff"
	ok $? "$3" || head -n 60 "$TEST_DIR/diff" | sed 's/^/# /'
}

skip() {
	tap_count=$((tap_count + 1))
	echo "ok $tap_count - $1 # SKIP $2"
}

# craft_cloud DATABASE ARGS…: leaves the output in $out and the exit code in $code.
craft_cloud() {
	local db=$1
	shift
	out=$(DATABASE_URL="dbname=$db" "$CRAFT_CLOUD" "$@" 2>&1)
	code=$?
}

# sql DATABASE STATEMENT: rows, unaligned.
sql() {
	psql -XqAt -v ON_ERROR_STOP=1 -d "$1" -c "$2"
}

empty_db() {
	createdb -T template0 -E UTF8 "$1"
}

# Schemas, without what depends on the program's version or the run.
dump_schema() {
	pg_dump -s -n app -n api -n report -d "$1" | grep -vE '^(--|SET |SELECT pg_catalog.set_config|\\(un)?restrict )' | cat -s
}

# wait_for SECONDS COMMAND…: until it succeeds. Tries are counted, as each takes longer beside a load.
wait_for() {
	local tries=$(($1 * 20))
	shift
	until "$@"; do
		[ $((tries -= 1)) -gt 0 ] || return 1
		sleep 0.05
	done
}

# at_once TABLE STATEMENT…: each by a client of its own, all of which begin only when the last one has come to that
# table, which they all touch. What they answer, counted, is left in $answers.
at_once() {
	local i=0 pids=() table=$1 statement dir=$TEST_DIR/at_once
	shift
	local waiting="select count(*) = $# from pg_locks where relation = '$table'::regclass and not granted"
	rm -rf "$dir"
	mkdir "$dir"
	mkfifo "$dir/gate"
	psql -XqAt -d "$TEST_DB" <"$dir/gate" >"$dir/holder" 2>&1 &
	local holder=$!
	exec 7>"$dir/gate"
	echo "begin; lock table $table in access exclusive mode; select 'held';" >&7
	wait_for 60 grep -q held "$dir/holder"
	for statement in "$@"; do
		PGUSER=craft_daemon psql -XqAt -v ON_ERROR_STOP=1 -d "$TEST_DB" -c "$statement" >"$dir/out$i" 2>&1 7>&- &
		pids+=($!) i=$((i + 1))
	done
	wait_for 120 there "$waiting" || echo "# not all clients came"
	exec 7>&-
	wait "$holder" "${pids[@]}"
	answers=$(cat "$dir"/out* | sort | uniq -c | tr -s ' ' | tr '\n' ';')
}
there() { [ "$(sql "$TEST_DB" "$1")" = t ]; }

# As the user that owns the cluster.
server() {
	if [ "$(id -u)" = 0 ]; then
		runuser -u postgres -- "$@"
	else
		"$@"
	fi
}
