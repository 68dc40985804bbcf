# SPDX-License-Identifier: GPL-3.0-or-later
CONF_TEST_LDADD = libconf-text.a libconf-model.a libbase.a $(FYAML_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/conf_golden_test
tests_unit_conf_golden_test_LDADD = $(CONF_TEST_LDADD)
EXTRA_DIST += tests/golden/conf
