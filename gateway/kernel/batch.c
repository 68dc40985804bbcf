/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One nftables transaction: BATCH_BEGIN with the generation it was made for, messages,
 * BATCH_END. The kernel takes all of it or nothing.
 */
#include "gateway/kernel/batch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libnftnl/common.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE_MAX      65536 /* bytes; table.c keeps element messages at half of it */
#define BATCH_BYTES_MAX  (64u << 20)
#define GENERATION_TRIES 10 /* somebody else changed nftables between look and batch */
#define SEQ_BEGIN        1

int batch_init(struct batch *b)
{
	memset(b, 0, sizeof(*b));
	buf_init(&b->buf, BATCH_BYTES_MAX);
	b->scratch = malloc(MESSAGE_MAX);
	if (!b->scratch) {
		return -ENOMEM;
	}
	b->seq = SEQ_BEGIN;
	/* The generation goes into the first attribute, anew in each try. */
	struct nlmsghdr *nlh = nftnl_batch_begin((char *)b->scratch, SEQ_BEGIN);

	mnl_attr_put_u32(nlh, NFNL_BATCH_GENID, 0);
	batch_add(b, nlh);
	b->last = 0;
	return 0;
}

void batch_fini(struct batch *b)
{
	buf_fini(&b->buf);
	free(b->scratch);
	b->scratch = NULL;
}

void batch_what(struct batch *b, const char *what)
{
	if (b->n_whats < BATCH_WHATS_MAX) {
		b->what[b->n_whats] = what;
		b->first_seq[b->n_whats] = b->seq + 1;
		b->n_whats++;
	}
}

struct nlmsghdr *batch_message(struct batch *b, uint16_t type, uint16_t flags)
{
	return nftnl_nlmsg_build_hdr((char *)b->scratch, type, NFPROTO_INET, flags, ++b->seq);
}

void batch_add(struct batch *b, const struct nlmsghdr *nlh)
{
	b->last = b->buf.len;
	buf_bytes(&b->buf, nlh, nlh->nlmsg_len);
}

static const char *batch_what_of(const struct batch *b, uint32_t seq)
{
	const char *what = "the transaction";

	for (size_t i = 0; i < b->n_whats && b->first_seq[i] <= seq; i++) {
		what = b->what[i];
	}
	return what;
}

static int generation_seen(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attr) == NFTA_GEN_ID &&
		    mnl_attr_validate(attr, MNL_TYPE_U32) >= 0) {
			*(uint32_t *)arg = mnl_attr_get_u32(attr); /* big endian, as it goes back */
		}
	}
	return 0;
}

int generation_get(const struct kernel_ops *ops, uint32_t *ret_generation_be,
		   struct kernel_fault *fault)
{
	struct kernel_fault unused;
	_Alignas(struct nlmsghdr) char data[64];
	const struct nlmsghdr *nlh =
		nftnl_nlmsg_build_hdr(data, NFT_MSG_GETGEN, NFPROTO_UNSPEC, NLM_F_ACK, SEQ_BEGIN);
	struct kernel_request req = {.bus = BUS_NETFILTER,
				     .data = nlh,
				     .len = nlh->nlmsg_len,
				     .reply = generation_seen,
				     .arg = ret_generation_be};

	*ret_generation_be = 0;
	return ops->transact(ops->ctx, &req, fault ? fault : &unused);
}

/* Says what is missing where the errno alone would be a riddle. */
static int batch_err(const struct batch *b, struct err *err, int rc,
		     const struct kernel_fault *fault)
{
	const char *what = batch_what_of(b, fault->seq);
	const char *text = fault->text[0] != '\0' ? fault->text : strerror(-rc);

	switch (-rc) {
	case EPERM:
	case EACCES:
		return err_set(err, -EPERM,
			       "nftables table inet " TABLE_NAME
			       ": %s: sixgated needs CAP_NET_ADMIN, as its systemd unit gives it",
			       text);
	case EPROTONOSUPPORT:
	case EAFNOSUPPORT:
	case EOPNOTSUPP:
		if (fault->seq <= SEQ_BEGIN + 1) {
			return err_set(err, -EOPNOTSUPP,
				       "nftables table inet " TABLE_NAME
				       ": %s: this kernel has no nf_tables with family inet; load "
				       "its module: modprobe nf_tables",
				       text);
		}
		break;
	default:
		break;
	}
	return err_set(err, rc, "nftables table inet " TABLE_NAME ": %s: %s", what, text);
}

/* Closes the batch. The last message asks for the answer that says all went well. */
static void batch_close(struct batch *b)
{
	struct nlmsghdr *last;
	const struct nlmsghdr *end;

	if (b->buf.bad) {
		return;
	}
	last = (struct nlmsghdr *)(b->buf.data + b->last);
	last->nlmsg_flags |= NLM_F_ACK;
	end = nftnl_batch_end((char *)b->scratch, ++b->seq);
	batch_add(b, end);
}

static int batch_send(const struct batch *b, const struct kernel_ops *ops, uint32_t generation_be,
		      struct kernel_fault *fault)
{
	const struct kernel_request req = {.bus = BUS_NETFILTER,
					   .data = b->buf.data,
					   .len = b->buf.len};
	struct nlattr *attr = mnl_nlmsg_get_payload_offset((struct nlmsghdr *)b->buf.data,
							   sizeof(struct nfgenmsg));

	memcpy(mnl_attr_get_payload(attr), &generation_be, sizeof(generation_be));
	return ops->transact(ops->ctx, &req, fault);
}

int batch_commit(struct batch *b, const struct kernel_ops *ops, struct err *err)
{
	struct kernel_fault fault = {0};
	int rc = -ERESTART;

	if (b->seq == SEQ_BEGIN) {
		return 0;
	}
	batch_close(b);
	if (b->buf.bad) {
		return err_set(err, -ENOMEM, "nftables transaction: out of memory");
	}
	for (int tries = 0; tries < GENERATION_TRIES && rc == -ERESTART; tries++) {
		uint32_t generation_be;

		rc = generation_get(ops, &generation_be, &fault);
		if (rc == 0) {
			rc = batch_send(b, ops, generation_be, &fault);
		} else {
			fault.seq = SEQ_BEGIN;
		}
	}
	return rc < 0 ? batch_err(b, err, rc, &fault) : 0;
}

int batch_commit_at(struct batch *b, const struct kernel_ops *ops, uint32_t generation_be,
		    struct err *err)
{
	struct kernel_fault fault = {0};
	int rc;

	if (b->seq == SEQ_BEGIN) {
		return 0;
	}
	batch_close(b);
	if (b->buf.bad) {
		return err_set(err, -ENOMEM, "nftables transaction: out of memory");
	}
	rc = batch_send(b, ops, generation_be, &fault);
	return rc < 0 ? batch_err(b, err, rc, &fault) : 0;
}
