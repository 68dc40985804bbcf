/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the drivers for rtnetlink share: messages in bundles with the fate of each step, dumps
 * that are tried again, names of links, attributes. Knows no kind of object.
 */
#include "gateway/kernel/rt_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/plan/object.h"

#define WRITER_BYTES ((size_t)2 * RT_STEPS_MAX * RT_MESSAGE_MAX)

int rt_err(struct err *err, int rc, const char *text, const char *what)
{
	const char *hint = "";

	switch (-rc) {
	case EPERM:
		hint = "; sixgated needs CAP_NET_ADMIN, as its systemd unit gives it";
		break;
	case ENETUNREACH:
	case EHOSTUNREACH:
		hint = "; the next hop is not reachable by that link";
		break;
	case EINTR:
		hint = "; the kernel's state did not stand still while it was read";
		break;
	default:
		break;
	}
	if (text && text[0] != '\0') {
		return err_set(err, rc, "%s: %s: %s%s", what, strerror(-rc), text, hint);
	}
	return err_set(err, rc, "%s: %s%s", what, strerror(-rc), hint);
}

int rt_ask(struct rt *rt, struct nlmsghdr *nlh, kernel_reply_fn reply, void *arg,
	   struct kernel_fault *fault)
{
	struct kernel_request req = {.bus = BUS_ROUTE,
				     .data = nlh,
				     .len = nlh->nlmsg_len,
				     .reply = reply,
				     .arg = arg};

	nlh->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	return rt->ops->transact(rt->ops->ctx, &req, fault);
}

int rt_dump(struct rt *rt, struct nlmsghdr *nlh, kernel_reply_fn reply, void *arg, size_t *n,
	    struct kernel_fault *fault)
{
	struct kernel_request req = {.bus = BUS_ROUTE,
				     .data = nlh,
				     .len = nlh->nlmsg_len,
				     .reply = reply,
				     .arg = arg};
	size_t before = *n;
	int rc = -EINTR;

	nlh->nlmsg_flags |= NLM_F_REQUEST | NLM_F_DUMP;
	for (int tries = 0; tries < RT_DUMP_TRIES && rc == -EINTR; tries++) {
		*n = before;
		rc = rt->ops->transact(rt->ops->ctx, &req, fault);
	}
	return rc;
}

static int writer_init(struct rt_writer *w, struct rt *rt)
{
	*w = (struct rt_writer){.rt = rt};
	w->data = malloc(WRITER_BYTES);
	w->results = calloc(RT_STEPS_MAX, sizeof(*w->results));
	return w->data && w->results ? 0 : -ENOMEM;
}

static void writer_fini(struct rt_writer *w)
{
	free(w->data);
	free(w->results);
}

struct nlmsghdr *rt_message(struct rt_writer *w, uint16_t type, uint16_t flags, size_t header)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(w->data + w->len);

	(void)mnl_nlmsg_put_extra_header(nlh, header); /* zeroed */
	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = w->seq;
	return nlh;
}

void rt_message_end(struct rt_writer *w, struct nlmsghdr *nlh)
{
	w->len += MNL_ALIGN(nlh->nlmsg_len);
	w->last = nlh;
}

static int index_seen(const struct nlmsghdr *nlh, void *arg)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);

	if (nlh->nlmsg_type == RTM_NEWLINK && mnl_nlmsg_get_payload_len(nlh) >= sizeof(*ifi) &&
	    ifi->ifi_index > 0) {
		*(uint32_t *)arg = (uint32_t)ifi->ifi_index;
	}
	return 0;
}

int rt_index(struct rt_writer *w, const char *link, uint32_t *ret_index, struct err *err)
{
	_Alignas(struct nlmsghdr) char data[RT_MESSAGE_MAX];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(data);
	struct kernel_fault fault = {0};
	uint32_t index = 0;
	int rc;

	if (link[0] != '\0' && strcmp(link, w->link) == 0) {
		*ret_index = w->index;
		return 0;
	}
	nlh->nlmsg_type = RTM_GETLINK;
	nlh->nlmsg_seq = 1;
	(void)mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg)); /* zeroed */
	mnl_attr_put_strz(nlh, IFLA_IFNAME, link);
	rc = rt_ask(w->rt, nlh, index_seen, &index, &fault);
	if (rc == -ENODEV || (rc == 0 && index == 0)) {
		return err_set(err, -ENODEV, "there is no link %s", link);
	}
	if (rc < 0) {
		return rt_err(err, rc, fault.text, "looking for a link");
	}
	(void)snprintf(w->link, sizeof(w->link), "%s", link); /* fits */
	w->index = *ret_index = index;
	return 0;
}

static void step_refused(uint32_t seq, int rc, const char *text, void *arg)
{
	struct rt_writer *w = arg;

	if (seq >= 1 && seq <= RT_STEPS_MAX && w->results[seq - 1].rc == 0) {
		w->results[seq - 1].rc = rc;
		(void)snprintf(w->results[seq - 1].text, sizeof(w->results[0].text), "%s",
			       text); /* cut */
	}
}

static void writer_reset(struct rt_writer *w)
{
	w->len = 0;
	w->last = NULL;
	memset(w->results, 0, RT_STEPS_MAX * sizeof(*w->results));
}

/* Fills the results of the steps; on failure of the whole nothing is known of any. */
static int writer_send(struct rt_writer *w, struct kernel_fault *fault)
{
	struct kernel_request req = {
		.bus = BUS_ROUTE,
		.data = w->data,
		.len = w->len,
		.refused = step_refused,
		.arg = w,
	};

	if (w->len == 0) {
		return 0;
	}
	w->last->nlmsg_flags |= NLM_F_ACK; /* one for all: refusals come by themselves */
	return w->rt->ops->transact(w->rt->ops->ctx, &req, fault);
}

static const struct object *step_object(const struct step *step)
{
	return step->to ? step->to : step->from;
}

static int step_err(struct err *err, const struct step *step, int rc, const char *why)
{
	static const char *const doing[] = {
		[STEP_ADD] = "adding",
		[STEP_CHANGE] = "changing",
		[STEP_REMOVE] = "removing",
	};
	struct buf text;
	char what[160];

	buf_init(&text, 4096);
	object_format(step_object(step), &text);
	(void)snprintf(what, sizeof(what), "%s %.*s", doing[step->verb], (int)text.len,
		       text.bad ? "" : (const char *)text.data); /* cut */
	buf_fini(&text);
	return rt_err(err, rc, why, what);
}

/* What the kernel has under the key of the object that it refused to add. */
static int step_exists(struct rt *rt, const struct rt_verbs *verbs, const struct step *step,
		       struct err *err)
{
	struct object_set set;
	const struct object *there;
	int rc;

	object_set_init(&set);
	rc = verbs->observe(rt, &set, err);
	if (rc == 0) {
		rc = object_set_sort(&set, err);
	}
	if (rc == 0) {
		there = object_set_find(&set, step->to);
		if (!there || !object_same(step->to, there)) {
			rc = step_err(err, step, -EEXIST,
				      "there is one that is not sixgate's; remove that one, or "
				      "choose another");
		}
	}
	object_set_fini(&set);
	return rc;
}

static int step_result(struct rt *rt, const struct rt_verbs *verbs, const struct step *step,
		       const struct rt_result *result, struct err *err)
{
	if (result->rc == 0) {
		return 0;
	}
	if (step->verb == STEP_REMOVE && (result->rc == -ESRCH || result->rc == -ENOENT ||
					  result->rc == -ENODEV || result->rc == -EADDRNOTAVAIL)) {
		return 0;
	}
	if (step->verb == STEP_ADD && result->rc == -EEXIST) {
		return step_exists(rt, verbs, step, err);
	}
	return step_err(err, step, result->rc, result->text);
}

/*
 * Takes steps back, those in force and, when no answers came, those of which nothing is known. A
 * refused change may be half done: it is two messages in some drivers.
 */
static void steps_undo(struct rt_writer *w, const struct rt_verbs *verbs, const struct step *steps,
		       size_t first, size_t n)
{
	struct kernel_fault fault = {0};
	bool refused[RT_STEPS_MAX];

	for (size_t i = first; i < n; i++) {
		refused[i] = w->results[i].rc != 0 && steps[i].verb != STEP_CHANGE;
	}
	writer_reset(w);
	w->seq = 0;
	for (size_t i = n; i > first; i--) {
		if (!refused[i - 1]) {
			w->seq++;
			/* What cannot be put back is found by the next observation. */
			(void)verbs->put(w, steps[i - 1].to, steps[i - 1].from, NULL);
		}
	}
	(void)writer_send(w, &fault); /* the same */
}

/* One bundle. ret_done of n are in force. */
static int steps_apply(struct rt_writer *w, const struct rt_verbs *verbs, const struct step *steps,
		       size_t n, size_t *ret_done, struct err *err)
{
	struct kernel_fault fault = {0};
	int rc, put_rc = 0;
	size_t n_put, done = 0;

	writer_reset(w);
	for (n_put = 0; n_put < n; n_put++) {
		const struct step *step = &steps[n_put];
		size_t len = w->len;

		w->seq = (uint32_t)n_put + 1;
		put_rc = verbs->put(w, step->from, step->to, err);
		if (put_rc == -ENODEV && step->verb == STEP_REMOVE) {
			put_rc = 0; /* it went with its link */
		} else if (put_rc < 0) {
			w->len = len;
			(void)err_prefix(err, "%s: ", object_kind_name(step_object(step)->kind));
			break;
		}
	}
	rc = writer_send(w, &fault);
	if (rc < 0) {
		(void)step_err(err, &steps[0], rc, fault.text); /* its code is rc */
	}
	while (done < n_put && rc == 0) {
		rc = step_result(w->rt, verbs, &steps[done], &w->results[done], err);
		done += rc == 0;
	}
	if (rc < 0) {
		steps_undo(w, verbs, steps, done, n_put);
	}
	*ret_done = done;
	return rc < 0 ? rc : put_rc;
}

int rt_apply(struct rt *rt, const struct rt_verbs *verbs, const struct step *steps, size_t n_steps,
	     size_t *ret_done, struct err *err)
{
	struct rt_writer w;
	int rc = writer_init(&w, rt);
	size_t done = 0;

	if (rc < 0) {
		(void)err_set(err, rc, "rtnetlink: out of memory"); /* its code is rc */
	}
	while (rc == 0 && done < n_steps) {
		size_t n = n_steps - done < RT_STEPS_MAX ? n_steps - done : RT_STEPS_MAX;

		rc = steps_apply(&w, verbs, steps + done, n, &n, err);
		done += n;
	}
	writer_fini(&w);
	*ret_done = done;
	return rc;
}
