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

struct file {
	char *path;     /* owned */
	bool in_folder; /* has to be called after its tenant */
};

struct check {
	enum conf_flags flags;
	struct issues *issues;
	struct conf_totals totals;
	struct file *tenants; /* owned */
	size_t n_tenants, size;
	struct node_conf *node; /* owned; NULL: none was given */
	char *node_path;        /* owned */
	struct claims *claims;  /* owned */
};

static int add_tenant(struct check *c, const char *path, bool in_folder)
{
	size_t size = c->size > 0 ? c->size * 2 : 64;
	struct file *tenants;

	if (c->n_tenants == REGISTRY_FILES_MAX) {
		issues_add(c->issues, "", "more than %d files", REGISTRY_FILES_MAX);
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
	c->tenants[c->n_tenants] = (struct file){.path = strdup(path), .in_folder = in_folder};
	if (!c->tenants[c->n_tenants].path) {
		return -ENOMEM;
	}
	c->n_tenants++;
	return 0;
}

size_t conf_object_name_len(const char *name)
{
	static const char *const suffixes[] = {".yaml", ".yml", ".json"};
	size_t len = strlen(name);

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		size_t n = strlen(suffixes[i]);

		if (name[0] != '.' && len > n && strcmp(name + len - n, suffixes[i]) == 0) {
			return len - n;
		}
	}
	return 0;
}

static struct str stem(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;

	return (struct str){.p = name, .len = conf_object_name_len(name)};
}

static int file_cmp(const void *a, const void *b)
{
	return strcmp(((const struct file *)a)->path, ((const struct file *)b)->path);
}

static int add_entries(struct check *c, const char *path, DIR *dir)
{
	struct dirent *entry;
	int rc = 0;

	while (rc == 0 && (entry = readdir(dir))) {
		char *file;

		if (conf_object_name_len(entry->d_name) == 0) {
			continue;
		}
		if (asprintf(&file, "%s/%s", path, entry->d_name) < 0) {
			return -ENOMEM;
		}
		rc = add_tenant(c, file, true);
		free(file);
	}
	return rc;
}

static int add_folder(struct check *c, const char *path)
{
	size_t first = c->n_tenants, n_issues = c->issues->n;
	DIR *dir = opendir(path);
	int rc;

	if (dir) {
		rc = add_entries(c, path, dir);
		closedir(dir);
	} else {
		rc = -errno;
	}
	if (rc < 0) {
		issues_add(c->issues, "", "cannot be read: %s", strerror(-rc));
		issues_set_file(c->issues, n_issues, path);
		return rc;
	}
	if (c->n_tenants > first) {
		qsort(c->tenants + first, c->n_tenants - first, sizeof(*c->tenants), file_cmp);
	}
	return 0;
}

/* Whether the file, a map, has that key. */
static int has_key(const struct check *c, const char *path, const char *key, struct issues *issues,
		   bool *ret_has)
{
	struct tree tree = {0};
	char *data = NULL;
	size_t len = 0;
	int rc = conf_file_read(path, c->flags, &data, &len, issues);

	*ret_has = false;
	/* most files of a folder of thousands are told by this alone */
	if (rc == 0 && (issues == c->issues || memmem(data, len, key, strlen(key)))) {
		rc = tree_parse(&tree, (struct str){data, len}, issues);
		*ret_has = rc == 0 && tree.root->kind == TREE_MAP && tree_get(tree.root, key);
	}
	tree_fini(&tree);
	free(data);
	return rc;
}

static int add_node(struct check *c, const char *path)
{
	char first[ERR_MSG_MAX];
	int rc;

	if (c->node_path) {
		issues_add(c->issues, "", "a second node config: %s was given",
			   str_escape(first, sizeof(first), str_from(c->node_path)));
		return -EINVAL;
	}
	c->node_path = strdup(path);
	if (!c->node_path) {
		return -ENOMEM;
	}
	rc = conf_node_load(path, c->flags, &c->node, c->issues);
	c->totals.has_node = rc == 0;
	c->totals.has_client_prefix = rc == 0 && c->node->has_client_prefix;
	return rc;
}

/* Node configs among the tenants from first on; what cannot be read is told of as a tenant. */
static int take_nodes(struct check *c, size_t first)
{
	size_t kept = first;
	int rc = 0;

	for (size_t i = first; i < c->n_tenants; i++) {
		struct file file = c->tenants[i];
		size_t n_issues = c->issues->n;
		bool node = false, tenant = false;
		struct issues unused;

		issues_init(&unused);
		if (has_key(c, file.path, "node", &unused, &node) < 0 ||
		    (node && has_key(c, file.path, "tenant", &unused, &tenant) < 0)) {
			node = false;
		}
		issues_fini(&unused);
		if (!node || tenant) {
			c->tenants[kept++] = file;
			continue;
		}
		if (add_node(c, file.path) < 0) {
			rc = -EINVAL;
		}
		issues_set_file(c->issues, n_issues, file.path);
		free(file.path);
	}
	c->n_tenants = kept;
	return rc;
}

static int sort_path(struct check *c, const char *path)
{
	size_t first = c->issues->n, n_before = c->n_tenants;
	bool tenant = false;
	struct stat st;
	int rc;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
		rc = add_folder(c, path);
		return rc < 0 ? rc : take_nodes(c, n_before);
	}
	/* everything else is taken for a node config */
	rc = has_key(c, path, "tenant", c->issues, &tenant);
	if (rc == 0) {
		rc = tenant ? add_tenant(c, path, false) : add_node(c, path);
	}
	issues_set_file(c->issues, first, path);
	return rc;
}

static void count_tenant(struct check *c, const struct tenant_conf *tenant)
{
	bool hides = false;

	for (size_t i = 0; i < tenant->n_services; i++) {
		const struct service_conf *service = &tenant->services[i];

		for (size_t j = 0; j < service->n_exposes; j++) {
			hides |= service->exposes[j].client_address == CLIENT_ADDRESS_HIDE;
		}
	}
	c->totals.n_tenants++;
	c->totals.n_suspended += tenant->state == TENANT_SUSPENDED;
	c->totals.n_hidden += hides;
}

/* In a folder a tenant has one file, called after it; those of one name are neighbours there. */
static int check_name(struct check *c, size_t i, const struct tenant_conf *tenant)
{
	const struct file *file = &c->tenants[i];
	char other[ERR_MSG_MAX];

	if (!file->in_folder) {
		return 0;
	}
	if (!str_eq(stem(file->path), str_from(tenant->name))) {
		issues_add(c->issues, "/tenant", "'%s' is not the file's name", tenant->name);
		return -EINVAL;
	}
	if (i > 0 && file[-1].in_folder && str_eq(stem(file[-1].path), stem(file->path)) &&
	    strncmp(file[-1].path, file->path, (size_t)(stem(file->path).p - file->path)) == 0) {
		issues_add(c->issues, "/tenant", "has another file, %s",
			   str_escape(other, sizeof(other), str_from(file[-1].path)));
		return -EINVAL;
	}
	return 0;
}

static int check_tenant(struct check *c, size_t i)
{
	const char *path = c->tenants[i].path;
	enum conf_flags flags = c->flags | (c->tenants[i].in_folder ? CONF_NO_LINK : 0);
	struct tenant_conf *tenant;
	size_t first;
	int rc = conf_tenant_load(path, flags, c->node, &tenant, c->issues);

	if (rc < 0) {
		return rc;
	}
	first = c->issues->n;
	rc = check_name(c, i, tenant);
	if (rc == 0) {
		rc = claims_add(c->claims, c->node, tenant, c->issues);
	}
	if (rc == 0) {
		count_tenant(c, tenant);
	}
	tenant_conf_unref(tenant);
	if (rc < 0) {
		conf_locate(path, flags, c->issues, first);
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

	c->totals.n_sockets = n;
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
		free(c->tenants[i].path);
	}
	free(c->tenants);
	free(c->node_path);
	claims_free(c->claims);
	node_conf_free(c->node);
}

static int add_registry(struct check *c)
{
	struct stat st;

	if (stat(c->node->registry.dir, &st) < 0 && errno == ENOENT) {
		c->totals.no_registry = true; /* control waits for it */
		return 0;
	}
	return add_folder(c, c->node->registry.dir);
}

int conf_check_files(const char *const *paths, size_t n, enum conf_flags flags,
		     struct issues *issues, struct conf_totals *ret_totals)
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
		next = add_registry(&c);
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
	if (ret_totals) {
		*ret_totals = c.totals;
	}
	check_fini(&c);
	return rc;
}
