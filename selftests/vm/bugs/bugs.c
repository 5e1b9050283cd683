// SPDX-License-Identifier: GPL-2.0-only
/*
 * DOC: a module with every bug
 *
 * In the place of the real module it shows that the debug kernels see what they
 * are to see, and that selftests/vm/run tells: writing a bug's name to
 * /sys/module/flowipc/parameters/bug commits it.
 */
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/timer.h>

static DEFINE_MUTEX(first_lock);
static DEFINE_MUTEX(second_lock);
static DEFINE_SPINLOCK(spin_lock_held);
static unsigned int shared;
static struct task_struct *thread;

/* A value the compiler does not know. */
static unsigned int hidden(unsigned int value)
{
	OPTIMIZER_HIDE_VAR(value);
	return value;
}

static void leak(void)
{
	char *lost = kmalloc(123, GFP_KERNEL);

	/* Its last reference. */
	WRITE_ONCE(shared, !lost);
}

static void use_after_free(void)
{
	char *freed = kmalloc(123, GFP_KERNEL);

	OPTIMIZER_HIDE_VAR(freed);
	kfree(freed);
	WRITE_ONCE(shared, READ_ONCE(freed[hidden(0)]));
}

static void out_of_bounds(void)
{
	char *small = kmalloc(123, GFP_KERNEL);

	OPTIMIZER_HIDE_VAR(small);
	WRITE_ONCE(shared, READ_ONCE(small[hidden(125)]));
	kfree(small);
}

static void bad_index(void)
{
	struct {
		unsigned int values[4];
		unsigned int others[4];
	} both = {};

	WRITE_ONCE(shared, both.values[hidden(5)]);
}

static void bad_shift(void)
{
	WRITE_ONCE(shared, 1U << hidden(40));
}

static void sleep_under_spinlock(void)
{
	spin_lock(&spin_lock_held);
	msleep(20);
	spin_unlock(&spin_lock_held);
}

static void lock_order(void)
{
	mutex_lock(&first_lock);
	mutex_lock(&second_lock);
	mutex_unlock(&second_lock);
	mutex_unlock(&first_lock);

	mutex_lock(&second_lock);
	mutex_lock(&first_lock);
	mutex_unlock(&first_lock);
	mutex_unlock(&second_lock);
}

static void rcu_unlocked(void)
{
	static unsigned int __rcu *pointer;

	WRITE_ONCE(shared, !rcu_dereference(pointer));
}

static void underflow(void)
{
	refcount_t count = REFCOUNT_INIT(0);

	refcount_dec(&count);
}

static void nothing(struct timer_list *timer)
{
}

static void active_timer(void)
{
	struct timer_list *timer = kmalloc(sizeof(*timer), GFP_KERNEL);

	if (!timer)
		return;

	timer_setup(timer, nothing, 0);
	mod_timer(timer, jiffies + 1000 * HZ);
	kfree(timer);
}

static void start(int (*run)(void *unused), const char *name)
{
	if (thread)
		return;
	thread = kthread_create(run, NULL, "%s", name);
	if (IS_ERR(thread)) {
		thread = NULL;
		return;
	}
	get_task_struct(thread);
	wake_up_process(thread);
}

static int sleep_long(void *unused)
{
	ssleep(15);
	return 0;
}

static void hang(void)
{
	start(sleep_long, "hang");
}

static int count_up(void *unused)
{
	unsigned long end = jiffies + 4 * HZ;

	while (time_before(jiffies, end)) {
		shared++;
		cond_resched();
	}
	return 0;
}

static void race(void)
{
	start(count_up, "race");
	count_up(NULL);
}

static const struct {
	const char	*name;
	void		(*commit)(void);
} bugs[] = {
	{ "leak",			leak },
	{ "use_after_free",		use_after_free },
	{ "out_of_bounds",		out_of_bounds },
	{ "bad_index",			bad_index },
	{ "bad_shift",			bad_shift },
	{ "sleep_under_spinlock",	sleep_under_spinlock },
	{ "lock_order",			lock_order },
	{ "rcu_unlocked",		rcu_unlocked },
	{ "underflow",			underflow },
	{ "active_timer",		active_timer },
	{ "hang",			hang },
	{ "race",			race },
};

static int bug_set(const char *name, const struct kernel_param *param)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bugs); i++) {
		if (!sysfs_streq(name, bugs[i].name))
			continue;
		bugs[i].commit();
		return 0;
	}
	return -EINVAL;
}

static const struct kernel_param_ops bug_ops = {
	.set = bug_set,
};
module_param_cb(bug, &bug_ops, NULL, 0200);
MODULE_PARM_DESC(bug, "a bug to commit");

static void __exit bugs_exit(void)
{
	if (!thread)
		return;

	kthread_stop(thread);
	put_task_struct(thread);
}
module_exit(bugs_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("flowipc: every bug, for tests of the tests");
