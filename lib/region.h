/* SPDX-License-Identifier: MIT */
/* A region, its owner's side. */
#ifndef FLOWIPC_LIB_REGION_H
#define FLOWIPC_LIB_REGION_H

#include <stdatomic.h>

#include <flowipc/region.h>

#include "backend.h"

struct share;

struct flowipc_region {
	const struct backend *backend;
	int fd;
	unsigned int flags; /* FLOWIPC__SEALABLE */
	struct mapping mapping;
	/* One for the user, one for each message made of it. */
	_Atomic uint64_t refs;
	/* Messages sent and not released. */
	_Atomic uint64_t lent;
	/* Whom it is shared with; belongs to courier.c. */
	struct share *shares;
};

int flowipc__region_create(const struct backend *backend, uint64_t size,
			   unsigned int flags, struct flowipc_region **region);
void flowipc__region_get(struct flowipc_region *region);
void flowipc__region_put(struct flowipc_region *region);

/* @bytes in whole pages; 0 if that is not possible. */
uint64_t flowipc__page_align(uint64_t bytes);
/*
 * Somewhat more than @bytes, an eighth at most, so that messages which differ
 * a little in size can use the same region one after the other.
 */
uint64_t flowipc__region_size_round(uint64_t bytes);

#endif
