# craft-cloud, the administrators' command.
bin_PROGRAMS += cli/craft-cloud
cli_craft_cloud_SOURCES = \
	cli/blob_dir.c cli/blob_dir.h \
	cli/check.c \
	cli/cli.h \
	cli/database.c \
	cli/gc.c \
	cli/key.c \
	cli/main.c \
	cli/migrate.c \
	cli/print.c \
	cli/rekey.c \
	cli/schema.c cli/schema.h \
	cli/sqldir.c cli/sqldir.h \
	cli/status.c
cli_craft_cloud_CPPFLAGS = $(AM_CPPFLAGS) $(PQ_CFLAGS) $(SSL_CFLAGS)
cli_craft_cloud_LDADD = lib/libcraft.a $(PQ_LIBS) $(SSL_LIBS)
