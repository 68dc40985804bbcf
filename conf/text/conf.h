/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_CONF_TEXT_CONF_H
#define SIXGATE_CONF_TEXT_CONF_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "conf/model/issue.h"
#include "conf/model/node.h"
#include "conf/model/tenant.h"

/*
 * Config files and tenant objects as text (YAML, of which JSON is a subset): read, checked in form
 * and meaning. For control, the agent and the command. Each function adds to issues what is wrong,
 * the first error of syntax or all errors of meaning, and returns
 *   0 and the object, with no issue added;
 *   -EINVAL: issues say why;
 *   another negative errno: the file could not be read, or -ENOMEM; issues say it too.
 */

enum conf_flags {
	/* Take a file whoever owns it and may write it: for tests and for looking at one's own. */
	CONF_ANY_OWNER = 1,
	/* Refuse a symbolic link, as control does in its registry folder. */
	CONF_NO_LINK = 2,
};

#define CONF_FILE_MAX_MIB  1      /* of one file, whoever reads it */
#define REGISTRY_FILES_MAX 200000 /* tenant objects of a registry folder */

/*
 * The node config. On 0 ret_node is the caller's: node_conf_free().
 * The file must be regular, root's or the caller's own, and for no one else to write.
 */
int conf_node_load(const char *path, enum conf_flags flags, struct node_conf **ret_node,
		   struct issues *issues) CHECKED;
/* The same from memory; file is the name shown. */
int conf_node_parse(const char *file, struct str text, struct node_conf **ret_node,
		    struct issues *issues) CHECKED;

/*
 * A tenant object. node NULL: what depends on the node is not checked, and client_address is
 * hide where it is not given. With another node config the objects have to be read again.
 * On 0 ret_tenant holds one reference. That the name is the file's is the registry's to check, and
 * what other tenants hold, claims.h's.
 */
int conf_tenant_load(const char *path, enum conf_flags flags, const struct node_conf *node,
		     struct tenant_conf **ret_tenant, struct issues *issues) CHECKED;
int conf_tenant_parse(const char *file, struct str text, const struct node_conf *node,
		      struct tenant_conf **ret_tenant, struct issues *issues) CHECKED;
/*
 * What conf_tenant_parse() does with an object that it has read: what that has from its node;
 * tenant_conf_check() is next.
 */
void conf_tenant_complete(struct tenant_conf *tenant, const struct node_conf *node);

/*
 * Gives the issues from index first on, which know only their path (those of claims.h), their
 * place in the file, by reading it again. Where it cannot, they stay without.
 */
void conf_locate(const char *path, enum conf_flags flags, struct issues *issues, size_t first);

/*
 * Length of the tenant's name in the name of its file in a registry folder, without .yaml, .yml or
 * .json; 0 for a file to ignore.
 */
size_t conf_object_name_len(const char *name);

/* What was read by conf_check_files(), wrong objects left out. */
struct conf_totals {
	bool has_node; /* a node config, without an error */
	bool has_client_prefix;
	bool no_registry; /* its registry folder is not there yet */
	size_t n_tenants;
	size_t n_suspended; /* of these */
	size_t n_hidden;    /* of these: with an exposure that hides the client's address */
	size_t n_sockets;   /* listening sockets a worker */
};

/*
 * Checks files as control would take them: a node config, tenant objects and folders of such, in
 * any order, the tenants also against each other; a folder's files are told apart by their keys.
 * Without any (n 0): the installed node config.
 * A node config's registry folder is read as well when paths name no tenant.
 * Returns 0 when all is well, else as above. ret_totals is filled in each case; NULL allowed.
 */
int conf_check_files(const char *const *paths, size_t n, enum conf_flags flags,
		     struct issues *issues, struct conf_totals *ret_totals) CHECKED;

#endif
