/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_DNS64_REQUEST_H
#define SIXGATE_DNS64_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "dns64/question.h"

/* A client's message. */
#define REQUEST_UDP_MIN    512  /* bytes of an answer without EDNS (RFC 1035 4.2.1) */
#define REQUEST_UDP_MAX    1232 /* what we advertise, and the most we send (RFC 9715) */
#define REQUEST_COOKIE_MAX 40   /* RFC 7873 4: 8 of the client, 8 to 32 of the server */

struct request {
	uint16_t id;
	uint8_t opcode;
	bool rd, cd, ad;
	bool edns, dnssec;    /* dnssec: DO */
	uint16_t udp_size;    /* of its OPT record */
	bool wants_nsid;      /* RFC 5001 */
	bool wants_keepalive; /* RFC 7828 */
	uint8_t cookie_len;   /* as received; 0: none */
	/* What the answer is to carry besides, set by who received it; nsid is borrowed. */
	bool over_tcp;
	struct str nsid;
	uint16_t keepalive_100ms;
	uint8_t server_cookie_len; /* of cookie, behind the client's 8; 0: none is sent */
	bool unproven;             /* by UDP, with a cookie that is not ours (RFC 7873 5.2.4) */
	bool authoritative;        /* AA, and no RA: it is answered from a zone of ours */
	/* What is behind the lengths of these is not set. */
	struct question q;
	uint8_t name[QUESTION_NAME_MAX]; /* in the client's case; q.len bytes */
	uint8_t cookie[REQUEST_COOKIE_MAX];
};

enum request_result {
	REQUEST_READ,
	REQUEST_DROP,    /* nothing is to be sent: an answer, or too short for one */
	REQUEST_FORMERR, /* these three are to be answered so; id, opcode, rd are set */
	REQUEST_NOTIMP,
	REQUEST_BADVERS, /* q is set, too */
};

/* Reads a message from a client (RFC 1035 4.1, RFC 6891). *ret_request is all set on all but DROP.
 */
enum request_result request_read(const uint8_t *wire, size_t len, struct request *ret_request);

/* Transfers, and what only messages have. */
bool request_is_meta(uint16_t type);
/* The most bytes an answer may have. */
size_t request_answer_max(const struct request *r);

#endif
