/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * YAML to tree, by libfyaml's events: the only file that knows libfyaml. Events instead of its
 * documents, because they show each anchor and tag, leave duplicate keys to us, and cost a tenth
 * of the memory. Its own messages are kept from standard error; the first becomes ours.
 */
#include "conf/text/tree.h"

#include <assert.h>
#include <errno.h>
#include <libfyaml.h>
#include <stdio.h>

#define TREE_ARENA_MAX ((size_t)64 << 20) /* bytes */

struct builder {
	struct tree *tree;
	struct issues *issues;
	struct fy_diag *diag;     /* owned */
	struct fy_parser *parser; /* owned */
	struct tree_node *parent; /* the collection that is open */
	struct tree_node *scalar; /* the last one, to explain a syntax error behind it */
	bool have_key;            /* a map's key was read, its value comes next */
	struct str key;
	unsigned int key_line, key_col;
	unsigned int depth, n_documents;
	unsigned int line, col; /* of the last event */
};

static void drop_output(struct fy_diag *diag, void *user, const char *text, size_t len)
{
	(void)diag;
	(void)user;
	(void)text;
	(void)len;
}

static int fail(struct builder *b, unsigned int line, unsigned int col, const char *what)
{
	tree_place(b->tree->source, issues_add(b->issues, "", "%s", what), line, col);
	return -EINVAL;
}

/* text was cut off at the last colon: YAML took that for the mark behind a key. */
static int fail_quote(struct builder *b, struct str text, unsigned int line, unsigned int col)
{
	char shown[64], what[160];

	str_escape(shown, sizeof(shown), text);
	(void)snprintf(what, sizeof(what), "%s: ends in \"::\", quote it: \"%s:\"", shown, shown);
	return fail(b, line, col, what);
}

static struct tree_node *node_new(struct builder *b, enum tree_kind kind)
{
	struct tree_node *node = arena_alloc(b->tree->arena, sizeof(*node));
	struct tree_node *parent = b->parent;

	if (!node) {
		return NULL;
	}
	node->kind = kind;
	node->line = b->line;
	node->col = b->col;
	node->parent = parent;
	if (!parent) {
		b->tree->root = node;
		return node;
	}
	if (parent->kind == TREE_MAP) {
		node->key = b->key;
		node->key_line = b->key_line;
		node->key_col = b->key_col;
		b->have_key = false;
	}
	node->index = parent->n++;
	if (parent->last) {
		parent->last->next = node;
	} else {
		parent->first = node;
	}
	parent->last = node;
	return node;
}

static int open_collection(struct builder *b, enum tree_kind kind)
{
	struct tree_node *node;

	if (b->parent && b->parent->kind == TREE_MAP && !b->have_key) {
		return fail(b, b->line, b->col, "a key must be a word, not a list or mapping");
	}
	if (++b->depth > TREE_DEPTH_MAX) {
		return fail(b, b->line, b->col, "too many levels inside each other");
	}
	node = node_new(b, kind);
	if (!node) {
		return -ENOMEM;
	}
	if (node->key.p) {
		node->line = node->key_line;
		node->col = node->key_col;
	}
	b->parent = node;
	return 0;
}

static void close_collection(struct builder *b)
{
	assert(b->parent); /* libfyaml ends what it began */
	b->depth--;
	b->parent = b->parent->parent;
	b->scalar = NULL;
}

/* The text of a scalar, copied into the tree. An absent one (key without value) is empty. */
static int scalar_text(struct builder *b, struct fy_event *event, struct str *ret_text)
{
	struct str text = {.p = ""};
	const char *copy;

	if (event->scalar.value) {
		text.p = fy_token_get_text(event->scalar.value, &text.len);
	}
	if (!text.p) {
		return -ENOMEM;
	}
	copy = arena_strdup(b->tree->arena, text);
	*ret_text = (struct str){copy, text.len};
	return copy ? 0 : -ENOMEM;
}

static bool ends_in_colon(struct str text)
{
	return text.len > 0 && text.p[text.len - 1] == ':';
}

static int add_key(struct builder *b, struct str text, bool quoted)
{
	if (!quoted && ends_in_colon(text)) {
		return fail_quote(b, text, b->line, b->col);
	}
	b->key = text;
	b->key_line = b->line;
	b->key_col = b->col;
	b->have_key = true;
	return 0;
}

/* Quotes can bring in what the file itself may not hold: "\0". */
static bool has_control(struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		if ((unsigned char)text.p[i] < 0x20 || text.p[i] == 0x7f) {
			return true;
		}
	}
	return false;
}

static int add_scalar(struct builder *b, struct fy_event *event)
{
	struct fy_token *token = event->scalar.value;
	enum fy_scalar_style style = token ? fy_token_scalar_style(token) : FYSS_PLAIN;
	bool quoted = style != FYSS_PLAIN;
	struct str text;
	int rc = scalar_text(b, event, &text);

	if (rc < 0) {
		return rc;
	}
	if ((style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED) && b->col > 1) {
		b->col--; /* the mark is behind the quote */
	}
	if (has_control(text)) {
		return fail(b, b->line, b->col, "a value with a line break or control character");
	}
	if (b->parent && b->parent->kind == TREE_MAP && !b->have_key) {
		return add_key(b, text, quoted);
	}
	b->scalar = node_new(b, TREE_SCALAR);
	if (!b->scalar) {
		return -ENOMEM;
	}
	b->scalar->text = text;
	b->scalar->quoted = quoted;
	if (!token && b->scalar->key.p) {
		b->scalar->line = b->scalar->key_line;
		b->scalar->col = b->scalar->key_col;
	}
	return 0;
}

static int start_document(struct builder *b, struct fy_event *event)
{
	struct fy_document_state *state = event->document_start.document_state;

	if (++b->n_documents > 1) {
		return fail(b, b->line, b->col, "a further document is not taken");
	}
	if (fy_document_state_version_explicit(state) || fy_document_state_tags_explicit(state)) {
		return fail(b, 1, 1, "directives are not taken");
	}
	return 0;
}

static int add_event(struct builder *b, struct fy_event *event)
{
	const struct fy_mark *mark = fy_event_start_mark(event);

	if (mark) {
		b->line = (unsigned int)mark->line + 1;
		b->col = (unsigned int)mark->column + 1;
	}
	if (fy_event_get_anchor_token(event) || event->type == FYET_ALIAS) {
		return fail(b, b->line, b->col, "anchors and aliases are not taken");
	}
	if (fy_event_get_tag_token(event)) {
		return fail(b, b->line, b->col, "tags are not taken");
	}
	switch (event->type) {
	case FYET_DOCUMENT_START:
		return start_document(b, event);
	case FYET_MAPPING_START:
		return open_collection(b, TREE_MAP);
	case FYET_SEQUENCE_START:
		return open_collection(b, TREE_LIST);
	case FYET_MAPPING_END:
	case FYET_SEQUENCE_END:
		close_collection(b);
		return 0;
	case FYET_SCALAR:
		return add_scalar(b, event);
	case FYET_ALIAS:
	case FYET_DOCUMENT_END:
	case FYET_STREAM_START:
	case FYET_STREAM_END:
	case FYET_NONE:
		return 0;
	}
	return 0;
}

/* libfyaml stopped: its first message at its place, or what is known to be behind it. */
static int syntax_error(struct builder *b)
{
	void *it = NULL;
	struct fy_diag_error *error = fy_diag_errors_iterate(b->diag, &it);

	if (b->scalar && !b->scalar->quoted && ends_in_colon(b->scalar->text)) {
		return fail_quote(b, b->scalar->text, b->scalar->line, b->scalar->col);
	}
	if (!error || !error->msg) {
		/* it tells no place for those */
		return fail(b, b->line > 0 ? b->line : 1, b->col > 0 ? b->col : 1,
			    b->tree->source.p[0] == '%' ? "directives are not taken" : "not YAML");
	}
	return fail(b, (unsigned int)error->line, (unsigned int)error->column, error->msg);
}

static int build(struct builder *b)
{
	struct fy_event *event;
	int rc = 0;

	while (rc == 0 && (event = fy_parser_parse(b->parser))) {
		rc = add_event(b, event);
		fy_parser_event_free(b->parser, event);
	}
	if (rc < 0) {
		return rc;
	}
	if (fy_parser_get_stream_error(b->parser)) {
		return syntax_error(b);
	}
	if (!b->tree->root || tree_is_null(b->tree->root)) {
		return fail(b, 1, 1, "is empty");
	}
	return 0;
}

/* Longer than needed, a surrogate or past U+10FFFF (RFC 3629 4): told by the first two bytes. */
static bool is_bad_pair(unsigned char c, unsigned char next)
{
	return (c == 0xe0 && next < 0xa0) || (c == 0xed && next >= 0xa0) ||
	       (c == 0xf0 && next < 0x90) || (c == 0xf4 && next >= 0x90);
}

/* The byte that a config file may not hold, or the end: control characters and broken UTF-8. */
static const char *find_bad_byte(const char *p, const char *end)
{
	while (p < end) {
		unsigned char c = (unsigned char)*p;
		size_t more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc2 ? 1 : 0;

		if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f ||
		    (c >= 0x80 && more == 0) || c > 0xf4 || (size_t)(end - p) <= more ||
		    (more > 0 && is_bad_pair(c, (unsigned char)p[1]))) {
			return p;
		}
		for (size_t i = 1; i <= more; i++) {
			if (((unsigned char)p[i] & 0xc0) != 0x80) {
				return p;
			}
		}
		p += 1 + more;
	}
	return end;
}

static int check_bytes(struct builder *b, struct str text)
{
	const char *bad;
	char what[64];
	unsigned int line = 1, col = 1;

	if (text.len == 0) {
		return fail(b, 1, 1, "is empty");
	}
	if (text.len > TREE_TEXT_MAX) {
		(void)snprintf(what, sizeof(what), "is larger than %d MiB", CONF_FILE_MAX_MIB);
		return fail(b, 1, 1, what);
	}
	bad = find_bad_byte(text.p, text.p + text.len);
	if (bad == text.p + text.len) {
		return 0;
	}
	for (const char *p = text.p; p < bad; p++) {
		if (*p == '\n') {
			line++;
			col = 1;
		} else if (((unsigned char)*p & 0xc0) != 0x80) {
			col++;
		}
	}
	return fail(b, line, col, (unsigned char)*bad < 0x80 ? "a control character" : "not UTF-8");
}

static int open_parser(struct builder *b, struct str text)
{
	struct fy_diag_cfg diag_cfg;
	struct fy_parse_cfg cfg = {.flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG |
					    FYPCF_DEFAULT_VERSION_1_2 | FYPCF_ALLOW_DUPLICATE_KEYS};

	fy_diag_cfg_default(&diag_cfg);
	diag_cfg.fp = NULL;
	diag_cfg.output_fn = drop_output;
	b->diag = fy_diag_create(&diag_cfg);
	if (!b->diag) {
		return -ENOMEM;
	}
	fy_diag_set_collect_errors(b->diag, true);
	cfg.diag = b->diag;
	b->parser = fy_parser_create(&cfg);
	if (!b->parser || fy_parser_set_string(b->parser, text.p, text.len) != 0) {
		return -ENOMEM;
	}
	return 0;
}

int tree_parse(struct tree *tree, struct str text, struct issues *issues)
{
	struct builder b = {.tree = tree, .issues = issues};
	int rc;

	*tree = (struct tree){.source = text};
	rc = check_bytes(&b, text);
	if (rc < 0) {
		return rc;
	}
	tree->arena = arena_new(TREE_ARENA_MAX);
	rc = tree->arena ? open_parser(&b, text) : -ENOMEM;
	if (rc == 0) {
		rc = build(&b);
	}
	if (rc == -ENOMEM) {
		issues_add(issues, "", "too many values, or out of memory");
	}
	fy_parser_destroy(b.parser);
	if (b.diag) {
		fy_diag_destroy(b.diag);
	}
	return rc;
}
