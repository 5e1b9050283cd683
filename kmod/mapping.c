// SPDX-License-Identifier: GPL-2.0-only
/*
 * DOC: mappings
 *
 * How the pages of a region get into page tables, and out again.
 *
 * The fault handler returns the page locked, and the core does the rest: that
 * alone makes it map huge pages, and makes futexes, direct I/O and the memory
 * cgroup work. The pages of a STRICT region it installs itself, one by one, as
 * numbers without a struct page (VM_PFNMAP): nobody can take a reference then,
 * and what is not mapped is not accessible.
 *
 * Either way the folio is locked from the check of the permission until the
 * page is in the page table. flowipc_region_unmap() counts on that, so there is
 * no ->map_pages, which would install pages without their lock.
 */
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/page-flags.h>
#include <linux/pagemap.h>
#include <linux/sched.h>

#include "compat.h"
#include "flowipc.h"
#include "range.h"
#include "trace.h"

/*
 * In a build for debugging, a fault takes its time between the check of the
 * permission and the installation of the page, and between ->fault and
 * ->page_mkwrite, so that a test can have something else happen there.
 */
#ifdef FLOWIPC_DEBUG
static unsigned int fault_delay_ms;
module_param(fault_delay_ms, uint, 0644);
MODULE_PARM_DESC(fault_delay_ms, "how long page faults last, in ms");

static void mapping_delay(void)
{
	unsigned int ms = READ_ONCE(fault_delay_ms);

	if (ms)
		msleep(ms);
}
#else
static void mapping_delay(void)
{
}
#endif

/* The region's own file may always map, that of a claim as it permits. */
static bool mapping_permits(const struct vm_fault *vmf)
{
	const struct claim *claim = flowipc_claim_of_file(vmf->vma->vm_file);

	return !claim || flowipc_claim_permits(claim, vmf);
}

/* Installs a page, or tells why not; without a reference to it in any case. */
static vm_fault_t mapping_insert(struct vm_fault *vmf, struct folio *folio)
{
	struct page *page = folio_file_page(folio, vmf->pgoff);

	/* The core looks for it where it installs the page. */
	if (PageHWPoison(page))
		return VM_FAULT_HWPOISON;

	return vmf_insert_pfn(vmf->vma, vmf->address, page_to_pfn(page));
}

/*
 * Returns the folio locked and counted. The count makes SEAL wait, so while it
 * is at work on a SEALABLE region no fault gets that far.
 */
static struct folio *mapping_lock_folio(struct region *region, pgoff_t index)
{
	struct address_space *mapping = region->inode->i_mapping;
	struct folio *folio;

	if (!(region->flags & FLOWIPC_REGION_SEALABLE))
		return filemap_lock_folio(mapping, index);

	filemap_invalidate_lock_shared(mapping);
	folio = filemap_lock_folio(mapping, index);
	filemap_invalidate_unlock_shared(mapping);

	return folio;
}

static vm_fault_t mapping_fault(struct vm_fault *vmf)
{
	struct region *region = file_inode(vmf->vma->vm_file)->i_private;
	vm_fault_t ret = VM_FAULT_SIGBUS;
	struct folio *folio;

	/* NULL, or an error on newer kernels: a page lost to memory failure. */
	folio = mapping_lock_folio(region, vmf->pgoff);
	if (IS_ERR_OR_NULL(folio))
		return VM_FAULT_SIGBUS;

	if (!mapping_permits(vmf))
		goto unlock;

	mapping_delay();

	if (region->flags & FLOWIPC_REGION_STRICT) {
		ret = mapping_insert(vmf, folio);
		goto unlock;
	}

	vmf->page = folio_file_page(folio, vmf->pgoff);

	return VM_FAULT_LOCKED;

unlock:
	folio_unlock(folio);
	folio_put(folio);

	return ret;
}

/*
 * Of a block of which a page is sealed, the core must not map another page with
 * the whole block, writable. It does not where there is a page table already.
 */
static bool mapping_split(const struct vm_fault *vmf, struct folio *folio)
{
	struct region *region = file_inode(vmf->vma->vm_file)->i_private;

	if (!folio_test_large(folio) || !pmd_none(*vmf->pmd) ||
	    !flowipc_seal_covers(region, folio->index,
				 folio_next_index(folio) - 1))
		return true;

	return !apply_to_page_range(vmf->vma->vm_mm, vmf->address & PAGE_MASK,
				    PAGE_SIZE, NULL, NULL);
}

/*
 * A page of a SEALABLE region is about to become writable. For a write to a
 * page that was not mapped, the core calls ->fault, lets go of the folio, and
 * comes here, so all is to be asked again.
 */
static vm_fault_t mapping_mkwrite(struct vm_fault *vmf)
{
	struct inode *inode = file_inode(vmf->vma->vm_file);
	struct folio *folio = page_folio(vmf->page);
	vm_fault_t ret = VM_FAULT_SIGBUS;

	mapping_delay();
	folio_lock(folio);
	/* Lost to memory failure meanwhile: ->fault will tell. */
	if (folio->mapping != inode->i_mapping) {
		ret = VM_FAULT_NOPAGE;
		goto unlock;
	}

	if (!mapping_permits(vmf) ||
	    flowipc_seal_covers(inode->i_private, vmf->pgoff, vmf->pgoff))
		goto unlock;

	if (!mapping_split(vmf, folio)) {
		ret = VM_FAULT_OOM;
		goto unlock;
	}

	mapping_delay();

	return VM_FAULT_LOCKED;

unlock:
	folio_unlock(folio);

	return ret;
}

static const struct vm_operations_struct mapping_vm_ops = {
	.fault		= mapping_fault,
};

static const struct vm_operations_struct mapping_sealable_vm_ops = {
	.fault		= mapping_fault,
	.page_mkwrite	= mapping_mkwrite,
};

/*
 * What holds for every mapping, of a region or of a claim: shared, and inside
 * [offset, offset + length).
 */
int flowipc_region_mmap(struct vm_area_struct *vma, u64 offset, u64 length)
{
	const struct region *region = file_inode(vma->vm_file)->i_private;

	/* VM_SHARED is not set for a descriptor that cannot write. */
	if (!(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;

	if (!range_has_pages(offset, length, vma->vm_pgoff, vma_pages(vma)))
		return -EINVAL;

	/* mremap() cannot then grow it past the check above. */
	compat_vma_flags_set(vma, VM_DONTEXPAND);
	/*
	 * fork() copies page tables with VM_PFNMAP, and VM_IO keeps madvise()
	 * from undoing a VM_DONTCOPY.
	 */
	if (region->flags & FLOWIPC_REGION_STRICT)
		compat_vma_flags_set(vma, VM_PFNMAP | VM_IO | VM_DONTDUMP);

	vma->vm_ops = region->flags & FLOWIPC_REGION_SEALABLE ?
		      &mapping_sealable_vm_ops : &mapping_vm_ops;

	if (trace_region_map_enabled()) {
		const struct claim *claim = flowipc_claim_of_file(vma->vm_file);

		trace_region_map(region->id, claim ? claim->id : 0,
				 (u64)vma->vm_pgoff << PAGE_SHIFT,
				 vma->vm_end - vma->vm_start);
	}

	return 0;
}

/*
 * Takes a range out of all page tables. A revocation sets its flag before this.
 *
 * A fault which read the flag before it was set may not have installed its page
 * yet, and unmapping would then be too early. It holds the folio's lock until
 * the page is installed, so taking every lock once waits for all of those; and
 * whoever gets the lock later sees the flag.
 *
 * The owner and the other claims are unmapped too, and fault their pages in
 * again: mappings cannot be told apart at this level.
 */
void flowipc_region_unmap(struct region *region, u64 offset, u64 length)
{
	struct address_space *mapping = region->inode->i_mapping;
	const pgoff_t end = (offset + length) >> PAGE_SHIFT;
	pgoff_t index = offset >> PAGE_SHIFT;

	while (index < end) {
		struct folio *folio = filemap_lock_folio(mapping, index);

		if (IS_ERR_OR_NULL(folio)) {
			index++;
		} else {
			index = folio_next_index(folio);
			folio_unlock(folio);
			folio_put(folio);
		}
		cond_resched();
	}

	unmap_mapping_range(mapping, offset, length, 0);
}
