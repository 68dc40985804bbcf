/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Special-use addresses as constants of the rules. Most destinations are told from them by one
 * look-up of their first byte; the list is walked for the few that share it.
 */
#include "gateway/kernel/special.h"

#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <string.h>

#include "conf/model/special.h"
#include "gateway/kernel/chains.h"
#include "gateway/kernel/denial.h"
#include "gateway/kernel/expr.h"

#define DESTINATION_6 24 /* offset in the header */
#define DESTINATION_4 16

/* Compares what of 16 (or 4) bytes at offset the mask leaves. */
static void compare_masked(struct rule *r, uint32_t offset, const uint8_t *value,
			   const uint8_t *mask, uint32_t len)
{
	uint32_t first = 0, last = len;
	bool whole = true;

	while (first + 1 < len && mask[first] == 0) {
		first++;
	}
	while (last > first + 1 && mask[last - 1] == 0) {
		last--;
	}
	for (uint32_t i = first; i < last; i++) {
		whole = whole && mask[i] == 0xff;
	}
	expr_payload(r, NFT_PAYLOAD_NETWORK_HEADER, offset + first, last - first, 0);
	if (!whole) {
		expr_mask(r, mask + first, last - first, 0);
	}
	expr_compare(r, NFT_CMP_EQ, value + first, last - first);
}

/* The destination, inside p where there is one, lies in the first len bits of v4. */
static void compare_v4(struct rule *r, const struct prefix *p, const uint8_t v4[4],
		       unsigned int len)
{
	struct addr value = {{0}}, mask = {{0}};
	const struct prefix none = {.len = p ? p->len : 0};

	memcpy(value.b + 12, v4, 4);
	for (unsigned int bit = 0; bit < len; bit++) {
		mask.b[12 + bit / 8] |= (uint8_t)(0x80u >> bit % 8);
	}
	if (!p) {
		compare_masked(r, DESTINATION_4, value.b + 12, mask.b + 12, 4);
		return;
	}
	value = firewall_embed(&none, &value);
	mask = firewall_embed(&none, &mask);
	compare_masked(r, DESTINATION_6, value.b, mask.b, sizeof(value.b));
}

int special4_put(struct batch *b, const char *chain, const struct firewall *fw,
		 const struct prefix *p)
{
	uint32_t first_byte =
		!p ? DESTINATION_4 : DESTINATION_6 + (p->len == 64 ? 9u : p->len / 8u);
	char list[32];
	struct rule r;
	int rc = 0;

	(void)snprintf(list, sizeof(list), "%s_special", chain); /* our chains' names are short */
	rc |= chain_put(b, list, NULL, 0, 0);
	rule_begin(&r, chain);
	if (p && strcmp(chain, "pref64") != 0) {
		rule_in_prefix(&r, RULE_DESTINATION, p);
	}
	expr_payload(&r, NFT_PAYLOAD_NETWORK_HEADER, first_byte, 1, 0);
	expr_in_set(&r, FIREWALL_OCTETS, true, 0);
	rc |= rule_end_jump(&r, b, list);

	rule_begin(&r, list); /* tenants reach each other's exposures by our own addresses */
	if (p) {
		expr_address6(&r, RULE_DESTINATION, 128, 0);
		expr_in_set(&r, FIREWALL_POOL_6, true, 0);
	} else {
		expr_address4(&r, RULE_DESTINATION, 0);
		expr_in_set(&r, FIREWALL_POOL_4, true, 0);
	}
	rule_verdict(&r, NFT_RETURN, NULL);
	rc |= rule_end(&r, b);
	for (size_t i = 0; i < fw->n_permit; i++) {
		rule_begin(&r, list);
		compare_v4(&r, p, fw->permit[i].addr.b + 12, fw->permit[i].len - 96u);
		rule_verdict(&r, NFT_RETURN, NULL);
		rc |= rule_end(&r, b);
	}
	for (size_t i = 0; i < n_special_ranges; i++) {
		const struct prefix *special = &special_ranges[i].range;

		rule_begin(&r, list);
		compare_v4(&r, p, special->addr.b + 12, special->len - 96u);
		rc |= rule_end_denied(&r, b, DENIED_SPECIAL_4);
	}
	return rc;
}

int special6_put(struct batch *b, const char *chain, enum rule_address which)
{
	static const struct {
		uint8_t value[4];
		uint8_t len; /* bytes */
	} specials6[] = {
		{{0x00}, 1},                   /* mapped, compatible, loopback, well-known Pref64 */
		{{0x20, 0x02}, 2},             /* 6to4 */
		{{0x20, 0x01, 0x00, 0x00}, 4}, /* Teredo */
		{{0xfe}, 1},                   /* link-local, site-local */
		{{0xff}, 1},                   /* multicast */
	};
	const uint32_t offset = which == RULE_SOURCE ? 8 : DESTINATION_6;
	int rc = 0;

	for (size_t i = 0; i < sizeof(specials6) / sizeof(specials6[0]); i++) {
		struct rule r;

		rule_begin(&r, chain);
		expr_payload(&r, NFT_PAYLOAD_NETWORK_HEADER, offset, specials6[i].len, 0);
		expr_compare(&r, NFT_CMP_EQ, specials6[i].value, specials6[i].len);
		rc |= rule_end_denied(&r, b, DENIED_SPECIAL_6);
	}
	return rc;
}
