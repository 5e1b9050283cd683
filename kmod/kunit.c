// SPDX-License-Identifier: GPL-2.0-only
/*
 * DOC: tests of what is only arithmetic
 *
 * A module of its own, flowipc_kunit.ko, made with FLOWIPC_DEBUG=1 for a kernel
 * with KUnit; the tests run when it is loaded. The headers under test are all
 * it shares with flowipc.ko.
 */
#include <kunit/test.h>
#include <linux/limits.h>
#include <linux/module.h>
#include <linux/random.h>

#include "quota.h"
#include "range.h"

static void range_valid_test(struct kunit *test)
{
	const u64 size = 16 * PAGE_SIZE;

	KUNIT_EXPECT_TRUE(test, range_is_valid(0, size, size));
	KUNIT_EXPECT_TRUE(test, range_is_valid(0, PAGE_SIZE, size));
	KUNIT_EXPECT_TRUE(test, range_is_valid(size - PAGE_SIZE, PAGE_SIZE,
					       size));
	KUNIT_EXPECT_TRUE(test, range_is_valid(0, -PAGE_SIZE, -PAGE_SIZE));

	KUNIT_EXPECT_FALSE(test, range_is_valid(0, 0, size));
	KUNIT_EXPECT_FALSE(test, range_is_valid(size, 0, size));
	KUNIT_EXPECT_FALSE(test, range_is_valid(1, PAGE_SIZE, size));
	KUNIT_EXPECT_FALSE(test, range_is_valid(0, PAGE_SIZE + 1, size));
	KUNIT_EXPECT_FALSE(test, range_is_valid(0, size + PAGE_SIZE, size));
	KUNIT_EXPECT_FALSE(test, range_is_valid(size, PAGE_SIZE, size));
	KUNIT_EXPECT_FALSE(test, range_is_valid(PAGE_SIZE, size, size));
}

/* The sum of the two wraps around to something inside. */
static void range_wrap_test(struct kunit *test)
{
	const u64 size = 16 * PAGE_SIZE;
	u64 offset;

	for (offset = PAGE_SIZE; offset < size; offset += PAGE_SIZE) {
		KUNIT_EXPECT_FALSE(test, range_is_valid(offset, -offset, size));
		KUNIT_EXPECT_FALSE(test, range_is_valid(-offset, offset, size));
		KUNIT_EXPECT_FALSE(test, range_is_valid(-offset, size, size));
		KUNIT_EXPECT_FALSE(test, range_is_valid(offset, PAGE_SIZE -
							offset, size));
	}
}

static void range_pages_test(struct kunit *test)
{
	const u64 offset = 4 * PAGE_SIZE, length = 8 * PAGE_SIZE;
	pgoff_t index;
	unsigned long pages;

	for (index = 0; index < 16; index++) {
		for (pages = 1; pages < 16; pages++)
			KUNIT_EXPECT_EQ(test, index >= 4 && index + pages <= 12,
					range_has_pages(offset, length, index,
							pages));
	}

	KUNIT_EXPECT_FALSE(test, range_has_pages(offset, length, ULONG_MAX, 1));
	KUNIT_EXPECT_FALSE(test, range_has_pages(offset, length, ULONG_MAX, 6));
	KUNIT_EXPECT_FALSE(test, range_has_pages(offset, length, ULONG_MAX - 3,
						 10));
	KUNIT_EXPECT_FALSE(test, range_has_pages(offset, length, 5, ULONG_MAX));
	KUNIT_EXPECT_FALSE(test, range_has_pages(offset, length, 5,
						 ULONG_MAX - 4));
}

#define SET_PAGES	64
#define SET_NODES	32

struct set_test {
	struct rb_root_cached	set;
	struct range_node	nodes[SET_NODES];
	bool			in[SET_NODES];
};

static bool set_test_overlaps(const struct set_test *model, pgoff_t first,
			      pgoff_t last)
{
	int i;

	for (i = 0; i < SET_NODES; i++) {
		if (model->in[i] && model->nodes[i].first <= last &&
		    model->nodes[i].last >= first)
			return true;
	}

	return false;
}

/* Ranges come and go at random, and the set agrees with looking at them all. */
static void range_set_test(struct kunit *test)
{
	struct set_test *model = kunit_kzalloc(test, sizeof(*model),
					       GFP_KERNEL);
	struct rnd_state random;
	int step;

	KUNIT_ASSERT_NOT_NULL(test, model);
	model->set = RB_ROOT_CACHED;
	prandom_seed_state(&random, 42);

	for (step = 0; step < 4000; step++) {
		const u32 i = prandom_u32_state(&random) % SET_NODES;
		struct range_node *node = &model->nodes[i];
		pgoff_t first, last;

		if (model->in[i]) {
			range_set_remove(node, &model->set);
		} else {
			node->first = prandom_u32_state(&random) % SET_PAGES;
			node->last = node->first + prandom_u32_state(&random) %
						   (SET_PAGES - node->first);
			range_set_insert(node, &model->set);
		}
		model->in[i] = !model->in[i];

		first = prandom_u32_state(&random) % SET_PAGES;
		last = first + prandom_u32_state(&random) % 4;
		KUNIT_ASSERT_EQ(test, set_test_overlaps(model, first, last),
				range_set_overlaps(&model->set, first, last));
	}
}

/* Of equal ranges each counts. */
static void range_set_equal_test(struct kunit *test)
{
	struct range_node nodes[3] = {};
	struct rb_root_cached set = RB_ROOT_CACHED;
	int i;

	for (i = 0; i < ARRAY_SIZE(nodes); i++) {
		nodes[i].first = 3;
		nodes[i].last = 5;
		range_set_insert(&nodes[i], &set);
	}
	for (i = 0; i < ARRAY_SIZE(nodes); i++) {
		KUNIT_EXPECT_TRUE(test, range_set_overlaps(&set, 0, 3));
		KUNIT_EXPECT_TRUE(test, range_set_overlaps(&set, 5, ULONG_MAX));
		KUNIT_EXPECT_FALSE(test, range_set_overlaps(&set, 0, 2));
		KUNIT_EXPECT_FALSE(test, range_set_overlaps(&set, 6, 6));
		range_set_remove(&nodes[i], &set);
	}
	KUNIT_EXPECT_FALSE(test, range_set_overlaps(&set, 0, ULONG_MAX));
}

static void quota_test(struct kunit *test)
{
	atomic64_t used = ATOMIC64_INIT(0);

	KUNIT_EXPECT_FALSE(test, quota_charge(&used, 1, 0));
	KUNIT_EXPECT_TRUE(test, quota_charge(&used, 0, 0));
	KUNIT_EXPECT_TRUE(test, quota_charge(&used, 6, 10));
	KUNIT_EXPECT_FALSE(test, quota_charge(&used, 5, 10));
	KUNIT_EXPECT_TRUE(test, quota_charge(&used, 4, 10));
	KUNIT_EXPECT_FALSE(test, quota_charge(&used, 1, 10));
	KUNIT_EXPECT_EQ(test, 10, atomic64_read(&used));

	/* The limit is lowered below what is used. */
	KUNIT_EXPECT_FALSE(test, quota_charge(&used, 1, 5));
	quota_uncharge(&used, 6);
	KUNIT_EXPECT_FALSE(test, quota_charge(&used, 2, 5));
	KUNIT_EXPECT_TRUE(test, quota_charge(&used, 1, 5));
	KUNIT_EXPECT_EQ(test, 5, atomic64_read(&used));
}

/* A sum of these would wrap around. */
static void quota_wrap_test(struct kunit *test)
{
	atomic64_t used = ATOMIC64_INIT(PAGE_SIZE);

	KUNIT_EXPECT_FALSE(test, quota_charge(&used, U64_MAX, 10 * PAGE_SIZE));
	KUNIT_EXPECT_FALSE(test, quota_charge(&used, -PAGE_SIZE,
					      10 * PAGE_SIZE));
	KUNIT_EXPECT_FALSE(test, quota_charge(&used, U64_MAX, U64_MAX));
	KUNIT_EXPECT_FALSE(test, quota_charge(&used, U64_MAX - PAGE_SIZE + 1,
					      U64_MAX));
	KUNIT_EXPECT_EQ(test, PAGE_SIZE, atomic64_read(&used));
	KUNIT_EXPECT_TRUE(test, quota_charge(&used, PAGE_SIZE, U64_MAX));
	KUNIT_EXPECT_EQ(test, 2 * PAGE_SIZE, atomic64_read(&used));
}

static struct kunit_case flowipc_cases[] = {
	KUNIT_CASE(range_valid_test),
	KUNIT_CASE(range_wrap_test),
	KUNIT_CASE(range_pages_test),
	KUNIT_CASE(range_set_test),
	KUNIT_CASE(range_set_equal_test),
	KUNIT_CASE(quota_test),
	KUNIT_CASE(quota_wrap_test),
	{}
};

static struct kunit_suite flowipc_suite = {
	.name		= "flowipc",
	.test_cases	= flowipc_cases,
};

kunit_test_suite(flowipc_suite);

MODULE_DESCRIPTION("Tests of flowipc's arithmetic");
MODULE_LICENSE("GPL");
