/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is wanted of the kernel and stands in no config: WireGuard's keys, in files of root's alone,
 * and who is beside us on the uplink.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base64.h"
#include "gateway/kernel/internal.h"

#define KEY_FILE_MAX 64 /* bytes: a key in base64 and the end of its line */

static int check_owner(int fd, const char *file, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0) {
		return err_set_errno(err, -errno, "%s", file);
	}
	if (!S_ISREG(st.st_mode)) {
		return err_set(err, -EINVAL, "%s: is no regular file", file);
	}
	if ((st.st_uid != 0 && st.st_uid != geteuid()) || (st.st_mode & 077) != 0) {
		return err_set(err, -EPERM,
			       "%s: others may read this key: chown root and chmod 600", file);
	}
	return 0;
}

static int key_read(const char *file, uint8_t ret_key[WG_KEY_BYTES], struct err *err)
{
	char text[KEY_FILE_MAX];
	ssize_t n = 0;
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc;

	if (fd < 0) {
		return err_set_errno(err, -errno, "%s", file);
	}
	rc = check_owner(fd, file, err);
	if (rc == 0) {
		n = read(fd, text, sizeof(text));
		rc = n < 0 ? err_set_errno(err, -errno, "%s", file) : 0;
	}
	close(fd);
	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r' || text[n - 1] == ' ')) {
		n--;
	}
	if (rc == 0 && base64_decode((struct str){.p = text, .len = n > 0 ? (size_t)n : 0}, ret_key,
				     WG_KEY_BYTES) < 0) {
		rc = err_set(err, -EINVAL, "%s: holds no key of 32 bytes in base64 (wg genkey)",
			     file);
	}
	explicit_bzero(text, sizeof(text));
	return rc;
}

static int exit_keys_read(const struct node_conf *node, struct desired_facts *facts,
			  struct err *err)
{
	int rc;

	if (node->uplink_kind != UPLINK_WIREGUARD) {
		return 0;
	}
	rc = key_read(node->exit.private_key_file, facts->exit_private_key, err);
	return rc == 0 && node->exit.preshared_key_file
		       ? key_read(node->exit.preshared_key_file, facts->exit_preshared_key, err)
		       : rc;
}

int kernel_facts_read(const struct node_conf *node, struct desired_facts *facts, struct err *err)
{
	int rc = node->wireguard.on && node->wireguard.private_key_file
			 ? key_read(node->wireguard.private_key_file, facts->wg_private_key, err)
			 : 0;

	return rc < 0 ? rc : exit_keys_read(node, facts, err);
}

bool kernel_preshared_key(void *ctx, const char *file, uint8_t ret_key[WG_KEY_BYTES])
{
	struct err *why = ctx;

	return key_read(file, ret_key, why) == 0;
}

/* Not to know who is there must not open what was closed. */
void kernel_on_link(struct kernel *k, const struct node_conf *node, struct on_link *ret_on_link,
		    struct err *ret_why)
{
	static const struct on_link all = {.n = 1}; /* ::/0 */
	const struct node_conf *now = k->node;
	bool known;
	struct err err;
	int n;

	*ret_on_link = (struct on_link){0};
	*ret_why = (struct err){0};
	if (node->uplink_kind != UPLINK_DIRECT || !node->interface) {
		return;
	}
	known = now && now->uplink_kind == UPLINK_DIRECT && now->interface &&
		strcmp(now->interface, node->interface) == 0;
	n = rt_on_link(&k->drivers.rt, node->interface, ret_on_link, &err);
	if (n == -ENODEV) { /* so nobody is on it */
		(void)err_set(ret_why, n,
			      "there is no link %s, which uplink.interface names: nothing comes in "
			      "or leaves until there is",
			      node->interface);
	} else if (n < 0) {
		*ret_on_link = known ? k->facts.on_link : all;
		(void)err_set(ret_why, n,
			      "who is beside us on %s is not known: %s; until it is, %s",
			      node->interface, err.msg,
			      known ? "tenants do not reach who was there before"
				    : "tenants reach nothing by native IPv6");
	} else if (n > FIREWALL_ON_LINK_MAX) {
		(void)err_set(
			ret_why, -ENOBUFS,
			"%s has %d IPv6 prefixes on its link, and rules are for %d: tenants do "
			"not reach what lies between the closest of them, too; take away "
			"routes and addresses that nobody needs (ip -6 route show dev %s)",
			node->interface, n, FIREWALL_ON_LINK_MAX, node->interface);
	}
}
