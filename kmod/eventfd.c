// SPDX-License-Identifier: GPL-2.0-only
/*
 * DOC: bound eventfds
 *
 * An eventfd bound to a channel end is signalled by whoever sets a bit in
 * end->state. It finds CHANNEL_BOUND in the same word, so an end without one
 * pays nothing.
 *
 * None is missed: who sets a bit after CHANNEL_BOUND signals; what was set
 * before is found by the binding. end->eventfd_lock makes it exact: after a
 * binding has ended, its eventfd is not signalled any more. eventfd_signal()
 * takes the locks of the eventfd and of its pollers under it, and none of ours.
 */
#include <linux/err.h>
#include <linux/eventfd.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "flowipc.h"

#define EVENTFD_EVENTS	(FLOWIPC_EVENT_MESSAGE | FLOWIPC_EVENT_SPACE | \
			 FLOWIPC_EVENT_HUP | FLOWIPC_EVENT_RDHUP)

/* After @events were set in end->state. Never blocks: a full eventfd stays so. */
void flowipc_eventfd_signal(struct channel_end *end, u32 events)
{
	spin_lock(&end->eventfd_lock);
	if (end->eventfd && events & end->eventfd_events)
		compat_eventfd_signal(end->eventfd);
	spin_unlock(&end->eventfd_lock);
}

/* Takes over the reference to @eventfd; NULL ends the binding. */
static void eventfd_replace(struct channel_end *end,
			    struct eventfd_ctx *eventfd, u32 events)
{
	struct eventfd_ctx *old;

	spin_lock(&end->eventfd_lock);
	old = end->eventfd;
	end->eventfd = eventfd;
	end->eventfd_events = events;
	if (!eventfd)
		atomic_andnot(CHANNEL_BOUND, &end->state);
	else if (atomic_fetch_or(CHANNEL_BOUND, &end->state) & events)
		compat_eventfd_signal(eventfd);
	spin_unlock(&end->eventfd_lock);

	if (old)
		eventfd_ctx_put(old);
}

/* When the end is closed. */
void flowipc_eventfd_release(struct channel_end *end)
{
	eventfd_replace(end, NULL, 0);
}

long flowipc_eventfd_bind(struct channel_end *end,
			  struct flowipc_bind_eventfd __user *uarg)
{
	struct flowipc_bind_eventfd arg;
	struct eventfd_ctx *eventfd = NULL;

	if (copy_from_user(&arg, uarg, sizeof(arg)))
		return -EFAULT;

	if (arg.flags || arg.reserved || arg.events & ~EVENTFD_EVENTS)
		return -EINVAL;
	if (!arg.events != (arg.eventfd == -1))
		return -EINVAL;

	if (arg.eventfd != -1) {
		eventfd = eventfd_ctx_fdget(arg.eventfd);
		if (IS_ERR(eventfd))
			return PTR_ERR(eventfd);
	}
	eventfd_replace(end, eventfd, arg.events);

	return 0;
}
