// SPDX-License-Identifier: GPL-2.0-only
/*
 * DOC: /proc/PID/fdinfo
 *
 * One "flowipc-*: value" line for each fact, numbers in decimal, so that a tool
 * can tell from /proc alone who holds what. User and group ids are shown as in
 * the user namespace of the reader's descriptor, as far as they exist there,
 * process ids as in the pid namespace of the reader's /proc. A fact that does
 * not apply has no line. After "flowipc-kind", which is the first:
 *
 *   device   used-total-bytes, max-total-bytes
 *   region   region, size-bytes, user (for whom it counts), locked-bytes
 *            (against RLIMIT_MEMLOCK), flags (strict, sealable or -),
 *            huge-bytes, grants, claims, claimed, dropped, seals; and for each
 *            claim "claimer: CLAIM GRANT PID UID GID EXECUTABLE"
 *   grant    as of a region up to flags; grant, offset-bytes, length-bytes,
 *            rights (r or rw), uid, gid, many, expire, claims, revoked
 *   claim    as of a grant up to rights; claim, revoked, claimer-pid, -uid,
 *            -gid, -exe
 *   channel  channel, end (0 or 1), user, message, space, hup, rdhup, shutdown
 *            (was this end), seals (it holds), eventfd (is one bound),
 *            claimer-pid, -uid, -gid, -exe, peer-pid, -uid, -gid, -exe
 *
 * Conditions are 0 or 1; a pid is 0 for a process that has none here, and -1
 * for one that is gone.
 */
#include <linux/fs.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/uidgid.h>

#include "flowipc.h"

static void show_kind(struct seq_file *m, const char *kind)
{
	seq_printf(m, "flowipc-kind:\t%s\n", kind);
}

static void show_number(struct seq_file *m, const char *what, u64 number)
{
	seq_printf(m, "flowipc-%s:\t%llu\n", what, number);
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

static void show_uid(struct seq_file *m, const char *what, kuid_t uid)
{
	show_number(m, what, from_kuid_munged(seq_user_ns(m), uid));
}

static void show_gid(struct seq_file *m, const char *what, kgid_t gid)
{
	show_number(m, what, from_kgid_munged(seq_user_ns(m), gid));
}

/* In the pid namespace of this /proc: 0 when it has none, -1 when it is gone. */
static pid_t show_pid_of(struct seq_file *m, const struct identity *who)
{
	return flowipc_identity_pid(who,
				    proc_pid_ns(file_inode(m->file)->i_sb));
}

/* So that whatever the path is, it is one line. */
static void show_exe_of(struct seq_file *m, const struct identity *who)
{
	if (who->exe)
		seq_escape(m, who->exe, "\n\t\\");
	else
		seq_puts(m, "-");
	seq_putc(m, '\n');
}

/* What holds for the region of a grant or claim, too. */
static void show_region(struct seq_file *m, const struct region *region)
{
	const struct memory_charge *charge = &region->charge;

	show_number(m, "region", region->id);
	show_bytes(m, "size", region->size);
	show_uid(m, "user", flowipc_account_uid(region->account));
	show_bytes(m, "locked", charge->account ? charge->bytes : 0);
	seq_printf(m, "flowipc-flags:\t%s\n",
		   region->flags & FLOWIPC_REGION_STRICT ? "strict" :
		   region->flags & FLOWIPC_REGION_SEALABLE ? "sealable" : "-");
}

static void show_claim_of(struct seq_file *m, const struct claim *claim)
{
	const struct identity *who = claim->who;
	struct user_namespace *ns = seq_user_ns(m);

	seq_printf(m, "flowipc-claimer:\t%llu %llu %d %u %u ", claim->id,
		   claim->grant->id, show_pid_of(m, who),
		   from_kuid_munged(ns, who->uid),
		   from_kgid_munged(ns, who->gid));
	show_exe_of(m, who);
}

void flowipc_region_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct region *region = file->private_data;
	const struct claim *claim;
	u32 grants, claims;

	show_kind(m, "region");
	show_region(m, region);
	show_bytes(m, "huge", region->huge_bytes);

	mutex_lock(&region->lock);
	flowipc_region_count(region, &grants, &claims);
	show_number(m, "grants", grants);
	show_number(m, "claims", claims);
	show_number(m, "claimed", region->claimed);
	show_number(m, "dropped", region->dropped);
	show_number(m, "seals", READ_ONCE(region->seal_count));
	list_for_each_entry(claim, &region->claims, link)
		if (!flowipc_claim_is_revoked(claim))
			show_claim_of(m, claim);
	mutex_unlock(&region->lock);
}

static void show_grant(struct seq_file *m, const struct grant *grant)
{
	show_number(m, "grant", grant->id);
	show_bytes(m, "offset", grant->offset);
	show_bytes(m, "length", grant->length);
	seq_printf(m, "flowipc-rights:\t%s\n",
		   grant->rights & FLOWIPC_RIGHT_WRITE ? "rw" : "r");
}

void flowipc_grant_show_fdinfo(struct seq_file *m, struct file *file)
{
	const struct grant *grant = file->private_data;
	bool revoked = READ_ONCE(grant->revoked);

	show_kind(m, "grant");
	show_region(m, grant->region);
	show_grant(m, grant);
	if (grant->flags & FLOWIPC_GRANT_UID)
		show_uid(m, "uid", grant->uid);
	if (grant->flags & FLOWIPC_GRANT_GID)
		show_gid(m, "gid", grant->gid);
	show_bool(m, "many", grant->flags & FLOWIPC_GRANT_MANY);
	show_bool(m, "expire", grant->flags & FLOWIPC_GRANT_EXPIRE);
	show_number(m, "claims", revoked ? 0 : READ_ONCE(grant->claims));
	show_bool(m, "revoked", revoked);
}

/* Of the process which is @role here. */
static void show_identity(struct seq_file *m, const char *role,
			  const struct identity *who)
{
	struct user_namespace *ns = seq_user_ns(m);

	seq_printf(m, "flowipc-%s-pid:\t%d\n", role, show_pid_of(m, who));
	seq_printf(m, "flowipc-%s-uid:\t%u\n", role,
		   from_kuid_munged(ns, who->uid));
	seq_printf(m, "flowipc-%s-gid:\t%u\n", role,
		   from_kgid_munged(ns, who->gid));
	seq_printf(m, "flowipc-%s-exe:\t", role);
	show_exe_of(m, who);
}

void flowipc_claim_show_fdinfo(struct seq_file *m, struct file *file)
{
	const struct claim *claim = file->private_data;

	show_kind(m, "claim");
	show_region(m, claim->grant->region);
	show_grant(m, claim->grant);
	show_number(m, "claim", claim->id);
	show_bool(m, "revoked", flowipc_claim_is_revoked(claim));
	show_identity(m, "claimer", claim->who);
}

void flowipc_channel_show_fdinfo(struct seq_file *m, struct file *file)
{
	const struct channel_end *end = file->private_data;
	const struct channel_end *peer = flowipc_end_peer(end);
	const struct identity *claimer = READ_ONCE(end->claimer);
	const struct identity *peer_claimer = READ_ONCE(peer->claimer);
	u32 state = atomic_read(&end->state);

	show_kind(m, "channel");
	show_number(m, "channel", end->channel->id);
	show_number(m, "end", flowipc_end_index(end));
	show_uid(m, "user", flowipc_account_uid(end->channel->account));
	show_bool(m, "message", state & FLOWIPC_EVENT_MESSAGE);
	show_bool(m, "space", state & FLOWIPC_EVENT_SPACE);
	show_bool(m, "hup", state & FLOWIPC_EVENT_HUP);
	show_bool(m, "rdhup", state & FLOWIPC_EVENT_RDHUP);
	show_bool(m, "shutdown",
		  atomic_read(&peer->state) & FLOWIPC_EVENT_RDHUP);
	show_number(m, "seals", READ_ONCE(end->seal_count));
	show_bool(m, "eventfd", state & CHANNEL_BOUND);
	if (claimer)
		show_identity(m, "claimer", claimer);
	if (peer_claimer)
		show_identity(m, "peer", peer_claimer);
}
