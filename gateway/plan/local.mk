# SPDX-License-Identifier: GPL-3.0-or-later
noinst_LIBRARIES += libplan.a
libplan_a_SOURCES = \
	%D%/derive.c %D%/derive.h \
	%D%/desired.c %D%/desired.h \
	%D%/desired_firewall.c \
	%D%/desired_inbound.c \
	%D%/desired_link.c \
	%D%/desired_nat64.c \
	%D%/desired_siit.c \
	%D%/desired_uplink.c \
	%D%/desired_wireguard.c \
	%D%/firewall.c %D%/firewall.h %D%/firewall_elements.h \
	%D%/object.c %D%/object.h \
	%D%/object_format.c \
	%D%/object_set.c %D%/object_set.h \
	%D%/plan.c %D%/plan.h \
	%D%/tunnel_mtu.c %D%/tunnel_mtu.h
