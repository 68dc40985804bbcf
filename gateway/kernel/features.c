/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What network cards do by themselves, by ethtool's netlink (Linux 5.7). For offload.c. */
#include "gateway/kernel/features.h"

#include <assert.h>
#include <errno.h>
#include <linux/ethtool_netlink.h>
#include <linux/genetlink.h>
#include <string.h>

#include "gateway/kernel/generic.h"

#define ONE_BY_ONE 16 /* links; more are asked for all at once, with those of others */
#define DUMP_TRIES 5  /* one that was interrupted by a change is asked for again */

static bool bit_is(const struct nlattr *bit, const char *name, bool *ret_value)
{
	const struct nlattr *attr;
	bool found = false;

	*ret_value = false;
	mnl_attr_for_each_nested(attr, bit)
	{
		if (mnl_attr_get_type(attr) == ETHTOOL_A_BITSET_BIT_NAME &&
		    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0) {
			found = strcmp(mnl_attr_get_str(attr), name) == 0;
		}
		*ret_value |= mnl_attr_get_type(attr) == ETHTOOL_A_BITSET_BIT_VALUE;
	}
	return found;
}

/* A set without a mask lists what is on, with one it lists what it speaks of. */
static bool bitset_find(const struct nlattr *bitset, const char *name, bool *ret_on)
{
	const struct nlattr *attr, *bit;
	bool nomask = false, value, found = false;

	*ret_on = false;
	mnl_attr_for_each_nested(attr, bitset)
	{
		nomask |= mnl_attr_get_type(attr) == ETHTOOL_A_BITSET_NOMASK;
		if (mnl_attr_get_type(attr) != ETHTOOL_A_BITSET_BITS) {
			continue;
		}
		mnl_attr_for_each_nested(bit, attr)
		{
			if (bit_is(bit, name, &value)) {
				found = true;
				*ret_on = value;
			}
		}
	}
	*ret_on |= found && nomask;
	return found;
}

/* The link that an answer is about; "" when it does not say. */
static const char *answer_link(const struct nlmsghdr *nlh)
{
	const struct nlattr *attr, *part;

	mnl_attr_for_each(attr, nlh, GENL_HDRLEN)
	{
		if (mnl_attr_get_type(attr) != ETHTOOL_A_FEATURES_HEADER) {
			continue;
		}
		mnl_attr_for_each_nested(part, attr)
		{
			if (mnl_attr_get_type(part) == ETHTOOL_A_HEADER_DEV_NAME &&
			    mnl_attr_validate(part, MNL_TYPE_NUL_STRING) >= 0) {
				return mnl_attr_get_str(part);
			}
		}
	}
	return "";
}

static void feature_seen(const struct nlmsghdr *nlh, struct feature *f)
{
	const struct nlattr *attr;
	bool on;

	f->seen = true;
	f->on = false;
	mnl_attr_for_each(attr, nlh, GENL_HDRLEN)
	{
		if (mnl_attr_get_type(attr) == ETHTOOL_A_FEATURES_ACTIVE) {
			f->on |= bitset_find(attr, f->name.feature, &on) && on;
		}
	}
}

static int features_seen(const struct nlmsghdr *nlh, void *arg)
{
	const struct features *fs = arg;
	const char *link;
	size_t from = 0, to = fs->n;

	if (mnl_nlmsg_get_payload_len(nlh) < GENL_HDRLEN) {
		return 0;
	}
	link = answer_link(nlh);
	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (strcmp(fs->items[middle].name.link, link) < 0) {
			from = middle + 1;
		} else {
			to = middle;
		}
	}
	for (; from < fs->n && strcmp(fs->items[from].name.link, link) == 0; from++) {
		feature_seen(nlh, &fs->items[from]);
	}
	return 0;
}

/* link NULL: all of them. */
static struct nlmsghdr *features_message(void *data, uint16_t family, uint8_t cmd, const char *link)
{
	struct nlmsghdr *nlh = generic_message(data, family, link ? NLM_F_ACK : NLM_F_DUMP, 1, cmd,
					       ETHTOOL_GENL_VERSION, 0);
	struct nlattr *header = mnl_attr_nest_start(nlh, ETHTOOL_A_FEATURES_HEADER);

	if (link) {
		mnl_attr_put_strz(nlh, ETHTOOL_A_HEADER_DEV_NAME, link);
		mnl_attr_put_u32(nlh, ETHTOOL_A_HEADER_FLAGS, ETHTOOL_FLAG_OMIT_REPLY);
	}
	mnl_attr_nest_end(nlh, header);
	return nlh;
}

static int features_send(const struct kernel_ops *ops, struct nlmsghdr *nlh, struct features *fs)
{
	struct kernel_fault fault;
	struct kernel_request req = {.bus = BUS_GENERIC,
				     .data = nlh,
				     .len = nlh->nlmsg_len,
				     .reply = fs ? features_seen : NULL,
				     .arg = fs};

	return ops->transact(ops->ctx, &req, &fault);
}

int features_family(const struct kernel_ops *ops, uint16_t *ret_family)
{
	struct kernel_fault fault;

	return generic_family(ops, ETHTOOL_GENL_NAME, ret_family, &fault);
}

/* Asks for the link of the first one. */
static int features_of_link(const struct kernel_ops *ops, uint16_t family, struct features *fs)
{
	_Alignas(struct nlmsghdr) char data[256];

	return features_send(ops,
			     features_message(data, family, ETHTOOL_MSG_FEATURES_GET,
					      fs->items->name.link),
			     fs);
}

static int features_of_all(const struct kernel_ops *ops, uint16_t family, struct features *fs)
{
	_Alignas(struct nlmsghdr) char data[256];
	int rc = -EINTR;

	for (int tries = 0; tries < DUMP_TRIES && rc == -EINTR; tries++) {
		rc = features_send(ops,
				   features_message(data, family, ETHTOOL_MSG_FEATURES_GET, NULL),
				   fs);
	}
	return rc;
}

int feature_get(const struct kernel_ops *ops, uint16_t family, const struct object_offload *want,
		bool *ret_on)
{
	struct feature f = {.name = *want};
	struct features fs = {.items = &f, .n = 1};
	int rc = features_of_link(ops, family, &fs);

	*ret_on = f.on;
	return rc;
}

int feature_set(const struct kernel_ops *ops, uint16_t family, const struct object_offload *want,
		bool on)
{
	_Alignas(struct nlmsghdr) char data[256];
	struct nlmsghdr *nlh = features_message(data, family, ETHTOOL_MSG_FEATURES_SET, want->link);
	struct nlattr *bitset = mnl_attr_nest_start(nlh, ETHTOOL_A_FEATURES_WANTED);
	struct nlattr *bits = mnl_attr_nest_start(nlh, ETHTOOL_A_BITSET_BITS);
	struct nlattr *bit = mnl_attr_nest_start(nlh, ETHTOOL_A_BITSET_BITS_BIT);

	mnl_attr_put_strz(nlh, ETHTOOL_A_BITSET_BIT_NAME, want->feature);
	if (on) {
		mnl_attr_put(nlh, ETHTOOL_A_BITSET_BIT_VALUE, 0, NULL);
	}
	mnl_attr_nest_end(nlh, bit);
	mnl_attr_nest_end(nlh, bits);
	mnl_attr_nest_end(nlh, bitset);
	return features_send(ops, nlh, NULL);
}

int feature_by_link(const void *a, const void *b)
{
	const struct feature *x = a, *y = b;

	return strcmp(x->name.link, y->name.link);
}

int features_ask(const struct kernel_ops *ops, struct features *fs, size_t n_links, struct err *err)
{
	uint16_t family;
	int rc = features_family(ops, &family);

	assert(fs->items); /* there is one to ask for */
	if (rc == 0 && n_links > ONE_BY_ONE) {
		rc = features_of_all(ops, family, fs);
		return rc < 0 ? err_set_errno(err, rc, "reading offloads") : 0;
	}
	for (size_t i = 0; rc == 0 && i < fs->n; i++) {
		struct features rest = {.items = &fs->items[i], .n = fs->n - i};

		if (i > 0 && feature_by_link(&fs->items[i - 1], &fs->items[i]) == 0) {
			continue;
		}
		rc = features_of_link(ops, family, &rest);
		if (rc < 0 && rc != -ENODEV) {
			return err_set_errno(err, rc, "reading the offloads of %s",
					     fs->items[i].name.link);
		}
		rc = 0;
	}
	return rc < 0 ? err_set_errno(err, rc, "asking for ethtool") : 0;
}
