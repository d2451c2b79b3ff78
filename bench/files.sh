# files.sh: the cases of file storage: downloads beside nginx's static files, uploads beside dd and sha256sum.
# shellcheck shell=bash
# shellcheck disable=SC2154 # bench/run and lib.sh set these

rows+=(
	"get1k-plain|get1k|download 1 KB, 8 clients|requests/s|requests/s, static file|>= 5000 requests/s"
	"get1k-tls|get1k|download 1 KB, 8 clients, TLS|requests/s|requests/s, static file|>= 5000 requests/s"
	"get1m-plain|get1m|download 1 MB, 8 clients|MB/s|MB/s, static file|>= 0.90"
	"get1m-tls|get1m|download 1 MB, 8 clients, TLS|MB/s|MB/s, static file|>= 0.90"
	"get100m-plain|get100m|download 100 MB|MB/s|MB/s, static file|>= 0.90"
	"get100m-tls|get100m|download 100 MB, TLS|MB/s|MB/s, static file|>= 0.90"
	"get1g-plain|get1g|download 1 GB|MB/s|MB/s, static file|>= 0.90"
	"get1g-tls|get1g|download 1 GB, TLS|MB/s|MB/s, static file|>= 0.90"
	"put1k-plain|put1k|upload 1 KB, 16 clients|requests/s|aim 600 requests/s"
	"put1k-tls|put1k|upload 1 KB, 16 clients, TLS|requests/s|aim 600 requests/s"
	"put1m-plain|put1m|upload 1 MB|MB/s|MB/s, dd conv=fsync && sha256sum"
	"put1m-tls|put1m|upload 1 MB, TLS|MB/s|MB/s, dd conv=fsync && sha256sum"
	"put100m-plain|put100m|upload 100 MB|MB/s|MB/s, dd conv=fsync && sha256sum|>= 0.70"
	"put100m-tls|put100m|upload 100 MB, TLS|MB/s|MB/s, dd conv=fsync && sha256sum|>= 0.70"
	"put1g-plain|put1g|upload 1 GB|MB/s|MB/s, dd conv=fsync && sha256sum|>= 0.70"
	"put1g-tls|put1g|upload 1 GB, TLS|MB/s|MB/s, dd conv=fsync && sha256sum|>= 0.70"
	"rss-nginx|rss|4 uploads of 1 GB, TLS, nginx|MB|aim 20 MB, peak RSS of a process"
	"rss-fcgi|rss|4 uploads of 1 GB, TLS, craft-fcgi|MB|aim 20 MB, peak RSS of a process"
)

declare -A file_bytes=([1k]=1024 [1m]=1048576 [100m]=104857600 [1g]=1073741824)
declare -A origin=() # plain, tls: what URLs begin with
space_needed=$((8 << 30))

case_get1k() { downloads 1k; }
case_get1m() { downloads 1m; }
# Short ones: several, so that both sides have their share of what the neighbours do.
case_get100m() { downloads 100m && downloads 100m && downloads 100m; }
case_get1g() { downloads 1g && downloads 1g && downloads 1g; }

case_put1m() { uploads 1m 50; }
case_put100m() { uploads 100m 5; }
case_put1g() { uploads 1g 1; }

case_put1k() {
	local scheme f
	wrk_there put1k-plain put1k-tls || return 0
	prepare 1k || return 1
	for scheme in plain tls; do
		# New names each time. They stay: while ext4 has many inodes that were freed just now, making files is slow.
		f=$(wrk_rate 16 "${origin[$scheme]}/files/bench/small/attachments/$SRANDOM-" "$dir/static/1k") || return 1
		figure "put1k-$scheme" "$f"
	done
}

# The peak is counted anew from here on, in every process that nginx or craft-fcgi consists of.
case_rss() {
	local i pid name status=0
	local -a uploads=() peak
	prepare 1g || return 1
	for pid in $(processes nginx) $(processes craft-fcgi); do echo 5 >"/proc/$pid/clear_refs" || return 1; done
	for i in 1 2 3 4; do
		upload_rate 1g 1 "${origin[tls]}/files/bench/rss/attachments/$i-" >>"$dir/curl.log" &
		uploads+=($!)
	done
	for pid in "${uploads[@]}"; do wait "$pid" || status=1; done
	for name in nginx craft-fcgi; do
		mapfile -t peak < <(peaks "$name" | sort -n -r)
		[[ ${peak[0]-} ]] || return 1
		figure "rss-${name#craft-}" "${peak[0]}"
		echo "    peak RSS in MB, $name: ${peak[*]}"
	done
	drop rss && return "$status"
}

# ---- what is measured ----

downloads() {
	local size=$1 scheme l f
	[[ $size != 1[km] ]] || wrk_there "get$size-plain" "get$size-tls" || return 0
	prepare "$size" && store "$size" || return 1
	for scheme in plain tls; do
		l=$(download_rate "$size" "${origin[$scheme]}/static/$size") &&
			f=$(download_rate "$size" "${origin[$scheme]}/files/bench/get/downloads/$size") || return 1
		limit "get$size-$scheme" "$l"
		figure "get$size-$scheme" "$f"
	done
}

# download_rate SIZE URL: requests/s for 1 KB, else MB/s.
download_rate() {
	case $1 in
	1k) wrk_rate 8 "$2" ;;
	1m) wrk_rate 8 "$2" | awk -v bytes="${file_bytes[$1]}" '{ print $1 * bytes / 1e6; found = 1 } END { exit !found }' ;;
	100m) curl_rate 200 "${file_bytes[$1]}" "$2?n=[1-10]" ;;
	1g) curl_rate 200 "${file_bytes[$1]}" "$2" ;;
	esac
}

# uploads SIZE COUNT
uploads() {
	local size=$1 scheme l f
	prepare "$size" || return 1
	for scheme in plain tls; do
		# What earlier measurements wrote and removed is not these ones' to pay for.
		sync -f "$dir"
		l=$(dd_rate "$@") && sync -f "$dir" || return 1
		f=$(upload_rate "$@" "${origin[$scheme]}/files/bench/put/attachments/$size-") || return 1
		limit "put$size-$scheme" "$l"
		figure "put$size-$scheme" "$f"
		drop put || return 1
	done
}

# upload_rate SIZE COUNT URL: MB/s of one after the other, each under a name of its own.
upload_rate() { curl_rate 201 "${file_bytes[$1]}" "$3[1-$2]" -T "$dir/static/$1"; }

# dd_rate SIZE COUNT: MB/s of copying it durably and hashing the copy, which is the least that an upload does.
dd_rate() {
	local i begin used=0 from=$dir/static/$1 to=$dir/dd
	for ((i = 0; i < $2; i++)); do
		rm -f "$to"
		begin=${EPOCHREALTIME/[.,]/}
		dd if="$from" of="$to" bs=1M conv=fsync 2>"$dir/dd.log" && sha256sum "$to" >/dev/null || return 1
		used=$((used + ${EPOCHREALTIME/[.,]/} - begin))
	done
	rm -f "$to"
	awk -v bytes="$(($2 * file_bytes[$1]))" -v us="$used" 'BEGIN { print bytes / us }'
}

# ---- clients ----

wrk_there() {
	local row
	command -v wrk >/dev/null && return
	# shellcheck disable=SC2004,SC2034 # a key of table.sh's array
	for row; do skipped[$row]="wrk is not installed"; done
	return 1
}

# wrk_rate CLIENTS URL [BODY]: requests per second with connections that are kept.
wrk_rate() {
	wrk -t 1 -c "$1" -d "${seconds}s" -s "$ROOT/bench/files.lua" "$2" -- "$dir/key.header" ${3:+"$3"} |
		awk '/^Requests\/sec/ { r = $2 } /Non-2xx|Socket errors/ { bad = 1 } END { if (bad || !r) exit 1; print r }'
}

# curl_rate STATUS BYTES URL [OPTION...]: MB/s, over all transfers of a URL with [FROM-TO]. Another status or size is an
# error.
curl_rate() {
	local status=$1 bytes=$2 url=$3
	shift 3
	curl -sSk -H @"$dir/key.header" -o /dev/null "$@" \
		-w '%{http_code} %{size_download} %{size_upload} %{time_total}\n' "$url" |
		awk -v status="$status" -v bytes="$bytes" '
			$1 != status || $2 != bytes && $3 != bytes { print "answered: " $0 >"/dev/stderr"; bad = 1 }
			{ sum += bytes; seconds += $4 }
			END { if (bad || !seconds) exit 1; print sum / seconds / 1e6 }'
}

# ---- preparing ----

# prepare SIZE: its bytes are there, as a static file too, and nginx serves them with and without TLS.
prepare() {
	local file=$dir/static/$1
	mkdir -p "$dir/static" || return 1
	[[ ${origin[plain]-} ]] || listen_plain || return 1
	[[ ! -e $file ]] || return 0
	(($(df --output=avail -B1 "$dir" | tail -n 1) > space_needed)) ||
		die "less than $((space_needed >> 30)) GB are free in $dir"
	# Read once, so that dd and curl have it from memory.
	openssl rand -out "$file" "${file_bytes[$1]}" && chmod 0644 "$file" && sha256sum "$file" >/dev/null
}

# store SIZE: uploaded to be downloaded; what comes back is compared.
store() {
	local url=${origin[plain]}/files/bench/get/downloads/$1
	[[ ! ${stored[$1]-} ]] || return 0
	curl -sSf -H @"$dir/key.header" -o /dev/null -T "$dir/static/$1" "$url" &&
		curl -sSf -H @"$dir/key.header" "$url" | cmp - "$dir/static/$1" && stored[$1]=yes
}
declare -A stored=()

# The instance's nginx gets a second port, without TLS, and a location of static files: the same server and settings.
listen_plain() {
	local port pid end=$((SECONDS + 10)) conf=$dir/nginx/standalone.conf
	(umask 077 && printf 'Authorization: Bearer %s\n' "$API_KEY" >"$dir/key.header") || return 1
	port=$(perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1")->sockport') ||
		return 1
	pid=$(recorded_pid "$dir/pids/nginx") || return 1
	sed -i "s|^\(\t*\)server_name _;|&\n\1listen 127.0.0.1:$port;\n\1location ^~ /static/ { root \"$dir\"; }|" "$conf" ||
		return 1
	kill -s HUP "$pid"
	until curl -s -o /dev/null "http://127.0.0.1:$port/static/"; do
		((SECONDS < end)) || die "nginx did not take the second port: $(tail -n 3 "$dir/log/nginx.log")"
		sleep 0.1
	done
	origin=([plain]=http://127.0.0.1:$port [tls]=$url)
}

# drop SESSION: its files. Their bytes would stay for some minutes; here nobody downloads them, and the disk has an end.
drop() {
	local blob
	curl -sSf -H @"$dir/key.header" -o /dev/null -X DELETE "${origin[plain]}/files/bench/$1" || return 1
	psql_in craft -c "delete from app.blob_gone returning blob" | while read -r blob; do
		rm -f "$dir/blobs/${blob:0:2}/$blob"
	done
}

# ---- processes ----

# processes NAME: the pids of what script/up started under this name and of all its children.
processes() {
	local pid
	pid=$(recorded_pid "$dir/pids/$1") || die "$1 does not run"
	echo "$pid"
	descendants "$pid" | cut -d ' ' -f 1
}

# peaks NAME: the peak RSS of each process, in MB.
peaks() {
	local pid
	for pid in $(processes "$1"); do awk '/^VmHWM:/ { printf "%.1f\n", $2 / 1024 }' "/proc/$pid/status"; done
}
