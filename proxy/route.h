/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_PROXY_ROUTE_H
#define SIXGATE_PROXY_ROUTE_H

#include <stdint.h>

struct session;
struct sni_hello;
struct worker;

/*
 * Where a session goes: finds the rule, else the listener's default, applies allow, deny and the
 * limits, and has the backend connected. Closes the session, with an alert to a tls client, when
 * there is no way for it.
 */
void route_by_hello(struct session *s, const struct sni_hello *hello);
void route_by_endpoint(struct session *s);

/*
 * What a rate is measured by: sessions of a tenant or service that all workers let through so
 * far. Denied ones are left out, or a client that is shut out could use up the rate.
 */
uint64_t route_admitted(const struct worker *w, uint32_t slot);

#endif
