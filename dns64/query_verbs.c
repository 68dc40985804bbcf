/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `sixgate dns query`; see query_verbs.h. The query is a client's but that it has a trace: what is
 * noted on its way goes to the caller at once, at last the answer itself. The caller may leave
 * before: then the query waits on, watched by nobody.
 */
#include "dns64/query_verbs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libknot/libknot.h>

#include "base/container.h"
#include "base/json.h"
#include "conf/model/tenant.h"
#include "dns64/dns_words.h"
#include "dns64/internal.h"
#include "dns64/tenant_policy.h"
#include "dns64/trace.h"
#include "dns64/worker.h"
#include "worker/stream.h"

#define RECORD_TEXT_MAX 1800 /* bytes of a record that are told */

struct watch {
	struct stream stream;
	struct trace trace;
	struct dns_worker *worker;
	struct dns_tenant *tenant; /* owned: made for this query, which is not the tenant's own */
	uint64_t started_ms;
	unsigned int refs; /* the caller's and the query's */
	bool told;         /* the caller has all, or has left */
	bool waits;        /* the query has its reference */
};

static struct watch *watch_of(struct trace *trace)
{
	return container_of(trace, struct watch, trace);
}

static void watch_unref(struct watch *watch)
{
	if (--watch->refs == 0) {
		if (watch->tenant) {
			dns_tenant_unref(watch->tenant);
		}
		free(watch);
	}
}

static void tell(struct watch *watch, const char *step, const char *text)
{
	struct json j = json_to(&watch->stream.out);

	json_open(&j, NULL, '{');
	json_u64(&j, "at_ms", watch->worker->loop.now_ms - watch->started_ms);
	json_u64(&j, "worker", watch->worker->link.index);
	json_text(&j, "step", step);
	json_text(&j, "text", text);
	json_close(&j, '}');
	json_end_line(&j);
}

static void watch_note(struct trace *trace, const char *step, const char *text)
{
	struct watch *watch = watch_of(trace);

	if (!watch->told && stream_has_room(&watch->stream)) {
		tell(watch, step, text);
		stream_wake(&watch->stream);
	}
}

static void watch_gone(struct trace *trace)
{
	struct watch *watch = watch_of(trace);

	if (watch->waits) {
		watch->waits = false;
		watch_unref(watch);
	}
}

/* The first line, with one space between two words; what is quoted stays. */
static void to_line(char *text)
{
	bool quoted = false;
	char *to = text;

	text[strcspn(text, "\n")] = '\0';
	for (const char *at = text; *at; at++) {
		bool space = !quoted && (*at == ' ' || *at == '\t');

		quoted ^= *at == '"' && (at == text || at[-1] != '\\');
		if (!space) {
			*to++ = *at;
		} else if (to > text && to[-1] != ' ') {
			*to++ = ' ';
		}
	}
	*to = '\0';
}

/* As in a zone file; what is very long is cut. */
static void tell_record(struct watch *watch, const knot_rrset_t *rr)
{
	size_t size = 4096;
	char *text = malloc(size); /* made larger as it needs */

	if (text && knot_rrset_txt_dump(rr, &text, &size, &KNOT_DUMP_STYLE_DEFAULT) > 0) {
		to_line(text);
		if (strlen(text) > RECORD_TEXT_MAX) {
			strcpy(text + RECORD_TEXT_MAX - 3, "...");
		}
		tell(watch, "record", text);
	}
	free(text);
}

static void tell_section(struct watch *watch, const knot_pktsection_t *section)
{
	for (uint16_t i = 0; i < section->count; i++) {
		if (!stream_has_room(&watch->stream)) {
			tell(watch, "record", "and more");
			return;
		}
		tell_record(watch, knot_pkt_rr(section, i));
	}
}

/* EXTRA-TEXT is nobody's here. -1: there is none. */
static int ede_of(const knot_pkt_t *pkt)
{
	uint8_t *option =
		pkt->opt_rr ? knot_edns_get_option(pkt->opt_rr, KNOT_EDNS_OPTION_EDE, NULL) : NULL;

	return option && knot_edns_opt_get_length(option) >= 2
		       ? knot_wire_read_u16(knot_edns_opt_get_data(option))
		       : -1;
}

static void tell_answer(struct watch *watch, const uint8_t *wire, size_t len)
{
	knot_pkt_t *pkt = knot_pkt_new((void *)(uintptr_t)wire, (uint16_t)len, NULL);
	char rcode[DNS_WORD_MAX], text[128], ede[24] = "";
	unsigned int n;

	if (pkt && knot_pkt_parse(pkt, KNOT_PF_NOCANON | KNOT_PF_KEEPWIRE) == KNOT_EOK) {
		if (ede_of(pkt) >= 0) {
			(void)snprintf(ede, sizeof(ede), ", EDE %d", ede_of(pkt));
		}
		n = knot_pkt_section(pkt, KNOT_ANSWER)->count;
		(void)snprintf(text, sizeof(text), "%.40s, %u record%s%s%s",
			       dns_rcode_text(knot_pkt_ext_rcode(pkt), rcode), n, n == 1 ? "" : "s",
			       knot_wire_get_ad(wire) ? ", authentic" : "", ede);
		tell(watch, "answer", text);
		tell_section(watch, knot_pkt_section(pkt, KNOT_ANSWER));
		tell_section(watch, knot_pkt_section(pkt, KNOT_AUTHORITY));
	} else {
		tell(watch, "answer", "cannot be read");
	}
	knot_pkt_free(pkt);
}

void dns_query_answered(struct trace *trace, const uint8_t *wire, size_t len)
{
	struct watch *watch = watch_of(trace);

	if (!watch->told) {
		tell_answer(watch, wire, len);
		watch->told = true;
		stream_wake(&watch->stream);
	}
}

static enum stream_step watch_step(struct stream *s)
{
	return container_of(s, struct watch, stream)->told ? STREAM_DONE : STREAM_WAITS;
}

static void watch_end(struct stream *s)
{
	container_of(s, struct watch, stream)->told = true;
}

static void watch_free(struct stream *s)
{
	watch_unref(container_of(s, struct watch, stream));
}

static const struct stream_ops watch_ops = {
	.step = watch_step,
	.end = watch_end,
	.free = watch_free,
};

/* What the tenant has of the config, and what of that is a matter of its own. */
static void note_policy(struct watch *watch, const struct tenant_conf *conf)
{
	const struct policy *p = &watch->tenant->policy;
	bool named = conf->name[0] != '\0';
	char text[ADDR_TEXT_MAX];

	if (conf->state != TENANT_ACTIVE) {
		TRACE(&watch->trace, TRACE_POLICY,
		      "tenant %s is suspended: its clients are refused; else it would be so",
		      conf->name);
	}
	TRACE(&watch->trace, TRACE_POLICY, "%s%s: synthesis is %s", named ? "tenant " : "",
	      named ? conf->name : "as for any tenant", p->on ? "on" : "off");
	for (size_t i = 0; i < p->n_pref64s; i++) {
		TRACE(&watch->trace, TRACE_POLICY, "Pref64 %s, %s",
		      prefix_format(&p->pref64s[i].prefix, text),
		      p->pref64s[i].n_mapped > 0 ? "for some of IPv4" : "for all of IPv4");
	}
	if (p->n_excluded > 1 || p->n_never > 0 || p->n_always > 0 || p->n_local > 0) {
		TRACE(&watch->trace, TRACE_POLICY,
		      "its own: %zu ranges excluded, %zu names never, %zu always synthesised, "
		      "%zu local records",
		      p->n_excluded - 1, p->n_never, p->n_always, p->n_local);
	}
}

/* Asks, as a client does who would have no more than an answer over TCP. */
static void ask(struct watch *watch, const struct question *q)
{
	struct dns_worker *w = watch->worker;
	const struct dns_client client = {.trace = &watch->trace};
	struct request r;
	size_t len;

	request_clear(&r);
	r.rd = r.ad = r.edns = r.over_tcp = true;
	r.udp_size = REQUEST_UDP_MAX;
	r.q = *q;
	memcpy(r.name, q->name, q->len);
	resolver_set_time(&w->resolver, w->loop.now_ms);
	watch->waits = true;
	watch->refs++;
	len = resolver_query(&w->resolver, watch->tenant, &client, &r, w->buffer);
	if (len > 0) {
		dns_query_answered(&watch->trace, w->buffer, len);
		watch_gone(&watch->trace);
	}
}

static int read_question(const struct call_msg *call, struct question *q, struct err *err)
{
	struct str type = call->args[1];
	char text[32];

	if (type.len >= sizeof(text) || memchr(type.p, '\0', type.len)) {
		return err_set(err, -EINVAL, "that is no type of records");
	}
	memcpy(text, type.p, type.len);
	text[type.len] = '\0';
	if (knot_rrtype_from_string(text, &q->type) < 0) {
		return err_set(err, -EINVAL, "that is no type of records");
	}
	q->class = KNOT_CLASS_IN;
	return question_read_name(q, call->args[0], err);
}

/* With a policy made as the tenant's own is; conf: nothing that is a tenant's own, too. */
static int watch_start(struct dns_worker *w, const struct tenant_conf *conf,
		       struct channel_msg *msg, const struct question *q, struct err *err)
{
	struct watch *watch = calloc(1, sizeof(*watch));
	struct dns_tenant *tenant = tenant_policy_new(w->node, conf, false);
	int rc =
		watch && tenant ? stream_start(&watch->stream, &w->link, &watch_ops, msg) : -ENOMEM;

	if (rc < 0) {
		free(watch);
		if (tenant) {
			dns_tenant_unref(tenant);
		}
		return err_set_errno(err, rc, "query");
	}
	tenant->slot = 0; /* not counted */
	watch->worker = w;
	watch->tenant = tenant;
	watch->trace = (struct trace){.note = watch_note, .gone = watch_gone};
	watch->started_ms = w->loop.now_ms;
	watch->refs = 1;
	stream_tell_ok(&watch->stream);
	note_policy(watch, conf);
	ask(watch, q);
	return LINK_ANSWERED;
}

int dns_query(struct dns_worker *w, struct channel_msg *msg, struct err *err)
{
	static const struct tenant_conf nobody = {.name = "", .state = TENANT_ACTIVE};
	const struct tenant_conf *conf = msg->id ? tenants_conf(&w->tenants, msg->id) : &nobody;
	struct call_msg call;
	struct question q = {0};
	int rc = call_msg_unpack(cursor_from(msg->data, msg->len), &call);

	if (rc < 0 || call.n_args < 2 || !w->resolving) {
		return err_set(err, -EPROTO, "bad form");
	}
	if (!conf) {
		return err_set(err, -ENOENT, "there is no such tenant");
	}
	rc = read_question(&call, &q, err);
	return rc < 0 ? rc : watch_start(w, conf, msg, &q, err);
}
