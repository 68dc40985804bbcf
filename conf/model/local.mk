# SPDX-License-Identifier: GPL-3.0-or-later
noinst_LIBRARIES += libconf-model.a
libconf_model_a_SOURCES = \
	%D%/check.h \
	%D%/check_address.c \
	%D%/check_blocks.c \
	%D%/check_dns64.c \
	%D%/check_machine.c \
	%D%/check_nat64.c \
	%D%/check_node.c \
	%D%/check_rules.c \
	%D%/check_tenant.c \
	%D%/check_tunnel.c \
	%D%/check_uplink.c \
	%D%/check_zone.c \
	%D%/claim.h \
	%D%/claims.c %D%/claims.h \
	%D%/claims_block.c \
	%D%/claims_internal.h \
	%D%/claims_key.c %D%/claims_key.h \
	%D%/claims_name.c %D%/claims_name.h \
	%D%/claims_prefix.c %D%/claims_prefix.h \
	%D%/claims_take.c \
	%D%/claims_unit.c %D%/claims_unit.h \
	%D%/internal.h \
	%D%/issue.c %D%/issue.h \
	%D%/message.c %D%/message.h \
	%D%/name.c %D%/name.h \
	%D%/node.c %D%/node.h \
	%D%/port_event.c %D%/port_event.h \
	%D%/ports.c %D%/ports.h \
	%D%/request.c %D%/request.h \
	%D%/special.c %D%/special.h \
	%D%/tenant.c %D%/tenant.h \
	%D%/tenant_dns64.c \
	%D%/tenant_pack.c \
	%D%/tenant_unpack.c \
	%D%/tenant_whole.c \
	%D%/wire.c
