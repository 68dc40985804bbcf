# SPDX-License-Identifier: GPL-3.0-or-later
noinst_LIBRARIES += libnat64.a
libnat64_a_CPPFLAGS = $(AM_CPPFLAGS) $(NFTNL_CFLAGS)
libnat64_a_SOURCES = \
	%D%/internal.h \
	%D%/jool.c %D%/jool.h \
	%D%/stats.c \
	%D%/table.c %D%/table.h \
	%D%/version.c \
	%D%/wire.c
