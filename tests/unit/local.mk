# SPDX-License-Identifier: GPL-3.0-or-later
# Unit tests: a line in the folder's .mk for each program, NAME_SOURCES and NAME_LDADD.
if ENABLE_CMOCKA
include tests/unit/base.mk
include tests/unit/conf.mk
include tests/unit/proxy.mk
include tests/unit/gateway.mk
endif
