# SPDX-License-Identifier: GPL-3.0-or-later
CONF_TEST_LDADD = libconf-text.a libconf-model.a libbase.a $(FYAML_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += \
	tests/unit/conf_check_test \
	tests/unit/conf_claims_test \
	tests/unit/conf_file_test \
	tests/unit/conf_golden_test \
	tests/unit/conf_issue_test \
	tests/unit/conf_name_test \
	tests/unit/conf_request_test \
	tests/unit/conf_whole_test \
	tests/unit/conf_wire_test
tests_unit_conf_check_test_LDADD = $(CONF_TEST_LDADD)
tests_unit_conf_claims_test_LDADD = $(CONF_TEST_LDADD)
tests_unit_conf_file_test_LDADD = $(CONF_TEST_LDADD)
tests_unit_conf_golden_test_LDADD = $(CONF_TEST_LDADD)
tests_unit_conf_issue_test_LDADD = $(CONF_TEST_LDADD)
tests_unit_conf_name_test_LDADD = $(CONF_TEST_LDADD)
tests_unit_conf_request_test_LDADD = $(CONF_TEST_LDADD)
tests_unit_conf_whole_test_LDADD = $(CONF_TEST_LDADD)
tests_unit_conf_wire_test_LDADD = $(CONF_TEST_LDADD)
EXTRA_DIST += tests/golden/conf tests/golden/plan tests/replay
