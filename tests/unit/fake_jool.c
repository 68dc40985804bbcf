/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/unit/fake_jool.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/kernel/generic.h"
#include "nat64/internal.h"

#define FLAG_ERROR 1
#define FLAG_FORCE 2
#define FLAG_MORE  8
#define HEADER     20 /* where Jool's header begins in a message */
#define FLAGS      9  /* in that */

struct reply {
	_Alignas(struct nlmsghdr) char data[4096];
	struct nlmsghdr *nlh;
};

static void reply_begin(struct reply *r, const struct nlmsghdr *request, uint8_t flags)
{
	r->nlh = generic_message(r->data, FAKE_JOOL_FAMILY, 0, request->nlmsg_seq, 0, 0,
				 JOOL_HEADER);
	memcpy(r->data + HEADER, (const char *)request + HEADER, JOOL_HEADER);
	r->data[HEADER + FLAGS] = (char)flags;
}

static uint8_t number_of(uint8_t protocol)
{
	return protocol == IPPROTO_TCP ? 0 : protocol == IPPROTO_UDP ? 1 : 2;
}

static void put_row(struct nlmsghdr *nlh, const struct jool_entry *e)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, 1);

	mnl_attr_put_u32(nlh, 1, e->mark);
	mnl_attr_put_u32(nlh, 2, 1024);
	mnl_attr_put_u8(nlh, 3, 2);
	mnl_attr_put_u8(nlh, 4, number_of(e->protocol));
	jool_put_prefix(nlh, 5, &e->range);
	mnl_attr_put_u16(nlh, 6, e->first);
	mnl_attr_put_u16(nlh, 7, e->last);
	mnl_attr_nest_end(nlh, nest);
}

static void put_mapping(struct nlmsghdr *nlh, const struct jool_entry *e)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, 1);

	jool_put_endpoint(nlh, 1, &e->src6);
	jool_put_endpoint(nlh, 2, &e->src4);
	mnl_attr_put_u8(nlh, 3, number_of(e->protocol));
	mnl_attr_put_u8(nlh, 4, e->is_static);
	mnl_attr_nest_end(nlh, nest);
}

/* A session a mapping, to one server. */
static void put_session(struct nlmsghdr *nlh, const struct jool_entry *e)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, 1);
	struct endpoint server = e->src4;

	server.port = 443;
	jool_put_endpoint(nlh, 1, &e->src6);
	jool_put_endpoint(nlh, 2, &e->src6);
	jool_put_endpoint(nlh, 3, &e->src4);
	jool_put_endpoint(nlh, 4, &server);
	mnl_attr_put_u8(nlh, 5, number_of(e->protocol));
	mnl_attr_put_u8(nlh, 6, JOOL_TRANS);
	mnl_attr_put_u8(nlh, 7, 0);
	mnl_attr_put_u32(nlh, 8, 61000);
	mnl_attr_nest_end(nlh, nest);
}

struct request {
	uint8_t cmd;
	bool has_offset, has_id, has_proto;
	uint8_t id, protocol;
	struct jool_entry e; /* operand or offset */
	const struct nlattr *globals, *operand;
	bool has_src6, has_src4, has_static, forced;
};

static void take_entry(struct request *r, const struct nlattr *nest)
{
	static const uint8_t numbers[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP};
	bool rows = r->cmd >= 18 && r->cmd <= 20;
	const struct nlattr *attr;

	assert_true(nest->nla_type & NLA_F_NESTED);
	mnl_attr_for_each_nested(attr, nest)
	{
		int type = mnl_attr_get_type(attr);

		if (rows) {
			switch (type) {
			case 1:
				r->e.mark = mnl_attr_get_u32(attr);
				break;
			case 4:
				r->e.protocol = numbers[mnl_attr_get_u8(attr)];
				break;
			case 5:
				assert_true(jool_get_prefix(attr, &r->e.range));
				break;
			case 6:
				r->e.first = mnl_attr_get_u16(attr);
				break;
			case 7:
				r->e.last = mnl_attr_get_u16(attr);
				break;
			}
		} else if (r->cmd == 25) {
			struct endpoint skipped;

			assert_true(jool_get_endpoint(attr, type == 3 ? &r->e.src4 : &skipped));
		} else if (type == 1) {
			/* without a port the real one crashes */
			assert_true(jool_get_endpoint(attr, &r->e.src6));
			r->has_src6 = true;
		} else if (type == 2) {
			assert_true(jool_get_endpoint(attr, &r->e.src4));
			r->has_src4 = true;
		} else if (type == 3) {
			r->e.protocol = numbers[mnl_attr_get_u8(attr)];
		} else if (type == 4) {
			r->e.is_static = mnl_attr_get_u8(attr);
		}
	}
	r->protocol = r->e.protocol ? r->e.protocol : r->protocol;
}

static struct request take_request(const struct fake_jool *f, const struct nlmsghdr *nlh)
{
	static const uint8_t numbers[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP};
	const struct genlmsghdr *genl = mnl_nlmsg_get_payload(nlh);
	const char *header = (const char *)nlh + HEADER;
	struct request r = {.cmd = genl->cmd};
	const struct nlattr *attr;

	assert_memory_equal(header, "jool\x04\x01\x09\x00\x02", 9);
	r.forced = header[FLAGS] == FLAG_FORCE;
	assert_true(header[FLAGS] == 0 || (r.forced && r.cmd == 19 && f->revision >= 15));
	assert_memory_equal(header + 10, "\x00\x00sixgate\0", 10);
	/* none that flushes, none of the stateless translator, no file handle */
	assert_true(r.cmd == 1 || r.cmd == 2 || r.cmd == 3 || (r.cmd >= 7 && r.cmd <= 9) ||
		    (r.cmd >= 18 && r.cmd <= 20) || (r.cmd >= 22 && r.cmd <= 25));
	mnl_attr_for_each(attr, nlh, JOOL_ATTRIBUTES)
	{
		switch (mnl_attr_get_type(attr)) {
		case JOOL_ROOT_GLOBALS:
			r.globals = attr;
			break;
		case JOOL_ROOT_OFFSET:
			r.has_offset = true;
			take_entry(&r, attr);
			break;
		case JOOL_ROOT_OFFSET_U8:
			r.id = mnl_attr_get_u8(attr);
			break;
		case JOOL_ROOT_OPERAND:
			r.operand = attr;
			if (r.cmd != 1) {
				take_entry(&r, attr);
			}
			break;
		case JOOL_ROOT_PROTO:
			r.has_proto = true;
			r.protocol = numbers[mnl_attr_get_u8(attr)];
			break;
		default:
			fail();
		}
	}
	return r;
}

static bool row_meets(const struct jool_entry *a, const struct jool_entry *b)
{
	return a->protocol == b->protocol && addr_eq(&a->range.addr, &b->range.addr) &&
	       a->first <= b->last && b->first <= a->last;
}

static void row_add(struct fake_jool *f, struct jool_entry e)
{
	for (size_t i = 0; i < f->n_rows;) {
		struct jool_entry *o = &f->rows[i];

		if (o->mark == e.mark && o->protocol == e.protocol &&
		    addr_eq(&o->range.addr, &e.range.addr) && o->first <= e.last + 1u &&
		    e.first <= o->last + 1u) {
			e.first = o->first < e.first ? o->first : e.first;
			e.last = o->last > e.last ? o->last : e.last;
			*o = f->rows[--f->n_rows];
			i = 0;
		} else {
			i++;
		}
	}
	assert_true(f->n_rows < FAKE_JOOL_ROWS);
	f->rows[f->n_rows++] = e;
}

/* Cuts the ports out of every row, of whatever mark, with the mappings there. */
static int row_remove(struct fake_jool *f, const struct jool_entry *e)
{
	struct jool_entry rest[FAKE_JOOL_ROWS * 2];
	size_t n = 0;
	bool found = false;

	for (size_t i = 0; i < f->n_rows; i++) {
		struct jool_entry o = f->rows[i];

		if (!row_meets(&o, e)) {
			rest[n++] = o;
			continue;
		}
		found = true;
		if (o.first < e->first) {
			rest[n] = o;
			rest[n++].last = (uint16_t)(e->first - 1);
		}
		if (o.last > e->last) {
			rest[n] = o;
			rest[n++].first = (uint16_t)(e->last + 1);
		}
	}
	assert_true(n <= FAKE_JOOL_ROWS);
	memcpy(f->rows, rest, n * sizeof(*rest));
	f->n_rows = n;
	for (size_t i = 0; i < f->n_mappings;) {
		struct jool_entry *m = &f->mappings[i];

		if (m->protocol == e->protocol && addr_eq(&m->src4.addr, &e->range.addr) &&
		    m->src4.port >= e->first && m->src4.port <= e->last) {
			*m = f->mappings[--f->n_mappings];
		} else {
			i++;
		}
	}
	return found ? 0 : -ESRCH;
}

static bool same_endpoint(const struct endpoint *a, const struct endpoint *b)
{
	return a->port == b->port && addr_eq(&a->addr, &b->addr);
}

static int mapping_add(struct fake_jool *f, const struct request *r)
{
	struct jool_entry row = {.protocol = r->e.protocol,
				 .range = {.addr = r->e.src4.addr},
				 .first = r->e.src4.port,
				 .last = r->e.src4.port};
	bool in_pool = false;

	assert_true(r->has_src4 && r->has_src6 && r->e.is_static);
	for (size_t i = 0; i < f->n_rows; i++) {
		in_pool |= row_meets(&f->rows[i], &row);
	}
	if (!in_pool) {
		return -EINVAL;
	}
	for (size_t i = 0; i < f->n_mappings; i++) {
		struct jool_entry *m = &f->mappings[i];

		if (m->protocol != r->e.protocol) {
			continue;
		}
		if (same_endpoint(&m->src4, &r->e.src4) && same_endpoint(&m->src6, &r->e.src6)) {
			m->is_static = true;
			return 0;
		}
		if (same_endpoint(&m->src4, &r->e.src4) || same_endpoint(&m->src6, &r->e.src6)) {
			return -EEXIST;
		}
	}
	assert_true(f->n_mappings < FAKE_JOOL_ROWS);
	f->mappings[f->n_mappings++] = r->e;
	return 0;
}

static int mapping_remove(struct fake_jool *f, const struct request *r)
{
	for (size_t i = 0; i < f->n_mappings; i++) {
		struct jool_entry *m = &f->mappings[i];

		if (m->protocol == r->e.protocol &&
		    (!r->has_src4 || same_endpoint(&m->src4, &r->e.src4)) &&
		    (!r->has_src6 || same_endpoint(&m->src6, &r->e.src6))) {
			*m = f->mappings[--f->n_mappings];
			return 0;
		}
	}
	return -ESRCH;
}

static int entry_order(const struct jool_entry *a, const struct jool_entry *b, bool rows)
{
	if (rows) {
		int rc = a->mark < b->mark ? -1 : a->mark > b->mark;

		return rc != 0 ? rc : (int)a->first - (int)b->first;
	}
	{
		int rc = addr_cmp(&a->src4.addr, &b->src4.addr);

		return rc != 0 ? rc : (int)a->src4.port - (int)b->src4.port;
	}
}

/* The next entry of the protocol behind e (NULL: the first). */
static const struct jool_entry *entry_next(const struct fake_jool *f, const struct request *r,
					   const struct jool_entry *e)
{
	bool rows = r->cmd == 18;
	const struct jool_entry *all = rows ? f->rows : f->mappings, *next = NULL;

	for (size_t i = 0; i < (rows ? f->n_rows : f->n_mappings); i++) {
		if (all[i].protocol == r->protocol && (!e || entry_order(&all[i], e, rows) > 0) &&
		    (!next || entry_order(&all[i], next, rows) < 0)) {
			next = &all[i];
		}
	}
	return next;
}

static int answer_list(struct fake_jool *f, const struct request *r, struct reply *reply)
{
	const struct jool_entry *e = entry_next(f, r, r->has_offset ? &r->e : NULL);

	assert_true(r->has_offset || r->has_proto);
	if (r->cmd == 18 && r->has_offset && f->vanish > 0) {
		f->vanish--;
		return -EAGAIN;
	}
	for (int n = 0; e && n < FAKE_JOOL_PAGE; n++) {
		if (r->cmd == 18) {
			put_row(reply->nlh, e);
		} else if (r->cmd == 25) {
			put_session(reply->nlh, e);
		} else {
			put_mapping(reply->nlh, e);
		}
		e = entry_next(f, r, e);
	}
	if (e) {
		reply->data[HEADER + FLAGS] = FLAG_MORE;
	}
	return 0;
}

static int answer_globals(struct fake_jool *f, const struct request *r, struct reply *reply)
{
	int n = 0;

	const uint8_t end = f->revision >= 11 ? JOOL_GLOBALS : JOOL_GLOBALS - 1;

	for (uint8_t id = (uint8_t)(r->id + 1); id < end; id++) {
		if (n++ == FAKE_JOOL_PAGE) {
			reply->data[HEADER + FLAGS] = FLAG_MORE;
			break;
		}
		if (id == JOOL_POOL6) {
			jool_put_prefix(reply->nlh, id, &f->pool6);
		} else if (id == 3 || (id >= 20 && id <= 23) || id == 26 || id >= 29) {
			mnl_attr_put_u32(reply->nlh, id, f->globals[id]);
		} else if (id != 8 && id != 12 && id != 13) {
			mnl_attr_put_u8(reply->nlh, id, (uint8_t)f->globals[id]);
		} else {
			mnl_attr_put(reply->nlh, id, 0, NULL);
		}
	}
	return 0;
}

/* The last number is that of the padding between them. */
static int answer_stats(const struct fake_jool *f, const struct request *r, struct reply *reply)
{
	const int end = f->revision <= 11 ? 70 : f->revision == 12 ? 85 : 84;

	for (int id = r->id + 1; id < r->id + 31 && id < end; id++) {
		mnl_attr_put_u64(reply->nlh, (uint16_t)id, (uint64_t)id * 3);
		mnl_attr_put(reply->nlh, (uint16_t)end, 0, NULL);
	}
	reply->data[HEADER + FLAGS] = r->id + 31 < end ? FLAG_MORE : 0;
	return 0;
}

/* 4.1.15 looks whether local sockets may have the ports. */
static int refuse_local(const struct fake_jool *f, const struct request *r)
{
	return f->revision >= 15 && !r->forced && r->e.protocol != IPPROTO_ICMP &&
			       r->e.first <= 60999 && r->e.last >= 32768
		       ? -EINVAL
		       : 0;
}

static int set_globals(struct fake_jool *f, const struct request *r)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, r->globals)
	{
		unsigned int id = mnl_attr_get_type(attr);

		assert_true(id < JOOL_GLOBALS);
		f->globals[id] = mnl_attr_get_payload_len(attr) == 1 ? mnl_attr_get_u8(attr)
								     : mnl_attr_get_u32(attr);
	}
	return 0;
}

static void new_instance(struct fake_jool *f, const struct request *r)
{
	const struct nlattr *attr;

	f->has_instance = true;
	mnl_attr_for_each_nested(attr, r->operand)
	{
		if (mnl_attr_get_type(attr) == 2) {
			assert_true(jool_get_prefix(attr, &f->pool6));
		}
	}
	memset(f->globals, 0, sizeof(f->globals));
	f->globals[1] = 1;
	f->globals[3] = 1280;
	f->globals[26] = 10;
}

static int answer(struct fake_jool *f, const struct request *r, struct reply *reply)
{
	f->n_changes += r->cmd == 1 || r->cmd == 3 || r->cmd == 9 || r->cmd == 19 || r->cmd == 20 ||
			r->cmd == 23 || r->cmd == 24;
	if (r->cmd == 2) {
		mnl_attr_put_u8(reply->nlh, 1, !f->has_instance);
		return 0;
	}
	if (r->cmd == 1) {
		if (f->has_instance) {
			return -EEXIST;
		}
		new_instance(f, r);
		return 0;
	}
	if (!f->has_instance) {
		return -ESRCH;
	}
	switch (r->cmd) {
	case 3:
		f->has_instance = false;
		f->n_rows = f->n_mappings = 0;
		return 0;
	case 7:
		return answer_stats(f, r, reply);
	case 8:
		return answer_globals(f, r, reply);
	case 9:
		return set_globals(f, r);
	case 19:
		if (refuse_local(f, r) < 0) {
			return -EINVAL;
		}
		row_add(f, r->e);
		return 0;
	case 20:
		return row_remove(f, &r->e);
	case 23:
		return mapping_add(f, r);
	case 24:
		return mapping_remove(f, r);
	default:
		return answer_list(f, r, reply);
	}
}

static int fake_transact(void *ctx, const struct kernel_request *req, struct kernel_fault *fault)
{
	struct fake_jool *f = ctx;
	const struct nlmsghdr *nlh = req->data;
	struct request r;
	struct reply reply;
	int rc;

	memset(fault, 0, sizeof(*fault));
	if (nlh->nlmsg_type == GENL_ID_CTRL) {
		if (f->no_family) {
			return -ENOENT;
		}
		reply.nlh = generic_message(reply.data, GENL_ID_CTRL, 0, 1, 1, 2, 0);
		mnl_attr_put_u16(reply.nlh, CTRL_ATTR_FAMILY_ID, FAKE_JOOL_FAMILY);
		return req->reply(reply.nlh, req->arg);
	}
	r = take_request(f, nlh);
	reply_begin(&reply, nlh, 0);
	rc = ++f->n_requests == f->fail_at ? -ENOMEM : answer(f, &r, &reply);
	if (rc < 0 && f->bare_error) {
		return rc;
	}
	if (rc < 0) {
		reply_begin(&reply, nlh, FLAG_ERROR);
		mnl_attr_put_u16(reply.nlh, 1, (uint16_t)-rc);
		mnl_attr_put_strz(reply.nlh, 2, "said by the module\n");
	}
	return req->reply(reply.nlh, req->arg);
}

void fake_jool_init(struct fake_jool *f)
{
	*f = (struct fake_jool){.ops = {.ctx = f, .transact = fake_transact}, .revision = 9};
}
