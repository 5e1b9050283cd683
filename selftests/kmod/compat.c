// SPDX-License-Identifier: GPL-2.0-only
/*
 * 32-bit processes on a 64-bit kernel: the program compat32 beside this one uses
 * each part of the interface, and so does a 64-bit process with the 32-bit
 * system calls.
 */
#include <libgen.h>

#include "compat-layout.h"
#include "harness.h"
#include "objects.h"

/* An exit status that compat32 does not have. */
#define CANNOT_RUN	77

static void use32(const char *part)
{
	char path[4096] = {};
	char *directory;
	pid_t child;
	int status;

	ASSERT_LT(0, readlink("/proc/self/exe", path, sizeof(path) - 16));
	directory = dirname(path);
	strcat(directory, "/compat32");
	if (access(directory, X_OK))
		SKIP(return, "no compat32: this compiler makes no 32-bit programs");

	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		fflush(stdout);
		execl(directory, "compat32", part, NULL);
		_exit(errno == ENOEXEC ? CANNOT_RUN : 1);
	}
	status = reap(child);
	if (status == CANNOT_RUN)
		SKIP(return, "this kernel runs no 32-bit programs");
	EXPECT_EQ(0, status);
}

TEST(compat_device)
{
	use32("device");
}

TEST(compat_region)
{
	use32("region");
}

TEST(compat_grant_claim_revoke)
{
	use32("grant");
}

TEST(compat_identity)
{
	use32("identity");
}

TEST(compat_channel)
{
	use32("channel");
}

TEST(compat_eventfd)
{
	use32("eventfd");
}

TEST(compat_seal)
{
	use32("seal");
}

TEST(compat_strict)
{
	use32("strict");
}

#ifdef __x86_64__
static int ioctl_compat(int fd, unsigned int command, void *argument)
{
	int result;

	/* The 32-bit system call of a 64-bit process; pointers below 4 GiB. */
	asm volatile("int $0x80"
		     : "=a" (result)
		     : "a" (54), "b" (fd), "c" (command), "d" (argument)
		     : "memory", "r8", "r9", "r10", "r11");

	return result;
}

/* Where no 32-bit program could be made, this is left. */
TEST(compat_calls_of_a_64_bit_process)
{
	union {
		struct flowipc_query query;
		struct flowipc_region_create region;
		struct flowipc_region_info info;
		struct flowipc_grant grant;
		struct flowipc_claim claim;
		struct flowipc_channel_create channel;
		struct flowipc_kick kick;
		struct flowipc_wait wait;
	} *arg;
	int device = device_open(), region, grant, ends[2];
	pid_t child;

	/* A kernel without the 32-bit system calls kills it. */
	child = fork();
	ASSERT_LE(0, child);
	if (!child)
		_exit(ioctl_compat(-1, 0, NULL) == -EBADF ? 0 : 1);
	if (reap(child))
		SKIP(return, "no 32-bit system calls");

	arg = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	ASSERT_NE(MAP_FAILED, arg);

	ASSERT_EQ(0, ioctl_compat(device, FLOWIPC_IOC_QUERY, arg));
	EXPECT_EQ(PAGE, arg->query.page_bytes);

	arg->region = (struct flowipc_region_create){ .size = 8 * PAGE };
	ASSERT_EQ(0, ioctl_compat(device, FLOWIPC_IOC_REGION_CREATE, arg));
	region = arg->region.fd;

	arg->grant = (struct flowipc_grant){
		.offset = PAGE, .length = 2 * PAGE, .rights = READ,
	};
	ASSERT_EQ(0, ioctl_compat(region, FLOWIPC_IOC_GRANT, arg));
	grant = arg->grant.fd;

	arg->claim = (struct flowipc_claim){};
	ASSERT_EQ(0, ioctl_compat(grant, FLOWIPC_IOC_CLAIM, arg));
	EXPECT_EQ(PAGE, arg->claim.offset);
	EXPECT_EQ(8 * PAGE, arg->claim.region_size);

	arg->info = (struct flowipc_region_info){};
	ASSERT_EQ(0, ioctl_compat(region, FLOWIPC_IOC_REGION_INFO, arg));
	EXPECT_EQ(1, arg->info.claims);

	arg->channel = (struct flowipc_channel_create){};
	ASSERT_EQ(0, ioctl_compat(device, FLOWIPC_IOC_CHANNEL_CREATE, arg));
	memcpy(ends, arg->channel.fd, sizeof(ends));

	arg->kick = (struct flowipc_kick){ .events = SPACE };
	ASSERT_EQ(0, ioctl_compat(ends[0], FLOWIPC_IOC_KICK, arg));
	arg->wait = (struct flowipc_wait){
		.events = MESSAGE | SPACE, .deadline_ns = FOREVER,
	};
	ASSERT_EQ(0, ioctl_compat(ends[1], FLOWIPC_IOC_WAIT, arg));
	EXPECT_EQ(SPACE, arg->wait.events);
}
#endif

HARNESS_MAIN
