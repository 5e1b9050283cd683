/* SPDX-License-Identifier: GPL-2.0-only */
/* What the attacks on lifetimes have in common: whose memory is not to stay. */
#ifndef ATTACK_LIFETIME_H
#define ATTACK_LIFETIME_H

#include "harness.h"
#include "attack.h"

#define SIZE	(16 * PAGE)

FIXTURE(attack) {
	int device;
	int region;
	uint64_t used;
};

FIXTURE_SETUP(attack)
{
	self->device = device_open();
	ASSERT_LE(0, self->device);
	self->used = used_total_bytes(self->device);
	self->region = region_create(self->device, SIZE);
	ASSERT_LE(0, self->region);
}

FIXTURE_TEARDOWN(attack)
{
}

static inline bool only_the_region_is_left(struct attack *self)
{
	return EVENTUALLY(used_total_bytes(self->device) == self->used + SIZE);
}

#endif /* ATTACK_LIFETIME_H */
