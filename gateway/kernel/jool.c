/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Jool's instance as objects: reads it and changes it entry by entry. Must never remove with
 * QUICK, flush, or replace the instance as a whole, which would reset its statistics.
 */
#include "gateway/kernel/jool.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "gateway/kernel/generic.h"
#include "gateway/kernel/port_history.h"
#include "nat64/table.h"

#define ROWS_MAX ((size_t)1 << 18) /* of a table that is ours */
#define V4_LEN   128               /* of one IPv4 address as struct prefix */

static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP};
#define N_PROTOCOLS (sizeof(protocols) / sizeof(protocols[0]))

/* The globals that are ours to set, and what they are in a new instance. */
static const struct {
	uint8_t id;
	uint32_t value;
} globals[] = {
	{JOOL_ENABLED, 1},
	{JOOL_LOWEST_IPV6_MTU, 1280},
	{JOOL_ADDRESS_DEPENDENT_FILTERING, 0},
	{JOOL_DROP_EXTERNALLY_INITIATED_TCP, 0},
	{JOOL_MAXIMUM_SIMULTANEOUS_OPENS, 10},
};
#define N_GLOBALS (sizeof(globals) / sizeof(globals[0]))

static int ops_transact(void *ctx, const struct nlmsghdr *nlh, jool_reply_fn reply, void *arg,
			char text[JOOL_TEXT_MAX])
{
	const struct kernel_ops *ops = ctx;
	struct kernel_fault fault = {0};
	struct kernel_request req = {.bus = BUS_GENERIC,
				     .data = nlh,
				     .len = nlh->nlmsg_len,
				     .reply = reply,
				     .arg = arg};
	int rc = ops->transact(ops->ctx, &req, &fault);

	(void)snprintf(text, JOOL_TEXT_MAX, "%s", fault.text); /* fits */
	return rc;
}

int jool_module_version(const struct jool_context *ctx, struct jool_version *ret_version,
			struct err *err)
{
	struct utsname name = {0};

	(void)uname(&name); /* else no name is shown */
	return jool_version_read(ctx->sys_dir ? ctx->sys_dir : "/sys",
				 ctx->modules_dir ? ctx->modules_dir : "/lib/modules", name.release,
				 ctx->translator == TRANSLATOR_SIIT ? JOOL_SIIT : JOOL_NAT64,
				 ret_version, err);
}

int jool_can(void *ctx, struct err *err)
{
	struct jool_version version;

	return jool_module_version(ctx, &version, err);
}

int jool_open(const struct jool_context *ctx, struct jool *ret_jool, struct err *err)
{
	bool siit = ctx->translator == TRANSLATOR_SIIT;
	struct kernel_fault fault = {0};
	int rc;

	*ret_jool = (struct jool){
		.ops = {.ctx = (void *)ctx->ops, .transact = ops_transact}, /* not changed */
		.translator = siit ? JOOL_SIIT : JOOL_NAT64,
	};
	(void)snprintf(ret_jool->instance, sizeof(ret_jool->instance), "%s",
		       siit ? JOOL_INSTANCE_SIIT : JOOL_INSTANCE); /* fits */
	rc = jool_module_version(ctx, &ret_jool->version, err);
	if (rc < 0) {
		return rc;
	}
	rc = generic_family(ctx->ops, JOOL_FAMILY, &ret_jool->family, &fault);
	if (rc == -ENOENT) {
		return err_set(err, -EOPNOTSUPP,
			       "the kernel's module jool is loaded and does not answer: run "
			       "'modprobe -r jool', then 'modprobe jool'");
	}
	return rc < 0 ? err_set_errno(err, rc, "jool: asking for its netlink family") : 0;
}

struct reader {
	const struct jool *jool;
	enum translator translator;
	uint32_t kinds;
	struct object_set *set;
};

static bool reader_wants(const struct reader *r, enum object_kind kind)
{
	return (r->kinds & DRIVER_KIND(kind)) != 0;
}

static int read_globals(const struct reader *r, struct err *err)
{
	struct jool_globals values;
	struct object o = {.kind = OBJECT_INSTANCE, .instance = {.translator = r->translator}};
	int rc = jool_globals_read(r->jool, &values, err);

	if (rc < 0) {
		return rc;
	}
	if (values.has[JOOL_POOL6]) {
		o.instance.pool6 = values.pool6;
	}
	if (reader_wants(r, OBJECT_INSTANCE)) {
		(void)object_set_add(r->set, &o); /* out of memory is sticky */
	}
	for (size_t i = 0;
	     i < N_GLOBALS && reader_wants(r, OBJECT_GLOBAL) && r->translator == TRANSLATOR_NAT64;
	     i++) {
		o = (struct object){.kind = OBJECT_GLOBAL,
				    .global = {.translator = r->translator,
					       .id = globals[i].id,
					       .value = values.value[globals[i].id]}};
		if (values.has[globals[i].id]) {
			(void)object_set_add(r->set, &o); /* same */
		}
	}
	return 0;
}

static int row_seen(const struct jool_entry *e, void *arg)
{
	struct object o = {.kind = OBJECT_POOL4,
			   .pool4 = {.address = e->range.addr,
				     .protocol = e->protocol,
				     .mark = e->mark,
				     .first = e->first,
				     .last = e->last}};

	/* The module keeps one row an address. */
	return e->range.len != V4_LEN || object_set_add(arg, &o) ? 0 : -ENOMEM;
}

static int mapping_seen(const struct jool_entry *e, void *arg)
{
	struct object o = {.kind = OBJECT_BIB,
			   .bib = {.protocol = e->protocol, .inside = e->src6, .outside = e->src4}};

	return !e->is_static || object_set_add(arg, &o) ? 0 : -ENOMEM;
}

static int eam_seen(const struct jool_entry *e, void *arg)
{
	struct object o = {.kind = OBJECT_EAM, .eam = {.outside = e->range, .inside = e->inside6}};

	return object_set_add(arg, &o) ? 0 : -ENOMEM;
}

/* Rows of pool4 that are few, so the list begins again when one went meanwhile. */
static int read_rows(const struct reader *r, uint8_t protocol, struct err *err)
{
	struct jool_list list = {0};
	int rc = jool_list_read(r->jool, JOOL_POOL4, protocol, ROWS_MAX, &list, err);

	for (size_t i = 0; i < list.n && rc == 0; i++) {
		rc = row_seen(&list.items[i], r->set);
	}
	jool_list_fini(&list);
	return rc;
}

static int read_table(const struct reader *r, enum jool_table table, uint8_t protocol,
		      jool_entry_fn fn, struct err *err)
{
	struct jool_walk walk = {.protocol = protocol};
	bool more = true;
	int rc = 0;

	while (rc == 0 && more) {
		rc = jool_walk(r->jool, table, &walk, fn, r->set, &more, err);
	}
	return rc;
}

static int read_tables(const struct reader *r, struct err *err)
{
	int rc = 0;

	if (r->translator == TRANSLATOR_SIIT) {
		return reader_wants(r, OBJECT_EAM) ? read_table(r, JOOL_EAMT, 0, eam_seen, err) : 0;
	}
	for (size_t i = 0; i < N_PROTOCOLS && rc == 0; i++) {
		if (reader_wants(r, OBJECT_POOL4)) {
			rc = read_rows(r, protocols[i], err);
		}
		if (rc == 0 && reader_wants(r, OBJECT_BIB)) {
			rc = read_table(r, JOOL_BIB, protocols[i], mapping_seen, err);
		}
	}
	return rc;
}

static int jool_observe(void *ctx, uint32_t kinds, struct object_set *set, struct err *err)
{
	const struct jool_context *c = ctx;
	struct jool jool;
	struct reader r = {.jool = &jool, .translator = c->translator, .kinds = kinds, .set = set};
	bool exists = false;
	int rc = jool_open(c, &jool, err);

	if (rc < 0) {
		return rc;
	}
	rc = jool_instance_exists(&jool, &exists, err);
	if (rc == 0 && exists) {
		rc = read_globals(&r, err);
	}
	if (rc == 0 && exists) {
		rc = read_tables(&r, err);
	}
	return rc < 0 ? err_prefix(err, "reading it: ") : 0;
}

static int apply_instance(const struct jool *jool, const struct step *step, struct err *err)
{
	struct jool_globals values;
	bool exists = false;
	int rc = 0;

	if (step->from) {
		rc = jool_instance_remove(jool, err);
		rc = rc == -ESRCH || rc == -ENOENT ? 0 : rc;
	}
	if (rc < 0 || !step->to) {
		return rc;
	}
	rc = jool_instance_exists(jool, &exists, err);
	if (rc < 0 || !exists) {
		return rc < 0 ? rc : jool_instance_add(jool, &step->to->instance.pool6, err);
	}
	rc = jool_globals_read(jool, &values, err);
	if (rc == 0 &&
	    (!values.has[JOOL_POOL6] || values.pool6.len != step->to->instance.pool6.len ||
	     !addr_eq(&values.pool6.addr, &step->to->instance.pool6.addr))) {
		return err_set(err, -EEXIST, "jool: there is an instance with another prefix");
	}
	return rc;
}

static int apply_global(const struct jool *jool, const struct step *step, struct err *err)
{
	const struct object_global *o = step->to ? &step->to->global : &step->from->global;
	uint32_t value = o->value;
	int rc;

	for (size_t i = 0; i < N_GLOBALS && !step->to; i++) {
		value = globals[i].id == o->id ? globals[i].value : value;
	}
	rc = jool_global_set(jool, o->id, value, err);
	return rc == -ESRCH && !step->to ? 0 : rc;
}

static struct jool_entry row_entry(const struct object_pool4 *o)
{
	return (struct jool_entry){.protocol = o->protocol,
				   .mark = o->mark,
				   .range = {.addr = o->address, .len = V4_LEN},
				   .first = o->first,
				   .last = o->last};
}

static struct jool_entry mapping_entry(const struct object_bib *o)
{
	return (struct jool_entry){.protocol = o->protocol,
				   .src6 = o->inside,
				   .src4 = o->outside,
				   .is_static = true};
}

static struct jool_entry eam_entry(const struct object_eam *o)
{
	return (struct jool_entry){.range = o->outside, .inside6 = o->inside};
}

static int remove_entry(const struct jool *jool, enum jool_table table,
			const struct jool_entry *entry, struct err *err)
{
	struct err said;
	int rc = jool_entry_remove(jool, table, entry, &said);

	return rc == 0 || rc == -ESRCH || rc == -ENOENT ? 0 : err_set(err, rc, "%s", said.msg);
}

/* After a change that failed. What cannot be put back is drift, which the next look finds. */
static void put_back(const struct jool *jool, enum jool_table table, const struct jool_entry *entry)
{
	int rc = jool_entry_add(jool, table, entry, NULL);

	(void)rc;
}

struct holder {
	const struct jool_entry *wanted;
	bool is_static;
};

/* The first entry behind the place before the wanted one; ends the walk. */
static int holder_seen(const struct jool_entry *e, void *arg)
{
	struct holder *h = arg;

	h->is_static = e->is_static && e->src4.port == h->wanted->src4.port &&
		       addr_eq(&e->src4.addr, &h->wanted->src4.addr);
	return -ECANCELED;
}

/* Whether a static mapping has the public address and port already. */
static int mapping_is_taken(const struct jool *jool, const struct jool_entry *wanted,
			    bool *ret_taken, struct err *err)
{
	struct jool_walk walk;
	struct holder h = {.wanted = wanted};
	struct err said;
	bool more;
	int rc;

	jool_walk_from(&walk, wanted->protocol, &wanted->src4);
	rc = jool_walk(jool, JOOL_BIB, &walk, holder_seen, &h, &more, &said);
	*ret_taken = h.is_static;
	return rc == 0 || rc == -ECANCELED ? 0 : err_set(err, rc, "%s", said.msg);
}

/*
 * Adds a static mapping. What the tenant's socket, or another one, has got there by itself makes
 * way: it would have lasted for as long as it is used.
 */
static int add_mapping(const struct jool *jool, const struct object_bib *o, struct err *err)
{
	struct jool_entry wanted = mapping_entry(o), inside = wanted, outside = wanted;
	struct err said;
	bool taken;
	int rc = jool_entry_add(jool, JOOL_BIB, &wanted, &said);

	if (rc != -EEXIST) {
		return rc < 0 ? err_set(err, rc, "%s", said.msg) : 0;
	}
	rc = mapping_is_taken(jool, &wanted, &taken, err);
	if (rc < 0 || taken) {
		return rc < 0 ? rc : err_set(err, -EEXIST, "jool: another static mapping is there");
	}
	inside.src4 = outside.src6 = (struct endpoint){0};
	rc = remove_entry(jool, JOOL_BIB, &inside, err);
	if (rc == 0) {
		rc = remove_entry(jool, JOOL_BIB, &outside, err);
	}
	return rc < 0 ? rc : jool_entry_add(jool, JOOL_BIB, &wanted, err);
}

static int apply_mapping(const struct jool *jool, const struct step *step, struct err *err)
{
	struct jool_entry from;
	int rc = 0;

	if (step->from) {
		from = mapping_entry(&step->from->bib);
		rc = remove_entry(jool, JOOL_BIB, &from, err);
	}
	if (rc == 0 && step->to) {
		rc = add_mapping(jool, &step->to->bib, err);
	}
	if (rc < 0 && step->from && step->to) {
		put_back(jool, JOOL_BIB, &from);
	}
	return rc;
}

static int apply_entry(const struct jool *jool, enum jool_table table,
		       const struct jool_entry *from, const struct jool_entry *to, struct err *err)
{
	int rc = from ? remove_entry(jool, table, from, err) : 0;

	if (rc < 0 || !to) {
		return rc;
	}
	rc = jool_entry_add(jool, table, to, err);
	if (rc < 0 && from) {
		put_back(jool, table, from);
	}
	return rc;
}

static int apply_row(const struct jool *jool, const struct step *step, struct err *err)
{
	struct jool_entry from, to;

	if (step->from) {
		from = row_entry(&step->from->pool4);
	}
	if (step->to) {
		to = row_entry(&step->to->pool4);
	}
	return apply_entry(jool, JOOL_POOL4, step->from ? &from : NULL, step->to ? &to : NULL, err);
}

static int apply_eam(const struct jool *jool, const struct step *step, struct err *err)
{
	struct jool_entry from, to;

	if (step->from) {
		from = eam_entry(&step->from->eam);
	}
	if (step->to) {
		to = eam_entry(&step->to->eam);
	}
	return apply_entry(jool, JOOL_EAMT, step->from ? &from : NULL, step->to ? &to : NULL, err);
}

static int apply_step(const struct jool *jool, const struct step *step, struct err *err)
{
	enum object_kind kind = step->to ? step->to->kind : step->from->kind;

	if (kind == OBJECT_INSTANCE) {
		return apply_instance(jool, step, err);
	}
	if (kind == OBJECT_GLOBAL) {
		return apply_global(jool, step, err);
	}
	if (kind == OBJECT_POOL4) {
		return apply_row(jool, step, err);
	}
	return kind == OBJECT_BIB ? apply_mapping(jool, step, err) : apply_eam(jool, step, err);
}

/* Names the object, and what to do about it where that is known. */
static int apply_err(int rc, const struct step *step, struct err *err)
{
	struct buf text;

	buf_init(&text, ERR_MSG_MAX);
	object_format(step->to ? step->to : step->from, &text);
	(void)err_prefix(err, "%.*s: ", text.bad ? 0 : (int)text.len,
			 text.bad ? "" : (const char *)text.data); /* its code is rc */
	buf_fini(&text);
	return rc;
}

static int jool_apply(void *ctx, const struct step *steps, size_t n_steps, size_t *ret_done,
		      struct err *err)
{
	const struct jool_context *c = ctx;
	struct jool jool;
	int rc;

	*ret_done = 0;
	rc = jool_open(c, &jool, err);
	while (rc == 0 && *ret_done < n_steps) {
		rc = apply_step(&jool, &steps[*ret_done], err);
		if (rc < 0) {
			(void)apply_err(rc, &steps[*ret_done], err); /* the same code */
		} else {
			(*ret_done)++;
		}
	}
	if (c->history) {
		port_history_write(c->history, steps, *ret_done, (uint64_t)time(NULL));
	}
	return rc;
}

struct driver jool_driver(const struct jool_context *ctx)
{
	bool siit = ctx->translator == TRANSLATOR_SIIT;

	return (struct driver){
		.name = siit ? "siit" : "nat64",
		.kinds = DRIVER_KIND(OBJECT_INSTANCE) |
			 (siit ? DRIVER_KIND(OBJECT_EAM)
			       : DRIVER_KIND(OBJECT_GLOBAL) | DRIVER_KIND(OBJECT_POOL4) |
					  DRIVER_KIND(OBJECT_BIB)),
		.ctx = (void *)ctx, /* not changed */
		.observe = jool_observe,
		.apply = jool_apply,
	};
}
