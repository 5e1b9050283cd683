/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DOC: kernel versions
 *
 * The only file that knows them. 6.1 is the oldest kernel served. What differs
 * between kernels is asked of their headers by probe.sh, which writes probed.h.
 */
#ifndef FLOWIPC_COMPAT_H
#define FLOWIPC_COMPAT_H

#include <linux/eventfd.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <linux/rcupdate.h>

#include "probed.h"

/* The flags of a mapping are written through helpers since 6.3. */
static inline void compat_vma_flags_set(struct vm_area_struct *vma,
					unsigned long flags)
{
#ifdef COMPAT_HAVE_VM_FLAGS_SET
	vm_flags_set(vma, flags);
#else
	vma->vm_flags |= flags;
#endif
}

/* The times of an inode are written through helpers since 6.6. */
static inline void compat_inode_set_times(struct inode *inode)
{
#ifdef COMPAT_HAVE_SIMPLE_INODE_INIT_TS
	simple_inode_init_ts(inode);
#else
	inode->i_ctime = current_time(inode);
	inode->i_mtime = inode->i_ctime;
	inode->i_atime = inode->i_ctime;
#endif
}

/* A reference to the executable of @mm, or NULL; the core does not export it. */
static inline struct file *compat_exe_file_get(struct mm_struct *mm)
{
	struct file *file;

	rcu_read_lock();
#ifdef COMPAT_HAVE_GET_FILE_RCU_OF_POINTER
	file = get_file_rcu(&mm->exe_file);
#else
	file = rcu_dereference(mm->exe_file);
	if (file && !get_file_rcu(file))
		file = NULL;
#endif
	rcu_read_unlock();

	return file;
}

/* Adds 1. The number to add was an argument until 6.7. */
static inline void compat_eventfd_signal(struct eventfd_ctx *eventfd)
{
#ifdef COMPAT_HAVE_EVENTFD_SIGNAL_OF_ONE
	eventfd_signal(eventfd);
#else
	eventfd_signal(eventfd, 1);
#endif
}

/*
 * The order of a block that one PMD maps; HPAGE_PMD_ORDER does not compile on
 * a kernel without transparent huge pages, whose page cache has order 0 only.
 */
#ifdef CONFIG_TRANSPARENT_HUGEPAGE
#define COMPAT_HUGE_ORDER	HPAGE_PMD_ORDER
#define COMPAT_HAVE_HUGE	has_transparent_hugepage()
#else
#define COMPAT_HUGE_ORDER	0
#define COMPAT_HAVE_HUGE	false
#endif

/*
 * The order of the largest block of a SEALABLE region. Since 6.14 a page table
 * that is empty may be freed under mmap_lock held for reading, so it cannot
 * keep the core from mapping a whole block: see mapping_split().
 */
#ifdef CONFIG_PT_RECLAIM
#define COMPAT_SEALABLE_ORDER	(COMPAT_HUGE_ORDER ? COMPAT_HUGE_ORDER - 1 : 0)
#else
#define COMPAT_SEALABLE_ORDER	COMPAT_HUGE_ORDER
#endif

#endif /* FLOWIPC_COMPAT_H */
