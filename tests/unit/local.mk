# SPDX-License-Identifier: GPL-3.0-or-later
# Unit tests: a line in the folder's .mk for each program. One that has no NAME_SOURCES is made of
# NAME.c, one that has no NAME_LDADD needs base alone.
AM_DEFAULT_SOURCE_EXT = .c
LDADD = $(BASE_LIBS) $(CMOCKA_LIBS)
if ENABLE_CMOCKA
include tests/unit/base.mk
include tests/unit/conf.mk
include tests/unit/proxy.mk
include tests/unit/gateway.mk
include tests/unit/control.mk
include tests/unit/nat64.mk
include tests/unit/dns64.mk
endif
