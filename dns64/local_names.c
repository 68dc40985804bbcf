/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ipv4only.arpa as its zone is on the Internet, with the names of its two addresses. */
#include "dns64/local_names.h"

#include <string.h>

#include <libknot/libknot.h>

#include "base/addr.h"
#include "dns64/local_records.h"

#define TTL_S 3600 /* for a host to notice another Pref64 soon enough */

static const uint8_t ipv4only[] = "\10ipv4only\4arpa";
static const uint8_t name_server[] = "\7sixgate\7invalid";
static const uint8_t first[4] = {192, 0, 0, 170}, second[4] = {192, 0, 0, 171};
static const uint8_t first_name[] = "\003170\0010\0010\003192\7in-addr\4arpa";
static const uint8_t second_name[] = "\003171\0010\0010\003192\7in-addr\4arpa";

#define RECORD(of, what, bytes)                                                      \
	{                                                                            \
		.name = (of), .type = (what), .data = (bytes), .len = sizeof(bytes), \
		.ttl_s = TTL_S                                                       \
	}

static const struct local_record records[] = {
	RECORD(ipv4only, KNOT_RRTYPE_A, first),
	RECORD(ipv4only, KNOT_RRTYPE_A, second),
	RECORD(ipv4only, KNOT_RRTYPE_NS, name_server),
	RECORD(first_name, KNOT_RRTYPE_PTR, ipv4only),
	RECORD(first_name, KNOT_RRTYPE_NS, name_server),
	RECORD(second_name, KNOT_RRTYPE_PTR, ipv4only),
	RECORD(second_name, KNOT_RRTYPE_NS, name_server),
};

#define N_RECORDS (sizeof(records) / sizeof(records[0]))

bool local_names_is_ipv4only(const struct question *q)
{
	return q->class == KNOT_CLASS_IN && knot_dname_is_equal(q->name, ipv4only);
}

/* Whether q is in that zone, which has one name. */
static bool find_in(const struct question *q, const uint8_t *zone, struct answer **ret_answer)
{
	const struct local_record soa = local_records_soa(zone);
	int depth = knot_dname_in_bailiwick(q->name, zone);

	if (q->class != KNOT_CLASS_IN || depth < 0) {
		return false;
	}
	*ret_answer =
		local_records_answer(records, N_RECORDS, q,
				     depth == 0 ? KNOT_RCODE_NOERROR : KNOT_RCODE_NXDOMAIN, &soa);
	return true;
}

bool local_names_find(const struct question *q, struct answer **ret_answer)
{
	return find_in(q, ipv4only, ret_answer) || find_in(q, first_name, ret_answer) ||
	       find_in(q, second_name, ret_answer);
}

bool local_names_pointer(const struct question *q, const struct addr *v4,
			 struct answer **ret_answer)
{
	const struct local_record soa = local_records_soa(q->name);
	const struct local_record pointer = RECORD(q->name, KNOT_RRTYPE_PTR, ipv4only);

	if (memcmp(v4->b + 12, first, sizeof(first)) != 0 &&
	    memcmp(v4->b + 12, second, sizeof(second)) != 0) {
		return false;
	}
	*ret_answer = local_records_answer(&pointer, 1, q, KNOT_RCODE_NOERROR, &soa);
	return true;
}
