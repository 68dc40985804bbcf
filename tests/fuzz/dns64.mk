# SPDX-License-Identifier: GPL-3.0-or-later
FUZZ_DNS64_LDADD = libdns64.a libconf-model.a libbase.a $(KNOT_LIBS)
check_PROGRAMS += tests/fuzz/fuzz_dns_answer tests/fuzz/fuzz_dns_query
tests_fuzz_fuzz_dns_answer_CPPFLAGS = $(AM_CPPFLAGS) $(KNOT_CFLAGS)
tests_fuzz_fuzz_dns_answer_SOURCES = tests/fuzz/fuzz_dns_answer.c $(FUZZ_MAIN)
tests_fuzz_fuzz_dns_answer_LDADD = $(FUZZ_DNS64_LDADD)
tests_fuzz_fuzz_dns_answer_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_dns_query_CPPFLAGS = $(AM_CPPFLAGS) $(KNOT_CFLAGS)
tests_fuzz_fuzz_dns_query_SOURCES = tests/fuzz/fuzz_dns_query.c $(FUZZ_MAIN)
tests_fuzz_fuzz_dns_query_LDADD = $(FUZZ_DNS64_LDADD)
tests_fuzz_fuzz_dns_query_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
EXTRA_DIST += tests/fuzz/corpus/dns_answer tests/fuzz/corpus/dns_query
