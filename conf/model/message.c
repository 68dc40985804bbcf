/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The listener's wire form and the words of the close reasons, for control and the workers.
 */
#include "conf/model/message.h"

#include <errno.h>

#include "conf/model/internal.h"
#include "conf/model/name.h"

void listener_msg_pack(const struct listener_msg *listener, struct buf *out)
{
	pack_addr(out, &listener->local.addr);
	buf_u16(out, listener->local.port);
	buf_u8(out, (uint8_t)listener->protocol);
	pack_bool(out, listener->zone);
	pack_timeouts(out, &listener->timeouts);
	buf_u32(out, listener->slot);
	buf_str(out, listener->default_tenant);
	buf_str(out, listener->default_service);
}

int listener_msg_unpack(struct cursor in, struct listener_msg *ret_listener)
{
	struct unpack u = {.in = in};
	struct listener_msg l = {0};

	l.local.addr = unpack_addr(&u);
	l.local.port = cursor_u16(&u.in);
	l.protocol = unpack_enum(&u, PROTOCOL_DETECT + 1, "protocol");
	l.zone = unpack_bool(&u, "zone");
	l.timeouts = unpack_timeouts(&u);
	l.slot = cursor_u32(&u.in);
	l.default_tenant = cursor_str(&u.in);
	l.default_service = cursor_str(&u.in);
	if (l.local.port == 0 || (l.protocol != PROTOCOL_TCP && l.protocol != PROTOCOL_UDP &&
				  l.protocol != PROTOCOL_TLS)) {
		unpack_fail(&u, "listener");
	}
	if ((l.default_tenant.len > 0 || l.default_service.len > 0) &&
	    (!name_is_id(l.default_tenant) || !name_is_id(l.default_service))) {
		unpack_fail(&u, "default");
	}
	if (unpack_end(&u) < 0) {
		return u.rc;
	}
	*ret_listener = l;
	return 0;
}

void call_msg_pack(const struct call_msg *call, struct buf *out)
{
	pack_bool(out, call->begins);
	buf_u8(out, (uint8_t)call->n_args);
	for (size_t i = 0; i < call->n_args; i++) {
		buf_str(out, call->args[i]);
	}
}

int call_msg_unpack(struct cursor in, struct call_msg *ret_call)
{
	struct unpack u = {.in = in};
	struct call_msg call = {.begins = unpack_bool(&u, "begins")};
	size_t n = cursor_u8(&u.in);

	if (n > CALL_ARGS_MAX) {
		unpack_fail(&u, "arguments");
		n = 0;
	}
	for (; call.n_args < n; call.n_args++) {
		call.args[call.n_args] = cursor_str(&u.in);
	}
	if (unpack_end(&u) < 0) {
		return u.rc;
	}
	*ret_call = call;
	return 0;
}

void set_entry_pack(const struct channel_msg *msg, struct buf *out)
{
	buf_u16(out, msg->type);
	buf_u32(out, msg->id);
	buf_u64(out, msg->serial);
	buf_u32(out, (uint32_t)msg->len);
	buf_bytes(out, msg->data, msg->len);
}

int set_entry_unpack(struct cursor *in, struct channel_msg *ret_msg)
{
	struct channel_msg msg = {0};
	struct cursor data;

	msg.type = cursor_u16(in);
	msg.id = cursor_u32(in);
	msg.serial = cursor_u64(in);
	data = cursor_sub(in, cursor_u32(in));
	if (in->bad || (msg.type != MSG_NODE && msg.type != MSG_TENANT)) {
		return -EPROTO;
	}
	msg.data = data.p;
	msg.len = data.left;
	*ret_msg = msg;
	return 0;
}

const char *close_reason_name(enum close_reason reason)
{
	static const char *const names[N_CLOSE_REASONS] = {
		[CLOSE_DONE] = "done",
		[CLOSE_CLIENT_RESET] = "client-reset",
		[CLOSE_BACKEND_RESET] = "backend-reset",
		[CLOSE_IDLE] = "idle",
		[CLOSE_HALF_CLOSE_TIMEOUT] = "half-close-timeout",
		[CLOSE_HELLO_TIMEOUT] = "hello-timeout",
		[CLOSE_HELLO_MALFORMED] = "hello-malformed",
		[CLOSE_HELLO_TOO_LARGE] = "hello-too-large",
		[CLOSE_CLIENT_GONE] = "client-gone",
		[CLOSE_NAME_UNKNOWN] = "name-unknown",
		[CLOSE_ALPN_UNKNOWN] = "alpn-unknown",
		[CLOSE_NO_RULE] = "no-rule",
		[CLOSE_DENIED] = "denied",
		[CLOSE_SOURCE_LIMIT] = "source-limit",
		[CLOSE_SERVICE_LIMIT] = "service-limit",
		[CLOSE_TENANT_LIMIT] = "tenant-limit",
		[CLOSE_SOURCE_ADDRESS] = "source-address",
		[CLOSE_CONNECT_REFUSED] = "connect-refused",
		[CLOSE_CONNECT_TIMEOUT] = "connect-timeout",
		[CLOSE_CONNECT_FAILED] = "connect-failed",
		[CLOSE_NO_BACKEND] = "no-backend",
		[CLOSE_KILLED] = "killed",
		[CLOSE_DRAINED] = "drained",
		[CLOSE_WORKER_EXIT] = "worker-exit",
		[CLOSE_NO_MEMORY] = "no-memory",
	};

	return (unsigned int)reason < N_CLOSE_REASONS ? names[reason] : "?";
}
