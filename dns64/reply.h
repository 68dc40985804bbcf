/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_DNS64_REPLY_H
#define SIXGATE_DNS64_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns64/cache.h"

/*
 * Messages to clients, written into wire, which has room for request_answer_max(). Each returns
 * the length. What does not fit goes without its additional section, or with TC (RFC 2181 9).
 */
struct policy;
struct request;
struct trace;

#define REPLY_STALE_TTL_S 30 /* RFC 8767 4 */

struct reply {
	struct cached cached;
	bool stale;
	bool authentic;      /* AD may be set: nothing is added, and an upstream has said so */
	uint16_t ede;        /* INFO-CODE, or ANSWER_NO_EDE */
	struct trace *trace; /* NULL: nobody watches */
};

size_t reply_error(const struct request *r, uint16_t rcode, uint16_t ede, uint8_t *wire);
/* That the client is to ask by TCP. */
size_t reply_slip(const struct request *r, uint8_t *wire);
/* As it is. */
size_t reply_answer(const struct request *r, const struct reply *reply, uint8_t *wire);
/* Of an AAAA answer those addresses that count (RFC 6147 5.1.4); at least one does. */
size_t reply_filtered(const struct request *r, const struct reply *reply,
		      const struct policy *policy, uint8_t *wire);
/*
 * AAAA records from an A answer (RFC 6147 5.1.7), none older than ttl_s. special: also of
 * addresses that are nobody's, as ipv4only.arpa has. 0: there is none for that tenant.
 */
size_t reply_synthesised(const struct request *r, const struct reply *reply,
			 const struct policy *policy, uint32_t ttl_s, bool special, uint8_t *wire);

#endif
