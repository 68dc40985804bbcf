# SPDX-License-Identifier: GPL-3.0-or-later
noinst_LIBRARIES += libbase.a
libbase_a_CPPFLAGS = $(AM_CPPFLAGS) $(SECCOMP_CFLAGS) $(CAPNG_CFLAGS)
libbase_a_SOURCES = \
	base/addr.c base/addr.h \
	base/arena.c base/arena.h \
	base/base64.c base/base64.h \
	base/caps.c base/caps.h \
	base/channel.c base/channel.h \
	base/container.h \
	base/counters.c base/counters.h \
	base/cursor.c base/cursor.h \
	base/err.c base/err.h \
	base/file.c base/file.h \
	base/hash.c base/hash.h \
	base/json.c base/json.h \
	base/log.c base/log.h \
	base/loop.c base/loop.h \
	base/prefix_set.c base/prefix_set.h \
	base/sandbox.c base/sandbox.h \
	base/str.c base/str.h \
	base/wheel.c base/wheel.h
BASE_LIBS = libbase.a $(SECCOMP_LIBS) $(CAPNG_LIBS)
