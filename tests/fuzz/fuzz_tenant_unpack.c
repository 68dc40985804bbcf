/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as message TENANT: what is taken packs to the same bytes, its backends are its own. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "conf/model/tenant.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tenant_conf *tenant = NULL;
	struct buf out;

	if (tenant_conf_unpack(cursor_from(data, size), &tenant, NULL) < 0) {
		return 0;
	}
	for (size_t s = 0; s < tenant->n_services; s++) {
		for (size_t b = 0; b < tenant->services[s].n_backends; b++) {
			const struct backend_conf *backend = &tenant->services[s].backends[b];

			assert(backend->is_name || tenant_conf_owns(tenant, &backend->address));
		}
	}
	buf_init(&out, size + 1);
	tenant_conf_pack(tenant, &out);
	assert(!out.bad && out.len == size && memcmp(out.data, data, size) == 0);
	buf_fini(&out);
	tenant_conf_unref(tenant);
	return 0;
}
