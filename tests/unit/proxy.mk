# SPDX-License-Identifier: GPL-3.0-or-later
PROXY_TEST_LDADD = libproxy.a libworker.a libconf-model.a libbase.a $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/proxy_acl_test tests/unit/proxy_rate_test \
	tests/unit/proxy_rules_test tests/unit/proxy_sni_fields_test \
	tests/unit/proxy_sni_test tests/unit/proxy_source_test
tests_unit_proxy_acl_test_SOURCES = tests/unit/proxy_acl_test.c
tests_unit_proxy_acl_test_LDADD = $(PROXY_TEST_LDADD)
tests_unit_proxy_rate_test_SOURCES = tests/unit/proxy_rate_test.c
tests_unit_proxy_rate_test_LDADD = $(PROXY_TEST_LDADD)
RULES_RIG = tests/unit/rules_rig.c tests/unit/rules_rig.h
tests_unit_proxy_rules_test_SOURCES = tests/unit/proxy_rules_test.c $(RULES_RIG)
check_PROGRAMS += tests/unit/proxy_rules_change_test
tests_unit_proxy_rules_change_test_SOURCES = tests/unit/proxy_rules_change_test.c $(RULES_RIG)
tests_unit_proxy_rules_change_test_LDADD = $(PROXY_TEST_LDADD)
tests_unit_proxy_rules_test_LDADD = $(PROXY_TEST_LDADD)
HELLO_EXPECT = tests/unit/hello.c tests/unit/hello.h tests/unit/hello_expect.c \
	tests/unit/hello_expect.h
tests_unit_proxy_sni_fields_test_SOURCES = tests/unit/proxy_sni_fields_test.c $(HELLO_EXPECT)
tests_unit_proxy_sni_fields_test_LDADD = $(PROXY_TEST_LDADD)
tests_unit_proxy_sni_test_SOURCES = tests/unit/proxy_sni_test.c $(HELLO_EXPECT)
tests_unit_proxy_sni_test_LDADD = $(PROXY_TEST_LDADD)
tests_unit_proxy_source_test_SOURCES = tests/unit/proxy_source_test.c
tests_unit_proxy_source_test_LDADD = $(PROXY_TEST_LDADD)
PROXY_RIG = tests/unit/proxy_rig.c tests/unit/proxy_rig.h
check_PROGRAMS += tests/unit/proxy_orders_test tests/unit/proxy_worker_test
tests_unit_proxy_orders_test_SOURCES = tests/unit/proxy_orders_test.c tests/unit/forever.h \
	$(PROXY_RIG)
tests_unit_proxy_orders_test_LDADD = $(PROXY_TEST_LDADD)
check_PROGRAMS += tests/unit/proxy_lent_test
tests_unit_proxy_lent_test_SOURCES = tests/unit/proxy_lent_test.c $(PROXY_RIG)
tests_unit_proxy_lent_test_LDADD = $(PROXY_TEST_LDADD)
PROXY_HELLO_RIG = $(PROXY_RIG) tests/unit/hello.c tests/unit/hello.h
tests_unit_proxy_worker_test_SOURCES = tests/unit/proxy_worker_test.c $(PROXY_HELLO_RIG)
tests_unit_proxy_worker_test_LDADD = $(PROXY_TEST_LDADD)
noinst_PROGRAMS += tests/unit/fault.so
tests_unit_fault_so_SOURCES = tests/unit/fault.c
tests_unit_fault_so_CFLAGS = $(AM_CFLAGS) -fPIC
tests_unit_fault_so_LDFLAGS = -shared
tests_unit_fault_so_LDADD =
check_PROGRAMS += tests/unit/proxy_fault_test
tests_unit_proxy_fault_test_SOURCES = tests/unit/proxy_fault_test.c $(PROXY_RIG)
tests_unit_proxy_fault_test_LDADD = $(PROXY_TEST_LDADD)
check_PROGRAMS += tests/unit/proxy_access_log_test tests/unit/proxy_backend_test \
	tests/unit/proxy_budget_test tests/unit/proxy_client_address_test
tests_unit_proxy_access_log_test_LDADD = $(PROXY_TEST_LDADD)
tests_unit_proxy_backend_test_LDADD = $(PROXY_TEST_LDADD)
tests_unit_proxy_budget_test_LDADD = $(PROXY_TEST_LDADD)
tests_unit_proxy_client_address_test_LDADD = $(PROXY_TEST_LDADD)
check_PROGRAMS += tests/unit/proxy_steps_test
tests_unit_proxy_steps_test_SOURCES = tests/unit/proxy_steps_test.c $(PROXY_RIG)
tests_unit_proxy_steps_test_LDADD = $(PROXY_TEST_LDADD)
check_PROGRAMS += tests/unit/proxy_bulk_test tests/unit/proxy_hello_test \
	tests/unit/proxy_limits_test tests/unit/proxy_verbs_test
tests_unit_proxy_bulk_test_SOURCES = tests/unit/proxy_bulk_test.c $(PROXY_HELLO_RIG)
tests_unit_proxy_bulk_test_LDADD = $(PROXY_TEST_LDADD)
tests_unit_proxy_hello_test_SOURCES = tests/unit/proxy_hello_test.c $(PROXY_HELLO_RIG)
tests_unit_proxy_hello_test_LDADD = $(PROXY_TEST_LDADD)
tests_unit_proxy_limits_test_SOURCES = tests/unit/proxy_limits_test.c $(PROXY_RIG)
tests_unit_proxy_limits_test_LDADD = $(PROXY_TEST_LDADD)
tests_unit_proxy_verbs_test_SOURCES = tests/unit/proxy_verbs_test.c $(PROXY_RIG)
tests_unit_proxy_verbs_test_LDADD = $(PROXY_TEST_LDADD)
check_PROGRAMS += tests/unit/proxy_service_test
tests_unit_proxy_service_test_SOURCES = tests/unit/proxy_service_test.c $(PROXY_RIG)
tests_unit_proxy_service_test_LDADD = $(PROXY_TEST_LDADD)
check_PROGRAMS += tests/unit/proxy_session_test
tests_unit_proxy_session_test_SOURCES = tests/unit/proxy_session_test.c $(PROXY_RIG)
tests_unit_proxy_session_test_LDADD = $(PROXY_TEST_LDADD)
check_PROGRAMS += tests/unit/proxy_flow_test
tests_unit_proxy_flow_test_SOURCES = tests/unit/proxy_flow_test.c $(PROXY_RIG)
tests_unit_proxy_flow_test_LDADD = $(PROXY_TEST_LDADD)
