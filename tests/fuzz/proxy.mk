# SPDX-License-Identifier: GPL-3.0-or-later
check_PROGRAMS += tests/fuzz/fuzz_sni
tests_fuzz_fuzz_sni_SOURCES = tests/fuzz/fuzz_sni.c $(FUZZ_MAIN)
tests_fuzz_fuzz_sni_LDADD = libproxy.a libworker.a libconf-model.a libbase.a
tests_fuzz_fuzz_sni_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
EXTRA_DIST += tests/fuzz/corpus/sni
