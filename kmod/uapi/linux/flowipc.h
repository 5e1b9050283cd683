/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * The interface of flowipc.ko, the character device /dev/flowipc.
 *
 * DOC: objects
 *
 * Every object is a file descriptor, and lives exactly as long as the last
 * descriptor or mapping of it. There are no ids and no names.
 *
 *   device    open("/dev/flowipc"): QUERY, REGION_CREATE, CHANNEL_CREATE
 *   region    memory and its owner: mmap, GRANT, REVOKE, REGION_INFO
 *   grant     the right to map a region, for one process: CLAIM, mmap, poll
 *   channel   one of two ends of a doorbell: KICK, WAIT, poll
 *
 * DOC: rules that hold for every ioctl
 *
 * - A bit in a flags field which this header does not define, and a non-zero
 *   value in a field named reserved, is refused with EINVAL.
 * - A command that the object does not know gives ENOTTY.
 * - A pointer that cannot be read or written gives EFAULT, and then nothing
 *   was changed and no descriptor was left behind.
 * - Descriptors are returned with O_CLOEXEC set.
 * - All fields have fixed width and natural alignment, so a 32-bit process
 *   uses the same structures as a 64-bit one.
 */
#ifndef _UAPI_LINUX_FLOWIPC_H
#define _UAPI_LINUX_FLOWIPC_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define FLOWIPC_DEVICE_PATH	"/dev/flowipc"

/*
 * The module serves a library whose own ABI number lies between
 * flowipc_query.abi_oldest and flowipc_query.abi_current, both included.
 */
#define FLOWIPC_ABI_CURRENT	1
#define FLOWIPC_ABI_OLDEST	1

/* flowipc_query.features */
#define FLOWIPC_FEATURE_GRANT_WRITE	(1ULL << 0) /* grants may allow writing */
#define FLOWIPC_FEATURE_GRANT_CRED	(1ULL << 1) /* grants may require a uid or gid */
#define FLOWIPC_FEATURE_REVOKE		(1ULL << 2) /* REVOKE */
#define FLOWIPC_FEATURE_HUGE		(1ULL << 3) /* 2 MiB mappings where size allows */

/**
 * struct flowipc_query - what this module can do, and its limits just now
 * @flags:                in: must be 0
 * @abi_current:          out: FLOWIPC_ABI_CURRENT of the module
 * @abi_oldest:           out: FLOWIPC_ABI_OLDEST of the module
 * @page_bytes:           out: granularity of region sizes and of offsets
 * @features:             out: FLOWIPC_FEATURE_* bits
 * @max_region_bytes:     out: largest size REGION_CREATE accepts
 * @max_total_bytes:      out: limit of all regions of all users together
 * @used_total_bytes:     out: what all regions of all users take now
 * @max_objects_per_user: out: limit of regions, grants and channels of a user
 * @reserved:             in: must be 0
 */
struct flowipc_query {
	__u32 flags;
	__u32 abi_current;
	__u32 abi_oldest;
	__u32 page_bytes;
	__u64 features;
	__u64 max_region_bytes;
	__u64 max_total_bytes;
	__u64 used_total_bytes;
	__u32 max_objects_per_user;
	__u32 reserved;
};

/**
 * struct flowipc_region_create - allocate memory and become its owner
 * @size:     in: bytes; a positive multiple of the page size
 * @flags:    in: must be 0
 * @fd:       out: the region; mmap it MAP_SHARED, for reading and writing
 * @reserved: in: must be 0
 *
 * The pages are zeroed, resident and unevictable from the start. They are
 * charged to the caller's memory cgroup and, unless it has CAP_IPC_LOCK, to
 * its RLIMIT_MEMLOCK, counted for all processes of the user together, apart
 * from what they lock by other means.
 *
 * EINVAL size is 0 or unaligned; EFBIG size exceeds max_region_bytes;
 * EDQUOT RLIMIT_MEMLOCK or max_objects_per_user would be exceeded;
 * ENOMEM no memory, the cgroup's limit or max_total_bytes would be exceeded;
 * EMFILE, ENFILE no descriptor; EINTR a fatal signal came during allocation.
 */
struct flowipc_region_create {
	__u64 size;
	__u32 flags;
	__s32 fd;
	__u64 reserved;
};

/**
 * struct flowipc_channel_create - make a doorbell with two ends
 * @flags:    in: must be 0
 * @reserved: in: must be 0
 * @fd:       out: the two ends; keep one, pass the other to the peer
 *
 * EDQUOT max_objects_per_user would be exceeded; ENOMEM; EMFILE, ENFILE.
 */
struct flowipc_channel_create {
	__u32 flags;
	__u32 reserved;
	__s32 fd[2];
};

/* flowipc_grant.rights; READ is always required */
#define FLOWIPC_RIGHT_READ	(1U << 0)
#define FLOWIPC_RIGHT_WRITE	(1U << 1)

/* flowipc_grant.flags */
#define FLOWIPC_GRANT_UID	(1U << 0) /* the claimer's effective uid must be @uid */
#define FLOWIPC_GRANT_GID	(1U << 1) /* the claimer must be a member of group @gid */

/**
 * struct flowipc_grant - on a region: make a grant of a range of it
 * @offset:   in: first byte of the range in the region; page-aligned
 * @length:   in: bytes; a positive multiple of the page size
 * @rights:   in: FLOWIPC_RIGHT_READ, possibly with FLOWIPC_RIGHT_WRITE
 * @flags:    in: FLOWIPC_GRANT_*
 * @uid:      in: with FLOWIPC_GRANT_UID; in the caller's user namespace; else 0
 * @gid:      in: with FLOWIPC_GRANT_GID; in the caller's user namespace; else 0
 * @fd:       out: the grant; send it to the peer with SCM_RIGHTS
 * @reserved: in: must be 0
 *
 * EINVAL unaligned, empty or beyond the region, rights without READ, an id
 * that does not exist in the caller's user namespace, or an id without its
 * flag; EDQUOT max_objects_per_user would be exceeded; ENOMEM; EMFILE, ENFILE.
 */
struct flowipc_grant {
	__u64 offset;
	__u64 length;
	__u32 rights;
	__u32 flags;
	__u32 uid;
	__u32 gid;
	__s32 fd;
	__u32 reserved;
};

/* flowipc_revoke.flags */
#define FLOWIPC_REVOKE_ALL	(1U << 0) /* every grant of the region; @grant_fd is -1 */

/**
 * struct flowipc_revoke - on a region: take a grant back
 * @flags:    in: FLOWIPC_REVOKE_ALL or 0
 * @grant_fd: in: the grant to revoke, or -1 with FLOWIPC_REVOKE_ALL
 * @reserved: in: must be 0
 *
 * When the call returns, no mapping made through a revoked grant can read or
 * write the region any more: an access raises SIGBUS, a new mmap or CLAIM
 * gives EACCES, poll of the grant reports EPOLLHUP. The owner and all other
 * grants are untouched. Pages that the peer's kernel already holds for I/O in
 * flight (O_DIRECT, vmsplice, io_uring) are not reached: treat the range as
 * public until the region is gone. Revoking twice is not an error.
 *
 * EBADF @grant_fd is not a descriptor; EINVAL it is not a grant of this
 * region, or REVOKE_ALL with a @grant_fd other than -1.
 */
struct flowipc_revoke {
	__u32 flags;
	__s32 grant_fd;
	__u64 reserved;
};

/**
 * struct flowipc_region_info - on a region: how it was made and who has it
 * @flags:       in: must be 0
 * @grants:      out: grants that exist and are not revoked
 * @claims:      out: those of them that are claimed
 * @max_order:   out: order of the largest block of memory obtained
 * @size:        out: bytes
 * @huge_bytes:  out: bytes of it in blocks that can be mapped 2 MiB at a time
 * @reserved:    in: must be 0
 */
struct flowipc_region_info {
	__u32 flags;
	__u32 grants;
	__u32 claims;
	__u32 max_order;
	__u64 size;
	__u64 huge_bytes;
	__u64 reserved;
};

/**
 * struct flowipc_claim - on a grant: bind it to this process
 * @flags:       in: must be 0
 * @rights:      out: FLOWIPC_RIGHT_*
 * @offset:      out: first byte of the granted range in the region
 * @length:      out: bytes of the granted range
 * @region_size: out: bytes of the whole region
 * @reserved:    in: must be 0
 *
 * The claim belongs to the address space of the caller: afterwards this
 * process, and no other that holds the same descriptor, can mmap the grant.
 * A forked child does not inherit it, nor mappings made with it, and exec
 * ends it. The mmap offset is the offset in the region, so only
 * [offset, offset + length) can be mapped. Claiming again from the same
 * address space gives 0.
 *
 * EPERM a uid or gid condition is not met; EBUSY another process has claimed
 * it; EACCES revoked.
 */
struct flowipc_claim {
	__u32 flags;
	__u32 rights;
	__u64 offset;
	__u64 length;
	__u64 region_size;
	__u64 reserved;
};

/*
 * What can become pending at a channel end. MESSAGE and SPACE are two
 * independent bells, so one thread can wait for each; their meaning is the
 * users'. HUP is permanent and comes from the kernel alone.
 */
#define FLOWIPC_EVENT_MESSAGE	(1U << 0)
#define FLOWIPC_EVENT_SPACE	(1U << 1)
#define FLOWIPC_EVENT_HUP	(1U << 2) /* the other end's last descriptor is closed */

/**
 * struct flowipc_kick - on a channel end: ring bells at the other end
 * @flags:    in: must be 0
 * @events:   in: FLOWIPC_EVENT_MESSAGE, FLOWIPC_EVENT_SPACE or both
 * @reserved: in: must be 0
 *
 * The events stay pending at the other end until it takes them with WAIT.
 * Never blocks. EINVAL @events is 0 or has another bit; EPIPE the other end
 * is closed.
 */
struct flowipc_kick {
	__u32 flags;
	__u32 events;
	__u64 reserved;
};

/* flowipc_wait.deadline_ns */
#define FLOWIPC_WAIT_FOREVER	(~0ULL)

/**
 * struct flowipc_wait - on a channel end: take pending events, or sleep
 * @flags:       in: must be 0
 * @events:      in: events to wait for, of MESSAGE and SPACE, at least one;
 *               out: those taken, and HUP if the other end is closed
 * @deadline_ns: in: absolute CLOCK_MONOTONIC time in ns, or
 *               FLOWIPC_WAIT_FOREVER; a time in the past, such as 0, never
 *               sleeps
 * @reserved:    in: must be 0
 *
 * Only the events asked for are taken; the others stay pending. Returns 0 as
 * soon as one of them is pending or the other end is closed, so after a
 * hang-up it never sleeps. poll reports MESSAGE as EPOLLIN, SPACE as
 * EPOLLOUT, HUP as EPOLLHUP, level-triggered, and takes nothing.
 *
 * EINVAL @events; ETIMEDOUT the deadline passed; EINTR a signal came (the
 * call is restarted by itself where the handler asked for SA_RESTART).
 */
struct flowipc_wait {
	__u32 flags;
	__u32 events;
	__u64 deadline_ns;
	__u64 reserved;
};

#define FLOWIPC_IOC_MAGIC	0xF1

/* device */
#define FLOWIPC_IOC_QUERY		_IOWR(FLOWIPC_IOC_MAGIC, 0x00, struct flowipc_query)
#define FLOWIPC_IOC_REGION_CREATE	_IOWR(FLOWIPC_IOC_MAGIC, 0x01, struct flowipc_region_create)
#define FLOWIPC_IOC_CHANNEL_CREATE \
	_IOWR(FLOWIPC_IOC_MAGIC, 0x02, struct flowipc_channel_create)
/* region */
#define FLOWIPC_IOC_GRANT		_IOWR(FLOWIPC_IOC_MAGIC, 0x10, struct flowipc_grant)
#define FLOWIPC_IOC_REVOKE		_IOW(FLOWIPC_IOC_MAGIC, 0x11, struct flowipc_revoke)
#define FLOWIPC_IOC_REGION_INFO		_IOWR(FLOWIPC_IOC_MAGIC, 0x12, struct flowipc_region_info)
/* grant */
#define FLOWIPC_IOC_CLAIM		_IOWR(FLOWIPC_IOC_MAGIC, 0x20, struct flowipc_claim)
/* channel */
#define FLOWIPC_IOC_KICK		_IOW(FLOWIPC_IOC_MAGIC, 0x30, struct flowipc_kick)
#define FLOWIPC_IOC_WAIT		_IOWR(FLOWIPC_IOC_MAGIC, 0x31, struct flowipc_wait)

#endif /* _UAPI_LINUX_FLOWIPC_H */
