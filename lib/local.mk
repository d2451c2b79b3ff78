noinst_LIBRARIES += lib/libcraft.a
lib_libcraft_a_SOURCES = \
	lib/api_key.c lib/api_key.h \
	lib/auth.c lib/auth.h \
	lib/base64.c lib/base64.h \
	lib/blob_rows.c lib/blob_rows.h \
	lib/blobs.c lib/blobs.h \
	lib/bucket.h \
	lib/buf.c lib/buf.h \
	lib/cleanup.h \
	lib/client_key.c lib/client_key.h \
	lib/clock.c lib/clock.h \
	lib/conf.c lib/conf.h \
	lib/conf_keys.c lib/conf_keys.h \
	lib/conf_value.c lib/conf_value.h \
	lib/db.c lib/db.h \
	lib/db_watch.c lib/db_watch.h \
	lib/deb_version.c lib/deb_version.h \
	lib/git_ref.c lib/git_ref.h \
	lib/github.c lib/github.h \
	lib/github_call.c lib/github_call.h \
	lib/github_token.c lib/github_token.h \
	lib/header.c lib/header.h \
	lib/json.c lib/json.h lib/json_scan.h \
	lib/json_check.c \
	lib/json_merge.c \
	lib/key_names.c lib/key_names.h \
	lib/known_holes.c lib/known_holes.h \
	lib/listen.c lib/listen.h \
	lib/log.c lib/log.h \
	lib/map.c lib/map.h \
	lib/mask.c lib/mask.h \
	lib/metrics.c lib/metrics.h \
	lib/monitor.c lib/monitor.h \
	lib/monitor_http.c lib/monitor_http.h \
	lib/notify.c lib/notify.h \
	lib/orphans.c lib/orphans.h \
	lib/peers.c lib/peers.h \
	lib/pglink.c lib/pglink.h \
	lib/proxy.c lib/proxy.h \
	lib/quota.h \
	lib/run_read.c lib/run_read.h \
	lib/seal.c lib/seal.h \
	lib/secrecy.c lib/secrecy.h \
	lib/sha256.c lib/sha256.h \
	lib/sqlstate.c lib/sqlstate.h \
	lib/startup.c lib/startup.h \
	lib/sweep.c lib/sweep.h \
	lib/table_hash.c lib/table_hash.h \
	lib/tally.c lib/tally.h \
	lib/universal_hash.c lib/universal_hash.h \
	lib/tool_fields.c lib/tool_fields.h \
	lib/uri.c lib/uri.h \
	lib/utf8.c lib/utf8.h \
	lib/uuid.c lib/uuid.h \
	lib/watch.c lib/watch.h \
	lib/write_all.c lib/write_all.h
lib_libcraft_a_CPPFLAGS = $(AM_CPPFLAGS) $(PQ_CFLAGS) $(UV_CFLAGS) $(SSL_CFLAGS) $(CURL_CFLAGS) $(XXHASH_CFLAGS)
