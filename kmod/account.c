// SPDX-License-Identifier: GPL-2.0-only
/*
 * DOC: limits
 *
 * Three of them: RLIMIT_MEMLOCK over all processes of a user, max_total_bytes
 * over all users, and max_objects_per_user. The memory cgroup is charged by the
 * page cache itself. A limit is read anew for every object, so a parameter
 * lowered at run time refuses the next object and takes nothing away. Reading a
 * parameter tells the limit that holds, also where the default does.
 *
 * What a user has locked is counted here and not in user_struct, which older
 * 6.1 kernels do not let a module give back.
 *
 * accounts_lock protects the table of accounts and every account->objects; it
 * is a leaf. The byte counters are atomics with no lock.
 */
#include <linux/capability.h>
#include <linux/hashtable.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/sysfs.h>

#include "flowipc.h"
#include "quota.h"

/**
 * struct account - the objects of one user
 * @node:    in accounts
 * @uid:     the user, by the real uid, as for RLIMIT_MEMLOCK
 * @locked:  bytes of regions that count against RLIMIT_MEMLOCK
 * @objects: regions, grants, claims, ...; the account is freed at 0
 */
struct account {
	struct hlist_node	node;
	kuid_t			uid;
	atomic64_t		locked;
	unsigned int		objects;
};

static unsigned long max_region_bytes;
static unsigned long max_total_bytes;
static unsigned int max_objects_per_user = 16384;

static DEFINE_SPINLOCK(accounts_lock);
static DEFINE_HASHTABLE(accounts, 6);

static atomic64_t used_total_bytes;

u64 flowipc_limit_total_bytes(void)
{
	u64 limit = READ_ONCE(max_total_bytes);

	/* Half of the memory, the default of tmpfs, for the same reason. */
	return limit ? limit : ((u64)totalram_pages() << PAGE_SHIFT) / 2;
}

u64 flowipc_limit_region_bytes(void)
{
	u64 limit = READ_ONCE(max_region_bytes);

	if (!limit)
		limit = flowipc_limit_total_bytes();

	return min_t(u64, limit, MAX_LFS_FILESIZE) & PAGE_MASK;
}

unsigned int flowipc_limit_objects_per_user(void)
{
	return READ_ONCE(max_objects_per_user);
}

/* Less than a page was meant in another unit. */
static int limit_bytes_set(const char *text, const struct kernel_param *param)
{
	unsigned long bytes;
	int err = kstrtoul(text, 0, &bytes);

	if (err)
		return err;
	if (bytes && bytes < PAGE_SIZE)
		return -EINVAL;

	WRITE_ONCE(*(unsigned long *)param->arg, bytes);

	return 0;
}

static int limit_region_get(char *text, const struct kernel_param *param)
{
	return sysfs_emit(text, "%llu\n", flowipc_limit_region_bytes());
}

static int limit_total_get(char *text, const struct kernel_param *param)
{
	return sysfs_emit(text, "%llu\n", flowipc_limit_total_bytes());
}

static int limit_objects_set(const char *text, const struct kernel_param *param)
{
	return param_set_uint_minmax(text, param, 1, UINT_MAX);
}

static const struct kernel_param_ops limit_region_ops = {
	.set	= limit_bytes_set,
	.get	= limit_region_get,
};

static const struct kernel_param_ops limit_total_ops = {
	.set	= limit_bytes_set,
	.get	= limit_total_get,
};

static const struct kernel_param_ops limit_objects_ops = {
	.set	= limit_objects_set,
	.get	= param_get_uint,
};

module_param_cb(max_region_bytes, &limit_region_ops, &max_region_bytes, 0644);
__MODULE_PARM_TYPE(max_region_bytes, "ulong");
MODULE_PARM_DESC(max_region_bytes,
		 "largest region in bytes (0: max_total_bytes)");

module_param_cb(max_total_bytes, &limit_total_ops, &max_total_bytes, 0644);
__MODULE_PARM_TYPE(max_total_bytes, "ulong");
MODULE_PARM_DESC(max_total_bytes,
		 "all regions together in bytes (0: half of the memory)");

module_param_cb(max_objects_per_user, &limit_objects_ops,
		&max_objects_per_user, 0644);
__MODULE_PARM_TYPE(max_objects_per_user, "uint");
MODULE_PARM_DESC(max_objects_per_user,
		 "regions, grants, claims, channels and seals a user may have");

u64 flowipc_used_total_bytes(void)
{
	return atomic64_read(&used_total_bytes);
}

/*
 * Per user and not per mm: a limit per mm is no limit for who can fork. Nothing
 * is counted for CAP_IPC_LOCK, so that root's regions do not use up what root's
 * unprivileged daemons may lock. @account outlives the charge.
 */
int flowipc_memory_charge(struct memory_charge *charge,
			  struct account *account, u64 bytes)
{
	if (capable(CAP_IPC_LOCK))
		account = NULL;

	/* Without a limit, RLIM_INFINITY is just a very large one. */
	if (account && !quota_charge(&account->locked, bytes,
				     rlimit(RLIMIT_MEMLOCK)))
		return -EDQUOT;

	if (!quota_charge(&used_total_bytes, bytes,
			  flowipc_limit_total_bytes())) {
		if (account)
			quota_uncharge(&account->locked, bytes);
		return -ENOMEM;
	}

	charge->bytes = bytes;
	charge->account = account;

	return 0;
}

void flowipc_memory_uncharge(struct memory_charge *charge)
{
	quota_uncharge(&used_total_bytes, charge->bytes);
	if (charge->account)
		quota_uncharge(&charge->account->locked, charge->bytes);
}

static struct account *account_find(kuid_t uid)
{
	struct account *account;

	lockdep_assert_held(&accounts_lock);

	hash_for_each_possible(accounts, account, node, __kuid_val(uid)) {
		if (uid_eq(account->uid, uid))
			return account;
	}

	return NULL;
}

/*
 * Counts one more object for the current user. The account is given to
 * flowipc_account_put() when the object is gone, whoever is current then.
 */
struct account *flowipc_account_get(void)
{
	unsigned int limit = flowipc_limit_objects_per_user();
	struct account *account, *spare;
	kuid_t uid = current_uid();

	spare = kzalloc(sizeof(*spare), GFP_KERNEL_ACCOUNT);
	if (!spare)
		return ERR_PTR(-ENOMEM);

	spin_lock(&accounts_lock);
	account = account_find(uid);
	if (!account) {
		account = spare;
		spare = NULL;
		account->uid = uid;
		hash_add(accounts, &account->node, __kuid_val(uid));
	}
	if (account->objects < limit)
		account->objects++;
	else
		account = ERR_PTR(-EDQUOT);
	spin_unlock(&accounts_lock);

	kfree(spare);

	return account;
}

/* Whom the objects are counted for. */
kuid_t flowipc_account_uid(const struct account *account)
{
	return account->uid;
}

void flowipc_account_put(struct account *account)
{
	bool gone;

	spin_lock(&accounts_lock);
	gone = --account->objects == 0;
	if (gone)
		hash_del(&account->node);
	spin_unlock(&accounts_lock);

	if (gone)
		kfree(account);
}
