/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DOC: quotas
 *
 * A counter with a limit that may change. Nothing here knows of anything else
 * in the module.
 */
#ifndef FLOWIPC_QUOTA_H
#define FLOWIPC_QUOTA_H

#include <linux/atomic.h>
#include <linux/types.h>

/*
 * Adds @amount to @used, unless that would exceed @limit. What is used may
 * exceed it already, and no sum is made which could wrap around.
 */
static inline bool quota_charge(atomic64_t *used, u64 amount, u64 limit)
{
	s64 now = atomic64_read(used);

	do {
		if (amount > limit || now > limit - amount)
			return false;
	} while (!atomic64_try_cmpxchg(used, &now, now + amount));

	return true;
}

static inline void quota_uncharge(atomic64_t *used, u64 amount)
{
	atomic64_sub(amount, used);
}

#endif /* FLOWIPC_QUOTA_H */
