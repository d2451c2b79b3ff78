# All but the processes around it; the unit tests link it too.
noinst_LIBRARIES += fcgi/libhandlers.a
fcgi_libhandlers_a_SOURCES = \
	fcgi/access.c fcgi/access.h \
	fcgi/actions.c \
	fcgi/answer_cache.c fcgi/answer_cache.h \
	fcgi/body.c fcgi/body.h \
	fcgi/bounds.c fcgi/bounds.h \
	fcgi/byte_range.c fcgi/byte_range.h \
	fcgi/conditional.c fcgi/conditional.h \
	fcgi/counts.c fcgi/counts.h \
	fcgi/credential.c fcgi/credential.h \
	fcgi/credential_renew.c \
	fcgi/cursor.c fcgi/cursor.h \
	fcgi/database.c fcgi/database.h \
	fcgi/digest.c fcgi/digest.h \
	fcgi/dispatch.c fcgi/dispatch.h \
	fcgi/documents.c fcgi/documents.h \
	fcgi/download.c fcgi/download.h \
	fcgi/etag.c fcgi/etag.h \
	fcgi/file_name.c fcgi/file_name.h \
	fcgi/file_key.c fcgi/file_key.h \
	fcgi/fields.c fcgi/fields.h \
	fcgi/files.c \
	fcgi/files_list.c \
	fcgi/files_sign.c \
	fcgi/handlers.h \
	fcgi/health.c \
	fcgi/http_date.c fcgi/http_date.h \
	fcgi/http_header.c fcgi/http_header.h \
	fcgi/kept.c fcgi/kept.h \
	fcgi/key_directory.c fcgi/key_directory.h \
	fcgi/media_guess.c fcgi/media_guess.h \
	fcgi/media_type.c fcgi/media_type.h \
	fcgi/oauth.h \
	fcgi/oauth_callback.c \
	fcgi/oauth_consent.c fcgi/oauth_consent.h \
	fcgi/oauth_page.c fcgi/oauth_page.h \
	fcgi/oauth_start.c \
	fcgi/oauth_token.c fcgi/oauth_token.h \
	fcgi/origin.c fcgi/origin.h \
	fcgi/output.c fcgi/output.h \
	fcgi/plans.c \
	fcgi/presentation.c fcgi/presentation.h \
	fcgi/projects.c \
	fcgi/query.c fcgi/query.h \
	fcgi/record.c fcgi/record.h \
	fcgi/redirect_uri.c fcgi/redirect_uri.h \
	fcgi/repo_key.c fcgi/repo_key.h \
	fcgi/request.c fcgi/request.h \
	fcgi/response.c fcgi/response.h \
	fcgi/room.c fcgi/room.h \
	fcgi/routes.c fcgi/routes.h \
	fcgi/sandbox.c \
	fcgi/sandbox_check.c \
	fcgi/seats.c fcgi/seats.h \
	fcgi/service.c fcgi/service.h \
	fcgi/sessions.c \
	fcgi/shared.c fcgi/shared.h \
	fcgi/signature.c fcgi/signature.h \
	fcgi/spool.c fcgi/spool.h \
	fcgi/statements.c fcgi/statements.h \
	fcgi/status.c fcgi/status.h \
	fcgi/structured.c fcgi/structured.h \
	fcgi/underway.c fcgi/underway.h \
	fcgi/unescape.c fcgi/unescape.h \
	fcgi/upload.c fcgi/upload.h \
	fcgi/upload_check.c \
	fcgi/workspace_keys.c fcgi/workspace_keys.h
fcgi_libhandlers_a_CPPFLAGS = $(AM_CPPFLAGS) $(PQ_CFLAGS) $(SSL_CFLAGS) $(CURL_CFLAGS)

sbin_PROGRAMS += fcgi/craft-fcgi
fcgi_craft_fcgi_SOURCES = \
	fcgi/child.c fcgi/child.h \
	fcgi/main.c \
	fcgi/master.c fcgi/master.h \
	fcgi/sender.c fcgi/sender.h \
	fcgi/sweeper.c fcgi/sweeper.h \
	fcgi/watcher.c fcgi/watcher.h \
	fcgi/worker.c fcgi/worker.h
fcgi_craft_fcgi_CPPFLAGS = $(AM_CPPFLAGS) $(PQ_CFLAGS) $(UV_CFLAGS) $(SSL_CFLAGS)
fcgi_craft_fcgi_LDADD = fcgi/libhandlers.a lib/libcraft.a $(FCGI_LIBS) $(CURL_LIBS) $(UV_LIBS) $(PQ_LIBS) $(SSL_LIBS) $(XXHASH_LIBS)
