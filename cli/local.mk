# craft-cloud, the administrators' command.
bin_PROGRAMS += cli/craft-cloud
cli_craft_cloud_SOURCES = \
	cli/blob_dir.c cli/blob_dir.h \
	cli/check.c \
	cli/check_blobs.c \
	cli/check_http.c cli/check_http.h \
	cli/cli.h \
	cli/database.c \
	cli/gc.c \
	cli/key.c \
	cli/main.c \
	cli/migrate.c \
	cli/migrate_steps.c cli/migrate_steps.h \
	cli/print.c \
	cli/rekey.c \
	cli/report.c cli/report.h \
	cli/schema.c cli/schema.h \
	cli/sqldir.c cli/sqldir.h \
	cli/status.c \
	cli/tar.c cli/tar.h \
	cli/workspace.c \
	cli/workspace_export.c \
	cli/workspace_import.c \
	cli/workspace_kinds.h
cli_craft_cloud_CPPFLAGS = $(AM_CPPFLAGS) $(PQ_CFLAGS) $(SSL_CFLAGS) $(XXHASH_CFLAGS) $(ARCHIVE_CFLAGS) $(CURL_CFLAGS)
cli_craft_cloud_LDADD = lib/libcraft.a $(PQ_LIBS) $(SSL_LIBS) $(XXHASH_LIBS) $(ARCHIVE_LIBS) $(CURL_LIBS)

completionsdir = $(datadir)/bash-completion/completions
dist_completions_DATA = dist/bash-completion/craft-cloud
