/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_BASE_ERR_H
#define SIXGATE_BASE_ERR_H

#define ERR_MSG_MAX 256

#define CHECKED                __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

/* A failure a person will read: a negative errno and one line of text. No heap. */
struct err {
	int code;
	char msg[ERR_MSG_MAX];
};

/* Sets err (may be NULL) and returns code, a negative errno. */
int err_set(struct err *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* As err_set(), with ": " and the system's text of code behind. */
int err_set_errno(struct err *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Puts context before the message of err (may be NULL) and returns its code, or 0 without err. */
int err_prefix(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
