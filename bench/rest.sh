# rest.sh: the cases of REST, through nginx without TLS.
# shellcheck shell=bash
# shellcheck disable=SC2154 # bench/run and lib.sh set these

rows+=(
	"sessions|sessions|GET 100 sessions, 16 connections|requests/s|queries/s, pgbench, best of 2-16|>= 0.60, >= 4000 requests/s"
	"sessions-read|sessions-read|the same, nothing kept|requests/s|queries/s, pgbench, best of 2-16"
	"unchanged|unchanged|the same with If-None-Match|requests/s|queries of the tag/s, pgbench, best|>= 6000 requests/s"
	"session1m|session1m|GET a 1 MB session, 4 connections|requests/s|queries of its rows/s, pgbench 4|>= 0.60, >= 300 requests/s"
	"session1m-read|session1m-read|the same, nothing kept|requests/s|queries of its rows/s, pgbench 4"
	"page|page|a page's 150 sessions, 150 ms away|ms, HTTP/2|ms, HTTP/1.1, 6 connections|<= 0.50"
	"root|root|GET /, 16 connections|requests/s|requests/s, nginx return 200|>= 12000 requests/s"
)

# A workspace rest-0 of 100 sessions, made once, and the queries that read it.
prepare_rest() {
	plain || return 1
	[[ ! -e $dir/sessions.sql ]] || return 0
	load count update --slug rest --clients 100 --workspaces 1 --count 0 >/dev/null || return 1
	echo "select api.workspace_tag('rest-0');" >"$dir/tag.sql"
	cat >"$dir/sessions.sql" <<-'END'
		select s.header from app.session s join app.workspace w on w.id = s.workspace_id where w.slug = 'rest-0' order by s.updated_seq desc;
	END
}

case_sessions() {
	local f row=${1-sessions}
	http_tool "$row" || return 0
	prepare_rest && pgbench_best craft sessions && f=$(http_rate 16 "${origin[plain]}/workspace/rest-0/sessions") || return 1
	limit "$row" "$best"
	figure "$row" "$f"
}

# workers_keep BYTES: craft-fcgi anew, with so much room for answers.
workers_keep() {
	local conf=$dir/conf/craft-agent-cloud.conf end=$((SECONDS + 20))
	sed -i '/^FCGI_ANSWER_CACHE=/d' "$conf" && echo "FCGI_ANSWER_CACHE=$1" >>"$conf" &&
		"$ROOT/script/down" --dir "$dir" --only craft-fcgi >/dev/null &&
		chrt --other 0 "$ROOT/script/up" --dir "$dir" --only craft-fcgi >/dev/null || return 1
	until curl -sf -o /dev/null -H @"$dir/key.header" "${origin[plain]}/workspace/rest-0/labels"; do
		((SECONDS < end)) && sleep 0.05 || return 1
	done
	[[ ! $realtime ]] || go_before_others
}

# read_anew CASE: the case, with nothing kept.
read_anew() {
	local status
	prepare_rest && workers_keep 0 || return 1
	"case_$1" "$1-read"
	status=$?
	workers_keep 8M && return "$status"
}

case_sessions-read() { read_anew sessions; }
case_session1m-read() { read_anew session1m; }

case_unchanged() {
	local f etag
	http_tool unchanged || return 0
	prepare_rest || return 1
	etag=$(curl -sSf -o /dev/null -D - -H @"$dir/key.header" "${origin[plain]}/workspace/rest-0/sessions" |
		tr -d '\r' | sed -n 's/^[Ee][Tt]ag: //p')
	[[ $etag ]] || return 1
	pgbench_best craft tag && f=$(http_rate 16 "${origin[plain]}/workspace/rest-0/sessions" "If-None-Match: $etag") || return 1
	limit unchanged "$best"
	figure unchanged "$f"
}

case_session1m() {
	local key l f path row=${1-session1m}
	http_tool "$row" || return 0
	plain || return 1
	[[ -e $dir/session1m.sql ]] || load count save --clients 1 --slug rest1m --warmup 0 --count 1 >/dev/null || return 1
	path=$(psql_in craft -c "select s.key || ' /workspace/rest1m-0/sessions/' || s.id from app.session s
		join app.workspace w on w.id = s.workspace_id where w.slug = 'rest1m-0' order by s.key limit 1") || return 1
	key=${path%% *} path=${path#* }
	echo "select body from app.message where session_key = $key order by idx;" >"$dir/session1m.sql"
	l=$(pgbench_rate 4 craft session1m) && f=$(http_rate 4 "${origin[plain]}$path") || return 1
	limit "$row" "$l"
	figure "$row" "$f"
}

case_page() {
	local said
	plain || return 1
	[[ ${page_made-} ]] || psql_in craft -c "select count(*) from (select api.session_create('page', 'p' || n, json_build_object('id', 'p' || n,
		'pad', repeat('x', 4000))) from generate_series(1, 150) as n) as made" >/dev/null || return 1
	page_made=yes
	said=$(node "$ROOT/bench/page.mjs" "${origin[tls]}" "$dir/key.header" page 150 150) || return 1
	limit page "${said% *}"
	figure page "${said#* }"
}

case_root() {
	local l f
	http_tool root || return 0
	plain && l=$(http_rate 16 "${origin[plain]}/bench/200") && f=$(http_rate 16 "${origin[plain]}/") || return 1
	limit root "$l"
	figure root "$f"
}
