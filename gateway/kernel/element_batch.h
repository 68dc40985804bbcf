/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_KERNEL_ELEMENT_BATCH_H
#define SIXGATE_GATEWAY_KERNEL_ELEMENT_BATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/kernel/batch.h"
#include "gateway/plan/firewall.h"
#include "gateway/plan/object.h"

struct nftnl_set;

/* The sets as messages of a batch: their definitions, and elements cut into messages. */

/* All sets, empty where they are new. Returns 0 or -ENOMEM. */
int sets_define(struct batch *b) CHECKED;

/* Elements on their way into the sets, or out of them. */
struct element_batch {
	struct batch *b; /* borrowed */
	uint16_t type;   /* NFT_MSG_NEWSETELEM or NFT_MSG_DELSETELEM */
	bool bad;        /* out of memory; sticky */
	struct {
		struct nftnl_set *nftnl; /* owned; elements of the message to be; NULL: none */
		unsigned int n;
	} set[N_FIREWALL_SETS];
};
void element_batch_init(struct element_batch *eb, struct batch *b, uint16_t type);
void element_batch_add(struct element_batch *eb, const struct object_element *element);
/* Puts the rest into the batch and frees. Returns 0 or -ENOMEM. */
int element_batch_finish(struct element_batch *eb) CHECKED;

#endif
