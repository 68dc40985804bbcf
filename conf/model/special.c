/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * IPv4 special-purpose addresses. Those of the registry that are global are left out:
 * 192.31.196/24, 192.52.193/24 and 192.175.48/24; but for the parts of 192.0.0/24 that are, which
 * no tenant has a use for.
 */
#include "conf/model/special.h"

#include <endian.h>
#include <string.h>

#define RANGE(o1, o2, o3, o4, bits)                                                           \
	{                                                                                     \
		.addr = {.b = {[10] = 0xff, [11] = 0xff, o1, o2, o3, o4}}, .len = 96 + (bits) \
	}

/* clang-format off */
const struct special_range special_ranges[] = {
	{RANGE(0, 0, 0, 0, 8), "this network (RFC 791)", false},
	{RANGE(10, 0, 0, 0, 8), "private (RFC 1918)", false},
	{RANGE(100, 64, 0, 0, 10), "shared by providers (RFC 6598)", false},
	{RANGE(127, 0, 0, 0, 8), "loopback (RFC 1122)", false},
	{RANGE(169, 254, 0, 0, 16), "link-local (RFC 3927)", false},
	{RANGE(172, 16, 0, 0, 12), "private (RFC 1918)", false},
	{RANGE(192, 0, 0, 0, 24), "protocol assignments (RFC 6890)", false},
	{RANGE(192, 0, 2, 0, 24), "documentation (RFC 5737)", true},
	{RANGE(192, 88, 99, 0, 24), "6to4 relays (RFC 7526)", false},
	{RANGE(192, 168, 0, 0, 16), "private (RFC 1918)", false},
	{RANGE(198, 18, 0, 0, 15), "benchmarking (RFC 2544)", true},
	{RANGE(198, 51, 100, 0, 24), "documentation (RFC 5737)", true},
	{RANGE(203, 0, 113, 0, 24), "documentation (RFC 5737)", true},
	{RANGE(224, 0, 0, 0, 4), "multicast (RFC 5771)", false},
	{RANGE(240, 0, 0, 0, 4), "reserved (RFC 1112), broadcast among it", false},
};
/* clang-format on */
const size_t n_special_ranges = sizeof(special_ranges) / sizeof(special_ranges[0]);

static uint32_t bits_of(const struct addr *a)
{
	uint32_t bits;

	memcpy(&bits, a->b + 12, sizeof(bits));
	return be32toh(bits);
}

/* For each address that DNS64 synthesises from: not by prefix_contains(), which is ten times that.
 */
const struct special_range *special_find(const struct addr *a)
{
	uint32_t bits = bits_of(a);

	for (size_t i = 0; addr_is_v4(a) && i < n_special_ranges; i++) {
		const struct prefix *range = &special_ranges[i].range;

		if ((bits ^ bits_of(&range->addr)) >> (128 - range->len) == 0) {
			return &special_ranges[i];
		}
	}
	return NULL;
}
