/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_RESPONDER_H
#define SIXGATE_GATEWAY_RESPONDER_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cursor.h"
#include "base/json.h"
#include "conf/model/message.h"
#include "conf/model/node.h"
#include "gateway/control/helper.h"

struct kernel;

/* What of the uplink the process has to know; it looks at nothing by itself. */
struct responder_link {
	unsigned int index; /* 0: it is not there */
	uint8_t mac[6];
	struct addr source; /* one of its addresses, link-local if there is one */
};

/*
 * The process that answers neighbours on an on-link uplink (sixgate-agent --neighbours) for the
 * prefixes that the kernel's reconciler has in force.
 */
struct responder {
	struct helper helper;  /* its loop, problems, path, user and root are set before */
	struct kernel *kernel; /* borrowed; NULL: there is none, nor anything to answer for */
	char interface[IFNAMSIZ];
	struct prefix farm;
	struct responder_link link; /* as it was told */
	struct buf changes;         /* of NEIGHBOUR_PREFIXES, to be sent after this batch */
	struct deferred flush;
	bool flushing; /* flush is deferred */
	uint64_t counts[N_NEIGHBOUR_COUNTS], counts_before[N_NEIGHBOUR_COUNTS];
};

/* The borrowed members are set before, but for kernel. Starts nothing. */
void responder_init(struct responder *r);
/* Ends it at once. */
void responder_fini(struct responder *r);
/* The kernel is there: its prefixes are followed from now on. */
void responder_follow(struct responder *r, struct kernel *kernel);
/* Starts or ends the process, or has it look elsewhere, as conf asks for. */
void responder_configure(struct responder *r, const struct node_conf *conf);
/* Its part of `status`. */
void responder_write(const struct responder *r, struct json *j, const char *key);

#endif
