# SPDX-License-Identifier: GPL-3.0-or-later
noinst_LIBRARIES += libkernel.a
libkernel_a_SOURCES = \
	%D%/batch.c \
	%D%/elements.c \
	%D%/internal.h \
	%D%/kernel.c \
	%D%/kernel.h \
	%D%/netlink.c \
	%D%/route.c \
	%D%/rule.c \
	%D%/table.c
libkernel_a_CPPFLAGS = $(AM_CPPFLAGS) $(NFTNL_CFLAGS)

# Drives the library for tests/net; not installed.
noinst_PROGRAMS += tests/tools/kernel-tool
tests_tools_kernel_tool_SOURCES = tests/tools/kernel-tool.c
tests_tools_kernel_tool_LDADD = libkernel.a libconf-model.a $(BASE_LIBS) $(NFTNL_LIBS)
