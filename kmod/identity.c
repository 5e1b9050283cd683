// SPDX-License-Identifier: GPL-2.0-only
/*
 * DOC: identities
 *
 * Who made a claim, as the kernel knew it then. Ids are kept as the kernel's
 * own, struct pid, kuid_t and kgid_t, and become numbers only for a reader, in
 * the reader's namespaces: a number kept would soon be another process's.
 *
 * The path of the executable is kept as text, since it is that which the
 * process itself saw: later it may have moved, and another root shows another.
 */
#include <linux/cred.h>
#include <linux/dcache.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/kdev_t.h>
#include <linux/limits.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/stat.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/uidgid.h>

#include "compat.h"
#include "flowipc.h"

/* One that is too long, or gone by now, is just not known. */
static int identity_take_path(struct identity *who, struct file *exe)
{
	char *buffer = kmalloc(PATH_MAX, GFP_KERNEL_ACCOUNT);
	const char *path;

	if (!buffer)
		return -ENOMEM;

	path = file_path(exe, buffer, PATH_MAX);
	if (!IS_ERR(path)) {
		who->exe = kstrdup(path, GFP_KERNEL_ACCOUNT);
		who->exe_bytes = strlen(path) + 1;
	}
	kfree(buffer);

	return IS_ERR(path) || who->exe ? 0 : -ENOMEM;
}

/*
 * The numbers are those of stat(), which not every file system takes from its
 * superblock and inode.
 */
static void identity_take_inode(struct identity *who, struct file *exe)
{
	struct kstat stat;

	if (vfs_getattr_nosec(&exe->f_path, &stat, STATX_INO,
			      AT_STATX_DONT_SYNC))
		return;

	who->exe_device = new_encode_dev(stat.dev);
	who->exe_inode = stat.ino;
}

static int identity_take_exe(struct identity *who)
{
	struct file *exe = compat_exe_file_get(current->mm);
	int err;

	/* Its mapping is gone: what is left of it is not its executable. */
	if (!exe)
		return 0;

	identity_take_inode(who, exe);
	err = identity_take_path(who, exe);
	fput(exe);

	return err;
}

/* The identity of the current process, for flowipc_identity_put(). */
struct identity *flowipc_identity_of_current(void)
{
	struct identity *who = kzalloc(sizeof(*who), GFP_KERNEL_ACCOUNT);
	int err;

	if (!who)
		return ERR_PTR(-ENOMEM);

	refcount_set(&who->refs, 1);
	who->pid = get_pid(task_tgid(current));
	who->uid = current_euid();
	who->gid = current_egid();

	err = identity_take_exe(who);
	if (err) {
		flowipc_identity_put(who);
		return ERR_PTR(err);
	}

	return who;
}

struct identity *flowipc_identity_get(struct identity *who)
{
	refcount_inc(&who->refs);

	return who;
}

/* NULL is nobody. */
void flowipc_identity_put(struct identity *who)
{
	if (!who || !refcount_dec_and_test(&who->refs))
		return;

	put_pid(who->pid);
	kfree(who->exe);
	kfree(who);
}

/* As a number in @ns: 0 without one there, -1 when the process is gone. */
pid_t flowipc_identity_pid(const struct identity *who, struct pid_namespace *ns)
{
	bool gone;

	rcu_read_lock();
	gone = !pid_task(who->pid, PIDTYPE_TGID);
	rcu_read_unlock();

	return gone ? -1 : pid_nr_ns(who->pid, ns);
}

/*
 * Fills in @arg for current, which has asked for the path by setting @arg->exe
 * and @arg->exe_bytes. Sleeps in user memory.
 */
int flowipc_identity_tell(const struct identity *who,
			  struct flowipc_identity *arg)
{
	if (who->exe_bytes && who->exe_bytes <= arg->exe_bytes &&
	    copy_to_user(u64_to_user_ptr(arg->exe), who->exe, who->exe_bytes))
		return -EFAULT;

	arg->pid = flowipc_identity_pid(who, task_active_pid_ns(current));
	arg->uid = from_kuid_munged(current_user_ns(), who->uid);
	arg->gid = from_kgid_munged(current_user_ns(), who->gid);
	arg->exe_bytes = who->exe_bytes;
	arg->exe_device = who->exe_device;
	arg->exe_inode = who->exe_inode;

	return 0;
}
