# SPDX-License-Identifier: GPL-3.0-or-later
# Checks of the tree itself, and what the tests with real programs need in a release.
dist_check_SCRIPTS = tests/check-command tests/check-hazards tests/check-manual \
	tests/check-includes tests/check-includes-test
TESTS += $(dist_check_SCRIPTS)
EXTRA_DIST += tests/tally tests/clang-tidy tests/net tests/lab packaging/apt-build.txt packaging/apt-test.txt

noinst_PROGRAMS += tests/schema-list
tests_schema_list_SOURCES = tests/schema-list.c
tests_schema_list_LDADD = libconf-text.a libconf-model.a libbase.a $(FYAML_LIBS)

# Tries all ports of addresses, for tests/net and tests/lab; not installed.
noinst_PROGRAMS += tests/tools/syn-scan
tests_tools_syn_scan_SOURCES = tests/tools/syn-scan.c
tests_tools_syn_scan_LDADD =

# tests/net and tests/lab go as a whole; what a run of the tests left in them does not.
dist-hook:
	rm -rf $(distdir)/tests/net/__pycache__ $(distdir)/tests/lab/__pycache__
