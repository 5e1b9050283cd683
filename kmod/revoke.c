// SPDX-License-Identifier: GPL-2.0-only
/*
 * DOC: revocation
 *
 * A flag is set, then the range is taken out of all page tables: see
 * flowipc_region_unmap() for why no fault slips in between. A claim is revoked
 * by its own flag or by that of its grant.
 *
 * region->lock is held from the flag to the end, and taken also for what is
 * revoked already: the other caller may still be at work, and every one of them
 * promises the result.
 */
#include <linux/bitops.h>
#include <linux/file.h>
#include <linux/poll.h>
#include <linux/uaccess.h>

#include "flowipc.h"
#include "trace.h"

#define REVOKE_FLAGS	(FLOWIPC_REVOKE_ALL | FLOWIPC_REVOKE_GRANT | \
			 FLOWIPC_REVOKE_CLAIM)

static void revoke_grant(struct region *region, struct grant *grant)
{
	lockdep_assert_held(&region->lock);

	if (grant->revoked)
		return;

	WRITE_ONCE(grant->revoked, true);
	trace_grant_revoke(region->id, grant->id);
	/* Without a claim there is no mapping. */
	if (grant->claims)
		flowipc_region_unmap(region, grant->offset, grant->length);
	wake_up_poll(&grant->wait, EPOLLHUP);
}

static void revoke_claim(struct region *region, struct claim *claim)
{
	struct grant *grant = claim->grant;

	lockdep_assert_held(&region->lock);

	if (flowipc_claim_is_revoked(claim))
		return;

	WRITE_ONCE(claim->revoked, true);
	trace_claim_revoke(region->id, grant->id, claim->id);
	grant->claims--;
	flowipc_region_unmap(region, grant->offset, grant->length);
	wake_up_poll(&grant->wait, EPOLLHUP);
}

/* Every grant that has all of @flags, with one sweep, however many there are. */
static void revoke_all(struct region *region, u32 flags)
{
	struct grant *grant;
	bool unmap = false;

	lockdep_assert_held(&region->lock);

	list_for_each_entry(grant, &region->grants, link) {
		if (grant->revoked || (grant->flags & flags) != flags)
			continue;
		WRITE_ONCE(grant->revoked, true);
		trace_grant_revoke(region->id, grant->id);
		unmap |= grant->claims;
	}
	if (unmap)
		flowipc_region_unmap(region, 0, region->size);

	list_for_each_entry(grant, &region->grants, link)
		if (grant->revoked)
			wake_up_poll(&grant->wait, EPOLLHUP);
}

/* The owner is gone: all peers hear it, and some lose what they have. */
void flowipc_revoke_expired(struct region *region)
{
	struct grant *grant;

	mutex_lock(&region->lock);
	WRITE_ONCE(region->abandoned, true);
	revoke_all(region, FLOWIPC_GRANT_EXPIRE);
	list_for_each_entry(grant, &region->grants, link)
		wake_up_poll(&grant->wait, EPOLLRDHUP);
	mutex_unlock(&region->lock);
}

static long revoke_by_fd(struct region *region, int fd)
{
	struct file *file = fget(fd);
	struct grant *grant;
	long err = -EINVAL;

	if (!file)
		return -EBADF;

	grant = flowipc_grant_of_file(file);
	if (grant && grant->region == region) {
		mutex_lock(&region->lock);
		revoke_grant(region, grant);
		mutex_unlock(&region->lock);
		err = 0;
	}
	fput(file);

	return err;
}

static long revoke_grant_by_id(struct region *region, u64 id)
{
	struct grant *grant;
	long err = -ENOENT;

	mutex_lock(&region->lock);
	list_for_each_entry(grant, &region->grants, link) {
		if (grant->id == id) {
			revoke_grant(region, grant);
			err = 0;
			break;
		}
	}
	mutex_unlock(&region->lock);

	return err;
}

static long revoke_claim_by_id(struct region *region, u64 id)
{
	struct claim *claim;
	long err = -ENOENT;

	mutex_lock(&region->lock);
	list_for_each_entry(claim, &region->claims, link) {
		if (claim->id == id) {
			revoke_claim(region, claim);
			err = 0;
			break;
		}
	}
	mutex_unlock(&region->lock);

	return err;
}

long flowipc_revoke(struct region *region, struct flowipc_revoke __user *uarg)
{
	struct flowipc_revoke arg;

	if (copy_from_user(&arg, uarg, sizeof(arg)))
		return -EFAULT;

	if (arg.flags & ~REVOKE_FLAGS || hweight32(arg.flags) > 1)
		return -EINVAL;
	if (arg.flags && arg.grant_fd != -1)
		return -EINVAL;

	switch (arg.flags) {
	case FLOWIPC_REVOKE_GRANT:
		return revoke_grant_by_id(region, arg.id);
	case FLOWIPC_REVOKE_CLAIM:
		return revoke_claim_by_id(region, arg.id);
	}

	if (arg.id)
		return -EINVAL;
	if (!arg.flags)
		return revoke_by_fd(region, arg.grant_fd);

	mutex_lock(&region->lock);
	revoke_all(region, 0);
	mutex_unlock(&region->lock);

	return 0;
}
