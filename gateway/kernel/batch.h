/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_KERNEL_BATCH_H
#define SIXGATE_GATEWAY_KERNEL_BATCH_H

#include <libmnl/libmnl.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"
#include "base/err.h"
#include "gateway/kernel/ops.h"

struct outline;

/* One nftables transaction on our table: all of it or nothing. */
#define TABLE_NAME      "sixgate"
#define BATCH_WHATS_MAX 64

struct batch {
	struct buf buf;                    /* whole messages, BATCH_BEGIN first */
	uint8_t *scratch;                  /* owned; the message being built */
	uint32_t seq;                      /* of the last message */
	size_t last;                       /* its offset in buf */
	const char *what[BATCH_WHATS_MAX]; /* borrowed: what the messages from first_seq[i] on are
					      for */
	uint32_t first_seq[BATCH_WHATS_MAX];
	size_t n_whats;
	unsigned int n_rules;    /* put into it by rule_end() */
	struct outline *outline; /* borrowed; is told what is put into the batch; NULL: nobody */
};

int batch_init(struct batch *b) CHECKED;
void batch_fini(struct batch *b);
/* Names what the messages that follow are for; shown when the kernel refuses one. */
void batch_what(struct batch *b, const char *what);
/* Begins a message (NFT_MSG_*); its payload goes behind, then batch_add() puts it into the batch.
 */
struct nlmsghdr *batch_message(struct batch *b, uint16_t type, uint16_t flags);
void batch_add(struct batch *b, const struct nlmsghdr *nlh);
/* An empty batch is success without a word to the kernel. */
int batch_commit(struct batch *b, const struct kernel_ops *ops, struct err *err) CHECKED;
/* For a batch that is right for one generation of the rules only: -ERESTART when that is past. */
int batch_commit_at(struct batch *b, const struct kernel_ops *ops, uint32_t generation_be,
		    struct err *err) CHECKED;
/* The generation of the rules, as NFNL_BATCH_GENID takes it. fault may be NULL. */
int generation_get(const struct kernel_ops *ops, uint32_t *ret_generation_be,
		   struct kernel_fault *fault) CHECKED;

#endif
