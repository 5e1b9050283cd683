// SPDX-License-Identifier: GPL-2.0-only
/*
 * DOC: the device and the file system
 *
 * /dev/flowipc makes objects and tells the limits; it keeps nothing.
 *
 * The inodes of regions need a superblock. It is mounted with the first region
 * and gone with the last file, because a mount that lasts would hold the module
 * for ever. Every file of ours therefore pins it (simple_pin_fs()), and the
 * superblock holds the module until its last inode is evicted, which is later
 * than the last ->release.
 */
#include <linux/compat.h>
#include <linux/file.h>
#include <linux/magic.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/pseudo_fs.h>
#include <linux/rcupdate.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "flowipc.h"

#define FLOWIPC_FS_MAGIC	0x464c4f57	/* "FLOW" */

static void fs_evict_inode(struct inode *inode)
{
	/* The root directory of the superblock is an inode too. */
	struct region *region = inode->i_private;

	truncate_inode_pages_final(&inode->i_data);
	clear_inode(inode);
	if (region)
		flowipc_region_destroy(region);
}

static const struct super_operations fs_super_ops = {
	.statfs		= simple_statfs,
	.evict_inode	= fs_evict_inode,
};

static int fs_init_context(struct fs_context *fc)
{
	struct pseudo_fs_context *ctx = init_pseudo(fc, FLOWIPC_FS_MAGIC);

	if (!ctx)
		return -ENOMEM;

	ctx->ops = &fs_super_ops;
	/* Refuses PROT_EXEC, now and by mprotect, and READ_IMPLIES_EXEC. */
	fc->s_iflags |= SB_I_NOEXEC | SB_I_NODEV;

	return 0;
}

static struct file_system_type fs_type = {
	.owner			= THIS_MODULE,
	.name			= "flowipc",
	.init_fs_context	= fs_init_context,
	.kill_sb		= kill_anon_super,
};

static struct vfsmount *fs_mount;
static int fs_mount_pins;

/* The superblock for a new inode; every pin needs its flowipc_fs_unpin(). */
struct super_block *flowipc_fs_pin(void)
{
	int err = simple_pin_fs(&fs_type, &fs_mount, &fs_mount_pins);

	return err ? ERR_PTR(err) : fs_mount->mnt_sb;
}

/*
 * The last one destroys the superblock before it returns, so this must not be
 * called while an inode is evicted.
 */
void flowipc_fs_unpin(void)
{
	simple_release_fs(&fs_mount, &fs_mount_pins);
}

/*
 * Takes over the caller's reference to @inode, unless it fails. The ->release
 * of @fops calls flowipc_file_release().
 */
struct file *flowipc_file_create(struct inode *inode, const char *name,
				 int flags, const struct file_operations *fops,
				 void *private_data)
{
	struct super_block *sb = flowipc_fs_pin();
	struct file *file;

	if (IS_ERR(sb))
		return ERR_CAST(sb);

	/* fput() drops it, but alloc_file_pseudo() does not take it. */
	__module_get(fops->owner);
	file = alloc_file_pseudo(inode, fs_mount, name, flags, fops);
	if (IS_ERR(file)) {
		module_put(fops->owner);
		flowipc_fs_unpin();
		return file;
	}
	file->private_data = private_data;

	return file;
}

void flowipc_file_release(void)
{
	/* Never the last reference to the mount: the file still has its own. */
	flowipc_fs_unpin();
}

static long device_query(struct flowipc_query __user *uarg)
{
	struct flowipc_query arg;

	if (copy_from_user(&arg, uarg, sizeof(arg)))
		return -EFAULT;

	if (arg.flags || arg.reserved)
		return -EINVAL;

	arg.abi_current = FLOWIPC_ABI_CURRENT;
	arg.abi_oldest = FLOWIPC_ABI_OLDEST;
	arg.page_bytes = PAGE_SIZE;
	arg.features = FLOWIPC_FEATURE_GRANT_WRITE |
		       FLOWIPC_FEATURE_GRANT_CRED |
		       FLOWIPC_FEATURE_REVOKE |
		       FLOWIPC_FEATURE_GRANT_MANY |
		       FLOWIPC_FEATURE_EVENTFD |
		       FLOWIPC_FEATURE_PEER |
		       FLOWIPC_FEATURE_SEAL |
		       FLOWIPC_FEATURE_STRICT;
	if (COMPAT_HAVE_HUGE)
		arg.features |= FLOWIPC_FEATURE_HUGE;
	arg.max_region_bytes = flowipc_limit_region_bytes();
	arg.max_total_bytes = flowipc_limit_total_bytes();
	arg.used_total_bytes = flowipc_used_total_bytes();
	arg.max_objects_per_user = flowipc_limit_objects_per_user();

	if (copy_to_user(uarg, &arg, sizeof(arg)))
		return -EFAULT;

	return 0;
}

static long device_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *uarg = (void __user *)arg;

	switch (cmd) {
	case FLOWIPC_IOC_QUERY:
		return device_query(uarg);
	case FLOWIPC_IOC_REGION_CREATE:
		return flowipc_region_create(uarg);
	case FLOWIPC_IOC_CHANNEL_CREATE:
		return flowipc_channel_create(uarg);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations device_fops = {
	.owner		= THIS_MODULE,
	.unlocked_ioctl	= device_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.show_fdinfo	= flowipc_device_show_fdinfo,
};

static struct miscdevice device = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "flowipc",
	.fops	= &device_fops,
	.mode	= 0660,
};

/* What userspace was compiled against, with 32 bits or with 64. */
static_assert(sizeof(struct flowipc_query) == 56);
static_assert(sizeof(struct flowipc_identity) == 40);
static_assert(sizeof(struct flowipc_region_create) == 24);
static_assert(sizeof(struct flowipc_channel_create) == 16);
static_assert(sizeof(struct flowipc_grant) == 48);
static_assert(sizeof(struct flowipc_revoke) == 16);
static_assert(sizeof(struct flowipc_seal) == 32);
static_assert(sizeof(struct flowipc_region_info) == 72);
static_assert(sizeof(struct flowipc_grant_next) == 48);
static_assert(sizeof(struct flowipc_claim_next) == 64);
static_assert(sizeof(struct flowipc_claim) == 56);
static_assert(sizeof(struct flowipc_kick) == 16);
static_assert(sizeof(struct flowipc_wait) == 24);
static_assert(sizeof(struct flowipc_kick_and_wait) == 24);
static_assert(sizeof(struct flowipc_shutdown) == 8);
static_assert(sizeof(struct flowipc_bind_eventfd) == 16);
static_assert(sizeof(struct flowipc_channel_claim) == 8);
static_assert(sizeof(struct flowipc_channel_peer) == 48);
static_assert(sizeof(struct flowipc_seal_info) == 40);
static_assert(sizeof(struct flowipc_unseal) == 16);

static int __init flowipc_init(void)
{
	int err;

	flowipc_sleeper_init();

	err = misc_register(&device);
	if (err)
		return err;

	flowipc_debugfs_init();

	return 0;
}
module_init(flowipc_init);

static void __exit flowipc_exit(void)
{
	flowipc_debugfs_exit();
	misc_deregister(&device);
	/* Superblocks are freed after a grace period, and point to fs_type. */
	rcu_barrier();
}
module_exit(flowipc_exit);

MODULE_DESCRIPTION("Zero-copy messages between processes");
MODULE_VERSION("0.1.0");
MODULE_LICENSE("GPL");
