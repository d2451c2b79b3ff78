# state.sh: the files below script/up's state directory: layout, configuration, certificate, nginx, ready.json.
# Uses the variables of script/up (DIR, RUN, BUILD, port, bridges, upload_mode, metrics, pg_user, run_user, nginx_user, nginx_group).
# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034

make_layout() {
	local sub
	umask 022
	for sub in conf log nginx nginx/tmp pids tls; do mkdir -p "$DIR/$sub" || die "can't write to $DIR"; done
	chown "$nginx_user" "$DIR/nginx/tmp"
	# What craft-fcgi makes there is readable to nginx's group.
	install -d -m 2750 -o "$run_user" -g "$nginx_group" "$DIR/blobs" "$DIR/blobs/incoming"
	for sub in nginx.log nginx-access.log; do
		: >>"$DIR/log/$sub"
		chown "$nginx_user" "$DIR/log/$sub"
	done
	chmod 0640 "$DIR"/log/*.log
	remove_run_dir
	# A socket's path has 107 bytes; and nginx takes only plain characters in it.
	if ((${#DIR} + ${#longest_socket} > 107)) || [[ $DIR == *[!A-Za-z0-9._/+@-]* ]]; then
		RUN=$(mktemp -d /tmp/craft-run.XXXXXX) || die "can't make a directory in /tmp"
		ln -s "$RUN" "$DIR/run"
	else
		RUN=$DIR/run
		mkdir "$RUN"
	fi
	chmod 0711 "$RUN"
	chown "$run_user" "$RUN"
	install -d -m 0711 -o "$pg_user" "$RUN/pg"
}
longest_socket=/run/fcgi-upload.sock.1234567

# A clone or DIR below a directory such as /root (0700) is closed to the users of the daemons. Then the
# processes keep one capability: to pass directories and read files, or where that isn't to be had (many
# containers), to override permissions.
choose_capabilities() {
	local caps program
	for program in fcgi/craft-fcgi ws-bridge/craft-ws-bridge sandbox/craft-sandboxd cli/craft-cloud; do
		[[ -x $BUILD/$program ]] || die "$BUILD/$program is not built"
	done
	((EUID == 0)) || return 0
	for caps in '' +dac_read_search +dac_override; do
		extra_caps=$caps
		users_can_reach && break
	done 2>/dev/null
	users_can_reach 2>/dev/null ||
		die "the users $pg_user and $run_user can't reach $DIR or $BUILD: choose a --dir that all may enter, and a clone too"
	[[ -z $extra_caps ]] || step "$DIR or $BUILD is closed to $run_user: processes keep the capability ${extra_caps#+}"
}

users_can_reach() {
	(as "$run_user" "$BUILD/fcgi/craft-fcgi" --version) >/dev/null && (as "$pg_user" cat "$ROOT/sql/roles.sql") >/dev/null &&
		(as "$run_user" ls "$DIR/conf") >/dev/null && (as "$pg_user" ls "$DIR/conf") >/dev/null
}

# ---- configuration ----

# The names of all keys, from the programs' own table.
configuration_keys() {
	{ "$BUILD/fcgi/craft-fcgi" --help; "$BUILD/ws-bridge/craft-ws-bridge" --help; "$BUILD/sandbox/craft-sandboxd" --help; } | sed -n 's/^  \([A-Z][A-Z_]*\) .*/\1/p' | sort -u
}

# Secrets can be named by files (KEY_FILE).
read_secret_files() {
	local key file
	for key in API_KEY API_KEY_PREVIOUS ENCRYPTION_KEY ENCRYPTION_KEY_PREVIOUS GITHUB_CLIENT_SECRET ANTHROPIC_API_KEY; do
		file=${key}_FILE
		[[ -n ${!key-} || -z ${!file-} ]] && continue
		printf -v "$key" %s "$(<"${!file}")" && [[ ${!key} ]] || die "$file: can't read ${!file}"
	done
}

# Users of the sandboxes of this DIR: each instance on the machine gets others, so that they don't share limits.
uid_base() {
	local hash
	read -r hash _ < <(cksum <<<"$DIR")
	echo $((1000000 + hash % 900000 * 1024))
}

# What was kept, with the environment over it, goes into DIR/conf. Sets api_key.
load_configuration() {
	local -A value=()
	local key line file=$DIR/conf/craft-agent-cloud.conf
	step "writing the configuration"
	if [[ -e $file ]]; then
		while IFS= read -r line; do
			[[ $line == [A-Z]*=* ]] && value[${line%%=*}]=${line#*=}
		done <"$file"
	fi
	read_secret_files
	for key in $(configuration_keys); do
		[[ -z ${!key-} ]] && continue
		[[ ${!key} != *$'\n'* ]] || die "$key may not hold a line break"
		value[$key]=${!key}
		# Nothing that is started from here on inherits it.
		export -n "${key?}"
	done
	: "${value[API_KEY]:=$(openssl rand -hex 32)}"
	api_key=${value[API_KEY]}
	: "${value[ENCRYPTION_KEY]:=$(openssl rand -hex 32)}"
	: "${value[SANDBOX_UID_BASE]:=$(uid_base)}"
	value[DATABASE_URL]="host='$RUN/pg' port=5432 dbname=craft user=craft_daemon"
	[[ -z ${CRAFT_PG_STANDBY-} ]] ||
		value[DATABASE_URL]="host='$RUN/pg,$CRAFT_PG_STANDBY' port=5432 dbname=craft user=craft_daemon target_session_attrs=read-write"
	value[FCGI_LISTEN]=$RUN/fcgi.sock
	value[FCGI_UPLOAD_LISTEN]=$RUN/fcgi-upload.sock
	value[FCGI_GITHUB_LISTEN]=$RUN/fcgi-github.sock
	value[BLOB_DIR]=$DIR/blobs
	value[SANDBOX_DIR]=$DIR/sandboxes
	value[SANDBOX_LIBEXEC]=${CRAFT_LIBEXEC:-$BUILD/sandbox}
	value[SANDBOX_AGENT]=$(agent_program) || die "Claude Code is not installed: run script/bootstrap, or set SANDBOX_AGENT"
	value[SOCKET_MODE]=0660
	# Each bridge gets its own in its environment; who asks for one (craft-cloud check) looks at the first.
	value[WS_LISTEN]=$RUN/ws-1.sock
	unset 'value[DATABASE_OWNER_URL]'
	# Those of an earlier start were in another directory, maybe.
	for key in FCGI_METRICS_LISTEN SANDBOX_METRICS_LISTEN; do
		[[ ${value[$key]-} != */watch-*.sock ]] || unset "value[$key]"
	done
	if [[ $metrics == yes ]]; then
		: "${value[FCGI_METRICS_LISTEN]:=$RUN/watch-fcgi.sock}" "${value[SANDBOX_METRICS_LISTEN]:=$RUN/watch-box.sock}"
	fi
	{
		echo "# Written by script/up; a key in the environment of the next start replaces the one here."
		for key in "${!value[@]}"; do printf '%s=%s\n' "$key" "${value[$key]}"; done | sort
	} | write_private "$file" "$run_user" || exit 1
	max_upload=${value[MAX_UPLOAD]:-1G}
	# Migrations run as the database's user, which has no business with the API key.
	printf '%s\n' "DATABASE_URL=${value[DATABASE_URL]}" \
		"DATABASE_OWNER_URL=host='$RUN/pg' port=5432 dbname=craft user=postgres" |
		write_private "$DIR/conf/migrate.conf" "$pg_user" || exit 1
}

# A malformed value ends the start here, with the program's own sentence.
check_configuration() {
	local program user
	for program in fcgi/craft-fcgi ws-bridge/craft-ws-bridge sandbox/craft-sandboxd; do
		user=$run_user
		[[ $program != sandbox/* ]] || user=$(id -un)
		(as "$user" "$BUILD/$program" --check-config --config "$DIR/conf/craft-agent-cloud.conf" 9>&-) >/dev/null ||
			die "the configuration is not valid"
	done
}

# write_private FILE USER: stdin becomes FILE, 0600 and USER's, at once or not at all. Ends a pipeline: its
# caller has to end when it fails.
write_private() {
	(umask 077 && cat >"$1.new") && chown "$2" "$1.new" && mv -f "$1.new" "$1" || die "can't write $1"
}

# ---- certificate ----

make_certificate() {
	[[ -s $DIR/tls/cert.pem && -s $DIR/tls/key.pem ]] && return
	step "making a self-signed certificate for localhost"
	(umask 077 && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \
		-subj /CN=localhost -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1' \
		-keyout "$DIR/tls/key.pem" -out "$DIR/tls/cert.pem") >"$DIR/log/openssl.log" 2>&1 ||
		fail "openssl could not make a certificate" openssl
	chmod 0644 "$DIR/tls/cert.pem"
	chown "$nginx_user" "$DIR/tls/key.pem"
}

# ---- nginx ----

# fill NAME=VALUE...: a template on stdin with its @NAME@ filled in.
fill() {
	local pair value
	local -a script=()
	for pair; do
		value=${pair#*=}
		value=${value//\\/\\\\} value=${value//&/\\&} value=${value//|/\\|} value=${value//$'\n'/\\$'\n'}
		script+=(-e "s|@${pair%%=*}@|$value|g")
	done
	sed "${script[@]}"
}

write_nginx_conf() {
	local i servers='' pass="http://unix:$RUN/ws-1.sock" listen max_files template
	for ((i = 1; i <= bridges; i++)); do
		servers+="${servers:+$'\n'}	server unix:$RUN/ws-$i.sock max_fails=0;"
	done
	((bridges == 1)) || pass=http://craft_ws_bridge
	listen="		listen 127.0.0.1:$port ssl http2;"
	# Where there is IPv6, localhost is often ::1 first.
	! grep -q '^0\{31\}1 ' /proc/net/if_inet6 2>/dev/null || listen+=$'\n'"		listen [::1]:$port ssl http2;"
	max_files=$(ulimit -Hn)
	[[ $max_files != unlimited ]] && ((max_files < 65536)) || max_files=65536
	for template in "$ROOT"/nginx/*.conf; do
		fill "NGINX_DIR=$DIR/nginx" "FCGI_SOCKET=$RUN/fcgi.sock" "FCGI_UPLOAD_SOCKET=$RUN/fcgi-upload.sock" "FCGI_GITHUB_SOCKET=$RUN/fcgi-github.sock" "WS_PASS=$pass" "WS_SERVERS=$servers" \
			"BLOB_DIR=$DIR/blobs" "MAX_UPLOAD=${max_upload,,}" "UPLOAD_MODE=$upload_mode" "ACCESS_LOG=\"$DIR/log/nginx-access.log\" craft_agent_cloud" "ERROR_LOG=\"$DIR/log/nginx.log\"" \
			"MAIN_LOG=$DIR/log/nginx.log" "PID_FILE=$DIR/nginx/tmp/nginx.pid" "MAX_FILES=$max_files" \
			"WORKER_CONNECTIONS=$((max_files / 4))" "TEMP_DIR=$DIR/nginx/tmp" "LISTEN=$listen" \
			"TLS_CERT=$DIR/tls/cert.pem" "TLS_KEY=$DIR/tls/key.pem" \
			<"$template" >"$DIR/nginx/${template##*/}" || fail "can't write $DIR/nginx"
	done
}

# ---- ready.json ----

# Prints {"NAME":[PID,...],...}; bridges share one name.
pids_json() {
	local name out='' list sep pid
	for name in postgres nginx craft-fcgi craft-ws-bridge craft-sandboxd; do
		list='' sep=''
		local file
		for file in "$DIR/pids/$name" "$DIR/pids/$name"-[0-9]*; do
			pid=$(recorded_pid "$file") || continue
			list+=$sep$pid sep=,
		done
		out+="${out:+,}\"$name\":[$list]"
	done
	printf '{%s}' "$out"
}

write_ready() {
	local key=$api_key
	key=${key//\\/\\\\} key=${key//\"/\\\"}
	printf '{"url":"https://127.0.0.1:%s","apiKey":"%s","pids":%s}\n' "$port" "$key" "$(pids_json)" |
		write_private "$DIR/ready.json" "$(id -un)" || exit 1
}

# After one process was started anew.
update_ready_pids() {
	local text
	text=$(<"$DIR/ready.json")
	printf '%s"pids":%s}\n' "${text%%\"pids\":*}" "$(pids_json)" | write_private "$DIR/ready.json" "$(id -un)" || exit 1
}
