/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_BASE_CONTAINER_H
#define SIXGATE_BASE_CONTAINER_H

#include <stddef.h>

/* The struct type of which ptr is the member of that name. */
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#endif
