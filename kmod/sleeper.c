// SPDX-License-Identifier: GPL-2.0-only
/*
 * DOC: sleepers
 *
 * A request and its reply wake two processes, and little else: one sleeps at
 * each end. So the first to sleep at an end stands in end->sleeper, one word,
 * and is woken without the lock and the list of a wait queue. Whoever comes
 * while it is there goes to the wait queue, as pollers do.
 *
 * A waker may have read the word just before its process is awake and gone.
 * RCU keeps the process from being freed, and if it sleeps elsewhere by then it
 * wakes for nothing, which every sleeper of the kernel bears with.
 */
#include <linux/poll.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/wait.h>

#include "flowipc.h"

/*
 * The wake flags of a waker that is about to sleep, which only the scheduler
 * knows by name; it tells them to the wake functions of a queue.
 */
static int sync_flags __ro_after_init;

static int sleeper_note_flags(struct wait_queue_entry *entry,
			      unsigned int mode, int flags, void *key)
{
	sync_flags = flags;

	return 0;
}

void __init flowipc_sleeper_init(void)
{
	DECLARE_WAIT_QUEUE_HEAD_ONSTACK(queue);
	struct wait_queue_entry entry;

	init_waitqueue_func_entry(&entry, sleeper_note_flags);
	add_wait_queue(&queue, &entry);
	wake_up_interruptible_sync_poll(&queue, 0);
	remove_wait_queue(&queue, &entry);
}

/* In the wait queue: only what it sleeps for wakes it. */
static int sleeper_wake(struct wait_queue_entry *entry, unsigned int mode,
			int flags, void *key)
{
	struct sleeper *sleeper = container_of(entry, struct sleeper, entry);
	__poll_t mask = flowipc_poll_mask(flowipc_answers(sleeper->bells));

	if (key && !(key_to_poll(key) & mask))
		return 0;

	return default_wake_function(entry, mode, flags, key);
}

/*
 * The caller then sets its state, looks for the bells and sleeps. That is a
 * full barrier, which pairs with the one before flowipc_sleepers_wake(): either
 * it sees what was rung, or it is seen here.
 */
void flowipc_sleeper_begin(struct channel_end *end, struct sleeper *sleeper,
			   u32 bells)
{
	unsigned long word = (unsigned long)current | bells;

	BUILD_BUG_ON(__alignof__(struct task_struct) <= CHANNEL_BELLS);

	sleeper->bells = bells;
	sleeper->first = !READ_ONCE(end->sleeper) &&
			 !cmpxchg(&end->sleeper, 0, word);
	if (sleeper->first)
		return;

	init_waitqueue_entry(&sleeper->entry, current);
	sleeper->entry.func = sleeper_wake;
	add_wait_queue(&end->wait, &sleeper->entry);
}

void flowipc_sleeper_end(struct channel_end *end, struct sleeper *sleeper)
{
	if (sleeper->first)
		WRITE_ONCE(end->sleeper, 0);
	else
		remove_wait_queue(&end->wait, &sleeper->entry);
}

static void sleeper_wake_first(struct channel_end *end, u32 events, bool sync)
{
	const unsigned long bells = CHANNEL_BELLS;
	struct wait_queue_entry entry;
	unsigned long word;

	/* Not rcu_read_lock(), which is a call on kernels that can preempt. */
	rcu_read_lock_sched();
	word = READ_ONCE(end->sleeper);
	if (word && flowipc_answers(word & bells) & events) {
		init_waitqueue_entry(&entry,
				     (struct task_struct *)(word & ~bells));
		default_wake_function(&entry, TASK_INTERRUPTIBLE,
				      sync ? sync_flags : 0, NULL);
	}
	rcu_read_unlock_sched();
}

/*
 * Tells whoever sleeps or polls at @end of @events, which were set in
 * end->state before, by an operation that is a full barrier.
 *
 * With @sync the caller is about to sleep.
 */
void flowipc_sleepers_wake(struct channel_end *end, u32 events, bool sync)
{
	__poll_t mask;

	if (READ_ONCE(end->sleeper))
		sleeper_wake_first(end, events, sync);

	/* The caller's barrier pairs with that of poll and of who sleeps. */
	if (!waitqueue_active(&end->wait))
		return;

	mask = flowipc_poll_mask(events);
	if (sync)
		wake_up_interruptible_sync_poll(&end->wait, mask);
	else
		wake_up_poll(&end->wait, mask);
}
