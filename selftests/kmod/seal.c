// SPDX-License-Identifier: GPL-2.0-only
/* Seals: when SEAL has returned, nothing changes the range. */
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sched.h>

#include "pin.h"
#include "seal.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

TEST_F(seal, bad_arguments_are_refused)
{
	struct flowipc_seal arg = {
		.length = PAGE, .channel_fd = self->ends[0],
	};
	struct flowipc_unseal unseal_arg = { .id = 1 };
	int plain = region_create(self->device, SIZE);
	int strict = region_create_as(self->device, SIZE, FLOWIPC_REGION_STRICT);
	int grant = grant_create(self->region, 0, SIZE, READ | WRITE);
	int bit;

	for (bit = 0; bit < 32; bit++) {
		arg.flags = 1U << bit;
		EXPECT_ERRNO(EINVAL, ioctl(self->region, FLOWIPC_IOC_SEAL, &arg));
		unseal_arg.flags = 1U << bit;
		EXPECT_ERRNO(EINVAL, ioctl(self->ends[1], FLOWIPC_IOC_UNSEAL, &unseal_arg));
		unseal_arg.flags = 0;
		unseal_arg.reserved = 1U << bit;
		EXPECT_ERRNO(EINVAL, ioctl(self->ends[1], FLOWIPC_IOC_UNSEAL, &unseal_arg));
		unseal_arg.reserved = 0;
	}
	EXPECT_ERRNO(EINVAL, seal(self->region, 1, PAGE, self->ends[0]));
	EXPECT_ERRNO(EINVAL, seal(self->region, 0, PAGE - 1, self->ends[0]));
	EXPECT_ERRNO(EINVAL, seal(self->region, 0, 0, self->ends[0]));
	EXPECT_ERRNO(EINVAL, seal(self->region, 0, SIZE + PAGE, self->ends[0]));
	EXPECT_ERRNO(EINVAL, seal(self->region, SIZE, PAGE, self->ends[0]));
	EXPECT_ERRNO(EINVAL, seal(self->region, -PAGE, PAGE, self->ends[0]));
	EXPECT_ERRNO(EINVAL, seal(self->region, PAGE, -PAGE, self->ends[0]));
	EXPECT_ERRNO(EINVAL, seal(self->region, -PAGE, 2 * PAGE, self->ends[0]));
	EXPECT_ERRNO(EBADF, seal(self->region, 0, PAGE, -1));
	EXPECT_ERRNO(EBADF, seal(self->region, 0, PAGE, 1 << 20));
	EXPECT_ERRNO(EINVAL, seal(self->region, 0, PAGE, self->region));
	EXPECT_ERRNO(EINVAL, seal(self->region, 0, PAGE, grant));
	EXPECT_ERRNO(EINVAL, seal(self->region, 0, PAGE, STDOUT_FILENO));
	EXPECT_ERRNO(EOPNOTSUPP, seal(plain, 0, PAGE, self->ends[0]));
	EXPECT_ERRNO(EOPNOTSUPP, seal(strict, 0, PAGE, self->ends[0]));
	EXPECT_ERRNO(ENOTTY, seal(grant, 0, PAGE, self->ends[0]));
	EXPECT_ERRNO(ENOTTY, seal(grant_claim(grant), 0, PAGE, self->ends[0]));
	EXPECT_ERRNO(ENOTTY, unseal(self->region, 1));
	EXPECT_ERRNO(ENOENT, unseal(self->ends[1], 1));
	EXPECT_ERRNO(ENOENT, unseal(self->ends[1], 0));
	EXPECT_EQ(0, count_seals(self->region));
	EXPECT_EQ(0, touch_write(self->memory));
}

TEST_F(seal, unwritable_arguments_leave_no_seal)
{
	struct flowipc_seal *arg = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
					MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, arg);
	arg->length = PAGE;
	arg->channel_fd = self->ends[0];
	ASSERT_EQ(0, mprotect(arg, PAGE, PROT_READ));
	EXPECT_ERRNO(EFAULT, ioctl(self->region, FLOWIPC_IOC_SEAL, arg));
	EXPECT_ERRNO(EFAULT, ioctl(self->region, FLOWIPC_IOC_SEAL, NULL));
	EXPECT_ERRNO(EFAULT, ioctl(self->ends[1], FLOWIPC_IOC_UNSEAL, NULL));
	EXPECT_EQ(0, count_seals(self->region));
	EXPECT_EQ(0, touch_write(self->memory));
}

TEST_F(seal, nobody_writes_and_everybody_reads)
{
	int claim = grant_claim(grant_create(self->region, 0, SIZE, READ | WRITE));
	char *peer = map(claim, SIZE, PROT_READ | PROT_WRITE);
	long long id;
	int i;

	ASSERT_NE(MAP_FAILED, peer);
	/* 0: never touched; 1: read; 2: written. */
	for (i = 0; i < 16; i++) {
		if (i % 3 == 1)
			ASSERT_EQ(0, touch_read(self->memory + i * PAGE));
		if (i % 3 == 2)
			self->memory[i * PAGE] = i;
		if (i % 2)
			ASSERT_EQ(0, touch_write(peer + i * PAGE));
	}

	id = seal(self->region, 2 * PAGE, 10 * PAGE, self->ends[0]);
	ASSERT_LT(0, id);
	EXPECT_EQ(1, count_seals(self->region));
	for (i = 0; i < 16; i++) {
		int expected = i >= 2 && i < 12 ? SIGBUS : 0;

		EXPECT_EQ(expected, touch_write(self->memory + i * PAGE));
		EXPECT_EQ(expected, touch_write(peer + i * PAGE));
		EXPECT_EQ(0, touch_read(self->memory + i * PAGE));
		EXPECT_EQ(0, touch_read(peer + i * PAGE));
		/* Also after it was mapped for reading. */
		EXPECT_EQ(expected, touch_write(self->memory + i * PAGE));
		EXPECT_EQ(i % 3 == 2 ? i : 0, self->memory[i * PAGE]);
	}

	ASSERT_EQ(0, unseal(self->ends[1], id));
	EXPECT_EQ(0, count_seals(self->region));
	for (i = 0; i < 16; i++) {
		EXPECT_EQ(0, touch_write(self->memory + i * PAGE));
		EXPECT_EQ(0, touch_write(peer + i * PAGE));
	}
}

TEST_F(seal, system_calls_fail_with_efault)
{
	int ends[2];

	ASSERT_EQ(0, touch_write(self->memory));
	ASSERT_LT(0, seal(self->region, 0, PAGE, self->ends[0]));
	ASSERT_EQ(0, pipe(ends));
	ASSERT_EQ(4, write(ends[1], "abcd", 4));
	EXPECT_ERRNO(EFAULT, read(ends[0], self->memory, 4));
	EXPECT_ERRNO(EFAULT, clock_gettime(CLOCK_PROCESS_CPUTIME_ID, (void *)self->memory));
	EXPECT_EQ(0, self->memory[0]);
	EXPECT_EQ(4, write(ends[1], self->memory, 4));
	/* The neighbour takes it. */
	EXPECT_EQ(4, read(ends[0], self->memory + PAGE, 4));
}

TEST_F_SIGNAL(seal, sigbus_kills, SIGBUS)
{
	ASSERT_LT(0, seal(self->region, 0, PAGE, self->ends[0]));
	*(volatile char *)self->memory = 1;
}

TEST_F(seal, overlapping_ones_are_all_to_be_broken)
{
	long long low = seal(self->region, 0, 8 * PAGE, self->ends[0]);
	long long high = seal(self->region, 4 * PAGE, 8 * PAGE, self->ends[0]);
	long long same = seal(self->region, 4 * PAGE, 8 * PAGE, self->ends[0]);
	int i;

	ASSERT_LT(0, low);
	ASSERT_LT(low, high);
	ASSERT_LT(high, same);
	EXPECT_EQ(3, count_seals(self->region));

	ASSERT_EQ(0, unseal(self->ends[1], high));
	for (i = 0; i < 16; i++)
		EXPECT_EQ(i < 12 ? SIGBUS : 0, touch_write(self->memory + i * PAGE));
	ASSERT_EQ(0, unseal(self->ends[1], low));
	for (i = 0; i < 16; i++)
		EXPECT_EQ(i >= 4 && i < 12 ? SIGBUS : 0, touch_write(self->memory + i * PAGE));
	ASSERT_EQ(0, unseal(self->ends[1], same));
	for (i = 0; i < 16; i++)
		EXPECT_EQ(0, touch_write(self->memory + i * PAGE));
}

TEST_F(seal, only_the_other_end_breaks_it)
{
	long long id = seal(self->region, 0, PAGE, self->ends[0]);
	int others[2];

	ASSERT_LT(0, id);
	ASSERT_EQ(0, channel_create(self->device, others));
	EXPECT_ERRNO(ENOENT, unseal(self->ends[0], id));
	EXPECT_ERRNO(ENOENT, unseal(others[0], id));
	EXPECT_ERRNO(ENOENT, unseal(others[1], id));
	EXPECT_ERRNO(ENOENT, unseal(self->ends[1], id + 1));
	EXPECT_ERRNO(ENOENT, unseal(self->ends[1], 0));
	EXPECT_EQ(SIGBUS, touch_write(self->memory));
	EXPECT_EQ(0, unseal(self->ends[1], id));
	EXPECT_ERRNO(ENOENT, unseal(self->ends[1], id));
	EXPECT_EQ(0, touch_write(self->memory));
}

TEST_F(seal, ends_with_the_holder)
{
	int copy = dup(self->ends[1]), others[2];

	ASSERT_EQ(0, channel_create(self->device, others));
	ASSERT_LT(0, seal(self->region, 0, PAGE, self->ends[0]));
	ASSERT_LT(0, seal(self->region, PAGE, PAGE, self->ends[0]));
	ASSERT_LT(0, seal(self->region, PAGE, 2 * PAGE, others[0]));
	ASSERT_EQ(0, close(self->ends[1]));
	EXPECT_EQ(3, count_seals(self->region));
	EXPECT_EQ(SIGBUS, touch_write(self->memory));
	ASSERT_EQ(0, close(copy));
	EXPECT_EQ(1, count_seals(self->region));
	EXPECT_EQ(0, touch_write(self->memory));
	EXPECT_EQ(SIGBUS, touch_write(self->memory + PAGE));
	EXPECT_ERRNO(EPIPE, seal(self->region, 0, PAGE, self->ends[0]));
	EXPECT_EQ(1, count_seals(self->region));
}

/* By the time the hang-up is heard. */
TEST_F(seal, ends_when_the_receiver_is_killed)
{
	struct flowipc_wait hangup = { .events = MESSAGE, .deadline_ns = FOREVER };
	int sockets[2];
	pid_t child;

	ASSERT_TRUE(socket_pair(sockets));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		close(self->ends[0]);
		ASSERT_TRUE(tell(sockets[1]));
		for (;;)
			pause();
	}
	close(self->ends[1]);
	ASSERT_TRUE(hear(sockets[0]));
	ASSERT_LT(0, seal(self->region, 0, SIZE, self->ends[0]));
	EXPECT_EQ(SIGBUS, touch_write(self->memory));
	ASSERT_EQ(0, kill(child, SIGKILL));
	ASSERT_EQ(0, ioctl(self->ends[0], FLOWIPC_IOC_WAIT, &hangup));
	EXPECT_EQ(HUP, hangup.events);
	EXPECT_EQ(0, count_seals(self->region));
	EXPECT_EQ(0, touch_write(self->memory));
	ASSERT_EQ(256 + SIGKILL, reap(child));
}

TEST_F(seal, outlasts_the_sealer)
{
	pid_t child = fork();

	ASSERT_LE(0, child);
	if (!child) {
		ASSERT_LT(0, seal(self->region, 0, PAGE, self->ends[0]));
		_exit(0);
	}
	ASSERT_EQ(0, reap(child));
	EXPECT_EQ(1, count_seals(self->region));
	ASSERT_EQ(0, close(self->ends[0]));
	EXPECT_EQ(SIGBUS, touch_write(self->memory));
	EXPECT_EQ(0, unseal(self->ends[1], 1));
	EXPECT_EQ(0, touch_write(self->memory));
}

TEST_F(seal, goes_with_the_region)
{
	uint64_t used = used_total_bytes(self->device);
	int region = region_create_as(self->device, SIZE, SEALABLE);
	long long first = seal(region, 0, PAGE, self->ends[0]);
	long long second = seal(region, 0, SIZE, self->ends[0]);

	ASSERT_LT(0, first);
	ASSERT_LT(first, second);
	ASSERT_EQ(0, close(region));
	EXPECT_TRUE(EVENTUALLY(used_total_bytes(self->device) == used));
	EXPECT_ERRNO(ENOENT, unseal(self->ends[1], first));
	EXPECT_ERRNO(ENOENT, unseal(self->ends[1], second));
	ASSERT_EQ(0, close(self->ends[1]));
}

/* A mapping of the claimer keeps the region, and the seal. */
TEST_F(seal, holds_without_the_owner)
{
	int claim = grant_claim(grant_create(self->region, 0, SIZE, READ | WRITE));
	char *peer = map(claim, SIZE, PROT_READ | PROT_WRITE);
	long long id = seal(self->region, 0, SIZE, self->ends[0]);

	ASSERT_NE(MAP_FAILED, peer);
	ASSERT_LT(0, id);
	ASSERT_EQ(0, close(claim));
	ASSERT_EQ(0, munmap(self->memory, SIZE));
	ASSERT_EQ(0, close(self->region));
	EXPECT_EQ(SIGBUS, touch_write(peer));
	ASSERT_EQ(0, unseal(self->ends[1], id));
	EXPECT_EQ(0, touch_write(peer));
}

static void seal_up_to_the_limit(int device)
{
	int region = region_create_as(device, SIZE, SEALABLE), ends[2];
	char *memory = map(region, SIZE, PROT_READ | PROT_WRITE);

	ASSERT_NE(MAP_FAILED, memory);
	ASSERT_EQ(0, channel_create(device, ends));
	EXPECT_EQ(1, seal(region, 0, PAGE, ends[0]));
	EXPECT_EQ(2, seal(region, 0, PAGE, ends[0]));
	EXPECT_EQ(3, seal(region, 0, PAGE, ends[0]));
	EXPECT_ERRNO(EDQUOT, seal(region, PAGE, PAGE, ends[0]));
	EXPECT_EQ(3, count_seals(region));
	EXPECT_EQ(0, unseal(ends[1], 2));
	EXPECT_EQ(4, seal(region, PAGE, PAGE, ends[0]));
}

TEST_F(seal, counts_as_an_object)
{
	static const char limit[] = "/sys/module/flowipc/parameters/max_objects_per_user";
	pid_t child;

	/* A region, a channel and three seals. */
	if (!write_text(limit, "5"))
		SKIP(return, "cannot write %s", limit);
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		ASSERT_TRUE(become_user());
		seal_up_to_the_limit(self->device);
		_exit(0);
	}
	EXPECT_EQ(0, reap(child));
	EXPECT_TRUE(write_text(limit, "16384"));
}

/* Blocks of 2 MiB */

/* A region of two of them, mapped where they can be mapped at once. */
static char *map_huge(struct seal *self, int *region)
{
	struct flowipc_region_info info;
	char *memory;

	*region = region_create_as(self->device, 2 * HUGE, SEALABLE);
	ASSERT_LE(0, *region);
	memory = map(*region, 2 * HUGE, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, memory);
	ASSERT_EQ(0, region_info(*region, &info));

	return info.huge_bytes == 2 * HUGE ? memory : NULL;
}

static bool is_mapped_huge(const char *memory)
{
	return smaps_kb(memory, "FilePmdMapped:") > 0;
}

TEST_F(seal, of_a_whole_block)
{
	int region;
	char *memory = map_huge(self, &region);
	long long id;

	if (!memory)
		SKIP(return, "no 2 MiB block is free");
	memory[0] = 1;
	memory[HUGE] = 1;
	EXPECT_EQ(4096, smaps_kb(memory, "FilePmdMapped:"));
	id = seal(region, 0, HUGE, self->ends[0]);
	ASSERT_LT(0, id);
	EXPECT_EQ(0, touch_read(memory));
	EXPECT_EQ(4096, smaps_kb(memory, "FilePmdMapped:"));
	EXPECT_EQ(SIGBUS, touch_write(memory));
	EXPECT_EQ(SIGBUS, touch_write(memory + HUGE - PAGE));
	EXPECT_EQ(0, touch_write(memory + HUGE));
	ASSERT_EQ(0, unseal(self->ends[1], id));
	EXPECT_EQ(0, touch_write(memory));
}

/*
 * One page of a block is sealed: the block must not be mapped for writing as a
 * whole, whichever of its pages is written first, and in whatever state it was
 * before.
 */
TEST_F(seal, of_a_page_in_a_block)
{
	static const uint64_t sealed[] = { 0, 7 * PAGE, HUGE - PAGE };
	unsigned int i, before, order;
	int region;
	char *memory = map_huge(self, &region);

	if (!memory)
		SKIP(return, "no 2 MiB block is free");
	for (i = 0; i < ARRAY_SIZE(sealed); i++)
		for (before = 0; before < 3; before++)
			for (order = 0; order < 4; order++) {
				char *page = memory + sealed[i];
				long long id;

				madvise(memory, 2 * HUGE, MADV_DONTNEED);
				if (before == 1)
					ASSERT_EQ(0, touch_read(memory + PAGE));
				if (before == 2)
					ASSERT_EQ(0, touch_write(memory + PAGE));
				id = seal(region, sealed[i], PAGE, self->ends[0]);
				ASSERT_LT(0, id);
				if (order & 1)
					ASSERT_EQ(0, touch_read(memory + 3 * PAGE));
				if (order & 2)
					EXPECT_EQ(SIGBUS, touch_write(page));
				EXPECT_EQ(0, touch_write(memory + 3 * PAGE));
				EXPECT_EQ(SIGBUS, touch_write(page));
				EXPECT_EQ(0, touch_read(page));
				EXPECT_EQ(SIGBUS, touch_write(page));
				EXPECT_EQ(0, touch_write(memory + 4 * PAGE));
				EXPECT_EQ(SIGBUS, touch_write(page));
				EXPECT_EQ(0, touch_write(memory + HUGE));
				ASSERT_EQ(0, unseal(self->ends[1], id));
				EXPECT_EQ(0, touch_write(page));
			}
}

/* A mapping with other bounds sees the same. */
TEST_F(seal, of_a_page_in_a_block_mapped_twice)
{
	int region;
	char *memory = map_huge(self, &region), *second, *small;

	if (!memory)
		SKIP(return, "no 2 MiB block is free");
	ASSERT_EQ(0, touch_write(memory));
	second = map(region, 2 * HUGE, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, second);
	ASSERT_EQ(0, touch_write(second));
	small = map_at(region, 16 * PAGE, PROT_READ | PROT_WRITE, 4 * PAGE);
	ASSERT_NE(MAP_FAILED, small);
	ASSERT_EQ(0, touch_write(small));
	ASSERT_LT(0, seal(region, 5 * PAGE, PAGE, self->ends[0]));
	EXPECT_EQ(0, touch_write(second));
	EXPECT_EQ(0, touch_write(small));
	EXPECT_EQ(0, touch_write(memory));
	EXPECT_EQ(SIGBUS, touch_write(small + PAGE));
	EXPECT_EQ(SIGBUS, touch_write(memory + 5 * PAGE));
	EXPECT_EQ(SIGBUS, touch_write(second + 5 * PAGE));
	EXPECT_EQ(0, touch_write(small + 2 * PAGE));
	EXPECT_FALSE(is_mapped_huge(memory));
}

/* What else makes pages writable, or writes */

static bool uffd_write_protect(char *memory, uint64_t size)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.range = { (uintptr_t)memory, size },
		.mode = UFFDIO_REGISTER_MODE_WP,
	};
	struct uffdio_writeprotect protect = {
		.range = range.range, .mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

#ifdef UFFD_FEATURE_WP_ASYNC
	api.features = UFFD_FEATURE_WP_ASYNC;
#else
	api.features = 1 << 15;
#endif
	if (uffd == -1 || ioctl(uffd, UFFDIO_API, &api) ||
	    ioctl(uffd, UFFDIO_REGISTER, &range) ||
	    ioctl(uffd, UFFDIO_WRITEPROTECT, &protect))
		return false;
	protect.mode = 0;
	ioctl(uffd, UFFDIO_WRITEPROTECT, &protect);

	return true;
}

static void try_everything(char *memory, char *page, uint64_t size)
{
	unsigned int i;
	pid_t child;

	for (i = 0; i < ARRAY_SIZE(pin_attempts); i++) {
		int error = pin_attempts[i].attempt(page);

		if (!pin_attempts[i].writes)
			continue;
		if (error == PIN_ABSENT || error == EOPNOTSUPP)
			continue;
		if (error != EFAULT && error != EIO) {
			printf("# %s: errno %d\n", pin_attempts[i].name, error);
			harness_fail(false);
		}
	}
	EXPECT_EQ(SIGBUS, touch_write(page));
	EXPECT_EQ(-1, madvise(page, PAGE, MADV_POPULATE_WRITE));
	EXPECT_EQ(SIGBUS, touch_write(page));
	EXPECT_EQ(0, madvise(page, PAGE, MADV_POPULATE_READ));
	EXPECT_EQ(SIGBUS, touch_write(page));

	EXPECT_EQ(0, mprotect(memory, size, PROT_READ));
	EXPECT_EQ(0, touch_read(page));
	EXPECT_EQ(0, mprotect(memory, size, PROT_READ | PROT_WRITE));
	EXPECT_EQ(SIGBUS, touch_write(page));
	EXPECT_EQ(0, mprotect(page, PAGE, PROT_NONE));
	EXPECT_EQ(0, mprotect(page, PAGE, PROT_READ | PROT_WRITE));
	EXPECT_EQ(SIGBUS, touch_write(page));

	madvise(memory, size, MADV_HUGEPAGE);
	madvise(memory, size, MADV_COLLAPSE);
	EXPECT_EQ(SIGBUS, touch_write(page));
	madvise(memory, size, MADV_MERGEABLE);
	madvise(memory, size, MADV_COLD);
	madvise(memory, size, MADV_PAGEOUT);
	madvise(memory, size, MADV_FREE);
	madvise(memory, size, MADV_REMOVE);
	EXPECT_EQ(SIGBUS, touch_write(page));
	madvise(memory, size, MADV_DONTNEED);
	EXPECT_EQ(SIGBUS, touch_write(page));
	msync(memory, size, MS_SYNC);
	EXPECT_EQ(SIGBUS, touch_write(page));
	mlock(memory, size);
	EXPECT_EQ(SIGBUS, touch_write(page));
	munlock(memory, size);

	write_text("/proc/self/clear_refs", "4");
	EXPECT_EQ(SIGBUS, touch_write(page));

	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		EXPECT_EQ(SIGBUS, touch_write(page));
		EXPECT_EQ(0, touch_read(page));
		_exit(0);
	}
	ASSERT_EQ(0, reap(child));

	if (uffd_write_protect(memory, size))
		printf("# write-protected by userfaultfd\n");
	EXPECT_EQ(SIGBUS, touch_write(page));
}

TEST_F(seal, nothing_else_makes_it_writable)
{
	char *memory = self->memory, *page = memory + 5 * PAGE, *other;

	/* Written before, and so dirty in all page tables. */
	memset(memory, 1, SIZE);
	ASSERT_LT(0, seal(self->region, 5 * PAGE, PAGE, self->ends[0]));
	try_everything(memory, page, SIZE);

	/* Moved, in one piece. */
	memory = map(self->region, SIZE, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, memory);
	EXPECT_EQ(0, touch_write(memory));
	EXPECT_EQ(SIGBUS, touch_write(memory + 5 * PAGE));
	other = mremap(memory, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED,
		       mmap(NULL, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	ASSERT_NE(MAP_FAILED, other);
	page = other + 5 * PAGE;
	EXPECT_EQ(SIGBUS, touch_write(page));
	EXPECT_EQ(0, touch_write(page + PAGE));
	EXPECT_EQ(1, page[0]);
	other = map_at(self->region, PAGE, PROT_READ | PROT_WRITE, 5 * PAGE);
	ASSERT_NE(MAP_FAILED, other);
	EXPECT_EQ(SIGBUS, touch_write(other));
	EXPECT_EQ(1, other[0]);
}

TEST_F(seal, nothing_else_makes_a_block_writable)
{
	int region;
	char *memory = map_huge(self, &region);

	if (!memory)
		SKIP(return, "no 2 MiB block is free");
	memset(memory, 1, 2 * HUGE);
	ASSERT_LT(0, seal(region, HUGE, HUGE, self->ends[0]));
	ASSERT_LT(0, seal(region, 5 * PAGE, PAGE, self->ends[0]));
	try_everything(memory, memory + HUGE + 9 * PAGE, 2 * HUGE);
	EXPECT_EQ(SIGBUS, touch_write(memory + 5 * PAGE));
	EXPECT_EQ(0, touch_write(memory + 6 * PAGE));
	EXPECT_EQ(1, memory[5 * PAGE]);
	EXPECT_EQ(1, memory[HUGE + 9 * PAGE]);
}

/* References for I/O */

TEST_F(seal, is_refused_while_a_pipe_has_the_page)
{
	struct iovec vector = { self->memory + 3 * PAGE, 10 };
	uint64_t started;
	int ends[2], i;
	char byte[16];

	ASSERT_EQ(0, pipe(ends));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(10, vmsplice(ends[1], &vector, 1, 0));
		started = now_ns();
		EXPECT_ERRNO(EBUSY, seal(self->region, 0, SIZE, self->ends[0]));
		EXPECT_LT(now_ns() - started, 5000000000);
		EXPECT_EQ(0, count_seals(self->region));
		EXPECT_EQ(0, touch_write(self->memory));
		EXPECT_EQ(0, touch_write(self->memory + 3 * PAGE));
		ASSERT_EQ(10, read(ends[0], byte, sizeof(byte)));
		ASSERT_LT(0, seal(self->region, 0, SIZE, self->ends[0]));
		ASSERT_EQ(0, unseal(self->ends[1], i + 1));
	}
}

TEST_F(seal, is_refused_while_io_uring_has_the_page)
{
	int plain = region_create(self->device, SIZE);
	char *memory = map(plain, SIZE, PROT_READ | PROT_WRITE);
	struct io_uring_params params = {};
	struct iovec vector = { self->memory, PAGE };
	int ring = syscall(SYS_io_uring_setup, 1, &params);

	ASSERT_NE(MAP_FAILED, memory);
	if (ring == -1)
		SKIP(return, "no io_uring");
	/* Either it cannot be a fixed buffer at all, or SEAL sees it. */
	if (syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &vector, 1))
		EXPECT_TRUE(errno == EFAULT || errno == EOPNOTSUPP);
	else
		EXPECT_ERRNO(EBUSY, seal(self->region, 0, PAGE, self->ends[0]));
}

/* Races: what is there when SEAL returns is there until UNSEAL. */
#define RACE_ROUNDS	60

struct writer {
	pid_t victim;
	char *memory;
	uint64_t size;
	bool by_system_call;
};

static sigjmp_buf writer_failed;

static void writer_handler(int signal)
{
	(void)signal;
	siglongjmp(writer_failed, 1);
}

static void write_for_ever(const struct writer *writer)
{
	unsigned char byte = 0;
	struct iovec here = { &byte, 1 };
	volatile uint64_t at = 0;

	signal(SIGBUS, writer_handler);
	for (;;) {
		struct iovec there;

		at = (at + PAGE) % writer->size;
		there = (struct iovec){ writer->memory + at, 1 };
		/* Never the same again at the same place. */
		byte += at ? 1 : 2;
		if (writer->by_system_call)
			process_vm_writev(writer->victim, &here, 1, &there, 1, 0);
		else if (!sigsetjmp(writer_failed, 1))
			*(volatile unsigned char *)(writer->memory + at) = byte;
	}
}

/* Two writers, one inside and one outside of the process. */
static void race_run(struct seal *self, int region, char *memory, uint64_t size)
{
	struct writer writer = { .memory = memory, .size = size };
	char *copy = malloc(size);
	unsigned int changed = 0, i;
	int round;
	pid_t child[2];

	ASSERT_NE(NULL, copy);
	writer.victim = getpid();
	for (i = 0; i < 2; i++) {
		writer.by_system_call = i;
		child[i] = fork();
		ASSERT_LE(0, child[i]);
		if (!child[i])
			write_for_ever(&writer);
	}
	for (round = 0; harness_once_more(round, RACE_ROUNDS); round++) {
		/* The second half only, so that its neighbours go on. */
		long long id = seal(region, size / 2, size / 2, self->ends[0]);

		ASSERT_LT(0, id);
		memcpy(copy, memory, size);
		sleep_ms(4);
		ASSERT_EQ(0, memcmp(copy + size / 2, memory + size / 2, size / 2));
		changed += !!memcmp(copy, memory, size / 2);
		ASSERT_EQ(0, unseal(self->ends[1], id));
	}
	/* They did write meanwhile. */
	EXPECT_LT(0, changed);
	for (i = 0; i < 2; i++) {
		kill(child[i], SIGKILL);
		EXPECT_EQ(256 + SIGKILL, reap(child[i]));
	}
	free(copy);
}

TEST_F_TIMEOUT(seal, wins_every_race_of_small_pages, 200)
{
	race_run(self, self->region, self->memory, SIZE);
}

TEST_F_TIMEOUT(seal, wins_every_race_in_a_block, 200)
{
	int region;
	char *memory = map_huge(self, &region);

	if (!memory)
		SKIP(return, "no 2 MiB block is free");
	race_run(self, region, memory, HUGE);
}

/* Readers that never rest are no reason to refuse. */
static void *read_for_ever(void *arg)
{
	volatile char *memory = arg;
	uint64_t at = 0;

	for (;;) {
		at = (at + PAGE) % SIZE;
		(void)memory[at];
	}

	return NULL;
}

TEST_F(seal, is_not_refused_because_of_readers)
{
	pthread_t thread[4];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(thread); i++)
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, read_for_ever, self->memory));
	for (i = 0; i < 300; i++) {
		long long id = seal(self->region, 0, SIZE, self->ends[0]);

		ASSERT_LT(0, id);
		ASSERT_EQ(0, unseal(self->ends[1], id));
	}
}

/* The holder goes at any time: no seal is left, and no other result. */
TEST_F(seal, while_the_holder_is_closed)
{
	int round, piped = 0, done = 0;

	for (round = 0; round < 300; round++) {
		int ends[2], sockets[2];
		long long id;
		pid_t child;

		ASSERT_EQ(0, channel_create(self->device, ends));
		ASSERT_TRUE(socket_pair(sockets));
		child = fork();
		ASSERT_LE(0, child);
		if (!child) {
			close(ends[0]);
			tell(sockets[1]);
			sched_yield();
			close(ends[1]);
			_exit(0);
		}
		close(ends[1]);
		ASSERT_TRUE(hear(sockets[0]));
		id = seal(self->region, 0, SIZE, ends[0]);
		if (id == -1) {
			ASSERT_EQ(EPIPE, errno);
			piped++;
		} else {
			done++;
		}
		ASSERT_EQ(0, reap(child));
		ASSERT_EQ(0, count_seals(self->region));
		close(ends[0]);
		close(sockets[0]);
		close(sockets[1]);
	}
	printf("# sealed %d times, EPIPE %d times\n", done, piped);
	EXPECT_EQ(0, touch_write(self->memory));
}

/* UNSEAL of ids not told yet. */
static void *unseal_for_ever(void *arg)
{
	const int *ends = arg;
	uint64_t id;

	for (id = 1;; id++)
		while (unseal(ends[1], id))
			sched_yield();

	return NULL;
}

TEST_F(seal, while_the_holder_guesses_the_id)
{
	pthread_t thread;
	int round;

	ASSERT_EQ(0, pthread_create(&thread, NULL, unseal_for_ever, self->ends));
	for (round = 1; round < 500; round++)
		ASSERT_EQ(round, seal(self->region, 0, SIZE, self->ends[0]));
	EXPECT_TRUE(EVENTUALLY(!count_seals(self->region)));
	EXPECT_EQ(0, touch_write(self->memory));
}

/* SEAL is killed at any time: if it was not done, nothing is sealed. */
TEST_F(seal, while_the_sealer_is_killed)
{
	int region = region_create_as(self->device, 32 << 20, SEALABLE), round;
	char *memory = map(region, 32 << 20, PROT_READ | PROT_WRITE);

	ASSERT_NE(MAP_FAILED, memory);
	for (round = 0; round < 60; round++) {
		pid_t child;
		int i, left;

		memset(memory, round, 32 << 20);
		child = fork();
		ASSERT_LE(0, child);
		if (!child) {
			for (;;)
				seal(region, 0, 32 << 20, self->ends[0]);
		}
		sleep_ms(1 + round % 7);
		ASSERT_EQ(0, kill(child, SIGKILL));
		ASSERT_EQ(256 + SIGKILL, reap(child));
		left = count_seals(region);
		ASSERT_LE(0, left);
		ASSERT_EQ(left ? SIGBUS : 0, touch_write(memory));
		ASSERT_EQ(left ? SIGBUS : 0, touch_write(memory + (32 << 20) - 1));
		close(self->ends[1]);
		close(self->ends[0]);
		ASSERT_EQ(0, count_seals(region));
		for (i = 0; i < 32 << 20; i += HUGE)
			ASSERT_EQ(0, touch_write(memory + i));
		ASSERT_EQ(0, channel_create(self->device, self->ends));
	}
}

HARNESS_MAIN
