/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_AGENT_SOLICITATION_H
#define SIXGATE_GATEWAY_AGENT_SOLICITATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

/*
 * Neighbour solicitations and their answers as a proxy gives them (RFC 4861 4.3, 4.4, 7.1.1,
 * 7.2.8). Pure: bytes in, bytes out. A packet here begins with its IPv6 header.
 */
#define SOLICITATION_BYTES_MAX 512 /* of a packet; longer ones nobody needs */
#define ADVERTISEMENT_BYTES    72  /* IPv6 header, target, link-layer address */
#define MAC_BYTES              6

struct mac {
	uint8_t b[MAC_BYTES];
};

struct solicitation {
	struct addr source; /* unspecified: the asker wants the target for itself (RFC 4862 5.4) */
	struct addr target; /* unicast */
	bool has_mac;
	struct mac mac; /* the asker's, as it says */
};

enum solicitation_result {
	SOLICITATION_FOUND,
	SOLICITATION_MALFORMED, /* or not a solicitation */
};

/* ret_solicitation is filled on SOLICITATION_FOUND. Any bytes will do. */
enum solicitation_result solicitation_read(const uint8_t *packet, size_t len,
					   struct solicitation *ret_solicitation);

/*
 * Writes the answer: target is reached at the link-layer address own. source is an address of the
 * uplink. A probe for duplicates is answered to all nodes, so that the asker keeps off the
 * tenant's address; all else to the asker. Override is not set, as we are a proxy. ret_mac: where
 * to send it if the asker did not say (from, the sender of the frame).
 */
void advertisement_write(const struct solicitation *s, const struct addr *source,
			 const struct mac *own, const struct mac *from,
			 uint8_t ret_packet[ADVERTISEMENT_BYTES], struct mac *ret_mac);

/*
 * Writes a Multicast Router Advertisement (RFC 4286 3). A solicitation goes to a multicast group
 * of the address it asks for, and nobody can be in the groups of all addresses of a prefix; so
 * this asks the link's switches that look at multicast to hand all of it on to us. source is
 * link-local.
 */
#define SNOOPERS_BYTES      56
#define SNOOPERS_INTERVAL_S 20
void snoopers_write(const struct addr *source, uint8_t ret_packet[SNOOPERS_BYTES],
		    struct mac *ret_mac);

#endif
