/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_PROXY_ACL_H
#define SIXGATE_PROXY_ACL_H

#include <stdbool.h>

#include "base/addr.h"
#include "conf/model/tenant.h"

/*
 * True when the exposure's allow and deny let client in: no prefix of deny holds it, and one of
 * allow does or allow is empty. A prefix speaks of its own family only: ::/0 is every IPv6
 * client and no IPv4 one, which struct addr holds as ::ffff:a.b.c.d.
 */
bool acl_allows(const struct expose_conf *expose, const struct addr *client);

#endif
