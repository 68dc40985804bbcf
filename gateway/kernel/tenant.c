/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One tenant's change: what differs goes to the kernel as element updates, nothing else moves.
 * Before the table is in, the prefixes are only kept.
 */
#include <assert.h>
#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "gateway/kernel/internal.h"
#include "gateway/kernel/sets.h"

void ktenant_free(struct ktenant *t)
{
	if (t) {
		free(t->name);
		free(t->prefixes);
		free(t);
	}
}

static bool tenant_eq(const struct table_node *node, const void *key)
{
	return strcmp(container_of(node, const struct ktenant, node)->name, key) == 0;
}

static struct ktenant *tenant_find(const struct kernel *k, const char *name, uint64_t *ret_hash)
{
	struct table_node *node;

	*ret_hash = hash_bytes(&k->key, name, strlen(name));
	node = table_find(&k->tenants, *ret_hash, tenant_eq, name);
	return node ? container_of(node, struct ktenant, node) : NULL;
}

static void change_add(struct element_node *en, void *arg)
{
	if (en->refs > 0 && en->state == ELEMENT_ABSENT) {
		en->state = ELEMENT_ADDING; /* once, also when two prefixes share it */
		element_change_add(arg, &en->element);
	}
}

static void change_delete(struct element_node *en, void *arg)
{
	if (en->refs == 0 && en->state == ELEMENT_PRESENT) {
		en->state = ELEMENT_REMOVING;
		element_change_add(arg, &en->element);
	}
}

static void change_settle(struct element_node *en, void *arg)
{
	bool done = *(const bool *)arg;

	if (en->state == ELEMENT_ADDING) {
		en->state = done ? ELEMENT_PRESENT : ELEMENT_ABSENT;
	} else if (en->state == ELEMENT_REMOVING) {
		en->state = done ? ELEMENT_ABSENT : ELEMENT_PRESENT;
	}
}

/* The prefixes a tenant had and has now, both referred to already as they shall be. */
struct tenant_change {
	const struct prefix *old, *new;
	size_t n_old, n_new;
};

static int put_change(struct kernel *k, const struct tenant_change *tc, struct batch *b)
{
	struct element_change change;
	int rc = element_change_init(&change, b, NFT_MSG_DELSETELEM);

	if (rc < 0) {
		return rc;
	}
	elements_each(&k->elements, tc->old, tc->n_old, change_delete, &change);
	rc = element_change_finish(&change);
	if (rc < 0) {
		return rc;
	}
	rc = element_change_init(&change, b, NFT_MSG_NEWSETELEM);
	if (rc < 0) {
		return rc;
	}
	elements_each(&k->elements, tc->new, tc->n_new, change_add, &change);
	return element_change_finish(&change);
}

/*
 * Sends what differs. When the table or an element is not there, somebody flushed the rules under
 * us: then the whole table goes in again.
 */
static int send_change(struct kernel *k, const struct tenant_change *tc, struct err *err)
{
	struct batch b;
	bool done;
	int rc = batch_init(&b);

	if (rc == 0) {
		batch_what(&b, "the tenants' elements");
		rc = put_change(k, tc, &b);
	}
	rc = rc < 0 ? err_set(err, rc, "nftables: out of memory") : batch_commit(&b, &k->ops, err);
	batch_fini(&b);
	if (rc == -ENOENT) {
		rc = kernel_install_table(k, &k->guard, err);
	}
	done = rc == 0;
	elements_each(&k->elements, tc->old, tc->n_old, change_settle, &done);
	elements_each(&k->elements, tc->new, tc->n_new, change_settle, &done);
	return rc;
}

/* Makes the elements those of tc; on failure they are as they were. */
static int change_prefixes(struct kernel *k, const struct tenant_change *tc, struct err *err)
{
	int rc = elements_ref(&k->elements, tc->new, tc->n_new);

	if (rc < 0) {
		return err_set(err, rc, "kernel: out of memory");
	}
	elements_unref(&k->elements, tc->old, tc->n_old);
	if (k->applied) {
		rc = send_change(k, tc, err);
	}
	if (rc < 0) {
		int again = elements_ref(&k->elements, tc->old, tc->n_old);

		assert(again == 0); /* the nodes are still there: no memory is needed */
		(void)again;        /* without assertions */
		elements_unref(&k->elements, tc->new, tc->n_new);
	}
	elements_sweep(&k->elements, tc->old, tc->n_old);
	elements_sweep(&k->elements, tc->new, tc->n_new);
	return rc;
}

static struct ktenant *tenant_new(struct kernel *k, const char *name, uint64_t hash)
{
	struct ktenant *t = calloc(1, sizeof(*t));

	if (t) {
		t->name = strdup(name);
	}
	if (!t || !t->name || table_insert(&k->tenants, &t->node, hash) < 0) {
		ktenant_free(t);
		return NULL;
	}
	return t;
}

int kernel_set_tenant(struct kernel *k, const char *name, const struct prefix *prefixes,
		      size_t n_prefixes, struct err *err)
{
	struct tenant_change tc = {.new = prefixes, .n_new = n_prefixes};
	struct prefix *copy = NULL;
	uint64_t hash;
	struct ktenant *t = tenant_find(k, name, &hash);
	int rc = elements_count(prefixes, n_prefixes, err);

	if (rc < 0) {
		(void)err_prefix(err, "tenant %s: ", name); /* its code is rc */
		return rc;
	}
	copy = calloc(n_prefixes + 1, sizeof(*copy)); /* never of size 0 */
	if (!t) {
		t = copy ? tenant_new(k, name, hash) : NULL;
	}
	if (!copy || !t) {
		free(copy);
		return err_set(err, -ENOMEM, "kernel: out of memory");
	}
	if (n_prefixes > 0) {
		memcpy(copy, prefixes, n_prefixes * sizeof(*copy));
	}
	tc.old = t->prefixes;
	tc.n_old = t->n_prefixes;
	rc = change_prefixes(k, &tc, err);
	if (rc < 0) {
		free(copy);
		return rc;
	}
	free(t->prefixes);
	t->prefixes = copy;
	t->n_prefixes = n_prefixes;
	return 0;
}

int kernel_remove_tenant(struct kernel *k, const char *name, struct err *err)
{
	uint64_t hash;
	struct ktenant *t = tenant_find(k, name, &hash);
	struct tenant_change tc = {0};
	int rc;

	if (!t) {
		return 0;
	}
	tc.old = t->prefixes;
	tc.n_old = t->n_prefixes;
	rc = change_prefixes(k, &tc, err);
	if (rc < 0) {
		return rc;
	}
	table_remove(&k->tenants, &t->node);
	ktenant_free(t);
	return 0;
}
