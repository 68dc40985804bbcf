# SPDX-License-Identifier: GPL-3.0-or-later
noinst_LIBRARIES += libproxy.a
libproxy_a_SOURCES = \
	%D%/acl.c %D%/acl.h \
	%D%/rate.c %D%/rate.h \
	%D%/rules.c %D%/rules.h \
	%D%/sni.c %D%/sni.h \
	%D%/source.c %D%/source.h
