/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The farm's zone as text; see zone.h. Called by zone_verbs.c. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <libknot/libknot.h>

#include "base/container.h"
#include "base/cursor.h"
#include "dns64/zone_internal.h"

int zone_walk_begin(const struct zone *z, struct zone_walk *walk)
{
	struct table_iter it = {0};
	struct table_node *node;

	*walk = (struct zone_walk){.names = malloc(z->names.count * QUESTION_NAME_MAX + 1)};
	if (!walk->names) {
		return -ENOMEM;
	}
	while ((node = table_next(&z->names, &it))) {
		const struct zone_name *n = container_of(node, struct zone_name, node);

		memcpy(walk->names + walk->len, n->name, n->len);
		walk->len += n->len;
	}
	return 0;
}

void zone_walk_end(struct zone_walk *walk)
{
	free(walk->names);
	*walk = (struct zone_walk){.begun = true};
}

static void print_record(const struct local_record *record, struct buf *out)
{
	char name[KNOT_DNAME_TXT_MAXLEN + 1], text[KNOT_DNAME_TXT_MAXLEN + 1];
	struct addr a = {.b = {[10] = 0xff, [11] = 0xff}};

	if (!knot_dname_to_str(name, record->name, sizeof(name))) {
		out->bad = true;
		return;
	}
	buf_printf(out, "%s %u ", name, record->ttl_s);
	switch (record->type) {
	case KNOT_RRTYPE_A:
		memcpy(a.b + 12, record->data, 4);
		buf_printf(out, "A %s\n", addr_format(&a, text));
		break;
	case KNOT_RRTYPE_AAAA:
		memcpy(a.b, record->data, sizeof(a.b));
		buf_printf(out, "AAAA %s\n", addr_format(&a, text));
		break;
	case KNOT_RRTYPE_HTTPS:
		buf_printf(out, "HTTPS 1 . port=%u\n",
			   knot_wire_read_u16(record->data + ZONE_HTTPS_PORT_AT));
		break;
	default:
		buf_printf(out, "NS %s\n", knot_dname_to_str(text, record->data, sizeof(text)));
		break;
	}
}

static void print_name(const struct zone *z, const uint8_t *name, const struct zone_name *at,
		       struct buf *out)
{
	struct zone_records r;

	zone_collect(&r, z, name, at);
	for (size_t i = 0; i < r.n; i++) {
		print_record(&r.list[i], out);
	}
}

static void print_head(const struct zone *z, struct buf *out)
{
	char name[KNOT_DNAME_TXT_MAXLEN + 1], server[KNOT_DNAME_TXT_MAXLEN + 1];
	char mailbox[KNOT_DNAME_TXT_MAXLEN + 1];

	if (!knot_dname_to_str(name, z->name, sizeof(name)) ||
	    !knot_dname_to_str(server, z->server, sizeof(server)) ||
	    !knot_dname_to_str(mailbox, z->mailbox, sizeof(mailbox))) {
		out->bad = true;
		return;
	}
	buf_printf(out, "%s %u SOA %s %s %u %u %u %u %u\n", name, ZONE_TTL_S, server, mailbox,
		   z->serial, ZONE_REFRESH_S, ZONE_RETRY_S, ZONE_EXPIRE_S, ZONE_TTL_S);
	print_name(z, z->name, NULL, out);
}

bool zone_print_next(const struct zone *z, struct zone_walk *walk, struct buf *out)
{
	const uint8_t *name = walk->names + walk->at;
	const struct zone_name *at;

	if (!walk->begun) {
		walk->begun = true;
		print_head(z, out);
		return true;
	}
	if (walk->at == walk->len) {
		return false;
	}
	walk->at += knot_dname_size(name);
	at = zone_name_find(z, name);
	if (at) { /* else it has gone meanwhile */
		print_name(z, name, at, out);
	}
	return true;
}
