# SPDX-License-Identifier: GPL-3.0-or-later


AGENT_TEST_LDADD = libagent.a libconf-model.a $(BASE_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/agent_lines_test tests/unit/agent_sink_test
tests_unit_agent_lines_test_SOURCES = tests/unit/agent_lines_test.c
tests_unit_agent_lines_test_LDADD = $(AGENT_TEST_LDADD)
tests_unit_agent_sink_test_SOURCES = tests/unit/agent_sink_test.c
tests_unit_agent_sink_test_LDADD = $(AGENT_TEST_LDADD)
check_PROGRAMS += tests/unit/agent_syslog_test
tests_unit_agent_syslog_test_SOURCES = tests/unit/agent_syslog_test.c
tests_unit_agent_syslog_test_LDADD = $(AGENT_TEST_LDADD)
check_PROGRAMS += tests/unit/agent_solicitation_test
tests_unit_agent_solicitation_test_SOURCES = tests/unit/agent_solicitation_test.c
tests_unit_agent_solicitation_test_LDADD = $(AGENT_TEST_LDADD)
check_PROGRAMS += tests/unit/gateway_cli_test
tests_unit_gateway_cli_test_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_gateway_cli_test_LDADD = $(sixgate_LDADD) $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/kernel_generic_test
tests_unit_kernel_generic_test_LDADD = libkernel.a libnat64.a libplan.a libconf-model.a $(BASE_LIBS) $(NFTNL_LIBS) \
	$(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/plan_siit_test
tests_unit_plan_siit_test_SOURCES = tests/unit/plan_siit_test.c
tests_unit_plan_siit_test_LDADD = libplan.a libconf-model.a $(BASE_LIBS) $(CMOCKA_LIBS)
PLAN_TEST_LDADD = libplan.a libconf-model.a $(BASE_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/plan_golden_test tests/unit/plan_diff_test
tests_unit_plan_golden_test_SOURCES = tests/unit/plan_golden_test.c \
	tests/unit/plan_text.c tests/unit/plan_text.h
tests_unit_plan_golden_test_LDADD = $(PLAN_TEST_LDADD)
tests_unit_plan_diff_test_SOURCES = tests/unit/plan_diff_test.c \
	tests/unit/plan_text.c tests/unit/plan_text.h
tests_unit_plan_diff_test_LDADD = $(PLAN_TEST_LDADD)
check_PROGRAMS += tests/unit/kernel_netns_test
tests_unit_kernel_netns_test_SOURCES = tests/unit/kernel_netns_test.c
tests_unit_kernel_netns_test_LDADD = libkernel.a libnat64.a libplan.a libconf-model.a $(BASE_LIBS) \
	$(NFTNL_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/reconcile_test tests/unit/reconcile_look_test
RECONCILE_RIG = tests/unit/reconcile_rig.c tests/unit/reconcile_rig.h \
	tests/unit/plan_text.c tests/unit/plan_text.h
tests_unit_reconcile_test_SOURCES = tests/unit/reconcile_test.c $(RECONCILE_RIG)
tests_unit_reconcile_look_test_SOURCES = tests/unit/reconcile_look_test.c $(RECONCILE_RIG)
tests_unit_reconcile_look_test_LDADD = $(tests_unit_reconcile_test_LDADD)
tests_unit_reconcile_test_LDADD = libkernel.a libnat64.a libplan.a libconf-model.a $(BASE_LIBS) \
	$(NFTNL_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/plan_firewall_test
tests_unit_plan_firewall_test_LDADD = $(PLAN_TEST_LDADD)
check_PROGRAMS += tests/unit/plan_link_test
tests_unit_plan_link_test_SOURCES = tests/unit/plan_link_test.c
tests_unit_plan_link_test_LDADD = $(PLAN_TEST_LDADD)
check_PROGRAMS += tests/unit/kernel_sysctl_test
tests_unit_kernel_sysctl_test_SOURCES = tests/unit/kernel_sysctl_test.c
tests_unit_kernel_sysctl_test_LDADD = libkernel.a libplan.a libconf-model.a $(BASE_LIBS) \
	$(NFTNL_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/kernel_rt_test
tests_unit_kernel_rt_test_SOURCES = tests/unit/kernel_rt_test.c
tests_unit_kernel_rt_test_LDADD = libkernel.a libplan.a libconf-model.a $(BASE_LIBS) \
	$(NFTNL_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/kernel_uevent_test
tests_unit_kernel_uevent_test_SOURCES = tests/unit/kernel_uevent_test.c
tests_unit_kernel_uevent_test_LDADD = libkernel.a libplan.a libconf-model.a $(BASE_LIBS) \
	$(NFTNL_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/kernel_ruleset_test
tests_unit_kernel_ruleset_test_LDADD = libkernel.a libplan.a libconf-model.a $(BASE_LIBS) \
	$(NFTNL_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/kernel_on_link_test
tests_unit_kernel_on_link_test_LDADD = libkernel.a libnat64.a libplan.a libconf-model.a $(BASE_LIBS) \
	$(NFTNL_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/plan_tunnel_mtu_test
tests_unit_plan_tunnel_mtu_test_LDADD = libplan.a libconf-model.a $(BASE_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/kernel_paths_test
tests_unit_kernel_paths_test_LDADD = libkernel.a libnat64.a libplan.a libconf-model.a $(BASE_LIBS) \
	$(NFTNL_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/kernel_offload_test
tests_unit_kernel_offload_test_SOURCES = tests/unit/kernel_offload_test.c
tests_unit_kernel_offload_test_LDADD = libkernel.a libplan.a libconf-model.a $(BASE_LIBS) \
	$(NFTNL_LIBS) $(CMOCKA_LIBS)
