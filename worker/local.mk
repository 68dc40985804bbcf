# SPDX-License-Identifier: GPL-3.0-or-later
noinst_LIBRARIES += libworker.a
libworker_a_SOURCES = \
	%D%/descriptors.c \
	%D%/link.c %D%/link.h \
	%D%/program.c %D%/program.h \
	%D%/stream.c %D%/stream.h
