// SPDX-License-Identifier: GPL-2.0-only
/*
 * DOC: regions
 *
 * The pages are in the page cache of the region's inode from the beginning to
 * the end; how they get into page tables is in mapping.c.
 *
 * Three properties keep them there. They are dirty, so that drop_caches and
 * reclaim do not take them for a copy of something; the mapping is unevictable;
 * and they do not migrate.
 */
#include <linux/bitops.h>
#include <linux/file.h>
#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/page-flags.h>
#include <linux/pagemap.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "flowipc.h"
#include "trace.h"

#define REGION_FLAGS	(FLOWIPC_REGION_STRICT | FLOWIPC_REGION_SEALABLE)

static atomic64_t last_region_id;

static int region_migrate_folio(struct address_space *mapping,
				struct folio *dst, struct folio *src,
				enum migrate_mode mode)
{
	return -EBUSY;
}

/* Called when the folio has left the page cache. */
static void region_clear_folio(struct folio *folio)
{
	long i;

	for (i = 0; i < folio_nr_pages(folio); i++) {
		/* To write to broken memory is not safe. */
		if (!PageHWPoison(folio_page(folio, i)))
			clear_highpage(folio_page(folio, i));
	}
}

static const struct address_space_operations region_aops = {
	.dirty_folio	= noop_dirty_folio,
	.migrate_folio	= region_migrate_folio,
};

/* The pages of a STRICT region may hold secrets, and nobody has a reference. */
static const struct address_space_operations region_strict_aops = {
	.dirty_folio	= noop_dirty_folio,
	.migrate_folio	= region_migrate_folio,
	.free_folio	= region_clear_folio,
};

/*
 * Nothing here may wake the OOM killer: for a lack of memory the caller gets
 * ENOMEM, and no process dies. Large blocks are asked for once with an effort,
 * then, when memory is fragmented, only taken where they happen to be free.
 */
static gfp_t block_gfp(unsigned int order, bool effort)
{
	gfp_t gfp = GFP_HIGHUSER | __GFP_ZERO | __GFP_NOWARN;

	if (!order)
		return gfp | __GFP_RETRY_MAYFAIL;
	if (effort)
		return gfp | __GFP_NORETRY;

	return gfp & ~__GFP_DIRECT_RECLAIM;
}

static int region_add_block(struct region *region, pgoff_t index,
			    unsigned int order, gfp_t gfp)
{
	struct folio *folio = folio_alloc(gfp, order);
	int err;

	if (!folio)
		return -ENOMEM;

	/* Before it can be found, so that nobody sees it not up to date. */
	__folio_mark_uptodate(folio);

	/* Charges the caller's memory cgroup. */
	err = filemap_add_folio(region->inode->i_mapping, folio, index, gfp);
	if (!err) {
		folio_mark_dirty(folio);
		folio_unlock(folio);
		if (COMPAT_HUGE_ORDER && order == COMPAT_HUGE_ORDER &&
		    !(region->flags & FLOWIPC_REGION_STRICT))
			region->huge_bytes += folio_size(folio);
		region->max_order = max(region->max_order, order);
	}
	/* The page cache has its own reference. */
	folio_put(folio);

	return err;
}

static int region_fill(struct region *region)
{
	const pgoff_t pages = region->size >> PAGE_SHIFT;
	const unsigned int max = region->flags & FLOWIPC_REGION_SEALABLE ?
				 COMPAT_SEALABLE_ORDER : COMPAT_HUGE_ORDER;
	unsigned int top = max;
	bool effort = true;
	pgoff_t index = 0;

	while (index < pages) {
		unsigned int order;
		int err;

		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();

		order = min_t(unsigned int, top, ilog2(pages - index));
		/* The page cache wants a block at a multiple of its size. */
		if (index)
			order = min_t(unsigned int, order, __ffs(index));
		/*
		 * Until 6.8 none of two pages: splitting one, as MADV_PAGEOUT
		 * does, looks for a list in its third page.
		 */
		if (order == 1)
			order = 0;

		err = region_add_block(region, index, order,
				       block_gfp(order, effort));
		if (err == -ENOMEM && order) {
			top = order - 1;
			effort = false;
			continue;
		}
		if (err)
			return err;

		index += 1UL << order;
		/* Perhaps there is one more huge block after all. */
		if (IS_ALIGNED(index, 1UL << max))
			top = max;
	}

	return 0;
}

static struct region *region_alloc(u64 size, u32 flags)
{
	struct region *region;
	int err;

	region = kzalloc(sizeof(*region), GFP_KERNEL_ACCOUNT);
	if (!region)
		return ERR_PTR(-ENOMEM);

	region->id = atomic64_inc_return(&last_region_id);
	region->size = size;
	region->flags = flags;
	region->seals = RB_ROOT_CACHED;
	mutex_init(&region->lock);
	INIT_LIST_HEAD(&region->grants);
	INIT_LIST_HEAD(&region->claims);
	init_waitqueue_head(&region->wait);

	region->account = flowipc_account_get();
	if (IS_ERR(region->account)) {
		err = PTR_ERR(region->account);
		goto free_region;
	}

	err = flowipc_memory_charge(&region->charge, region->account, size);
	if (err)
		goto put_account;

	flowipc_total_inc(FLOWIPC_TOTAL_REGIONS);

	return region;

put_account:
	flowipc_account_put(region->account);
free_region:
	kfree(region);
	return ERR_PTR(err);
}

/* Called when the inode is evicted, so after the pages have been freed. */
void flowipc_region_destroy(struct region *region)
{
	WARN_ON_ONCE(!list_empty(&region->grants));
	WARN_ON_ONCE(!list_empty(&region->claims));

	/* One that was never made is not freed: it had no file to close. */
	if (region->abandoned)
		trace_region_free(region->id, region->size);
	flowipc_seal_destroy(region);
	flowipc_memory_uncharge(&region->charge);
	flowipc_account_put(region->account);
	flowipc_total_dec(FLOWIPC_TOTAL_REGIONS);
	mutex_destroy(&region->lock);
	kfree(region);
}

/*
 * The inode has no file type and the default i_fop, which cannot be opened: no
 * way leads through /proc/PID/fd to a descriptor with more rights, nor to
 * truncate() or fallocate(). It has no link, so no inotify mark outlasts its
 * files.
 */
static struct inode *region_inode_create(struct super_block *sb,
					 struct region *region)
{
	struct inode *inode = new_inode(sb);

	if (!inode)
		return NULL;

	/* In /proc/PID/maps it is all that is left of a closed descriptor. */
	inode->i_ino = region->id;
	inode->i_mode = 0600;
	inode->i_uid = current_fsuid();
	inode->i_gid = current_fsgid();
	inode->i_flags |= S_NOATIME | S_NOCMTIME;
	inode->i_mapping->a_ops = region->flags & FLOWIPC_REGION_STRICT ?
				  &region_strict_aops : &region_aops;
	compat_inode_set_times(inode);
	clear_nlink(inode);
	i_size_write(inode, region->size);

	mapping_set_gfp_mask(inode->i_mapping, GFP_HIGHUSER);
	mapping_set_unevictable(inode->i_mapping);
	mapping_set_large_folios(inode->i_mapping);

	/* From here iput() frees the region. */
	inode->i_private = region;
	region->inode = inode;

	return inode;
}

static int region_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct region *region = file->private_data;

	return flowipc_region_mmap(vma, 0, region->size);
}

/* Grants that are not revoked, and claims that are not. */
void flowipc_region_count(struct region *region, u32 *grants, u32 *claims)
{
	const struct grant *grant;

	lockdep_assert_held(&region->lock);

	*grants = 0;
	*claims = 0;
	list_for_each_entry(grant, &region->grants, link) {
		if (!grant->revoked) {
			++*grants;
			*claims += grant->claims;
		}
	}
}

/* Only what the caller has been told is no news any more. */
static void region_set_told(struct region *region, u64 told)
{
	mutex_lock(&region->lock);
	if (region->told < told)
		WRITE_ONCE(region->told, told);
	mutex_unlock(&region->lock);
}

static long region_info(struct region *region,
			struct flowipc_region_info __user *uarg)
{
	struct flowipc_region_info arg;

	if (copy_from_user(&arg, uarg, sizeof(arg)))
		return -EFAULT;

	if (arg.flags || arg.reserved)
		return -EINVAL;

	mutex_lock(&region->lock);
	flowipc_region_count(region, &arg.grants, &arg.claims);
	arg.claimed = region->claimed;
	arg.dropped = region->dropped;
	mutex_unlock(&region->lock);
	arg.max_order = region->max_order;
	arg.size = region->size;
	arg.huge_bytes = region->huge_bytes;
	arg.id = region->id;
	arg.region_flags = region->flags;
	arg.seals = READ_ONCE(region->seal_count);

	if (copy_to_user(uarg, &arg, sizeof(arg)))
		return -EFAULT;

	region_set_told(region, arg.claimed + arg.dropped);

	return 0;
}

static long region_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct region *region = file->private_data;
	void __user *uarg = (void __user *)arg;

	switch (cmd) {
	case FLOWIPC_IOC_GRANT:
		return flowipc_grant_create(region, uarg);
	case FLOWIPC_IOC_REVOKE:
		return flowipc_revoke(region, uarg);
	case FLOWIPC_IOC_REGION_INFO:
		return region_info(region, uarg);
	case FLOWIPC_IOC_GRANT_NEXT:
		return flowipc_grant_next(region, uarg);
	case FLOWIPC_IOC_CLAIM_NEXT:
		return flowipc_claim_next(region, uarg);
	case FLOWIPC_IOC_SEAL:
		return flowipc_seal_create(region, uarg);
	default:
		return -ENOTTY;
	}
}

static __poll_t region_poll(struct file *file, poll_table *wait)
{
	struct region *region = file->private_data;
	u64 events;

	poll_wait(file, &region->wait, wait);

	events = READ_ONCE(region->claimed) + READ_ONCE(region->dropped);

	return events > READ_ONCE(region->told) ? EPOLLIN : 0;
}

/* No mapping of the owner's is left: each one holds the file. */
static int region_release(struct inode *inode, struct file *file)
{
	flowipc_revoke_expired(file->private_data);
	flowipc_file_release();

	return 0;
}

static const struct file_operations region_fops = {
	.owner			= THIS_MODULE,
	.mmap			= region_mmap,
	.get_unmapped_area	= thp_get_unmapped_area,
	.unlocked_ioctl		= region_ioctl,
	.compat_ioctl		= compat_ptr_ioctl,
	.poll			= region_poll,
	.release		= region_release,
	.show_fdinfo		= flowipc_region_show_fdinfo,
};

/* Returns the file of a new region, filled. */
static struct file *region_file_create(u64 size, u32 flags)
{
	struct super_block *sb;
	struct region *region;
	struct inode *inode;
	struct file *file;
	int err;

	/* Held until the inode has a file, or is gone. */
	sb = flowipc_fs_pin();
	if (IS_ERR(sb))
		return ERR_CAST(sb);

	region = region_alloc(size, flags);
	if (IS_ERR(region)) {
		file = ERR_CAST(region);
		goto unpin;
	}

	inode = region_inode_create(sb, region);
	if (!inode) {
		flowipc_region_destroy(region);
		file = ERR_PTR(-ENOMEM);
		goto unpin;
	}

	err = region_fill(region);
	if (err)
		file = ERR_PTR(err);
	else
		file = flowipc_file_create(inode, "flowipc-region", O_RDWR,
					   &region_fops, region);
	if (IS_ERR(file))
		iput(inode);
	else
		trace_region_create(region->id, region->size,
				    region->huge_bytes, region->flags);

unpin:
	flowipc_fs_unpin();
	return file;
}

long flowipc_region_create(struct flowipc_region_create __user *uarg)
{
	struct flowipc_region_create arg;
	struct file *file;
	int fd;

	if (copy_from_user(&arg, uarg, sizeof(arg)))
		return -EFAULT;

	if (arg.flags & ~REGION_FLAGS || hweight32(arg.flags) > 1 ||
	    arg.reserved)
		return -EINVAL;
	if (!arg.size || !PAGE_ALIGNED(arg.size))
		return -EINVAL;
	if (arg.size > flowipc_limit_region_bytes())
		return -EFBIG;

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;

	file = region_file_create(arg.size, arg.flags);
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
