/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_BASE_CAPS_H
#define SIXGATE_BASE_CAPS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* True when this process may use the capability (CAP_NET_ADMIN, ...) now. */
bool caps_have(unsigned int cap);
/*
 * Keeps those of wanted that this process has and gives up all others, for itself and for what it
 * starts. To be called once, by root.
 */
int caps_bound(const unsigned int *wanted, size_t n, struct err *err) CHECKED;

#endif
