// SPDX-License-Identifier: GPL-2.0-only
/* Regions: their sizes, their mappings, and that their pages stay. */
#include <linux/futex.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "harness.h"
#include "objects.h"

#define SIZE	(16 * PAGE)

FIXTURE(region) {
	int device;
	int fd;
	char *memory;
};

FIXTURE_SETUP(region)
{
	self->device = device_open();
	ASSERT_LE(0, self->device);
	self->fd = region_create(self->device, SIZE);
	ASSERT_LE(0, self->fd);
	self->memory = map(self->fd, SIZE, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, self->memory);
}

FIXTURE_TEARDOWN(region)
{
}

TEST_F(region, bad_sizes_are_refused)
{
	struct flowipc_query query = {};
	uint64_t used = used_total_bytes(self->device);
	int fds = count_fds();

	ASSERT_EQ(0, ioctl(self->device, FLOWIPC_IOC_QUERY, &query));

	EXPECT_ERRNO(EINVAL, region_create(self->device, 0));
	EXPECT_ERRNO(EINVAL, region_create(self->device, 1));
	EXPECT_ERRNO(EINVAL, region_create(self->device, PAGE - 1));
	EXPECT_ERRNO(EINVAL, region_create(self->device, PAGE + 1));
	EXPECT_ERRNO(EINVAL, region_create(self->device, UINT64_MAX));
	EXPECT_ERRNO(EFBIG, region_create(self->device, query.max_region_bytes + PAGE));
	EXPECT_ERRNO(EFBIG, region_create(self->device, 1ULL << 44));
	EXPECT_ERRNO(EFBIG, region_create(self->device, 1ULL << 63));
	EXPECT_ERRNO(EFBIG, region_create(self->device, UINT64_MAX - PAGE + 1));

	EXPECT_EQ(fds, count_fds());
	EXPECT_EQ(used, used_total_bytes(self->device));
}

TEST_F(region, pages_are_zeroed)
{
	static const char zero[PAGE];
	unsigned int i, round;
	char *memory;
	int fd;

	/* The second one is likely to get the pages of the first. */
	for (round = 0; round < 2; round++) {
		fd = region_create(self->device, 4 << 20);
		ASSERT_LE(0, fd);
		memory = map(fd, 4 << 20, PROT_READ | PROT_WRITE);
		ASSERT_NE(MAP_FAILED, memory);
		for (i = 0; i < (4 << 20) / PAGE; i++)
			ASSERT_EQ(0, memcmp(memory + i * PAGE, zero, PAGE));
		memset(memory, 0xaa, 4 << 20);
		ASSERT_EQ(0, munmap(memory, 4 << 20));
		ASSERT_EQ(0, close(fd));
	}
}

TEST_F(region, mappings_share_the_pages)
{
	char *again = map(self->fd, SIZE, PROT_READ | PROT_WRITE);
	char *third = map_at(self->fd, PAGE, PROT_READ, 3 * PAGE);

	ASSERT_NE(MAP_FAILED, again);
	ASSERT_NE(MAP_FAILED, third);
	self->memory[3 * PAGE + 5] = 42;
	EXPECT_EQ(42, again[3 * PAGE + 5]);
	EXPECT_EQ(42, third[5]);
	again[3 * PAGE + 5] = 43;
	EXPECT_EQ(43, self->memory[3 * PAGE + 5]);
	EXPECT_EQ(43, third[5]);
}

TEST_F(region, info_tells_how_it_was_made)
{
	struct flowipc_region_info info;

	ASSERT_EQ(0, region_info(self->fd, &info));
	EXPECT_EQ(SIZE, info.size);
	EXPECT_EQ(0, info.grants);
	EXPECT_EQ(0, info.claims);
	EXPECT_EQ(0, info.huge_bytes);
	EXPECT_LE(info.max_order, 4);
}

TEST_F(region, mapping_beyond_the_end_is_refused)
{
	EXPECT_ERRNO(EINVAL, map(self->fd, SIZE + PAGE, PROT_READ));
	EXPECT_ERRNO(EINVAL, map_at(self->fd, PAGE, PROT_READ, SIZE));
	EXPECT_ERRNO(EINVAL, map_at(self->fd, 2 * PAGE, PROT_READ, SIZE - PAGE));
	EXPECT_ERRNO(EINVAL, map_at(self->fd, PAGE, PROT_READ, 1ULL << 40));
	EXPECT_NE(MAP_FAILED, map_at(self->fd, PAGE, PROT_READ, SIZE - PAGE));
}

/* Page offsets near 2^52 are where offset plus length wraps around. */
TEST_F(region, huge_offsets_are_refused)
{
	uint64_t offset;
	unsigned int pages;

	for (offset = -8 * PAGE; offset; offset += PAGE)
		for (pages = 1; pages <= 16; pages++)
			EXPECT_EQ(MAP_FAILED, map_at(self->fd, pages * PAGE, PROT_READ, offset));
	for (offset = (1ULL << 63) - 8 * PAGE; offset < (1ULL << 63) + 8 * PAGE; offset += PAGE)
		EXPECT_EQ(MAP_FAILED, map_at(self->fd, 16 * PAGE, PROT_READ, offset));
}

TEST_F(region, private_mapping_is_refused)
{
	EXPECT_ERRNO(EINVAL, mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, self->fd, 0));
	EXPECT_ERRNO(EINVAL, mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, self->fd, 0));
}

TEST_F(region, is_never_executable)
{
	EXPECT_EQ(MAP_FAILED, map(self->fd, PAGE, PROT_READ | PROT_EXEC));
	EXPECT_TRUE(errno == EPERM || errno == EACCES);
	EXPECT_ERRNO(EACCES, mprotect(self->memory, PAGE, PROT_READ | PROT_EXEC));
	EXPECT_ERRNO(EACCES, mprotect(self->memory, PAGE, PROT_EXEC));
}

TEST_F(region, size_cannot_be_changed)
{
	struct stat status;
	char path[32];

	EXPECT_EQ(-1, ftruncate(self->fd, 0));
	EXPECT_EQ(-1, ftruncate(self->fd, 2 * SIZE));
	EXPECT_EQ(-1, fallocate(self->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->fd);
	EXPECT_EQ(-1, truncate(path, 0));

	ASSERT_EQ(0, fstat(self->fd, &status));
	EXPECT_EQ(SIZE, status.st_size);
	EXPECT_EQ(0, touch_write(self->memory + SIZE - 1));
}

TEST_F(region, parts_can_be_unmapped)
{
	int i;

	for (i = 0; i < 16; i++)
		self->memory[i * PAGE] = i;

	/* A hole in the middle makes two of one. */
	ASSERT_EQ(0, munmap(self->memory + 4 * PAGE, 4 * PAGE));
	for (i = 0; i < 16; i++) {
		bool hole = i >= 4 && i < 8;

		EXPECT_EQ(hole ? SIGSEGV : 0, touch_write(self->memory + i * PAGE));
		if (!hole)
			EXPECT_EQ(i, self->memory[i * PAGE]);
	}

	/* What is left goes on without the descriptor. */
	ASSERT_EQ(0, close(self->fd));
	EXPECT_EQ(3, self->memory[3 * PAGE]);
	ASSERT_EQ(0, munmap(self->memory, 4 * PAGE));
	EXPECT_EQ(15, self->memory[15 * PAGE]);
	EXPECT_EQ(SIGSEGV, touch_read(self->memory));
	ASSERT_EQ(0, munmap(self->memory + 8 * PAGE, 8 * PAGE));
}

TEST_F(region, protection_can_differ_by_page)
{
	ASSERT_EQ(0, mprotect(self->memory + PAGE, PAGE, PROT_READ));
	EXPECT_EQ(0, touch_write(self->memory));
	EXPECT_EQ(0, touch_read(self->memory + PAGE));
	EXPECT_EQ(SIGSEGV, touch_write(self->memory + PAGE));
	EXPECT_EQ(0, touch_write(self->memory + 2 * PAGE));
	ASSERT_EQ(0, mprotect(self->memory + PAGE, PAGE, PROT_READ | PROT_WRITE));
	EXPECT_EQ(0, touch_write(self->memory + PAGE));
}

TEST_F(region, mremap_moves_and_shrinks_but_does_not_grow)
{
	char *moved, *target;

	self->memory[7 * PAGE] = 77;
	EXPECT_ERRNO(EFAULT, mremap(self->memory, SIZE, 2 * SIZE, MREMAP_MAYMOVE));
	EXPECT_ERRNO(EFAULT, mremap(self->memory, PAGE, 2 * SIZE, MREMAP_MAYMOVE));
	/* An old length of 0 would make one more mapping. */
	EXPECT_EQ(MAP_FAILED, mremap(self->memory, 0, SIZE, MREMAP_MAYMOVE));

	target = mmap(NULL, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, target);
	moved = mremap(self->memory, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, target);
	ASSERT_EQ(target, moved);
	EXPECT_EQ(77, moved[7 * PAGE]);
	EXPECT_EQ(SIGSEGV, touch_read(self->memory));

	ASSERT_EQ(moved, mremap(moved, SIZE, 8 * PAGE, 0));
	EXPECT_EQ(77, moved[7 * PAGE]);
	EXPECT_EQ(SIGSEGV, touch_read(moved + 8 * PAGE));
}

/* It may leave a hole where it fails, but never a page of something else. */
TEST_F(region, remap_file_pages_is_checked_like_mmap)
{
	static const struct { uint64_t pages, first; } range[] = {
		{ 1, 16 }, { 2, 15 }, { 16, 1 }, { 1, (1ULL << 52) - 1 },
		{ 2, (1ULL << 52) - 1 }, { 1, 1ULL << 51 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(range); i++) {
		char *memory = map(self->fd, SIZE, PROT_READ | PROT_WRITE);

		ASSERT_NE(MAP_FAILED, memory);
		memory[0] = 100;
		EXPECT_EQ(-1, syscall(SYS_remap_file_pages, memory,
				      range[i].pages * PAGE, 0, range[i].first, 0));
		EXPECT_TRUE(touch_read(memory) == SIGSEGV || memory[0] == 100);
	}

	self->memory[15 * PAGE] = 15;
	ASSERT_EQ(0, syscall(SYS_remap_file_pages, self->memory, PAGE, 0, 15, 0));
	EXPECT_EQ(15, self->memory[0]);
}

TEST_F(region, advice_does_not_lose_the_pages)
{
	static const int advice[] = {
		MADV_DONTNEED, MADV_COLD, MADV_PAGEOUT, MADV_HUGEPAGE,
		MADV_NOHUGEPAGE, MADV_FREE, MADV_REMOVE, MADV_MERGEABLE,
	};
	unsigned int i, page;

	for (page = 0; page < 16; page++)
		self->memory[page * PAGE] = page;
	/* Some are refused; whatever they say, the data stays. */
	for (i = 0; i < ARRAY_SIZE(advice); i++) {
		madvise(self->memory, SIZE, advice[i]);
		for (page = 0; page < 16; page++)
			ASSERT_EQ(page, self->memory[page * PAGE]);
	}
	EXPECT_EQ(-1, madvise(self->memory, SIZE, MADV_REMOVE));
}

TEST_F(region, dropping_caches_does_not_lose_the_pages)
{
	/* One which nobody ever wrote to, and which looks like clean cache. */
	int untouched = region_create(self->device, SIZE);
	unsigned int page;
	char *memory;

	for (page = 0; page < 16; page++)
		self->memory[page * PAGE] = page;
	/* Unmapped pages are the easy prey. */
	ASSERT_EQ(0, munmap(self->memory, SIZE));
	ASSERT_TRUE(write_text("/proc/sys/vm/drop_caches", "3\n"));
	/* Compaction tries to move them. */
	write_text("/proc/sys/vm/compact_memory", "1\n");

	memory = map(self->fd, SIZE, PROT_READ);
	ASSERT_NE(MAP_FAILED, memory);
	for (page = 0; page < 16; page++)
		EXPECT_EQ(page, memory[page * PAGE]);

	memory = map(untouched, SIZE, PROT_READ);
	ASSERT_NE(MAP_FAILED, memory);
	for (page = 0; page < 16; page++)
		EXPECT_EQ(0, touch_read(memory + page * PAGE));
}

TEST_F(region, a_forked_child_shares_it)
{
	pid_t child;

	self->memory[0] = 1;
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		EXPECT_EQ(1, self->memory[0]);
		self->memory[0] = 2;
		_exit(0);
	}
	ASSERT_EQ(0, reap(child));
	EXPECT_EQ(2, self->memory[0]);
}

TEST_F(region, futexes_work_across_addresses)
{
	uint32_t *word = (uint32_t *)self->memory;
	uint32_t *other = map(self->fd, SIZE, PROT_READ | PROT_WRITE);
	struct timespec limit = { 30, 0 };
	pid_t child;

	ASSERT_NE(MAP_FAILED, other);
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		while (!__atomic_load_n(other, __ATOMIC_SEQ_CST))
			EXPECT_TRUE(!syscall(SYS_futex, other, FUTEX_WAIT, 0, &limit, NULL, 0) ||
				    errno == EAGAIN);
		_exit(0);
	}
	ASSERT_TRUE(EVENTUALLY(syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0) == 1));
	__atomic_store_n(word, 1, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
	ASSERT_EQ(0, reap(child));
}

/* The kernel reads and writes the pages like any others. */
TEST_F(region, can_be_the_buffer_of_a_system_call)
{
	char text[] = "from one process to itself", copy[sizeof(text)] = {};
	struct iovec local = { text, sizeof(text) };
	struct iovec remote = { self->memory, sizeof(text) };
	int ends[2];

	ASSERT_EQ((ssize_t)sizeof(text),
		  process_vm_writev(getpid(), &local, 1, &remote, 1, 0));
	ASSERT_STREQ(text, self->memory);

	ASSERT_EQ(0, pipe(ends));
	ASSERT_EQ((ssize_t)sizeof(text), write(ends[1], self->memory, sizeof(text)));
	ASSERT_EQ((ssize_t)sizeof(text), read(ends[0], copy, sizeof(text)));
	EXPECT_STREQ(text, copy);
}

TEST_F(region, mlock_and_populate_work)
{
	char *memory;

	ASSERT_EQ(0, mlock(self->memory, SIZE));
	ASSERT_EQ(0, munlock(self->memory, SIZE));
	memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_POPULATE | MAP_LOCKED, self->fd, 0);
	ASSERT_NE(MAP_FAILED, memory);
	EXPECT_EQ(0, touch_write(memory + SIZE - 1));
	ASSERT_EQ(0, munmap(memory, SIZE));
}

TEST_F(region, large_regions_are_mapped_by_2_mib)
{
	struct flowipc_region_info info;
	char *memory;
	int fd = region_create(self->device, 4 * HUGE + 3 * PAGE);
	uint64_t i;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, region_info(fd, &info));
	EXPECT_EQ(0, info.huge_bytes % HUGE);
	EXPECT_LE(info.huge_bytes, info.size);
	if (info.huge_bytes < 4 * HUGE)
		SKIP(return, "memory is fragmented: %llu bytes in huge blocks",
		     (unsigned long long)info.huge_bytes);
	EXPECT_EQ(9, info.max_order);

	memory = map(fd, info.size, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, memory);
	EXPECT_EQ(0, (uintptr_t)memory % HUGE);
	for (i = 0; i < info.size; i += PAGE)
		memory[i] = 1;
	EXPECT_EQ(4 * HUGE / 1024, smaps_kb(memory, "FilePmdMapped:"));

	/* Cut through the middle of one. */
	ASSERT_EQ(0, munmap(memory + HUGE + HUGE / 2, PAGE));
	EXPECT_EQ(SIGSEGV, touch_read(memory + HUGE + HUGE / 2));
	EXPECT_EQ(1, memory[HUGE + HUGE / 2 - PAGE]);
	EXPECT_EQ(1, memory[HUGE + HUGE / 2 + PAGE]);
	for (i = 0; i < HUGE; i += PAGE)
		ASSERT_EQ(1, memory[i]);
}

HARNESS_MAIN
