/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_CONF_MODEL_REQUEST_H
#define SIXGATE_CONF_MODEL_REQUEST_H

#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"
#include "base/err.h"

/*
 * The control socket, a stream. The caller sends one request: length u32 of what follows, then
 * version u8, verb u8, number of arguments u8, each argument by buf_str(). The answer is JSON, one
 * object a line, until the end of the stream: first {"ok":true} or {"ok":false,"error":"..."}, then
 * the objects asked for, last {"end":true} (missing: the answer was cut short). An empty line says
 * that the answer is still being worked on.
 * Verbs that change something are refused to the agent's uid (SO_PEERCRED).
 *
 * The objects' fields; a field that is not known is left out or null, new ones may be added:
 * - status: version, node, farm, pid, uptime_ms, state,
 *   problems: [{level: "error" | "warning", what, text}] (worst first, the first hundred),
 *   n_problems,
 *   workers: [{worker, pid, state, restarts, active, fds_budget, accept_pauses, log_dropped,
 *   sources}],
 *   former: [{worker, pid, state}] (workers of before an upgrade, whose sessions are counted
 *   nowhere any more),
 *   tenants: {active, suspended, refused},
 *   listeners: [{address, protocol}],
 *   dns64: {on, workers: [{worker, pid, state, restarts, clients}], listeners, queries, cached,
 *   asked, synthesised, nxdomain, servfail, stale, failed, over_rate, foreign, malformed, unsent,
 *   zone (its name), zone_queries, slipped, limited},
 *   kernel: {applied, and packets dropped by kind},
 *   access_log, query_log: {on, running, lines, dropped},
 *   neighbours: {on, running, answered, foreign, malformed, limited},
 *   and node-wide: active, accepted, refused, closed, bytes_in, bytes_out
 * - services: tenant, service, drained, backends: [{address, active, accepted, connect_failed,
 *   drained}], active, accepted, refused, closed, denied, limited, connect_failed, bytes_in,
 *   bytes_out
 * - sessions: id ("worker.number"), tenant, service, name, client, local, backend, state, age_ms,
 *   idle_ms, bytes_in, bytes_out
 * - tunnels: tenant (null: the uplink's), tunnel, kind, link, prefix, remote, present,
 *   handshake_ms, bytes_in, bytes_out
 * - nat64: sessions: tenant, protocol, inside, outside, remote, state, expires_ms;
 *   bib: tenant, protocol, inside, outside, kind;
 *   pool: tenant, address, ports, size, tcp, udp, icmp (ports in use), percent, alarm;
 *   stats: counter, value, text
 * - denied: tenant, link, reason, packets, bytes, text; tenant null: what is no one tenant's
 * - who: tenant, protocol ("all" for a block of ports), first, last
 * - dns flush: worker, entries
 * - dns cache: worker, entries, bytes, bytes_max, hits, misses, stale, evicted; with a name:
 * worker, name, type, class, dnssec, unchecked, rcode, records, ttl_s, age_s, stale, bogus,
 * authentic, bytes
 * - dns query: at_ms, worker, step ("policy", "cache", "upstream", "decision", "answer",
 *   "record"), text
 * - dns zone: record, a line of a zone file
 * - dns stats: tenant, queries, cached, asked, synthesised, nxdomain, servfail, over_rate
 */
#define REQUEST_MAX      4096 /* bytes, length included */
#define REQUEST_ARGS_MAX 4
#define REQUEST_VERSION  1

enum verb {
	VERB_STATUS = 1,   /* -> one object */
	VERB_SERVICES = 2, /* -> one object a service: tenant, service, backends, counters */
	VERB_SESSIONS = 3, /* [tenant] -> one object a session, written by the workers */
	VERB_RELOAD = 4,
	VERB_DRAIN = 5,     /* "tenant/service" or a backend address */
	VERB_KILL = 6,      /* session, as sessions shows it: "worker.number" */
	VERB_LOG_LEVEL = 7, /* err, warn, info, debug */
	VERB_APPLY = 8,     /* as reload; [seconds] to confirm it */
	VERB_CONFIRM = 9,
	VERB_ROLLBACK = 10,
	VERB_PLAN = 11,    /* -> one object a step that apply would take: step */
	VERB_DRIFT = 12,   /* -> one object a thing found changed: at_s, text, mended */
	VERB_NAT64 = 13,   /* "sessions", "bib", "pool" or "stats", [tenant] -> objects */
	VERB_TUNNELS = 14, /* [tenant] -> one object a tunnel */
	VERB_WHO = 15,     /* address, port -> one object a tenant that has it now */
	VERB_DENIED = 16,  /* [tenant] -> one object a reason for which packets were refused */
	/* Of DNS64's workers, who write the objects. */
	VERB_DNS_FLUSH = 17, /* name, ["below"]: forget what is cached -> one object a worker */
	VERB_DNS_ZONE = 18,  /* -> one object a record of the farm's zone */
	VERB_DNS_STATS = 19, /* [tenant] -> one object a tenant: what became of its queries */
	VERB_DNS_CACHE = 20, /* -> one object a worker; name, ["below"] -> one object an entry */
	VERB_DNS_QUERY =
		21, /* name, type, [tenant] -> one object a step, the answer's records last */
	VERB_LAST = VERB_DNS_QUERY,
};

struct request {
	enum verb verb;
	struct str args[REQUEST_ARGS_MAX]; /* borrowed */
	size_t n_args;
};

/* Appends the wire form. */
void request_pack(const struct request *req, struct buf *out);
/*
 * Reads one request from the first len bytes of data. Returns 1 with ret_req borrowing from data,
 * 0 when more bytes are needed, -EPROTO (err says what) when it can never be one.
 */
int request_unpack(const uint8_t *data, size_t len, struct request *ret_req,
		   struct err *err) CHECKED;

#endif
