// SPDX-License-Identifier: GPL-2.0-only
/* The totals in debugfs: exact, after success and after failure. */
#include <sys/stat.h>

#include "harness.h"
#include "objects.h"

#define TOTALS		"/sys/kernel/debug/flowipc"

enum { REGIONS, REGION_BYTES, GRANTS, CLAIMS, SEALS, CHANNELS, KINDS };

static const char * const names[KINDS] = {
	"regions", "region_bytes", "grants", "claims", "seals", "channels",
};

struct numbers {
	long long of[KINDS];
};

static struct numbers numbers_now(void)
{
	struct numbers all;
	char path[64], text[32], *end;
	int i;

	for (i = 0; i < KINDS; i++) {
		snprintf(path, sizeof(path), TOTALS "/%s", names[i]);
		read_text(path, text, sizeof(text));
		all.of[i] = strtoll(text, &end, 10);
		ASSERT_TRUE(end != text && *end == '\n');
	}

	return all;
}

static bool grown(const struct numbers *from, int regions, long long bytes,
		  int grants, int claims, int channels)
{
	const long long by[KINDS] = {
		regions, bytes, grants, claims, 0, channels,
	};
	struct numbers now = numbers_now();
	int i;

	for (i = 0; i < KINDS; i++)
		if (now.of[i] - from->of[i] != by[i])
			return false;

	return true;
}

FIXTURE(totals) {
	int device;
	struct numbers start;
};

FIXTURE_SETUP(totals)
{
	if (access("/sys/kernel/debug", F_OK) || access(TOTALS, F_OK))
		SKIP(exit(0), "no debugfs");
	self->device = device_open();
	ASSERT_LE(0, self->device);
	/* Objects of the test before this one may still be on their way out. */
	sleep_ms(50);
	self->start = numbers_now();
}

FIXTURE_TEARDOWN(totals)
{
}

TEST_F(totals, each_object_counts_until_it_is_gone)
{
	int region, grant, claim, ends[2];
	char *mapping;

	region = region_create(self->device, 3 * PAGE);
	ASSERT_LE(0, region);
	EXPECT_TRUE(grown(&self->start, 1, 3 * PAGE, 0, 0, 0));
	grant = grant_create(region, 0, PAGE, READ);
	ASSERT_LE(0, grant);
	EXPECT_TRUE(grown(&self->start, 1, 3 * PAGE, 1, 0, 0));
	claim = grant_claim(grant);
	ASSERT_LE(0, claim);
	EXPECT_TRUE(grown(&self->start, 1, 3 * PAGE, 1, 1, 0));
	ASSERT_EQ(0, channel_create(self->device, ends));
	EXPECT_TRUE(grown(&self->start, 1, 3 * PAGE, 1, 1, 1));

	/* Revoked is not gone, and a mapping holds what its descriptor did. */
	ASSERT_EQ(0, grant_revoke(region, grant));
	EXPECT_TRUE(grown(&self->start, 1, 3 * PAGE, 1, 1, 1));
	mapping = map(region, PAGE, PROT_READ);
	ASSERT_NE(MAP_FAILED, mapping);
	ASSERT_EQ(0, close(region));
	ASSERT_EQ(0, close(grant));
	ASSERT_EQ(0, close(ends[0]));
	EXPECT_TRUE(grown(&self->start, 1, 3 * PAGE, 1, 1, 1));
	ASSERT_EQ(0, close(claim));
	ASSERT_EQ(0, close(ends[1]));
	EXPECT_TRUE(grown(&self->start, 1, 3 * PAGE, 0, 0, 0));
	ASSERT_EQ(0, munmap(mapping, PAGE));
	EXPECT_TRUE(EVENTUALLY(grown(&self->start, 0, 0, 0, 0, 0)));
}

TEST_F(totals, seals_count_until_they_are_broken)
{
	struct flowipc_seal seal = { .length = PAGE };
	int region = region_create_as(self->device, 2 * PAGE, FLOWIPC_REGION_SEALABLE);
	struct flowipc_unseal unseal;
	long long seals = self->start.of[SEALS];
	int ends[2], i;

	ASSERT_LE(0, region);
	ASSERT_EQ(0, channel_create(self->device, ends));
	seal.channel_fd = ends[0];
	for (i = 1; i <= 3; i++) {
		ASSERT_EQ(0, ioctl(region, FLOWIPC_IOC_SEAL, &seal));
		EXPECT_EQ(seals + i, numbers_now().of[SEALS]);
	}
	unseal = (struct flowipc_unseal){ .id = seal.id };
	ASSERT_EQ(0, ioctl(ends[1], FLOWIPC_IOC_UNSEAL, &unseal));
	EXPECT_EQ(seals + 2, numbers_now().of[SEALS]);
	ASSERT_EQ(0, close(ends[1]));
	EXPECT_EQ(seals, numbers_now().of[SEALS]);
	EXPECT_ERRNO(EPIPE, ioctl(region, FLOWIPC_IOC_SEAL, &seal));
	EXPECT_EQ(seals, numbers_now().of[SEALS]);
}

/* Each ioctl that makes something, into memory it cannot write to. */
TEST_F(totals, what_fails_late_leaves_nothing)
{
	char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int region = region_create(self->device, PAGE);
	int grant = grant_create(region, 0, PAGE, READ);

	ASSERT_NE(MAP_FAILED, page);
	ASSERT_LE(0, grant);
	EXPECT_TRUE(grown(&self->start, 1, PAGE, 1, 0, 0));
	*(struct flowipc_region_create *)page =
		(struct flowipc_region_create){ .size = 4 * PAGE };
	ASSERT_EQ(0, mprotect(page, PAGE, PROT_READ));
	EXPECT_ERRNO(EFAULT, ioctl(self->device, FLOWIPC_IOC_REGION_CREATE, page));
	ASSERT_EQ(0, mprotect(page, PAGE, PROT_READ | PROT_WRITE));
	*(struct flowipc_grant *)page = (struct flowipc_grant){ .length = PAGE, .rights = READ };
	ASSERT_EQ(0, mprotect(page, PAGE, PROT_READ));
	EXPECT_ERRNO(EFAULT, ioctl(region, FLOWIPC_IOC_GRANT, page));
	ASSERT_EQ(0, mprotect(page, PAGE, PROT_READ | PROT_WRITE));
	memset(page, 0, PAGE);
	ASSERT_EQ(0, mprotect(page, PAGE, PROT_READ));
	EXPECT_ERRNO(EFAULT, ioctl(grant, FLOWIPC_IOC_CLAIM, page));
	EXPECT_ERRNO(EFAULT, ioctl(self->device, FLOWIPC_IOC_CHANNEL_CREATE, page));
	EXPECT_TRUE(EVENTUALLY(grown(&self->start, 1, PAGE, 1, 0, 0)));
}

/* Makes one of each, and never ends. */
static void hold_everything(int device, int socket)
{
	int region = region_create(device, PAGE);
	int grant = grant_create(region, 0, PAGE, READ);
	int claim = grant_claim(grant);
	int ends[2];

	ASSERT_EQ(0, channel_create(device, ends));
	ASSERT_NE(MAP_FAILED, map(claim, PAGE, PROT_READ));
	tell(socket);
	channel_wait(ends[0], MESSAGE, FOREVER);
}

TEST_F(totals, a_killed_process_leaves_nothing)
{
	int sockets[2];
	pid_t child;

	ASSERT_TRUE(socket_pair(sockets));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		hold_everything(self->device, sockets[1]);
		_exit(1);
	}
	ASSERT_TRUE(hear(sockets[0]));
	EXPECT_TRUE(grown(&self->start, 1, PAGE, 1, 1, 1));
	ASSERT_EQ(0, kill(child, SIGKILL));
	ASSERT_EQ(256 + SIGKILL, reap(child));
	EXPECT_TRUE(EVENTUALLY(grown(&self->start, 0, 0, 0, 0, 0)));
}

TEST_F(totals, only_root_may_read_them)
{
	char path[64];
	struct stat stat_buf;
	int i;

	for (i = 0; i < KINDS; i++) {
		snprintf(path, sizeof(path), TOTALS "/%s", names[i]);
		ASSERT_EQ(0, stat(path, &stat_buf));
		EXPECT_EQ(0, stat_buf.st_mode & 0222);
	}
	ASSERT_TRUE(become_user());
	for (i = 0; i < KINDS; i++) {
		snprintf(path, sizeof(path), TOTALS "/%s", names[i]);
		EXPECT_EQ(-1, open(path, O_RDONLY | O_CLOEXEC));
	}
}

HARNESS_MAIN
