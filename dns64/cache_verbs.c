/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `sixgate dns flush` and `dns cache`, told to the caller by the worker; see cache_verbs.h. */
#include "dns64/cache_verbs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "base/json.h"
#include "dns64/answer.h"
#include "dns64/cache.h"
#include "dns64/dns_words.h"
#include "dns64/internal.h"
#include "dns64/worker.h"
#include "worker/stream.h"

/* A walk over the cache for a caller. */
struct walker {
	struct stream stream;
	struct dns_worker *worker;
	struct cache_walk walk;
	struct question q; /* its name */
	bool named, below;
	size_t n;
};

static struct walker *walker_of(struct stream *s)
{
	return container_of(s, struct walker, stream);
}

static void walker_end(struct stream *s)
{
	struct walker *walker = walker_of(s);

	cache_walk_end(walker->worker->resolver.cache, &walker->walk);
}

static void walker_free(struct stream *s)
{
	free(walker_of(s));
}

static enum stream_step flush_step(struct stream *s)
{
	struct walker *f = walker_of(s);
	struct json j;

	if (cache_flush(f->worker->resolver.cache, &f->walk, f->q.name, f->below, &f->n)) {
		return STREAM_MORE;
	}
	j = json_to(&s->out);
	json_open(&j, NULL, '{');
	json_u64(&j, "worker", f->worker->link.index);
	json_u64(&j, "entries", f->n);
	json_close(&j, '}');
	json_end_line(&j);
	return STREAM_DONE;
}

static const struct stream_ops flush_ops = {
	.step = flush_step,
	.end = walker_end,
	.free = walker_free,
};

/* Begins to tell, for an order whose arguments are [name ["below"]]. */
static int walker_start(struct dns_worker *w, struct channel_msg *msg, const struct stream_ops *ops,
			struct err *err)
{
	struct walker walker = {.worker = w}, *copy;
	struct call_msg call;
	int rc = call_msg_unpack(cursor_from(msg->data, msg->len), &call);

	if (rc < 0 || call.n_args > 2 || !w->resolving) {
		return err_set(err, -EPROTO, "bad form");
	}
	walker.named = call.n_args > 0;
	walker.below = call.n_args == 2;
	rc = walker.named ? question_read_name(&walker.q, call.args[0], err) : 0;
	if (rc < 0) {
		return rc;
	}
	copy = malloc(sizeof(*copy));
	if (!copy) {
		return err_set(err, -ENOMEM, "out of memory");
	}
	*copy = walker;
	rc = stream_start(&copy->stream, &w->link, ops, msg);
	if (rc < 0) {
		free(copy);
		return err_set_errno(err, rc, "the answer");
	}
	cache_walk_begin(w->resolver.cache, &copy->walk);
	if (call.begins) {
		stream_tell_ok(&copy->stream);
	}
	return LINK_ANSWERED;
}

int dns_flush(struct dns_worker *w, struct channel_msg *msg, struct err *err)
{
	return walker_start(w, msg, &flush_ops, err);
}

static void tell_numbers(const struct walker *walker, struct buf *out)
{
	const struct cache *cache = walker->worker->resolver.cache;
	const struct cache_stats *stats = cache_stats(cache);
	struct json j = json_to(out);

	json_open(&j, NULL, '{');
	json_u64(&j, "worker", walker->worker->link.index);
	json_u64(&j, "entries", stats->n_entries);
	json_u64(&j, "bytes", stats->n_bytes);
	json_u64(&j, "bytes_max", cache_max_bytes(cache));
	json_u64(&j, "hits", stats->n_hits);
	json_u64(&j, "misses", stats->n_misses);
	json_u64(&j, "stale", stats->n_stale);
	json_u64(&j, "evicted", stats->n_evicted);
	json_close(&j, '}');
	json_end_line(&j);
}

static void tell_entry(const struct walker *walker, const struct cache_view *view, struct buf *out)
{
	const struct answer *a = view->cached.answer;
	bool fresh = view->found == CACHE_FRESH;
	struct json j = json_to(out);
	char text[DNS_WORD_MAX];

	json_open(&j, NULL, '{');
	json_u64(&j, "worker", walker->worker->link.index);
	json_text(&j, "name", dns_name_text(view->name, text));
	json_text(&j, "type", dns_type_text(view->type, text));
	json_text(&j, "class", dns_class_text(view->class, text));
	json_bool(&j, "dnssec", view->flags & QUESTION_DO);
	json_bool(&j, "unchecked", view->flags & QUESTION_CD);
	json_text(&j, "rcode", dns_rcode_text(a->rcode, text));
	json_u64(&j, "records", a->n_data);
	json_u64(&j, "ttl_s", fresh ? a->ttl_s - view->cached.age_s : 0);
	json_u64(&j, "age_s", view->cached.age_s);
	json_bool(&j, "stale", !fresh);
	json_bool(&j, "bogus", answer_is_bogus(a));
	json_bool(&j, "authentic", a->authentic);
	json_u64(&j, "bytes", view->n_bytes);
	json_close(&j, '}');
	json_end_line(&j);
}

static enum stream_step cache_step(struct stream *s)
{
	struct walker *walker = walker_of(s);
	const struct entry *e;
	struct cache_view view;

	if (!walker->named) {
		tell_numbers(walker, &s->out);
		return STREAM_DONE;
	}
	resolver_set_time(&walker->worker->resolver, walker->worker->loop.now_ms);
	for (unsigned int n = 0; n < CACHE_STEP && stream_has_room(s); n++) {
		e = cache_walk_next(&walker->walk);
		if (!e) {
			return STREAM_DONE;
		}
		if (!cache_entry_is(e, walker->q.name, walker->below)) {
			continue;
		}
		cache_entry_view(e, resolver_now_s(&walker->worker->resolver), &view);
		if (view.found != CACHE_MISS) {
			tell_entry(walker, &view, &s->out);
		}
	}
	return STREAM_MORE;
}

static const struct stream_ops cache_ops = {
	.step = cache_step,
	.end = walker_end,
	.free = walker_free,
};

int dns_cache(struct dns_worker *w, struct channel_msg *msg, struct err *err)
{
	return walker_start(w, msg, &cache_ops, err);
}
