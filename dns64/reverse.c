/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The names of addresses under Pref64, which are aliases of those of the IPv4 addresses. */
#include "dns64/reverse.h"

#include <stdio.h>
#include <string.h>

#include "dns64/policy.h"

#define NIBBLES 32

static const uint8_t ip6_arpa[] = "\3ip6\4arpa";

/* What a name in ip6.arpa says of an address: the first n of its nibbles. */
struct nibbles {
	unsigned int n;
	bool more; /* labels that are not nibbles, or more than an address has */
	struct addr addr;
};

static int nibble_of(const uint8_t *label)
{
	if (label[0] != 1) {
		return -1;
	}
	if (label[1] >= '0' && label[1] <= '9') {
		return label[1] - '0';
	}
	return label[1] >= 'a' && label[1] <= 'f' ? label[1] - 'a' + 10 : -1;
}

/* The labels before ip6.arpa, the first one first. False: it is not in there. */
static bool labels_before(const struct question *q, const uint8_t *labels[QUESTION_NAME_MAX],
			  unsigned int *ret_n)
{
	const uint8_t *at = q->name;
	unsigned int n = 0;

	while (*at != 0) {
		if ((size_t)(q->name + q->len - at) == sizeof(ip6_arpa) &&
		    memcmp(at, ip6_arpa, sizeof(ip6_arpa)) == 0) {
			*ret_n = n;
			return true;
		}
		labels[n++] = at;
		at += *at + 1;
	}
	return false;
}

static bool nibbles_read(const struct question *q, struct nibbles *ret_nibbles)
{
	const uint8_t *labels[QUESTION_NAME_MAX];
	unsigned int n_labels;

	*ret_nibbles = (struct nibbles){0};
	if (!labels_before(q, labels, &n_labels)) {
		return false;
	}
	for (unsigned int i = n_labels; i > 0; i--) {
		unsigned int at = ret_nibbles->n;
		int value = nibble_of(labels[i - 1]);

		if (value < 0 || at == NIBBLES) {
			ret_nibbles->more = true;
			break;
		}
		ret_nibbles->addr.b[at / 2] |= (uint8_t)(at % 2 == 0 ? value << 4 : value);
		ret_nibbles->n++;
	}
	return true;
}

/* Whether some address that begins like that is as addr_embed() makes it. */
static bool some_below(const struct prefix *p, const struct nibbles *n)
{
	struct addr v4 = {.b = {[10] = 0xff, [11] = 0xff}}, mask;
	struct addr a = n->addr;

	/* the IPv4 part may be anything behind what the name says, the rest is zero */
	memset(v4.b + 12, 0xff, 4);
	mask = addr_embed(p, &v4);
	for (unsigned int i = p->len / 8; i < sizeof(a.b); i++) {
		if ((a.b[i] & (uint8_t)~mask.b[i]) != 0) {
			return false;
		}
	}
	return true;
}

/* The name of a prefix that q is in, each of whose nibbles is a label of two bytes. */
static const uint8_t *zone_of(const struct question *q, const struct prefix *p)
{
	return q->name + q->len - sizeof(ip6_arpa) - (size_t)p->len / 4 * 2;
}

enum reverse_result reverse_find(const struct policy *policy, const struct question *q,
				 struct addr *ret_v4, const uint8_t **ret_zone)
{
	enum reverse_result result = REVERSE_OTHER;
	struct nibbles n;

	if (!nibbles_read(q, &n)) {
		return REVERSE_OTHER;
	}
	for (size_t i = 0; i < policy->n_pref64s; i++) {
		const struct prefix *p = &policy->pref64s[i].prefix;

		if (n.n * 4 < p->len || !prefix_contains(p, &n.addr)) {
			continue;
		}
		if (n.n == NIBBLES && !n.more && addr_extract(p, &n.addr, ret_v4)) {
			return REVERSE_ADDRESS;
		}
		*ret_zone = zone_of(q, p);
		if (n.n < NIBBLES && !n.more && some_below(p, &n)) {
			return REVERSE_ABOVE;
		}
		result = REVERSE_NONE;
	}
	return result;
}

void reverse_target(const struct question *q, const struct addr *v4, struct question *ret_target)
{
	static const uint8_t in_addr_arpa[] = "\7in-addr\4arpa";
	char text[4];

	*ret_target = *q;
	ret_target->name_hash = 0;
	ret_target->len = 0;
	for (unsigned int i = 16; i > 12; i--) {
		int n = snprintf(text, sizeof(text), "%u", v4->b[i - 1]);

		ret_target->name[ret_target->len++] = (uint8_t)n;
		memcpy(ret_target->name + ret_target->len, text, (size_t)n);
		ret_target->len = (uint8_t)(ret_target->len + n);
	}
	memcpy(ret_target->name + ret_target->len, in_addr_arpa, sizeof(in_addr_arpa));
	ret_target->len = (uint8_t)(ret_target->len + sizeof(in_addr_arpa));
}
