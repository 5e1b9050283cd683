// SPDX-License-Identifier: GPL-2.0-only
/*
 * DOC: /proc/PID/fdinfo
 *
 * One "flowipc-*: value" line for each fact, numbers in decimal, so that a tool
 * can tell from /proc alone who holds what. Ids are shown as in the user
 * namespace of the reader's descriptor, as far as they exist there.
 */
#include <linux/fs.h>
#include <linux/seq_file.h>
#include <linux/uidgid.h>

#include "flowipc.h"

static void show_kind(struct seq_file *m, const char *kind)
{
	seq_printf(m, "flowipc-kind:\t%s\n", kind);
}

static void show_bytes(struct seq_file *m, const char *what, u64 bytes)
{
	seq_printf(m, "flowipc-%s-bytes:\t%llu\n", what, bytes);
}

static void show_bool(struct seq_file *m, const char *what, bool value)
{
	seq_printf(m, "flowipc-%s:\t%d\n", what, value);
}

void flowipc_device_show_fdinfo(struct seq_file *m, struct file *file)
{
	show_kind(m, "device");
	show_bytes(m, "used-total", flowipc_used_total_bytes());
	show_bytes(m, "max-total", flowipc_limit_total_bytes());
}

void flowipc_region_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct region *region = file->private_data;
	u32 grants, claims;

	mutex_lock(&region->lock);
	flowipc_region_count(region, &grants, &claims);
	mutex_unlock(&region->lock);

	show_kind(m, "region");
	show_bytes(m, "size", region->size);
	show_bytes(m, "huge", region->huge_bytes);
	seq_printf(m, "flowipc-grants:\t%u\n", grants);
	seq_printf(m, "flowipc-claims:\t%u\n", claims);
}

static void show_grant(struct seq_file *m, const struct grant *grant)
{
	struct user_namespace *ns = seq_user_ns(m);

	show_bytes(m, "offset", grant->offset);
	show_bytes(m, "length", grant->length);
	seq_printf(m, "flowipc-rights:\t%s\n",
		   grant->rights & FLOWIPC_RIGHT_WRITE ? "rw" : "r");
	if (grant->flags & FLOWIPC_GRANT_UID)
		seq_printf(m, "flowipc-uid:\t%u\n",
			   from_kuid_munged(ns, grant->uid));
	if (grant->flags & FLOWIPC_GRANT_GID)
		seq_printf(m, "flowipc-gid:\t%u\n",
			   from_kgid_munged(ns, grant->gid));
}

void flowipc_grant_show_fdinfo(struct seq_file *m, struct file *file)
{
	const struct grant *grant = file->private_data;

	show_kind(m, "grant");
	show_grant(m, grant);
	show_bool(m, "claimed", READ_ONCE(grant->mm));
	show_bool(m, "revoked", READ_ONCE(grant->revoked));
}

void flowipc_claim_show_fdinfo(struct seq_file *m, struct file *file)
{
	const struct claim *claim = file->private_data;

	show_kind(m, "claim");
	show_grant(m, claim->grant);
	show_bool(m, "revoked", flowipc_claim_is_revoked(claim));
}

void flowipc_channel_show_fdinfo(struct seq_file *m, struct file *file)
{
	const struct channel_end *end = file->private_data;
	u32 state = atomic_read(&end->state);

	show_kind(m, "channel");
	show_bool(m, "message", state & FLOWIPC_EVENT_MESSAGE);
	show_bool(m, "space", state & FLOWIPC_EVENT_SPACE);
	show_bool(m, "hup", state & FLOWIPC_EVENT_HUP);
}
