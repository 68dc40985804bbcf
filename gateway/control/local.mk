# SPDX-License-Identifier: GPL-3.0-or-later
noinst_LIBRARIES += libcontrol.a
libcontrol_a_SOURCES = \
	%D%/calls.c %D%/calls.h \
	%D%/carry.c %D%/carry.h \
	%D%/confirm.c \
	%D%/control.c %D%/control.h \
	%D%/cover.c \
	%D%/denied.c %D%/denied.h \
	%D%/dirty.c %D%/dirty.h \
	%D%/drained.c \
	%D%/drift.c %D%/drift.h \
	%D%/fdstore.c %D%/fdstore.h \
	%D%/former.c %D%/former.h %D%/former_talk.c \
	%D%/handover.c %D%/handover.h %D%/handover_list.c \
	%D%/helper.c %D%/helper.h \
	%D%/holder.c \
	%D%/identity.c %D%/identity.h \
	%D%/internal.h \
	%D%/keeper.c %D%/keeper.h \
	%D%/listener.c \
	%D%/listeners.c %D%/listeners.h \
	%D%/logchild.c %D%/logchild.h \
	%D%/machine.c \
	%D%/nat64.c %D%/nat64.h \
	%D%/notify.c %D%/notify.h \
	%D%/items.c %D%/items.h \
	%D%/port_alarm.c %D%/port_alarm.h \
	%D%/probation.c %D%/probation.h \
	%D%/problems.c %D%/problems.h \
	%D%/recall.c \
	%D%/reload.c \
	%D%/responder.c %D%/responder.h \
	%D%/rollout.c \
	%D%/selector.c %D%/selector.h \
	%D%/serial.c %D%/serial.h \
	%D%/server.c %D%/server.h \
	%D%/slots.c %D%/slots.h %D%/slots_kept.c \
	%D%/socket.c %D%/socket.h \
	%D%/solicited.c %D%/solicited.h \
	%D%/spawn.c %D%/spawn.h \
	%D%/start.c \
	%D%/status.c %D%/status.h \
	%D%/swap.c \
	%D%/tenants.c %D%/tenants.h \
	%D%/totals.c %D%/totals.h \
	%D%/tried.c \
	%D%/tunnels.c %D%/tunnels.h \
	%D%/verbs.c \
	%D%/verbs_dns.c %D%/verbs_dns.h \
	%D%/verbs_kernel.c %D%/verbs_kernel.h \
	%D%/upgrade.c %D%/upgrade.h \
	%D%/uplink.c %D%/uplink.h \
	%D%/worker_talk.c \
	%D%/workers.c %D%/workers.h

sbin_PROGRAMS += sixgated
sixgated_SOURCES = %D%/main.c
CONTROL_LIBS = libcontrol.a libregistry.a libkernel.a libnat64.a libplan.a libconf-text.a libconf-model.a $(BASE_LIBS) \
	$(FYAML_LIBS) $(NFTNL_LIBS)
sixgated_LDADD = $(CONTROL_LIBS)
