/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DOC: ranges
 *
 * Ranges of a region, and sets of them. No sum is made of what a caller gave,
 * so there is none to wrap around. Nothing here knows of anything else in the
 * module, and kunit.c tests it by itself.
 */
#ifndef FLOWIPC_RANGE_H
#define FLOWIPC_RANGE_H

#include <linux/interval_tree_generic.h>
#include <linux/mm.h>
#include <linux/rbtree.h>
#include <linux/types.h>

/**
 * struct range_node - a range of pages in a set
 * @rb:           for the set
 * @first:        first page
 * @last:         last page
 * @subtree_last: for the set
 */
struct range_node {
	struct rb_node	rb;
	pgoff_t		first;
	pgoff_t		last;
	pgoff_t		subtree_last;
};

/*
 * A set of ranges, which may overlap, is an rb_root_cached. range_set_insert(),
 * range_set_remove(), range_set_iter_first(), range_set_iter_next().
 */
#define RANGE_FIRST(node)	((node)->first)
#define RANGE_LAST(node)	((node)->last)
INTERVAL_TREE_DEFINE(struct range_node, rb, pgoff_t, subtree_last, RANGE_FIRST,
		     RANGE_LAST, static inline, range_set)
#undef RANGE_FIRST
#undef RANGE_LAST

/* Whether a range in @set has one of the pages @first to @last. */
static inline bool range_set_overlaps(struct rb_root_cached *set, pgoff_t first,
				      pgoff_t last)
{
	return range_set_iter_first(set, first, last);
}

/* Whether these bytes are whole pages, at least one, inside [0, @size). */
static inline bool range_is_valid(u64 offset, u64 length, u64 size)
{
	return length && PAGE_ALIGNED(offset | length) &&
	       offset <= size && length <= size - offset;
}

/* Whether @pages pages from @index are all inside a valid range of bytes. */
static inline bool range_has_pages(u64 offset, u64 length, pgoff_t index,
				   unsigned long pages)
{
	const pgoff_t first = offset >> PAGE_SHIFT;
	const pgoff_t count = length >> PAGE_SHIFT;

	return index >= first && index - first < count &&
	       pages <= count - (index - first);
}

#endif /* FLOWIPC_RANGE_H */
