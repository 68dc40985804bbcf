/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the verb denied shows: what the rules refused, with the tenants' names.
 */
#include "gateway/control/denied.h"

#include <string.h>

#include "base/json.h"
#include "gateway/plan/derive.h"

static void write_count(const char *tenant, const char *link, enum denial why, uint64_t packets,
			uint64_t bytes, struct buf *out)
{
	struct json j = json_to(out);

	json_open(&j, NULL, '{');
	json_text(&j, "tenant", tenant);
	json_text(&j, "link", link);
	json_text(&j, "reason", denial_name(why));
	json_u64(&j, "packets", packets);
	json_u64(&j, "bytes", bytes);
	json_text(&j, "text", denial_text(why));
	json_close(&j, '}');
	json_end_line(&j);
}

static void write_counts(const char *tenant, const struct denied_count *items, size_t n,
			 struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		write_count(tenant, items[i].link[0] != '\0' ? items[i].link : NULL, items[i].why,
			    items[i].packets, items[i].bytes, out);
	}
}

/* The device of one tunnel alone, whose name says so. */
static bool is_own_link(const char *link)
{
	return strncmp(link, "sg-", 3) == 0 && strcmp(link, DERIVE_WG_LINK) != 0;
}

void denied_write_tenant(const struct node_conf *conf, const struct tenant_conf *tenant,
			 const struct denied_counts *counts, struct buf *out)
{
	const struct denied_count *items;
	size_t n;

	if (tenant->n_tunnels == 0 || !conf->has_ipv6_prefix) {
		return;
	}
	items = denied_find(counts, derive_mark(conf, tenant), "", &n);
	write_counts(tenant->name, items, n, out);
	for (size_t i = 0; i < tenant->n_tunnels; i++) {
		char link[IFNAMSIZ];

		if (tenant->tunnels[i].kind != TUNNEL_ROUTE &&
		    is_own_link(derive_link(conf, &tenant->tunnels[i], link))) {
			items = denied_find(counts, 0, link, &n);
			write_counts(tenant->name, items, n, out);
		}
	}
}

void denied_write_rest(const struct kernel_counters *total, const struct denied_counts *counts,
		       struct buf *out)
{
	static const enum denial whole[] = {DENIAL_SPOOFED,        DENIAL_UNEXPECTED,
					    DENIAL_FOREIGN_SOURCE, DENIAL_PROXY,
					    DENIAL_AGENT,          DENIAL_OUTER};

	for (size_t i = 0; i < counts->n && counts->items[i].mark == 0; i++) {
		if (!is_own_link(counts->items[i].link)) {
			write_counts(NULL, &counts->items[i], 1, out);
		}
	}
	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++) {
		const struct kernel_count *count = &total->of[whole[i]];

		if (count->packets > 0) {
			write_count(NULL, NULL, whole[i], count->packets, count->bytes, out);
		}
	}
}
