/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_TESTS_FAKE_JOOL_H
#define SIXGATE_TESTS_FAKE_JOOL_H

#include "gateway/kernel/ops.h"
#include "nat64/table.h"

/*
 * Jool's module for the tests: one instance with its tables, by the rules that were seen in 4.1.9
 * and what later revisions changed of the wire:
 * rows of one mark that touch are one, removing a row cuts others and takes the mappings in it
 * along, a socket has one mapping, a mapping lies in pool4. It asserts that no request would crash
 * the real one. Pages are short, so that each walk has several.
 */
#define FAKE_JOOL_FAMILY 0x1f
#define FAKE_JOOL_ROWS   64
#define FAKE_JOOL_PAGE   3 /* entries */

struct fake_jool {
	struct kernel_ops ops; /* ctx is this struct */
	bool has_instance;
	struct prefix pool6;
	uint32_t globals[JOOL_GLOBALS];
	struct jool_entry rows[FAKE_JOOL_ROWS], mappings[FAKE_JOOL_ROWS];
	size_t n_rows, n_mappings;
	unsigned int n_requests, n_changes;
	unsigned int fail_at;  /* the request that fails; 0: none */
	unsigned int vanish;   /* so many walks of pool4 lose their place */
	unsigned int revision; /* of 4.1: 9 to 15 */
	bool no_family;
	bool bare_error; /* what fails is said by netlink itself */
};

void fake_jool_init(struct fake_jool *f);

#endif
