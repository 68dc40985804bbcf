/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_DNS64_LOCAL_RECORDS_H
#define SIXGATE_DNS64_LOCAL_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns64/question.h"

/* Answers made here, of records that no upstream is asked for. */
struct answer;

#define LOCAL_RECORDS_MAX   256 /* of a tenant: they are looked through */
#define LOCAL_RECORDS_TTL_S 60

/* Class IN, and no CNAME or DNAME. All is borrowed. */
struct local_record {
	const uint8_t *name; /* lower case, as on the wire */
	uint16_t type;
	uint16_t len;        /* of data */
	const uint8_t *data; /* as on the wire, without compression */
	uint32_t ttl_s;
};

/*
 * Whether q's name has records: it is answered from them alone, whatever the Internet says.
 * *ret_answer: those of its type, or that there are none; free(3), NULL when out of memory.
 */
bool local_records_find(const struct local_record *records, size_t n, const struct question *q,
			struct answer **ret_answer);
/*
 * The same when q's name is known to be theirs, or to be in the zone of soa and to have none (rcode
 * says whether it exists), with soa when there are none. NULL: out of memory.
 */
struct answer *local_records_answer(const struct local_record *records, size_t n,
				    const struct question *q, uint16_t rcode,
				    const struct local_record *soa);
/* The SOA of a zone that is of no server. */
struct local_record local_records_soa(const uint8_t *zone);

#endif
