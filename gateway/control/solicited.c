/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The packet socket for neighbour solicitations and its filter; see solicited.h. */
#include "gateway/control/solicited.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#define PACKET_BYTES_MAX 512 /* longer ones nobody needs; the child has the same */
#define BODY_BYTES_MIN   24  /* a solicitation without options */
#define AT_LENGTH        4   /* offsets in the packet */
#define AT_NEXT          6
#define AT_TYPE          40
#define AT_TARGET        48
#define QUEUE_BYTES      (256 * 1024) /* of the socket: a flood shall not take the others' memory */

struct assembler {
	struct sock_filter *out;
	unsigned int n;
};

static void emit(struct assembler *as, uint16_t code, uint32_t k)
{
	assert(as->n < SOLICITED_PROGRAM_MAX);
	as->out[as->n++] = (struct sock_filter)BPF_STMT(code, k);
}

/* Refuses the packet unless the jump's condition holds for A. */
static void emit_need(struct assembler *as, uint16_t condition, uint32_t k)
{
	assert(as->n < SOLICITED_PROGRAM_MAX);
	as->out[as->n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | condition | BPF_K, k, 1, 0);
	emit(as, BPF_RET | BPF_K, 0);
}

static void emit_target(struct assembler *as, const struct prefix *p)
{
	for (unsigned int word = 0; word * 32 < p->len; word++) {
		unsigned int bits = p->len - word * 32 < 32 ? p->len - word * 32 : 32;
		const uint8_t *b = p->addr.b + word * 4;

		emit(as, BPF_LD | BPF_W | BPF_ABS, AT_TARGET + word * 4);
		emit(as, BPF_ALU | BPF_AND | BPF_K, UINT32_MAX << (32 - bits));
		emit_need(as, BPF_JEQ,
			  (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3]);
	}
}

unsigned int solicited_program(const struct prefix *p,
			       struct sock_filter ret_program[SOLICITED_PROGRAM_MAX])
{
	struct assembler as = {.out = ret_program};

	emit(&as, BPF_LD | BPF_B | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE));
	emit(&as, BPF_ALU | BPF_AND | BPF_K, ~(uint32_t)PACKET_MULTICAST); /* or PACKET_HOST, 0 */
	emit_need(&as, BPF_JEQ, PACKET_HOST);
	emit(&as, BPF_LD | BPF_B | BPF_ABS, 0);
	emit(&as, BPF_ALU | BPF_RSH | BPF_K, 4);
	emit_need(&as, BPF_JEQ, 6);
	emit(&as, BPF_LD | BPF_H | BPF_ABS, AT_LENGTH);
	emit_need(&as, BPF_JGE, BODY_BYTES_MIN);
	emit(&as, BPF_LD | BPF_H | BPF_ABS, AT_NEXT); /* and the hop limit */
	emit_need(&as, BPF_JEQ, IPPROTO_ICMPV6 << 8 | 255);
	emit(&as, BPF_LD | BPF_H | BPF_ABS, AT_TYPE); /* and the code */
	emit_need(&as, BPF_JEQ, ND_NEIGHBOR_SOLICIT << 8);
	emit_target(&as, p);
	emit(&as, BPF_RET | BPF_K, PACKET_BYTES_MAX + 1);
	return as.n;
}

static int set_up(int fd, unsigned int link, const struct prefix *p)
{
	struct sock_filter program[SOLICITED_PROGRAM_MAX];
	const struct sock_fprog filter = {.len = (unsigned short)solicited_program(p, program),
					  .filter = program};
	const struct packet_mreq all = {.mr_ifindex = (int)link, .mr_type = PACKET_MR_ALLMULTI};
	const struct sockaddr_ll local = {.sll_family = AF_PACKET,
					  .sll_protocol = htons(ETH_P_IPV6),
					  .sll_ifindex = (int)link};
	const int one = 1, queue = QUEUE_BYTES;

	/* nothing comes in before bind(2) names a protocol */
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &one, sizeof(one)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &queue, sizeof(queue)) < 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all)) < 0 ||
	    bind(fd, (const struct sockaddr *)&local, sizeof(local)) < 0) {
		return -errno;
	}
	return 0;
}

int solicited_open(unsigned int link, const struct prefix *p, struct err *err)
{
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), rc;

	if (fd < 0) {
		return errno == EPERM ? err_set(err, -EPERM,
						"needs CAP_NET_RAW, which sixgated keeps when it "
						"starts with uplink.ipv6.on_link: restart it")
				      : err_set_errno(err, -errno, "packet socket");
	}
	rc = set_up(fd, link, p);
	if (rc < 0) {
		close(fd);
		return err_set_errno(err, rc, "packet socket");
	}
	return fd;
}
