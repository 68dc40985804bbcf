# SPDX-License-Identifier: GPL-3.0-or-later
check_PROGRAMS += tests/fuzz/fuzz_channel
tests_fuzz_fuzz_channel_SOURCES = tests/fuzz/fuzz_channel.c $(FUZZ_MAIN)
tests_fuzz_fuzz_channel_LDADD = $(BASE_LIBS)
tests_fuzz_fuzz_channel_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
EXTRA_DIST += tests/fuzz/corpus/channel
