/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_KERNEL_CHAINS_H
#define SIXGATE_GATEWAY_KERNEL_CHAINS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"
#include "gateway/kernel/batch.h"
#include "gateway/kernel/kernel.h"
#include "gateway/kernel/rule.h"
#include "gateway/plan/firewall.h"

/* The table's chains and rules: the guard of client_prefix, and where the workers may send. */

/* Echo requests a second, of each tenant. */
#define CHAINS_ECHO_RATE  100
#define CHAINS_ECHO_BURST 200

/*
 * How long the proxy's connections are remembered: shorter than others once they ended. Two entries
 * a connection for two minutes would fill the kernel's table at a thousand connections a second.
 */
#define TIMEOUT_PROXIED "proxied"

/* All chains with their rules; counters and sets come before. Returns 0 or -ENOMEM. */
int chains_put(struct batch *b, const struct firewall *fw) CHECKED;

/* Of chains.c for the others: a chain; type NULL: one that others jump to. */
int chain_put(struct batch *b, const char *name, const char *type, int hook, int priority) CHECKED;
/* Of chains_inbound.c: rules that accept what is from, or to, tenants that are open to everybody.
 */
int chain_accept_open(struct batch *b, const struct firewall *fw, const char *chain,
		      enum rule_address which) CHECKED;
/* The parts of chains_put() for tenants' traffic, one file each. Each 0 or negative. */
/* first: others jump there */
int chains_put_inbound(struct batch *b, const struct firewall *fw) CHECKED;
int chains_put_raw(struct batch *b, const struct firewall *fw) CHECKED;
int chains_put_tenants(struct batch *b, const struct firewall *fw) CHECKED;
int chains_put_own(struct batch *b, const struct firewall *fw) CHECKED;
int chains_put_forward(struct batch *b, const struct firewall *fw) CHECKED;
int chains_put_out(struct batch *b, const struct firewall *fw) CHECKED;
int chains_put_siit(struct batch *b, const struct firewall *fw) CHECKED;

#endif
