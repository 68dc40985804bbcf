# SPDX-License-Identifier: GPL-3.0-or-later
noinst_LIBRARIES += libplan.a
libplan_a_SOURCES = \
	%D%/derive.c %D%/derive.h \
	%D%/desired.h \
	%D%/object.h \
	%D%/object_set.h \
	%D%/plan.h
