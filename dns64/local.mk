# SPDX-License-Identifier: GPL-3.0-or-later
noinst_LIBRARIES += libdns64.a
libdns64_a_CPPFLAGS = $(AM_CPPFLAGS) $(KNOT_CFLAGS)
libdns64_a_SOURCES = \
	%D%/answer.c %D%/answer.h %D%/answer_internal.h \
	%D%/answer_change.c \
	%D%/answer_read.c \
	%D%/authority.c \
	%D%/cache.c %D%/cache.h \
	%D%/cache_verbs.c %D%/cache_verbs.h \
	%D%/dns_words.c %D%/dns_words.h \
	%D%/internal.h \
	%D%/listener.c \
	%D%/local_names.c %D%/local_names.h \
	%D%/local_records.c %D%/local_records.h \
	%D%/orders.c \
	%D%/policy.c %D%/policy.h \
	%D%/query.c \
	%D%/query_log.c %D%/query_log.h \
	%D%/query_rate.c %D%/query_rate.h \
	%D%/query_verbs.c %D%/query_verbs.h \
	%D%/question.c %D%/question.h \
	%D%/reply.c %D%/reply.h \
	%D%/request.c %D%/request.h %D%/request_plain.c \
	%D%/resolver.c %D%/resolver.h \
	%D%/reverse.c %D%/reverse.h \
	%D%/rrl.c %D%/rrl.h \
	%D%/serve.c \
	%D%/tcp.c %D%/tcp_share.c %D%/tcp_share.h \
	%D%/trace.c %D%/trace.h \
	%D%/tenant_policy.c %D%/tenant_policy.h \
	%D%/tenants.c %D%/tenants.h \
	%D%/udp.c \
	%D%/upstream.c %D%/upstream.h %D%/upstream_internal.h \
	%D%/upstream_message.c %D%/upstream_server.c \
	%D%/upstream_tcp.c \
	%D%/worker.c %D%/worker.h %D%/worker_log.c \
	%D%/zone.c %D%/zone.h %D%/zone_answer.c %D%/zone_internal.h %D%/zone_pool.c \
	%D%/zone_print.c %D%/zone_verbs.c %D%/zone_verbs.h
pkglibexec_PROGRAMS += sixgate-dns64
sixgate_dns64_SOURCES = %D%/main.c
sixgate_dns64_LDADD = libdns64.a libworker.a libconf-model.a $(BASE_LIBS) $(KNOT_LIBS)
