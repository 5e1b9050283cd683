/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DOC: objects inside the module
 *
 * A region is the private data of an inode of our own pseudo file system and
 * lives exactly as long as that inode. Its descriptor and its grants are files
 * on this one inode, and a mapping holds its file, so the memory goes with the
 * last of them, without a count of our own.
 *
 * A grant belongs to its file; the region knows its grants by a list only, and
 * ->release takes a grant off it.
 *
 * A channel is shared by the files of its two ends.
 *
 * Lock order: mmap_lock, then a folio's lock; region->lock, then a folio's
 * lock or i_mmap_rwsem. region->lock is never taken under mmap_lock, and no
 * user memory is touched under it, so a page fault cannot deadlock on it.
 */
#ifndef FLOWIPC_H
#define FLOWIPC_H

#include <linux/atomic.h>
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/mm_types.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/types.h>
#include <linux/wait.h>

#include "uapi/linux/flowipc.h"

struct account;
struct pid;
struct seq_file;

/**
 * struct identity - who a process was when it made a claim; never changes
 * @refs:       readers, and what is claimed
 * @pid:        its thread group
 * @uid:        its effective uid
 * @gid:        its effective gid
 * @exe:        the path of its executable as it saw it, NULL when not known
 * @exe_bytes:  bytes of @exe with the final NUL, 0 when not known
 * @exe_device: st_dev of its executable
 * @exe_inode:  st_ino of its executable
 */
struct identity {
	refcount_t		refs;
	struct pid		*pid;
	kuid_t			uid;
	kgid_t			gid;
	char			*exe;
	u32			exe_bytes;
	u64			exe_device;
	u64			exe_inode;
};

/**
 * struct memory_charge - memory counted against the limits
 * @bytes:   counted against max_total_bytes
 * @account: whose RLIMIT_MEMLOCK it counts against, NULL when nobody's
 */
struct memory_charge {
	u64			bytes;
	struct account		*account;
};

/**
 * struct region - memory with one owner
 * @inode:      holds the pages, and this structure as its private data
 * @size:       bytes; never changes
 * @huge_bytes: bytes of it in blocks that a PMD can map
 * @max_order:  order of the largest block
 * @charge:     the memory, as counted
 * @account:    the user the object is counted for
 * @lock:       protects @grants, and serialises revocation
 * @grants:     of struct grant, by its link
 */
struct region {
	struct inode		*inode;
	u64			size;
	u64			huge_bytes;
	unsigned int		max_order;
	struct memory_charge	charge;
	struct account		*account;
	struct mutex		lock;
	struct list_head	grants;
};

/**
 * struct grant - the right to map a range of a region
 * @region:  the region; the grant's file holds its inode
 * @link:    in region->grants, under region->lock
 * @offset:  first byte of the range
 * @length:  bytes of the range
 * @rights:  FLOWIPC_RIGHT_*
 * @flags:   FLOWIPC_GRANT_*: which of @uid and @gid are conditions
 * @uid:     who may claim
 * @gid:     members of which group may claim
 * @mm:      the claimer's address space: NULL, then set once and for ever
 * @revoked: false, then set once and for ever, under region->lock
 * @wait:    pollers, told of revocation
 * @account: the user the object is counted for
 */
struct grant {
	struct region		*region;
	struct list_head	link;
	u64			offset;
	u64			length;
	u32			rights;
	u32			flags;
	kuid_t			uid;
	kgid_t			gid;
	struct mm_struct	*mm;
	bool			revoked;
	wait_queue_head_t	wait;
	struct account		*account;
};

/**
 * struct channel_end - what one end of a channel has to hear
 * @channel: the channel
 * @pending: FLOWIPC_EVENT_MESSAGE and FLOWIPC_EVENT_SPACE rung and not taken
 * @closed:  this end's last descriptor is gone
 * @wait:    sleepers in WAIT and pollers of this end
 */
struct channel_end {
	struct channel		*channel;
	atomic_t		pending;
	bool			closed;
	wait_queue_head_t	wait;
};

/**
 * struct channel - a doorbell
 * @ends:    the two ends
 * @open:    how many ends are not closed
 * @account: the user the object is counted for
 */
struct channel {
	struct channel_end	ends[2];
	refcount_t		open;
	struct account		*account;
};

/* main.c */
extern unsigned long flowipc_max_region_bytes;
extern unsigned long flowipc_max_total_bytes;
extern unsigned int flowipc_max_objects_per_user;

struct super_block *flowipc_fs_pin(void);
void flowipc_fs_unpin(void);
struct file *flowipc_file_create(struct inode *inode, const char *name,
				 int flags, const struct file_operations *fops,
				 void *private_data);
void flowipc_file_release(void);

/* account.c */
u64 flowipc_limit_region_bytes(void);
u64 flowipc_limit_total_bytes(void);
u64 flowipc_used_total_bytes(void);
int flowipc_memory_charge(struct memory_charge *charge,
			  struct account *account, u64 bytes);
void flowipc_memory_uncharge(struct memory_charge *charge);
struct account *flowipc_account_get(void);
void flowipc_account_put(struct account *account);

/* identity.c */
struct identity *flowipc_identity_of_current(void);
struct identity *flowipc_identity_get(struct identity *who);
void flowipc_identity_put(struct identity *who);
int flowipc_identity_tell(const struct identity *who,
			  struct flowipc_identity *arg);

/* region.c */
long flowipc_region_create(struct flowipc_region_create __user *uarg);
void flowipc_region_destroy(struct region *region);
int flowipc_region_mmap(struct vm_area_struct *vma, u64 offset, u64 length);
vm_fault_t flowipc_region_fault(struct region *region, struct vm_fault *vmf,
				const struct grant *grant);
void flowipc_region_unmap(struct region *region, u64 offset, u64 length);

/* grant.c */
long flowipc_grant_create(struct region *region,
			  struct flowipc_grant __user *uarg);
long flowipc_grant_revoke(struct region *region,
			  struct flowipc_revoke __user *uarg);
void flowipc_grant_count(struct region *region, u32 *grants, u32 *claims);
bool flowipc_grant_permits(const struct grant *grant,
			   const struct vm_fault *vmf);

/* channel.c */
long flowipc_channel_create(struct flowipc_channel_create __user *uarg);

/* fdinfo.c */
void flowipc_device_show_fdinfo(struct seq_file *m, struct file *file);
void flowipc_region_show_fdinfo(struct seq_file *m, struct file *file);
void flowipc_grant_show_fdinfo(struct seq_file *m, struct file *file);
void flowipc_channel_show_fdinfo(struct seq_file *m, struct file *file);

#endif /* FLOWIPC_H */
