/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a node config says about this machine, against the machine.
 */
#include <errno.h>
#include <ifaddrs.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "conf/model/check.h"
#include "gateway/control/control.h"

/* The range of this machine's own connections; last 0: not known. */
static struct port_range local_ports(void)
{
	FILE *f = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
	struct port_range range = {0};

	if (f) {
		if (fscanf(f, "%" SCNu16 " %" SCNu16, &range.first, &range.last) != 2) {
			range.last = 0;
		}
		(void)fclose(f); /* only read */
	}
	return range;
}

int control_check_machine(const struct node_conf *node, struct issues *issues)
{
	struct ifaddrs *list = NULL;
	struct addr *addresses;
	size_t n = 0;

	if (node->nat64.n_pool == 0) {
		return 0;
	}
	if (getifaddrs(&list) < 0) {
		return -errno;
	}
	for (const struct ifaddrs *i = list; i; i = i->ifa_next) {
		n++;
	}
	addresses = calloc(n + 1, sizeof(*addresses));
	n = 0;
	for (const struct ifaddrs *i = list; addresses && i; i = i->ifa_next) {
		struct endpoint endpoint;

		if (i->ifa_addr && endpoint_from_sockaddr(i->ifa_addr, &endpoint) == 0) {
			addresses[n++] = endpoint.addr;
		}
	}
	freeifaddrs(list);
	if (!addresses) {
		return -ENOMEM;
	}
	node_conf_check_machine(node, addresses, n, local_ports(), issues);
	free(addresses);
	return 0;
}
