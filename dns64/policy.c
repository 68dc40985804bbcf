/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What of the answers a tenant sees as it is, and what as addresses under its Pref64. */
#include "dns64/policy.h"

#include <libknot/libknot.h>

#include "conf/model/special.h"

const struct prefix policy_excluded[1] = {
	{.addr = {.b = {[10] = 0xff, [11] = 0xff}}, .len = 96},
};

static const struct prefix well_known = {.addr = {.b = {0x00, 0x64, 0xff, 0x9b}}, .len = 96};

static bool is_under(const uint8_t *const *names, size_t n, const uint8_t *name)
{
	for (size_t i = 0; i < n; i++) {
		if (knot_dname_in_bailiwick(name, names[i]) >= 0) {
			return true;
		}
	}
	return false;
}

bool policy_never(const struct policy *p, const uint8_t *name)
{
	return is_under(p->never, p->n_never, name);
}

bool policy_always(const struct policy *p, const uint8_t *name)
{
	return is_under(p->always, p->n_always, name);
}

static bool is_in(const struct prefix *prefixes, size_t n, const struct addr *a)
{
	for (size_t i = 0; i < n; i++) {
		if (prefix_contains(&prefixes[i], a)) {
			return true;
		}
	}
	return false;
}

bool policy_excludes(const struct policy *p, const struct addr *a)
{
	return is_in(p->excluded, p->n_excluded, a);
}

bool policy_maps(const struct policy *p, const struct pref64 *pref64, const struct addr *v4)
{
	const struct special_range *special = special_find(v4);

	if (pref64->n_mapped > 0 && !is_in(pref64->mapped, pref64->n_mapped, v4)) {
		return false;
	}
	if (!special) {
		return true;
	}
	/* RFC 6052 3.1: what is not global is never under the well-known prefix */
	return prefix_cmp(&pref64->prefix, &well_known) != 0 &&
	       (special->example || is_in(p->permitted, p->n_permitted, v4));
}
