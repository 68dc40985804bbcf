/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What comes to where the farm's zone is asked, from anybody: answers of that zone alone, without
 * recursion, whoever asks. No more of them than the source's prefix may have (rrl.h), errors too,
 * or, where TCP or a cookie says that it is not forged, than the source itself.
 */
#include <errno.h>
#include <string.h>

#include <libknot/libknot.h>

#include "conf/model/node.h"
#include "dns64/answer.h"
#include "dns64/reply.h"
#include "dns64/worker.h"
#include "dns64/zone.h"

#define ANSWERS_PER_S 100 /* to a prefix, of all workers */
#define ANSWERS_MIN   10  /* of one */

int authority_prepare(struct dns_worker *w, const struct node_conf *node, struct zone **ret_zone)
{
	uint32_t rate = (uint32_t)(ANSWERS_PER_S / (w->n_workers > 0 ? w->n_workers : 1));
	int rc = 0;

	*ret_zone = NULL;
	if (!node->dns64.zone) {
		return 0;
	}
	if (!w->rrl.entries) {
		rc = rrl_init(&w->rrl, rate > ANSWERS_MIN ? rate : ANSWERS_MIN);
	}
	if (rc == 0 && w->zone && strcmp(node->dns64.zone, w->node->dns64.zone) == 0) {
		*ret_zone = w->zone;
		return 0;
	}
	if (rc == 0) {
		rc = zone_new(node, ret_zone);
	}
	if (rc == 0) {
		rc = tenants_fill_zone(&w->tenants, *ret_zone);
		if (rc < 0) {
			zone_free(*ret_zone);
		}
	}
	return rc;
}

void authority_abandon(struct dns_worker *w, struct zone *zone)
{
	if (zone != w->zone) {
		zone_free(zone);
	}
}

void authority_commit(struct dns_worker *w, const struct node_conf *node, struct zone *zone)
{
	if (w->zone != zone) {
		zone_free(w->zone);
	}
	w->zone = w->tenants.zone = zone;
	if (zone) {
		zone_set_node(zone, node);
		zone_set_serial(zone, (uint32_t)w->serial);
	}
}

void authority_changed(struct dns_worker *w, uint64_t serial)
{
	if (serial > w->serial) {
		w->serial = serial;
	}
	if (w->zone) {
		zone_set_serial(w->zone, (uint32_t)w->serial);
	}
}

void authority_fini(struct dns_worker *w)
{
	zone_free(w->zone);
	w->zone = w->tenants.zone = NULL;
	rrl_fini(&w->rrl);
}

static size_t answer(const struct dns_worker *w, struct request *r, bool slips, uint8_t *wire)
{
	if (slips) {
		return reply_slip(r, wire);
	}
	if (!w->zone) { /* a config without it is in force, its sockets are about to be closed */
		return reply_error(r, KNOT_RCODE_REFUSED, KNOT_EDNS_EDE_NOTAUTH, wire);
	}
	return zone_query(w->zone, r, wire);
}

/*
 * Whether the answer may be sent, and is counted. known: the source is not forged. By TCP, whose
 * clients have nothing else to turn to, it is sent or not.
 */
static enum rrl_verdict limit(struct dns_worker *w, const struct dns_client *client, bool known,
			      bool over_tcp)
{
	enum rrl_verdict verdict =
		w->rrl.entries ? rrl_check(&w->rrl, &client->from.addr, known, w->loop.now_ms)
			       : RRL_PASS;

	switch (verdict) {
	case RRL_PASS:
		return RRL_PASS;
	case RRL_SLIP:
		if (!over_tcp) {
			worker_counter_add(w->own, WORKER_DNS_SLIPPED, 1);
			return RRL_SLIP;
		}
		break;
	case RRL_DROP:
		break;
	}
	worker_counter_add(w->own, WORKER_DNS_LIMITED, 1);
	return RRL_DROP;
}

size_t serve_world(struct dns_worker *w, const struct dns_client *client, bool over_tcp,
		   const uint8_t *message, size_t len, uint8_t *wire)
{
	enum rrl_verdict verdict;
	struct request r;
	enum request_result result = request_read(message, len, &r);
	bool known = over_tcp || (result == REQUEST_READ && serve_knows(w, client, &r));

	worker_counter_add(w->own, WORKER_DNS_ZONE, 1);
	if (result == REQUEST_DROP) {
		return serve_malformed(w, result, over_tcp, &r, wire);
	}
	verdict = limit(w, client, known, over_tcp);
	if (verdict == RRL_DROP) {
		return 0;
	}
	r.authoritative = true;
	if (result != REQUEST_READ) {
		return serve_malformed(w, result, over_tcp, &r, wire);
	}
	serve_prepare(w, client, over_tcp, &r);
	return answer(w, &r, verdict == RRL_SLIP, wire);
}
