// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings of regions and claims, and all that reaches their pages: the
 * processor, and system calls that copy, pin or lock them.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fuzz.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

#define MAPPINGS	16
#define MAPPING_PAGES	20	/* bits of the number of pages */

/* Address and number of pages in one word, so that it is read as a whole. */
static atomic_ullong mappings[MAPPINGS];

/* Where a copy goes to and comes from; the page tables under it are its own. */
static char *buffer;

#define BUFFER_BYTES	(64 * PAGE_BYTES)

void memory_setup(void)
{
	buffer = mmap(NULL, BUFFER_BYTES, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (buffer == MAP_FAILED)
		_exit(1);
}

static unsigned long long mapping_pack(const void *address, size_t bytes)
{
	return ((unsigned long long)(uintptr_t)address / PAGE_BYTES) <<
	       MAPPING_PAGES | bytes / PAGE_BYTES;
}

static bool mapping_unpack(unsigned long long mapping, struct range *range)
{
	range->address =
		(char *)(uintptr_t)((mapping >> MAPPING_PAGES) * PAGE_BYTES);
	range->bytes = (mapping & ((1 << MAPPING_PAGES) - 1)) * PAGE_BYTES;

	return mapping != 0;
}

static bool mapping_find(struct act *act, unsigned int *at, struct range *range)
{
	unsigned int first = roll(&act->dice, MAPPINGS), i;

	for (i = 0; i < MAPPINGS; i++) {
		*at = (first + i) % MAPPINGS;
		if (mapping_unpack(atomic_load(&mappings[*at]), range))
			return true;
	}

	return false;
}

/* Some mapping, or a part of it. */
bool memory_pick(struct act *act, struct range *range)
{
	unsigned int at, pages, first;

	if (!mapping_find(act, &at, range))
		return false;
	if (one_in(&act->dice, 2))
		return true;
	pages = range->bytes / PAGE_BYTES;
	first = roll(&act->dice, pages);
	range->address += first * PAGE_BYTES;
	range->bytes = (1 + roll(&act->dice, pages - first)) * PAGE_BYTES;

	return true;
}

static void mapping_put(struct act *act, void *address, size_t bytes)
{
	struct range old;

	if (mapping_unpack(atomic_exchange(&mappings[roll(&act->dice, MAPPINGS)],
					   mapping_pack(address, bytes)), &old))
		munmap(old.address, old.bytes);
}

static bool mmap_make(struct act *act)
{
	static const enum kind kinds[] = {
		KIND_REGION, KIND_CLAIM, KIND_CLAIM, KIND_GRANT,
	};
	enum kind kind = kinds[roll(&act->dice, 8) % 4];
	int flags = one_in(&act->dice, 16) ? MAP_PRIVATE : MAP_SHARED;
	int prot = PROT_READ | (one_in(&act->dice, 2) ? PROT_WRITE : 0);
	unsigned int first = 0, pages;
	struct slot slot;
	off_t offset;
	void *address;

	/* A grant cannot be mapped: seldom. */
	if (kind == KIND_GRANT && !one_in(&act->dice, 4))
		kind = KIND_CLAIM;
	if (!slots_find(act, kind, &slot) && !slots_find(act, KIND_REGION, &slot))
		return false;
	pages = slot.pages ? slot.pages : SMALL_PAGES;
	if (one_in(&act->dice, 3))
		first = roll(&act->dice, pages);
	pages -= first;
	if (one_in(&act->dice, 3))
		pages = 1 + roll(&act->dice, pages);
	offset = (off_t)(slot.first + first) * PAGE_BYTES;
	if (one_in(&act->dice, 16))
		prot = roll(&act->dice, 8);
	if (one_in(&act->dice, 8))
		flags |= MAP_POPULATE;
	if (one_in(&act->dice, 16))
		flags |= MAP_LOCKED;
	if (one_in(&act->dice, 32))
		offset = roll(&act->dice, UINT64_MAX) & ~(PAGE_BYTES - 1);
	if (one_in(&act->dice, 32))
		pages += roll(&act->dice, 32);

	address = mmap(NULL, pages * PAGE_BYTES, prot, flags, slot.fd, offset);
	if (address == MAP_FAILED)
		return false;
	mapping_put(act, address, pages * PAGE_BYTES);

	return true;
}

static bool munmap_make(struct act *act)
{
	struct range range;
	unsigned int at;

	if (!mapping_find(act, &at, &range))
		return false;
	atomic_store(&mappings[at], 0);

	return !munmap(range.address, range.bytes);
}

/* A part, from the middle too; the rest stays in the table as if it was whole. */
static bool munmap_part_make(struct act *act)
{
	struct range range;

	return memory_pick(act, &range) && !munmap(range.address, range.bytes);
}

static bool mprotect_make(struct act *act)
{
	static const int prots[] = {
		PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE, PROT_WRITE,
		PROT_READ | PROT_EXEC,
	};
	struct range range;

	return memory_pick(act, &range) &&
	       !mprotect(range.address, range.bytes,
			 prots[roll(&act->dice, sizeof(prots) / sizeof(int))]);
}

static bool mremap_make(struct act *act)
{
	struct range range, onto;
	unsigned int at, other;
	size_t bytes;
	void *address;

	if (!mapping_find(act, &at, &range))
		return false;
	bytes = range.bytes;
	switch (roll(&act->dice, 5)) {
	case 0:
		bytes += PAGE_BYTES;
		address = mremap(range.address, range.bytes, bytes,
				 MREMAP_MAYMOVE);
		break;
	case 1:
		bytes = (1 + roll(&act->dice, bytes / PAGE_BYTES)) * PAGE_BYTES;
		address = mremap(range.address, range.bytes, bytes, 0);
		break;
	case 2:
		address = mremap(range.address, 0, bytes, MREMAP_MAYMOVE);
		break;
	case 3:
		address = mremap(range.address, bytes, bytes, MREMAP_MAYMOVE |
				 MREMAP_DONTUNMAP);
		break;
	default:
		if (!mapping_find(act, &other, &onto) || other == at ||
		    onto.bytes < bytes)
			return false;
		address = mremap(range.address, bytes, bytes, MREMAP_MAYMOVE |
				 MREMAP_FIXED, onto.address);
	}
	if (address == MAP_FAILED)
		return false;
	atomic_store(&mappings[at], mapping_pack(address, bytes));

	return true;
}

static bool madvise_make(struct act *act)
{
	static const int advice[] = {
		MADV_DONTNEED, MADV_DONTNEED, MADV_DONTNEED, MADV_WILLNEED,
		MADV_FREE, MADV_REMOVE, MADV_DONTFORK, MADV_DOFORK,
		MADV_MERGEABLE, MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_DONTDUMP,
		MADV_DODUMP, MADV_COLD, MADV_PAGEOUT, MADV_POPULATE_READ,
		MADV_POPULATE_WRITE, MADV_COLLAPSE, MADV_SEQUENTIAL,
	};
	struct range range;

	return memory_pick(act, &range) &&
	       !madvise(range.address, range.bytes,
			advice[roll(&act->dice, sizeof(advice) / sizeof(int))]);
}

static bool mlock_make(struct act *act)
{
	struct range range;

	if (!memory_pick(act, &range))
		return false;
	switch (roll(&act->dice, 3)) {
	case 0:
		return !mlock(range.address, range.bytes);
	case 1:
		return !mlock2(range.address, range.bytes, MLOCK_ONFAULT);
	default:
		return !munlock(range.address, range.bytes);
	}
}

static bool msync_make(struct act *act)
{
	unsigned char present[LARGE_PAGES];
	struct range range;

	if (!memory_pick(act, &range))
		return false;
	if (one_in(&act->dice, 2) && range.bytes <= LARGE_PAGES * PAGE_BYTES)
		return !mincore(range.address, range.bytes, present);

	return !msync(range.address, range.bytes,
		      one_in(&act->dice, 2) ? MS_SYNC : MS_INVALIDATE);
}

static void pages_touch(const struct range *range, bool write)
{
	volatile char *page;

	for (page = range->address; page < range->address + range->bytes;
	     page += PAGE_BYTES) {
		if (write)
			*page = 1;
		else
			(void)*page;
	}
}

static bool read_touch_make(struct act *act)
{
	struct range range;

	return memory_pick(act, &range) && GUARDED(pages_touch(&range, false));
}

static bool write_touch_make(struct act *act)
{
	struct range range;

	return memory_pick(act, &range) && GUARDED(pages_touch(&range, true));
}

static size_t copy_bytes(const struct range *range)
{
	return range->bytes < BUFFER_BYTES ? range->bytes : BUFFER_BYTES;
}

static bool process_vm_make(struct act *act, bool write)
{
	unsigned int other = roll(&act->dice, shared->processes);
	struct iovec local, remote;
	struct range range;
	pid_t pid = getpid();

	if (!memory_pick(act, &range))
		return false;
	local = (struct iovec){ buffer, copy_bytes(&range) };
	remote = (struct iovec){ range.address, local.iov_len };
	/* Another process has its mappings elsewhere, but sometimes there. */
	if (one_in(&act->dice, 4))
		pid = atomic_load(&shared->worker[other].pid);

	return (write ? process_vm_writev(pid, &local, 1, &remote, 1, 0) :
			process_vm_readv(pid, &local, 1, &remote, 1, 0)) > 0;
}

static bool process_vm_readv_make(struct act *act)
{
	return process_vm_make(act, false);
}

static bool process_vm_writev_make(struct act *act)
{
	return process_vm_make(act, true);
}

/* The pages stay in the pipe for a while. */
static bool vmsplice_make(struct act *act)
{
	static _Thread_local int pipes[2] = { -1, -1 };
	struct iovec vector;
	struct range range;
	ssize_t bytes;

	if (!memory_pick(act, &range))
		return false;
	/* Another thread may have closed it, or got its number. */
	if (fcntl(pipes[0], F_GETPIPE_SZ) == -1 &&
	    pipe2(pipes, O_NONBLOCK | O_CLOEXEC))
		return false;
	vector = (struct iovec){ range.address, copy_bytes(&range) };
	bytes = vmsplice(pipes[1], &vector, 1, SPLICE_F_NONBLOCK);
	if (bytes <= 0 || one_in(&act->dice, 2))
		while (read(pipes[0], buffer, BUFFER_BYTES) > 0)
			;

	return bytes > 0;
}

/* Direct I/O from and to the pages, where there is a disk for it. */
static bool disk_make(struct act *act)
{
	struct range range;
	size_t bytes;

	if (!memory_pick(act, &range))
		return false;
	bytes = copy_bytes(&range);

	return (one_in(&act->dice, 2) ?
		pread(FD_DISK, range.address, bytes, 0) :
		pwrite(FD_DISK, range.address, bytes, 0)) > 0;
}

static bool futex_make(struct act *act)
{
	static const struct timespec soon = { .tv_nsec = 100000 };
	struct range range;

	if (!memory_pick(act, &range))
		return false;
	if (one_in(&act->dice, 2))
		return syscall(SYS_futex, range.address, FUTEX_WAKE, 1, NULL,
			       NULL, 0) >= 0;
	if (!syscall(SYS_futex, range.address, FUTEX_WAIT, 0, &soon, NULL, 0))
		return true;

	return errno == ETIMEDOUT || errno == EAGAIN;
}

/* The kernel's own copies, which must survive that a page cannot be had. */
static bool copy_make(struct act *act)
{
	struct range range;

	if (!memory_pick(act, &range))
		return false;

	return getrandom(range.address, range.bytes % 8192, GRND_INSECURE) >= 0;
}

#define CALL(name_, weight_, make_) \
	{ .name = name_, .weight = weight_, .make = make_##_make }

const struct call memory_calls[] = {
	CALL("mmap", 40, mmap),
	CALL("munmap", 6, munmap),
	CALL("munmap-part", 4, munmap_part),
	CALL("mprotect", 6, mprotect),
	CALL("mremap", 6, mremap),
	CALL("madvise", 12, madvise),
	CALL("mlock", 4, mlock),
	CALL("msync", 2, msync),
	CALL("read-touch", 24, read_touch),
	CALL("write-touch", 24, write_touch),
	CALL("process_vm_readv", 3, process_vm_readv),
	CALL("process_vm_writev", 3, process_vm_writev),
	CALL("vmsplice", 4, vmsplice),
	CALL("direct-io", 3, disk),
	CALL("futex", 3, futex),
	CALL("copy", 3, copy),
};

const unsigned int memory_calls_count =
	sizeof(memory_calls) / sizeof(memory_calls[0]);
