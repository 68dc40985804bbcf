/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_CONF_TEXT_VALUE_H
#define SIXGATE_CONF_TEXT_VALUE_H

#include "conf/model/tenant.h"
#include "conf/text/schema.h"

/*
 * Readers of single values (value_net.c), and what they share with those of value.c. Each fills
 * its last parameter, or leaves it and adds an issue at node.
 */

#define VALUE_SHOWN_MAX 80 /* bytes of a value that a message repeats */

/* The value as a message shows it. Returns buf (VALUE_SHOWN_MAX bytes). */
const char *value_shown(char *buf, const struct tree_node *node);
#define VALUE_QUANTITY_MAX 32
/* A value of KEY_DURATION or KEY_BYTES as it is written, in the largest unit: "10min". */
const char *value_quantity(char *buf, enum key_type type, uint64_t value);
/* A copy in the object's arena, or NULL with no_memory set. */
const char *value_keep(struct reader *r, struct str text);

void value_read_addr(struct reader *r, const struct tree_node *node, enum key_type type,
		     struct addr *out);
void value_read_prefix(struct reader *r, const struct tree_node *node, const struct key *key,
		       struct prefix *out);
void value_read_ports(struct reader *r, const struct tree_node *node, struct port_range *out);
void value_read_endpoint(struct reader *r, const struct tree_node *node, struct endpoint *out);
void value_read_host(struct reader *r, const struct tree_node *node, const char **out);
void value_read_pattern(struct reader *r, const struct tree_node *node, struct name_pattern *out);
void value_read_backend(struct reader *r, const struct tree_node *node, struct backend_conf *out);
void value_read_service(struct reader *r, const struct tree_node *node, const char **ret_tenant,
			const char **ret_service);

#endif
