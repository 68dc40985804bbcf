# SPDX-License-Identifier: GPL-3.0-or-later
noinst_LIBRARIES += libconf-text.a
libconf_text_a_CFLAGS = $(AM_CFLAGS) $(FYAML_CFLAGS)
libconf_text_a_SOURCES = \
	%D%/check_files.c \
	%D%/conf.c %D%/conf.h \
	%D%/internal.h \
	%D%/refused.c \
	%D%/schema.c %D%/schema.h \
	%D%/schema_log.c \
	%D%/schema_network.c \
	%D%/schema_node.c \
	%D%/schema_tenant.c \
	%D%/schema_tenant_dns64.c \
	%D%/tree.c %D%/tree.h \
	%D%/tree_parse.c \
	%D%/unbuilt.c \
	%D%/value.c %D%/value.h \
	%D%/value_net.c
