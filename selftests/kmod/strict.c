// SPDX-License-Identifier: GPL-2.0-only
/* STRICT regions: nobody has a page who has no mapping of it. */
#include <elf.h>

#include "harness.h"
#include "objects.h"
#include "pin.h"

#define SIZE	(16 * PAGE)
#define STRICT	FLOWIPC_REGION_STRICT

FIXTURE(strict) {
	int device;
	int region;
	char *memory;
};

FIXTURE_SETUP(strict)
{
	self->device = device_open();
	ASSERT_LE(0, self->device);
	self->region = region_create_as(self->device, SIZE, STRICT);
	ASSERT_LE(0, self->region);
	self->memory = map(self->region, SIZE, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, self->memory);
}

FIXTURE_TEARDOWN(strict)
{
}

TEST_F(strict, flags)
{
	struct flowipc_query query = {};
	struct flowipc_region_info info;

	ASSERT_EQ(0, ioctl(self->device, FLOWIPC_IOC_QUERY, &query));
	EXPECT_TRUE(query.features & FLOWIPC_FEATURE_STRICT);
	EXPECT_ERRNO(EINVAL, region_create_as(self->device, SIZE,
					      STRICT | FLOWIPC_REGION_SEALABLE));
	EXPECT_ERRNO(EINVAL, region_create_as(self->device, SIZE, 1U << 31));

	ASSERT_EQ(0, region_info(self->region, &info));
	EXPECT_EQ(STRICT, info.region_flags);
	ASSERT_EQ(0, region_info(region_create(self->device, SIZE), &info));
	EXPECT_EQ(0, info.region_flags);
}

TEST_F(strict, mappings_share_the_pages)
{
	int claim = grant_claim(grant_create(self->region, 4 * PAGE, 4 * PAGE, READ | WRITE));
	char *again = map_at(self->region, PAGE, PROT_READ, 5 * PAGE);
	char *peer = map_at(claim, 4 * PAGE, PROT_READ | PROT_WRITE, 4 * PAGE);
	unsigned int i;

	ASSERT_NE(MAP_FAILED, again);
	ASSERT_NE(MAP_FAILED, peer);
	for (i = 0; i < SIZE; i++)
		ASSERT_EQ(0, self->memory[i]);
	peer[PAGE] = 5;
	EXPECT_EQ(5, self->memory[5 * PAGE]);
	EXPECT_EQ(5, again[0]);
	self->memory[5 * PAGE] = 6;
	EXPECT_EQ(6, peer[PAGE]);
}

TEST_F(strict, large_ones_are_mapped_in_small_pages)
{
	struct flowipc_region_info info;
	int region = region_create_as(self->device, 4 * HUGE, STRICT);
	char *memory = map(region, 4 * HUGE, PROT_READ | PROT_WRITE);

	ASSERT_NE(MAP_FAILED, memory);
	memset(memory, 1, 4 * HUGE);
	EXPECT_EQ(0, smaps_kb(memory, "FilePmdMapped:"));
	EXPECT_EQ(0, smaps_kb(memory, "Rss:"));
	ASSERT_EQ(0, region_info(region, &info));
	EXPECT_EQ(0, info.huge_bytes);
}

/* Whether the mapping at @address has @flag in its VmFlags. */
static bool has_vm_flag(const void *address, const char *flag)
{
	FILE *smaps = fopen("/proc/self/smaps", "r");
	unsigned long start, end;
	bool inside = false, has = false;
	char line[512];

	while (smaps && fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside = start == (uintptr_t)address;
		else if (inside && !strncmp(line, "VmFlags:", 8))
			has = strstr(line, flag);
	}
	if (smaps)
		fclose(smaps);

	return has;
}

TEST_F(strict, core_dumps_leave_it_out)
{
	EXPECT_TRUE(has_vm_flag(self->memory, " dd"));
	EXPECT_ERRNO(EINVAL, madvise(self->memory, SIZE, MADV_DODUMP));
	EXPECT_TRUE(has_vm_flag(self->memory, " dd"));
}

TEST_F(strict, mapping_does_not_grow)
{
	char *page = map(self->region, PAGE, PROT_READ);

	ASSERT_NE(MAP_FAILED, page);
	EXPECT_EQ(MAP_FAILED, mremap(page, PAGE, 2 * PAGE, MREMAP_MAYMOVE));
	EXPECT_EQ(MAP_FAILED, mremap(page, 0, PAGE, MREMAP_MAYMOVE));
	/* To another address it may go. */
	page = mremap(self->memory, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED,
		      mmap(NULL, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	ASSERT_NE(MAP_FAILED, page);
	EXPECT_EQ(0, touch_write(page));
}

/* fork() copies the page tables of such a mapping, if it copies the mapping. */
TEST_F(strict, a_claim_is_not_inherited)
{
	int claim = grant_claim(grant_create(self->region, 0, SIZE, READ));
	char *memory = map(claim, SIZE, PROT_READ);
	pid_t child;

	ASSERT_NE(MAP_FAILED, memory);
	ASSERT_EQ(0, touch_read(memory));
	EXPECT_ERRNO(EINVAL, madvise(memory, SIZE, MADV_DOFORK));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		EXPECT_EQ(SIGSEGV, touch_read(memory));
		_exit(0);
	}
	ASSERT_EQ(0, reap(child));
}

static void attempt_all(char *address, bool writable)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(pin_attempts); i++) {
		int error = pin_attempts[i].attempt(address);

		if (error == PIN_ABSENT) {
			printf("# not here: %s\n", pin_attempts[i].name);
			continue;
		}
		if (error != EFAULT && error != EIO) {
			printf("# %s of a %s page: errno %d\n", pin_attempts[i].name,
			       writable ? "writable" : "read-only", error);
			harness_fail(false);
		}
	}
}

TEST_F(strict, cannot_be_pinned)
{
	int claim = grant_claim(grant_create(self->region, 0, SIZE, READ));
	char *memory = map(claim, SIZE, PROT_READ);
	unsigned int i;

	ASSERT_NE(MAP_FAILED, memory);

	/* Never touched, just read, just written. */
	attempt_all(self->memory, true);
	ASSERT_EQ(0, touch_read(self->memory + PAGE));
	attempt_all(self->memory + PAGE, true);
	ASSERT_EQ(0, touch_write(self->memory + 2 * PAGE));
	attempt_all(self->memory + 2 * PAGE, true);

	attempt_all(memory, false);
	ASSERT_EQ(0, touch_read(memory + PAGE));
	attempt_all(memory + PAGE, false);

	for (i = 0; i < SIZE; i++)
		ASSERT_EQ(0, self->memory[i]);
}

/* The same attempts succeed elsewhere, so it is not they that are wrong. */
TEST_F(strict, others_can_be_pinned)
{
	char *memory = map(region_create(self->device, SIZE), SIZE,
			   PROT_READ | PROT_WRITE);
	unsigned int i;

	ASSERT_NE(MAP_FAILED, memory);
	for (i = 0; i < ARRAY_SIZE(pin_attempts); i++) {
		int error = pin_attempts[i].attempt(memory);

		/* Before 6.5 io_uring takes no pages of files. */
		if (error == PIN_ABSENT || error == EOPNOTSUPP)
			continue;
		if (error) {
			printf("# %s: errno %d\n", pin_attempts[i].name, error);
			harness_fail(false);
		}
	}
}

TEST_F(strict, plain_system_calls_work)
{
	int ends[2];

	ASSERT_EQ(0, pipe(ends));
	memset(self->memory, 7, PAGE);
	ASSERT_EQ(PAGE, write(ends[1], self->memory, PAGE));
	ASSERT_EQ(PAGE, read(ends[0], self->memory + PAGE, PAGE));
	EXPECT_EQ(7, self->memory[2 * PAGE - 1]);
}

/* What the peer has in its hands afterwards is nothing, whatever it tried. */
TEST_F(strict, revocation_is_absolute)
{
	int grant = grant_create(self->region, 0, SIZE, READ | WRITE);
	int sockets[2], status;
	pid_t child;

	ASSERT_TRUE(socket_pair(sockets));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		struct iovec vector;
		int ends[2], i;
		char *memory;

		memory = map(grant_claim(grant), SIZE, PROT_READ | PROT_WRITE);
		ASSERT_NE(MAP_FAILED, memory);
		for (i = 0; i < 8; i++)
			ASSERT_EQ(0, touch_write(memory + i * PAGE));
		vector = (struct iovec){ memory, SIZE };
		ASSERT_EQ(0, pipe2(ends, O_NONBLOCK));
		EXPECT_ERRNO(EFAULT, vmsplice(ends[1], &vector, 1, 0));
		ASSERT_TRUE(tell(sockets[1]));
		ASSERT_TRUE(hear(sockets[1]));
		for (i = 0; i < 16; i++) {
			EXPECT_EQ(SIGBUS, touch_read(memory + i * PAGE));
			EXPECT_EQ(SIGBUS, touch_write(memory + i * PAGE));
			attempt_all(memory + i * PAGE, true);
		}
		EXPECT_ERRNO(EAGAIN, read(ends[0], &i, 1));
		_exit(0);
	}
	ASSERT_TRUE(hear(sockets[0]));
	ASSERT_EQ(0, grant_revoke(self->region, grant));
	memset(self->memory, 99, SIZE);
	ASSERT_TRUE(tell(sockets[0]));
	status = reap(child);
	ASSERT_EQ(0, status);
	for (status = 0; status < (int)SIZE; status++)
		ASSERT_EQ(99, self->memory[status]);
}

/*
 * How many blocks of the machine's memory have @mark at MARK_OFFSET, as the
 * kernel sees it; -1 when it does not show. The word that is read is itself at
 * another offset.
 */
#define MARK_OFFSET	128

static int count_marked(uint64_t mark)
{
	static struct {
		_Alignas(4096) char other[2 * MARK_OFFSET];
		uint64_t seen;
	} word;
	int core = open("/proc/kcore", O_RDONLY | O_CLOEXEC), count = 0, i;
	Elf64_Phdr segment;
	Elf64_Ehdr header;
	uint64_t at;

	if (core == -1 || pread(core, &header, sizeof(header), 0) != sizeof(header))
		return -1;
	for (i = 0; i < header.e_phnum; i++) {
		if (pread(core, &segment, sizeof(segment), header.e_phoff +
			  i * sizeof(segment)) != sizeof(segment))
			return -1;
		/* The others are not memory, but views of it. */
		if (segment.p_type != PT_LOAD || segment.p_paddr == (uint64_t)-1)
			continue;
		at = (segment.p_paddr + HUGE - 1) / HUGE * HUGE - segment.p_paddr;
		for (; at < segment.p_filesz; at += HUGE)
			if (pread(core, &word.seen, 8, segment.p_offset + at + MARK_OFFSET) == 8)
				count += word.seen == mark;
	}
	close(core);

	return count;
}

TEST_F(strict, is_cleared_when_freed)
{
	int region = region_create_as(self->device, 8 * HUGE, STRICT), marked, i;
	char *memory = map(region, 8 * HUGE, PROT_READ | PROT_WRITE);
	/* Nowhere else in memory. */
	uint64_t mark = now_ns() * 0x9e3779b97f4a7c15;

	ASSERT_NE(MAP_FAILED, memory);
	for (i = 0; i < 8; i++)
		*(volatile uint64_t *)(memory + i * HUGE + MARK_OFFSET) = mark;
	marked = count_marked(mark);
	if (marked == -1)
		SKIP(return, "no /proc/kcore");
	if (!marked)
		SKIP(return, "no 2 MiB block is free");
	ASSERT_EQ(8, marked);
	ASSERT_EQ(0, munmap(memory, 8 * HUGE));
	ASSERT_EQ(0, close(region));
	EXPECT_EQ(0, count_marked(mark));
}

TEST_F(strict, is_counted_like_any_other)
{
	uint64_t used = used_total_bytes(self->device);
	int region = region_create_as(self->device, HUGE, STRICT);

	ASSERT_LE(0, region);
	EXPECT_EQ(used + HUGE, used_total_bytes(self->device));
	ASSERT_EQ(0, close(region));
	EXPECT_TRUE(EVENTUALLY(used_total_bytes(self->device) == used));
}

HARNESS_MAIN
