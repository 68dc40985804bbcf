/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the next image of this process is handed; see handover.h. Called by upgrade.c. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gateway/control/handover.h"

#define TEXT_MAX ((size_t)64 << 20) /* bytes */

void handover_list_init(struct handover_list *list)
{
	*list = (struct handover_list){0};
	buf_init(&list->text, TEXT_MAX);
}

void handover_list_fini(struct handover_list *list)
{
	buf_fini(&list->text);
	free(list->fds);
}

int handover_list_add(struct handover_list *list, const char *name, int fd)
{
	if (list->n == list->size) {
		size_t size = list->size ? list->size * 2 : 64;
		int *fds = reallocarray(list->fds, size, sizeof(*fds));

		if (!fds) {
			return -ENOMEM;
		}
		list->fds = fds;
		list->size = size;
	}
	buf_printf(&list->text, "%d %s\n", fd, name);
	if (list->text.bad) {
		return -ENOMEM;
	}
	list->fds[list->n++] = fd;
	return 0;
}

void handover_list_keep(const struct handover_list *list, bool keep)
{
	for (size_t i = 0; i < list->n; i++) {
		/* cannot fail for an open descriptor */
		(void)fcntl(list->fds[i], F_SETFD, keep ? 0 : FD_CLOEXEC);
	}
}

int handover_memfd(const char *name, const struct buf *text)
{
	int fd = memfd_create(name, MFD_CLOEXEC);
	size_t done = 0;
	int rc;

	if (fd < 0) {
		return -errno;
	}
	while (done < text->len) {
		ssize_t n = write(fd, text->data + done, text->len - done);

		if (n <= 0) {
			rc = n < 0 ? -errno : -EIO;
			close(fd);
			return rc;
		}
		done += (size_t)n;
	}
	return fd;
}

int handover_list_seal(struct handover_list *list)
{
	int fd = handover_memfd("sixgate-handover", &list->text);

	if (fd < 0) {
		return fd;
	}
	handover_list_keep(list, true);
	(void)fcntl(fd, F_SETFD, 0); /* cannot fail */
	return fd;
}
