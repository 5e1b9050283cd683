// SPDX-License-Identifier: GPL-2.0-only
/* SEAL_INFO: the receiver learns what a seal covers before it relies on it. */
#include <pthread.h>

#include "seal.h"

static int seal_info(int channel, uint64_t id, struct flowipc_seal_info *info)
{
	*info = (struct flowipc_seal_info){ .id = id };

	return ioctl(channel, FLOWIPC_IOC_SEAL_INFO, info);
}

TEST_F(seal, bad_arguments_are_refused)
{
	struct flowipc_seal_info arg;
	long long id = seal(self->region, 0, PAGE, self->ends[0]);
	int bit;

	ASSERT_LT(0, id);
	for (bit = 0; bit < 32; bit++) {
		arg = (struct flowipc_seal_info){ .id = id, .flags = 1U << bit };
		EXPECT_ERRNO(EINVAL, ioctl(self->ends[1], FLOWIPC_IOC_SEAL_INFO, &arg));
		arg = (struct flowipc_seal_info){ .id = id, .reserved = 1U << bit };
		EXPECT_ERRNO(EINVAL, ioctl(self->ends[1], FLOWIPC_IOC_SEAL_INFO, &arg));
	}
	EXPECT_ERRNO(EFAULT, ioctl(self->ends[1], FLOWIPC_IOC_SEAL_INFO, NULL));
	EXPECT_ERRNO(ENOTTY, seal_info(self->region, id, &arg));
	EXPECT_ERRNO(ENOTTY, seal_info(self->device, id, &arg));
	EXPECT_ERRNO(ENOENT, seal_info(self->ends[1], id + 1, &arg));
	EXPECT_ERRNO(ENOENT, seal_info(self->ends[1], 0, &arg));
	/* The sealer does not hold it. */
	EXPECT_ERRNO(ENOENT, seal_info(self->ends[0], id, &arg));
}

TEST_F(seal, unwritable_argument_gives_efault)
{
	struct flowipc_seal_info *arg = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
					     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, arg);
	arg->id = seal(self->region, 0, PAGE, self->ends[0]);
	ASSERT_EQ(0, mprotect(arg, PAGE, PROT_READ));
	EXPECT_ERRNO(EFAULT, ioctl(self->ends[1], FLOWIPC_IOC_SEAL_INFO, arg));
	EXPECT_EQ(1, count_seals(self->region));
}

TEST_F(seal, tells_what_it_covers_until_it_is_broken)
{
	struct flowipc_seal_info info;
	long long low = seal(self->region, 0, 2 * PAGE, self->ends[0]);
	long long high = seal(self->region, SIZE - PAGE, PAGE, self->ends[0]);
	struct flowipc_region_info region;

	ASSERT_EQ(0, region_info(self->region, &region));
	ASSERT_EQ(0, seal_info(self->ends[1], low, &info));
	EXPECT_EQ(region.id, info.region_id);
	EXPECT_EQ(0, info.offset);
	EXPECT_EQ(2 * PAGE, info.length);
	ASSERT_EQ(0, seal_info(self->ends[1], high, &info));
	EXPECT_EQ(region.id, info.region_id);
	EXPECT_EQ(SIZE - PAGE, info.offset);
	EXPECT_EQ(PAGE, info.length);

	ASSERT_EQ(0, unseal(self->ends[1], low));
	EXPECT_ERRNO(ENOENT, seal_info(self->ends[1], low, &info));
	EXPECT_EQ(0, seal_info(self->ends[1], high, &info));
	/* Telling breaks nothing. */
	EXPECT_EQ(1, count_seals(self->region));
}

/* By the number of the region a claimer knows that it is the one it maps. */
TEST_F(seal, is_of_the_region_that_was_claimed)
{
	int other = region_create_as(self->device, SIZE, SEALABLE);
	struct flowipc_claim claims[2] = {};
	struct flowipc_seal_info info;
	long long id;

	ASSERT_EQ(0, ioctl(grant_create(self->region, PAGE, PAGE, READ),
			   FLOWIPC_IOC_CLAIM, &claims[0]));
	ASSERT_EQ(0, ioctl(grant_create(other, 0, SIZE, READ),
			   FLOWIPC_IOC_CLAIM, &claims[1]));
	EXPECT_NE(claims[0].region_id, claims[1].region_id);
	id = seal(other, 0, SIZE, self->ends[0]);
	ASSERT_EQ(0, seal_info(self->ends[1], id, &info));
	EXPECT_EQ(claims[1].region_id, info.region_id);
	id = seal(self->region, 0, SIZE, self->ends[0]);
	ASSERT_EQ(0, seal_info(self->ends[1], id, &info));
	EXPECT_EQ(claims[0].region_id, info.region_id);
}

TEST_F(seal, tells_nothing_when_the_region_is_gone)
{
	struct flowipc_seal_info info;
	long long id = seal(self->region, 0, PAGE, self->ends[0]);

	ASSERT_EQ(0, munmap(self->memory, SIZE));
	ASSERT_EQ(0, close(self->region));
	EXPECT_TRUE(EVENTUALLY(seal_info(self->ends[1], id, &info) == -1));
	EXPECT_ERRNO(ENOENT, seal_info(self->ends[1], id, &info));
}

static void *ask_until_closed(void *arg)
{
	const int *end = arg;
	struct flowipc_seal_info info;
	unsigned int id = 0;

	while (!seal_info(*end, id++ % 4, &info) || errno == ENOENT)
		;

	return (void *)(long)errno;
}

/* Asked while seals are made and broken: what is told is whole. */
TEST_F_TIMEOUT(seal, while_others_are_made_and_broken, 120)
{
	struct flowipc_seal_info info;
	pthread_t thread;
	int round, end;
	void *err;
	long long id;

	end = dup(self->ends[1]);
	ASSERT_LE(0, end);
	ASSERT_EQ(0, pthread_create(&thread, NULL, ask_until_closed, &end));
	for (round = 0; round < 300; round++) {
		id = seal(self->region, PAGE, 3 * PAGE, self->ends[0]);
		ASSERT_LT(0, id);
		ASSERT_EQ(0, seal_info(self->ends[1], id, &info));
		ASSERT_EQ(PAGE, info.offset);
		ASSERT_EQ(3 * PAGE, info.length);
		ASSERT_EQ(0, unseal(self->ends[1], id));
	}
	ASSERT_EQ(0, close(end));
	ASSERT_EQ(0, pthread_join(thread, &err));
	EXPECT_EQ(EBADF, (long)err);
}

HARNESS_MAIN
