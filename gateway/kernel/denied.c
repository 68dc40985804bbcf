/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The sets that count refused packets by tenant (denial.c has the rules): read for `sixgate
 * denied`, and rid of what is a former tenant's.
 */
#include "gateway/kernel/denied.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/kernel/batch.h"
#include "gateway/kernel/element_batch.h"
#include "gateway/kernel/view.h"
#include "gateway/plan/derive.h"
#include "gateway/plan/firewall.h"

#define READ_TRIES 5

struct reader {
	struct denied_counts *counts;
	size_t size;
};

static int count_seen(const struct view_element *e, void *arg)
{
	struct reader *reader = arg;
	struct denied_counts *counts = reader->counts;
	struct denied_count one = {.packets = e->packets, .bytes = e->bytes};
	uint32_t why;

	if (e->key_len != firewall_set_type(e->set)->key_len) {
		return 0; /* not our set as we define it */
	}
	memcpy(&why, (const char *)e->key + e->key_len - sizeof(why), sizeof(why));
	if (why >= N_DENIALS) {
		return 0; /* of a newer version */
	}
	one.why = (enum denial)why;
	if (e->set == FIREWALL_DENIED) {
		memcpy(&one.mark, e->key, sizeof(one.mark));
	} else {
		memcpy(one.link, e->key, sizeof(one.link) - 1);
	}
	if (counts->n == reader->size) {
		size_t size = reader->size ? reader->size * 2 : 64;
		void *items = reallocarray(counts->items, size, sizeof(*counts->items));

		if (!items) {
			return -ENOMEM;
		}
		counts->items = items;
		reader->size = size;
	}
	counts->items[counts->n++] = one;
	return 0;
}

static int owner_cmp(const struct denied_count *a, const struct denied_count *b)
{
	return a->mark != b->mark ? (a->mark > b->mark) - (a->mark < b->mark)
				  : strcmp(a->link, b->link);
}

static int count_cmp(const void *a, const void *b)
{
	const struct denied_count *first = a, *second = b;
	int owner = owner_cmp(first, second);

	return owner != 0 ? owner : (int)first->why - (int)second->why;
}

int denied_read(const struct kernel_ops *ops, struct denied_counts *ret_counts, struct err *err)
{
	static const enum firewall_set sets[] = {FIREWALL_DENIED, FIREWALL_DENIED_LINKS};
	struct reader reader = {.counts = ret_counts};
	int rc = 0;

	*ret_counts = (struct denied_counts){0};
	for (size_t i = 0; rc == 0 && i < sizeof(sets) / sizeof(sets[0]); i++) {
		const size_t first = ret_counts->n;

		rc = -EINTR;
		for (int tries = 0; tries < READ_TRIES && rc == -EINTR; tries++) {
			ret_counts->n = first;
			rc = view_elements(ops, sets[i], count_seen, &reader, err);
		}
	}
	if (rc < 0) {
		denied_fini(ret_counts);
		return rc;
	}
	if (ret_counts->n > 0) {
		qsort(ret_counts->items, ret_counts->n, sizeof(*ret_counts->items), count_cmp);
	}
	return 0;
}

void denied_fini(struct denied_counts *counts)
{
	free(counts->items);
	*counts = (struct denied_counts){0};
}

const struct denied_count *denied_find(const struct denied_counts *counts, uint32_t mark,
				       const char *link, size_t *ret_n)
{
	struct denied_count key = {.mark = mark};
	size_t low = 0, high = counts->n, end;

	if (mark == 0) {
		memcpy(key.link, link, strnlen(link, sizeof(key.link) - 1));
	}
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (owner_cmp(&counts->items[middle], &key) < 0) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	for (end = low; end < counts->n && owner_cmp(&counts->items[end], &key) == 0; end++) {
	}
	*ret_n = end - low;
	return end > low ? &counts->items[low] : NULL;
}

/* One key for each reason. */
static void add(struct element_batch *eb, enum firewall_set set, const void *owner, size_t len)
{
	for (uint32_t why = 0; why < N_DENIALS; why++) {
		struct object_element e = {.set = (uint8_t)set,
					   .key_len = firewall_set_type(set)->key_len};

		memcpy(e.key, owner, len);
		memcpy(e.key + e.key_len - sizeof(why), &why, sizeof(why));
		element_batch_add(eb, &e);
	}
}

/* The tenant's own device of that tunnel. False: it shares one. */
static bool own_link(const struct node_conf *node, const struct tunnel_conf *tunnel,
		     char link[IFNAMSIZ])
{
	return tunnel->kind != TUNNEL_ROUTE &&
	       strcmp(derive_link(node, tunnel, link), DERIVE_WG_LINK) != 0;
}

static bool has_link(const struct node_conf *node, const struct tenant_conf *tenant,
		     const char *link)
{
	for (size_t i = 0; tenant && i < tenant->n_tunnels; i++) {
		char own[IFNAMSIZ];

		if (own_link(node, &tenant->tunnels[i], own) && strcmp(own, link) == 0) {
			return true;
		}
	}
	return false;
}

/* What former is known by, and next is not. Returns how many owners, or -ENOMEM. */
static int put_all(struct batch *b, uint16_t type, const struct node_conf *node,
		   const struct tenant_conf *former, const struct tenant_conf *next)
{
	const uint32_t mark = derive_mark(node, former);
	struct element_batch eb;
	int n = 0;

	element_batch_init(&eb, b, type);
	if (!next || next->n_tunnels == 0 || derive_mark(node, next) != mark) {
		add(&eb, FIREWALL_DENIED, &mark, sizeof(mark));
		n++;
	}
	for (size_t i = 0; i < former->n_tunnels; i++) {
		char link[IFNAMSIZ];

		if (own_link(node, &former->tunnels[i], link) && !has_link(node, next, link)) {
			add(&eb, FIREWALL_DENIED_LINKS, link, strlen(link));
			n++;
		}
	}
	return element_batch_finish(&eb) < 0 ? -ENOMEM : n;
}

/* Added first, each can be deleted whether it was there or not. */
void denied_forget(const struct kernel_ops *ops, const struct node_conf *node,
		   const struct tenant_conf *former, const struct tenant_conf *next)
{
	struct batch b;
	struct err err;
	int rc;

	if (former->n_tunnels == 0 || batch_init(&b) < 0) {
		return;
	}
	rc = put_all(&b, NFT_MSG_NEWSETELEM, node, former, next);
	rc = rc <= 0 ? rc : put_all(&b, NFT_MSG_DELSETELEM, node, former, next);
	rc = rc <= 0 ? rc : batch_commit(&b, ops, &err);
	(void)rc; /* they go in time, too */
	batch_fini(&b);
}
