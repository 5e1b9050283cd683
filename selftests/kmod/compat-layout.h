/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DOC: the layout of the interface
 *
 * Included by a 64-bit and by a 32-bit program: the same numbers hold in both,
 * so the module needs no translation. A field that moves breaks every program
 * that was ever compiled, and this file with them.
 */
#ifndef COMPAT_LAYOUT_H
#define COMPAT_LAYOUT_H

#include <stddef.h>

#include <linux/flowipc.h>

#define STRUCT(name, bytes)						\
	_Static_assert(sizeof(struct flowipc_##name) == (bytes), #name)

#define FIELD(name, field, offset, bytes)				\
	_Static_assert(offsetof(struct flowipc_##name, field) == (offset) && \
		       sizeof(((struct flowipc_##name *)0)->field) == (bytes), \
		       #name "." #field)

STRUCT(identity, 40);
FIELD(identity, pid, 0, 4);
FIELD(identity, uid, 4, 4);
FIELD(identity, gid, 8, 4);
FIELD(identity, exe_bytes, 12, 4);
FIELD(identity, exe, 16, 8);
FIELD(identity, exe_device, 24, 8);
FIELD(identity, exe_inode, 32, 8);

STRUCT(query, 56);
FIELD(query, flags, 0, 4);
FIELD(query, abi_current, 4, 4);
FIELD(query, abi_oldest, 8, 4);
FIELD(query, page_bytes, 12, 4);
FIELD(query, features, 16, 8);
FIELD(query, max_region_bytes, 24, 8);
FIELD(query, max_total_bytes, 32, 8);
FIELD(query, used_total_bytes, 40, 8);
FIELD(query, max_objects_per_user, 48, 4);
FIELD(query, reserved, 52, 4);

STRUCT(region_create, 24);
FIELD(region_create, size, 0, 8);
FIELD(region_create, flags, 8, 4);
FIELD(region_create, fd, 12, 4);
FIELD(region_create, reserved, 16, 8);

STRUCT(channel_create, 16);
FIELD(channel_create, flags, 0, 4);
FIELD(channel_create, reserved, 4, 4);
FIELD(channel_create, fd, 8, 8);

STRUCT(grant, 48);
FIELD(grant, offset, 0, 8);
FIELD(grant, length, 8, 8);
FIELD(grant, rights, 16, 4);
FIELD(grant, flags, 20, 4);
FIELD(grant, uid, 24, 4);
FIELD(grant, gid, 28, 4);
FIELD(grant, fd, 32, 4);
FIELD(grant, reserved, 36, 4);
FIELD(grant, id, 40, 8);

STRUCT(revoke, 16);
FIELD(revoke, flags, 0, 4);
FIELD(revoke, grant_fd, 4, 4);
FIELD(revoke, id, 8, 8);

STRUCT(seal, 32);
FIELD(seal, offset, 0, 8);
FIELD(seal, length, 8, 8);
FIELD(seal, flags, 16, 4);
FIELD(seal, channel_fd, 20, 4);
FIELD(seal, id, 24, 8);

STRUCT(region_info, 72);
FIELD(region_info, flags, 0, 4);
FIELD(region_info, grants, 4, 4);
FIELD(region_info, claims, 8, 4);
FIELD(region_info, max_order, 12, 4);
FIELD(region_info, size, 16, 8);
FIELD(region_info, huge_bytes, 24, 8);
FIELD(region_info, claimed, 32, 8);
FIELD(region_info, dropped, 40, 8);
FIELD(region_info, id, 48, 8);
FIELD(region_info, region_flags, 56, 4);
FIELD(region_info, seals, 60, 4);
FIELD(region_info, reserved, 64, 8);

STRUCT(grant_next, 48);
FIELD(grant_next, id, 0, 8);
FIELD(grant_next, offset, 8, 8);
FIELD(grant_next, length, 16, 8);
FIELD(grant_next, rights, 24, 4);
FIELD(grant_next, grant_flags, 28, 4);
FIELD(grant_next, uid, 32, 4);
FIELD(grant_next, gid, 36, 4);
FIELD(grant_next, claims, 40, 4);
FIELD(grant_next, flags, 44, 4);

STRUCT(claim_next, 64);
FIELD(claim_next, id, 0, 8);
FIELD(claim_next, grant_id, 8, 8);
FIELD(claim_next, flags, 16, 4);
FIELD(claim_next, reserved, 20, 4);
FIELD(claim_next, who, 24, 40);

STRUCT(claim, 56);
FIELD(claim, flags, 0, 4);
FIELD(claim, rights, 4, 4);
FIELD(claim, offset, 8, 8);
FIELD(claim, length, 16, 8);
FIELD(claim, region_size, 24, 8);
FIELD(claim, fd, 32, 4);
FIELD(claim, reserved, 36, 4);
FIELD(claim, id, 40, 8);
FIELD(claim, region_id, 48, 8);

STRUCT(kick, 16);
FIELD(kick, flags, 0, 4);
FIELD(kick, events, 4, 4);
FIELD(kick, reserved, 8, 8);

STRUCT(wait, 24);
FIELD(wait, flags, 0, 4);
FIELD(wait, events, 4, 4);
FIELD(wait, deadline_ns, 8, 8);
FIELD(wait, reserved, 16, 8);

STRUCT(kick_and_wait, 24);
FIELD(kick_and_wait, flags, 0, 4);
FIELD(kick_and_wait, kick, 4, 4);
FIELD(kick_and_wait, events, 8, 4);
FIELD(kick_and_wait, reserved, 12, 4);
FIELD(kick_and_wait, deadline_ns, 16, 8);

STRUCT(shutdown, 8);
FIELD(shutdown, flags, 0, 4);
FIELD(shutdown, reserved, 4, 4);

STRUCT(bind_eventfd, 16);
FIELD(bind_eventfd, flags, 0, 4);
FIELD(bind_eventfd, eventfd, 4, 4);
FIELD(bind_eventfd, events, 8, 4);
FIELD(bind_eventfd, reserved, 12, 4);

STRUCT(channel_claim, 8);
FIELD(channel_claim, flags, 0, 4);
FIELD(channel_claim, reserved, 4, 4);

STRUCT(channel_peer, 48);
FIELD(channel_peer, flags, 0, 4);
FIELD(channel_peer, reserved, 4, 4);
FIELD(channel_peer, who, 8, 40);

STRUCT(seal_info, 40);
FIELD(seal_info, id, 0, 8);
FIELD(seal_info, region_id, 8, 8);
FIELD(seal_info, offset, 16, 8);
FIELD(seal_info, length, 24, 8);
FIELD(seal_info, flags, 32, 4);
FIELD(seal_info, reserved, 36, 4);

STRUCT(unseal, 16);
FIELD(unseal, id, 0, 8);
FIELD(unseal, flags, 8, 4);
FIELD(unseal, reserved, 12, 4);

#undef STRUCT
#undef FIELD

#endif /* COMPAT_LAYOUT_H */
