/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_DNS64_LOCAL_NAMES_H
#define SIXGATE_DNS64_LOCAL_NAMES_H

#include <stdbool.h>

#include "dns64/question.h"

/*
 * ipv4only.arpa and the names of its two addresses, by which hosts find their Pref64 (RFC 7050).
 * They are answered here and asked of nobody (RFC 8880 7.1).
 */
struct addr;
struct answer;

/* Whether the question is of such a name. *ret_answer: to free(3); NULL when out of memory. */
bool local_names_find(const struct question *q, struct answer **ret_answer);
/* Whether it is ipv4only.arpa itself. */
bool local_names_is_ipv4only(const struct question *q);
/* The answer to q, which is a name of that address under a Pref64, if the address is one of those.
 */
bool local_names_pointer(const struct question *q, const struct addr *v4,
			 struct answer **ret_answer);

#endif
