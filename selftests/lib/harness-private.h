/* SPDX-License-Identifier: MIT */
/* Between harness.c and harness-peer.c. */
#ifndef FLOWIPC_SELFTESTS_HARNESS_PRIVATE_H
#define FLOWIPC_SELFTESTS_HARNESS_PRIVATE_H

#include "harness.h"

extern bool test_in_child;

void test_end_peers(void);
int test_run_exec(const struct peer_function *functions, const char *name,
		  int sync);

#endif /* FLOWIPC_SELFTESTS_HARNESS_PRIVATE_H */
