/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_AGENT_NEIGHBOURS_H
#define SIXGATE_GATEWAY_AGENT_NEIGHBOURS_H

#include "base/err.h"

/*
 * The neighbour child: answers neighbour solicitations on an on-link uplink for each address inside
 * the prefixes that control names (RFC 4861 7.2.8), by the packet socket that control has opened.
 * Strangers on the link decide what it reads and how much; it takes so much a second and drops
 * the rest.
 */

/* Says HELLO on the channel and works until told to stop. Returns 0 or a negative errno. */
int neighbours_run(struct err *err) CHECKED;

#endif
