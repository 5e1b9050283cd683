// SPDX-License-Identifier: GPL-2.0-only
/*
 * DOC: channels
 *
 * What an end has to hear is one atomic word, end->state: the other end sets
 * bits in it, WAIT clears those it takes. That the channel is closed or shut
 * down stands in the same word, so it can neither overtake what was rung before
 * it nor be overtaken by what is rung after; and of two waiters for one bell
 * exactly one gets it. No lock is needed besides that of the wait queue.
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
#include "trace.h"

static atomic64_t last_channel_id;

__poll_t flowipc_poll_mask(u32 events)
{
	__poll_t mask = 0;

	if (events & FLOWIPC_EVENT_MESSAGE)
		mask |= EPOLLIN | EPOLLRDNORM;
	if (events & FLOWIPC_EVENT_SPACE)
		mask |= EPOLLOUT | EPOLLWRNORM;
	if (events & FLOWIPC_EVENT_HUP)
		mask |= EPOLLHUP;
	if (events & FLOWIPC_EVENT_RDHUP)
		mask |= EPOLLRDHUP;

	return mask;
}

static bool channel_bells_valid(u32 events)
{
	return events && !(events & ~CHANNEL_BELLS);
}

/*
 * After @events were set in end->state, which is a full barrier, and had been
 * @state. Pairs with the barrier of flowipc_sleeper_begin() and with smp_mb()
 * in channel_poll(): either they see the bits, or we see that they wait.
 *
 * With @sync the caller is about to sleep.
 */
static void channel_announce(struct channel_end *end, u32 events, u32 state,
			     bool sync)
{
	flowipc_sleepers_wake(end, events, sync);
	if (unlikely(state & CHANNEL_BOUND))
		flowipc_eventfd_signal(end, events);
}

/* Lets @events be pending at @end; was all of it, nobody needs to be told. */
static void channel_raise(struct channel_end *end, u32 events)
{
	u32 state = atomic_fetch_or(events, &end->state);

	if (events & ~state)
		channel_announce(end, events, state, false);
}

/* Rings the bells @events at @end. */
static int channel_ring(struct channel_end *end, u32 events, bool sync)
{
	int state = atomic_read(&end->state);
	u32 barred = CHANNEL_CLOSED;

	if (events & FLOWIPC_EVENT_MESSAGE)
		barred |= FLOWIPC_EVENT_RDHUP;

	do {
		if (unlikely(state & barred))
			return -EPIPE;
	} while (!atomic_try_cmpxchg(&end->state, &state, state | events));

	trace_channel_kick(end->channel->id, flowipc_end_index(end), events);
	channel_announce(end, events, state, sync);

	return 0;
}

/* What ends a WAIT for the bells @events. */
u32 flowipc_answers(u32 events)
{
	if (events & FLOWIPC_EVENT_MESSAGE)
		events |= FLOWIPC_EVENT_RDHUP;

	return events | FLOWIPC_EVENT_HUP;
}

/* Takes those of the bells @events which are pending; what holds, stays. */
static u32 channel_take(struct channel_end *end, u32 events)
{
	int state = atomic_read(&end->state);
	u32 answers = flowipc_answers(events);
	u32 taken;

	do {
		taken = state & answers;
		if (!(taken & CHANNEL_BELLS))
			break;
	} while (!atomic_try_cmpxchg(&end->state, &state, state & ~events));

	return taken;
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

static void channel_trace_wake(const struct channel_end *end, u32 taken,
			       u64 since)
{
	trace_channel_wake(end->channel->id, flowipc_end_index(end), taken,
			   since ? ktime_get_ns() - since : 0);
}

static int channel_sleep(struct channel_end *end, u32 events, ktime_t *expiry,
			 u32 *taken)
{
	u64 since = trace_channel_wake_enabled() ? ktime_get_ns() : 0;
	struct sleeper sleeper;
	int err = 0;

	trace_channel_wait(end->channel->id, flowipc_end_index(end), events);
	flowipc_sleeper_begin(end, &sleeper, events);
	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		*taken = channel_take(end, events);
		/* With an error too, so the last thing before it is a look. */
		if (*taken || err)
			break;

		if (signal_pending(current)) {
			err = -ERESTARTSYS;
			break;
		}
		if (!expiry)
			schedule();
		else if (!schedule_hrtimeout(expiry, HRTIMER_MODE_ABS))
			err = -ETIMEDOUT;
	}
	__set_current_state(TASK_RUNNING);
	flowipc_sleeper_end(end, &sleeper);
	if (trace_channel_wake_enabled())
		channel_trace_wake(end, *taken, since);

	return *taken ? 0 : err;
}

/* WAIT, apart from its argument; what was taken goes to @uevents. */
static int channel_await(struct channel_end *end, u32 events, u64 deadline_ns,
			 u32 __user *uevents)
{
	ktime_t expiry, *until;
	u32 taken;
	int err;

	taken = channel_take(end, events);
	if (!taken) {
		until = channel_expiry(deadline_ns, &expiry);
		if (until && ktime_compare(ktime_get(), expiry) >= 0)
			return -ETIMEDOUT;

		err = channel_sleep(end, events, until, &taken);
		if (err)
			return err;
	}

	if (put_user(taken, uevents)) {
		/* Nothing may have changed, so ring again what was taken. */
		if (taken & CHANNEL_BELLS)
			channel_raise(end, taken & CHANNEL_BELLS);
		return -EFAULT;
	}

	return 0;
}

static long channel_wait(struct channel_end *end,
			 struct flowipc_wait __user *uarg)
{
	struct flowipc_wait arg;

	if (copy_from_user(&arg, uarg, sizeof(arg)))
		return -EFAULT;

	if (arg.flags || arg.reserved)
		return -EINVAL;
	if (!channel_bells_valid(arg.events))
		return -EINVAL;

	return channel_await(end, arg.events, arg.deadline_ns, &uarg->events);
}

static long channel_kick(struct channel_end *end,
			 struct flowipc_kick __user *uarg)
{
	struct flowipc_kick arg;

	if (copy_from_user(&arg, uarg, sizeof(arg)))
		return -EFAULT;

	if (arg.flags || arg.reserved)
		return -EINVAL;
	if (!channel_bells_valid(arg.events))
		return -EINVAL;

	return channel_ring(flowipc_end_peer(end), arg.events, false);
}

static long channel_kick_and_wait(struct channel_end *end,
				  struct flowipc_kick_and_wait __user *uarg)
{
	struct flowipc_kick_and_wait arg;
	int err;

	if (copy_from_user(&arg, uarg, sizeof(arg)))
		return -EFAULT;

	if (arg.flags || arg.reserved)
		return -EINVAL;
	if (!channel_bells_valid(arg.kick) || !channel_bells_valid(arg.events))
		return -EINVAL;

	err = channel_ring(flowipc_end_peer(end), arg.kick, true);
	if (err)
		return err;

	/* Whom we woke on this processor may reply before we are asleep. */
	cond_resched();
	err = channel_await(end, arg.events, arg.deadline_ns, &uarg->events);

	/* A restart would ring twice. */
	return err == -ERESTARTSYS ? -EINTR : err;
}

static void channel_hang_up(struct channel *channel)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(channel->ends); i++) {
		trace_channel_shutdown(channel->id, i);
		atomic_or(CHANNEL_CLOSED, &channel->ends[i].state);
	}
	/* Only now, so that who hears it rings in vain. */
	for (i = 0; i < ARRAY_SIZE(channel->ends); i++)
		channel_raise(&channel->ends[i], FLOWIPC_EVENT_HUP);
}

static long channel_shutdown(struct channel_end *end,
			     struct flowipc_shutdown __user *uarg)
{
	struct flowipc_shutdown arg;

	if (copy_from_user(&arg, uarg, sizeof(arg)))
		return -EFAULT;

	if (arg.flags & ~FLOWIPC_SHUTDOWN_BOTH || arg.reserved)
		return -EINVAL;

	if (arg.flags & FLOWIPC_SHUTDOWN_BOTH) {
		channel_hang_up(end->channel);
		return 0;
	}

	trace_channel_shutdown(end->channel->id, flowipc_end_index(end));
	channel_raise(flowipc_end_peer(end), FLOWIPC_EVENT_RDHUP);

	return 0;
}

static long channel_ioctl(struct file *file, unsigned int cmd,
			  unsigned long arg)
{
	struct channel_end *end = file->private_data;
	void __user *uarg = (void __user *)arg;

	switch (cmd) {
	case FLOWIPC_IOC_KICK_AND_WAIT:
		return channel_kick_and_wait(end, uarg);
	case FLOWIPC_IOC_KICK:
		return channel_kick(end, uarg);
	case FLOWIPC_IOC_WAIT:
		return channel_wait(end, uarg);
	case FLOWIPC_IOC_SHUTDOWN:
		return channel_shutdown(end, uarg);
	case FLOWIPC_IOC_BIND_EVENTFD:
		return flowipc_eventfd_bind(end, uarg);
	case FLOWIPC_IOC_CHANNEL_CLAIM:
		return flowipc_peer_claim(end, uarg);
	case FLOWIPC_IOC_PEER:
		return flowipc_peer_tell(flowipc_end_peer(end), uarg);
	case FLOWIPC_IOC_SEAL_INFO:
		return flowipc_seal_tell(end, uarg);
	case FLOWIPC_IOC_UNSEAL:
		return flowipc_seal_unseal(end, uarg);
	default:
		return -ENOTTY;
	}
}

static __poll_t channel_poll(struct file *file, poll_table *wait)
{
	struct channel_end *end = file->private_data;

	poll_wait(file, &end->wait, wait);
	/* Pairs with the atomic operation before channel_announce(). */
	smp_mb();

	return flowipc_poll_mask(atomic_read(&end->state));
}

static void channel_put(struct channel *channel)
{
	int i;

	if (!refcount_dec_and_test(&channel->open))
		return;

	trace_channel_free(channel->id);
	for (i = 0; i < ARRAY_SIZE(channel->ends); i++)
		flowipc_identity_put(channel->ends[i].claimer);
	flowipc_account_put(channel->account);
	kfree(channel);
	flowipc_total_dec(FLOWIPC_TOTAL_CHANNELS);
}

static int channel_release(struct inode *inode, struct file *file)
{
	struct channel_end *end = file->private_data;

	trace_channel_hup(end->channel->id, flowipc_end_index(end));
	atomic_or(CHANNEL_CLOSED, &end->state);
	/* Before the hang-up, so that who hears it can count on it. */
	flowipc_seal_release(end);
	channel_raise(flowipc_end_peer(end), FLOWIPC_EVENT_HUP);
	flowipc_eventfd_release(end);
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

/* The end opposite to that of @file; NULL if @file is something else. */
struct channel_end *flowipc_channel_peer_of_file(struct file *file)
{
	return file->f_op == &channel_fops ?
	       flowipc_end_peer(file->private_data) : NULL;
}

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

	flowipc_total_inc(FLOWIPC_TOTAL_CHANNELS);
	channel->id = atomic64_inc_return(&last_channel_id);
	channel->account = account;
	refcount_set(&channel->open, ARRAY_SIZE(channel->ends));
	for (i = 0; i < ARRAY_SIZE(channel->ends); i++) {
		channel->ends[i].channel = channel;
		init_waitqueue_head(&channel->ends[i].wait);
		spin_lock_init(&channel->ends[i].eventfd_lock);
		INIT_LIST_HEAD(&channel->ends[i].seals);
	}
	trace_channel_create(channel->id);

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
