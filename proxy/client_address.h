/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_PROXY_CLIENT_ADDRESS_H
#define SIXGATE_PROXY_CLIENT_ADDRESS_H

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include "base/str.h"

/*
 * How a tenant's service learns the client's address: by a PROXY header (version 1 or 2 of
 * HAProxy's protocol) in front of the client's bytes, or as the source of our connection to it.
 */
#define PROXY_HEADER_MAX 640 /* bytes: 16 + 36 of addresses + TLVs of 253 and 255 */

/* Writes "PROXY TCP4 ...\r\n". Both ends are of one family. Returns the length. */
size_t proxy_v1_write(const struct endpoint *client, const struct endpoint *local,
		      uint8_t out[PROXY_HEADER_MAX]);

/*
 * The same in version 2, with the TLVs PP2_TYPE_ALPN and PP2_TYPE_AUTHORITY where alpn and
 * authority (at most 255 bytes each) are not empty. Returns the length.
 */
size_t proxy_v2_write(const struct endpoint *client, const struct endpoint *local,
		      struct str authority, struct str alpn, uint8_t out[PROXY_HEADER_MAX]);

/*
 * Makes fd, a new AF_INET6 socket, speak as the IPv4 address client inside client_prefix (a /96).
 * The port is chosen by connect(2), so the ports of one client are not used up by time-waits.
 * Needs the AnyIP route of the prefix, no privilege. Returns 0 or a negative errno.
 */
int client_address_bind(int fd, const struct prefix *client_prefix,
			const struct addr *client) CHECKED;

#endif
