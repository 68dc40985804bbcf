# SPDX-License-Identifier: GPL-3.0-or-later
CONTROL_TEST_LDADD = $(CONTROL_LIBS) $(CMOCKA_LIBS)
CONTROL_RIG = tests/unit/control_rig.c tests/unit/control_rig.h
TENANTS_RIG = $(CONTROL_RIG) tests/unit/tenants_rig.c tests/unit/tenants_rig.h

check_PROGRAMS += tests/unit/control_selector_test tests/unit/control_dirty_test \
	tests/unit/control_slots_test tests/unit/control_items_test \
	tests/unit/control_server_test tests/unit/registry_dir_test
tests_unit_control_selector_test_SOURCES = tests/unit/control_selector_test.c
tests_unit_control_selector_test_LDADD = $(CONTROL_TEST_LDADD)
tests_unit_control_dirty_test_SOURCES = tests/unit/control_dirty_test.c
tests_unit_control_dirty_test_LDADD = $(CONTROL_TEST_LDADD)
tests_unit_control_slots_test_SOURCES = tests/unit/control_slots_test.c
tests_unit_control_slots_test_LDADD = $(CONTROL_TEST_LDADD)
tests_unit_control_items_test_SOURCES = tests/unit/control_items_test.c
tests_unit_control_items_test_LDADD = $(CONTROL_TEST_LDADD)
tests_unit_control_server_test_SOURCES = tests/unit/control_server_test.c
tests_unit_control_server_test_LDADD = $(CONTROL_TEST_LDADD)
tests_unit_registry_dir_test_SOURCES = tests/unit/registry_dir_test.c \
	tests/unit/dir_rig.c tests/unit/dir_rig.h
tests_unit_registry_dir_test_LDADD = $(CONTROL_TEST_LDADD)

# Started by the test as a worker.
noinst_PROGRAMS += tests/unit/fake_worker
tests_unit_fake_worker_SOURCES = tests/unit/fake_worker.c
tests_unit_fake_worker_LDADD = libconf-model.a $(BASE_LIBS)
check_PROGRAMS += tests/unit/control_workers_test tests/unit/control_tenants_test
tests_unit_control_tenants_test_SOURCES = tests/unit/control_tenants_test.c $(TENANTS_RIG)
tests_unit_control_tenants_test_LDADD = $(CONTROL_TEST_LDADD)
check_PROGRAMS += tests/unit/control_listeners_test
tests_unit_control_listeners_test_SOURCES = tests/unit/control_listeners_test.c $(CONTROL_RIG)
tests_unit_control_listeners_test_LDADD = $(CONTROL_TEST_LDADD)
WORKERS_RIG = $(CONTROL_RIG) tests/unit/workers_rig.c tests/unit/workers_rig.h
tests_unit_control_workers_test_SOURCES = tests/unit/control_workers_test.c tests/unit/forever.h \
	$(WORKERS_RIG)
check_PROGRAMS += tests/unit/control_loans_test
tests_unit_control_loans_test_SOURCES = tests/unit/control_loans_test.c $(WORKERS_RIG)
tests_unit_control_loans_test_LDADD = $(CONTROL_TEST_LDADD)
tests_unit_control_workers_test_LDADD = $(CONTROL_TEST_LDADD)
check_PROGRAMS += tests/unit/control_handover_test
HANDOVER_RIG = tests/unit/handover_rig.c tests/unit/handover_rig.h
tests_unit_control_handover_test_SOURCES = tests/unit/control_handover_test.c $(HANDOVER_RIG)
check_PROGRAMS += tests/unit/control_fdstore_test tests/unit/control_former_test
tests_unit_control_fdstore_test_SOURCES = tests/unit/control_fdstore_test.c $(HANDOVER_RIG)
tests_unit_control_fdstore_test_LDADD = $(CONTROL_TEST_LDADD)
tests_unit_control_former_test_SOURCES = tests/unit/control_former_test.c tests/unit/forever.h \
	$(HANDOVER_RIG)
tests_unit_control_former_test_LDADD = $(CONTROL_TEST_LDADD)
tests_unit_control_handover_test_LDADD = $(CONTROL_TEST_LDADD)
check_PROGRAMS += tests/unit/control_reload_test
tests_unit_control_reload_test_SOURCES = tests/unit/control_reload_test.c $(CONTROL_RIG)
tests_unit_control_reload_test_LDADD = $(CONTROL_TEST_LDADD)
check_PROGRAMS += tests/unit/control_swap_test
tests_unit_control_swap_test_SOURCES = tests/unit/control_swap_test.c $(TENANTS_RIG)
tests_unit_control_swap_test_LDADD = $(CONTROL_TEST_LDADD)
check_PROGRAMS += tests/unit/control_logchild_test
tests_unit_control_logchild_test_SOURCES = tests/unit/control_logchild_test.c $(CONTROL_RIG)
tests_unit_control_logchild_test_LDADD = $(CONTROL_TEST_LDADD)
check_PROGRAMS += tests/unit/control_solicited_test
tests_unit_control_solicited_test_SOURCES = tests/unit/control_solicited_test.c
tests_unit_control_solicited_test_LDADD = $(CONTROL_TEST_LDADD)
check_PROGRAMS += tests/unit/control_recall_test tests/unit/registry_snapshot_test
tests_unit_control_recall_test_SOURCES = tests/unit/control_recall_test.c $(TENANTS_RIG)
tests_unit_control_recall_test_LDADD = $(CONTROL_TEST_LDADD)
tests_unit_registry_snapshot_test_SOURCES = tests/unit/registry_snapshot_test.c
tests_unit_registry_snapshot_test_LDADD = $(CONTROL_TEST_LDADD)
check_PROGRAMS += tests/unit/control_tried_test
tests_unit_control_tried_test_SOURCES = tests/unit/control_tried_test.c $(TENANTS_RIG)
tests_unit_control_tried_test_LDADD = $(CONTROL_TEST_LDADD)
check_PROGRAMS += tests/unit/control_serial_test
tests_unit_control_serial_test_SOURCES = tests/unit/control_serial_test.c
tests_unit_control_serial_test_LDADD = $(CONTROL_TEST_LDADD)
check_PROGRAMS += tests/unit/control_calls_test
tests_unit_control_calls_test_SOURCES = tests/unit/control_calls_test.c
tests_unit_control_calls_test_LDADD = $(CONTROL_TEST_LDADD)
