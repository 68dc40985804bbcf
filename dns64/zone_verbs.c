/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `sixgate dns zone`: told to the caller by one worker, as all have the same; see zone_verbs.h. */
#include "dns64/zone_verbs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "base/json.h"
#include "dns64/worker.h"
#include "dns64/zone.h"
#include "worker/stream.h"

#define NAMES_STEP 500
#define TEXT_MAX   ((size_t)128 << 10) /* bytes of a name's records */

struct teller {
	struct stream stream;
	struct zone_walk walk;
	struct buf text; /* of a name, what is not told yet */
};

static struct teller *teller_of(struct stream *s)
{
	return container_of(s, struct teller, stream);
}

static void teller_end(struct stream *s)
{
	struct teller *t = teller_of(s);

	zone_walk_end(&t->walk);
	buf_fini(&t->text);
}

static void teller_free(struct stream *s)
{
	free(teller_of(s));
}

/* Records of t->text as objects. False: there is no room for more now. */
static bool tell_lines(struct teller *t)
{
	const char *at = (const char *)t->text.data, *end = at + t->text.len;

	while (at < end && stream_has_room(&t->stream)) {
		const char *line_end = memchr(at, '\n', (size_t)(end - at));
		struct json j = json_to(&t->stream.out);

		json_open(&j, NULL, '{');
		json_str(&j, "record", (struct str){.p = at, .len = (size_t)(line_end - at)});
		json_close(&j, '}');
		json_end_line(&j);
		at = line_end + 1;
	}
	buf_consume(&t->text, t->text.len - (size_t)(end - at));
	return t->text.len == 0;
}

static enum stream_step teller_step(struct stream *s)
{
	struct teller *t = teller_of(s);

	for (unsigned int n = 0; n < NAMES_STEP; n++) {
		if (!tell_lines(t)) {
			return STREAM_MORE;
		}
		if (!zone_print_next(&t->walk, &t->text)) {
			return STREAM_DONE;
		}
		s->out.bad |= t->text.bad;
	}
	return STREAM_MORE;
}

static const struct stream_ops teller_ops = {
	.step = teller_step,
	.end = teller_end,
	.free = teller_free,
};

int dns_zone(struct dns_worker *w, struct channel_msg *msg, struct err *err)
{
	struct teller *t;
	int rc;

	if (!w->zone) {
		return err_set(err, -ENOENT, "dns64.zone is not configured");
	}
	t = calloc(1, sizeof(*t));
	rc = t ? stream_start(&t->stream, &w->link, &teller_ops, msg) : -ENOMEM;
	if (rc < 0) {
		free(t);
		return err_set_errno(err, rc, "zone");
	}
	zone_walk_begin(w->zone, &t->walk);
	buf_init(&t->text, TEXT_MAX);
	stream_tell_ok(&t->stream);
	return LINK_ANSWERED;
}
