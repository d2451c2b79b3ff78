# bench: load programs; built by make, run by hand with bench/run, not installed.
EXTRA_DIST += bench/README.md bench/files.lua bench/files.sh bench/hostile.sh bench/lib.sh bench/rest.sh bench/run \
	bench/scale.sh bench/sync.sh bench/system.sh bench/table.sh \
	bench/page.mjs bench/sandbox.mjs bench/sandbox.sh bench/sandbox/create.mjs bench/sandbox/many.mjs bench/sandbox/memory.mjs \
	bench/sandbox/rig.mjs bench/sandbox/stream.mjs bench/sandbox/tool.mjs bench/sandbox/turn.mjs

noinst_PROGRAMS += bench/ws_load bench/fdatasync bench/spawn bench/talker bench/bare bench/parse bench/hostile
bench_ws_load_SOURCES = \
	bench/load.h \
	bench/modes.c \
	bench/options.c \
	bench/stats.c bench/stats.h \
	bench/ws_client.c bench/ws_client.h \
	bench/ws_load.c
bench_ws_load_LDADD = lib/libcraft.a
bench_fdatasync_SOURCES = bench/fdatasync.c bench/stats.c bench/stats.h
bench_hostile_SOURCES = bench/hostile.c bench/stats.c bench/stats.h
bench_hostile_LDADD = lib/libcraft.a $(ZLIB_LIBS)
bench_bare_SOURCES = bench/bare.c
bench_parse_SOURCES = bench/parse.c bench/stats.c bench/stats.h
bench_parse_LDADD = lib/libcraft.a
bench_spawn_SOURCES = bench/spawn.c bench/stats.c bench/stats.h
bench_talker_SOURCES = bench/stats.c bench/stats.h bench/talker.c
