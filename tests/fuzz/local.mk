# tests/fuzz: libFuzzer on everything that parses bytes from outside. All with clang and sanitizers, below fuzz/ of the
# build directory, whatever compiler the rest is built with.
#   make fuzz [FUZZ_SECONDS=30] [FUZZ_ONLY='json conf']   runs each; what it finds stays in fuzz/
#   make fuzz-replay                                      each on its corpus only, which must pass; speaks TAP
EXTRA_DIST += tests/fuzz
FUZZ_CC = clang
FUZZ_SECONDS = 30
FUZZ_ONLY =
FUZZ_CFLAGS = -std=gnu17 -gline-tables-only -O1 -Wall -Wextra -Werror \
	-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined

fuzz_names = $(patsubst $(srcdir)/tests/fuzz/fuzz_%.c,%,$(sort $(wildcard $(srcdir)/tests/fuzz/fuzz_*.c)))
fuzz_wanted = $(if $(FUZZ_ONLY),$(FUZZ_ONLY),$(fuzz_names))
fuzz_programs = $(addprefix fuzz/fuzz_,$(fuzz_wanted))
fuzz_sources = $(sort $(filter %.c,$(lib_libcraft_a_SOURCES) $(fcgi_libhandlers_a_SOURCES) $(tests_libpure_a_SOURCES)) \
	cli/tar.c sandbox/box/glob.c sandbox/box/request.c)
fuzz_objects = $(patsubst %.c,fuzz/obj/%.o,$(fuzz_sources))
fuzz_cppflags = $(DEFS) $(AM_CPPFLAGS) -I$(top_srcdir) $(PQ_CFLAGS) $(UV_CFLAGS) $(SSL_CFLAGS) $(CURL_CFLAGS) \
	$(XXHASH_CFLAGS) $(ARCHIVE_CFLAGS) `$(PKG_CONFIG) --cflags json-c`
fuzz_libs = $(FCGI_LIBS) $(CURL_LIBS) $(PQ_LIBS) $(SSL_LIBS) $(ZLIB_LIBS) $(XXHASH_LIBS) $(ARCHIVE_LIBS) `$(PKG_CONFIG) --libs json-c`

.PHONY: fuzz fuzz-build fuzz-replay
.SECONDARY: $(patsubst %,fuzz/obj/tests/fuzz/fuzz_%.o,$(fuzz_names))

fuzz/obj/%.o: $(srcdir)/%.c
	$(AM_V_CC)$(MKDIR_P) $(@D) && $(FUZZ_CC) $(FUZZ_CFLAGS) $(fuzz_cppflags) -MMD -MP -c -o $@ $<

fuzz/libfuzz.a: $(fuzz_objects)
	$(AM_V_AR)rm -f $@ && $(AR) $(ARFLAGS) $@ $(fuzz_objects)

$(addprefix fuzz/fuzz_,$(fuzz_names)): fuzz/%: fuzz/obj/tests/fuzz/%.o fuzz/libfuzz.a
	$(AM_V_CCLD)$(FUZZ_CC) $(FUZZ_CFLAGS) -fsanitize=fuzzer -o $@ $< fuzz/libfuzz.a $(fuzz_libs)

fuzz-build: $(fuzz_programs)

fuzz: fuzz-build
	@"$(srcdir)/tests/fuzz/run" fuzz $(FUZZ_SECONDS) $(fuzz_wanted)

fuzz-replay:
	@$(MAKE) fuzz-build >&2
	@"$(srcdir)/tests/fuzz/run" replay 0 $(fuzz_wanted)

clean-local:
	rm -rf fuzz

-include $(wildcard fuzz/obj/*/*.d fuzz/obj/*/*/*.d)
