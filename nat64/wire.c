/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Messages of Jool: nlmsghdr, genlmsghdr, 28 bytes of Jool's own, attributes. Each request is
 * answered by one message of the same form, also when it failed; only a request that the module
 * never saw is answered by netlink itself. Must never send what the table does not allow.
 */
#include "nat64/internal.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <linux/genetlink.h>
#include <string.h>

#define FLAG_ERROR    1
#define FLAG_FORCE    2
#define FLAG_MORE     8
#define CLIENT        0x04010900u /* 4.1.9: modules compare 4.1 alone */
#define XF_BITS_BOTH  (JOOL_SIIT | JOOL_NAT64)
#define ERROR_CODE    1
#define ERROR_TEXT    2
#define ERRNO_MAX     4095
#define PREFIX_ADDR   1
#define PREFIX_LEN    2
#define ENDPOINT_ADDR 1
#define ENDPOINT_PORT 2
#define V4_OFFSET     12 /* bytes of ::ffff:0:0/96 before the IPv4 address */
#define V4_BITS       96

struct jool_header {
	char magic[4];
	uint32_t version_be;
	uint8_t translator;
	uint8_t flags;
	uint16_t reserved;
	char instance[JOOL_INSTANCE_MAX];
};
_Static_assert(sizeof(struct jool_header) == JOOL_HEADER, "no padding");

static const char magic[4] = {'j', 'o', 'o', 'l'};

/* Which translators an operation is for. An old module that gets another one crashes. */
static uint8_t op_translators(enum jool_op op)
{
	switch (op) {
	case JOOL_OP_INSTANCE_ADD:
	case JOOL_OP_INSTANCE_HELLO:
	case JOOL_OP_INSTANCE_REMOVE:
	case JOOL_OP_STATS:
	case JOOL_OP_GLOBALS:
	case JOOL_OP_GLOBAL_UPDATE:
		return XF_BITS_BOTH;
	case JOOL_OP_EAMT:
	case JOOL_OP_EAMT_ADD:
	case JOOL_OP_EAMT_REMOVE:
		return JOOL_SIIT;
	case JOOL_OP_POOL4:
	case JOOL_OP_POOL4_ADD:
	case JOOL_OP_POOL4_REMOVE:
	case JOOL_OP_BIB:
	case JOOL_OP_BIB_ADD:
	case JOOL_OP_BIB_REMOVE:
	case JOOL_OP_SESSION:
		return JOOL_NAT64;
	}
	return 0;
}

/*
 * From 4.1.15 on a row that meets ip_local_port_range is refused without it. Which ports of an
 * address are whose is checked before, and it need not be an address of this machine.
 */
static bool is_forced(const struct jool *jool, enum jool_op op)
{
	return op == JOOL_OP_POOL4_ADD && jool->version.revision >= 15;
}

int jool_begin(const struct jool *jool, struct jool_message *m, enum jool_op op, struct err *err)
{
	struct genlmsghdr *genl;
	struct jool_header *header;

	if (!(op_translators(op) & jool->translator)) {
		return err_set(err, -EINVAL, "jool: operation %d is not one of this translator",
			       (int)op);
	}
	memset(m, 0, sizeof(*m)); /* attributes are padded without being written */
	m->op = op;
	m->nlh = mnl_nlmsg_put_header(m->data);
	m->nlh->nlmsg_type = jool->family;
	m->nlh->nlmsg_flags = NLM_F_REQUEST; /* no acknowledgement: the reply is one */
	m->nlh->nlmsg_seq = 1;
	genl = mnl_nlmsg_put_extra_header(m->nlh, sizeof(*genl));
	genl->cmd = (uint8_t)op;
	genl->version = 1;
	header = mnl_nlmsg_put_extra_header(m->nlh, sizeof(*header));
	memcpy(header->magic, magic, sizeof(magic));
	header->version_be = htonl(CLIENT);
	header->translator = (uint8_t)jool->translator;
	header->flags = is_forced(jool, op) ? FLAG_FORCE : 0;
	memcpy(header->instance, jool->instance, sizeof(header->instance));
	return 0;
}

struct answer {
	const struct jool *jool;
	jool_attr_fn fn;
	void *arg;
	bool seen, more;
	struct err *err;
};

/* The module's own refusal. */
static int answer_error(const struct nlmsghdr *nlh, struct err *err)
{
	char text[JOOL_TEXT_MAX] = "";
	const struct nlattr *attr;
	uint16_t code = 0;

	mnl_attr_for_each(attr, nlh, JOOL_ATTRIBUTES)
	{
		if (mnl_attr_get_type(attr) == ERROR_CODE) {
			(void)jool_get(attr, &code, sizeof(code)); /* else 0, refused below */
		} else if (mnl_attr_get_type(attr) == ERROR_TEXT) {
			size_t len =
				strnlen(mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr));
			struct str raw = {.p = mnl_attr_get_payload(attr), .len = len};

			while (raw.len > 0 && raw.p[raw.len - 1] == '\n') {
				raw.len--;
			}
			str_escape(text, sizeof(text), raw);
		}
	}
	if (code == 0 || code > ERRNO_MAX) {
		return err_set(err, -EPROTO, "jool: an error without a code%s%s",
			       text[0] != '\0' ? ": " : "", text);
	}
	return err_set(err, -(int)code, "jool: %s", text[0] != '\0' ? text : strerror(code));
}

static int answer_seen(const struct nlmsghdr *nlh, void *arg)
{
	struct answer *a = arg;
	const struct jool_header *header;
	const struct nlattr *attr;
	int rc = 0;

	if (a->seen) {
		return err_set(a->err, -EPROTO, "jool: a second reply to one request");
	}
	a->seen = true;
	/* libmnl reads up to the next multiple of four, to which the kernel pads. */
	if (nlh->nlmsg_len % NLMSG_ALIGNTO != 0 || nlh->nlmsg_type != a->jool->family ||
	    mnl_nlmsg_get_payload_len(nlh) < JOOL_ATTRIBUTES) {
		return err_set(a->err, -EPROTO, "jool: a reply that is not Jool's");
	}
	header = mnl_nlmsg_get_payload_offset(nlh, sizeof(struct genlmsghdr));
	if (memcmp(header->magic, magic, sizeof(magic)) != 0 ||
	    header->translator != a->jool->translator) {
		return err_set(a->err, -EPROTO, "jool: a reply that is not Jool's");
	}
	if (header->flags & FLAG_ERROR) {
		return answer_error(nlh, a->err);
	}
	a->more = (header->flags & FLAG_MORE) != 0;
	mnl_attr_for_each(attr, nlh, JOOL_ATTRIBUTES)
	{
		rc = rc < 0 || !a->fn ? rc : a->fn(attr, a->arg, a->err);
	}
	return rc;
}

int jool_exchange(const struct jool *jool, const struct jool_message *m, jool_attr_fn fn, void *arg,
		  bool *ret_more, struct err *err)
{
	char text[JOOL_TEXT_MAX] = "";
	struct err said = {0};
	struct answer a = {.jool = jool, .fn = fn, .arg = arg, .err = &said};
	int rc;

	assert(m->nlh->nlmsg_len <= JOOL_MESSAGE_MAX);
	rc = jool->ops.transact(jool->ops.ctx, m->nlh, answer_seen, &a, text);
	if (rc == 0 && !a.seen) {
		return err_set(err, -EPROTO, "jool: no reply");
	}
	if (rc == 0) {
		if (ret_more) {
			*ret_more = a.more;
		}
		return 0;
	}
	if (said.code != 0) {
		return err_set(err, said.code, "%s", said.msg);
	}
	return err_set(err, rc, "jool: %s", text[0] != '\0' ? text : strerror(-rc));
}

bool jool_get(const struct nlattr *attr, void *dst, size_t len)
{
	if (mnl_attr_get_payload_len(attr) != len) {
		return false;
	}
	memcpy(dst, mnl_attr_get_payload(attr), len);
	return true;
}

/* An address of either family, told by its length. */
static bool get_address(const struct nlattr *attr, struct addr *ret_addr)
{
	*ret_addr = (struct addr){.b = {[10] = 0xff, [11] = 0xff}};
	return jool_get(attr, ret_addr->b + V4_OFFSET, sizeof(ret_addr->b) - V4_OFFSET) ||
	       jool_get(attr, ret_addr->b, sizeof(ret_addr->b));
}

static void put_address(struct nlmsghdr *nlh, uint16_t type, const struct addr *a)
{
	size_t offset = addr_is_v4(a) ? V4_OFFSET : 0;

	mnl_attr_put(nlh, type, sizeof(a->b) - offset, a->b + offset);
}

void jool_put_prefix(struct nlmsghdr *nlh, uint16_t type, const struct prefix *p)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, type);

	put_address(nlh, PREFIX_ADDR, &p->addr);
	mnl_attr_put_u8(nlh, PREFIX_LEN, (uint8_t)(p->len - (prefix_is_v4(p) ? V4_BITS : 0)));
	mnl_attr_nest_end(nlh, nest);
}

void jool_put_endpoint(struct nlmsghdr *nlh, uint16_t type, const struct endpoint *e)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, type);

	put_address(nlh, ENDPOINT_ADDR, &e->addr);
	mnl_attr_put_u16(nlh, ENDPOINT_PORT, e->port);
	mnl_attr_nest_end(nlh, nest);
}

bool jool_get_prefix(const struct nlattr *nest, struct prefix *ret_prefix)
{
	const struct nlattr *attr;
	bool has_addr = false, has_len = false;
	uint8_t len = 0;

	mnl_attr_for_each_nested(attr, nest)
	{
		if (mnl_attr_get_type(attr) == PREFIX_ADDR) {
			has_addr = get_address(attr, &ret_prefix->addr);
		} else if (mnl_attr_get_type(attr) == PREFIX_LEN) {
			has_len = jool_get(attr, &len, sizeof(len));
		}
	}
	if (!has_addr || !has_len || len > (addr_is_v4(&ret_prefix->addr) ? 32 : 128)) {
		return false;
	}
	ret_prefix->len = (uint8_t)(len + (addr_is_v4(&ret_prefix->addr) ? V4_BITS : 0));
	return true;
}

bool jool_get_endpoint(const struct nlattr *nest, struct endpoint *ret_endpoint)
{
	const struct nlattr *attr;
	bool has_addr = false, has_port = false;

	mnl_attr_for_each_nested(attr, nest)
	{
		if (mnl_attr_get_type(attr) == ENDPOINT_ADDR) {
			has_addr = get_address(attr, &ret_endpoint->addr);
		} else if (mnl_attr_get_type(attr) == ENDPOINT_PORT) {
			has_port = jool_get(attr, &ret_endpoint->port, sizeof(ret_endpoint->port));
		}
	}
	return has_addr && has_port;
}
