/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_KERNEL_DENIAL_H
#define SIXGATE_GATEWAY_KERNEL_DENIAL_H

#include "base/err.h"
#include "gateway/kernel/batch.h"
#include "gateway/kernel/rule.h"

/*
 * Why the table refuses a packet. Each reason has a counter of its name, and those that are a
 * tenant's doing, or happen to its traffic, are counted by tenant besides. The numbers are kept in
 * the kernel over an upgrade: a new one goes to the end.
 */
enum denial {
	DENIAL_SPOOFED,        /* from outside with a source inside client_prefix */
	DENIAL_UNEXPECTED,     /* to client_prefix, but of no connected socket */
	DENIAL_FOREIGN_SOURCE, /* another uid with a source inside client_prefix */
	DENIAL_PROXY,
	DENIAL_AGENT,
	DENIAL_OUTER, /* protocol 41 from where no tunnel of ours is */
	DENIAL_NESTED,
	DENIAL_SOURCE,
	DENIAL_SPECIAL_6,
	DENIAL_SPECIAL_4,
	DENIAL_BITS,
	DENIAL_PROTOCOL,
	DENIAL_MAIL,
	DENIAL_OWN,
	DENIAL_LAN,
	DENIAL_INBOUND,
	DENIAL_ECHO,
	DENIAL_NAT44,
	DENIAL_FLOWS,
	DENIAL_SIIT,
	DENIAL_FLOWS_FULL,
	DENIAL_DNS64,
	N_DENIALS,
};

/* As counters and JSON name it, "lan_denied"; and what it means, in a sentence's words. */
const char *denial_name(enum denial why);
const char *denial_text(enum denial why);

/*
 * Where rules that refuse a packet go to: a chain each, so that the counting by tenant costs no
 * packet that passes.
 */
enum denied {
	DENIED_NESTED,
	DENIED_SOURCE,
	DENIED_SPECIAL_6,
	DENIED_SIIT,         /* rejected: not everybody's prefix */
	DENIED_SIIT_OUTSIDE, /* the same, from where no tenant is: dropped */
	DENIED_SPECIAL_4,
	DENIED_BITS,
	DENIED_PROTOCOL,
	DENIED_MAIL,
	DENIED_OWN,
	DENIED_LAN,
	DENIED_LAN_TRANSLATED, /* dropped: nothing can be rejected there, as below */
	DENIED_INBOUND,
	DENIED_INBOUND_TRANSLATED,
	DENIED_ECHO,     /* of the tenant the request goes to */
	DENIED_ECHO_OWN, /* of the tenant it is from */
	DENIED_NAT44,
	DENIED_FLOWS,
	DENIED_FLOWS_FULL,
	N_DENIED,
};

/* The chains; before the rules that go there. Returns 0 or -ENOMEM. */
int denied_put(struct batch *b, const struct firewall *fw) CHECKED;
/* Ends a rule: the packet is counted and refused. */
int rule_end_denied(struct rule *r, struct batch *b, enum denied denied) CHECKED;

#endif
