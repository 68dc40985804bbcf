/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_TESTS_PLAN_TEXT_H
#define SIXGATE_TESTS_PLAN_TEXT_H

#include "gateway/plan/object_set.h"

/*
 * Objects as lines of text, for tests: the kind's name and then words; "tenant: " may stand before.
 * PREFIX and ADDRESS as usual, KEY one byte in hex (all 32 are it), HEX the bytes.
 *
 *   ruleset DIGEST               element SET HEX [HEX]        sysctl ORDER PATH VALUE
 *   link-down LINK               offload LINK FEATURE         wg-device LINK PORT KEY
 *   link LINK wireguard          link LINK sit LOCAL REMOTE   wg-peer LINK KEY [PREFIX...]
 *   address LINK PREFIX          rule PRIORITY PREFIX TABLE   route PREFIX TYPE [LINK [METRIC]]
 *   proxy-neighbour LINK ADDRESS instance PREFIX              global ID VALUE
 *   pool4 ADDRESS FIRST LAST MARK  bib INSIDE OUTSIDE         eam PREFIX PREFIX
 *
 * INSIDE and OUTSIDE are "ADDRESS PORT". What cannot be read fails the test.
 */
void plan_text_add(struct object_set *set, const char *line);

#endif
