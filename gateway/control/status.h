/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_STATUS_H
#define SIXGATE_GATEWAY_STATUS_H

struct buf;
struct control;
struct service_conf;
struct tenant_conf;

/* Appends the one object that `status` answers. */
void control_write_status(struct control *c, struct buf *out);
/* Appends one object of `services`. */
void status_write_service(const struct control *c, const struct tenant_conf *tenant,
			  const struct service_conf *service, struct buf *out);

/* An object {key: line} for each line of text. */
void status_write_lines(const struct buf *text, const char *key, struct buf *out);

#endif
