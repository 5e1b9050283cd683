/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DOC: what the tests of seals have in common
 *
 * A region that can be sealed, and a channel between owner and receiver.
 */
#ifndef SEAL_H
#define SEAL_H

#include "harness.h"
#include "objects.h"

#define SIZE		(16 * PAGE)
#define SEALABLE	FLOWIPC_REGION_SEALABLE

/* The owner has ends[0] and seals; the receiver has ends[1] and unseals. */
FIXTURE(seal) {
	int device;
	int region;
	char *memory;
	int ends[2];
};

FIXTURE_SETUP(seal)
{
	self->device = device_open();
	ASSERT_LE(0, self->device);
	self->region = region_create_as(self->device, SIZE, SEALABLE);
	ASSERT_LE(0, self->region);
	self->memory = map(self->region, SIZE, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, self->memory);
	ASSERT_EQ(0, channel_create(self->device, self->ends));
}

FIXTURE_TEARDOWN(seal)
{
}

/* The id, or -1. */
static inline long long seal(int region, uint64_t offset, uint64_t length, int channel)
{
	struct flowipc_seal arg = {
		.offset = offset, .length = length, .channel_fd = channel,
	};

	return ioctl(region, FLOWIPC_IOC_SEAL, &arg) ? -1 : (long long)arg.id;
}

static inline int unseal(int channel, uint64_t id)
{
	struct flowipc_unseal arg = { .id = id };

	return ioctl(channel, FLOWIPC_IOC_UNSEAL, &arg);
}

static inline int count_seals(int region)
{
	struct flowipc_region_info info;

	return region_info(region, &info) ? -1 : (int)info.seals;
}

#endif /* SEAL_H */
