/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DOC: dice
 *
 * Random decisions that can be made again: every step throws dice of its own,
 * which follow from the seed, who throws and the number of the step, and from
 * nothing that happened before.
 */
#ifndef DICE_H
#define DICE_H

#include <stdbool.h>
#include <stdint.h>

struct dice {
	uint64_t state;
};

/* splitmix64. */
static inline uint64_t dice_next(struct dice *dice)
{
	uint64_t x = dice->state += 0x9e3779b97f4a7c15;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;

	return x ^ (x >> 31);
}

static inline struct dice dice_of(uint64_t seed, uint64_t who, uint64_t step)
{
	struct dice dice = { seed };

	dice.state = dice_next(&dice) ^ who;
	dice.state = dice_next(&dice) ^ step;

	return dice;
}

/* 0 to @sides - 1. */
static inline uint64_t roll(struct dice *dice, uint64_t sides)
{
	return dice_next(dice) % sides;
}

static inline bool one_in(struct dice *dice, uint64_t sides)
{
	return !roll(dice, sides);
}

#endif /* DICE_H */
