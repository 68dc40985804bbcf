/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Many files at once: what control would take, and what it would refuse and why. Changes nothing.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "conf/model/check.h"
#include "conf/model/claims.h"
#include "conf/text/internal.h"
#include "conf/text/tree.h"

#define FILES_MAX 100000

struct check {
	enum conf_flags flags;
	struct issues *issues;
	char **tenants; /* owned, each too */
	size_t n_tenants, size;
	struct node_conf *node; /* owned; NULL: none was given */
	const char *node_path;
	struct claims *claims; /* owned */
};

static int add_tenant(struct check *c, const char *path)
{
	size_t size = c->size > 0 ? c->size * 2 : 64;
	char **tenants;

	if (c->n_tenants == FILES_MAX) {
		issues_add(c->issues, "", "more than %d files", FILES_MAX);
		return -E2BIG;
	}
	if (c->n_tenants == c->size) {
		tenants = reallocarray(c->tenants, size, sizeof(*tenants));
		if (!tenants) {
			return -ENOMEM;
		}
		c->tenants = tenants;
		c->size = size;
	}
	c->tenants[c->n_tenants] = strdup(path);
	if (!c->tenants[c->n_tenants]) {
		return -ENOMEM;
	}
	c->n_tenants++;
	return 0;
}

bool conf_is_object_name(const char *name)
{
	const char *dot = strrchr(name, '.');

	return name[0] != '.' && dot && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".json") == 0);
}

static int path_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add_folder(struct check *c, const char *path)
{
	size_t first = c->n_tenants, n_issues = c->issues->n;
	struct dirent *entry;
	DIR *dir = opendir(path);
	int rc = dir ? 0 : -errno;

	while (rc == 0 && (entry = readdir(dir))) {
		char *file;

		if (!conf_is_object_name(entry->d_name)) {
			continue;
		}
		if (asprintf(&file, "%s/%s", path, entry->d_name) < 0) {
			rc = -ENOMEM;
			break;
		}
		rc = add_tenant(c, file);
		free(file);
	}
	if (dir) {
		closedir(dir);
	}
	if (rc < 0) {
		issues_add(c->issues, "", "cannot be read: %s", strerror(-rc));
		issues_set_file(c->issues, n_issues, path);
		return rc;
	}
	qsort(c->tenants + first, c->n_tenants - first, sizeof(*c->tenants), path_cmp);
	return 0;
}

/* A tenant object has the key tenant; what cannot be read goes on as node config, to be named. */
static bool is_tenant(const char *path, enum conf_flags flags)
{
	struct issues unused;
	struct tree tree = {0};
	char *data = NULL;
	size_t len = 0;
	bool found = false;

	issues_init(&unused);
	if (conf_file_read(path, flags, &data, &len, &unused) == 0 &&
	    tree_parse(&tree, (struct str){data, len}, &unused) == 0) {
		found = tree.root->kind == TREE_MAP && tree_get(tree.root, "tenant");
	}
	tree_fini(&tree);
	free(data);
	issues_fini(&unused);
	return found;
}

static int sort_path(struct check *c, const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
		return add_folder(c, path);
	}
	if (is_tenant(path, c->flags)) {
		return add_tenant(c, path);
	}
	if (c->node_path) {
		size_t first = c->issues->n;

		issues_add(c->issues, "", "a second node config: %s was given", c->node_path);
		issues_set_file(c->issues, first, path);
		return -EINVAL;
	}
	c->node_path = path;
	return conf_node_load(path, c->flags, &c->node, c->issues);
}

static int check_tenant(struct check *c, size_t i)
{
	const char *path = c->tenants[i];
	struct tenant_conf *tenant;
	size_t first;
	int rc = conf_tenant_load(path, c->flags, c->node, &tenant, c->issues);

	if (rc < 0) {
		return rc;
	}
	first = c->issues->n;
	rc = claims_add(c->claims, c->node, tenant, c->issues);
	tenant_conf_unref(tenant);
	if (rc < 0) {
		conf_locate(path, c->flags, c->issues, first);
	}
	return rc;
}

static int check_tenants(struct check *c)
{
	int rc = 0;

	c->claims = claims_new();
	if (!c->claims) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < c->n_tenants; i++) {
		int one = check_tenant(c, i);

		rc = rc < 0 ? rc : one;
	}
	return rc;
}

static int check_sockets(struct check *c)
{
	size_t n = c->node ? claims_sockets(c->claims, c->node) : 0;
	size_t first = c->issues->n;

	if (n <= LISTEN_SOCKETS_MAX || node_conf_sockets(c->node) > LISTEN_SOCKETS_MAX) {
		return 0;
	}
	issues_add(c->issues, "",
		   "listeners and exposures need %zu listening sockets a worker, "
		   "more than %d",
		   n, LISTEN_SOCKETS_MAX);
	issues_set_file(c->issues, first, c->node_path);
	return -EINVAL;
}

static void check_fini(struct check *c)
{
	for (size_t i = 0; i < c->n_tenants; i++) {
		free(c->tenants[i]);
	}
	free(c->tenants);
	claims_free(c->claims);
	node_conf_free(c->node);
}

int conf_check_files(const char *const *paths, size_t n, enum conf_flags flags,
		     struct issues *issues)
{
	const char *const installed[] = {SIXGATE_SYSCONFDIR "/sixgate.yaml"};
	struct check c = {.flags = flags, .issues = issues};
	size_t before = issues_count(issues);
	int rc = 0, next;

	if (n == 0) {
		paths = installed;
		n = 1;
	}
	for (size_t i = 0; i < n; i++) {
		next = sort_path(&c, paths[i]);
		rc = rc < 0 ? rc : next;
	}
	if (c.n_tenants == 0 && c.node && c.node->registry.dir) {
		next = add_folder(&c, c.node->registry.dir);
		rc = rc < 0 ? rc : next;
	}
	next = check_tenants(&c);
	rc = rc < 0 ? rc : next;
	if (c.claims) {
		next = check_sockets(&c);
		rc = rc < 0 ? rc : next;
	}
	if (rc < 0 && issues_count(issues) == before) {
		issues_add(issues, "", "%s", strerror(-rc));
	}
	check_fini(&c);
	return rc;
}
