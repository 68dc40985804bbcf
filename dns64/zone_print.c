/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The farm's zone as text; see zone.h. Called by zone_verbs.c. */
#include <string.h>

#include <libknot/libknot.h>

#include "base/cursor.h"
#include "dns64/zone_internal.h"

void zone_walk_begin(struct zone *z, struct zone_walk *walk)
{
	*walk = (struct zone_walk){.zone = z, .next = TAILQ_FIRST(&z->order)};
	LIST_INSERT_HEAD(&z->walks, walk, link);
}

void zone_walk_end(struct zone_walk *walk)
{
	if (walk->zone) {
		LIST_REMOVE(walk, link);
		walk->zone = NULL;
	}
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

bool zone_print_next(struct zone_walk *walk, struct buf *out)
{
	const struct zone_name *n = walk->next;

	if (!walk->zone) {
		return false;
	}
	if (!walk->begun) {
		walk->begun = true;
		print_head(walk->zone, out);
		return true;
	}
	if (n) {
		walk->next = TAILQ_NEXT(n, entry);
		print_name(walk->zone, n->name, n, out);
	}
	return n != NULL;
}
