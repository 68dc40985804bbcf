/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The instance, its globals and its statistics.
 */
#include "nat64/jool.h"

#include <errno.h>
#include <string.h>

#include "nat64/internal.h"

#define FRAMEWORK_NETFILTER 4
#define INSTANCE_FRAMEWORK  1
#define INSTANCE_POOL6      2
#define HELLO_STATUS        1
#define PAGES_MAX           16 /* of globals or statistics, which are few */

static int hello_attribute(const struct nlattr *attr, void *arg, struct err *err)
{
	uint8_t status;

	if (mnl_attr_get_type(attr) != HELLO_STATUS) {
		return 0;
	}
	if (!jool_get(attr, &status, sizeof(status))) {
		return err_set(err, -EPROTO, "jool: a status of another length");
	}
	*(bool *)arg = status == 0;
	return 0;
}

int jool_instance_exists(const struct jool *jool, bool *ret_exists, struct err *err)
{
	struct jool_message m;
	int rc = jool_begin(jool, &m, JOOL_OP_INSTANCE_HELLO, err);

	*ret_exists = false;
	return rc < 0 ? rc : jool_exchange(jool, &m, hello_attribute, ret_exists, NULL, err);
}

int jool_instance_add(const struct jool *jool, const struct prefix *pool6, struct err *err)
{
	struct jool_message m;
	struct nlattr *operand;
	int rc = jool_begin(jool, &m, JOOL_OP_INSTANCE_ADD, err);

	if (rc < 0) {
		return rc;
	}
	operand = mnl_attr_nest_start(m.nlh, JOOL_ROOT_OPERAND);
	mnl_attr_put_u8(m.nlh, INSTANCE_FRAMEWORK, FRAMEWORK_NETFILTER);
	jool_put_prefix(m.nlh, INSTANCE_POOL6, pool6);
	mnl_attr_nest_end(m.nlh, operand);
	return jool_exchange(jool, &m, NULL, NULL, NULL, err);
}

int jool_instance_remove(const struct jool *jool, struct err *err)
{
	struct jool_message m;
	int rc = jool_begin(jool, &m, JOOL_OP_INSTANCE_REMOVE, err);

	return rc < 0 ? rc : jool_exchange(jool, &m, NULL, NULL, NULL, err);
}

/* Bytes of a global that is a number; 0 for another, or an id that only some versions have. */
static size_t global_bytes(unsigned int id)
{
	switch (id) {
	case 1:
	case 4:
	case 5:
	case 6:
	case 7:
	case 9:
	case 10:
	case 11:
	case 14:
	case 15:
	case 16:
	case 17:
	case 18:
	case 19:
	case 24:
	case 25:
	case 27:
	case 28:
		return 1;
	case 3:
	case 20:
	case 21:
	case 22:
	case 23:
	case 26:
	case 29:
	case 30:
	case 31:
		return 4;
	default:
		return 0;
	}
}

struct id_walk {
	uint8_t last;
	bool any; /* on this page */
	struct jool_globals *globals;
	uint64_t *stats;
};

static int global_attribute(const struct nlattr *attr, void *arg, struct err *err)
{
	struct id_walk *walk = arg;
	unsigned int id = mnl_attr_get_type(attr);
	uint8_t small = 0;
	bool good = true;

	if (id <= walk->last || id > UINT8_MAX) {
		return err_set(err, -EPROTO, "jool: globals out of order");
	}
	walk->last = (uint8_t)id;
	walk->any = true;
	if (id == JOOL_POOL6) {
		/* Without an address: unset. */
		walk->globals->has[id] = jool_get_prefix(attr, &walk->globals->pool6);
		return 0;
	}
	if (global_bytes(id) == 1) {
		good = jool_get(attr, &small, sizeof(small));
		walk->globals->value[id] = small;
	} else if (global_bytes(id) == 4) {
		good = jool_get(attr, &walk->globals->value[id], sizeof(uint32_t));
	} else {
		return 0;
	}
	walk->globals->has[id] = good;
	return good ? 0 : err_set(err, -EPROTO, "jool: global %u has another length", id);
}

static int stat_attribute(const struct nlattr *attr, void *arg, struct err *err)
{
	struct id_walk *walk = arg;
	unsigned int id = mnl_attr_get_type(attr);

	uint64_t other;

	if (mnl_attr_get_payload_len(attr) == 0 && id >= JOOL_STATS) {
		return 0; /* padding, anywhere */
	}
	if (id <= walk->last || id > UINT8_MAX) {
		return err_set(err, -EPROTO, "jool: statistics out of order");
	}
	walk->last = (uint8_t)id;
	walk->any = true;
	/* Behind those we know each version has others. */
	if (!jool_get(attr, id < JOOL_STATS ? &walk->stats[id] : &other, sizeof(other))) {
		return err_set(err, -EPROTO, "jool: counter %u has another length", id);
	}
	return 0;
}

static int ids_read(const struct jool *jool, enum jool_op op, jool_attr_fn fn, struct id_walk *walk,
		    struct err *err)
{
	bool more = true;

	for (int pages = 0; more; pages++) {
		struct jool_message m;
		int rc = jool_begin(jool, &m, op, err);

		if (rc < 0) {
			return rc;
		}
		if (walk->last > 0) {
			mnl_attr_put_u8(m.nlh, JOOL_ROOT_OFFSET_U8, walk->last);
		}
		walk->any = false;
		rc = jool_exchange(jool, &m, fn, walk, &more, err);
		if (rc < 0) {
			return rc;
		}
		if (more && (!walk->any || pages == PAGES_MAX)) {
			return err_set(err, -EPROTO, "jool: pages without end");
		}
	}
	return 0;
}

int jool_globals_read(const struct jool *jool, struct jool_globals *ret_globals, struct err *err)
{
	struct id_walk walk = {.globals = ret_globals};

	memset(ret_globals, 0, sizeof(*ret_globals));
	return ids_read(jool, JOOL_OP_GLOBALS, global_attribute, &walk, err);
}

int jool_stats_read(const struct jool *jool, uint64_t ret_stats[JOOL_STATS], struct err *err)
{
	struct id_walk walk = {.stats = ret_stats};

	memset(ret_stats, 0, JOOL_STATS * sizeof(*ret_stats));
	return ids_read(jool, JOOL_OP_STATS, stat_attribute, &walk, err);
}

int jool_global_set(const struct jool *jool, uint8_t id, uint32_t value, struct err *err)
{
	size_t bytes = global_bytes(id);
	struct jool_message m;
	struct nlattr *nest;
	int rc = jool_begin(jool, &m, JOOL_OP_GLOBAL_UPDATE, err);

	if (rc < 0) {
		return rc;
	}
	if (bytes == 0 || (bytes == 1 && value > UINT8_MAX)) {
		return err_set(err, -EINVAL, "jool: global %u cannot be %u", id, value);
	}
	nest = mnl_attr_nest_start(m.nlh, JOOL_ROOT_GLOBALS);
	if (bytes == 1) {
		mnl_attr_put_u8(m.nlh, id, (uint8_t)value);
	} else {
		mnl_attr_put_u32(m.nlh, id, value);
	}
	mnl_attr_nest_end(m.nlh, nest);
	return jool_exchange(jool, &m, NULL, NULL, NULL, err);
}
