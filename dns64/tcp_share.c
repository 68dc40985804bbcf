/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Shares of tenants in what TCP connections may hold; see tcp_share.h. Used by tcp.c only. */
#include "dns64/tcp_share.h"

#include <stdlib.h>

#include "base/container.h"

static bool whose_eq(const struct table_node *node, const void *key)
{
	return container_of(node, struct tcp_share, node)->whose == *(const uint64_t *)key;
}

/* Ids are control's and count up: they need no hash. */
static struct tcp_share *share_find(const struct table *shares, uint64_t whose)
{
	struct table_node *node = table_find(shares, whose, whose_eq, &whose);

	return node ? container_of(node, struct tcp_share, node) : NULL;
}

struct tcp_share *tcp_share_get(struct table *shares, uint64_t whose)
{
	struct tcp_share *share = share_find(shares, whose);

	if (!share) {
		share = calloc(1, sizeof(*share));
		if (!share || table_insert(shares, &share->node, whose) < 0) {
			free(share);
			return NULL;
		}
		share->whose = whose;
	}
	share->n_clients++;
	return share;
}

void tcp_share_put(struct table *shares, struct tcp_share *share)
{
	if (share && --share->n_clients == 0) {
		table_remove(shares, &share->node);
		free(share);
	}
}
