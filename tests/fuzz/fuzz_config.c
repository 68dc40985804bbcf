/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Any bytes as node config and as tenant object: no crash, no object without a reason, and what is
 * taken as a tenant travels to a worker and is taken there.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "conf/model/claims.h"
#include "conf/text/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

/* libfyaml 0.7.12 loses a block when an error follows a quoted scalar with many escapes. */
const char *__lsan_default_suppressions(void)
{
	return "leak:libfyaml.so";
}

static void send_to_worker(const struct tenant_conf *tenant)
{
	struct tenant_conf *there = NULL;
	struct buf out;
	int rc;

	buf_init(&out, 32u << 20);
	tenant_conf_pack(tenant, &out);
	assert(!out.bad);
	rc = tenant_conf_unpack(cursor_from(out.data, out.len), &there, NULL);
	assert(rc == 0);
	tenant_conf_unref(there);
	buf_fini(&out);
}

static void claim(const struct tenant_conf *tenant, struct issues *issues)
{
	struct claims *claims = claims_new();
	int rc;

	assert(claims);
	for (int turn = 0; turn < 2; turn++) {
		rc = claims_add(claims, NULL, tenant, issues);
		assert(rc == 0);
		claims_remove(claims, tenant);
	}
	claims_free(claims);
}

static void show(struct issues *issues, int rc)
{
	struct buf out;

	assert((rc == 0) == (issues_count(issues) == 0));
	buf_init(&out, 1u << 20);
	issues_text(issues, &out);
	assert(!out.bad);
	buf_fini(&out);
	issues_fini(issues);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = {(const char *)data, size};
	struct tenant_conf *tenant = NULL;
	struct node_conf *node = NULL;
	struct issues issues;
	int rc;

	issues_init(&issues);
	rc = conf_node_parse("fuzz", text, &node, &issues);
	assert((rc == 0) == (node != NULL));
	node_conf_free(node);
	show(&issues, rc);

	issues_init(&issues);
	rc = conf_tenant_parse("fuzz", text, NULL, &tenant, &issues);
	assert((rc == 0) == (tenant != NULL));
	if (tenant) {
		send_to_worker(tenant);
		claim(tenant, &issues);
	}
	tenant_conf_unref(tenant);
	show(&issues, rc);
	return 0;
}
