/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_DNS64_QUERY_VERBS_H
#define SIXGATE_DNS64_QUERY_VERBS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct channel_msg;
struct dns_worker;
struct trace;

/*
 * `sixgate dns query`: resolves as for a client of a tenant, by the same code, and tells the caller
 * each step. Takes the descriptor of the order. Returns LINK_ANSWERED or a negative errno with err.
 */
int dns_query(struct dns_worker *w, struct channel_msg *msg, struct err *err) CHECKED;
/* The answer to such a query, which has waited. */
void dns_query_answered(struct trace *trace, const uint8_t *wire, size_t len);

#endif
