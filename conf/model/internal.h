/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_CONF_MODEL_INTERNAL_H
#define SIXGATE_CONF_MODEL_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/arena.h"
#include "base/cursor.h"
#include "base/err.h"
#include "conf/model/issue.h"
#include "conf/model/node.h"
#include "conf/model/tenant.h"

/* The parts from which the objects' wire forms are made; for the files of this folder only. */

void pack_bool(struct buf *out, bool value);
void pack_text(struct buf *out, const char *text); /* NULL is packed as "" */
void pack_addr(struct buf *out, const struct addr *a);
void pack_prefix(struct buf *out, const struct prefix *p);
void pack_prefixes(struct buf *out, const struct prefix *prefixes, size_t n);
void pack_timeouts(struct buf *out, const struct timeouts *t);

/*
 * Reader with a sticky failure: after the first one each call yields zero, NULL or 0 elements, so
 * that an unpack function is straight-line code with one check at its end.
 */
struct unpack {
	struct cursor in;
	struct arena *arena; /* borrowed; what is read is copied into it */
	struct err *err;     /* may be NULL */
	int rc;              /* 0, or the first failure: -EPROTO or -ENOMEM */
};

/* Notes the failure -EPROTO "what: bad". */
void unpack_fail(struct unpack *u, const char *what);
bool unpack_bool(struct unpack *u, const char *what);
/* A value below n. */
unsigned int unpack_enum(struct unpack *u, unsigned int n, const char *what);
/* A terminated copy of min..max bytes without a NUL; NULL for an empty one. */
const char *unpack_text(struct unpack *u, size_t min, size_t max, const char *what);
/* The tenant's, a service's, a tunnel's name. */
const char *unpack_id(struct unpack *u, const char *what);
struct addr unpack_addr(struct unpack *u);
/* Host bits must be zero. */
struct prefix unpack_prefix(struct unpack *u, const char *what);
struct timeouts unpack_timeouts(struct unpack *u);
/*
 * Reads a count of at most max and allocates so many elements of size bytes. The count is also
 * held to the bytes that are left, so that a short message cannot claim much memory.
 */
void *unpack_array(struct unpack *u, size_t max, size_t size, size_t *ret_n, const char *what);
struct prefix *unpack_prefixes(struct unpack *u, size_t max, size_t *ret_n, const char *what);
/* 0 when everything was read and was well-formed, else the failure. */
int unpack_end(struct unpack *u);
/* A host name; only its normalised form is taken. */
const char *unpack_host(struct unpack *u, const char *what);
/* tenant_dns64.c */
void pack_tenant_dns64(struct buf *out, const struct tenant_dns64 *dns64);
void unpack_tenant_dns64(struct unpack *u, struct tenant_dns64 *dns64);
/*
 * tenant_unpack.c, for tenant_whole.c: an object in an arena of its own, which becomes u->arena,
 * with what message TENANT holds. NULL when out of memory.
 */
struct tenant_conf *unpack_tenant(struct unpack *u);
/* As unpack_end(); takes tenant (NULL allowed), also on failure. */
int unpack_tenant_end(struct unpack *u, struct tenant_conf *tenant,
		      struct tenant_conf **ret_tenant) CHECKED;

/*
 * Part of tenant_conf_check(): no two exposures of the object claim the same name, ALPN or
 * address and port.
 */
void check_rules(const struct tenant_conf *tenant, struct issues *issues);
/* Part of tenant_conf_check(): exposures by NAT64's static mappings. */
void check_nat64(const struct tenant_conf *tenant, const struct node_conf *node,
		 struct issues *issues);

/* Part of node_conf_check(): the blocks of ports that tenants get. */
void check_blocks(const struct node_conf *node, struct issues *issues);
/* An address of this machine: its own connections come from there, from local_ports. */
bool check_is_machines(const struct node_conf *node, const struct addr *a);
/* Where those come from: local_ports, or what is usual. */
struct port_range check_local_range(const struct node_conf *node);
/* Without local_ports the translators' ports have to be apart from where connections come from. */
void check_unset_local_ports(const struct node_conf *node, struct port_range local,
			     struct issues *issues);

/* Part of node_conf_check(): DNS64. */
void check_dns64(const struct node_conf *node, struct issues *issues);
/* Part of check_dns64(): the farm's zone. */
void check_zone(const struct node_conf *node, struct issues *issues);
/* Part of tenant_conf_check(): whether the exposure's port is where that is answered. */
bool check_zone_takes(const struct node_conf *node, const struct expose_conf *e);
/* The same: whether the name covers that with the names all tenants have there. */
bool check_zone_covered(const struct node_conf *node, const struct name_pattern *name);
/* Part of tenant_conf_check(): what the tenant has of its own of it. */
void check_tenant_dns64(const struct tenant_conf *tenant, struct issues *issues);
/* A prefix to put IPv4 addresses into (RFC 6052 2.2); one of length 0 was not read. */
void check_pref64(const char *path, const struct prefix *p, struct issues *issues);
/* Part of node_conf_check(): the tunnel to the exit that our IPv6 comes from. */
void check_uplink(const struct node_conf *node, struct issues *issues);
/* The name of a network namespace, which goes into a path; NULL: none is given. */
void check_netns_name(const char *path, const char *name, struct issues *issues);

/* Part of tenant_conf_check(): exposures of whole addresses. */
void check_addresses(const struct tenant_conf *tenant, const struct node_conf *node,
		     struct issues *issues);
/* Part of tenant_conf_check(): each tunnel by itself, and that each prefix has one. */
void check_tunnels(const struct tenant_conf *tenant, const struct node_conf *node,
		   struct issues *issues);

#endif
