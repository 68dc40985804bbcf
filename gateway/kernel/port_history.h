/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_KERNEL_PORT_HISTORY_H
#define SIXGATE_GATEWAY_KERNEL_PORT_HISTORY_H

#include "gateway/plan/plan.h"

/*
 * Writes the history of public ports (conf/model/port_event.h): for each of the steps that is a
 * row of pool4, a block of NAT44 or a whole address, who has it from now on. What cannot be written
 * is logged; the network does not wait for a full disk.
 */
void port_history_write(const char *path, const struct step *steps, size_t n_steps, uint64_t now_s);

#endif
