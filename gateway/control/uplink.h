/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_CONTROL_UPLINK_H
#define SIXGATE_GATEWAY_CONTROL_UPLINK_H

#include "base/loop.h"

/*
 * Looks every few seconds whether the exit that our IPv6 comes from answers, where WireGuard can
 * tell; when it does not, that is one of the problems that status shows.
 */
struct uplink {
	struct timer timer;
};

void uplink_init(struct uplink *uplink);
/* Begins; the first look is one interval from now. */
void uplink_arm(struct uplink *uplink, struct loop *loop);

#endif
