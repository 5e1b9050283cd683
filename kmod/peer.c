// SPDX-License-Identifier: GPL-2.0-only
/*
 * DOC: peers
 *
 * The first process that claims a channel end is its claimer for as long as
 * the channel exists. end->claimer is therefore set once, and read without a
 * lock.
 */
#include <linux/err.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "flowipc.h"
#include "trace.h"

/* Makes current the claimer of @end, unless there is one; returns which. */
static struct identity *peer_claim(struct channel_end *end)
{
	struct identity *who = flowipc_identity_of_current();
	struct identity *first;

	if (IS_ERR(who))
		return who;

	first = cmpxchg(&end->claimer, NULL, who);
	if (!first) {
		trace_channel_claim(end->channel->id, flowipc_end_index(end));
		return who;
	}
	flowipc_identity_put(who);

	return first;
}

long flowipc_peer_claim(struct channel_end *end,
			struct flowipc_channel_claim __user *uarg)
{
	struct identity *claimer = READ_ONCE(end->claimer);
	struct flowipc_channel_claim arg;

	if (copy_from_user(&arg, uarg, sizeof(arg)))
		return -EFAULT;

	if (arg.flags || arg.reserved)
		return -EINVAL;

	if (!claimer)
		claimer = peer_claim(end);
	if (IS_ERR(claimer))
		return PTR_ERR(claimer);

	return claimer->pid == task_tgid(current) ? 0 : -EBUSY;
}

/* Tells who claimed @peer, the other end of the caller's. */
long flowipc_peer_tell(const struct channel_end *peer,
		       struct flowipc_channel_peer __user *uarg)
{
	const struct identity *claimer;
	struct flowipc_channel_peer arg;
	int err;

	if (copy_from_user(&arg, uarg, sizeof(arg)))
		return -EFAULT;

	if (arg.flags || arg.reserved)
		return -EINVAL;

	claimer = READ_ONCE(peer->claimer);
	if (!claimer)
		return -ENOTCONN;

	err = flowipc_identity_tell(claimer, &arg.who);
	if (err)
		return err;

	return copy_to_user(uarg, &arg, sizeof(arg)) ? -EFAULT : 0;
}
