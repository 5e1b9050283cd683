/* SPDX-License-Identifier: GPL-2.0-only */
/* What the attacks by arguments have in common: an object of each kind. */
#ifndef ATTACK_INPUT_H
#define ATTACK_INPUT_H

#include "harness.h"
#include "attack.h"

#define SIZE	(16 * PAGE)

FIXTURE(attack) {
	int device;
	int region;
	int grant;
	int ends[2];
};

FIXTURE_SETUP(attack)
{
	self->device = device_open();
	ASSERT_LE(0, self->device);
	self->region = region_create(self->device, SIZE);
	ASSERT_LE(0, self->region);
	self->grant = grant_create(self->region, 2 * PAGE, PAGE, READ);
	ASSERT_LE(0, self->grant);
	ASSERT_EQ(0, channel_create(self->device, self->ends));
}

FIXTURE_TEARDOWN(attack)
{
}

#endif /* ATTACK_INPUT_H */
