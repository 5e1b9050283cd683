// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "courier.h"
#include "error.h"
#include "options.h"
#include "region.h"

uint64_t flowipc__page_align(uint64_t bytes)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t aligned;

	if (__builtin_add_overflow(bytes, page - 1, &aligned))
		return 0;
	aligned &= ~(page - 1);
	/* What the kernel could not express as an offset. */
	return aligned > INT64_MAX ? 0 : aligned;
}

uint64_t flowipc__region_size_round(uint64_t bytes)
{
	uint64_t step = 1ULL << (63 - __builtin_clzll(bytes)) >> 3;
	uint64_t rounded;

	if (!step)
		return bytes;
	rounded = (bytes + step - 1) & ~(step - 1);
	return rounded < bytes ? bytes : rounded;
}

int flowipc__region_create(const struct backend *backend, uint64_t size,
			   unsigned int flags, struct flowipc_region **region)
{
	uint64_t aligned = flowipc__page_align(size);
	struct flowipc_region *new;
	int err;

	if (!aligned)
		return flowipc__fail(-EINVAL, "a region cannot have %llu bytes",
				     (unsigned long long)size);
	new = calloc(1, sizeof(*new));
	if (!new)
		return flowipc__fail(-ENOMEM, "out of memory");
	err = backend->region_create(aligned, flags, &new->fd, &new->mapping);
	if (err) {
		free(new);
		return err;
	}
	new->backend = backend;
	new->flags = flags;
	atomic_init(&new->refs, 1);
	*region = new;
	return 0;
}

int flowipc_region_create(uint64_t size, const struct flowipc_region_opts *opts,
			  struct flowipc_region **region)
{
	struct flowipc_region_opts known;
	const struct backend *backend;
	int err;

	err = flowipc__options_read(&known, sizeof(known), opts, "region");
	if (err)
		return err;
	err = flowipc__backend_find(known.backend, &backend);
	if (err)
		return err;
	return flowipc__region_create(backend, size,
				      known.sealable ? FLOWIPC__SEALABLE : 0,
				      region);
}

void flowipc__region_get(struct flowipc_region *region)
{
	atomic_fetch_add_explicit(&region->refs, 1, memory_order_relaxed);
}

void flowipc__region_put(struct flowipc_region *region)
{
	if (atomic_fetch_sub(&region->refs, 1) != 1)
		return;
	flowipc__courier_withdraw(region);
	flowipc__unmap(&region->mapping);
	close(region->fd);
	free(region);
}

void flowipc_region_destroy(struct flowipc_region *region)
{
	if (region)
		flowipc__region_put(region);
}

int flowipc_region_revoke(struct flowipc_region *region)
{
	int err = region->backend->region_revoke(region->fd, 0);

	/* A later message from it needs a new grant. */
	if (!err)
		flowipc__courier_forget(region);
	return err;
}

void *flowipc_region_data(const struct flowipc_region *region)
{
	return region->mapping.base;
}

uint64_t flowipc_region_size(const struct flowipc_region *region)
{
	return region->mapping.size;
}

enum flowipc_backend flowipc_region_backend(const struct flowipc_region *region)
{
	return region->backend->id;
}

uint64_t flowipc_region_lent(const struct flowipc_region *region)
{
	return atomic_load(&region->lent);
}
