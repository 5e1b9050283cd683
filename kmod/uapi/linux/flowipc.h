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
 *   region    memory and its owner: mmap, poll, GRANT, REVOKE, SEAL,
 *             REGION_INFO, GRANT_NEXT, CLAIM_NEXT
 *   grant     the right to claim a range of a region: CLAIM, poll
 *   claim     that right, bound to one process: mmap, poll
 *   channel   one of two ends of a doorbell: KICK, WAIT, KICK_AND_WAIT, poll,
 *             SHUTDOWN, BIND_EVENTFD, CHANNEL_CLAIM, PEER, SEAL_INFO, UNSEAL
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
#define FLOWIPC_FEATURE_GRANT_MANY	(1ULL << 4) /* grants with many claimers */
#define FLOWIPC_FEATURE_SEAL		(1ULL << 5) /* REGION_SEALABLE, SEAL, SEAL_INFO, UNSEAL */
#define FLOWIPC_FEATURE_STRICT		(1ULL << 6) /* REGION_STRICT */
#define FLOWIPC_FEATURE_EVENTFD		(1ULL << 7) /* BIND_EVENTFD */
#define FLOWIPC_FEATURE_PEER		(1ULL << 8) /* CHANNEL_CLAIM, PEER */

/**
 * struct flowipc_identity - who a process was when it made a claim
 * @pid:        out: process id in the reader's pid namespace, 0 when it has
 *              none there, -1 when the process is gone
 * @uid:        out: effective uid, in the reader's user namespace
 * @gid:        out: effective gid, in the reader's user namespace
 * @exe_bytes:  in: room at @exe, 0 for none; out: bytes of the path with its
 *              final NUL, 0 when it is not known
 * @exe:        in: where to put the path, which is copied only when it fits
 * @exe_device: out: st_dev of the executable
 * @exe_inode:  out: st_ino of the executable
 *
 * Taken by the kernel at the time of the claim, and fixed since. An id without
 * a name in the reader's namespace is shown as the overflow id, 65534. The
 * path is as the process itself saw it. The executable is a hint for audits,
 * not a credential: whoever may trace a process or mount files can fake it.
 */
struct flowipc_identity {
	__s32 pid;
	__u32 uid;
	__u32 gid;
	__u32 exe_bytes;
	__u64 exe;
	__u64 exe_device;
	__u64 exe_inode;
};

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
 * @max_objects_per_user: out: limit of regions, grants, claims, channels and
 *                        seals of a user
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

/* flowipc_region_create.flags; they exclude each other */
#define FLOWIPC_REGION_STRICT	(1U << 0) /* for secrets: cannot be pinned */
#define FLOWIPC_REGION_SEALABLE	(1U << 1) /* SEAL works */

/**
 * struct flowipc_region_create - allocate memory and become its owner
 * @size:     in: bytes; a positive multiple of the page size
 * @flags:    in: FLOWIPC_REGION_STRICT or FLOWIPC_REGION_SEALABLE or 0
 * @fd:       out: the region; mmap it MAP_SHARED, for reading and writing
 * @reserved: in: must be 0
 *
 * The pages are zeroed, resident and unevictable from the start. They are
 * charged to the caller's memory cgroup and, unless it has CAP_IPC_LOCK, to
 * its RLIMIT_MEMLOCK, counted for all processes of the user together, apart
 * from what they lock by other means.
 *
 * A STRICT region is mapped in pages of 4 KiB without the kernel's means to
 * take a reference to one: no O_DIRECT, vmsplice, io_uring, process_vm_readv,
 * ptrace or futex reaches it (EFAULT, EIO), it is left out of core dumps and
 * cleared when freed. So revocation of it is absolute.
 *
 * A SEALABLE region costs its writers one more page fault for each block they
 * have read before they first write to it.
 *
 * poll of a region reports EPOLLIN when a grant was claimed, or a claim or an
 * unclaimed grant was closed, since the last REGION_INFO.
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
#define FLOWIPC_GRANT_MANY	(1U << 2) /* any number of processes may claim it */
#define FLOWIPC_GRANT_EXPIRE	(1U << 3) /* revoked when the owner is gone */

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
 * @id:       out: the grant's number, never used again in this region
 *
 * Without FLOWIPC_GRANT_MANY the first process that claims it is the only one,
 * for ever. With FLOWIPC_GRANT_EXPIRE the grant is revoked as by REVOKE when
 * the region's last descriptor is closed and its last own mapping is gone;
 * without, the claimers keep the memory after its owner.
 *
 * poll of a grant or claim reports EPOLLHUP when it is revoked, and EPOLLRDHUP
 * when the owner is gone.
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
	__u64 id;
};

/* flowipc_revoke.flags: at most one of them */
#define FLOWIPC_REVOKE_ALL	(1U << 0) /* every grant of the region */
#define FLOWIPC_REVOKE_GRANT	(1U << 1) /* the grant with number @id */
#define FLOWIPC_REVOKE_CLAIM	(1U << 2) /* the claim with number @id alone */

/**
 * struct flowipc_revoke - on a region: take a grant or a claim back
 * @flags:    in: FLOWIPC_REVOKE_*, or 0 for the grant @grant_fd
 * @grant_fd: in: the grant to revoke; -1 with any flag
 * @id:       in: with REVOKE_GRANT or REVOKE_CLAIM the number; else 0
 *
 * A revoked grant takes all of its claims with it. When the call returns, no
 * mapping made through a revoked claim can read or write the region any more:
 * an access raises SIGBUS, a new mmap or CLAIM gives EACCES, poll reports
 * EPOLLHUP. The owner and all other claims are untouched. Pages that the
 * peer's kernel already holds for I/O in flight (O_DIRECT, vmsplice, io_uring)
 * are not reached, unless the region is STRICT: treat the range as public
 * until the region is gone. Revoking twice is not an error. After a
 * REVOKE_CLAIM the same process can claim the grant again, if it still has the
 * descriptor: revoke the grant to prevent that.
 *
 * EBADF @grant_fd is not a descriptor; EINVAL it is not a grant of this
 * region, or a field is set that the flags do not allow; ENOENT no live grant
 * or claim of this region has the number @id.
 */
struct flowipc_revoke {
	__u32 flags;
	__s32 grant_fd;
	__u64 id;
};

/**
 * struct flowipc_seal - on a region: let nobody write a range, not even its owner
 * @offset:     in: first byte of the range in the region; page-aligned
 * @length:     in: bytes; a positive multiple of the page size
 * @flags:      in: must be 0
 * @channel_fd: in: a channel end of the caller; the other end may unseal
 * @id:         out: the seal's number at the other end, for its SEAL_INFO and
 *              UNSEAL; never used again there
 *
 * When the call returns, nothing that was mapped for writing can change the
 * range: a write raises SIGBUS, or gives EFAULT in a system call, for the owner
 * and every claimer alike; reading goes on. The seal is broken by UNSEAL at
 * the other end of @channel_fd, or when that end is closed; by nobody else.
 * Seals may overlap: a page is writable when the last of them is broken.
 *
 * EINVAL unaligned, empty or beyond the region, or @channel_fd is not a
 * channel end; EBADF @channel_fd is not a descriptor; EOPNOTSUPP the region is
 * not SEALABLE; EPIPE the other end is closed; EBUSY pages of the range, or of
 * a block of memory that it has a part of, are held for I/O (O_DIRECT, vmsplice,
 * io_uring), which a seal would not stop;
 * EDQUOT max_objects_per_user would be exceeded; EINTR a fatal signal; ENOMEM.
 */
struct flowipc_seal {
	__u64 offset;
	__u64 length;
	__u32 flags;
	__s32 channel_fd;
	__u64 id;
};

/**
 * struct flowipc_region_info - on a region: how it was made and who has it
 * @flags:       in: must be 0
 * @grants:      out: grants that exist and are not revoked
 * @claims:      out: claims that exist and are not revoked
 * @max_order:   out: order of the largest block of memory obtained
 * @size:        out: bytes
 * @huge_bytes:  out: bytes of it in blocks that can be mapped 2 MiB at a time
 * @claimed:     out: how many claims were ever made
 * @dropped:     out: how many claims, and grants that nobody had claimed, were
 *               closed since
 * @id:          out: the region's number, as in fdinfo and tracepoints
 * @region_flags: out: FLOWIPC_REGION_*
 * @seals:       out: seals that are not broken
 * @reserved:    in: must be 0
 *
 * Ends the EPOLLIN that poll reports.
 */
struct flowipc_region_info {
	__u32 flags;
	__u32 grants;
	__u32 claims;
	__u32 max_order;
	__u64 size;
	__u64 huge_bytes;
	__u64 claimed;
	__u64 dropped;
	__u64 id;
	__u32 region_flags;
	__u32 seals;
	__u64 reserved;
};

/**
 * struct flowipc_grant_next - on a region: the next grant that is not revoked
 * @id:          in: 0, or the number of the grant before; out: the grant's number
 * @offset:      out: first byte of its range
 * @length:      out: bytes of its range
 * @rights:      out: FLOWIPC_RIGHT_*
 * @grant_flags: out: FLOWIPC_GRANT_*
 * @uid:         out: with FLOWIPC_GRANT_UID, in the caller's user namespace
 * @gid:         out: with FLOWIPC_GRANT_GID, in the caller's user namespace
 * @claims:      out: its claims that exist and are not revoked
 * @flags:       in: must be 0
 *
 * ENOENT there is none after @id.
 */
struct flowipc_grant_next {
	__u64 id;
	__u64 offset;
	__u64 length;
	__u32 rights;
	__u32 grant_flags;
	__u32 uid;
	__u32 gid;
	__u32 claims;
	__u32 flags;
};

/**
 * struct flowipc_claim_next - on a region: the next claim that is not revoked
 * @id:       in: 0, or the number of the claim before; out: the claim's number
 * @grant_id: out: the number of its grant
 * @flags:    in: must be 0
 * @reserved: in: must be 0
 * @who:      in: see struct flowipc_identity; out: the claimer
 *
 * ENOENT there is none after @id.
 */
struct flowipc_claim_next {
	__u64 id;
	__u64 grant_id;
	__u32 flags;
	__u32 reserved;
	struct flowipc_identity who;
};

/**
 * struct flowipc_claim - on a grant: bind it to this process
 * @flags:       in: must be 0
 * @rights:      out: FLOWIPC_RIGHT_*
 * @offset:      out: first byte of the granted range in the region
 * @length:      out: bytes of the granted range
 * @region_size: out: bytes of the whole region
 * @fd:          out: the claim; mmap it MAP_SHARED
 * @reserved:    in: must be 0
 * @id:          out: the claim's number, never used again in this region
 * @region_id:   out: the region's number, as in REGION_INFO and SEAL_INFO; never
 *               that of another region
 *
 * The claim belongs to the address space of the caller: this process, and no
 * other that gets hold of the descriptor, can mmap it. A forked child does not
 * inherit it, nor mappings made with it, and exec ends it. The mmap offset is
 * the offset in the region, so only [offset, offset + length) can be mapped.
 *
 * The claim ends with its last descriptor and mapping, and the owner is told;
 * the grant's own descriptor is not needed for it any more. A process may claim
 * again what it has claimed before.
 *
 * EPERM a uid or gid condition is not met; EBUSY another process has claimed
 * it, and it is not for many; EACCES revoked; EDQUOT the claimer's
 * max_objects_per_user would be exceeded; ENOMEM; EMFILE, ENFILE.
 */
struct flowipc_claim {
	__u32 flags;
	__u32 rights;
	__u64 offset;
	__u64 length;
	__u64 region_size;
	__s32 fd;
	__u32 reserved;
	__u64 id;
	__u64 region_id;
};

/*
 * What can become pending at a channel end. MESSAGE and SPACE are two
 * independent bells, so one thread can wait for each; their meaning is the
 * users'. HUP and RDHUP are permanent and come from the kernel alone.
 */
#define FLOWIPC_EVENT_MESSAGE	(1U << 0)
#define FLOWIPC_EVENT_SPACE	(1U << 1)
#define FLOWIPC_EVENT_HUP	(1U << 2) /* the other end is closed, or both are hung up */
#define FLOWIPC_EVENT_RDHUP	(1U << 3) /* the other end was shut down */

/**
 * struct flowipc_kick - on a channel end: ring bells at the other end
 * @flags:    in: must be 0
 * @events:   in: FLOWIPC_EVENT_MESSAGE, FLOWIPC_EVENT_SPACE or both
 * @reserved: in: must be 0
 *
 * The events stay pending at the other end until it takes them with WAIT.
 * Never blocks. EINVAL @events is 0 or has another bit; EPIPE the other end
 * is closed or hung up, or @events has MESSAGE and this end was shut down.
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
 *               out: those taken, HUP if the other end is closed, and RDHUP
 *               if MESSAGE was waited for and the other end was shut down
 * @deadline_ns: in: absolute CLOCK_MONOTONIC time in ns, or
 *               FLOWIPC_WAIT_FOREVER; a time in the past, such as 0, never
 *               sleeps
 * @reserved:    in: must be 0
 *
 * Only the events asked for are taken; the others stay pending. Returns 0 as
 * soon as one of them is pending or HUP or RDHUP hold, so after a hang-up it
 * never sleeps. poll reports MESSAGE as EPOLLIN, SPACE as EPOLLOUT, HUP as
 * EPOLLHUP, RDHUP as EPOLLRDHUP, level-triggered, and takes nothing.
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

/**
 * struct flowipc_kick_and_wait - on a channel end: KICK, then WAIT, in one call
 * @flags:       in: must be 0
 * @kick:        in: events to ring at the other end, at least one
 * @events:      as in struct flowipc_wait
 * @reserved:    in: must be 0
 * @deadline_ns: as in struct flowipc_wait
 *
 * For a request and its reply. The kernel knows that the caller is about to
 * sleep and may run the other end in its place, on the same processor.
 *
 * EINVAL and EPIPE as of KICK and WAIT, found before anything is rung;
 * ETIMEDOUT, EINTR and EFAULT leave the kick done. So that no restart rings
 * twice, a signal always gives EINTR.
 */
struct flowipc_kick_and_wait {
	__u32 flags;
	__u32 kick;
	__u32 events;
	__u32 reserved;
	__u64 deadline_ns;
};

/* flowipc_shutdown.flags */
#define FLOWIPC_SHUTDOWN_BOTH	(1U << 0) /* hang up, at both ends */

/**
 * struct flowipc_shutdown - on a channel end: ring MESSAGE no more, or hang up
 * @flags:    in: FLOWIPC_SHUTDOWN_BOTH or 0
 * @reserved: in: must be 0
 *
 * The other end takes what was rung before, then finds RDHUP. SPACE can still
 * be rung, in both directions.
 *
 * With FLOWIPC_SHUTDOWN_BOTH each end finds HUP, whoever sleeps there wakes up,
 * and nothing can be rung or sealed any more: as if both were closed, except
 * that descriptors stay, and with them the seals that the ends hold.
 *
 * Shutting down twice is not an error, nor is it when the other end is closed.
 */
struct flowipc_shutdown {
	__u32 flags;
	__u32 reserved;
};

/**
 * struct flowipc_bind_eventfd - on a channel end: signal an eventfd, too
 * @flags:    in: must be 0
 * @eventfd:  in: descriptor of an eventfd, or -1 to end the binding
 * @events:   in: which of MESSAGE, SPACE, HUP and RDHUP signal it, at least one;
 *            0 with an @eventfd of -1
 * @reserved: in: must be 0
 *
 * Each time one of @events happens at this end, 1 is added to the eventfd; also
 * at once if one is pending or holds already, so none is missed. It takes
 * nothing: WAIT and poll work as before. One binding an end; a new one replaces
 * the old. The eventfd is held until then, or until the end is closed.
 *
 * EBADF @eventfd is not a descriptor; EINVAL it is not an eventfd, or @events.
 */
struct flowipc_bind_eventfd {
	__u32 flags;
	__s32 eventfd;
	__u32 events;
	__u32 reserved;
};

/**
 * struct flowipc_channel_claim - on a channel end: be known to the other end
 * @flags:    in: must be 0
 * @reserved: in: must be 0
 *
 * The first process to do so is this end's claimer for ever, and what PEER
 * tells at the other end. The end keeps working for whoever holds it.
 *
 * EBUSY another process has claimed it. Claiming again is not an error.
 */
struct flowipc_channel_claim {
	__u32 flags;
	__u32 reserved;
};

/**
 * struct flowipc_channel_peer - on a channel end: who claimed the other end
 * @flags:    in: must be 0
 * @reserved: in: must be 0
 * @who:      in: see struct flowipc_identity; out: the claimer
 *
 * Works after the other end is closed, too. ENOTCONN nobody has claimed it.
 */
struct flowipc_channel_peer {
	__u32 flags;
	__u32 reserved;
	struct flowipc_identity who;
};

/**
 * struct flowipc_seal_info - on a channel end: what a seal that this end holds covers
 * @id:        in: from SEAL
 * @region_id: out: the number of the region
 * @offset:    out: first byte of the range in the region
 * @length:    out: bytes of the range
 * @flags:     in: must be 0
 * @reserved:  in: must be 0
 *
 * What it tells holds until this end breaks the seal, or is closed: who has
 * claimed the region with that number reads there what nobody can change.
 *
 * ENOENT this end holds no such seal.
 */
struct flowipc_seal_info {
	__u64 id;
	__u64 region_id;
	__u64 offset;
	__u64 length;
	__u32 flags;
	__u32 reserved;
};

/**
 * struct flowipc_unseal - on a channel end: break a seal that this end holds
 * @id:       in: from SEAL
 * @flags:    in: must be 0
 * @reserved: in: must be 0
 *
 * ENOENT this end holds no such seal.
 */
struct flowipc_unseal {
	__u64 id;
	__u32 flags;
	__u32 reserved;
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
#define FLOWIPC_IOC_GRANT_NEXT		_IOWR(FLOWIPC_IOC_MAGIC, 0x13, struct flowipc_grant_next)
#define FLOWIPC_IOC_CLAIM_NEXT		_IOWR(FLOWIPC_IOC_MAGIC, 0x14, struct flowipc_claim_next)
#define FLOWIPC_IOC_SEAL		_IOWR(FLOWIPC_IOC_MAGIC, 0x15, struct flowipc_seal)
/* grant */
#define FLOWIPC_IOC_CLAIM		_IOWR(FLOWIPC_IOC_MAGIC, 0x20, struct flowipc_claim)
/* channel */
#define FLOWIPC_IOC_KICK		_IOW(FLOWIPC_IOC_MAGIC, 0x30, struct flowipc_kick)
#define FLOWIPC_IOC_WAIT		_IOWR(FLOWIPC_IOC_MAGIC, 0x31, struct flowipc_wait)
#define FLOWIPC_IOC_KICK_AND_WAIT \
	_IOWR(FLOWIPC_IOC_MAGIC, 0x32, struct flowipc_kick_and_wait)
#define FLOWIPC_IOC_SHUTDOWN		_IOW(FLOWIPC_IOC_MAGIC, 0x33, struct flowipc_shutdown)
#define FLOWIPC_IOC_BIND_EVENTFD	_IOW(FLOWIPC_IOC_MAGIC, 0x34, struct flowipc_bind_eventfd)
#define FLOWIPC_IOC_CHANNEL_CLAIM	_IOW(FLOWIPC_IOC_MAGIC, 0x35, struct flowipc_channel_claim)
#define FLOWIPC_IOC_PEER		_IOWR(FLOWIPC_IOC_MAGIC, 0x36, struct flowipc_channel_peer)
#define FLOWIPC_IOC_SEAL_INFO		_IOWR(FLOWIPC_IOC_MAGIC, 0x37, struct flowipc_seal_info)
#define FLOWIPC_IOC_UNSEAL		_IOW(FLOWIPC_IOC_MAGIC, 0x38, struct flowipc_unseal)

#endif /* _UAPI_LINUX_FLOWIPC_H */
