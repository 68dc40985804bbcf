# SPDX-License-Identifier: GPL-3.0-or-later
# Each of these is made of its one file and linked with LDADD of local.mk.
check_PROGRAMS += \
	tests/unit/base_addr_test \
	tests/unit/base_arena_test \
	tests/unit/base_base64_test \
	tests/unit/base_caps_test \
	tests/unit/base_channel_test \
	tests/unit/base_counters_test \
	tests/unit/base_cursor_test \
	tests/unit/base_err_test \
	tests/unit/base_file_test \
	tests/unit/base_hash_test \
	tests/unit/base_json_test \
	tests/unit/base_log_test \
	tests/unit/base_loop_test \
	tests/unit/base_prefix_set_test \
	tests/unit/base_sandbox_test \
	tests/unit/base_str_test \
	tests/unit/base_wheel_test
check_PROGRAMS += tests/unit/worker_stream_test
tests_unit_worker_stream_test_LDADD = libworker.a libconf-model.a $(BASE_LIBS) $(CMOCKA_LIBS)
