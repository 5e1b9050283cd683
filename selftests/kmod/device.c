// SPDX-License-Identifier: GPL-2.0-only
/* What holds for every ioctl, and what the device itself does. */
#include <sys/stat.h>

#include "harness.h"
#include "objects.h"

/* One of each kind, by name. */
FIXTURE(objects) {
	int device;
	int region;
	int grant;
	int ends[2];
};

FIXTURE_SETUP(objects)
{
	self->device = device_open();
	ASSERT_LE(0, self->device);
	self->region = region_create(self->device, 4 * PAGE);
	ASSERT_LE(0, self->region);
	self->grant = grant_create(self->region, 0, PAGE, READ);
	ASSERT_LE(0, self->grant);
	ASSERT_EQ(0, channel_create(self->device, self->ends));
}

FIXTURE_TEARDOWN(objects)
{
}

static const unsigned int commands[] = {
	FLOWIPC_IOC_QUERY, FLOWIPC_IOC_REGION_CREATE,
	FLOWIPC_IOC_CHANNEL_CREATE, FLOWIPC_IOC_GRANT, FLOWIPC_IOC_REVOKE,
	FLOWIPC_IOC_REGION_INFO, FLOWIPC_IOC_CLAIM, FLOWIPC_IOC_KICK,
	FLOWIPC_IOC_WAIT,
};

#define COMMANDS	ARRAY_SIZE(commands)

/* The number space of a command tells the object that knows it. */
static int object_of(unsigned int command, struct objects *self)
{
	switch (_IOC_NR(command) >> 4) {
	case 0:
		return self->device;
	case 1:
		return self->region;
	case 2:
		return self->grant;
	default:
		return self->ends[0];
	}
}

TEST_F(objects, query_tells_limits)
{
	struct flowipc_query query = {};

	ASSERT_EQ(0, ioctl(self->device, FLOWIPC_IOC_QUERY, &query));
	EXPECT_EQ(FLOWIPC_ABI_CURRENT, query.abi_current);
	EXPECT_EQ(FLOWIPC_ABI_OLDEST, query.abi_oldest);
	EXPECT_EQ(sysconf(_SC_PAGESIZE), query.page_bytes);
	EXPECT_TRUE(query.features & FLOWIPC_FEATURE_GRANT_WRITE);
	EXPECT_TRUE(query.features & FLOWIPC_FEATURE_GRANT_CRED);
	EXPECT_TRUE(query.features & FLOWIPC_FEATURE_REVOKE);
	EXPECT_TRUE(query.features & FLOWIPC_FEATURE_GRANT_MANY);
	/* PEER is the last one. */
	EXPECT_EQ(0, query.features & -(FLOWIPC_FEATURE_PEER << 1));
	EXPECT_LT(0, query.max_region_bytes);
	EXPECT_EQ(0, query.max_region_bytes % PAGE);
	EXPECT_LE(query.max_region_bytes, query.max_total_bytes);
	EXPECT_LE(4 * PAGE, query.used_total_bytes);
	EXPECT_LE(query.used_total_bytes, query.max_total_bytes);
	EXPECT_LT(0, query.max_objects_per_user);
	EXPECT_EQ(0, query.flags);
	EXPECT_EQ(0, query.reserved);
}

TEST_F(objects, unknown_flags_are_refused)
{
	int fds = count_fds();
	int bit;

	for (bit = 0; bit < 32; bit++) {
		struct flowipc_query query = { .flags = 1U << bit };
		struct flowipc_region_create region = {
			.size = PAGE, .flags = 1U << bit,
		};
		struct flowipc_channel_create channel = { .flags = 1U << bit };
		struct flowipc_region_info info = { .flags = 1U << bit };
		struct flowipc_claim claim = { .flags = 1U << bit };
		struct flowipc_kick kick = {
			.flags = 1U << bit, .events = MESSAGE,
		};
		struct flowipc_wait wait = {
			.flags = 1U << bit, .events = MESSAGE,
		};
		struct flowipc_grant grant = {
			.length = PAGE, .rights = READ, .flags = 1U << bit,
		};
		struct flowipc_revoke revoke = {
			.flags = 1U << bit, .grant_fd = self->grant,
		};

		EXPECT_ERRNO(EINVAL, ioctl(self->device, FLOWIPC_IOC_QUERY, &query));
		/* STRICT is bit 0, SEALABLE is bit 1. */
		if (bit > 1)
			EXPECT_ERRNO(EINVAL, ioctl(self->device, FLOWIPC_IOC_REGION_CREATE, &region));
		EXPECT_ERRNO(EINVAL, ioctl(self->device, FLOWIPC_IOC_CHANNEL_CREATE, &channel));
		EXPECT_ERRNO(EINVAL, ioctl(self->region, FLOWIPC_IOC_REGION_INFO, &info));
		EXPECT_ERRNO(EINVAL, ioctl(self->grant, FLOWIPC_IOC_CLAIM, &claim));
		EXPECT_ERRNO(EINVAL, ioctl(self->ends[0], FLOWIPC_IOC_KICK, &kick));
		EXPECT_ERRNO(EINVAL, ioctl(self->ends[0], FLOWIPC_IOC_WAIT, &wait));
		/* The known ones do not go with a descriptor. */
		EXPECT_ERRNO(EINVAL, ioctl(self->region, FLOWIPC_IOC_REVOKE, &revoke));
		if (bit > 3)
			EXPECT_ERRNO(EINVAL, ioctl(self->region, FLOWIPC_IOC_GRANT, &grant));
	}
	EXPECT_EQ(fds, count_fds());
	/* Nothing was revoked, claimed or rung. */
	EXPECT_LE(0, grant_claim(self->grant));
	EXPECT_ERRNO(ETIMEDOUT, channel_wait(self->ends[1], MESSAGE | SPACE, 0));
}

TEST_F(objects, reserved_fields_are_refused)
{
	struct flowipc_query query = { .reserved = 1 };
	struct flowipc_region_create region = { .size = PAGE, .reserved = 1ULL << 63 };
	struct flowipc_channel_create channel = { .reserved = 1 };
	struct flowipc_region_info info = { .reserved = 1ULL << 32 };
	struct flowipc_claim claim = { .reserved = 1U << 30 };
	struct flowipc_kick kick = { .events = MESSAGE, .reserved = 1 };
	struct flowipc_wait wait = { .events = MESSAGE, .reserved = 1ULL << 63 };
	struct flowipc_grant grant = {
		.length = PAGE, .rights = READ, .reserved = 1U << 31,
	};
	struct flowipc_revoke revoke = {
		.grant_fd = self->grant, .id = 1ULL << 33,
	};
	int fds = count_fds();

	EXPECT_ERRNO(EINVAL, ioctl(self->device, FLOWIPC_IOC_QUERY, &query));
	EXPECT_ERRNO(EINVAL, ioctl(self->device, FLOWIPC_IOC_REGION_CREATE, &region));
	EXPECT_ERRNO(EINVAL, ioctl(self->device, FLOWIPC_IOC_CHANNEL_CREATE, &channel));
	EXPECT_ERRNO(EINVAL, ioctl(self->region, FLOWIPC_IOC_REGION_INFO, &info));
	EXPECT_ERRNO(EINVAL, ioctl(self->grant, FLOWIPC_IOC_CLAIM, &claim));
	EXPECT_ERRNO(EINVAL, ioctl(self->ends[0], FLOWIPC_IOC_KICK, &kick));
	EXPECT_ERRNO(EINVAL, ioctl(self->ends[0], FLOWIPC_IOC_WAIT, &wait));
	EXPECT_ERRNO(EINVAL, ioctl(self->region, FLOWIPC_IOC_GRANT, &grant));
	EXPECT_ERRNO(EINVAL, ioctl(self->region, FLOWIPC_IOC_REVOKE, &revoke));
	EXPECT_EQ(fds, count_fds());
}

TEST_F(objects, unknown_commands_are_refused)
{
	const int objects[] = {
		self->device, self->region, self->grant, self->ends[0],
	};
	char argument[256] = {};
	unsigned int i, object, nr;

	for (object = 0; object < 4; object++) {
		for (i = 0; i < COMMANDS; i++) {
			unsigned int command = commands[i];

			if (object_of(command, self) != objects[object])
				EXPECT_ERRNO(ENOTTY, ioctl(objects[object], command, argument));

			/* The same number with another size, direction, magic. */
			EXPECT_ERRNO(ENOTTY, ioctl(objects[object],
						   command + (8 << _IOC_SIZESHIFT), argument));
			EXPECT_ERRNO(ENOTTY, ioctl(objects[object],
						   command ^ (2U << _IOC_DIRSHIFT), argument));
			EXPECT_ERRNO(ENOTTY, ioctl(objects[object],
						   command ^ (1U << _IOC_TYPESHIFT), argument));
		}
		for (nr = 0; nr < 256; nr++)
			EXPECT_ERRNO(ENOTTY, ioctl(objects[object], _IO(FLOWIPC_IOC_MAGIC, nr), 0));
	}
}

/* A structure which cannot be read, or only in its first half. */
TEST_F(objects, unreadable_pointers_are_refused)
{
	char *pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t used = used_total_bytes(self->device);
	int fds = count_fds();
	unsigned int i;

	ASSERT_NE(MAP_FAILED, pages);
	ASSERT_EQ(0, munmap(pages + PAGE, PAGE));

	for (i = 0; i < COMMANDS; i++) {
		int object = object_of(commands[i], self);
		char *half = pages + PAGE - _IOC_SIZE(commands[i]) / 2;

		EXPECT_ERRNO(EFAULT, ioctl(object, commands[i], NULL));
		EXPECT_ERRNO(EFAULT, ioctl(object, commands[i], half));
		EXPECT_ERRNO(EFAULT, ioctl(object, commands[i], -1L));
		EXPECT_ERRNO(EFAULT, ioctl(object, commands[i], 1UL << 63));
		EXPECT_ERRNO(EFAULT, ioctl(object, commands[i], 0xffff888000000000UL));
	}
	EXPECT_EQ(fds, count_fds());
	EXPECT_EQ(used, used_total_bytes(self->device));
}

/* A structure which can be read but not written: all work is undone. */
TEST_F(objects, unwritable_pointers_leave_nothing_behind)
{
	char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const struct flowipc_region_create region = { .size = 16 * PAGE };
	const struct flowipc_grant grant = { .length = PAGE, .rights = READ };
	struct flowipc_region_info before, after;
	uint64_t used = used_total_bytes(self->device);
	int fds = count_fds();

	ASSERT_NE(MAP_FAILED, page);
	ASSERT_EQ(0, region_info(self->region, &before));

	memset(page, 0, PAGE);
	ASSERT_EQ(0, mprotect(page, PAGE, PROT_READ));
	EXPECT_ERRNO(EFAULT, ioctl(self->device, FLOWIPC_IOC_QUERY, page));
	EXPECT_ERRNO(EFAULT, ioctl(self->device, FLOWIPC_IOC_CHANNEL_CREATE, page));
	EXPECT_ERRNO(EFAULT, ioctl(self->region, FLOWIPC_IOC_REGION_INFO, page));
	EXPECT_ERRNO(EFAULT, ioctl(self->grant, FLOWIPC_IOC_CLAIM, page));

	ASSERT_EQ(0, mprotect(page, PAGE, PROT_READ | PROT_WRITE));
	memcpy(page, &region, sizeof(region));
	ASSERT_EQ(0, mprotect(page, PAGE, PROT_READ));
	EXPECT_ERRNO(EFAULT, ioctl(self->device, FLOWIPC_IOC_REGION_CREATE, page));

	ASSERT_EQ(0, mprotect(page, PAGE, PROT_READ | PROT_WRITE));
	memcpy(page, &grant, sizeof(grant));
	ASSERT_EQ(0, mprotect(page, PAGE, PROT_READ));
	EXPECT_ERRNO(EFAULT, ioctl(self->region, FLOWIPC_IOC_GRANT, page));

	EXPECT_EQ(fds, count_fds());
	EXPECT_EQ(used, used_total_bytes(self->device));
	ASSERT_EQ(0, region_info(self->region, &after));
	EXPECT_EQ(before.grants, after.grants);
	EXPECT_EQ(0, after.claims);
}

TEST_F(objects, descriptors_close_on_exec)
{
	EXPECT_EQ(FD_CLOEXEC, fcntl(self->region, F_GETFD));
	EXPECT_EQ(FD_CLOEXEC, fcntl(self->grant, F_GETFD));
	EXPECT_EQ(FD_CLOEXEC, fcntl(self->ends[0], F_GETFD));
	EXPECT_EQ(FD_CLOEXEC, fcntl(self->ends[1], F_GETFD));
}

/* Objects are made, mapped and rung; they are not files to read or write. */
TEST_F(objects, no_file_operations)
{
	const int objects[] = {
		self->device, self->region, self->grant, self->ends[0],
	};
	char byte = 0;
	int i;

	for (i = 0; i < 4; i++) {
		EXPECT_EQ(-1, read(objects[i], &byte, 1));
		EXPECT_EQ(-1, write(objects[i], &byte, 1));
		EXPECT_EQ(-1, lseek(objects[i], 1, SEEK_SET));
		EXPECT_EQ(-1, ftruncate(objects[i], 0));
		EXPECT_EQ(-1, fallocate(objects[i], 0, 0, PAGE));
	}
	EXPECT_ERRNO(ENODEV, map(self->device, PAGE, PROT_READ));
	EXPECT_ERRNO(ENODEV, map(self->ends[0], PAGE, PROT_READ));
}

TEST_F(objects, cannot_be_opened_again)
{
	const int objects[] = { self->region, self->grant, self->ends[0] };
	int i;

	for (i = 0; i < 3; i++) {
		EXPECT_ERRNO(ENXIO, open_fd_again(objects[i], O_RDONLY));
		EXPECT_ERRNO(ENXIO, open_fd_again(objects[i], O_RDWR));
		EXPECT_ERRNO(ENXIO, open_fd_again(objects[i], O_RDWR | O_TRUNC));
	}
}

static void fdinfo(int fd, char *text, size_t size)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	read_text(path, text, size);
}

TEST_F(objects, fdinfo_tells_the_kind)
{
	char text[2048], line[64];
	int claim;

	fdinfo(self->device, text, sizeof(text));
	EXPECT_TRUE(strstr(text, "flowipc-kind:\tdevice\n"));
	EXPECT_TRUE(strstr(text, "flowipc-used-total-bytes:\t"));

	fdinfo(self->region, text, sizeof(text));
	EXPECT_TRUE(strstr(text, "flowipc-kind:\tregion\n"));
	EXPECT_TRUE(strstr(text, "flowipc-size-bytes:\t16384\n"));
	EXPECT_TRUE(strstr(text, "flowipc-grants:\t1\n"));
	EXPECT_TRUE(strstr(text, "flowipc-claims:\t0\n"));

	fdinfo(self->grant, text, sizeof(text));
	EXPECT_TRUE(strstr(text, "flowipc-kind:\tgrant\n"));
	EXPECT_TRUE(strstr(text, "flowipc-length-bytes:\t4096\n"));
	EXPECT_TRUE(strstr(text, "flowipc-rights:\tr\n"));
	EXPECT_TRUE(strstr(text, "flowipc-claims:\t0\n"));
	EXPECT_TRUE(strstr(text, "flowipc-revoked:\t0\n"));
	EXPECT_FALSE(strstr(text, "flowipc-uid:"));

	claim = grant_claim(self->grant);
	ASSERT_LE(0, claim);
	fdinfo(self->grant, text, sizeof(text));
	EXPECT_TRUE(strstr(text, "flowipc-claims:\t1\n"));
	fdinfo(claim, text, sizeof(text));
	EXPECT_TRUE(strstr(text, "flowipc-kind:\tclaim\n"));
	snprintf(line, sizeof(line), "flowipc-claimer-pid:\t%d\n", getpid());
	EXPECT_TRUE(strstr(text, line));
	fdinfo(self->region, text, sizeof(text));
	EXPECT_TRUE(strstr(text, "flowipc-claims:\t1\n"));
	snprintf(line, sizeof(line), "flowipc-claimer:\t2 1 %d 0 0 /", getpid());
	EXPECT_TRUE(strstr(text, line));

	ASSERT_EQ(0, grant_revoke(self->region, self->grant));
	fdinfo(self->grant, text, sizeof(text));
	EXPECT_TRUE(strstr(text, "flowipc-claims:\t0\n"));
	EXPECT_TRUE(strstr(text, "flowipc-revoked:\t1\n"));
	fdinfo(claim, text, sizeof(text));
	EXPECT_TRUE(strstr(text, "flowipc-revoked:\t1\n"));
	fdinfo(self->region, text, sizeof(text));
	EXPECT_FALSE(strstr(text, "flowipc-claimer:"));

	ASSERT_EQ(0, channel_kick(self->ends[0], SPACE));
	fdinfo(self->ends[1], text, sizeof(text));
	EXPECT_TRUE(strstr(text, "flowipc-kind:\tchannel\n"));
	EXPECT_TRUE(strstr(text, "flowipc-message:\t0\n"));
	EXPECT_TRUE(strstr(text, "flowipc-space:\t1\n"));
	EXPECT_TRUE(strstr(text, "flowipc-hup:\t0\n"));
	ASSERT_EQ(0, close(self->ends[0]));
	fdinfo(self->ends[1], text, sizeof(text));
	EXPECT_TRUE(strstr(text, "flowipc-hup:\t1\n"));
}

TEST_F(objects, fdinfo_tells_the_conditions_of_a_grant)
{
	int grant = grant_create_for(self->region, PAGE, 2 * PAGE, READ | WRITE,
				     FLOWIPC_GRANT_UID | FLOWIPC_GRANT_GID,
				     USER, GROUP);
	char text[2048];

	ASSERT_LE(0, grant);
	fdinfo(grant, text, sizeof(text));
	EXPECT_TRUE(strstr(text, "flowipc-offset-bytes:\t4096\n"));
	EXPECT_TRUE(strstr(text, "flowipc-length-bytes:\t8192\n"));
	EXPECT_TRUE(strstr(text, "flowipc-rights:\trw\n"));
	EXPECT_TRUE(strstr(text, "flowipc-uid:\t12345\n"));
	EXPECT_TRUE(strstr(text, "flowipc-gid:\t23456\n"));
}

TEST(the_node_is_not_for_everyone)
{
	struct stat status;

	ASSERT_EQ(0, stat(FLOWIPC_DEVICE_PATH, &status));
	EXPECT_TRUE(S_ISCHR(status.st_mode));
	EXPECT_EQ(0, status.st_mode & 0007);

	ASSERT_TRUE(become_user());
	EXPECT_ERRNO(EACCES, device_open());
}

HARNESS_MAIN
