/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Offloads of network cards that merge packets before the translator sees them: turned off, with
 * what they were in the record, and put back from there.
 */
#include "gateway/kernel/offload.h"

#include <errno.h>
#include <linux/ethtool_netlink.h>
#include <linux/genetlink.h>
#include <stdio.h>
#include <string.h>

#include "gateway/kernel/generic.h"

#define KEY_PREFIX "offload" /* "offload eth0 rx-gro-list" */

/* What the answer to FEATURES_GET says about one feature. */
struct feature {
	const char *name; /* borrowed */
	bool known, on;
};

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

static int features_seen(const struct nlmsghdr *nlh, void *arg)
{
	struct feature *f = arg;
	const struct nlattr *attr;
	bool on;

	if (mnl_nlmsg_get_payload_len(nlh) < GENL_HDRLEN) {
		return 0;
	}
	mnl_attr_for_each(attr, nlh, GENL_HDRLEN)
	{
		uint16_t type = mnl_attr_get_type(attr);

		if (type == ETHTOOL_A_FEATURES_HW) {
			f->known |= bitset_find(attr, f->name, &on);
		} else if (type == ETHTOOL_A_FEATURES_ACTIVE) {
			f->on |= bitset_find(attr, f->name, &on) && on;
		}
	}
	return 0;
}

static struct nlmsghdr *features_message(void *data, uint16_t family, uint8_t cmd, const char *link)
{
	struct nlmsghdr *nlh =
		generic_message(data, family, NLM_F_ACK, 1, cmd, ETHTOOL_GENL_VERSION, 0);
	struct nlattr *header = mnl_attr_nest_start(nlh, ETHTOOL_A_FEATURES_HEADER);

	mnl_attr_put_strz(nlh, ETHTOOL_A_HEADER_DEV_NAME, link);
	mnl_attr_put_u32(nlh, ETHTOOL_A_HEADER_FLAGS, ETHTOOL_FLAG_OMIT_REPLY);
	mnl_attr_nest_end(nlh, header);
	return nlh;
}

static int features_send(const struct offloads *o, struct nlmsghdr *nlh, struct feature *f)
{
	struct kernel_fault fault;
	struct kernel_request req = {.bus = BUS_GENERIC,
				     .data = nlh,
				     .len = nlh->nlmsg_len,
				     .reply = f ? features_seen : NULL,
				     .arg = f};

	return o->ops->transact(o->ops->ctx, &req, &fault);
}

static int feature_read(const struct offloads *o, uint16_t family,
			const struct object_offload *want, struct feature *f)
{
	_Alignas(struct nlmsghdr) char data[256];

	*f = (struct feature){.name = want->feature};
	return features_send(o,
			     features_message(data, family, ETHTOOL_MSG_FEATURES_GET, want->link),
			     f);
}

static int feature_get(const struct offloads *o, const struct object_offload *want,
		       struct feature *f)
{
	struct kernel_fault fault;
	uint16_t family;
	int rc = generic_family(o->ops, ETHTOOL_GENL_NAME, &family, &fault);

	return rc < 0 ? rc : feature_read(o, family, want, f);
}

static int feature_set(const struct offloads *o, const struct object_offload *want, bool on)
{
	_Alignas(struct nlmsghdr) char data[256];
	struct nlmsghdr *nlh;
	struct nlattr *bitset, *bits, *bit;
	struct kernel_fault fault;
	uint16_t family;
	int rc = generic_family(o->ops, ETHTOOL_GENL_NAME, &family, &fault);

	if (rc < 0) {
		return rc;
	}
	nlh = features_message(data, family, ETHTOOL_MSG_FEATURES_SET, want->link);
	bitset = mnl_attr_nest_start(nlh, ETHTOOL_A_FEATURES_WANTED);
	bits = mnl_attr_nest_start(nlh, ETHTOOL_A_BITSET_BITS);
	bit = mnl_attr_nest_start(nlh, ETHTOOL_A_BITSET_BITS_BIT);
	mnl_attr_put_strz(nlh, ETHTOOL_A_BITSET_BIT_NAME, want->feature);
	if (on) {
		mnl_attr_put(nlh, ETHTOOL_A_BITSET_BIT_VALUE, 0, NULL);
	}
	mnl_attr_nest_end(nlh, bit);
	mnl_attr_nest_end(nlh, bits);
	mnl_attr_nest_end(nlh, bitset);
	return features_send(o, nlh, NULL);
}

static int offload_err(struct err *err, int rc, const struct object_offload *want,
		       const char *doing)
{
	return err_set(err, rc, "%s offload %s of %s: %s%s", doing, want->feature, want->link,
		       strerror(-rc), rc == -ENODEV ? "; there is no such link" : "");
}

static char *offload_key(const struct object_offload *want, char key[RECORD_KEY_MAX])
{
	(void)snprintf(key, RECORD_KEY_MAX, KEY_PREFIX " %s %s", want->link,
		       want->feature); /* fits */
	return key;
}

static bool key_read(const char *key, struct object_offload *want)
{
	const char *link = key + sizeof(KEY_PREFIX), *feature;

	if (strncmp(key, KEY_PREFIX " ", sizeof(KEY_PREFIX)) != 0) {
		return false;
	}
	feature = strchr(link, ' ');
	if (!feature || (size_t)(feature - link) >= sizeof(want->link) ||
	    strlen(feature + 1) >= sizeof(want->feature)) {
		return false;
	}
	*want = (struct object_offload){0};
	memcpy(want->link, link, (size_t)(feature - link));
	memcpy(want->feature, feature + 1, strlen(feature + 1));
	return true;
}

static int offloads_observe(void *ctx, uint32_t kinds, struct object_set *set, struct err *err)
{
	struct offloads *os = ctx;
	uint16_t family = 0; /* not asked for yet */

	for (size_t i = 0; (kinds & DRIVER_KIND(OBJECT_OFFLOAD)) != 0 && i < os->record->n; i++) {
		struct object o = {.kind = OBJECT_OFFLOAD};
		struct kernel_fault fault;
		struct feature f;
		int rc = 0;

		if (!key_read(os->record->items[i].key, &o.offload)) {
			continue;
		}
		if (family == 0) {
			rc = generic_family(os->ops, ETHTOOL_GENL_NAME, &family, &fault);
		}
		rc = rc < 0 ? rc : feature_read(os, family, &o.offload, &f);
		if (rc < 0 && rc != -ENODEV) {
			return offload_err(err, rc, &o.offload, "reading");
		}
		if (rc == 0 && !f.on && !object_set_add(set, &o)) {
			return err_set(err, -ENOMEM, "offloads: out of memory");
		}
	}
	return 0;
}

/* A card without the feature has it off. */
static int offload_make(struct offloads *os, const struct object_offload *want, struct err *err)
{
	char key[RECORD_KEY_MAX];
	struct feature f;
	int rc = feature_get(os, want, &f);

	if (rc == 0) {
		rc = record_add(os->record, offload_key(want, key), f.on ? "on" : "off", err);
		if (rc < 0) {
			return rc;
		}
	}
	if (rc == 0 && f.on) {
		rc = feature_set(os, want, false);
		rc = rc < 0 ? rc : feature_get(os, want, &f);
		rc = rc == 0 && f.on ? -EOPNOTSUPP : rc; /* fixed by the card's driver */
		if (rc < 0 && record_remove(os->record, key, NULL) < 0) {
			(void)offload_err(err, rc, want, "turning off");
			return err_prefix(err, "could not be taken back: ");
		}
	}
	return rc < 0 ? offload_err(err, rc, want, "turning off") : 0;
}

static int offload_unmake(struct offloads *os, const struct object_offload *want, struct err *err)
{
	char key[RECORD_KEY_MAX];
	const struct record_item *item = record_find(os->record, offload_key(want, key));
	int rc = item && strcmp(item->former, "on") == 0 ? feature_set(os, want, true) : 0;

	if (rc < 0 && rc != -ENODEV) {
		return offload_err(err, rc, want, "putting back");
	}
	return record_remove(os->record, key, err);
}

static int offloads_apply(void *ctx, const struct step *steps, size_t n_steps, size_t *ret_done,
			  struct err *err)
{
	int rc = 0;

	for (*ret_done = 0; *ret_done < n_steps; (*ret_done)++) {
		const struct step *step = &steps[*ret_done];

		rc = step->to ? offload_make(ctx, &step->to->offload, err)
			      : offload_unmake(ctx, &step->from->offload, err);
		if (rc < 0) {
			break;
		}
	}
	return rc;
}

struct driver offload_driver(struct offloads *o)
{
	return (struct driver){
		.name = "offload",
		.kinds = DRIVER_KIND(OBJECT_OFFLOAD),
		.ns = NS_MAIN,
		.ctx = o,
		.observe = offloads_observe,
		.apply = offloads_apply,
	};
}
