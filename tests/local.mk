# tests: units (cmocka, TAP) run by `make check`. The SQL and end-to-end tests need servers: script/test.
TEST_EXTENSIONS = .sh
TAP_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
LOG_DRIVER = $(TAP_DRIVER)
SH_LOG_DRIVER = $(TAP_DRIVER)
SH_LOG_COMPILER = $(SHELL)
AM_TESTS_ENVIRONMENT = CMOCKA_MESSAGE_OUTPUT=TAP; export CMOCKA_MESSAGE_OUTPUT;
EXTRA_DIST += build-aux/tap-driver.sh tests/e2e tests/fakes tests/fuzz tests/golden tests/harness tests/sql \
	tests/run tests/package.json tests/package-lock.json

# The parts of the daemons that work on bytes only; `make fuzz` takes them too.
check_LIBRARIES += tests/libpure.a
tests_libpure_a_SOURCES = \
	fcgi/digest.c fcgi/digest.h \
	fcgi/file_name.c fcgi/file_name.h \
	fcgi/http_date.c fcgi/http_date.h \
	fcgi/media_type.c fcgi/media_type.h \
	fcgi/oauth_token.c fcgi/oauth_token.h \
	fcgi/redirect_uri.c fcgi/redirect_uri.h \
	fcgi/repo_key.c fcgi/repo_key.h \
	fcgi/signature.c fcgi/signature.h \
	fcgi/structured.c fcgi/structured.h \
	ws-bridge/deflate.c ws-bridge/deflate.h \
	ws-bridge/frame.c ws-bridge/frame.h \
	ws-bridge/frame_buf.c ws-bridge/frame_buf.h \
	ws-bridge/handshake.c ws-bridge/handshake.h

unit_cppflags = $(AM_CPPFLAGS) -I$(top_srcdir) -I$(top_srcdir)/ws-bridge -I$(top_srcdir)/tests/unit $(CMOCKA_CFLAGS)
unit_ldadd = tests/libpure.a lib/libcraft.a $(CMOCKA_LIBS) $(PQ_LIBS) $(SSL_LIBS) $(ZLIB_LIBS) $(XXHASH_LIBS)

if HAVE_CMOCKA
unit_tests = \
	tests/unit/test_base64 \
	tests/unit/test_conf \
	tests/unit/test_deflate \
	tests/unit/test_fcgi_digest \
	tests/unit/test_fcgi_etag \
	tests/unit/test_fcgi_file_name \
	tests/unit/test_fcgi_http_date \
	tests/unit/test_fcgi_media_type \
	tests/unit/test_fcgi_oauth_token \
	tests/unit/test_fcgi_redirect_uri \
	tests/unit/test_fcgi_repo_key \
	tests/unit/test_fcgi_routes \
	tests/unit/test_fcgi_signature \
	tests/unit/test_fcgi_unescape \
	tests/unit/test_frame \
	tests/unit/test_frame_memory \
	tests/unit/test_handshake \
	tests/unit/test_json \
	tests/unit/test_map \
	tests/unit/test_seal \
	tests/unit/test_uri \
	tests/unit/test_utf8 \
	tests/unit/test_uuid
check_PROGRAMS += $(unit_tests)
TESTS += $(unit_tests)
else
TESTS += tests/unit/no-cmocka.sh
endif
EXTRA_DIST += tests/unit/no-cmocka.sh

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

tests_unit_test_base64_CPPFLAGS = $(unit_cppflags)
tests_unit_test_base64_LDADD = $(unit_ldadd)
tests_unit_test_conf_CPPFLAGS = $(unit_cppflags)
tests_unit_test_conf_LDADD = $(unit_ldadd)
tests_unit_test_json_CPPFLAGS = $(unit_cppflags)
tests_unit_test_json_LDADD = $(unit_ldadd)
tests_unit_test_map_SOURCES = tests/unit/test_map.c ws-bridge/session_cache.c ws-bridge/session_cache.h
tests_unit_test_map_CPPFLAGS = $(unit_cppflags)
tests_unit_test_map_LDADD = $(unit_ldadd)
tests_unit_test_seal_CPPFLAGS = $(unit_cppflags)
tests_unit_test_seal_LDADD = $(unit_ldadd)
tests_unit_test_uri_CPPFLAGS = $(unit_cppflags)
tests_unit_test_uri_LDADD = $(unit_ldadd)
tests_unit_test_uuid_CPPFLAGS = $(unit_cppflags)
tests_unit_test_uuid_LDADD = $(unit_ldadd)

fcgi_unit_cppflags = $(unit_cppflags) -I$(top_srcdir)/fcgi
fcgi_unit_ldadd = fcgi/libhandlers.a lib/libcraft.a $(CMOCKA_LIBS) $(FCGI_LIBS) $(CURL_LIBS) $(PQ_LIBS) $(SSL_LIBS) $(XXHASH_LIBS)
tests_unit_test_fcgi_etag_CPPFLAGS = $(fcgi_unit_cppflags)
tests_unit_test_fcgi_etag_LDADD = $(fcgi_unit_ldadd)
tests_unit_test_fcgi_routes_CPPFLAGS = $(fcgi_unit_cppflags)
tests_unit_test_fcgi_routes_LDADD = $(fcgi_unit_ldadd)
tests_unit_test_fcgi_unescape_CPPFLAGS = $(fcgi_unit_cppflags)
tests_unit_test_fcgi_unescape_LDADD = $(fcgi_unit_ldadd)
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
