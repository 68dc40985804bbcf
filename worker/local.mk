# SPDX-License-Identifier: GPL-3.0-or-later
noinst_LIBRARIES += libworker.a
libworker_a_SOURCES = \
	%D%/descriptors.c \
	%D%/link.c %D%/link.h \
	%D%/log_lines.c %D%/log_lines.h \
	%D%/pen.c %D%/pen.h \
	%D%/program.c %D%/program.h \
	%D%/stream.c %D%/stream.h
