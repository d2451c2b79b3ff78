# man: the manual pages of the programs, and of the configuration file, which is made from the table of its keys.
dist_man_MANS += man/craft-cloud.1 man/craft-cloud-setup-db.8 man/craft-fcgi.8 man/craft-sandboxd.8 man/craft-ws-bridge.8
nodist_man_MANS += man/craft-agent-cloud.conf.5
EXTRA_DIST += man/conf_man.c
CLEANFILES += man/conf_man man/craft-agent-cloud.conf.5

man/conf_man: man/conf_man.c lib/conf_keys.c lib/conf_keys.h lib/conf.h lib/buf.h
	$(AM_V_CC)$(MKDIR_P) man && $(CC_FOR_BUILD) -std=gnu17 -D_GNU_SOURCE $(AM_CPPFLAGS) -o $@ \
		"$(srcdir)/man/conf_man.c" "$(srcdir)/lib/conf_keys.c"

man/craft-agent-cloud.conf.5: man/conf_man
	$(AM_V_GEN)man/conf_man >$@.tmp && mv -f $@.tmp $@
