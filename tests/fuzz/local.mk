# SPDX-License-Identifier: GPL-3.0-or-later
# Fuzz targets. Plain builds link replay.c, which runs the committed corpus in make check;
# --enable-fuzzing links libFuzzer instead. Each target: NAME_SOURCES = fuzz_x.c $(FUZZ_MAIN).
AM_TESTS_ENVIRONMENT = SIXGATE_SRCDIR='$(abs_top_srcdir)'; export SIXGATE_SRCDIR;
if ENABLE_FUZZING
FUZZ_MAIN =
else
FUZZ_MAIN = tests/fuzz/replay.c
endif
include tests/fuzz/base.mk
include tests/fuzz/conf.mk
include tests/fuzz/proxy.mk
include tests/fuzz/gateway.mk
include tests/fuzz/dns64.mk
