// SPDX-License-Identifier: GPL-2.0-only
/*
 * DOC: seals
 *
 * A seal is known to two objects: to the region, whose pages it protects, and
 * to the channel end that may break it, its holder. It keeps neither of them:
 * the first of the two that goes takes the seal along. seals_lock protects both
 * lists of every region and of every end, so that this is one step; it nests
 * inside everything but the lock of the accounts.
 *
 * To SEAL is to put the seal on the lists, where ->page_mkwrite finds it under
 * the lock of the folio, and then to take every folio of the range out of the
 * page tables once, under its lock: a fault that did not see the seal is over
 * by then, and what it mapped is unmapped again.
 *
 * That leaves those who write without a mapping, because they have a reference
 * to the page for I/O. After unmapping, nobody else should have one; see
 * seal_folio().
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>

#include "flowipc.h"
#include "range.h"
#include "trace.h"

/* How often to look whether a reference is gone, a timer tick apart. */
#define SEAL_TRIES	10

/**
 * struct seal - a range that nobody may write
 * @pages:   in region->seals
 * @link:    in holder->seals; empty when the seal is broken
 * @region:  the region
 * @holder:  the channel end that may break it
 * @id:      its number at the holder. As long as that is 0 the seal is being
 *           made, and belongs to SEAL; then to the lists.
 * @account: the user the object is counted for, who sealed
 */
struct seal {
	struct range_node	pages;
	struct list_head	link;
	struct region		*region;
	struct channel_end	*holder;
	u64			id;
	struct account		*account;
};

static DEFINE_SPINLOCK(seals_lock);

/*
 * Whether one of the pages is sealed. Under the lock of their folio, so that a
 * seal which is not seen here has not come to this folio yet.
 */
bool flowipc_seal_covers(struct region *region, pgoff_t first, pgoff_t last)
{
	bool covers;

	if (!READ_ONCE(region->seal_count))
		return false;

	spin_lock(&seals_lock);
	covers = range_set_overlaps(&region->seals, first, last);
	spin_unlock(&seals_lock);

	return covers;
}

static u64 seal_length(const struct seal *seal)
{
	return (u64)(seal->pages.last - seal->pages.first + 1) << PAGE_SHIFT;
}

static void seal_unlink(struct seal *seal)
{
	struct region *region = seal->region;

	lockdep_assert_held(&seals_lock);

	range_set_remove(&seal->pages, &region->seals);
	WRITE_ONCE(region->seal_count, region->seal_count - 1);
	WRITE_ONCE(seal->holder->seal_count, seal->holder->seal_count - 1);
	list_del_init(&seal->link);

	if (seal->id)
		trace_seal_break(region->id, seal->holder->channel->id,
				 flowipc_end_index(seal->holder), seal->id);
}

static void seal_free(struct seal *seal)
{
	flowipc_account_put(seal->account);
	kfree(seal);
	flowipc_total_dec(FLOWIPC_TOTAL_SEALS);
}

static void seal_free_all(struct list_head *broken)
{
	struct seal *seal, *next;

	list_for_each_entry_safe(seal, next, broken, link)
		seal_free(seal);
}

/* @holder is closed. */
void flowipc_seal_release(struct channel_end *holder)
{
	struct seal *seal, *next;
	LIST_HEAD(broken);

	spin_lock(&seals_lock);
	list_for_each_entry_safe(seal, next, &holder->seals, link) {
		seal_unlink(seal);
		if (seal->id)
			list_add(&seal->link, &broken);
	}
	spin_unlock(&seals_lock);

	seal_free_all(&broken);
}

/* @region has no file any more, so no seal is being made. */
void flowipc_seal_destroy(struct region *region)
{
	struct range_node *pages;
	LIST_HEAD(broken);

	spin_lock(&seals_lock);
	while ((pages = range_set_iter_first(&region->seals, 0, ULONG_MAX))) {
		struct seal *seal = container_of(pages, struct seal, pages);

		seal_unlink(seal);
		list_add(&seal->link, &broken);
	}
	spin_unlock(&seals_lock);

	seal_free_all(&broken);
}

/* NULL if @holder has no such seal, or it is still being made. */
static struct seal *seal_find(struct channel_end *holder, u64 id)
{
	struct seal *seal;

	lockdep_assert_held(&seals_lock);

	list_for_each_entry(seal, &holder->seals, link)
		if (seal->id && seal->id == id)
			return seal;

	return NULL;
}

long flowipc_seal_tell(struct channel_end *holder,
		       struct flowipc_seal_info __user *uarg)
{
	struct flowipc_seal_info arg;
	struct seal *seal;

	if (copy_from_user(&arg, uarg, sizeof(arg)))
		return -EFAULT;

	if (arg.flags || arg.reserved)
		return -EINVAL;

	spin_lock(&seals_lock);
	seal = seal_find(holder, arg.id);
	if (seal) {
		arg.region_id = seal->region->id;
		arg.offset = (u64)seal->pages.first << PAGE_SHIFT;
		arg.length = seal_length(seal);
	}
	spin_unlock(&seals_lock);

	if (!seal)
		return -ENOENT;

	return copy_to_user(uarg, &arg, sizeof(arg)) ? -EFAULT : 0;
}

static int seal_break(struct channel_end *holder, u64 id)
{
	struct seal *seal;

	spin_lock(&seals_lock);
	seal = seal_find(holder, id);
	if (seal)
		seal_unlink(seal);
	spin_unlock(&seals_lock);

	if (!seal)
		return -ENOENT;

	seal_free(seal);

	return 0;
}

long flowipc_seal_unseal(struct channel_end *holder,
			 struct flowipc_unseal __user *uarg)
{
	struct flowipc_unseal arg;

	if (copy_from_user(&arg, uarg, sizeof(arg)))
		return -EFAULT;

	if (arg.flags || arg.reserved)
		return -EINVAL;

	return seal_break(holder, arg.id);
}

static struct seal *seal_alloc(struct region *region,
			       struct channel_end *holder,
			       const struct flowipc_seal *arg)
{
	struct account *account = flowipc_account_get();
	struct seal *seal;

	if (IS_ERR(account))
		return ERR_CAST(account);

	seal = kzalloc(sizeof(*seal), GFP_KERNEL_ACCOUNT);
	if (!seal) {
		flowipc_account_put(account);
		return ERR_PTR(-ENOMEM);
	}

	flowipc_total_inc(FLOWIPC_TOTAL_SEALS);
	seal->pages.first = arg->offset >> PAGE_SHIFT;
	seal->pages.last = seal->pages.first + (arg->length >> PAGE_SHIFT) - 1;
	INIT_LIST_HEAD(&seal->link);
	seal->region = region;
	seal->holder = holder;
	seal->account = account;

	return seal;
}

static int seal_link(struct seal *seal)
{
	struct channel_end *holder = seal->holder;
	struct region *region = seal->region;
	int err = -EPIPE;

	spin_lock(&seals_lock);
	/* Set before flowipc_seal_release(), so that one of us sees the other. */
	if (!(atomic_read(&holder->state) & CHANNEL_CLOSED)) {
		range_set_insert(&seal->pages, &region->seals);
		WRITE_ONCE(region->seal_count, region->seal_count + 1);
		WRITE_ONCE(holder->seal_count, holder->seal_count + 1);
		list_add_tail(&seal->link, &holder->seals);
		err = 0;
	}
	spin_unlock(&seals_lock);

	return err;
}

/*
 * Whether anybody but the page cache and our caller has a reference to the
 * locked folio, which is in no page table. One that is not on its LRU list has
 * another reference from whoever put it there or took it off: the list of what
 * this processor will add, or compaction.
 */
static bool seal_folio_is_held(struct folio *folio)
{
	const int expected = folio_nr_pages(folio) + 1;

	/*
	 * Pairs with the atomic operation by which get_user_pages_fast() takes
	 * its reference before it looks at the page table once more: either it
	 * sees that the page is gone, or we see the reference.
	 */
	smp_mb();

	return folio_ref_count(folio) > expected + !folio_test_lru(folio);
}

/*
 * Takes the folio at @index out of all page tables, and sees to it that nobody
 * has it for I/O. Some have a reference for a moment only: I/O that is about to
 * end, and faults that wait for the folio's lock, which we therefore let go of
 * between two looks. No new ones come meanwhile, because the mapping's
 * invalidate_lock keeps faults from starting. The index of the next folio is
 * returned in @index.
 */
static int seal_folio(struct address_space *mapping, pgoff_t *index)
{
	int tries = SEAL_TRIES;
	bool held = true;

	if (down_write_killable(&mapping->invalidate_lock))
		return -EINTR;

	for (;;) {
		struct folio *folio = filemap_lock_folio(mapping, *index);

		/* Lost to memory failure: nobody will write it. */
		if (IS_ERR_OR_NULL(folio)) {
			held = false;
			++*index;
			break;
		}

		unmap_mapping_range(mapping, folio_pos(folio),
				    folio_size(folio), 0);
		held = seal_folio_is_held(folio);
		if (!held)
			*index = folio_next_index(folio);
		folio_unlock(folio);
		folio_put(folio);

		if (!held || !--tries || schedule_timeout_killable(1))
			break;
	}
	up_write(&mapping->invalidate_lock);

	return held ? -EBUSY : 0;
}

static int seal_pages(const struct seal *seal)
{
	struct address_space *mapping = seal->region->inode->i_mapping;
	pgoff_t index = seal->pages.first;
	int err = 0;

	while (!err && index <= seal->pages.last) {
		err = seal_folio(mapping, &index);
		if (fatal_signal_pending(current))
			err = -EINTR;
		cond_resched();
	}

	return err;
}

/* From here the seal is the lists'. */
static u64 seal_number(struct seal *seal)
{
	struct channel_end *holder = seal->holder;

	lockdep_assert_held(&seals_lock);

	seal->id = ++holder->last_seal_id;
	trace_seal_create(seal->region->id, holder->channel->id,
			  flowipc_end_index(holder), seal->id,
			  (u64)seal->pages.first << PAGE_SHIFT,
			  seal_length(seal));

	return seal->id;
}

/*
 * Gives the seal its number, or takes it back after @err. It may have been
 * broken on the way, by the end of its holder.
 */
static int seal_conclude(struct seal *seal, int err, u64 *id)
{
	spin_lock(&seals_lock);
	if (list_empty(&seal->link))
		err = -EPIPE;
	else if (err)
		seal_unlink(seal);
	else
		*id = seal_number(seal);
	spin_unlock(&seals_lock);

	if (err)
		seal_free(seal);

	return err;
}

static int seal_create(struct region *region, struct channel_end *holder,
		       struct flowipc_seal *arg,
		       struct flowipc_seal __user *uarg)
{
	struct seal *seal = seal_alloc(region, holder, arg);
	int err;

	if (IS_ERR(seal))
		return PTR_ERR(seal);

	err = seal_link(seal);
	if (err) {
		seal_free(seal);
		return err;
	}

	err = seal_conclude(seal, seal_pages(seal), &arg->id);
	if (err)
		return err;

	if (put_user(arg->id, &uarg->id)) {
		/* If the holder has not done so: it can guess the number. */
		seal_break(holder, arg->id);
		return -EFAULT;
	}

	return 0;
}

long flowipc_seal_create(struct region *region,
			 struct flowipc_seal __user *uarg)
{
	struct channel_end *holder;
	struct flowipc_seal arg;
	struct file *file;
	long err = -EINVAL;

	if (copy_from_user(&arg, uarg, sizeof(arg)))
		return -EFAULT;

	if (arg.flags)
		return -EINVAL;
	if (!range_is_valid(arg.offset, arg.length, region->size))
		return -EINVAL;
	if (!(region->flags & FLOWIPC_REGION_SEALABLE))
		return -EOPNOTSUPP;

	/* An open end keeps its channel, and so the holder, in memory. */
	file = fget(arg.channel_fd);
	if (!file)
		return -EBADF;

	holder = flowipc_channel_peer_of_file(file);
	if (holder)
		err = seal_create(region, holder, &arg, uarg);
	fput(file);

	return err;
}
