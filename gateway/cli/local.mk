# SPDX-License-Identifier: GPL-3.0-or-later
noinst_LIBRARIES += libcli.a
libcli_a_SOURCES = \
	%D%/act.c \
	%D%/check.c \
	%D%/cli.c %D%/cli.h \
	%D%/client.c %D%/client.h \
	%D%/columns.c %D%/columns.h \
	%D%/dns.c \
	%D%/down.c \
	%D%/internal.h \
	%D%/list.c %D%/list.h \
	%D%/plan.c \
	%D%/status.c \
	%D%/text.c %D%/text.h \
	%D%/tunnels.c \
	%D%/verbs.c \
	%D%/who.c
libcli_a_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)

bin_PROGRAMS += sixgate
sixgate_SOURCES = %D%/main.c
sixgate_LDADD = libcli.a libconf-text.a libconf-model.a libbase.a $(FYAML_LIBS) $(JANSSON_LIBS)
