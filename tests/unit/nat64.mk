# SPDX-License-Identifier: GPL-3.0-or-later
KERNEL_TEST_LDADD = libkernel.a libnat64.a libplan.a libconf-model.a $(BASE_LIBS) $(NFTNL_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/kernel_wireguard_test
tests_unit_kernel_wireguard_test_SOURCES = tests/unit/kernel_wireguard_test.c \
	tests/unit/fake_wireguard.c tests/unit/fake_wireguard.h
tests_unit_kernel_wireguard_test_LDADD = $(KERNEL_TEST_LDADD)
check_PROGRAMS += tests/unit/kernel_keys_test
tests_unit_kernel_keys_test_SOURCES = tests/unit/kernel_keys_test.c \
	tests/unit/fake_wireguard.c tests/unit/fake_wireguard.h
tests_unit_kernel_keys_test_LDADD = $(KERNEL_TEST_LDADD)
check_PROGRAMS += tests/unit/conf_ports_test tests/unit/plan_tunnels_test
tests_unit_conf_ports_test_LDADD = libconf-model.a $(BASE_LIBS) $(CMOCKA_LIBS)
tests_unit_plan_tunnels_test_LDADD = libplan.a libconf-model.a $(BASE_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/kernel_jool_test
tests_unit_kernel_jool_test_SOURCES = tests/unit/kernel_jool_test.c tests/unit/fake_jool.c \
	tests/unit/fake_jool.h tests/unit/plan_text.c tests/unit/plan_text.h
tests_unit_kernel_jool_test_LDADD = libkernel.a libplan.a libnat64.a libconf-model.a $(BASE_LIBS) \
	$(NFTNL_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/kernel_jool_sweep_test
tests_unit_kernel_jool_sweep_test_SOURCES = tests/unit/kernel_jool_sweep_test.c \
	tests/unit/fake_jool.c tests/unit/fake_jool.h
tests_unit_kernel_jool_sweep_test_LDADD = $(tests_unit_kernel_jool_test_LDADD)
check_PROGRAMS += tests/unit/kernel_modules_test
tests_unit_kernel_modules_test_SOURCES = tests/unit/kernel_modules_test.c tests/unit/plan_text.c \
	tests/unit/plan_text.h
tests_unit_kernel_modules_test_LDADD = $(tests_unit_kernel_jool_test_LDADD)
check_PROGRAMS += tests/unit/nat64_client_test
tests_unit_nat64_client_test_LDADD = libnat64.a $(BASE_LIBS) $(NFTNL_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/conf_port_event_test tests/unit/control_nat64_test
tests_unit_conf_port_event_test_LDADD = libconf-model.a $(BASE_LIBS) $(CMOCKA_LIBS)
tests_unit_control_nat64_test_SOURCES = tests/unit/control_nat64_test.c tests/unit/fake_jool.c \
	tests/unit/fake_jool.h
tests_unit_control_nat64_test_LDADD = $(CONTROL_TEST_LDADD)
check_PROGRAMS += tests/unit/kernel_follow_test
tests_unit_kernel_follow_test_SOURCES = tests/unit/kernel_follow_test.c \
	tests/unit/fake_wireguard.c tests/unit/fake_wireguard.h
tests_unit_kernel_follow_test_LDADD = $(KERNEL_TEST_LDADD)
