# sandbox.sh: the cases of sandboxes, measured by node programs with a server and fakes of their own; see sandbox.mjs.
# shellcheck shell=bash
# shellcheck disable=SC2154 # bench/run and lib.sh set these

rows+=(
	"sandbox-create|sandbox-create|POST create answers, p50|ms|aim 20 ms"
	"sandbox-create-p95|sandbox-create|POST create answers, p95|ms|aim 20 ms"
	"sandbox-first-clone|sandbox-create|create to ready, 3,000 files|ms|ms, git clone --depth 1|<= 1.20"
	"sandbox-second-clone|sandbox-create|the same, second sandbox|ms|ms, git clone --depth 1|<= 0.50"
	"sandbox-first-turn|sandbox-turn|first turn, to its result|ms|ms, Claude Code outside, from its start"
	"sandbox-next-turn|sandbox-turn|next turns, to the result|ms|ms, Claude Code outside, warm"
	"sandbox-overhead|sandbox-turn|added to next turns|ms|aim 100 ms"
	"sandbox-begin|sandbox-turn|next turns, to the first line, p50|ms|aim 100 ms"
	"sandbox-begin-p95|sandbox-turn|next turns, to the first line, p95|ms|aim 100 ms"
	"sandbox-tool|sandbox-tool|Bash true, p50|ms|ms, bwrap true, p50|<= 25 ms"
	"sandbox-tool-p95|sandbox-tool|Bash true, p95|ms|ms, bwrap true, p95"
	"sandbox-tool-p99|sandbox-tool|Bash true, p99|ms|ms, bwrap true, p99"
	"sandbox-tool-20|sandbox-tool|Bash true, 20 at once|calls/s|bwrap true/s, one after the other"
	"sandbox-stream|sandbox-stream|an agent's lines of 300 bytes|lines/s|lines/s, by a pipe to cat|>= 5000 lines/s"
	"sandbox-stream-rows|sandbox-stream|the same|lines/s|rows/s, api.sandbox_append()|>= 5000 lines/s"
	"sandbox-line|sandbox-stream|added to the way of a line, p50|ms|aim 15 ms"
	"sandbox-line-p95|sandbox-stream|added to the way of a line, p95|ms|aim 15 ms"
	"sandbox-idle|sandbox-memory|a sandbox without an agent, PSS|MB|aim 10 MB"
	"sandbox-warm|sandbox-memory|a sandbox with a warm agent, PSS|MB|MB, Claude Code outside, PSS"
	"sandbox-many|sandbox-many|20 sandboxes: clone, task, tools|s|s, 20 clones and tasks outside"
)

case_sandbox-create() { sandbox_case create; }
case_sandbox-turn() { sandbox_case turn; }
case_sandbox-tool() { sandbox_case tool; }
case_sandbox-stream() { sandbox_case stream; }
case_sandbox-memory() { sandbox_case memory; }
case_sandbox-many() { sandbox_case many; }

# Are there cases that want the instance of bench/run?
instance_wanted() { printf '%s\n' "${wanted[@]}" | grep -qv '^sandbox-'; }

# sandbox_case NAME: takes over what the program measured.
sandbox_case() {
	local said kind row rest
	sandbox_tools "sandbox-$1" || return 0
	said=$(TMPDIR=$(realpath "$parent") node "$ROOT/bench/sandbox.mjs" "$1") || return 1
	while read -r kind row rest; do
		case $kind in
		figure) figure "$row" "$rest" ;;
		limit) limit "$row" "$rest" ;;
		note) echo "    $row $rest" ;;
		esac
	done <<<"$said"
}

# sandbox_tools CASE: what its programs need is there; else the case's rows are skipped.
sandbox_tools() {
	local missing='' row of rest
	command -v bwrap >/dev/null || missing="bubblewrap is not installed"
	[[ -e $ROOT/tests/node_modules/ws ]] || missing="ws is not installed: run script/bootstrap"
	command -v node >/dev/null || missing="node is not installed"
	[[ $missing ]] || return 0
	while IFS='|' read -r row of rest; do
		# shellcheck disable=SC2004,SC2034 # a key of table.sh's array
		[[ $of != "$1" ]] || skipped[$row]=$missing
	done < <(printf '%s\n' "${rows[@]}")
	return 1
}
