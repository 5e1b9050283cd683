// SPDX-License-Identifier: GPL-2.0-only
/*
 * DOC: claims
 *
 * A claim is a grant in the hands of one process: only it can be mapped, and
 * only into the address space that was the claimer's. The mode of its file is
 * the right: without FLOWIPC_RIGHT_WRITE it is O_RDONLY, and the core then
 * refuses PROT_WRITE, now and by mprotect(), and every forced write of a
 * debugger.
 *
 * Whether it is revoked is read without a lock, in ->mmap under mmap_lock, in
 * ->fault under the folio's lock, and in ->poll; only ->fault needs more than
 * the newest value, see flowipc_region_unmap().
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
#include "range.h"
#include "trace.h"

bool flowipc_claim_is_revoked(const struct claim *claim)
{
	return READ_ONCE(claim->revoked) || READ_ONCE(claim->grant->revoked);
}

/*
 * The mm is asked for once more because madvise(MADV_DOFORK) makes a child
 * inherit the mapping in spite of VM_DONTCOPY.
 */
bool flowipc_claim_permits(const struct claim *claim,
			   const struct vm_fault *vmf)
{
	return !flowipc_claim_is_revoked(claim) &&
	       claim->mm == vmf->vma->vm_mm &&
	       range_has_pages(claim->grant->offset, claim->grant->length,
			       vmf->pgoff, 1);
}

static int claim_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct claim *claim = file->private_data;
	int err;

	/* A revocation just after this is seen by every fault. */
	if (flowipc_claim_is_revoked(claim) || claim->mm != vma->vm_mm)
		return -EACCES;

	err = flowipc_region_mmap(vma, claim->grant->offset,
				  claim->grant->length);
	if (err)
		return err;

	compat_vma_flags_set(vma, VM_DONTCOPY);

	return 0;
}

static __poll_t claim_poll(struct file *file, poll_table *wait)
{
	struct claim *claim = file->private_data;
	__poll_t events;

	poll_wait(file, &claim->grant->wait, wait);

	events = flowipc_grant_events(claim->grant);
	if (READ_ONCE(claim->revoked))
		events |= EPOLLHUP;

	return events;
}

static void claim_destroy(struct claim *claim)
{
	if (claim->id)
		trace_claim_free(claim->grant->region->id, claim->grant->id,
				 claim->id);
	flowipc_grant_put(claim->grant);
	flowipc_identity_put(claim->who);
	mmdrop(claim->mm);
	flowipc_account_put(claim->account);
	kfree(claim);
	flowipc_total_dec(FLOWIPC_TOTAL_CLAIMS);
}

/* No mapping of the claim is left: each one holds the file. */
static int claim_release(struct inode *inode, struct file *file)
{
	struct claim *claim = file->private_data;
	struct grant *grant = claim->grant;
	struct region *region = grant->region;

	/* One that was never made, because CLAIM failed late, is not dropped. */
	if (claim->id) {
		mutex_lock(&region->lock);
		list_del(&claim->link);
		if (!claim->revoked)
			grant->claims--;
		WRITE_ONCE(region->dropped, region->dropped + 1);
		mutex_unlock(&region->lock);
		wake_up_poll(&region->wait, EPOLLIN);
	}

	claim_destroy(claim);
	flowipc_file_release();

	return 0;
}

static const struct file_operations claim_fops = {
	.owner			= THIS_MODULE,
	.mmap			= claim_mmap,
	.get_unmapped_area	= thp_get_unmapped_area,
	.poll			= claim_poll,
	.release		= claim_release,
	.show_fdinfo		= flowipc_claim_show_fdinfo,
};

/* NULL if @file is something else. */
struct claim *flowipc_claim_of_file(struct file *file)
{
	return file->f_op == &claim_fops ? file->private_data : NULL;
}

/*
 * Whether current may have the grant. Without region->lock the answer can be
 * outdated in one way: it said yes, and the grant is taken or revoked now.
 */
static int claim_check(const struct grant *grant)
{
	const struct mm_struct *mm = READ_ONCE(grant->mm);

	if (READ_ONCE(grant->revoked))
		return -EACCES;
	if (grant->flags & FLOWIPC_GRANT_UID &&
	    !uid_eq(current_euid(), grant->uid))
		return -EPERM;
	if (grant->flags & FLOWIPC_GRANT_GID && !in_egroup_p(grant->gid))
		return -EPERM;
	if (!(grant->flags & FLOWIPC_GRANT_MANY) && mm && mm != current->mm)
		return -EBUSY;

	return 0;
}

static struct claim *claim_alloc(struct grant *grant)
{
	struct claim *claim;
	int err;

	claim = kzalloc(sizeof(*claim), GFP_KERNEL_ACCOUNT);
	if (!claim)
		return ERR_PTR(-ENOMEM);

	claim->account = flowipc_account_get();
	if (IS_ERR(claim->account)) {
		err = PTR_ERR(claim->account);
		goto free_claim;
	}

	claim->who = flowipc_identity_of_current();
	if (IS_ERR(claim->who)) {
		err = PTR_ERR(claim->who);
		goto put_account;
	}

	flowipc_total_inc(FLOWIPC_TOTAL_CLAIMS);
	refcount_inc(&grant->refs);
	claim->grant = grant;
	/*
	 * The structure of the mm is held as long as the claim, so that no
	 * later process can get the same address for its own and inherit it.
	 */
	mmgrab(current->mm);
	claim->mm = current->mm;

	return claim;

put_account:
	flowipc_account_put(claim->account);
free_claim:
	kfree(claim);
	return ERR_PTR(err);
}

static struct file *claim_file_create(struct grant *grant)
{
	int mode = grant->rights & FLOWIPC_RIGHT_WRITE ? O_RDWR : O_RDONLY;
	struct inode *inode = grant->region->inode;
	struct claim *claim = claim_alloc(grant);
	struct file *file;

	if (IS_ERR(claim))
		return ERR_CAST(claim);

	/*
	 * On the region's own inode: a mapping of the claim is then among those
	 * which flowipc_region_unmap() finds.
	 */
	ihold(inode);
	file = flowipc_file_create(inode, "flowipc-claim", mode, &claim_fops,
				   claim);
	if (IS_ERR(file)) {
		iput(inode);
		claim_destroy(claim);
	}

	return file;
}

/*
 * Makes the claim, if it gets the number @id; -EAGAIN if another one has got
 * it. The number has been told to the claimer before, because a claim cannot
 * be undone when that fails.
 */
static int claim_make(struct claim *claim, u64 id)
{
	struct grant *grant = claim->grant;
	struct region *region = grant->region;
	int err;

	mutex_lock(&region->lock);
	err = claim_check(grant);
	if (!err && id != region->last_id + 1)
		err = -EAGAIN;
	if (!err) {
		if (!grant->mm) {
			mmgrab(claim->mm);
			WRITE_ONCE(grant->mm, claim->mm);
		}
		grant->claims++;
		claim->id = id;
		list_add_tail(&claim->link, &region->claims);
		WRITE_ONCE(region->last_id, id);
		WRITE_ONCE(region->claimed, region->claimed + 1);
		trace_claim_create(region->id, grant->id, id);
	}
	mutex_unlock(&region->lock);

	if (!err)
		wake_up_poll(&region->wait, EPOLLIN);

	return err;
}

static int claim_tell_and_make(struct claim *claim, struct flowipc_claim *arg,
			       struct flowipc_claim __user *uarg)
{
	const struct grant *grant = claim->grant;
	int err;

	arg->rights = grant->rights;
	arg->offset = grant->offset;
	arg->length = grant->length;
	arg->region_size = grant->region->size;
	arg->region_id = grant->region->id;

	do {
		arg->id = READ_ONCE(grant->region->last_id) + 1;
		if (copy_to_user(uarg, arg, sizeof(*arg)))
			return -EFAULT;
		err = claim_make(claim, arg->id);
	} while (err == -EAGAIN);

	return err;
}

long flowipc_claim_create(struct grant *grant,
			  struct flowipc_claim __user *uarg)
{
	struct flowipc_claim arg;
	struct file *file;
	int err;

	if (copy_from_user(&arg, uarg, sizeof(arg)))
		return -EFAULT;

	if (arg.flags || arg.reserved)
		return -EINVAL;

	err = claim_check(grant);
	if (err)
		return err;

	arg.fd = get_unused_fd_flags(O_CLOEXEC);
	if (arg.fd < 0)
		return arg.fd;

	file = claim_file_create(grant);
	if (IS_ERR(file)) {
		put_unused_fd(arg.fd);
		return PTR_ERR(file);
	}

	err = claim_tell_and_make(file->private_data, &arg, uarg);
	if (err) {
		put_unused_fd(arg.fd);
		fput(file);
		return err;
	}
	fd_install(arg.fd, file);

	return 0;
}

long flowipc_claim_next(struct region *region,
			struct flowipc_claim_next __user *uarg)
{
	struct flowipc_claim_next arg;
	struct identity *who = NULL;
	struct claim *claim;
	int err;

	if (copy_from_user(&arg, uarg, sizeof(arg)))
		return -EFAULT;

	if (arg.flags || arg.reserved)
		return -EINVAL;

	mutex_lock(&region->lock);
	list_for_each_entry(claim, &region->claims, link) {
		if (claim->id > arg.id && !flowipc_claim_is_revoked(claim)) {
			arg.id = claim->id;
			arg.grant_id = claim->grant->id;
			who = flowipc_identity_get(claim->who);
			break;
		}
	}
	mutex_unlock(&region->lock);

	if (!who)
		return -ENOENT;

	err = flowipc_identity_tell(who, &arg.who);
	flowipc_identity_put(who);
	if (err)
		return err;

	return copy_to_user(uarg, &arg, sizeof(arg)) ? -EFAULT : 0;
}
