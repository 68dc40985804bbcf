/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Makes listening sockets. Called by listeners.c; the sockets are handed to the workers and
 * nothing is ever accepted here.
 */
#include "gateway/control/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/fsuid.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conf/model/message.h"

#include "base/channel.h"

#define BACKLOG          65535 /* the kernel cuts it to net.core.somaxconn */
#define KEEPALIVE_IDLE_S 120
#define KEEPALIVE_GAP_S  30
#define KEEPALIVE_PROBES 4
#define USER_TIMEOUT_MS  TIMEOUT_IDLE_MS /* the kernel counts a pausing reader as gone, too */
#define RECEIVE_BYTES    (4 << 20)       /* of UDP: a burst while a worker is being started again */
#define DESCRIPTORS_KEPT (CHANNEL_FDS_MAX + 32)

struct option {
	int level, name, value;
	const char *text;
};

static int set_options(int fd, const struct option *options, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		if (setsockopt(fd, options[i].level, options[i].name, &options[i].value,
			       sizeof(options[i].value)) < 0) {
			return err_set_errno(err, -errno, "%s", options[i].text);
		}
	}
	return 0;
}

static int set_family_options(int fd, bool v4, struct err *err)
{
	static const struct option ipv4[] = {{IPPROTO_IP, IP_FREEBIND, 1, "IP_FREEBIND"}};
	static const struct option ipv6[] = {
		{IPPROTO_IPV6, IPV6_V6ONLY, 1, "IPV6_V6ONLY"},
		{IPPROTO_IPV6, IPV6_FREEBIND, 1, "IPV6_FREEBIND"},
	};

	return v4 ? set_options(fd, ipv4, 1, err) : set_options(fd, ipv6, 2, err);
}

void socket_defer_accept(int fd, bool on)
{
	int seconds = on ? LISTENER_DEFER_S : 0;

	/* without it the worker waits for the first byte itself */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof(seconds));
}

static int set_inherited_options(int fd, bool defer_accept, struct err *err)
{
	static const struct option options[] = {
		{SOL_SOCKET, SO_KEEPALIVE, 1, "SO_KEEPALIVE"},
		{IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S, "TCP_KEEPIDLE"},
		{IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_GAP_S, "TCP_KEEPINTVL"},
		{IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES, "TCP_KEEPCNT"},
		{IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS, "TCP_USER_TIMEOUT"},
		{IPPROTO_TCP, TCP_NODELAY, 1, "TCP_NODELAY"},
	};

	socket_defer_accept(fd, defer_accept);
	return set_options(fd, options, sizeof(options) / sizeof(options[0]), err);
}

/* A socket bound to local; shared: with others of our group. Returns it or a negative errno. */
static int socket_bound(const struct socket_group *group, bool shared, struct err *err)
{
	const struct option reuse[] = {
		/* of UDP it would share the port with anybody who says so, too */
		{SOL_SOCKET, SO_REUSEADDR, !group->udp, "SO_REUSEADDR"},
		{SOL_SOCKET, SO_REUSEPORT, shared, "SO_REUSEPORT"},
	};
	bool v4 = addr_is_v4(&group->local.addr);
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(&group->local, false, &sa);
	uid_t former = (uid_t)setfsuid(group->uid);
	int type = (group->udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK;
	int fd = socket(v4 ? AF_INET : AF_INET6, type, 0);
	int rc = fd < 0 ? -errno : 0;

	(void)setfsuid(former); /* back to what it was cannot be refused */
	if (rc < 0) {
		return err_set_errno(err, rc, "socket");
	}
	rc = set_options(fd, reuse, 2, err);
	if (rc == 0) {
		rc = set_family_options(fd, v4, err);
	}
	if (rc == 0 && bind(fd, (struct sockaddr *)&sa, len) < 0) {
		rc = err_set_errno(err, -errno, "bind");
	}
	if (rc < 0) {
		close(fd);
		return rc;
	}
	return fd;
}

/*
 * Whether n more descriptors after fd, the lowest that was free, leave those that starting a worker
 * and sending it descriptors takes. Without them it is control that ends its workers.
 */
static int check_descriptors(int fd, size_t n, struct err *err)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0) {
		return err_set_errno(err, -errno, "RLIMIT_NOFILE");
	}
	if ((rlim_t)fd + n + DESCRIPTORS_KEPT > limit.rlim_cur) {
		return err_set(err, -EMFILE,
			       "the limit of %llu open files is too low for another listener",
			       (unsigned long long)limit.rlim_cur);
	}
	return 0;
}

/*
 * Finds a holder of the address that shares its port as we do: with it in the group, connections
 * would go astray without a word. Beside others of ours only one of another user is found.
 */
static int socket_probe(const struct socket_group *group, struct err *err)
{
	int fd = socket_bound(group, group->beside, err);
	int rc;

	if (fd < 0) {
		return fd;
	}
	rc = check_descriptors(fd, group->selector->n, err);
	close(fd);
	return rc;
}

/* What a socket of the group needs besides its address. */
static int set_group_options(int fd, const struct socket_group *group, struct err *err)
{
	/* where there is but one address a worker needs not be told which was asked */
	static const struct option info = {IPPROTO_IPV6, IPV6_RECVPKTINFO, 1, "IPV6_RECVPKTINFO"};
	bool all = !addr_is_v4(&group->local.addr) && addr_is_any(&group->local.addr);
	static const struct option udp[] = {
		{SOL_SOCKET, SO_RCVBUF, RECEIVE_BYTES, "SO_RCVBUF"},
		{SOL_SOCKET, SO_SNDBUF, RECEIVE_BYTES, "SO_SNDBUF"},
	};
	int more = RECEIVE_BYTES;

	if (!group->udp) {
		return set_inherited_options(fd, group->defer_accept, err);
	}
	if (set_options(fd, &info, all, err) < 0 ||
	    set_options(fd, udp, sizeof(udp) / sizeof(udp[0]), err) < 0) {
		return err->code;
	}
	/* beyond net.core.rmem_max: needs CAP_NET_ADMIN, without it bursts may lose some */
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &more, sizeof(more));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &more, sizeof(more));
	return 0;
}

static int attach_to(int fd, const struct socket_group *group, struct err *err)
{
	return group->selector->n > 1
		       ? selector_attach(group->selector, addr_is_v4(&group->local.addr), fd, err)
		       : 0;
}

/*
 * first: not one connection is to meet a group without the selector. Beside others of ours, whom
 * listen(2) does not bear any more with it, those of a moment meet the first socket.
 */
static int socket_listen(const struct socket_group *group, bool first, struct err *err)
{
	int fd = socket_bound(group, true, err);
	int rc;

	if (fd < 0) {
		return fd;
	}
	rc = set_group_options(fd, group, err);
	if (rc == 0 && first && !group->beside) {
		rc = attach_to(fd, group, err);
	}
	if (rc == 0 && !group->udp && listen(fd, BACKLOG) < 0) {
		rc = err_set_errno(err, -errno, "listen");
	}
	if (rc == 0 && first && group->beside) {
		rc = attach_to(fd, group, err);
	}
	if (rc < 0) {
		close(fd);
		return rc;
	}
	return fd;
}

int sockets_open(const struct socket_group *group, int *ret_fds, struct err *err)
{
	char text[ENDPOINT_TEXT_MAX], holder[96];
	size_t n = 0;
	int rc = socket_probe(group, err);

	while (rc == 0 && n < group->selector->n) {
		int fd = socket_listen(group, n == 0, err);

		if (fd < 0) {
			rc = fd;
		} else {
			ret_fds[n++] = fd;
		}
	}
	if (rc == 0) {
		return 0;
	}
	sockets_close(ret_fds, n);
	endpoint_format(&group->local, text);
	if (rc == -EADDRINUSE) {
		socket_holder(&group->local, holder, sizeof(holder));
		return err_set(err, rc, "%s%s: address is in use%s", text, group->udp ? "/udp" : "",
			       group->udp ? "" : holder);
	}
	(void)err_prefix(err, "%s: ", text); /* returns rc */
	return rc;
}

int sockets_adopt(const struct socket_group *group, const int *fds, struct err *err)
{
	char text[ENDPOINT_TEXT_MAX];
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < group->selector->n; i++) {
		if (fcntl(fds[i], F_SETFL, O_NONBLOCK) < 0) {
			rc = err_set_errno(err, -errno, "O_NONBLOCK");
		} else {
			rc = set_group_options(fds[i], group, err);
		}
	}
	if (rc == 0) {
		rc = attach_to(fds[0], group, err);
	}
	if (rc < 0) {
		(void)err_prefix(err, "%s: ", endpoint_format(&group->local, text)); /* is rc */
	}
	return rc;
}

void socket_listen_again(int fd)
{
	(void)listen(fd, BACKLOG); /* fails when it was closed meanwhile */
}

void sockets_close(int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (fds[i] >= 0) {
			close(fds[i]);
			fds[i] = -1;
		}
	}
}
