# tests: units (cmocka, TAP) run by `make check`. The SQL and end-to-end tests need servers: script/test.
TEST_EXTENSIONS = .sh
TAP_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
LOG_DRIVER = $(TAP_DRIVER)
SH_LOG_DRIVER = $(TAP_DRIVER)
SH_LOG_COMPILER = $(SHELL)
AM_TESTS_ENVIRONMENT = CMOCKA_MESSAGE_OUTPUT=TAP; export CMOCKA_MESSAGE_OUTPUT;
EXTRA_DIST += build-aux/tap-driver.sh tests/deb tests/e2e tests/fakes tests/golden tests/harness tests/sql \
	tests/run tests/upgrade tests/tsan.supp tests/package.json tests/package-lock.json

# The parts of the daemons that work on bytes only; `make fuzz` takes them too.
check_LIBRARIES += tests/libpure.a
tests_libpure_a_SOURCES = \
	fcgi/byte_range.c fcgi/byte_range.h \
	fcgi/digest.c fcgi/digest.h \
	fcgi/file_name.c fcgi/file_name.h \
	fcgi/http_date.c fcgi/http_date.h \
	fcgi/media_type.c fcgi/media_type.h \
	fcgi/oauth_token.c fcgi/oauth_token.h \
	fcgi/redirect_uri.c fcgi/redirect_uri.h \
	fcgi/repo_key.c fcgi/repo_key.h \
	fcgi/signature.c fcgi/signature.h \
	fcgi/structured.c fcgi/structured.h \
	sandbox/agent_line.c sandbox/agent_line.h \
	sandbox/gateway/address.c sandbox/gateway/address.h \
	sandbox/gateway/allow.c sandbox/gateway/allow.h \
	sandbox/gateway/answer_head.c sandbox/gateway/answer_head.h \
	sandbox/gateway/http_chunked.c sandbox/gateway/http_chunked.h \
	sandbox/gateway/http_head.c sandbox/gateway/http_head.h \
	sandbox/gateway_wire.c sandbox/gateway_wire.h \
	sandbox/git_absent.c sandbox/git_absent.h \
	sandbox/git_diff_look.c sandbox/git_diff_look.h \
	sandbox/git_diff_settle.c sandbox/git_diff_settle.h \
	sandbox/git_error.c sandbox/git_error.h \
	sandbox/git_id.c sandbox/git_id.h \
	sandbox/git_patch.c sandbox/git_patch.h \
	ws-bridge/deflate.c ws-bridge/deflate.h \
	ws-bridge/frame.c ws-bridge/frame.h \
	ws-bridge/frame_buf.c ws-bridge/frame_buf.h \
	ws-bridge/op_queue.c ws-bridge/op_queue.h \
	ws-bridge/packer.c ws-bridge/packer.h \
	ws-bridge/handshake.c ws-bridge/handshake.h \
	ws-bridge/sandbox_message.c ws-bridge/sandbox_message.h \
	ws-bridge/sealed_form.c ws-bridge/sealed_form.h
tests_libpure_a_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)

unit_cppflags = $(AM_CPPFLAGS) -I$(top_srcdir) -I$(top_srcdir)/ws-bridge -I$(top_srcdir)/tests/unit $(CMOCKA_CFLAGS)
unit_ldadd = tests/libpure.a lib/libcraft.a $(CMOCKA_LIBS) $(PQ_LIBS) $(SSL_LIBS) $(ZLIB_LIBS) $(XXHASH_LIBS)

if HAVE_CMOCKA
unit_tests = \
	tests/unit/test_agent_line \
	tests/unit/test_api_key \
	tests/unit/test_base64 \
	tests/unit/test_chosen_names \
	tests/unit/test_client_key \
	tests/unit/test_clock \
	tests/unit/test_deb_version \
	tests/unit/test_sqlstate \
	tests/unit/test_proxy \
	tests/unit/test_conf \
	tests/unit/test_conf_errors \
	tests/unit/test_deflate \
	tests/unit/test_fcgi_answer_cache \
	tests/unit/test_fcgi_byte_range \
	tests/unit/test_fcgi_digest \
	tests/unit/test_fcgi_etag \
	tests/unit/test_fcgi_file_name \
	tests/unit/test_fcgi_http_date \
	tests/unit/test_fcgi_media_type \
	tests/unit/test_fcgi_oauth_token \
	tests/unit/test_fcgi_record \
	tests/unit/test_fcgi_redirect_uri \
	tests/unit/test_fcgi_repo_key \
	tests/unit/test_fcgi_routes \
	tests/unit/test_fcgi_seats \
	tests/unit/test_fcgi_signature \
	tests/unit/test_fcgi_spool \
	tests/unit/test_fcgi_unescape \
	tests/unit/test_frame \
	tests/unit/test_frame_memory \
	tests/unit/test_gateway_allow \
	tests/unit/test_gateway_dial \
	tests/unit/test_gateway_http \
	tests/unit/test_git_ref \
	tests/unit/test_handshake \
	tests/unit/test_json \
	tests/unit/test_log \
	tests/unit/test_map \
	tests/unit/test_mask \
	tests/unit/test_metrics \
	tests/unit/test_notify \
	tests/unit/test_pace \
	tests/unit/test_op_queue \
	tests/unit/test_packer \
	tests/unit/test_peers \
	tests/unit/test_sandbox_bodies \
	tests/unit/test_sandbox_box \
	tests/unit/test_sandbox_box_spec \
	tests/unit/test_sandbox_cgroup \
	tests/unit/test_sandbox_escape \
	tests/unit/test_sandbox_glob \
	tests/unit/test_sandbox_inside \
	tests/unit/test_sandbox_gate \
	tests/unit/test_sandbox_git \
	tests/unit/test_sandbox_git_absent \
	tests/unit/test_sandbox_git_patch \
	tests/unit/test_sandbox_etc \
	tests/unit/test_sandbox_instance \
	tests/unit/test_sandbox_kill \
	tests/unit/test_sandbox_launch \
	tests/unit/test_sandbox_message \
	tests/unit/test_sandbox_probe \
	tests/unit/test_sandbox_process \
	tests/unit/test_sandbox_request \
	tests/unit/test_sandbox_retry \
	tests/unit/test_sandbox_threads \
	tests/unit/test_sandbox_seccomp \
	tests/unit/test_sandbox_tree \
	tests/unit/test_seal \
	tests/unit/test_sealed_form \
	tests/unit/test_universal_hash \
	tests/unit/test_tool_fields \
	tests/unit/test_uri \
	tests/unit/test_utf8 \
	tests/unit/test_uuid
check_PROGRAMS += $(unit_tests)
TESTS += $(unit_tests)
else
TESTS += tests/unit/no-cmocka.sh
endif
EXTRA_DIST += tests/unit/no-cmocka.sh tests/unit/child.h tests/unit/pace.h

frame_stream = tests/unit/frame_stream.h

tests_unit_test_deflate_CPPFLAGS = $(unit_cppflags)
tests_unit_test_deflate_LDADD = $(unit_ldadd)
tests_unit_test_frame_SOURCES = tests/unit/test_frame.c $(frame_stream)
tests_unit_test_frame_CPPFLAGS = $(unit_cppflags)
tests_unit_test_frame_LDADD = $(unit_ldadd)
tests_unit_test_frame_memory_SOURCES = tests/unit/test_frame_memory.c $(frame_stream)
tests_unit_test_frame_memory_CPPFLAGS = $(unit_cppflags)
tests_unit_test_frame_memory_LDADD = $(unit_ldadd)
tests_unit_test_handshake_CPPFLAGS = $(unit_cppflags)
tests_unit_test_handshake_LDADD = $(unit_ldadd)
tests_unit_test_utf8_CPPFLAGS = $(unit_cppflags)
tests_unit_test_utf8_LDADD = $(unit_ldadd)

tests_unit_test_agent_line_CPPFLAGS = $(unit_cppflags)
tests_unit_test_agent_line_LDADD = $(unit_ldadd)
tests_unit_test_log_CPPFLAGS = $(unit_cppflags)
tests_unit_test_log_LDADD = $(unit_ldadd)
tests_unit_test_metrics_CPPFLAGS = $(unit_cppflags)
tests_unit_test_metrics_LDADD = $(unit_ldadd)
tests_unit_test_api_key_CPPFLAGS = $(unit_cppflags)
tests_unit_test_api_key_LDADD = $(unit_ldadd)
tests_unit_test_base64_CPPFLAGS = $(unit_cppflags)
tests_unit_test_base64_LDADD = $(unit_ldadd)
tests_unit_test_chosen_names_CPPFLAGS = $(unit_cppflags)
tests_unit_test_chosen_names_LDADD = $(unit_ldadd)
tests_unit_test_client_key_CPPFLAGS = $(unit_cppflags)
tests_unit_test_client_key_LDADD = $(unit_ldadd)
tests_unit_test_clock_CPPFLAGS = $(unit_cppflags)
tests_unit_test_clock_LDADD = $(unit_ldadd)
tests_unit_test_sqlstate_CPPFLAGS = $(unit_cppflags)
tests_unit_test_sqlstate_LDADD = $(unit_ldadd)
tests_unit_test_deb_version_CPPFLAGS = $(unit_cppflags)
tests_unit_test_deb_version_LDADD = $(unit_ldadd)
tests_unit_test_proxy_CPPFLAGS = $(unit_cppflags)
tests_unit_test_proxy_LDADD = $(unit_ldadd)
tests_unit_test_conf_CPPFLAGS = $(unit_cppflags)
tests_unit_test_conf_LDADD = $(unit_ldadd)
tests_unit_test_conf_errors_CPPFLAGS = $(unit_cppflags)
tests_unit_test_conf_errors_LDADD = $(unit_ldadd)
tests_unit_test_json_CPPFLAGS = $(unit_cppflags)
tests_unit_test_json_LDADD = $(unit_ldadd)
tests_unit_test_git_ref_CPPFLAGS = $(unit_cppflags)
tests_unit_test_git_ref_LDADD = $(unit_ldadd)
tests_unit_test_mask_CPPFLAGS = $(unit_cppflags)
tests_unit_test_mask_LDADD = $(unit_ldadd)
tests_unit_test_map_SOURCES = tests/unit/test_map.c ws-bridge/session_cache.c ws-bridge/session_cache.h
tests_unit_test_map_CPPFLAGS = $(unit_cppflags)
tests_unit_test_map_LDADD = $(unit_ldadd)
tests_unit_test_notify_CPPFLAGS = $(unit_cppflags)
tests_unit_test_notify_LDADD = $(unit_ldadd)
tests_unit_test_op_queue_CPPFLAGS = $(unit_cppflags) $(UV_CFLAGS)
tests_unit_test_op_queue_LDADD = $(unit_ldadd)
tests_unit_test_pace_CPPFLAGS = $(unit_cppflags) -DTOP_SRCDIR='"$(abs_top_srcdir)"'
tests_unit_test_pace_LDADD = $(unit_ldadd)
tests_unit_test_packer_CPPFLAGS = $(unit_cppflags)
tests_unit_test_packer_LDADD = $(unit_ldadd)
tests_unit_test_peers_CPPFLAGS = $(unit_cppflags)
tests_unit_test_peers_LDADD = $(unit_ldadd)
tests_unit_test_sealed_form_CPPFLAGS = $(unit_cppflags)
tests_unit_test_sealed_form_LDADD = $(unit_ldadd)
tests_unit_test_sandbox_message_CPPFLAGS = $(unit_cppflags)
tests_unit_test_sandbox_message_LDADD = $(unit_ldadd)
tests_unit_test_seal_CPPFLAGS = $(unit_cppflags)
tests_unit_test_seal_LDADD = $(unit_ldadd)
tests_unit_test_universal_hash_CPPFLAGS = $(unit_cppflags)
tests_unit_test_universal_hash_LDADD = $(unit_ldadd)
tests_unit_test_tool_fields_CPPFLAGS = $(unit_cppflags)
tests_unit_test_tool_fields_LDADD = $(unit_ldadd)
tests_unit_test_uri_CPPFLAGS = $(unit_cppflags)
tests_unit_test_uri_LDADD = $(unit_ldadd)
tests_unit_test_uuid_CPPFLAGS = $(unit_cppflags)
tests_unit_test_uuid_LDADD = $(unit_ldadd)

fcgi_unit_cppflags = $(unit_cppflags) -I$(top_srcdir)/fcgi
fcgi_unit_ldadd = fcgi/libhandlers.a lib/libcraft.a $(CMOCKA_LIBS) $(FCGI_LIBS) $(CURL_LIBS) $(PQ_LIBS) $(SSL_LIBS) $(XXHASH_LIBS)
tests_unit_test_fcgi_answer_cache_CPPFLAGS = $(fcgi_unit_cppflags)
tests_unit_test_fcgi_answer_cache_LDADD = $(fcgi_unit_ldadd)
tests_unit_test_fcgi_record_CPPFLAGS = $(fcgi_unit_cppflags)
tests_unit_test_fcgi_record_LDADD = $(fcgi_unit_ldadd)
tests_unit_test_fcgi_etag_CPPFLAGS = $(fcgi_unit_cppflags)
tests_unit_test_fcgi_etag_LDADD = $(fcgi_unit_ldadd)
tests_unit_test_fcgi_routes_CPPFLAGS = $(fcgi_unit_cppflags)
tests_unit_test_fcgi_routes_LDADD = $(fcgi_unit_ldadd)
tests_unit_test_fcgi_unescape_CPPFLAGS = $(fcgi_unit_cppflags)
tests_unit_test_fcgi_unescape_LDADD = $(fcgi_unit_ldadd)
tests_unit_test_fcgi_byte_range_CPPFLAGS = $(fcgi_unit_cppflags)
tests_unit_test_fcgi_byte_range_LDADD = $(unit_ldadd)
tests_unit_test_fcgi_digest_CPPFLAGS = $(fcgi_unit_cppflags)
tests_unit_test_fcgi_digest_LDADD = $(unit_ldadd)
tests_unit_test_fcgi_file_name_CPPFLAGS = $(fcgi_unit_cppflags)
tests_unit_test_fcgi_file_name_LDADD = $(unit_ldadd)
tests_unit_test_fcgi_http_date_CPPFLAGS = $(fcgi_unit_cppflags)
tests_unit_test_fcgi_http_date_LDADD = $(unit_ldadd)
tests_unit_test_fcgi_media_type_CPPFLAGS = $(fcgi_unit_cppflags)
tests_unit_test_fcgi_media_type_LDADD = $(unit_ldadd)
tests_unit_test_fcgi_oauth_token_CPPFLAGS = $(fcgi_unit_cppflags)
tests_unit_test_fcgi_oauth_token_LDADD = $(unit_ldadd)
tests_unit_test_fcgi_redirect_uri_CPPFLAGS = $(fcgi_unit_cppflags)
tests_unit_test_fcgi_redirect_uri_LDADD = $(unit_ldadd)
tests_unit_test_fcgi_repo_key_CPPFLAGS = $(fcgi_unit_cppflags)
tests_unit_test_fcgi_repo_key_LDADD = $(unit_ldadd)
tests_unit_test_fcgi_signature_CPPFLAGS = $(fcgi_unit_cppflags)
tests_unit_test_fcgi_signature_LDADD = $(unit_ldadd)
tests_unit_test_fcgi_seats_CPPFLAGS = $(fcgi_unit_cppflags)
tests_unit_test_fcgi_seats_LDADD = $(fcgi_unit_ldadd)
tests_unit_test_fcgi_spool_CPPFLAGS = $(fcgi_unit_cppflags)
tests_unit_test_fcgi_spool_LDADD = $(fcgi_unit_ldadd)

sandbox_unit_cppflags = $(unit_cppflags) $(UV_CFLAGS) -DTOP_BUILDDIR='"$(abs_top_builddir)"'
sandbox_unit_ldadd = sandbox/libsandbox.a lib/libcraft.a $(CMOCKA_LIBS) $(CURL_LIBS) $(UV_LIBS) $(PQ_LIBS) $(SSL_LIBS) $(SECCOMP_LIBS) $(XXHASH_LIBS)
tests_unit_test_sandbox_box_SOURCES = tests/unit/test_sandbox_box.c tests/unit/sandbox_box.h tests/unit/sandbox_temp.h
tests_unit_test_sandbox_box_CPPFLAGS = $(sandbox_unit_cppflags)
tests_unit_test_sandbox_box_LDADD = $(sandbox_unit_ldadd)
tests_unit_test_sandbox_inside_SOURCES = tests/unit/test_sandbox_inside.c tests/unit/sandbox_box.h tests/unit/sandbox_temp.h
tests_unit_test_sandbox_inside_CPPFLAGS = $(sandbox_unit_cppflags)
tests_unit_test_sandbox_inside_LDADD = $(sandbox_unit_ldadd)
tests_unit_test_sandbox_kill_SOURCES = tests/unit/test_sandbox_kill.c tests/unit/sandbox_box.h tests/unit/sandbox_temp.h
tests_unit_test_sandbox_kill_CPPFLAGS = $(sandbox_unit_cppflags)
tests_unit_test_sandbox_kill_LDADD = $(sandbox_unit_ldadd)
tests_unit_test_sandbox_request_SOURCES = tests/unit/test_sandbox_request.c sandbox/box/request.c sandbox/box/request.h
tests_unit_test_sandbox_request_CPPFLAGS = $(unit_cppflags)
tests_unit_test_sandbox_request_LDADD = $(CMOCKA_LIBS)
tests_unit_test_sandbox_glob_SOURCES = tests/unit/test_sandbox_glob.c sandbox/box/glob.c sandbox/box/glob.h
tests_unit_test_sandbox_glob_CPPFLAGS = $(unit_cppflags)
tests_unit_test_sandbox_glob_LDADD = lib/libcraft.a $(CMOCKA_LIBS)
tests_unit_test_sandbox_probe_CPPFLAGS = $(sandbox_unit_cppflags)
tests_unit_test_sandbox_probe_LDADD = $(sandbox_unit_ldadd)
tests_unit_test_sandbox_process_CPPFLAGS = $(sandbox_unit_cppflags)
tests_unit_test_sandbox_process_LDADD = $(sandbox_unit_ldadd)
tests_unit_test_sandbox_bodies_CPPFLAGS = $(sandbox_unit_cppflags)
tests_unit_test_sandbox_bodies_LDADD = $(sandbox_unit_ldadd)
tests_unit_test_sandbox_box_spec_CPPFLAGS = $(sandbox_unit_cppflags) -DTOP_SRCDIR='"$(abs_top_srcdir)"'
tests_unit_test_sandbox_box_spec_LDADD = $(sandbox_unit_ldadd)
tests_unit_test_sandbox_cgroup_CPPFLAGS = $(sandbox_unit_cppflags)
tests_unit_test_sandbox_cgroup_LDADD = $(sandbox_unit_ldadd)
tests_unit_test_sandbox_escape_SOURCES = tests/unit/test_sandbox_escape.c tests/unit/sandbox_escape.h tests/unit/sandbox_temp.h
tests_unit_test_sandbox_escape_CPPFLAGS = $(sandbox_unit_cppflags)
tests_unit_test_sandbox_escape_LDADD = $(sandbox_unit_ldadd)
tests_unit_test_sandbox_gate_CPPFLAGS = $(sandbox_unit_cppflags)
tests_unit_test_sandbox_gate_LDADD = $(sandbox_unit_ldadd)
tests_unit_test_sandbox_git_CPPFLAGS = $(sandbox_unit_cppflags)
tests_unit_test_sandbox_git_LDADD = $(sandbox_unit_ldadd)
tests_unit_test_sandbox_git_absent_CPPFLAGS = $(sandbox_unit_cppflags)
tests_unit_test_sandbox_git_absent_LDADD = $(sandbox_unit_ldadd)
tests_unit_test_sandbox_git_patch_CPPFLAGS = $(sandbox_unit_cppflags)
tests_unit_test_sandbox_git_patch_LDADD = $(sandbox_unit_ldadd)
tests_unit_test_sandbox_etc_CPPFLAGS = $(sandbox_unit_cppflags)
tests_unit_test_sandbox_etc_LDADD = $(sandbox_unit_ldadd)
tests_unit_test_sandbox_instance_CPPFLAGS = $(sandbox_unit_cppflags)
tests_unit_test_sandbox_instance_LDADD = $(sandbox_unit_ldadd)
tests_unit_test_sandbox_launch_CPPFLAGS = $(sandbox_unit_cppflags)
tests_unit_test_sandbox_launch_LDADD = $(sandbox_unit_ldadd)
tests_unit_test_sandbox_threads_CPPFLAGS = $(sandbox_unit_cppflags)
tests_unit_test_sandbox_threads_LDADD = $(sandbox_unit_ldadd)
tests_unit_test_sandbox_retry_CPPFLAGS = $(sandbox_unit_cppflags)
tests_unit_test_sandbox_retry_LDADD = $(sandbox_unit_ldadd)
tests_unit_test_sandbox_seccomp_CPPFLAGS = $(sandbox_unit_cppflags)
tests_unit_test_sandbox_seccomp_LDADD = $(sandbox_unit_ldadd)
tests_unit_test_sandbox_tree_CPPFLAGS = $(sandbox_unit_cppflags)
tests_unit_test_sandbox_tree_LDADD = $(sandbox_unit_ldadd)

tests_unit_test_gateway_allow_CPPFLAGS = $(unit_cppflags)
tests_unit_test_gateway_allow_LDADD = $(unit_ldadd)
tests_unit_test_gateway_http_CPPFLAGS = $(unit_cppflags)
tests_unit_test_gateway_http_LDADD = $(unit_ldadd)
tests_unit_test_gateway_dial_SOURCES = tests/unit/test_gateway_dial.c \
	sandbox/gateway/conn.c sandbox/gateway/conn.h \
	sandbox/gateway/dial.c sandbox/gateway/dial.h
tests_unit_test_gateway_dial_CPPFLAGS = $(unit_cppflags)
tests_unit_test_gateway_dial_LDADD = $(unit_ldadd)
tests_unit_test_gateway_dial_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=getaddrinfo,--wrap=freeaddrinfo,--wrap=connect

# Starts a gateway as the daemon does, for tests/e2e/gateway*.test.mjs.
noinst_PROGRAMS += tests/gateway_driver
tests_gateway_driver_SOURCES = tests/gateway_driver.c tests/uids.h tests/driver.c tests/driver.h
tests_gateway_driver_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir) $(UV_CFLAGS)
tests_gateway_driver_LDADD = sandbox/libsandbox.a lib/libcraft.a $(UV_LIBS)

# An agent in a box, as the daemon has it, for tests/e2e/agent.test.mjs.
noinst_PROGRAMS += tests/agent_driver
tests_agent_driver_SOURCES = tests/agent_driver.c tests/uids.h tests/driver.c tests/driver.h
tests_agent_driver_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir) $(UV_CFLAGS)
tests_agent_driver_LDADD = sandbox/libsandbox.a lib/libcraft.a $(UV_LIBS) $(SECCOMP_LIBS)

# Clones and diffs on an event loop, told what to do by lines, for tests/e2e/git.test.mjs.
noinst_PROGRAMS += tests/git_driver
tests_git_driver_SOURCES = tests/git_driver.c tests/driver.c tests/driver.h
tests_git_driver_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir) $(PQ_CFLAGS) $(UV_CFLAGS)
tests_git_driver_LDADD = sandbox/libsandbox.a lib/libcraft.a $(UV_LIBS) $(PQ_LIBS) $(SSL_LIBS) $(XXHASH_LIBS)

# The JSON of lib/ on documents, for tests/fuzz/json_parse.test.mjs.
noinst_PROGRAMS += tests/json_driver
tests_json_driver_SOURCES = tests/json_driver.c
tests_json_driver_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_json_driver_LDADD = lib/libcraft.a $(XXHASH_LIBS)

# A link between network namespaces that delays and loses packets, for tests/e2e/chaos-network.test.mjs.
noinst_PROGRAMS += tests/bad_link
tests_bad_link_SOURCES = tests/bad_link.c
tests_bad_link_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_bad_link_LDADD = lib/libcraft.a
