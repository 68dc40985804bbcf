/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_CONF_TEXT_TREE_H
#define SIXGATE_CONF_TEXT_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/str.h"
#include "conf/model/issue.h"
#include "conf/text/conf.h"

/*
 * A YAML (or JSON) file as a tree of values with their places. Only what a config needs: no
 * anchors, aliases, tags or further documents. For the files of this folder only.
 */

#define TREE_TEXT_MAX  ((size_t)CONF_FILE_MAX_MIB << 20) /* bytes of one file */
#define TREE_DEPTH_MAX 16

enum tree_kind {
	TREE_SCALAR,
	TREE_LIST,
	TREE_MAP,
};

struct tree_node {
	enum tree_kind kind;
	bool quoted;            /* a scalar in quotes or as a block: text, never a number or null */
	unsigned int line, col; /* of the value; of its key for a collection */
	unsigned int key_line, key_col; /* in a map */
	struct str key;                 /* in a map */
	struct str text;                /* of a scalar */
	size_t index;                   /* among the children of parent */
	size_t n;                       /* children */
	struct tree_node *parent, *first, *last;
	struct tree_node *next; /* sibling */
};

struct tree {
	struct arena *arena; /* owned: all nodes and their texts */
	struct tree_node *root;
	struct str source; /* borrowed: the file's text */
};

/*
 * Reads text, which must stay while the tree is used. Returns 0; -EINVAL with one issue (the
 * first syntax error); -ENOMEM. tree_fini() after each.
 */
int tree_parse(struct tree *tree, struct str text, struct issues *issues) CHECKED;
void tree_fini(struct tree *tree);

/* The value of key in a map, or NULL. */
const struct tree_node *tree_get(const struct tree_node *map, const char *key);
/* A scalar that is left empty, or null. */
bool tree_is_null(const struct tree_node *node);
struct issue_path tree_path(const struct tree_node *node);
/* Gives issue its place by its path: that of the value, or of the nearest one around it. */
void tree_locate(const struct tree *tree, struct issue *issue);
/* Sets line, column and what is shown of the source line. issue may be NULL. */
void tree_place(struct str source, struct issue *issue, unsigned int line, unsigned int col);

#endif
