# SPDX-License-Identifier: GPL-3.0-or-later
noinst_LIBRARIES += libagent.a
libagent_a_SOURCES = \
	%D%/lines.c %D%/lines.h \
	%D%/logger.c %D%/logger.h \
	%D%/neighbours.c %D%/neighbours.h \
	%D%/sink.c %D%/sink.h \
	%D%/solicitation.c %D%/solicitation.h \
	%D%/syslog.c %D%/syslog.h \
	%D%/talk.c %D%/talk.h
pkglibexec_PROGRAMS += sixgate-agent
sixgate_agent_SOURCES = %D%/main.c
sixgate_agent_LDADD = libagent.a libconf-model.a $(BASE_LIBS)
