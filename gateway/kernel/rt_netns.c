/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Names and numbers of network namespaces, for links whose public socket lies in another one.
 */
#include "gateway/kernel/rt_netns.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/net_namespace.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gateway/kernel/rt_internal.h"

#define NETNS_DIR "/run/netns"
#define NETNS_MAX 4096 /* names that are looked at */

static int netns_open(const char *name)
{
	char path[sizeof(NETNS_DIR) + 256];

	(void)snprintf(path, sizeof(path), NETNS_DIR "/%s", name); /* NAME_MAX is 255 */
	return open(path, O_RDONLY | O_CLOEXEC);
}

static int id_seen(const struct nlmsghdr *nlh, void *arg)
{
	struct rt_attrs attrs;

	if (nlh->nlmsg_type == RTM_NEWNSID &&
	    mnl_nlmsg_get_payload_len(nlh) >= sizeof(struct rtgenmsg)) {
		rt_attrs_read(&attrs, nlh, sizeof(struct rtgenmsg));
		if (attrs.a[NETNSA_NSID]) {
			*(int *)arg = (int)rt_attr_u32(&attrs, NETNSA_NSID);
		}
	}
	return 0;
}

/* ret_id: -1 when it has none yet. */
static int id_ask(struct rt *rt, uint16_t type, int fd, int *ret_id, struct kernel_fault *fault)
{
	_Alignas(struct nlmsghdr) char data[RT_MESSAGE_MAX];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(data);

	nlh->nlmsg_type = type;
	nlh->nlmsg_seq = 1;
	(void)mnl_nlmsg_put_extra_header(nlh, sizeof(struct rtgenmsg)); /* zeroed */
	mnl_attr_put_u32(nlh, NETNSA_FD, (uint32_t)fd);
	if (type == RTM_NEWNSID) {
		mnl_attr_put_u32(nlh, NETNSA_NSID, (uint32_t)-1);
		return rt_ask(rt, nlh, NULL, NULL, fault);
	}
	*ret_id = -1;
	return rt_ask(rt, nlh, id_seen, ret_id, fault);
}

int rt_netns_id(struct rt *rt, const char *name, int *ret_id, struct err *err)
{
	struct kernel_fault fault = {0};
	int fd = netns_open(name), rc;

	if (fd < 0) {
		rc = -errno;
		return err_set(err, rc, "network namespace %s: %s; make it with ip netns add %s",
			       name, strerror(-rc), name);
	}
	rc = id_ask(rt, RTM_GETNSID, fd, ret_id, &fault);
	if (rc == 0 && *ret_id < 0) {
		rc = id_ask(rt, RTM_NEWNSID, fd, ret_id, &fault);
		if (rc == 0) {
			rc = id_ask(rt, RTM_GETNSID, fd, ret_id, &fault);
		}
	}
	close(fd);
	return rc < 0 ? rt_err(err, rc, fault.text, "numbering a network namespace") : 0;
}

char *rt_netns_name(struct rt *rt, int id, char dst[IFNAMSIZ])
{
	DIR *dir = opendir(NETNS_DIR);
	struct dirent *entry;
	unsigned int n = 0;

	(void)snprintf(dst, IFNAMSIZ, "#%d", id); /* fits */
	while (dir && n++ < NETNS_MAX && (entry = readdir(dir)) != NULL) {
		struct kernel_fault fault = {0};
		int fd, one = -1;

		if (entry->d_name[0] == '.' || strlen(entry->d_name) >= IFNAMSIZ) {
			continue;
		}
		fd = netns_open(entry->d_name);
		if (fd < 0) {
			continue;
		}
		if (id_ask(rt, RTM_GETNSID, fd, &one, &fault) == 0 && one == id) {
			memcpy(dst, entry->d_name, strlen(entry->d_name) + 1);
			n = NETNS_MAX;
		}
		close(fd);
	}
	if (dir) {
		closedir(dir);
	}
	return dst;
}
