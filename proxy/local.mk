# SPDX-License-Identifier: GPL-3.0-or-later
noinst_LIBRARIES += libproxy.a
libproxy_a_SOURCES = \
	%D%/accept.c \
	%D%/access_log.c %D%/access_log.h \
	%D%/acl.c %D%/acl.h \
	%D%/backend.c %D%/backend.h \
	%D%/budget.c %D%/budget.h \
	%D%/client_address.c %D%/client_address.h \
	%D%/connect.c %D%/connect.h \
	%D%/flow.c %D%/flow.h \
	%D%/hello.c %D%/hello.h \
	%D%/listener.c %D%/listener.h \
	%D%/orders.c %D%/orders.h \
	%D%/pipes.c %D%/pipes.h \
	%D%/rate.c %D%/rate.h \
	%D%/relay.c %D%/relay.h \
	%D%/route.c %D%/route.h \
	%D%/rules.c %D%/rules.h \
	%D%/service.c %D%/service.h \
	%D%/session.c %D%/session.h %D%/session_count.c %D%/session_pool.c \
	%D%/sessions_dump.c %D%/sessions_dump.h \
	%D%/sni.c %D%/sni.h \
	%D%/source.c %D%/source.h \
	%D%/tenants.c %D%/tenants.h \
	%D%/worker.c %D%/worker.h
pkglibexec_PROGRAMS += sixgate-proxy
sixgate_proxy_SOURCES = %D%/main.c
sixgate_proxy_LDADD = libproxy.a libworker.a libconf-model.a $(BASE_LIBS)
