// SPDX-License-Identifier: GPL-2.0-only
/* Grants: what can be granted, and that no way leads past it. */
#include <linux/futex.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "harness.h"
#include "objects.h"

#define SIZE	(16 * PAGE)

/* A region of whose pages 4 to 7 @ro and @rw are claims. */
FIXTURE(grant) {
	int device;
	int region;
	char *memory;
	int ro_grant;
	int rw_grant;
	int ro;
	int rw;
};

FIXTURE_SETUP(grant)
{
	int i;

	self->device = device_open();
	ASSERT_LE(0, self->device);
	self->region = region_create(self->device, SIZE);
	ASSERT_LE(0, self->region);
	self->memory = map(self->region, SIZE, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, self->memory);
	for (i = 0; i < 16; i++)
		self->memory[i * PAGE] = i;

	self->ro_grant = grant_create(self->region, 4 * PAGE, 4 * PAGE, READ);
	ASSERT_LE(0, self->ro_grant);
	self->ro = grant_claim(self->ro_grant);
	ASSERT_LE(0, self->ro);
	self->rw_grant = grant_create(self->region, 4 * PAGE, 4 * PAGE, READ | WRITE);
	ASSERT_LE(0, self->rw_grant);
	self->rw = grant_claim(self->rw_grant);
	ASSERT_LE(0, self->rw);
}

FIXTURE_TEARDOWN(grant)
{
}

static char *map_ro(struct grant *self)
{
	char *memory = map_at(self->ro, 4 * PAGE, PROT_READ, 4 * PAGE);

	ASSERT_NE(MAP_FAILED, memory);

	return memory;
}

TEST_F(grant, bad_ranges_are_refused)
{
	static const struct { uint64_t offset, length; } range[] = {
		{ 0, 0 }, { PAGE, 0 }, { 0, 1 }, { 1, PAGE }, { 0, PAGE + 1 },
		{ PAGE / 2, PAGE / 2 }, { 0, SIZE + PAGE }, { SIZE, PAGE },
		{ PAGE, SIZE }, { SIZE - PAGE, 2 * PAGE }, { SIZE + PAGE, PAGE },
		/* Their sums wrap around to something that fits. */
		{ PAGE, -PAGE }, { 2 * PAGE, -PAGE }, { -PAGE, PAGE },
		{ -PAGE, 2 * PAGE }, { 1ULL << 63, 1ULL << 63 },
		{ 0, 1ULL << 63 }, { 0, -PAGE },
	};
	int fds = count_fds();
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(range); i++)
		EXPECT_ERRNO(EINVAL, grant_create(self->region, range[i].offset,
						  range[i].length, READ));
	EXPECT_EQ(fds, count_fds());
}

TEST_F(grant, bad_rights_are_refused)
{
	int bit;

	EXPECT_ERRNO(EINVAL, grant_create(self->region, 0, PAGE, 0));
	EXPECT_ERRNO(EINVAL, grant_create(self->region, 0, PAGE, WRITE));
	for (bit = 2; bit < 32; bit++)
		EXPECT_ERRNO(EINVAL, grant_create(self->region, 0, PAGE, READ | 1U << bit));
}

TEST_F(grant, bad_conditions_are_refused)
{
	/* An id without its flag, and ids which do not exist. */
	EXPECT_ERRNO(EINVAL, grant_create_for(self->region, 0, PAGE, READ, 0, USER, 0));
	EXPECT_ERRNO(EINVAL, grant_create_for(self->region, 0, PAGE, READ, 0, 0, GROUP));
	EXPECT_ERRNO(EINVAL, grant_create_for(self->region, 0, PAGE, READ,
					      FLOWIPC_GRANT_UID, USER, GROUP));
	EXPECT_ERRNO(EINVAL, grant_create_for(self->region, 0, PAGE, READ,
					      FLOWIPC_GRANT_UID, -1, 0));
	EXPECT_ERRNO(EINVAL, grant_create_for(self->region, 0, PAGE, READ,
					      FLOWIPC_GRANT_GID, 0, -1));
}

TEST_F(grant, ids_are_those_of_the_user_namespace)
{
	if (unshare(CLONE_NEWUSER))
		SKIP(return, "no user namespaces: %s", strerror(errno));

	/* Nothing is mapped in it yet. */
	EXPECT_ERRNO(EINVAL, grant_create_for(self->region, 0, PAGE, READ,
					      FLOWIPC_GRANT_UID, USER, 0));
	EXPECT_ERRNO(EINVAL, grant_create_for(self->region, 0, PAGE, READ,
					      FLOWIPC_GRANT_GID, 0, GROUP));
	EXPECT_LE(0, grant_create(self->region, 0, PAGE, READ));
}

TEST_F(grant, info_counts_grants)
{
	struct flowipc_region_info info;
	int extra = grant_create(self->region, 0, SIZE, READ);

	ASSERT_LE(0, extra);
	ASSERT_EQ(0, region_info(self->region, &info));
	EXPECT_EQ(3, info.grants);
	EXPECT_EQ(2, info.claims);
	ASSERT_EQ(0, close(extra));
	ASSERT_EQ(0, close(self->rw));
	ASSERT_EQ(0, region_info(self->region, &info));
	EXPECT_EQ(2, info.grants);
	EXPECT_EQ(1, info.claims);
	ASSERT_EQ(0, close(self->rw_grant));
	ASSERT_EQ(0, region_info(self->region, &info));
	EXPECT_EQ(1, info.grants);
	/* The claim needs no descriptor of its grant, which goes on with it. */
	ASSERT_EQ(0, close(self->ro_grant));
	ASSERT_EQ(0, region_info(self->region, &info));
	EXPECT_EQ(1, info.grants);
	EXPECT_EQ(1, info.claims);
}

TEST_F(grant, shows_the_owners_memory)
{
	char *memory = map_ro(self);
	int i;

	for (i = 0; i < 4; i++)
		EXPECT_EQ(4 + i, memory[i * PAGE]);
	self->memory[5 * PAGE + 9] = 99;
	EXPECT_EQ(99, memory[PAGE + 9]);
}

TEST_F(grant, write_right_writes_the_owners_memory)
{
	char *memory = map_at(self->rw, 4 * PAGE, PROT_READ | PROT_WRITE, 4 * PAGE);

	ASSERT_NE(MAP_FAILED, memory);
	memory[0] = 44;
	EXPECT_EQ(44, self->memory[4 * PAGE]);
}

TEST_F(grant, the_window_is_enforced)
{
	const int claims[] = { self->ro, self->rw };
	uint64_t first, pages, offset;
	int i;

	for (i = 0; i < 2; i++) {
		for (first = 0; first < 18; first++) {
			for (pages = 1; pages < 18; pages++) {
				void *memory = map_at(claims[i], pages * PAGE,
						      PROT_READ, first * PAGE);

				if (first >= 4 && first + pages <= 8) {
					EXPECT_NE(MAP_FAILED, memory);
					munmap(memory, pages * PAGE);
				} else {
					EXPECT_ERRNO(EINVAL, memory);
				}
			}
		}
		for (offset = -4 * PAGE; offset; offset += PAGE)
			for (pages = 1; pages < 16; pages++)
				EXPECT_EQ(MAP_FAILED, map_at(claims[i], pages * PAGE,
							     PROT_READ, offset));
	}
}

TEST_F(grant, the_window_holds_for_mremap)
{
	char *memory = map_ro(self);

	EXPECT_ERRNO(EFAULT, mremap(memory, 4 * PAGE, 5 * PAGE, MREMAP_MAYMOVE));
	EXPECT_ERRNO(EFAULT, mremap(memory, PAGE, 8 * PAGE, MREMAP_MAYMOVE));
	EXPECT_EQ(MAP_FAILED, mremap(memory, 0, 8 * PAGE, MREMAP_MAYMOVE));
	EXPECT_EQ(4, memory[0]);
}

TEST_F(grant, the_window_holds_for_remap_file_pages)
{
	const int claims[] = { self->ro, self->rw };
	static const int first[] = { 0, 3, 8, 15, 16 };
	unsigned int i, k;

	for (i = 0; i < 2; i++) {
		for (k = 0; k < ARRAY_SIZE(first); k++) {
			char *memory = map_at(claims[i], PAGE, PROT_READ, 4 * PAGE);

			ASSERT_NE(MAP_FAILED, memory);
			EXPECT_EQ(-1, syscall(SYS_remap_file_pages, memory,
					      PAGE, 0, first[k], 0));
			EXPECT_TRUE(touch_read(memory) == SIGSEGV || memory[0] == 4);
		}
	}
}

TEST_F(grant, private_mapping_is_refused)
{
	EXPECT_ERRNO(EINVAL, mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, self->ro, 4 * PAGE));
	EXPECT_ERRNO(EINVAL, mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE,
				  self->ro, 4 * PAGE));
	EXPECT_ERRNO(EINVAL, mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE,
				  self->rw, 4 * PAGE));
}

TEST_F(grant, is_never_executable)
{
	char *memory = map_ro(self);

	EXPECT_EQ(MAP_FAILED, map_at(self->ro, PAGE, PROT_READ | PROT_EXEC, 4 * PAGE));
	EXPECT_EQ(MAP_FAILED, map_at(self->rw, PAGE, PROT_READ | PROT_EXEC, 4 * PAGE));
	EXPECT_ERRNO(EACCES, mprotect(memory, PAGE, PROT_READ | PROT_EXEC));
}

TEST_F(grant, read_only_mapping_cannot_be_writable)
{
	char *memory = map_ro(self);
	char *none = map_at(self->ro, PAGE, PROT_NONE, 4 * PAGE);

	EXPECT_ERRNO(EACCES, map_at(self->ro, PAGE, PROT_READ | PROT_WRITE, 4 * PAGE));
	EXPECT_ERRNO(EACCES, map_at(self->ro, PAGE, PROT_WRITE, 4 * PAGE));
	EXPECT_ERRNO(EACCES, mprotect(memory, PAGE, PROT_READ | PROT_WRITE));
	EXPECT_ERRNO(EACCES, mprotect(memory, PAGE, PROT_WRITE));
	ASSERT_NE(MAP_FAILED, none);
	EXPECT_ERRNO(EACCES, mprotect(none, PAGE, PROT_READ | PROT_WRITE));

	EXPECT_EQ(SIGSEGV, touch_write(memory));
	EXPECT_EQ(4, self->memory[4 * PAGE]);
}

TEST_F(grant, read_only_mapping_cannot_be_forced)
{
	char *memory = map_ro(self);
	char byte = 111;
	struct iovec local = { &byte, 1 };
	struct iovec remote = { memory, 1 };
	int fd = open("/proc/self/mem", O_RDWR);
	pid_t child;

	ASSERT_LE(0, fd);
	/* Reading is allowed, and faults the page in. */
	ASSERT_EQ(1, pread(fd, &byte, 1, (off_t)(uintptr_t)memory));
	EXPECT_EQ(4, byte);
	byte = 111;
	EXPECT_EQ(-1, pwrite(fd, &byte, 1, (off_t)(uintptr_t)memory));
	EXPECT_EQ(-1, process_vm_writev(getpid(), &local, 1, &remote, 1, 0));

	/* Nor by another process, which is root. */
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		char path[32];

		EXPECT_EQ(-1, process_vm_writev(getppid(), &local, 1, &remote, 1, 0));
		snprintf(path, sizeof(path), "/proc/%d/mem", getppid());
		fd = open(path, O_RDWR);
		ASSERT_LE(0, fd);
		EXPECT_EQ(-1, pwrite(fd, &byte, 1, (off_t)(uintptr_t)memory));
		_exit(0);
	}
	ASSERT_EQ(0, reap(child));

	EXPECT_EQ(4, memory[0]);
	EXPECT_EQ(4, self->memory[4 * PAGE]);
}

/* A system call that writes into the mapping. */
TEST_F(grant, read_only_mapping_cannot_be_a_buffer_to_fill)
{
	char *memory = map_ro(self);
	int ends[2];

	ASSERT_EQ(0, pipe(ends));
	ASSERT_EQ(1, write(ends[1], "x", 1));
	EXPECT_ERRNO(EFAULT, read(ends[0], memory, 1));
	/* As the buffer to read from it will do. */
	EXPECT_EQ(1, write(ends[1], memory, 1));
	EXPECT_EQ(4, self->memory[4 * PAGE]);
}

TEST_F(grant, the_descriptor_cannot_be_upgraded)
{
	char *memory = map_ro(self);
	char path[80];

	EXPECT_EQ(O_RDONLY, fcntl(self->ro, F_GETFL) & O_ACCMODE);
	EXPECT_EQ(O_RDWR, fcntl(self->rw, F_GETFL) & O_ACCMODE);
	fcntl(self->ro, F_SETFL, O_RDWR);
	EXPECT_EQ(O_RDONLY, fcntl(self->ro, F_GETFL) & O_ACCMODE);

	EXPECT_EQ(-1, open_fd_again(self->ro, O_RDWR));
	EXPECT_EQ(-1, open_fd_again(self->ro, O_RDONLY));
	EXPECT_EQ(-1, open_fd_again(self->ro, O_WRONLY));
	fchmod(self->ro, 0777);
	EXPECT_EQ(-1, open_fd_again(self->ro, O_RDWR));

	/* Root can reach the file of a mapping this way too. */
	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx",
		 (unsigned long)memory, (unsigned long)(memory + 4 * PAGE));
	EXPECT_EQ(-1, open(path, O_RDWR));
	EXPECT_EQ(-1, open(path, O_RDONLY));
}

/* Nothing can be mapped with the ticket. */
TEST_F(grant, is_not_mapped)
{
	EXPECT_ERRNO(ENODEV, map_at(self->ro_grant, PAGE, PROT_READ, 4 * PAGE));
	EXPECT_ERRNO(ENODEV, map_at(self->rw_grant, PAGE, PROT_READ, 4 * PAGE));
}

TEST_F(grant, is_not_the_region)
{
	struct flowipc_grant grant = {
		.offset = 4 * PAGE, .length = PAGE, .rights = READ,
	};
	const int not_regions[] = { self->rw_grant, self->rw };
	struct flowipc_revoke revoke = { .grant_fd = self->ro_grant };
	struct flowipc_region_info info = {};
	int i;

	for (i = 0; i < 2; i++) {
		EXPECT_ERRNO(ENOTTY, ioctl(not_regions[i], FLOWIPC_IOC_GRANT, &grant));
		EXPECT_ERRNO(ENOTTY, ioctl(not_regions[i], FLOWIPC_IOC_REVOKE, &revoke));
		EXPECT_ERRNO(ENOTTY, ioctl(not_regions[i], FLOWIPC_IOC_REGION_INFO, &info));
		EXPECT_EQ(-1, ftruncate(not_regions[i], 0));
		EXPECT_EQ(-1, fallocate(not_regions[i], 0, 0, PAGE));
	}
	EXPECT_ERRNO(ENOTTY, grant_claim(self->rw));
}

TEST_F(grant, tells_who_made_the_region)
{
	struct stat status;

	ASSERT_EQ(0, fstat(self->ro, &status));
	EXPECT_EQ(geteuid(), status.st_uid);
	EXPECT_EQ(SIZE, status.st_size);
}

/* A reader can sleep on a word, and wake the writer, without writing. */
TEST_F(grant, futexes_work_through_a_read_only_mapping)
{
	uint32_t *word = (uint32_t *)(self->memory + 4 * PAGE);
	struct timespec limit = { 30, 0 };
	int sockets[2];
	pid_t child;

	ASSERT_TRUE(socket_pair(sockets));
	*word = 0;
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		int claim = grant_claim(recv_fd(sockets[1]));
		uint32_t *mine = map_at(claim, PAGE, PROT_READ, 4 * PAGE);

		ASSERT_NE(MAP_FAILED, mine);
		while (!__atomic_load_n(mine, __ATOMIC_SEQ_CST))
			EXPECT_TRUE(!syscall(SYS_futex, mine, FUTEX_WAIT, 0, &limit, NULL, 0) ||
				    errno == EAGAIN);
		/* Now the other way round. */
		ASSERT_TRUE(EVENTUALLY(syscall(SYS_futex, mine, FUTEX_WAKE, 1,
					       NULL, NULL, 0) == 1));
		_exit(0);
	}
	ASSERT_TRUE(send_fd(sockets[0], grant_create(self->region, 4 * PAGE, PAGE, READ)));
	ASSERT_TRUE(EVENTUALLY(syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0) == 1));
	__atomic_store_n(word, 1, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
	ASSERT_EQ(0, syscall(SYS_futex, word, FUTEX_WAIT, 1, &limit, NULL, 0));
	ASSERT_EQ(0, reap(child));
}

TEST_F(grant, large_grants_are_mapped_by_2_mib)
{
	struct flowipc_region_info info;
	int region = region_create(self->device, 4 * HUGE);
	char *memory, *mine;
	int claim;

	ASSERT_LE(0, region);
	ASSERT_EQ(0, region_info(region, &info));
	if (info.huge_bytes < 4 * HUGE)
		SKIP(return, "memory is fragmented");
	memory = map(region, 4 * HUGE, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, memory);
	memset(memory, 7, 4 * HUGE);

	/* Not on a 2 MiB boundary at either end: still only this window. */
	claim = grant_claim(grant_create(region, HUGE - PAGE, 2 * HUGE, READ));
	ASSERT_LE(0, claim);
	EXPECT_ERRNO(EINVAL, map_at(claim, 2 * HUGE, PROT_READ, HUGE));
	mine = map_at(claim, 2 * HUGE, PROT_READ, HUGE - PAGE);
	ASSERT_NE(MAP_FAILED, mine);
	EXPECT_EQ(7, mine[0]);
	EXPECT_EQ(7, mine[PAGE]);
	EXPECT_EQ(7, mine[2 * HUGE - 1]);

	EXPECT_EQ(HUGE / 1024, smaps_kb(mine, "FilePmdMapped:"));
}

HARNESS_MAIN
