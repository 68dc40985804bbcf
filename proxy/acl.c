/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Who may use an exposure. Called once a session, before a backend is picked. The lists are
 * short (EXPOSE_ACL_MAX at most) and are walked as they stand in the object.
 */
#include "proxy/acl.h"

static bool list_holds(const struct prefix *list, size_t n, const struct addr *client)
{
	bool v4 = addr_is_v4(client);

	for (size_t i = 0; i < n; i++) {
		if (prefix_is_v4(&list[i]) == v4 && prefix_contains(&list[i], client)) {
			return true;
		}
	}
	return false;
}

bool acl_allows(const struct expose_conf *expose, const struct addr *client)
{
	if (list_holds(expose->deny, expose->n_deny, client)) {
		return false;
	}
	return expose->n_allow == 0 || list_holds(expose->allow, expose->n_allow, client);
}
