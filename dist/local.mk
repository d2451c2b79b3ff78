# dist: units for systemd, a helper for a local PostgreSQL, and the Debian packaging.
units = \
	dist/systemd/craft-fcgi.socket \
	dist/systemd/craft-ws-bridge.socket \
	dist/systemd/craft-ws-bridge@.socket
units_in = \
	dist/systemd/craft-fcgi.service \
	dist/systemd/craft-sandboxd.service \
	dist/systemd/craft-ws-bridge.service \
	dist/systemd/craft-ws-bridge@.service
EXTRA_DIST += $(units) $(units_in:=.in) dist/craft-cloud-setup-db.in

EXTRA_DIST += \
	debian/changelog \
	debian/control \
	debian/copyright \
	debian/craft-agent-cloud-sandbox.craft-sandboxd.init \
	debian/craft-agent-cloud-sandbox.install \
	debian/craft-agent-cloud-sandbox.postinst \
	debian/craft-agent-cloud-sandbox.prerm \
	debian/craft-agent-cloud.README.Debian \
	debian/craft-agent-cloud.conf \
	debian/craft-agent-cloud.craft-fcgi.init \
	debian/craft-agent-cloud.craft-ws-bridge.init \
	debian/craft-agent-cloud.install \
	debian/craft-agent-cloud.logrotate \
	debian/craft-agent-cloud.postinst \
	debian/craft-agent-cloud.postrm \
	debian/craft-agent-cloud.prerm \
	debian/craft-agent-cloud.tmpfiles \
	debian/init-functions \
	debian/rules \
	debian/source/format

dist_edit = sed -e 's|@sbindir[@]|$(sbindir)|g' -e 's|@bindir[@]|$(bindir)|g' -e 's|@sysconfdir[@]|$(sysconfdir)|g'

$(units_in): %: %.in Makefile
	$(AM_V_GEN)$(MKDIR_P) dist/systemd && $(dist_edit) "$(srcdir)/$@.in" >$@.tmp && mv -f $@.tmp $@

dist/craft-cloud-setup-db: dist/craft-cloud-setup-db.in Makefile
	$(AM_V_GEN)$(MKDIR_P) dist && $(dist_edit) "$(srcdir)/$@.in" >$@.tmp && chmod +x $@.tmp && mv -f $@.tmp $@

sbin_SCRIPTS += dist/craft-cloud-setup-db
CLEANFILES += $(units_in) dist/craft-cloud-setup-db

# Only where configure was told the directory: it belongs to no prefix.
if SYSTEMD_UNITS
systemdsystemunit_DATA = $(units) $(units_in)
endif
