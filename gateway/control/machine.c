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
#include "gateway/kernel/sysctl.h"
#include "gateway/plan/object.h"

#define LOCAL_PORTS "net/ipv4/ip_local_port_range"

static void setting_read(char text[OBJECT_SYSCTL_MAX])
{
	FILE *f = fopen("/proc/sys/" LOCAL_PORTS, "re");

	text[0] = '\0';
	if (f) {
		if (!fgets(text, OBJECT_SYSCTL_MAX, f)) {
			text[0] = '\0';
		}
		(void)fclose(f); /* only read */
	}
}

/*
 * The range of this machine's own connections where we do not set it: it may be ours at present, of
 * a config that comes to its end with the one to be checked. last 0: not known.
 */
static struct port_range local_ports(const char *run_dir)
{
	char text[OBJECT_SYSCTL_MAX];
	struct port_range range = {0};

	if (!sysctl_former(run_dir, LOCAL_PORTS, text)) {
		setting_read(text);
	}
	if (sscanf(text, "%" SCNu16 " %" SCNu16, &range.first, &range.last) != 2) {
		range.last = 0;
	}
	return range;
}

int control_check_machine(const struct node_conf *node, const char *run_dir, struct issues *issues)
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
	node_conf_check_machine(node, addresses, n, local_ports(run_dir), issues);
	free(addresses);
	return 0;
}
