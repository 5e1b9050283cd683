/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DOC: objects inside the module
 *
 * A region is the private data of an inode of our own pseudo file system and
 * lives exactly as long as that inode. Its descriptor, its grants and its
 * claims are files on this one inode, and a mapping holds its file, so the
 * memory goes with the last of them, without a count of our own.
 *
 * A claim belongs to its file. A grant is shared by its file and its claims:
 * it can be revoked as long as one of them is left. The region knows both by
 * lists only, and ->release takes them off.
 *
 * A channel is shared by the files of its two ends.
 *
 * A seal belongs to a region and to a channel end, without keeping either: it
 * ends with the first of them that goes.
 *
 * Lock order: mmap_lock or region->lock, then the invalidate_lock of the
 * region's page cache, then a folio's lock, then i_mmap_rwsem or the lock of
 * the seals; those of wait queues and of the accounts are leaves.
 *
 * region->lock is never taken under mmap_lock, and no user memory is touched
 * under it, so a page fault cannot deadlock on it. ->release takes it, which is
 * safe: fput() puts ->release off until the task returns to user space, so
 * munmap() does not run it under mmap_lock.
 */
#ifndef FLOWIPC_H
#define FLOWIPC_H

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/cache.h>
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/mm_types.h>
#include <linux/mutex.h>
#include <linux/rbtree_types.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>

#include "uapi/linux/flowipc.h"

struct account;
struct eventfd_ctx;
struct pid;
struct pid_namespace;
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
 * @id:         its number, for who looks on
 * @size:       bytes; never changes
 * @flags:      FLOWIPC_REGION_*; never change
 * @huge_bytes: bytes of it in blocks that a PMD can map
 * @max_order:  order of the largest block
 * @charge:     the memory, as counted
 * @account:    the user the object is counted for
 * @lock:       protects all below, and serialises revocation
 * @grants:     of struct grant, by its link, in the order of their numbers
 * @claims:     of struct claim, likewise
 * @last_id:    number of the latest grant or claim
 * @claimed:    how many claims were made
 * @dropped:    how many claims, and grants never claimed, were closed
 * @told:       what REGION_INFO has told of @claimed and @dropped, added
 * @abandoned:  the owner's file is gone
 * @wait:       pollers of the owner's file
 * @seals:      set of struct seal by their pages; protected, as is the count,
 *              as in seal.c
 * @seal_count: how many they are
 */
struct region {
	struct inode		*inode;
	u64			id;
	u64			size;
	u32			flags;
	u64			huge_bytes;
	unsigned int		max_order;
	struct memory_charge	charge;
	struct account		*account;
	struct mutex		lock;
	struct list_head	grants;
	struct list_head	claims;
	u64			last_id;
	u64			claimed;
	u64			dropped;
	u64			told;
	bool			abandoned;
	wait_queue_head_t	wait;
	struct rb_root_cached	seals;
	u32			seal_count;
};

/**
 * struct grant - the right to claim a range of a region
 * @refs:    its file, and its claims
 * @region:  the region; the files hold its inode
 * @link:    in region->grants, under region->lock
 * @id:      its number in the region, 0 as long as it is in no list
 * @offset:  first byte of the range
 * @length:  bytes of the range
 * @rights:  FLOWIPC_RIGHT_*
 * @flags:   FLOWIPC_GRANT_*
 * @uid:     who may claim
 * @gid:     members of which group may claim
 * @mm:      the first claimer's address space: NULL, then set once for ever
 * @claims:  its claims that are not revoked one by one, under region->lock
 * @revoked: false, then set once for ever, under region->lock
 * @wait:    pollers of it and of its claims
 * @account: the user the object is counted for
 */
struct grant {
	refcount_t		refs;
	struct region		*region;
	struct list_head	link;
	u64			id;
	u64			offset;
	u64			length;
	u32			rights;
	u32			flags;
	kuid_t			uid;
	kgid_t			gid;
	struct mm_struct	*mm;
	u32			claims;
	bool			revoked;
	wait_queue_head_t	wait;
	struct account		*account;
};

/**
 * struct claim - a grant as one process has it
 * @grant:   the grant, counted
 * @link:    in region->claims, under region->lock
 * @id:      its number in the region, 0 as long as it is in no list
 * @mm:      the claimer's address space
 * @who:     the claimer
 * @revoked: itself, whatever its grant is: false, then set once for ever,
 *           under region->lock
 * @account: the user the object is counted for, the claimer
 */
struct claim {
	struct grant		*grant;
	struct list_head	link;
	u64			id;
	struct mm_struct	*mm;
	struct identity		*who;
	bool			revoked;
	struct account		*account;
};

/* The events that a KICK can ring and a WAIT can take. */
#define CHANNEL_BELLS	(FLOWIPC_EVENT_MESSAGE | FLOWIPC_EVENT_SPACE)

/* In channel_end.state, besides FLOWIPC_EVENT_*: */
#define CHANNEL_CLOSED	BIT(31)	/* this end is closed, or hung up */
#define CHANNEL_BOUND	BIT(30)	/* an eventfd is bound to it */

/**
 * struct channel_end - what one end of a channel has to hear
 * @channel:        the channel
 * @state:          FLOWIPC_EVENT_* which are pending or hold here; CHANNEL_*
 * @sleeper:        the first process that sleeps in WAIT here: its task_struct,
 *                  with the bells it waits for in the lowest bits; 0 for none
 * @wait:           other sleepers in WAIT, and pollers of this end
 * @eventfd_lock:   protects @eventfd, @eventfd_events; a leaf among our locks
 * @eventfd:        the bound eventfd, NULL for none
 * @eventfd_events: the events which signal it
 * @claimer:        NULL, then set once and for ever
 * @seals:          of struct seal, those this end may break; all of them is
 *                  protected as in seal.c
 * @seal_count:     how many they are
 * @last_seal_id:   number of the latest of them
 *
 * The ends are used by two processors at once, so they share no cache line.
 */
struct channel_end {
	struct channel		*channel;
	atomic_t		state;
	unsigned long		sleeper;
	wait_queue_head_t	wait;
	spinlock_t		eventfd_lock;
	struct eventfd_ctx	*eventfd;
	u32			eventfd_events;
	struct identity		*claimer;
	struct list_head	seals;
	u32			seal_count;
	u64			last_seal_id;
} ____cacheline_aligned_in_smp;

/**
 * struct sleeper - a process that sleeps at an end, on its stack
 * @first: it stands in end->sleeper
 * @bells: what it waits for
 * @entry: its place in the wait queue of the end, unless it is the first
 */
struct sleeper {
	bool			first;
	u32			bells;
	struct wait_queue_entry	entry;
};

/**
 * struct channel - a doorbell
 * @id:      its number, never used again
 * @ends:    the two ends
 * @open:    how many ends are not closed
 * @account: the user the object is counted for
 */
struct channel {
	u64			id;
	struct channel_end	ends[2];
	refcount_t		open;
	struct account		*account;
};

/* main.c */
struct super_block *flowipc_fs_pin(void);
void flowipc_fs_unpin(void);
struct file *flowipc_file_create(struct inode *inode, const char *name,
				 int flags, const struct file_operations *fops,
				 void *private_data);
void flowipc_file_release(void);

/* account.c */
u64 flowipc_limit_region_bytes(void);
u64 flowipc_limit_total_bytes(void);
unsigned int flowipc_limit_objects_per_user(void);
u64 flowipc_used_total_bytes(void);
int flowipc_memory_charge(struct memory_charge *charge,
			  struct account *account, u64 bytes);
void flowipc_memory_uncharge(struct memory_charge *charge);
struct account *flowipc_account_get(void);
kuid_t flowipc_account_uid(const struct account *account);
void flowipc_account_put(struct account *account);

/* identity.c */
struct identity *flowipc_identity_of_current(void);
struct identity *flowipc_identity_get(struct identity *who);
void flowipc_identity_put(struct identity *who);
pid_t flowipc_identity_pid(const struct identity *who,
			   struct pid_namespace *ns);
int flowipc_identity_tell(const struct identity *who,
			  struct flowipc_identity *arg);

/* region.c */
long flowipc_region_create(struct flowipc_region_create __user *uarg);
void flowipc_region_destroy(struct region *region);
void flowipc_region_count(struct region *region, u32 *grants, u32 *claims);

/* mapping.c */
int flowipc_region_mmap(struct vm_area_struct *vma, u64 offset, u64 length);
void flowipc_region_unmap(struct region *region, u64 offset, u64 length);

/* grant.c */
long flowipc_grant_create(struct region *region,
			  struct flowipc_grant __user *uarg);
long flowipc_grant_next(struct region *region,
			struct flowipc_grant_next __user *uarg);
struct grant *flowipc_grant_of_file(struct file *file);
void flowipc_grant_put(struct grant *grant);
__poll_t flowipc_grant_events(const struct grant *grant);

/* claim.c */
long flowipc_claim_create(struct grant *grant,
			  struct flowipc_claim __user *uarg);
long flowipc_claim_next(struct region *region,
			struct flowipc_claim_next __user *uarg);
struct claim *flowipc_claim_of_file(struct file *file);
bool flowipc_claim_is_revoked(const struct claim *claim);
bool flowipc_claim_permits(const struct claim *claim,
			   const struct vm_fault *vmf);

/* revoke.c */
long flowipc_revoke(struct region *region, struct flowipc_revoke __user *uarg);
void flowipc_revoke_expired(struct region *region);

/* channel.c */
/* 0 or 1: its place in what CHANNEL_CREATE returned. */
static inline unsigned int flowipc_end_index(const struct channel_end *end)
{
	return end != end->channel->ends;
}

/* The other end. */
static inline struct channel_end *flowipc_end_peer(const struct channel_end *end)
{
	return &end->channel->ends[!flowipc_end_index(end)];
}

__poll_t flowipc_poll_mask(u32 events);
u32 flowipc_answers(u32 events);
long flowipc_channel_create(struct flowipc_channel_create __user *uarg);
struct channel_end *flowipc_channel_peer_of_file(struct file *file);

/* seal.c */
long flowipc_seal_create(struct region *region,
			 struct flowipc_seal __user *uarg);
long flowipc_seal_tell(struct channel_end *holder,
		       struct flowipc_seal_info __user *uarg);
long flowipc_seal_unseal(struct channel_end *holder,
			 struct flowipc_unseal __user *uarg);
void flowipc_seal_release(struct channel_end *holder);
void flowipc_seal_destroy(struct region *region);
bool flowipc_seal_covers(struct region *region, pgoff_t first, pgoff_t last);

/* sleeper.c */
void flowipc_sleeper_init(void);
void flowipc_sleeper_begin(struct channel_end *end, struct sleeper *sleeper,
			   u32 bells);
void flowipc_sleeper_end(struct channel_end *end, struct sleeper *sleeper);
void flowipc_sleepers_wake(struct channel_end *end, u32 events, bool sync);

/* eventfd.c */
long flowipc_eventfd_bind(struct channel_end *end,
			  struct flowipc_bind_eventfd __user *uarg);
void flowipc_eventfd_signal(struct channel_end *end, u32 events);
void flowipc_eventfd_release(struct channel_end *end);

/* peer.c */
long flowipc_peer_claim(struct channel_end *end,
			struct flowipc_channel_claim __user *uarg);
long flowipc_peer_tell(const struct channel_end *peer,
		       struct flowipc_channel_peer __user *uarg);

/* debugfs.c */
enum flowipc_total {
	FLOWIPC_TOTAL_REGIONS,
	FLOWIPC_TOTAL_GRANTS,
	FLOWIPC_TOTAL_CLAIMS,
	FLOWIPC_TOTAL_SEALS,
	FLOWIPC_TOTAL_CHANNELS,
	FLOWIPC_TOTALS
};

extern atomic64_t flowipc_totals[FLOWIPC_TOTALS];

static inline void flowipc_total_inc(enum flowipc_total total)
{
	atomic64_inc(&flowipc_totals[total]);
}

static inline void flowipc_total_dec(enum flowipc_total total)
{
	atomic64_dec(&flowipc_totals[total]);
}

void flowipc_debugfs_init(void);
void flowipc_debugfs_exit(void);

/* fdinfo.c */
void flowipc_device_show_fdinfo(struct seq_file *m, struct file *file);
void flowipc_region_show_fdinfo(struct seq_file *m, struct file *file);
void flowipc_grant_show_fdinfo(struct seq_file *m, struct file *file);
void flowipc_claim_show_fdinfo(struct seq_file *m, struct file *file);
void flowipc_channel_show_fdinfo(struct seq_file *m, struct file *file);

#endif /* FLOWIPC_H */
