/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Any messages at all to control, which is root, as from a process gone bad: a worker, the log
 * child or the neighbour child, by the first byte. Then come steps: a message of any kind, an
 * answer to what was received, a change of what workers hold, time that passes. What is not allowed
 * ends the channel; no change counts as taken that a worker has not answered.
 */
#include <assert.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/container.h"
#include "base/log.h"
#include "conf/model/message.h"
#include "gateway/control/items.h"
#include "gateway/control/listeners.h"
#include "gateway/control/logchild.h"
#include "gateway/control/problems.h"
#include "gateway/control/responder.h"
#include "gateway/control/slots.h"
#include "gateway/control/workers.h"

#define WORKERS     2
#define THINGS      4
#define STEPS_MAX   256
#define SEEN_MAX    256
#define SERIALS_MAX 1024 /* of changes in one run */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct thing {
	struct item item;
	struct fuzz *fuzz;
	bool awaited[WORKERS]; /* the workers that were there when it changed */
};

/* A worker as it looks from its own side. */
struct peer {
	struct channel channel;
	struct head {
		uint16_t type;
		uint32_t id;
		uint64_t serial;
	} seen[SEEN_MAX]; /* what it was sent */
	size_t n_seen, n_answered;
	bool said[SERIALS_MAX]; /* it answered to that serial */
};

struct fuzz {
	bool ready;
	struct loop loop;
	struct problems problems;
	struct slots slots;
	struct items items;
	struct listeners listeners;
	struct workers workers;
	struct logchild logchild;
	struct responder responder;
	void (*helper_talk)(struct io *io, uint32_t events);
	struct thing things[THINGS];
	struct peer peers[WORKERS];
};

static void on_changed(void *ctx)
{
	(void)ctx;
}

static void on_answered(void *ctx, unsigned int slot, uint16_t type, uint64_t serial,
			const struct str *refused)
{
	(void)ctx;
	(void)slot;
	(void)serial;
	assert(type == MSG_SESSIONS || type == MSG_KILL || type == MSG_DRAIN_SERVICE ||
	       (type >= MSG_DNS_ZONE && type <= MSG_DNS_QUERY));
	for (size_t i = 0; refused && i < refused->len; i++) {
		(void)*(volatile const char *)(refused->p + i); /* readable */
	}
}

static void on_slot(void *ctx, unsigned int slot)
{
	(void)ctx;
	assert(slot < WORKERS);
}

static const struct workers_ops ops = {on_changed, on_answered, on_slot, on_slot};

static void thing_pack(struct item *item, unsigned int slot, struct buf *out,
		       struct channel_msg *msg)
{
	(void)slot;
	msg->type = item->ops->stage == STAGE_SET ? MSG_TENANT : MSG_LISTENER;
	buf_u32(out, item->id);
}

/* Every worker that it was changed for has answered to this very version. */
static void thing_settled(struct item *item)
{
	const struct thing *thing = container_of(item, struct thing, item);

	for (unsigned int i = 0; i < WORKERS; i++) {
		assert(!thing->awaited[i] || thing->fuzz->peers[i].said[item->serial]);
	}
}

static void thing_refused(struct item *item, unsigned int slot, struct str why)
{
	const struct fuzz *f = container_of(item, struct thing, item)->fuzz;
	char safe[ERR_MSG_MAX];

	assert(f->peers[slot].said[item->serial]);
	(void)str_escape(safe, sizeof(safe), why);
}

static const struct item_ops early_ops = {STAGE_SET,     thing_pack,    MSG_TENANT_REMOVE,
					  thing_settled, thing_refused, 0};
static const struct item_ops late_ops = {STAGE_LATE,    thing_pack,    MSG_LISTENER_REMOVE,
					 thing_settled, thing_refused, 0};

/* A helper that was started once and has ended: its channel is the fuzzer's from now on. */
static void helper_prepare(struct fuzz *f, struct helper *h)
{
	char how[64];

	helper_start(h);
	assert(helper_running(h));
	f->helper_talk = h->readable.ready;
	loop_del(h->loop, &h->readable);
	loop_del(h->loop, &h->exited);
	wheel_disarm(&h->loop->wheel, &h->timer);
	channel_fini(&h->channel);
	child_signal(&h->child, SIGKILL);
	child_reap(&h->child, how, sizeof(how));
	h->readable.fd = -1;
}

/* What costs much is made once. */
static void prepare(struct fuzz *f)
{
	const struct helper helper = {.loop = &f->loop,
				      .problems = &f->problems,
				      .path = "/bin/true",
				      .user = "nobody",
				      .root = "/"};
	const struct listeners_setup listeners = {.loop = &f->loop,
						  .items = &f->items,
						  .slots = &f->slots,
						  .problems = &f->problems,
						  .n_workers = WORKERS};

	log_set_level((enum log_level)0); /* each refusal would be told */
	f->workers = (struct workers){.loop = &f->loop,
				      .items = &f->items,
				      .listeners = &f->listeners,
				      .slots = &f->slots,
				      .problems = &f->problems,
				      .ops = &ops,
				      .times = &workers_times_default,
				      .log_level = LOG_LEVEL_INFO,
				      .released = true};
	if (loop_init(&f->loop, NULL) < 0 || workers_init(&f->workers, WORKERS, NULL) < 0 ||
	    listeners_init(&f->listeners, &listeners) < 0) {
		assert(false);
	}
	slots_init(&f->slots, f->workers.segments, WORKERS);
	problems_init(&f->problems);
	f->logchild = (struct logchild){.helper = helper, .workers = &f->workers};
	f->responder = (struct responder){.helper = helper};
	logchild_init(&f->logchild, false);
	responder_init(&f->responder);
	helper_prepare(f, &f->logchild.helper);
	helper_prepare(f, &f->responder.helper);
	f->ready = true;
}

/* Tells control that something waits, and looks at what it made of it. */
static void listen_to(struct fuzz *f, unsigned int slot, bool forbidden)
{
	const struct worker *w = &f->workers.worker[slot];
	const struct feed *feed = &f->items.feeds[slot];

	if (w->readable.fd >= 0) {
		w->readable.ready(&f->workers.worker[slot].readable, EPOLLIN | EPOLLOUT);
	}
	assert(!forbidden || w->readable.fd < 0);
	assert(w->state != WORKER_READY || feed->phase == FEED_LIVE);
	assert(feed->n_flight <= FEED_FLIGHT_MAX);
}

/* The worker says msg. */
static void say(struct fuzz *f, unsigned int slot, const struct channel_msg *msg)
{
	struct peer *peer = &f->peers[slot];
	bool is_answer = msg->type == MSG_ACK || msg->type == MSG_NAK;
	bool starting = f->workers.worker[slot].state == WORKER_STARTING;

	if (channel_send(&peer->channel, msg) < 0) {
		return; /* control has ended it */
	}
	if (is_answer && msg->serial < SERIALS_MAX) {
		peer->said[msg->serial] = true;
	}
	if (is_answer && msg->id > 0 && msg->len >= 2 && msg->data[1] == MSG_SET) {
		for (size_t i = 1; i < SERIALS_MAX; i++) {
			peer->said[i] |= i <= f->items.serial; /* to any of those it was sent */
		}
	}
	listen_to(f, slot, msg->n_fds > 0 || !(starting ? msg->type == MSG_HELLO : is_answer));
}

static void answer(struct fuzz *f, unsigned int slot, const struct head *to, struct str why)
{
	struct channel_msg msg = {.type = MSG_ACK, .id = to->id, .serial = to->serial};
	struct buf out;

	buf_init(&out, 1024);
	buf_u16(&out, to->type);
	if (why.p) {
		msg.type = MSG_NAK;
		buf_str(&out, why);
	}
	msg.data = out.data;
	msg.len = out.len;
	say(f, slot, &msg);
	buf_fini(&out);
}

static void see(struct peer *peer, const struct channel_msg *msg)
{
	if (peer->n_seen < SEEN_MAX) {
		peer->seen[peer->n_seen++] = (struct head){msg->type, msg->id, msg->serial};
	}
}

/* The first is answered by itself, as it is when it is refused. */
static void see_set(struct peer *peer, struct channel_msg *msg)
{
	struct cursor in = cursor_from(msg->data, msg->len);
	struct channel_msg one;

	for (uint32_t n = 0; set_entry_unpack(&in, &one) == 0; n++) {
		msg->id = n;
		if (n == 0) {
			see(peer, &one);
		}
	}
	assert(in.left == 0);
}

/* What control has for the worker is sent, and received there. */
static void pump(struct fuzz *f, unsigned int slot)
{
	struct peer *peer = &f->peers[slot];
	struct channel_msg msg;

	(void)workers_pump(&f->workers, clock_ms() + 1000); /* there is more: the next step */
	while (channel_recv(&peer->channel, &msg) == 1) {
		for (size_t i = 0; i < msg.n_fds; i++) {
			close(msg.fds[i]);
		}
		if (msg.type == MSG_SET) {
			see_set(peer, &msg);
		}
		see(peer, &msg);
	}
}

static struct str take_text(struct cursor *c)
{
	struct cursor text = cursor_sub(c, cursor_u8(c));

	return (struct str){.p = text.p ? (const char *)text.p : "", .len = text.left};
}

static struct channel_msg take_message(struct cursor *c)
{
	struct channel_msg msg = {0};
	struct str data;

	msg.type = cursor_u16(c);
	msg.id = cursor_u32(c);
	msg.serial = cursor_u64(c);
	msg.n_fds = cursor_u8(c) & 1;
	msg.fds[0] = STDERR_FILENO;
	data = take_text(c);
	msg.data = (const uint8_t *)data.p;
	msg.len = data.len;
	return msg;
}

static void let_pass(struct fuzz *f, unsigned int ms)
{
	f->loop.now_ms += ms;
	wheel_run(&f->loop.wheel, f->loop.now_ms);
}

static void change(struct fuzz *f, struct thing *thing)
{
	for (unsigned int i = 0; i < WORKERS; i++) {
		thing->awaited[i] = f->items.feeds[i].phase != FEED_OFF;
	}
	items_change(&f->items, &thing->item);
}

static void worker_step(struct fuzz *f, struct cursor *c)
{
	uint8_t step = cursor_u8(c);
	unsigned int slot = step >> 3 & 1;
	struct peer *peer = &f->peers[slot];
	struct channel_msg msg = {.type = MSG_HELLO};
	size_t which;

	switch (step & 7) {
	case 0:
		msg = take_message(c);
		say(f, slot, &msg);
		break;
	case 1:
		say(f, slot, &msg);
		break;
	case 2:
	case 3:
		which = cursor_u8(c);
		if (peer->n_seen > 0) {
			answer(f, slot, &peer->seen[which % peer->n_seen],
			       step & 1 ? take_text(c) : (struct str){0});
		}
		break;
	case 4:
		pump(f, slot);
		break;
	case 5:
		change(f, &f->things[cursor_u8(c) % THINGS]);
		break;
	case 6:
		let_pass(f, cursor_u16(c));
		break;
	case 7:
		while (peer->n_answered < peer->n_seen) {
			answer(f, slot, &peer->seen[peer->n_answered++], (struct str){0});
		}
		break;
	}
}

static bool worker_begin(struct fuzz *f, unsigned int slot)
{
	struct worker *w = &f->workers.worker[slot];
	struct peer *peer = &f->peers[slot];
	int ends[2];

	*peer = (struct peer){.channel.fd = -1};
	if (channel_pair(ends, NULL) < 0) {
		return false;
	}
	w->state = WORKER_STARTING;
	w->child.channel = ends[0];
	w->heard_ms = w->started_ms = f->loop.now_ms;
	w->ping = w->loaded_ping = w->ping_sent = 0;
	w->refuses_loans = false;
	return channel_init(&peer->channel, ends[1]) == 0 && worker_open_channel(w) == 0;
}

static void worker_end(struct fuzz *f, unsigned int slot)
{
	struct worker *w = &f->workers.worker[slot];

	worker_close_channel(w);
	wheel_disarm(&f->loop.wheel, &w->timer);
	channel_fini(&f->peers[slot].channel);
	if (w->log_fd >= 0) {
		close(w->log_fd);
		w->log_fd = -1;
	}
}

static void try_workers(struct fuzz *f, struct cursor *c)
{
	bool good = items_init(&f->items, WORKERS) == 0;

	f->workers.serial = 0;
	for (unsigned int i = 0; good && i < THINGS; i++) {
		f->things[i] = (struct thing){.item.ops = i + 1 < THINGS ? &early_ops : &late_ops,
					      .fuzz = f};
		good = items_add(&f->items, &f->things[i].item) == 0;
	}
	for (unsigned int slot = 0; slot < WORKERS; slot++) {
		good &= worker_begin(f, slot);
	}
	for (int n = 0; good && n < STEPS_MAX && c->left > 0; n++) {
		worker_step(f, c);
	}
	for (unsigned int slot = 0; slot < WORKERS; slot++) {
		worker_end(f, slot);
	}
	wheel_disarm(&f->loop.wheel, &f->workers.loans);
	items_fini(&f->items);
}

/* Messages of a helper, whose own are of type stats and so long. */
static void try_helper(struct fuzz *f, struct helper *h, struct cursor *c, uint16_t stats,
		       size_t len)
{
	struct channel peer;
	int ends[2];

	if (channel_pair(ends, NULL) < 0 || channel_init(&h->channel, ends[0]) < 0 ||
	    channel_init(&peer, ends[1]) < 0) {
		return;
	}
	h->readable = (struct io){.fd = ends[0], .ready = f->helper_talk};
	assert(loop_add(&f->loop, &h->readable, EPOLLIN) == 0);
	for (int n = 0; n < STEPS_MAX && c->left > 0 && h->readable.fd >= 0; n++) {
		struct channel_msg msg = take_message(c);
		bool known = msg.type == MSG_HELLO || msg.type == MSG_ACK || msg.type == MSG_NAK ||
			     (msg.type == stats && msg.len == len) ||
			     (msg.type == MSG_LOG_SOCKET && h == &f->logchild.helper);

		h->asked = true;
		assert(channel_send(&peer, &msg) == 0);
		h->readable.ready(&h->readable, EPOLLIN);
		assert(h->readable.fd < 0 || (known && msg.n_fds == 0));
		assert(h->asked || msg.type == MSG_ACK);
	}
	if (h->readable.fd >= 0) {
		loop_del(&f->loop, &h->readable);
		channel_fini(&h->channel);
		h->readable.fd = -1;
	}
	channel_fini(&peer);
}

/* The lowest free number: it grows when a descriptor is left open. */
static int next_fd(void)
{
	int fd = dup(STDERR_FILENO);

	close(fd);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fuzz fuzz;
	struct fuzz *f = &fuzz;
	struct cursor c = cursor_from(data, size);
	int before;

	if (!f->ready) {
		prepare(f);
	}
	before = next_fd();
	switch (cursor_u8(&c) % 3) {
	case 0:
		try_workers(f, &c);
		break;
	case 1:
		try_helper(f, &f->logchild.helper, &c, MSG_LOG_STATS, 16);
		break;
	case 2:
		try_helper(f, &f->responder.helper, &c, MSG_NEIGHBOUR_STATS,
			   8 * N_NEIGHBOUR_COUNTS);
		break;
	}
	assert(next_fd() == before);
	return 0;
}
