/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Capabilities of this process, by libcap-ng; called by control. Workers have sandbox.h. */
#include "base/caps.h"

#include <cap-ng.h>
#include <errno.h>
#include <stdint.h>

bool caps_have(unsigned int cap)
{
	return capng_get_caps_process() == 0 && capng_have_capability(CAPNG_EFFECTIVE, cap);
}

int caps_bound(const unsigned int *wanted, size_t n, struct err *err)
{
	const capng_type_t sets = CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET;
	capng_select_t select = CAPNG_SELECT_ALL;
	uint64_t have = 0;

	if (capng_get_caps_process() < 0) {
		return err_set(err, -EPERM, "capabilities cannot be read");
	}
	for (size_t i = 0; i < n; i++) {
		/* a container may have left some out */
		if (capng_have_capability(CAPNG_PERMITTED, wanted[i])) {
			have |= UINT64_C(1) << wanted[i];
		}
	}
	if (!capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP)) {
		/* as under the unit, which has set the bounds: the library would log a failure */
		select = CAPNG_SELECT_CAPS | CAPNG_SELECT_AMBIENT;
	}
	capng_clear(CAPNG_SELECT_ALL);
	for (size_t i = 0; i < n; i++) {
		if (have >> wanted[i] & 1 && capng_update(CAPNG_ADD, sets, wanted[i]) < 0) {
			return err_set(err, -EPERM, "capabilities cannot be chosen");
		}
	}
	if (capng_apply(select) < 0) {
		return err_set(err, -EPERM, "capabilities cannot be given up");
	}
	return 0;
}
