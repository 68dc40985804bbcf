/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `sixgate dns flush`: told to the caller by the worker, see cache_verbs.h. */
#include "dns64/cache_verbs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "base/json.h"
#include "dns64/cache.h"
#include "dns64/worker.h"
#include "worker/stream.h"

#define NAME_TEXT_MAX 1024 /* of 255 bytes, each as \DDD, and dots */

/* A walk over the cache for a caller. */
struct walker {
	struct stream stream;
	struct dns_worker *worker;
	struct cache_walk walk;
	struct question q; /* its name */
	bool below;
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

static int read_name(struct str text, struct question *q, struct err *err)
{
	char name[NAME_TEXT_MAX + 1];

	if (text.len > 0 && text.len <= NAME_TEXT_MAX && !memchr(text.p, '\0', text.len)) {
		memcpy(name, text.p, text.len);
		name[text.len] = '\0';
		if (question_set_name(q, name) == 0) {
			return 0;
		}
	}
	return err_set(err, -EINVAL, "that is no name of DNS");
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

int dns_flush(struct dns_worker *w, struct channel_msg *msg, struct err *err)
{
	struct walker *f;
	struct call_msg call;
	struct question q;
	int rc;

	if (call_msg_unpack(cursor_from(msg->data, msg->len), &call) < 0 || call.n_args < 1 ||
	    call.n_args > 2 || !w->resolving) {
		return err_set(err, -EPROTO, "DNS_FLUSH: bad form");
	}
	rc = read_name(call.args[0], &q, err);
	if (rc < 0) {
		return rc;
	}
	f = calloc(1, sizeof(*f));
	if (!f) {
		return err_set(err, -ENOMEM, "out of memory");
	}
	f->worker = w;
	f->q = q;
	f->below = call.n_args == 2;
	rc = stream_start(&f->stream, &w->link, &flush_ops, msg);
	if (rc < 0) {
		free(f);
		return err_set_errno(err, rc, "flush");
	}
	cache_walk_begin(w->resolver.cache, &f->walk);
	if (call.begins) {
		stream_tell_ok(&f->stream);
	}
	return LINK_ANSWERED;
}
