// SPDX-License-Identifier: GPL-2.0-only
/*
 * DOC: grants
 *
 * A grant says which range of a region can be claimed, and by whom; it is the
 * ticket, and nothing can be mapped with it. It is shared by its file and its
 * claims, so a grant that was claimed goes on without its file, and can still
 * be found and revoked by its number.
 *
 * grant->mm and grant->revoked are each written once, under region->lock, and
 * read without it where only the newest value is asked for.
 */
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/poll.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uidgid.h>

#include "flowipc.h"
#include "range.h"
#include "trace.h"

#define GRANT_RIGHTS	(FLOWIPC_RIGHT_READ | FLOWIPC_RIGHT_WRITE)
#define GRANT_FLAGS	(FLOWIPC_GRANT_UID | FLOWIPC_GRANT_GID | \
			 FLOWIPC_GRANT_MANY | FLOWIPC_GRANT_EXPIRE)

static long grant_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct grant *grant = file->private_data;

	switch (cmd) {
	case FLOWIPC_IOC_CLAIM:
		return flowipc_claim_create(grant, (void __user *)arg);
	default:
		return -ENOTTY;
	}
}

/* What poll tells of it, and of its claims. */
__poll_t flowipc_grant_events(const struct grant *grant)
{
	__poll_t events = 0;

	if (READ_ONCE(grant->revoked))
		events |= EPOLLHUP;
	if (READ_ONCE(grant->region->abandoned))
		events |= EPOLLRDHUP;

	return events;
}

static __poll_t grant_poll(struct file *file, poll_table *wait)
{
	struct grant *grant = file->private_data;

	poll_wait(file, &grant->wait, wait);

	return flowipc_grant_events(grant);
}

static void grant_destroy(struct grant *grant)
{
	if (grant->id)
		trace_grant_free(grant->region->id, grant->id);
	if (grant->mm)
		mmdrop(grant->mm);
	flowipc_account_put(grant->account);
	flowipc_total_dec(FLOWIPC_TOTAL_GRANTS);
	kfree(grant);
}

/* The last one is its file's if nobody has claimed it, else that of a claim. */
void flowipc_grant_put(struct grant *grant)
{
	struct region *region = grant->region;
	bool dropped;

	if (!refcount_dec_and_mutex_lock(&grant->refs, &region->lock))
		return;

	/* One that was never made, because GRANT failed late, is not dropped. */
	dropped = grant->id && !grant->mm;
	if (grant->id)
		list_del(&grant->link);
	if (dropped)
		WRITE_ONCE(region->dropped, region->dropped + 1);
	mutex_unlock(&region->lock);

	if (dropped)
		wake_up_poll(&region->wait, EPOLLIN);
	grant_destroy(grant);
}

static int grant_release(struct inode *inode, struct file *file)
{
	flowipc_grant_put(file->private_data);
	flowipc_file_release();

	return 0;
}

static const struct file_operations grant_fops = {
	.owner			= THIS_MODULE,
	.unlocked_ioctl		= grant_ioctl,
	.compat_ioctl		= compat_ptr_ioctl,
	.poll			= grant_poll,
	.release		= grant_release,
	.show_fdinfo		= flowipc_grant_show_fdinfo,
};

/* NULL if @file is something else. */
struct grant *flowipc_grant_of_file(struct file *file)
{
	return file->f_op == &grant_fops ? file->private_data : NULL;
}

static int grant_check(const struct region *region,
		       const struct flowipc_grant *arg)
{
	if (arg->flags & ~GRANT_FLAGS || arg->reserved)
		return -EINVAL;
	if (arg->rights & ~GRANT_RIGHTS || !(arg->rights & FLOWIPC_RIGHT_READ))
		return -EINVAL;

	if (!range_is_valid(arg->offset, arg->length, region->size))
		return -EINVAL;

	if (!(arg->flags & FLOWIPC_GRANT_UID) && arg->uid)
		return -EINVAL;
	if (!(arg->flags & FLOWIPC_GRANT_GID) && arg->gid)
		return -EINVAL;

	return 0;
}

static struct grant *grant_alloc(struct region *region,
				 const struct flowipc_grant *arg)
{
	kuid_t uid = make_kuid(current_user_ns(), arg->uid);
	kgid_t gid = make_kgid(current_user_ns(), arg->gid);
	struct account *account;
	struct grant *grant;

	if (arg->flags & FLOWIPC_GRANT_UID && !uid_valid(uid))
		return ERR_PTR(-EINVAL);
	if (arg->flags & FLOWIPC_GRANT_GID && !gid_valid(gid))
		return ERR_PTR(-EINVAL);

	account = flowipc_account_get();
	if (IS_ERR(account))
		return ERR_CAST(account);

	grant = kzalloc(sizeof(*grant), GFP_KERNEL_ACCOUNT);
	if (!grant) {
		flowipc_account_put(account);
		return ERR_PTR(-ENOMEM);
	}

	flowipc_total_inc(FLOWIPC_TOTAL_GRANTS);
	refcount_set(&grant->refs, 1);
	grant->region = region;
	grant->account = account;
	grant->offset = arg->offset;
	grant->length = arg->length;
	grant->rights = arg->rights;
	grant->flags = arg->flags;
	grant->uid = uid;
	grant->gid = gid;
	init_waitqueue_head(&grant->wait);

	return grant;
}

static struct file *grant_file_create(struct region *region,
				      const struct flowipc_grant *arg)
{
	struct grant *grant = grant_alloc(region, arg);
	struct file *file;

	if (IS_ERR(grant))
		return ERR_CAST(grant);

	ihold(region->inode);
	file = flowipc_file_create(region->inode, "flowipc-grant", O_RDONLY,
				   &grant_fops, grant);
	if (IS_ERR(file)) {
		iput(region->inode);
		grant_destroy(grant);
	}

	return file;
}

/* Makes the grant, if it gets the number @id and not another one. */
static bool grant_make(struct grant *grant, u64 id)
{
	struct region *region = grant->region;
	bool made;

	mutex_lock(&region->lock);
	made = id == region->last_id + 1;
	if (made) {
		grant->id = id;
		list_add_tail(&grant->link, &region->grants);
		WRITE_ONCE(region->last_id, id);
		trace_grant_create(region->id, id, grant->offset,
				   grant->length, grant->rights, grant->flags);
	}
	mutex_unlock(&region->lock);

	return made;
}

/* In this order, so that a number is either told or not used. */
static int grant_tell_and_make(struct grant *grant, struct flowipc_grant *arg,
			       struct flowipc_grant __user *uarg)
{
	do {
		arg->id = READ_ONCE(grant->region->last_id) + 1;
		if (copy_to_user(uarg, arg, sizeof(*arg)))
			return -EFAULT;
	} while (!grant_make(grant, arg->id));

	return 0;
}

long flowipc_grant_create(struct region *region,
			  struct flowipc_grant __user *uarg)
{
	struct flowipc_grant arg;
	struct file *file;
	int err;

	if (copy_from_user(&arg, uarg, sizeof(arg)))
		return -EFAULT;

	err = grant_check(region, &arg);
	if (err)
		return err;

	arg.fd = get_unused_fd_flags(O_CLOEXEC);
	if (arg.fd < 0)
		return arg.fd;

	file = grant_file_create(region, &arg);
	if (IS_ERR(file)) {
		put_unused_fd(arg.fd);
		return PTR_ERR(file);
	}

	err = grant_tell_and_make(file->private_data, &arg, uarg);
	if (err) {
		put_unused_fd(arg.fd);
		fput(file);
		return err;
	}
	fd_install(arg.fd, file);

	return 0;
}

static void grant_describe(const struct grant *grant,
			   struct flowipc_grant_next *arg)
{
	struct user_namespace *ns = current_user_ns();

	arg->id = grant->id;
	arg->offset = grant->offset;
	arg->length = grant->length;
	arg->rights = grant->rights;
	arg->grant_flags = grant->flags;
	arg->uid = 0;
	if (grant->flags & FLOWIPC_GRANT_UID)
		arg->uid = from_kuid_munged(ns, grant->uid);
	arg->gid = 0;
	if (grant->flags & FLOWIPC_GRANT_GID)
		arg->gid = from_kgid_munged(ns, grant->gid);
	arg->claims = grant->claims;
}

long flowipc_grant_next(struct region *region,
			struct flowipc_grant_next __user *uarg)
{
	struct flowipc_grant_next arg;
	const struct grant *grant;
	int err = -ENOENT;

	if (copy_from_user(&arg, uarg, sizeof(arg)))
		return -EFAULT;

	if (arg.flags)
		return -EINVAL;

	mutex_lock(&region->lock);
	list_for_each_entry(grant, &region->grants, link) {
		if (grant->id > arg.id && !grant->revoked) {
			grant_describe(grant, &arg);
			err = 0;
			break;
		}
	}
	mutex_unlock(&region->lock);

	if (!err && copy_to_user(uarg, &arg, sizeof(arg)))
		err = -EFAULT;

	return err;
}
