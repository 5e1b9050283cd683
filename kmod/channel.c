// SPDX-License-Identifier: GPL-2.0-only
/*
 * DOC: channels
 *
 * No lock besides those of the two wait queues. What is pending at an end is
 * one atomic word: KICK sets bits in it, WAIT clears what it takes, so that of
 * two waiters for one bell exactly one gets it. end->closed is set once, when
 * the last descriptor is released.
 *
 * Nobody is woken without a reason: each sleeper tells which bells it waits
 * for, and two threads at one end, one for each bell, do not disturb each
 * other.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/module.h>
#include <linux/overflow.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/time_namespace.h>
#include <linux/uaccess.h>

#include "flowipc.h"

#define CHANNEL_BELLS	(FLOWIPC_EVENT_MESSAGE | FLOWIPC_EVENT_SPACE)

/* A sleeper in WAIT, and the events in @mask it wakes for. */
struct channel_waiter {
	struct wait_queue_entry	entry;
	__poll_t		mask;
};

static struct channel_end *channel_peer(const struct channel_end *end)
{
	struct channel *channel = end->channel;

	return &channel->ends[end == &channel->ends[0]];
}

static __poll_t channel_poll_mask(u32 events)
{
	__poll_t mask = 0;

	if (events & FLOWIPC_EVENT_MESSAGE)
		mask |= EPOLLIN | EPOLLRDNORM;
	if (events & FLOWIPC_EVENT_SPACE)
		mask |= EPOLLOUT | EPOLLWRNORM;
	if (events & FLOWIPC_EVENT_HUP)
		mask |= EPOLLHUP;

	return mask;
}

/* Takes those of @events which are pending, and HUP if that holds. */
static u32 channel_take(struct channel_end *end, u32 events)
{
	u32 taken = 0;

	/*
	 * The hang-up is looked for first: when it is seen, so is all that was
	 * kicked before it, and the last message is not lost. Pairs with
	 * smp_store_release() in channel_release().
	 */
	if (smp_load_acquire(&channel_peer(end)->closed))
		taken = FLOWIPC_EVENT_HUP;

	return taken | (atomic_fetch_andnot(events, &end->pending) & events);
}

static void channel_ring(struct channel_end *end, u32 events)
{
	atomic_fetch_or(events, &end->pending);
	/*
	 * That was a full barrier. Pairs with the one in prepare_to_wait() of
	 * channel_sleep() and with smp_mb() in channel_poll(): either they see
	 * the bits, or we see that they wait.
	 */
	if (waitqueue_active(&end->wait))
		wake_up_poll(&end->wait, channel_poll_mask(events));
}

static int channel_wake(struct wait_queue_entry *entry, unsigned int mode,
			int sync, void *key)
{
	struct channel_waiter *waiter =
		container_of(entry, struct channel_waiter, entry);

	if (key && !(key_to_poll(key) & waiter->mask))
		return 0;

	return autoremove_wake_function(entry, mode, sync, key);
}

/*
 * CLOCK_MONOTONIC of the caller may have an offset, in a time namespace; the
 * timer wants that of the machine. NULL is for ever.
 */
static ktime_t *channel_expiry(u64 deadline_ns, ktime_t *expiry)
{
	struct timespec64 offset = {};

	if (deadline_ns >= KTIME_MAX)
		return NULL;

	timens_add_monotonic(&offset);
	if (check_sub_overflow((s64)deadline_ns, timespec64_to_ns(&offset),
			       expiry))
		return NULL;

	return expiry;
}

static int channel_sleep(struct channel_end *end, u32 events, ktime_t *expiry,
			 u32 *taken)
{
	struct channel_waiter waiter = {
		.mask = channel_poll_mask(events | FLOWIPC_EVENT_HUP),
	};
	int err = 0;

	init_wait(&waiter.entry);
	waiter.entry.func = channel_wake;

	for (;;) {
		prepare_to_wait(&end->wait, &waiter.entry, TASK_INTERRUPTIBLE);

		*taken = channel_take(end, events);
		if (*taken)
			break;

		/* So the last thing before giving up is a look. */
		if (err)
			break;

		if (signal_pending(current)) {
			err = -ERESTARTSYS;
			break;
		}
		if (!schedule_hrtimeout(expiry, HRTIMER_MODE_ABS))
			err = -ETIMEDOUT;
	}
	finish_wait(&end->wait, &waiter.entry);

	return *taken ? 0 : err;
}

static long channel_wait(struct channel_end *end,
			 struct flowipc_wait __user *uarg)
{
	struct flowipc_wait arg;
	ktime_t expiry, *until;
	u32 taken;
	int err;

	if (copy_from_user(&arg, uarg, sizeof(arg)))
		return -EFAULT;

	if (arg.flags || arg.reserved)
		return -EINVAL;
	if (!arg.events || arg.events & ~CHANNEL_BELLS)
		return -EINVAL;

	taken = channel_take(end, arg.events);
	if (!taken) {
		until = channel_expiry(arg.deadline_ns, &expiry);
		if (until && ktime_compare(ktime_get(), expiry) >= 0)
			return -ETIMEDOUT;

		err = channel_sleep(end, arg.events, until, &taken);
		if (err)
			return err;
	}

	if (put_user(taken, &uarg->events)) {
		/* Nothing may have changed, so ring again what was taken. */
		if (taken & CHANNEL_BELLS)
			channel_ring(end, taken & CHANNEL_BELLS);
		return -EFAULT;
	}

	return 0;
}

static long channel_kick(struct channel_end *end,
			 struct flowipc_kick __user *uarg)
{
	struct channel_end *peer = channel_peer(end);
	struct flowipc_kick arg;

	if (copy_from_user(&arg, uarg, sizeof(arg)))
		return -EFAULT;

	if (arg.flags || arg.reserved)
		return -EINVAL;
	if (!arg.events || arg.events & ~CHANNEL_BELLS)
		return -EINVAL;

	if (READ_ONCE(peer->closed))
		return -EPIPE;

	channel_ring(peer, arg.events);

	return 0;
}

static long channel_ioctl(struct file *file, unsigned int cmd,
			  unsigned long arg)
{
	struct channel_end *end = file->private_data;
	void __user *uarg = (void __user *)arg;

	switch (cmd) {
	case FLOWIPC_IOC_KICK:
		return channel_kick(end, uarg);
	case FLOWIPC_IOC_WAIT:
		return channel_wait(end, uarg);
	default:
		return -ENOTTY;
	}
}

static __poll_t channel_poll(struct file *file, poll_table *wait)
{
	struct channel_end *end = file->private_data;
	u32 events = 0;

	poll_wait(file, &end->wait, wait);
	/* Pairs with atomic_fetch_or() in channel_ring(). */
	smp_mb();

	/* In this order for the same reason as in channel_take(). */
	if (smp_load_acquire(&channel_peer(end)->closed))
		events = FLOWIPC_EVENT_HUP;
	events |= atomic_read(&end->pending);

	return channel_poll_mask(events);
}

static void channel_put(struct channel *channel)
{
	if (!refcount_dec_and_test(&channel->open))
		return;

	flowipc_account_put(channel->account);
	kfree(channel);
}

static int channel_release(struct inode *inode, struct file *file)
{
	struct channel_end *end = file->private_data;

	/* Pairs with smp_load_acquire() in channel_take(). */
	smp_store_release(&end->closed, true);
	/* Takes the lock of the queue, so a sleeper is in it or will see. */
	wake_up_poll(&channel_peer(end)->wait, EPOLLHUP);
	channel_put(end->channel);

	return 0;
}

static const struct file_operations channel_fops = {
	.owner		= THIS_MODULE,
	.unlocked_ioctl	= channel_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.poll		= channel_poll,
	.release	= channel_release,
	.show_fdinfo	= flowipc_channel_show_fdinfo,
};

static struct channel *channel_alloc(void)
{
	struct account *account = flowipc_account_get();
	struct channel *channel;
	int i;

	if (IS_ERR(account))
		return ERR_CAST(account);

	channel = kzalloc(sizeof(*channel), GFP_KERNEL_ACCOUNT);
	if (!channel) {
		flowipc_account_put(account);
		return ERR_PTR(-ENOMEM);
	}

	channel->account = account;
	refcount_set(&channel->open, ARRAY_SIZE(channel->ends));
	for (i = 0; i < ARRAY_SIZE(channel->ends); i++) {
		channel->ends[i].channel = channel;
		init_waitqueue_head(&channel->ends[i].wait);
	}

	return channel;
}

static struct file *channel_file_create(struct channel_end *end)
{
	return anon_inode_getfile("[flowipc-channel]", &channel_fops, end,
				  O_RDWR);
}

static int channel_files_create(struct file *files[2])
{
	struct channel *channel = channel_alloc();

	if (IS_ERR(channel))
		return PTR_ERR(channel);

	files[0] = channel_file_create(&channel->ends[0]);
	if (IS_ERR(files[0])) {
		channel_put(channel);
		channel_put(channel);
		return PTR_ERR(files[0]);
	}

	files[1] = channel_file_create(&channel->ends[1]);
	if (IS_ERR(files[1])) {
		channel_put(channel);
		fput(files[0]);
		return PTR_ERR(files[1]);
	}

	return 0;
}

long flowipc_channel_create(struct flowipc_channel_create __user *uarg)
{
	struct flowipc_channel_create arg;
	struct file *files[2];
	int err;

	if (copy_from_user(&arg, uarg, sizeof(arg)))
		return -EFAULT;

	if (arg.flags || arg.reserved)
		return -EINVAL;

	arg.fd[0] = get_unused_fd_flags(O_CLOEXEC);
	if (arg.fd[0] < 0)
		return arg.fd[0];

	arg.fd[1] = get_unused_fd_flags(O_CLOEXEC);
	if (arg.fd[1] < 0) {
		err = arg.fd[1];
		goto put_fd0;
	}

	err = channel_files_create(files);
	if (err)
		goto put_fd1;

	if (copy_to_user(uarg, &arg, sizeof(arg))) {
		err = -EFAULT;
		goto put_files;
	}
	fd_install(arg.fd[0], files[0]);
	fd_install(arg.fd[1], files[1]);

	return 0;

put_files:
	fput(files[0]);
	fput(files[1]);
put_fd1:
	put_unused_fd(arg.fd[1]);
put_fd0:
	put_unused_fd(arg.fd[0]);
	return err;
}
