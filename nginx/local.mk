# nginx: the templates, installed with the default paths filled in. The sockets are where the daemons'
# configuration has them by default.
nginxdir = $(sysconfdir)/craft-agent-cloud/nginx
nginx_templates = \
	nginx/common.conf \
	nginx/craft-agent-cloud.conf \
	nginx/craft-agent-cloud-files.conf \
	nginx/craft-agent-cloud-http.conf \
	nginx/craft-agent-cloud-paths.conf \
	nginx/craft-agent-cloud-server-errors.conf \
	nginx/fastcgi.conf \
	nginx/files.conf \
	nginx/github.conf \
	nginx/headers.conf \
	nginx/json.conf \
	nginx/linger.conf \
	nginx/log.conf \
	nginx/params.conf \
	nginx/preflight.conf \
	nginx/rest.conf \
	nginx/standalone.conf \
	nginx/upload.conf \
	nginx/upload-file.conf \
	nginx/upload-stream.conf
EXTRA_DIST += $(nginx_templates)

# file or stream, see README.md: stream where craft-fcgi runs as another user than nginx.
NGINX_UPLOAD_MODE = file

nginx_values = \
	-e 's|@NGINX_DIR[@]|$(nginxdir)|g' \
	-e 's|@FCGI_SOCKET[@]|/run/craft-agent-cloud/fcgi.sock|g' \
	-e 's|@FCGI_GITHUB_SOCKET[@]|/run/craft-agent-cloud/fcgi-github.sock|g' \
	-e 's|@FCGI_UPLOAD_SOCKET[@]|/run/craft-agent-cloud/fcgi-upload.sock|g' \
	-e 's|@BLOB_DIR[@]|/var/lib/craft-agent-cloud/blobs|g' \
	-e 's|@MAX_UPLOAD[@]|1g|g' \
	-e 's|@UPLOAD_MODE[@]|$(NGINX_UPLOAD_MODE)|g' \
	-e 's|@WS_PASS[@]|http://unix:/run/craft-agent-cloud/ws.sock|g' \
	-e 's|@WS_SERVERS[@]|	server unix:/run/craft-agent-cloud/ws.sock max_fails=0;|g' \
	-e 's|@ERROR_LOG[@]|/dev/null|g' \
	-e 's|@MAIN_LOG[@]|/var/log/nginx/error.log|g' \
	-e 's|@PID_FILE[@]|/run/nginx.pid|g' \
	-e 's|@MAX_FILES[@]|65536|g' \
	-e 's|@WORKER_CONNECTIONS[@]|16384|g' \
	-e 's|@TEMP_DIR[@]|/var/lib/nginx|g' \
	-e 's|@LISTEN[@]|		listen 443 ssl http2;|g' \
	-e 's|@TLS_CERT[@]|$(sysconfdir)/craft-agent-cloud/tls.crt|g' \
	-e 's|@TLS_KEY[@]|$(sysconfdir)/craft-agent-cloud/tls.key|g'

# The snippet logs nothing by default: the format without query strings needs http level, which only
# the standalone configuration has.
install-data-local:
	$(MKDIR_P) "$(DESTDIR)$(nginxdir)"
	for f in $(nginx_templates); do \
		case $$f in \
		*/standalone.conf) log='/var/log/nginx/craft-agent-cloud.log craft_agent_cloud' ;; \
		*) log=off ;; \
		esac; \
		sed $(nginx_values) -e "s|@ACCESS_LOG[@]|$$log|g" "$(srcdir)/$$f" \
			>"$(DESTDIR)$(nginxdir)/$${f##*/}" || exit 1; \
	done

uninstall-local:
	for f in $(nginx_templates); do rm -f "$(DESTDIR)$(nginxdir)/$${f##*/}"; done
