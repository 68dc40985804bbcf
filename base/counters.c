/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Shared counter segments; see counters.h. Made by control, mapped by control and workers. */
#include "base/counters.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int counters_create(struct err *err)
{
	int fd = memfd_create("sixgate-counters", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int rc;

	if (fd < 0) {
		return err_set_errno(err, -errno, "memfd_create");
	}
	if (ftruncate(fd, sizeof(struct counters)) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
		rc = err_set_errno(err, -errno, "shared counters");
		close(fd);
		return rc;
	}
	return fd;
}

int counters_reopen_readonly(int fd, struct err *err)
{
	char path[64];
	int ro;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd); /* fits */
	ro = open(path, O_RDONLY | O_CLOEXEC);
	if (ro < 0) {
		return err_set_errno(err, -errno, "%s", path);
	}
	return ro;
}

int counters_map(int fd, int writable, struct counters **ret_counters, struct err *err)
{
	struct stat st;
	void *p;

	if (fstat(fd, &st) < 0) {
		return err_set_errno(err, -errno, "shared counters");
	}
	if (st.st_size != (off_t)sizeof(struct counters)) {
		return err_set(err, -EPROTO, "shared counters: %lld bytes where %zu were expected",
			       (long long)st.st_size, sizeof(struct counters));
	}
	p = mmap(NULL, sizeof(struct counters), PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED,
		 fd, 0);
	if (p == MAP_FAILED) {
		return err_set_errno(err, -errno, "mmap of the shared counters");
	}
	*ret_counters = p;
	return 0;
}

void counters_unmap(struct counters *c)
{
	if (c) {
		(void)munmap(c, sizeof(*c)); /* cannot fail for a whole mapping */
	}
}

static uint64_t load(_Atomic uint64_t *v)
{
	return atomic_load_explicit(v, memory_order_relaxed);
}

void counters_settle(struct counters *c, uint32_t n_slots)
{
	for (uint32_t slot = 0; slot < n_slots; slot++) {
		uint64_t active = load(&c->slots[slot].v[COUNTER_ACTIVE]);

		if (active > 0) {
			counter_add(c, slot, COUNTER_CLOSED, active);
			counter_sub(c, slot, COUNTER_ACTIVE, active);
		}
	}
	atomic_store_explicit(&c->worker[WORKER_PIPES], 0, memory_order_relaxed);
	atomic_store_explicit(&c->worker[WORKER_SOURCES], 0, memory_order_relaxed);
}

void counters_clear_slot(struct counters *c, uint32_t slot)
{
	for (size_t i = 0; i < N_COUNTERS; i++) {
		atomic_store_explicit(&c->slots[slot].v[i], 0, memory_order_relaxed);
	}
}

uint64_t counter_sum(struct counters *const *segments, size_t n, uint32_t slot, enum counter which)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++) {
		sum += load(&segments[i]->slots[slot].v[which]);
	}
	return sum;
}
