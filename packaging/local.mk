# SPDX-License-Identifier: GPL-3.0-or-later
# What a system needs around the programs; packaging/debian is for packaging/build-deb alone.
sysusersdir = $(prefix)/lib/sysusers.d
tmpfilesdir = $(prefix)/lib/tmpfiles.d
logrotatedir = $(sysconfdir)/logrotate.d
examplesdir = $(docdir)/examples
nodist_systemdsystemunit_DATA = packaging/systemd/sixgated.service
dist_sysusers_DATA = packaging/systemd/sysusers.d/sixgate.conf
nodist_tmpfiles_DATA = packaging/systemd/tmpfiles.d/sixgate.conf
nodist_logrotate_DATA = packaging/systemd/logrotate.d/sixgate
dist_examples_DATA = packaging/examples/sixgate.yaml packaging/examples/acme.yaml \
	packaging/examples/blue.yaml packaging/examples/siit.conf

PACKAGING_MADE = $(nodist_systemdsystemunit_DATA) $(nodist_tmpfiles_DATA) $(nodist_logrotate_DATA)
CLEANFILES += $(PACKAGING_MADE)
EXTRA_DIST += $(PACKAGING_MADE:=.in) packaging/build-deb \
	packaging/debian/changelog packaging/debian/control packaging/debian/copyright \
	packaging/debian/README.Debian packaging/debian/rules \
	packaging/debian/sixgate.postinst packaging/debian/sixgate.postrm packaging/debian/sixgate.prerm \
	packaging/debian/source/format

$(PACKAGING_MADE): %: $(srcdir)/%.in Makefile
	$(AM_V_GEN)$(MKDIR_P) $(@D) && sed -e 's|@sbindir[@]|$(sbindir)|g' -e 's|@bindir[@]|$(bindir)|g' \
		-e 's|@sysconfdir[@]|$(sysconfdir)|g' -e 's|@localstatedir[@]|$(localstatedir)|g' \
		$(srcdir)/$@.in >$@.new && mv $@.new $@
