/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The classic BPF program that spreads connections over the workers' sockets of one address and
 * port (SO_ATTACH_REUSEPORT_CBPF). The kernel runs it at each SYN with the packet, and takes the
 * result as an index into the group; the group holds the sockets in the order of listen(2), which
 * is the order of worker slots, as long as none is closed.
 */
#include "gateway/control/selector.h"

#include <assert.h>
#include <errno.h>
#include <sys/socket.h>

#define IPV4_SOURCE 12 /* offsets in the IP header */
#define IPV6_SOURCE 8

struct assembler {
	struct sock_filter *out;
	size_t n;
};

static void emit(struct assembler *as, uint16_t code, uint32_t k)
{
	assert(as->n < SELECTOR_PROGRAM_MAX);
	as->out[as->n++] = (struct sock_filter)BPF_STMT(code, k);
}

/* Leaves out so many instructions when A is k, or when it is not. */
static void emit_skip(struct assembler *as, uint32_t k, uint8_t if_equal, uint8_t if_not)
{
	assert(as->n < SELECTOR_PROGRAM_MAX);
	as->out[as->n++] =
		(struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, if_equal, if_not);
}

/* A ^= A >> bits; A *= factor */
static void emit_mix(struct assembler *as, uint32_t bits, uint32_t factor)
{
	emit(as, BPF_MISC | BPF_TAX, 0);
	emit(as, BPF_ALU | BPF_RSH | BPF_K, bits);
	emit(as, BPF_ALU | BPF_XOR | BPF_X, 0);
	emit(as, BPF_ALU | BPF_MUL | BPF_K, factor);
}

static void emit_load(struct assembler *as, uint32_t offset)
{
	emit(as, BPF_LD | BPF_W | BPF_ABS, (uint32_t)SKF_NET_OFF + offset);
}

/* Leaves the hash of the source in A: the finalizer of MurmurHash3 over the keyed address. */
static void emit_hash(struct assembler *as, const struct selector *sel, bool v4)
{
	if (v4) {
		emit_load(as, IPV4_SOURCE);
	} else {
		emit_load(as, IPV6_SOURCE);
		emit(as, BPF_ALU | BPF_XOR | BPF_K, sel->keys[1]);
		emit_mix(as, 15, 0x85ebca6b);
		emit(as, BPF_ST, 0);
		emit_load(as, IPV6_SOURCE + 4);
		emit(as, BPF_LDX | BPF_MEM, 0);
		emit(as, BPF_ALU | BPF_XOR | BPF_X, 0);
	}
	emit(as, BPF_ALU | BPF_XOR | BPF_K, sel->keys[0]);
	emit_mix(as, 16, 0x85ebca6b);
	emit_mix(as, 13, 0xc2b2ae35);
	emit_mix(as, 16, 1);
}

static bool selector_is_live(const struct selector *sel, unsigned int slot)
{
	return sel->live >> slot & 1;
}

/* The hash waits in M[0], A is the slot it belongs to. */
static void emit_detour(struct assembler *as, const struct selector *sel, unsigned int n_live)
{
	unsigned int nth = 0;
	uint8_t left = (uint8_t)(sel->n - n_live);

	/* a dead slot jumps over the remaining tests and the return of live ones */
	for (unsigned int slot = 0; slot < sel->n; slot++) {
		if (!selector_is_live(sel, slot)) {
			emit_skip(as, slot, left--, 0);
		}
	}
	emit(as, BPF_RET | BPF_A, 0);
	/* what mod n has not used of the hash chooses among the live */
	emit(as, BPF_LD | BPF_MEM, 0);
	emit(as, BPF_ALU | BPF_DIV | BPF_K, sel->n);
	emit(as, BPF_ALU | BPF_MOD | BPF_K, n_live);
	for (unsigned int slot = 0; slot < sel->n; slot++) {
		if (selector_is_live(sel, slot)) {
			emit_skip(as, nth++, 0, 1);
			emit(as, BPF_RET | BPF_K, slot);
		}
	}
	emit(as, BPF_RET | BPF_K, 0);
}

size_t selector_program(const struct selector *sel, bool v4,
			struct sock_filter program[SELECTOR_PROGRAM_MAX])
{
	struct assembler as = {.out = program};
	unsigned int n_live = 0;

	for (unsigned int slot = 0; slot < sel->n; slot++) {
		n_live += selector_is_live(sel, slot);
	}
	emit_hash(&as, sel, v4);
	emit(&as, BPF_ST, 0);
	emit(&as, BPF_ALU | BPF_MOD | BPF_K, sel->n);
	if (n_live == sel->n || n_live == 0) {
		emit(&as, BPF_RET | BPF_A, 0);
	} else {
		emit_detour(&as, sel, n_live);
	}
	return as.n;
}

int selector_attach(const struct selector *sel, bool v4, int fd, struct err *err)
{
	struct sock_filter program[SELECTOR_PROGRAM_MAX];
	struct sock_fprog fprog = {
		.len = (unsigned short)selector_program(sel, v4, program),
		.filter = program,
	};

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &fprog, sizeof(fprog)) < 0) {
		return err_set_errno(err, -errno, "SO_ATTACH_REUSEPORT_CBPF");
	}
	return 0;
}
