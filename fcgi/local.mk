# All but the processes around it; the unit tests link it too.
noinst_LIBRARIES += fcgi/libhandlers.a
fcgi_libhandlers_a_SOURCES = \
	fcgi/actions.c \
	fcgi/conditional.c fcgi/conditional.h \
	fcgi/database.c fcgi/database.h \
	fcgi/dispatch.c fcgi/dispatch.h \
	fcgi/documents.c \
	fcgi/etag.c fcgi/etag.h \
	fcgi/handlers.h \
	fcgi/health.c \
	fcgi/plans.c \
	fcgi/projects.c \
	fcgi/request.c fcgi/request.h \
	fcgi/response.c fcgi/response.h \
	fcgi/routes.c fcgi/routes.h \
	fcgi/sessions.c \
	fcgi/statements.c fcgi/statements.h \
	fcgi/status.c fcgi/status.h \
	fcgi/unescape.c fcgi/unescape.h
fcgi_libhandlers_a_CPPFLAGS = $(AM_CPPFLAGS) $(PQ_CFLAGS) $(SSL_CFLAGS)

sbin_PROGRAMS += fcgi/craft-fcgi
fcgi_craft_fcgi_SOURCES = \
	fcgi/main.c \
	fcgi/master.c fcgi/master.h \
	fcgi/worker.c fcgi/worker.h
fcgi_craft_fcgi_CPPFLAGS = $(AM_CPPFLAGS) $(PQ_CFLAGS) $(SSL_CFLAGS)
fcgi_craft_fcgi_LDADD = fcgi/libhandlers.a lib/libcraft.a $(FCGI_LIBS) $(PQ_LIBS) $(SSL_LIBS) $(XXHASH_LIBS)
