# SPDX-License-Identifier: GPL-3.0-or-later

check_PROGRAMS += tests/fuzz/fuzz_answer
tests_fuzz_fuzz_answer_SOURCES = tests/fuzz/fuzz_answer.c $(FUZZ_MAIN)
tests_fuzz_fuzz_answer_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_fuzz_fuzz_answer_LDADD = $(sixgate_LDADD)
tests_fuzz_fuzz_answer_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
EXTRA_DIST += tests/fuzz/corpus/answer
check_PROGRAMS += tests/fuzz/fuzz_jool
tests_fuzz_fuzz_jool_SOURCES = tests/fuzz/fuzz_jool.c $(FUZZ_MAIN)
tests_fuzz_fuzz_jool_LDADD = libnat64.a $(BASE_LIBS) $(NFTNL_LIBS)
tests_fuzz_fuzz_jool_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
EXTRA_DIST += tests/fuzz/corpus/jool
check_PROGRAMS += tests/fuzz/fuzz_rt
tests_fuzz_fuzz_rt_SOURCES = tests/fuzz/fuzz_rt.c $(FUZZ_MAIN)
tests_fuzz_fuzz_rt_LDADD = libkernel.a libnat64.a libplan.a libconf-model.a $(BASE_LIBS) $(NFTNL_LIBS)
tests_fuzz_fuzz_rt_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
EXTRA_DIST += tests/fuzz/corpus/rt
check_PROGRAMS += tests/fuzz/fuzz_solicitation
tests_fuzz_fuzz_solicitation_SOURCES = tests/fuzz/fuzz_solicitation.c $(FUZZ_MAIN)
tests_fuzz_fuzz_solicitation_LDADD = libagent.a $(BASE_LIBS)
tests_fuzz_fuzz_solicitation_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
EXTRA_DIST += tests/fuzz/corpus/solicitation
check_PROGRAMS += tests/fuzz/fuzz_snapshot
tests_fuzz_fuzz_snapshot_SOURCES = tests/fuzz/fuzz_snapshot.c $(FUZZ_MAIN)
tests_fuzz_fuzz_snapshot_LDADD = libregistry.a $(CONF_FUZZ_LIBS)
tests_fuzz_fuzz_snapshot_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
EXTRA_DIST += tests/fuzz/corpus/snapshot
