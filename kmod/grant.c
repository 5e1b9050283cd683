// SPDX-License-Identifier: GPL-2.0-only
/*
 * DOC: grants
 *
 * The mode of the grant's file is the right: without FLOWIPC_RIGHT_WRITE it is
 * O_RDONLY, and the core then refuses PROT_WRITE, now and by mprotect(), and
 * every forced write of a debugger.
 *
 * grant->mm and grant->revoked are each written once. They are read without a
 * lock, in ->mmap under mmap_lock, in ->fault under the folio's lock, in ->poll
 * and in CLAIM; only ->fault needs more than the newest value, see
 * flowipc_region_unmap().
 */
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/poll.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uidgid.h>

#include "compat.h"
#include "flowipc.h"

#define GRANT_RIGHTS	(FLOWIPC_RIGHT_READ | FLOWIPC_RIGHT_WRITE)
#define GRANT_FLAGS	(FLOWIPC_GRANT_UID | FLOWIPC_GRANT_GID)

/*
 * The mm is asked for once more because madvise(MADV_DOFORK) makes a child
 * inherit the mapping in spite of VM_DONTCOPY.
 */
bool flowipc_grant_permits(const struct grant *grant,
			   const struct vm_fault *vmf)
{
	const pgoff_t first = grant->offset >> PAGE_SHIFT;
	const pgoff_t pages = grant->length >> PAGE_SHIFT;

	return !READ_ONCE(grant->revoked) &&
	       READ_ONCE(grant->mm) == vmf->vma->vm_mm &&
	       vmf->pgoff >= first && vmf->pgoff - first < pages;
}

static vm_fault_t grant_vm_fault(struct vm_fault *vmf)
{
	struct grant *grant = vmf->vma->vm_file->private_data;

	return flowipc_region_fault(grant->region, vmf, grant);
}

static const struct vm_operations_struct grant_vm_ops = {
	.fault	= grant_vm_fault,
};

static int grant_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct grant *grant = file->private_data;
	int err;

	/* A revocation just after this is seen by every fault. */
	if (READ_ONCE(grant->revoked) || READ_ONCE(grant->mm) != vma->vm_mm)
		return -EACCES;

	err = flowipc_region_mmap(vma, grant->offset, grant->length);
	if (err)
		return err;

	compat_vma_flags_set(vma, VM_DONTCOPY);
	vma->vm_ops = &grant_vm_ops;

	return 0;
}

/* Whether the caller may have the grant, as far as can be told before. */
static int grant_claimable(const struct grant *grant)
{
	const struct mm_struct *mm = READ_ONCE(grant->mm);

	if (READ_ONCE(grant->revoked))
		return -EACCES;
	if (grant->flags & FLOWIPC_GRANT_UID &&
	    !uid_eq(current_euid(), grant->uid))
		return -EPERM;
	if (grant->flags & FLOWIPC_GRANT_GID && !in_egroup_p(grant->gid))
		return -EPERM;
	if (mm && mm != current->mm)
		return -EBUSY;

	return 0;
}

/*
 * The structure of the mm is held until the grant is released, so that no later
 * process can get the same address for its own and inherit the claim.
 */
static int grant_bind(struct grant *grant)
{
	struct mm_struct *mm = current->mm;
	struct mm_struct *old;

	mmgrab(mm);
	old = cmpxchg(&grant->mm, NULL, mm);
	if (!old)
		return 0;
	mmdrop(mm);

	return old == mm ? 0 : -EBUSY;
}

static long grant_claim(struct grant *grant, struct flowipc_claim __user *uarg)
{
	struct flowipc_claim arg;
	int err;

	if (copy_from_user(&arg, uarg, sizeof(arg)))
		return -EFAULT;

	if (arg.flags || arg.reserved)
		return -EINVAL;

	err = grant_claimable(grant);
	if (err)
		return err;

	arg.rights = grant->rights;
	arg.offset = grant->offset;
	arg.length = grant->length;
	arg.region_size = grant->region->size;

	/* First, because a claim cannot be undone when this fails. */
	if (copy_to_user(uarg, &arg, sizeof(arg)))
		return -EFAULT;

	return grant_bind(grant);
}

static long grant_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct grant *grant = file->private_data;

	switch (cmd) {
	case FLOWIPC_IOC_CLAIM:
		return grant_claim(grant, (void __user *)arg);
	default:
		return -ENOTTY;
	}
}

static __poll_t grant_poll(struct file *file, poll_table *wait)
{
	struct grant *grant = file->private_data;

	poll_wait(file, &grant->wait, wait);

	return READ_ONCE(grant->revoked) ? EPOLLHUP : 0;
}

static void grant_destroy(struct grant *grant)
{
	flowipc_account_put(grant->account);
	kfree(grant);
}

/* No mapping of the grant is left: each one holds the file. */
static int grant_release(struct inode *inode, struct file *file)
{
	struct grant *grant = file->private_data;
	struct region *region = grant->region;

	mutex_lock(&region->lock);
	list_del(&grant->link);
	mutex_unlock(&region->lock);

	if (grant->mm)
		mmdrop(grant->mm);
	grant_destroy(grant);
	flowipc_file_release();

	return 0;
}

static const struct file_operations grant_fops = {
	.owner			= THIS_MODULE,
	.mmap			= grant_mmap,
	.get_unmapped_area	= thp_get_unmapped_area,
	.unlocked_ioctl		= grant_ioctl,
	.compat_ioctl		= compat_ptr_ioctl,
	.poll			= grant_poll,
	.release		= grant_release,
	.show_fdinfo		= flowipc_grant_show_fdinfo,
};

static int grant_check(const struct region *region,
		       const struct flowipc_grant *arg)
{
	if (arg->flags & ~GRANT_FLAGS || arg->reserved)
		return -EINVAL;
	if (arg->rights & ~GRANT_RIGHTS || !(arg->rights & FLOWIPC_RIGHT_READ))
		return -EINVAL;

	if (!arg->length || !PAGE_ALIGNED(arg->offset | arg->length))
		return -EINVAL;
	if (arg->offset > region->size ||
	    arg->length > region->size - arg->offset)
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
	int mode = arg->rights & FLOWIPC_RIGHT_WRITE ? O_RDWR : O_RDONLY;
	struct grant *grant = grant_alloc(region, arg);
	struct file *file;

	if (IS_ERR(grant))
		return ERR_CAST(grant);

	/*
	 * On the region's own inode: a mapping of the grant is then among those
	 * which flowipc_region_unmap() finds.
	 */
	ihold(region->inode);
	file = flowipc_file_create(region->inode, "flowipc-grant", mode,
				   &grant_fops, grant);
	if (IS_ERR(file)) {
		iput(region->inode);
		grant_destroy(grant);
		return file;
	}

	mutex_lock(&region->lock);
	list_add_tail(&grant->link, &region->grants);
	mutex_unlock(&region->lock);

	return file;
}

long flowipc_grant_create(struct region *region,
			  struct flowipc_grant __user *uarg)
{
	struct flowipc_grant arg;
	struct file *file;
	int err, fd;

	if (copy_from_user(&arg, uarg, sizeof(arg)))
		return -EFAULT;

	err = grant_check(region, &arg);
	if (err)
		return err;

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;

	file = grant_file_create(region, &arg);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		return PTR_ERR(file);
	}

	if (put_user(fd, &uarg->fd)) {
		put_unused_fd(fd);
		fput(file);
		return -EFAULT;
	}
	fd_install(fd, file);

	return 0;
}

void flowipc_grant_count(struct region *region, u32 *grants, u32 *claims)
{
	const struct grant *grant;

	*grants = 0;
	*claims = 0;

	mutex_lock(&region->lock);
	list_for_each_entry(grant, &region->grants, link) {
		if (grant->revoked)
			continue;
		++*grants;
		if (READ_ONCE(grant->mm))
			++*claims;
	}
	mutex_unlock(&region->lock);
}

static void grant_revoke_one(struct region *region, struct grant *grant)
{
	lockdep_assert_held(&region->lock);

	if (grant->revoked)
		return;

	WRITE_ONCE(grant->revoked, true);
	flowipc_region_unmap(region, grant->offset, grant->length);
	wake_up_poll(&grant->wait, EPOLLHUP);
}

static void grant_revoke_all(struct region *region)
{
	struct grant *grant;
	bool unmap = false;

	lockdep_assert_held(&region->lock);

	/* One sweep for all, however many there are. */
	list_for_each_entry(grant, &region->grants, link) {
		unmap |= !grant->revoked;
		WRITE_ONCE(grant->revoked, true);
	}
	if (!unmap)
		return;

	flowipc_region_unmap(region, 0, region->size);
	list_for_each_entry(grant, &region->grants, link)
		wake_up_poll(&grant->wait, EPOLLHUP);
}

/*
 * The lock is held to the end, also for a grant which is revoked already: the
 * other caller may still be at work, and this one promises the result too.
 */
long flowipc_grant_revoke(struct region *region,
			  struct flowipc_revoke __user *uarg)
{
	struct flowipc_revoke arg;
	struct grant *grant;
	struct file *file;
	long err = -EINVAL;

	if (copy_from_user(&arg, uarg, sizeof(arg)))
		return -EFAULT;

	if (arg.flags & ~FLOWIPC_REVOKE_ALL || arg.id)
		return -EINVAL;

	if (arg.flags & FLOWIPC_REVOKE_ALL) {
		if (arg.grant_fd != -1)
			return -EINVAL;
		mutex_lock(&region->lock);
		grant_revoke_all(region);
		mutex_unlock(&region->lock);
		return 0;
	}

	file = fget(arg.grant_fd);
	if (!file)
		return -EBADF;

	grant = file->private_data;
	if (file->f_op == &grant_fops && grant->region == region) {
		mutex_lock(&region->lock);
		grant_revoke_one(region, grant);
		mutex_unlock(&region->lock);
		err = 0;
	}
	fput(file);

	return err;
}
