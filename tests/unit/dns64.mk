# SPDX-License-Identifier: GPL-3.0-or-later
DNS64_TEST_LDADD = libdns64.a libconf-model.a libbase.a $(KNOT_LIBS) $(CMOCKA_LIBS)
DNS64_TEST_CPPFLAGS = $(AM_CPPFLAGS) $(KNOT_CFLAGS)
check_PROGRAMS += tests/unit/dns64_answer_test tests/unit/dns64_cache_test \
	tests/unit/dns64_request_test
tests_unit_dns64_answer_test_SOURCES = tests/unit/dns64_answer_test.c
tests_unit_dns64_answer_test_CPPFLAGS = $(DNS64_TEST_CPPFLAGS)
tests_unit_dns64_answer_test_LDADD = $(DNS64_TEST_LDADD)
tests_unit_dns64_cache_test_SOURCES = tests/unit/dns64_cache_test.c
tests_unit_dns64_cache_test_CPPFLAGS = $(DNS64_TEST_CPPFLAGS)
tests_unit_dns64_cache_test_LDADD = $(DNS64_TEST_LDADD)
tests_unit_dns64_request_test_SOURCES = tests/unit/dns64_request_test.c
tests_unit_dns64_request_test_CPPFLAGS = $(DNS64_TEST_CPPFLAGS)
tests_unit_dns64_request_test_LDADD = $(DNS64_TEST_LDADD)
check_PROGRAMS += tests/unit/dns64_query_log_test
tests_unit_dns64_query_log_test_SOURCES = tests/unit/dns64_query_log_test.c
tests_unit_dns64_query_log_test_LDADD = libdns64.a libworker.a libconf-model.a $(BASE_LIBS) \
	$(KNOT_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/dns64_query_rate_test
tests_unit_dns64_query_rate_test_SOURCES = tests/unit/dns64_query_rate_test.c
tests_unit_dns64_query_rate_test_LDADD = libdns64.a $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/dns64_resolver_test
check_PROGRAMS += tests/unit/dns64_rrl_test
tests_unit_dns64_rrl_test_SOURCES = tests/unit/dns64_rrl_test.c
tests_unit_dns64_rrl_test_CPPFLAGS = $(DNS64_TEST_CPPFLAGS)
tests_unit_dns64_rrl_test_LDADD = $(DNS64_TEST_LDADD)
tests_unit_dns64_resolver_test_SOURCES = tests/unit/dns64_resolver_test.c
tests_unit_dns64_resolver_test_CPPFLAGS = $(DNS64_TEST_CPPFLAGS)
tests_unit_dns64_resolver_test_LDADD = $(DNS64_TEST_LDADD)
check_PROGRAMS += tests/unit/dns64_tenant_policy_test tests/unit/dns64_upstream_test
tests_unit_dns64_tenant_policy_test_SOURCES = tests/unit/dns64_tenant_policy_test.c
tests_unit_dns64_tenant_policy_test_CPPFLAGS = $(DNS64_TEST_CPPFLAGS)
tests_unit_dns64_tenant_policy_test_LDADD = $(DNS64_TEST_LDADD)
tests_unit_dns64_upstream_test_SOURCES = tests/unit/dns64_upstream_test.c
tests_unit_dns64_upstream_test_CPPFLAGS = $(DNS64_TEST_CPPFLAGS)
tests_unit_dns64_upstream_test_LDADD = $(DNS64_TEST_LDADD)
if ENABLE_ZSCANNER
check_PROGRAMS += tests/unit/dns64_replay_test tests/unit/dns64_zone_test
tests_unit_dns64_replay_test_SOURCES = tests/unit/dns64_replay_test.c tests/unit/dns_text.c \
	tests/unit/dns_text.h
tests_unit_dns64_replay_test_CPPFLAGS = $(DNS64_TEST_CPPFLAGS) $(ZSCANNER_CFLAGS)
tests_unit_dns64_replay_test_LDADD = $(DNS64_TEST_LDADD) $(ZSCANNER_LIBS)
tests_unit_dns64_zone_test_SOURCES = tests/unit/dns64_zone_test.c tests/unit/dns_text.c
tests_unit_dns64_zone_test_CPPFLAGS = $(DNS64_TEST_CPPFLAGS) $(ZSCANNER_CFLAGS)
tests_unit_dns64_zone_test_LDADD = $(DNS64_TEST_LDADD) $(ZSCANNER_LIBS)
endif
DNS64_SERVER_LDADD = libdns64.a libworker.a libconf-model.a $(BASE_LIBS) $(KNOT_LIBS) $(CMOCKA_LIBS)
DNS64_SERVER_RIG = tests/unit/dns64_server.c tests/unit/dns64_server.h
check_PROGRAMS += tests/unit/dns64_server_test
tests_unit_dns64_server_test_SOURCES = tests/unit/dns64_server_test.c $(DNS64_SERVER_RIG)
tests_unit_dns64_server_test_CPPFLAGS = $(DNS64_TEST_CPPFLAGS)
tests_unit_dns64_server_test_LDADD = $(DNS64_SERVER_LDADD)
check_PROGRAMS += tests/unit/dns64_server_zone_test
tests_unit_dns64_server_zone_test_SOURCES = tests/unit/dns64_server_zone_test.c $(DNS64_SERVER_RIG)
tests_unit_dns64_server_zone_test_CPPFLAGS = $(DNS64_TEST_CPPFLAGS)
tests_unit_dns64_server_zone_test_LDADD = $(DNS64_SERVER_LDADD)
check_PROGRAMS += tests/unit/dns64_server_rate_test
tests_unit_dns64_server_rate_test_SOURCES = tests/unit/dns64_server_rate_test.c $(DNS64_SERVER_RIG)
tests_unit_dns64_server_rate_test_CPPFLAGS = $(DNS64_TEST_CPPFLAGS)
tests_unit_dns64_server_rate_test_LDADD = $(DNS64_SERVER_LDADD)
check_PROGRAMS += tests/unit/dns64_server_verbs_test
tests_unit_dns64_server_verbs_test_SOURCES = tests/unit/dns64_server_verbs_test.c $(DNS64_SERVER_RIG)
tests_unit_dns64_server_verbs_test_CPPFLAGS = $(DNS64_TEST_CPPFLAGS)
tests_unit_dns64_server_verbs_test_LDADD = $(DNS64_SERVER_LDADD)
