# SPDX-License-Identifier: GPL-3.0-or-later
noinst_LIBRARIES += libkernel.a
libkernel_a_SOURCES = \
	%D%/batch.c %D%/batch.h \
	%D%/chains.c %D%/chains.h \
	%D%/chains_forward.c \
	%D%/chains_inbound.c \
	%D%/chains_out.c \
	%D%/chains_own.c \
	%D%/chains_siit.c \
	%D%/chains_tenants.c \
	%D%/denial.c %D%/denial.h \
	%D%/denied.c %D%/denied.h \
	%D%/driver.h \
	%D%/element_batch.c %D%/element_batch.h \
	%D%/expr.c %D%/expr.h \
	%D%/features.c %D%/features.h \
	%D%/foreign.c %D%/foreign.h \
	%D%/generic.c %D%/generic.h \
	%D%/internal.h \
	%D%/jool.c %D%/jool.h \
	%D%/jool_sweep.c %D%/jool_sweep.h \
	%D%/kernel.c %D%/kernel.h \
	%D%/kernel_drivers.c \
	%D%/kernel_facts.c \
	%D%/kernel_failures.c \
	%D%/kernel_fq.c \
	%D%/kernel_look.c \
	%D%/kernel_paths.c \
	%D%/kernel_plan.c \
	%D%/kernel_sweep.c \
	%D%/kernel_underlay.c \
	%D%/kernel_tenants.c \
	%D%/netlink.c %D%/ops.h \
	%D%/netns.c %D%/netns.h \
	%D%/reconcile.c %D%/reconcile.h \
	%D%/reconcile_check.c %D%/reconcile_internal.h \
	%D%/reconcile_look.c \
	%D%/reconcile_mend.c \
	%D%/outline.c %D%/outline.h \
	%D%/paths.c %D%/paths.h \
	%D%/proxy_prefix.c %D%/proxy_prefix.h \
	%D%/qdisc.c %D%/qdisc.h \
	%D%/port_history.c %D%/port_history.h \
	%D%/rule.c %D%/rule.h \
	%D%/ruleset.c %D%/ruleset.h \
	%D%/special.c %D%/special.h \
	%D%/steps.c %D%/steps.h \
	%D%/survey.c %D%/survey.h \
	%D%/table.c %D%/table.h \
	%D%/view.c %D%/view.h \
	%D%/wants.c %D%/wants.h \
	%D%/wireguard.c %D%/wireguard.h \
	%D%/wireguard_internal.h %D%/wireguard_read.c
libkernel_a_CPPFLAGS = $(AM_CPPFLAGS) $(NFTNL_CFLAGS)

# Drives the library for tests/net; not installed.
noinst_PROGRAMS += tests/tools/kernel-tool
tests_tools_kernel_tool_SOURCES = tests/tools/kernel-tool.c
tests_tools_kernel_tool_LDADD = libkernel.a libnat64.a libplan.a libconf-model.a $(BASE_LIBS) $(NFTNL_LIBS)
noinst_PROGRAMS += tests/tools/firewall-tool
tests_tools_firewall_tool_SOURCES = tests/tools/firewall-tool.c
tests_tools_firewall_tool_LDADD = libkernel.a libnat64.a libplan.a libconf-text.a libconf-model.a $(BASE_LIBS) \
	$(FYAML_LIBS) $(NFTNL_LIBS)

# What rtnetlink holds.
libkernel_a_SOURCES += \
	%D%/rt.c %D%/rt.h %D%/rt_internal.h \
	%D%/rt_address.c \
	%D%/rt_link.c %D%/rt_link.h \
	%D%/rt_link_read.c \
	%D%/rt_neighbour.c \
	%D%/rt_netns.c %D%/rt_netns.h \
	%D%/rt_on_link.c \
	%D%/rt_path.c %D%/rt_path.h \
	%D%/rt_read.c \
	%D%/rt_route.c \
	%D%/rt_rule.c \
	%D%/uevent.c %D%/uevent.h \
	%D%/watch.c %D%/watch.h

# Settings of the machine, and the record of what they were.
libkernel_a_SOURCES += \
	%D%/offload.c %D%/offload.h \
	%D%/record.c %D%/record.h \
	%D%/sysctl.c %D%/sysctl.h
noinst_PROGRAMS += tests/tools/rt-tool
tests_tools_rt_tool_SOURCES = tests/tools/rt-tool.c
tests_tools_rt_tool_LDADD = libkernel.a libnat64.a libplan.a libconf-model.a $(BASE_LIBS) $(NFTNL_LIBS)
