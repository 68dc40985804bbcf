# SPDX-License-Identifier: GPL-3.0-or-later
CONF_FUZZ_LIBS = libconf-text.a libconf-model.a libbase.a $(FYAML_LIBS)
CONF_FUZZ_LINK = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
check_PROGRAMS += tests/fuzz/fuzz_config tests/fuzz/fuzz_listener_msg tests/fuzz/fuzz_node_unpack \
	tests/fuzz/fuzz_request tests/fuzz/fuzz_set_entry tests/fuzz/fuzz_tenant_unpack
tests_fuzz_fuzz_config_SOURCES = tests/fuzz/fuzz_config.c $(FUZZ_MAIN)
tests_fuzz_fuzz_config_LDADD = $(CONF_FUZZ_LIBS)
tests_fuzz_fuzz_config_LDFLAGS = $(CONF_FUZZ_LINK)
tests_fuzz_fuzz_listener_msg_SOURCES = tests/fuzz/fuzz_listener_msg.c $(FUZZ_MAIN)
tests_fuzz_fuzz_listener_msg_LDADD = $(CONF_FUZZ_LIBS)
tests_fuzz_fuzz_listener_msg_LDFLAGS = $(CONF_FUZZ_LINK)
tests_fuzz_fuzz_node_unpack_SOURCES = tests/fuzz/fuzz_node_unpack.c $(FUZZ_MAIN)
tests_fuzz_fuzz_node_unpack_LDADD = $(CONF_FUZZ_LIBS)
tests_fuzz_fuzz_node_unpack_LDFLAGS = $(CONF_FUZZ_LINK)
tests_fuzz_fuzz_request_SOURCES = tests/fuzz/fuzz_request.c $(FUZZ_MAIN)
tests_fuzz_fuzz_request_LDADD = $(CONF_FUZZ_LIBS)
tests_fuzz_fuzz_request_LDFLAGS = $(CONF_FUZZ_LINK)
tests_fuzz_fuzz_set_entry_SOURCES = tests/fuzz/fuzz_set_entry.c $(FUZZ_MAIN)
tests_fuzz_fuzz_set_entry_LDADD = $(CONF_FUZZ_LIBS)
tests_fuzz_fuzz_set_entry_LDFLAGS = $(CONF_FUZZ_LINK)
tests_fuzz_fuzz_tenant_unpack_SOURCES = tests/fuzz/fuzz_tenant_unpack.c $(FUZZ_MAIN)
tests_fuzz_fuzz_tenant_unpack_LDADD = $(CONF_FUZZ_LIBS)
tests_fuzz_fuzz_tenant_unpack_LDFLAGS = $(CONF_FUZZ_LINK)
EXTRA_DIST += tests/fuzz/corpus/config tests/fuzz/corpus/listener_msg \
	tests/fuzz/corpus/node_unpack tests/fuzz/corpus/request tests/fuzz/corpus/set_entry \
	tests/fuzz/corpus/tenant_unpack
