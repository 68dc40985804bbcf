/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Who has the address we want: for the error message only, so everything here may fail and then
 * finds nobody. Reads /proc/net/tcp{,6} for the socket's inode, then the descriptors of processes
 * we may look into.
 */
#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/control/socket.h"

#define STATE_LISTEN 0x0a

struct holder {
	unsigned long inode;
	unsigned int uid;
};

/* The form of /proc/net/tcp: 32-bit words in the machine's byte order. */
static void format_proc(const struct endpoint *local, bool any, char *dst, size_t size)
{
	size_t at = addr_is_v4(&local->addr) ? 12 : 0, n = 0;

	for (; at < 16; at += 4) {
		uint32_t word = 0;

		if (!any) {
			memcpy(&word, local->addr.b + at, sizeof(word));
		}
		n += (size_t)snprintf(dst + n, size - n, "%08" PRIX32, word);
	}
	(void)snprintf(dst + n, size - n, ":%04X", local->port); /* 37 bytes at most */
}

static bool holder_in(const char *path, const struct endpoint *local, struct holder *ret_holder)
{
	char exact[40], any[40], line[512], text[40];
	unsigned int state;
	bool found = false;
	FILE *f = fopen(path, "re");

	format_proc(local, false, exact, sizeof(exact));
	format_proc(local, true, any, sizeof(any));
	while (f && !found && fgets(line, sizeof(line), f)) {
		if (sscanf(line, " %*u: %39s %*s %x %*s %*s %*s %u %*s %lu", text, &state,
			   &ret_holder->uid, &ret_holder->inode) == 4) {
			found = state == STATE_LISTEN &&
				(strcmp(text, exact) == 0 || strcmp(text, any) == 0);
		}
	}
	if (f) {
		(void)fclose(f); /* was read only */
	}
	return found;
}

static bool process_has(const char *pid, const char *link_text)
{
	char path[320], text[64];
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%s/fd", pid); /* a name has 255 bytes at most */
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, text, sizeof(text) - 1);

		if (n > 0) {
			text[n] = '\0';
			found = strcmp(text, link_text) == 0;
		}
	}
	if (dir) {
		closedir(dir);
	}
	return found;
}

static void process_name(const char *pid, char *dst, size_t size)
{
	char path[320];
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	f = fopen(path, "re");
	dst[0] = '\0';
	if (f && fgets(dst, (int)size, f)) {
		dst[strcspn(dst, "\n")] = '\0';
	}
	if (f) {
		(void)fclose(f); /* was read only */
	}
}

void socket_holder(const struct endpoint *local, char *dst, size_t size)
{
	char link_text[64], name[32], safe[64];
	struct holder holder;
	struct dirent *entry;
	DIR *proc;

	dst[0] = '\0';
	if (!(addr_is_v4(&local->addr) && holder_in("/proc/net/tcp", local, &holder)) &&
	    !holder_in("/proc/net/tcp6", local, &holder)) {
		return;
	}
	(void)snprintf(dst, size, " (uid %u)", holder.uid);
	(void)snprintf(link_text, sizeof(link_text), "socket:[%lu]", holder.inode);
	proc = opendir("/proc");
	while (proc && (entry = readdir(proc))) {
		if (isdigit((unsigned char)entry->d_name[0]) &&
		    process_has(entry->d_name, link_text)) {
			process_name(entry->d_name, name, sizeof(name));
			(void)snprintf(dst, size, " (pid %s, %s)", entry->d_name,
				       str_escape(safe, sizeof(safe), str_from(name)));
			break;
		}
	}
	if (proc) {
		closedir(proc);
	}
}
