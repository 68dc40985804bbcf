/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From a file or its text to a checked object: bytes, tree, schema, meaning.
 */
#include "conf/text/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "conf/model/check.h"
#include "conf/model/ports.h"
#include "conf/text/internal.h"
#include "conf/text/schema.h"
#include "conf/text/tree.h"

static const char *check_owner(const struct stat *st, enum conf_flags flags)
{
	if (!S_ISREG(st->st_mode)) {
		return "is not a file";
	}
	if (flags & CONF_ANY_OWNER) {
		return NULL;
	}
	if (st->st_uid != 0 && st->st_uid != geteuid()) {
		return "belongs neither to root nor to the caller";
	}
	if (st->st_mode & (S_IWGRP | S_IWOTH)) {
		return "may be written by others than its owner";
	}
	return NULL;
}

/* One byte more than is taken, so that a longer file shows. */
static int read_text(int fd, size_t size, char **ret_data, size_t *ret_len)
{
	size_t room = (size < TREE_TEXT_MAX ? size : TREE_TEXT_MAX) + 1;
	char *data = malloc(room + 1);
	int rc = data ? file_read(fd, data, room, ret_len) : -ENOMEM;

	if (rc < 0) {
		free(data);
		return rc;
	}
	data[*ret_len] = '\0';
	*ret_data = data;
	return 0;
}

int conf_file_read(const char *path, enum conf_flags flags, char **ret_data, size_t *ret_len,
		   struct issues *issues)
{
	/* a FIFO put in the file's place must not hold us up */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY |
				    (flags & CONF_NO_LINK ? O_NOFOLLOW : 0));
	const char *why;
	struct stat st;
	int rc = 0;

	if (fd < 0 || fstat(fd, &st) < 0) {
		rc = -errno;
		goto out;
	}
	why = check_owner(&st, flags);
	if (why) {
		issues_add(issues, "", "%s", why);
		close(fd);
		return -EINVAL;
	}
	rc = read_text(fd, st.st_size > 0 ? (size_t)st.st_size : 0, ret_data, ret_len);
out:
	if (rc == -ELOOP && flags & CONF_NO_LINK) {
		issues_add(issues, "",
			   "is a symbolic link, which is not followed in a registry folder");
	} else if (rc < 0) {
		issues_add(issues, "", "cannot be read: %s", strerror(-rc));
	}
	if (fd >= 0) {
		close(fd);
	}
	return rc;
}

/* Gives the issues from first on their places, and puts them into the file's order. */
static void finish_issues(const struct tree *tree, const char *file, size_t first,
			  struct issues *issues)
{
	for (size_t i = first; i < issues->n; i++) {
		if (issues->list[i].line == 0 && tree->root) {
			tree_locate(tree, &issues->list[i]);
		}
	}
	issues_sort(issues, first);
	issues_set_file(issues, first, file);
}

/* A file of the other kind: said once, not at each of its keys. */
static int check_kind(const struct tree_node *root, const struct schema *schema,
		      struct issues *issues)
{
	bool wants_node = schema == &schema_node;

	if (root->kind != TREE_MAP || tree_get(root, wants_node ? "node" : "tenant") ||
	    !tree_get(root, wants_node ? "tenant" : "node")) {
		return 0;
	}
	issues_add(issues, "", "%s",
		   wants_node ? "is a tenant object, not a node config: it has the key tenant"
			      : "is a node config, not a tenant object: it has the key node");
	return -EINVAL;
}

/* Bytes to tree to an object of schema, allocated in r->arena. */
static int read_object(struct reader *r, struct tree *tree, struct str text,
		       const struct schema *schema, void **ret_object)
{
	void *object = r->arena ? arena_alloc(r->arena, schema->size) : NULL;
	int rc = tree_parse(tree, text, r->issues);

	if (rc == 0) {
		rc = check_kind(tree->root, schema, r->issues);
	}
	if (rc < 0) {
		return rc;
	}
	r->tree = tree;
	r->no_memory = !object;
	if (object) {
		schema_read(r, tree->root, schema, object);
	}
	if (r->no_memory) {
		issues_add(r->issues, "", "holds too much, or out of memory");
		return -ENOMEM;
	}
	*ret_object = object;
	return 0;
}

int conf_node_parse(const char *file, struct str text, struct node_conf **ret_node,
		    struct issues *issues)
{
	struct reader r = {.arena = arena_new(NODE_ARENA_MAX), .issues = issues};
	size_t before = issues_count(issues), first = issues->n;
	struct node_conf *node = NULL;
	struct tree tree = {0};
	void *object = NULL;
	int rc = read_object(&r, &tree, text, &schema_node, &object);

	if (rc == 0) {
		node = object;
		node->arena = r.arena;
		node->text = arena_strdup(r.arena, text);
		if (!node->text) {
			issues_add(issues, "", "holds too much, or out of memory");
		}
		node_conf_check(node, issues);
		rc = issues_count(issues) > before ? -EINVAL : 0;
	}
	finish_issues(&tree, file, first, issues);
	tree_fini(&tree);
	if (rc < 0) {
		arena_free(r.arena);
		return rc;
	}
	*ret_node = node;
	return 0;
}

void conf_tenant_complete(struct tenant_conf *tenant, const struct node_conf *node)
{
	struct port_block block;

	if (node && ports_tenant(node, tenant, &block) == 0) {
		tenant->nat64_block = (uint32_t)block.number + 1;
	}
}

int conf_tenant_parse(const char *file, struct str text, const struct node_conf *node,
		      struct tenant_conf **ret_tenant, struct issues *issues)
{
	struct reader r = {.arena = arena_new(TENANT_ARENA_MAX), .issues = issues, .node = node};
	size_t before = issues_count(issues), first = issues->n;
	struct tenant_conf *tenant = NULL;
	struct tree tree = {0};
	void *object = NULL;
	int rc = read_object(&r, &tree, text, &schema_tenant, &object);

	if (rc == 0) {
		tenant = object;
		tenant->arena = r.arena;
		tenant->refs = 1;
		conf_tenant_complete(tenant, node);
		tenant_conf_check(tenant, node, issues);
		rc = issues_count(issues) > before ? -EINVAL : 0;
	}
	finish_issues(&tree, file, first, issues);
	tree_fini(&tree);
	if (rc < 0) {
		arena_free(r.arena);
		return rc;
	}
	*ret_tenant = tenant;
	return 0;
}

int conf_node_load(const char *path, enum conf_flags flags, struct node_conf **ret_node,
		   struct issues *issues)
{
	size_t first = issues->n;
	char *data = NULL;
	size_t len = 0;
	int rc = conf_file_read(path, flags, &data, &len, issues);

	if (rc == 0) {
		rc = conf_node_parse(path, (struct str){data, len}, ret_node, issues);
	}
	issues_set_file(issues, first, path);
	free(data);
	return rc;
}

int conf_tenant_load(const char *path, enum conf_flags flags, const struct node_conf *node,
		     struct tenant_conf **ret_tenant, struct issues *issues)
{
	size_t first = issues->n;
	char *data = NULL;
	size_t len = 0;
	int rc = conf_file_read(path, flags, &data, &len, issues);

	if (rc == 0) {
		rc = conf_tenant_parse(path, (struct str){data, len}, node, ret_tenant, issues);
	}
	issues_set_file(issues, first, path);
	free(data);
	return rc;
}

void conf_locate(const char *path, enum conf_flags flags, struct issues *issues, size_t first)
{
	struct issues unused;
	struct tree tree = {0};
	char *data = NULL;
	size_t len = 0;

	issues_init(&unused);
	if (conf_file_read(path, flags, &data, &len, &unused) == 0 &&
	    tree_parse(&tree, (struct str){data, len}, &unused) == 0) {
		finish_issues(&tree, path, first, issues);
	}
	issues_set_file(issues, first, path);
	tree_fini(&tree);
	free(data);
	issues_fini(&unused);
}
