/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_DNS64_TENANT_POLICY_H
#define SIXGATE_DNS64_TENANT_POLICY_H

#include <stdbool.h>

struct dns_tenant;
struct node_conf;
struct tenant_conf;

/*
 * What node and the tenant's object make of DNS64 for it, in one block with all its lists, of which
 * neither has to stay: dns_tenant_unref(). mapped: for a host with a whole IPv4 address, which
 * leaves by siit.prefix whatever the tenant says. NULL when out of memory.
 */
struct dns_tenant *tenant_policy_new(const struct node_conf *node, const struct tenant_conf *conf,
				     bool mapped);

#endif
