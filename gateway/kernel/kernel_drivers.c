/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which driver does what: the one list of all of them.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/model/port_event.h"
#include "gateway/kernel/internal.h"

static void add(struct kernel_drivers *d, struct driver driver)
{
	assert(d->n < KERNEL_DRIVERS_MAX);
	d->driver[d->n++] = driver;
}

static void add_main(struct kernel_drivers *d, const struct kernel_ops *ops)
{
	d->rt = (struct rt){.ops = ops, .ns = NS_MAIN, .siit = d->has_siit ? &d->siit : NULL};
	d->jool = (struct jool_context){.ops = ops, .translator = TRANSLATOR_NAT64};
	if (access(SIXGATE_STATEDIR, F_OK) == 0) {
		d->jool.history = PORT_HISTORY_FILE; /* an installed one has the folder */
		ruleset_keep_history(d->ruleset, PORT_HISTORY_FILE);
	}
	d->sysctls = (struct sysctls){.root = "/proc/sys", .record = d->record};
	d->offloads = (struct offloads){.ops = ops, .record = d->record};
	add(d, ruleset_driver(d->ruleset));
	add(d, sysctl_driver(&d->sysctls));
	add(d, offload_driver(&d->offloads));
	add(d, rt_link_driver(&d->rt));
	d->wireguard = (struct wireguard){.ops = ops};
	add(d, wireguard_driver(&d->wireguard));
	add(d, rt_address_driver(&d->rt));
	add(d, rt_rule_driver(&d->rt));
	add(d, rt_route_driver(&d->rt));
	add(d, rt_neighbour_driver(&d->rt));
	proxy_prefixes_init(&d->proxy_prefixes);
	add(d, proxy_prefix_driver(&d->proxy_prefixes));
	add(d, jool_driver(&d->jool));
}

/* Those of the stateless translator, each made to work inside its namespace. */
static void add_inner(struct kernel_drivers *d)
{
	struct driver inner[KERNEL_SIIT_INNER];
	size_t n = 0;

	d->rt_inner = (struct rt){.ops = &d->inner_ops, .ns = NS_SIIT};
	d->jool_inner = (struct jool_context){.ops = &d->inner_ops, .translator = TRANSLATOR_SIIT};
	d->jool_inner.history = d->jool.history;
	d->sysctls_inner = (struct sysctls){.root = "/proc/sys", .record = d->record_inner};
	inner[n++] = sysctl_driver(&d->sysctls_inner);
	inner[n++] = rt_address_driver(&d->rt_inner);
	inner[n++] = rt_route_driver(&d->rt_inner);
	inner[n++] = jool_driver(&d->jool_inner);
	assert(n <= KERNEL_SIIT_INNER);
	for (size_t i = 0; i < n; i++) {
		add(d, netns_driver(&d->netns_driver[i], &d->siit, inner[i]));
	}
	d->netns_driver[n - 1].can = jool_can;
}

int kernel_drivers_init(struct kernel_drivers *d, const struct kernel_ops *ops, const char *run_dir,
			struct err *err)
{
	int rc;

	memset(d, 0, sizeof(*d));
	rc = ruleset_new(ops, &d->ruleset, err);
	if (rc == 0) {
		rc = record_new(run_dir, RECORD_MAIN, &d->record, err);
	}
	if (rc == 0) {
		rc = record_new(run_dir, "settings-siit", &d->record_inner, err);
	}
	if (rc < 0) {
		kernel_drivers_fini(d);
		return rc;
	}
	rc = netlink_new(&d->inner, err);
	if (rc < 0) {
		kernel_drivers_fini(d);
		return rc;
	}
	d->inner_ops = netlink_ops(d->inner);
	/* without it there is no stateless translator, which is told when one is asked for */
	d->has_siit = netns_init(&d->siit, &d->inner_ops, NETNS_SIIT, NULL) == 0;
	add_main(d, ops);
	if (d->has_siit) {
		add_inner(d);
	}
	return 0;
}

void kernel_drivers_fini(struct kernel_drivers *d)
{
	netlink_free(d->inner);
	proxy_prefixes_fini(&d->proxy_prefixes);
	if (d->has_siit) {
		netns_fini(&d->siit);
	}
	free(d->record);
	free(d->record_inner);
	ruleset_free(d->ruleset);
	memset(d, 0, sizeof(*d));
}
