// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module's calls. Each has a function that fills in a right argument and
 * one that keeps what came back. What goes wrong is the same for all: a changed
 * byte, another kind of descriptor, another number, and a place for the
 * argument that cannot be read or written, lies in a region, or is written to
 * by another thread at the same time.
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <linux/flowipc.h>

#include "fuzz.h"

union argument {
	struct flowipc_query		query;
	struct flowipc_region_create	region_create;
	struct flowipc_channel_create	channel_create;
	struct flowipc_grant		grant;
	struct flowipc_revoke		revoke;
	struct flowipc_region_info	region_info;
	struct flowipc_grant_next	grant_next;
	struct flowipc_claim_next	claim_next;
	struct flowipc_seal		seal;
	struct flowipc_claim		claim;
	struct flowipc_kick		kick;
	struct flowipc_wait		wait;
	struct flowipc_kick_and_wait	kick_and_wait;
	struct flowipc_shutdown		shutdown;
	struct flowipc_bind_eventfd	bind_eventfd;
	struct flowipc_channel_claim	channel_claim;
	struct flowipc_channel_peer	peer;
	struct flowipc_seal_info	seal_info;
	struct flowipc_unseal		unseal;
	char				bytes[128];
};

struct command {
	unsigned int	number;
	enum kind	kind;
	void		(*fill)(struct act *act, struct slot *slot,
				union argument *arg);
	void		(*keep)(struct act *act, const struct slot *slot,
				const union argument *arg);
};

/* Numbers that came back lately, of grants, claims and seals. */
#define IDS	8

static atomic_ullong ids[IDS];
static atomic_uint ids_next;

static void id_keep(uint64_t id)
{
	atomic_store(&ids[atomic_fetch_add(&ids_next, 1) % IDS], id);
}

static uint64_t id_pick(struct act *act)
{
	return one_in(&act->dice, 4) ? roll(&act->dice, 8) :
	       atomic_load(&ids[roll(&act->dice, IDS)]);
}

/* Seals, each with the descriptor of the end that may break it: 48 and 16 bits. */
static atomic_ullong seals[IDS];
static _Thread_local int seal_end;

static uint64_t deadline_pick(struct act *act)
{
	struct timespec now;

	switch (roll(&act->dice, 8)) {
	case 0:
		/* Ended by the timer of the thread. */
		return FLOWIPC_WAIT_FOREVER;
	case 1:
		return roll(&act->dice, UINT64_MAX);
	case 2:
	case 3:
		clock_gettime(CLOCK_MONOTONIC, &now);
		return now.tv_sec * 1000000000ULL + now.tv_nsec +
		       roll(&act->dice, 5000000);
	default:
		return 0;
	}
}

static unsigned int bells_pick(struct act *act)
{
	return 1 + roll(&act->dice, 3);
}

/* A range inside the descriptor's, in bytes. */
static void window_pick(struct act *act, const struct slot *slot,
			__u64 *offset, __u64 *length)
{
	unsigned int pages = slot->pages ? slot->pages : SMALL_PAGES;
	unsigned int first = one_in(&act->dice, 2) ? 0 : roll(&act->dice, pages);
	unsigned int left = pages - first;

	*offset = first * PAGE_BYTES;
	*length = (one_in(&act->dice, 2) ? left : 1 + roll(&act->dice, left)) *
		  PAGE_BYTES;
}

/* @who is in a structure: the room for the path is what matters. */
static void who_pick(struct act *act, struct flowipc_identity *who)
{
	static char path[THREADS][4096];

	if (one_in(&act->dice, 2))
		return;
	who->exe = (uintptr_t)path[roll(&act->dice, THREADS)];
	who->exe_bytes = one_in(&act->dice, 4) ? roll(&act->dice, 32) :
			 sizeof(path[0]);
}

static void region_create_fill(struct act *act, struct slot *slot,
			       union argument *arg)
{
	unsigned int pages = 1 + roll(&act->dice, SMALL_PAGES);

	(void)slot;
	if (one_in(&act->dice, 24))
		pages = LARGE_PAGES / 2 << roll(&act->dice, 2);
	arg->region_create.size = pages * PAGE_BYTES;
	arg->region_create.flags = roll(&act->dice, 3);
}

static void region_create_keep(struct act *act, const struct slot *slot,
			       const union argument *arg)
{
	(void)slot;
	slots_put(act, KIND_REGION, arg->region_create.fd, 0,
		  arg->region_create.size / PAGE_BYTES);
}

static void channel_create_keep(struct act *act, const struct slot *slot,
				const union argument *arg)
{
	const int *fd = arg->channel_create.fd;

	(void)slot;
	/* Each with the other one, which is found again when it is needed. */
	slots_put(act, KIND_CHANNEL, fd[0], fd[1], 0);
	slots_put(act, KIND_CHANNEL, fd[1], fd[0], 0);
}

static void grant_fill(struct act *act, struct slot *slot,
		       union argument *arg)
{
	struct flowipc_grant *grant = &arg->grant;

	window_pick(act, slot, &grant->offset, &grant->length);
	grant->rights = FLOWIPC_RIGHT_READ |
			(one_in(&act->dice, 2) ? FLOWIPC_RIGHT_WRITE : 0);
	grant->flags = one_in(&act->dice, 2) ? FLOWIPC_GRANT_MANY : 0;
	if (one_in(&act->dice, 3))
		grant->flags |= FLOWIPC_GRANT_EXPIRE;
	if (one_in(&act->dice, 4)) {
		grant->flags |= FLOWIPC_GRANT_UID;
		grant->uid = one_in(&act->dice, 2) ? geteuid() : 0;
	}
	if (one_in(&act->dice, 4)) {
		grant->flags |= FLOWIPC_GRANT_GID;
		grant->gid = one_in(&act->dice, 2) ? getegid() : 0;
	}
}

static void grant_keep(struct act *act, const struct slot *slot,
		       const union argument *arg)
{
	(void)slot;
	id_keep(arg->grant.id);
	slots_put(act, KIND_GRANT, arg->grant.fd, arg->grant.offset / PAGE_BYTES,
		  arg->grant.length / PAGE_BYTES);
}

static void revoke_fill(struct act *act, struct slot *slot,
			union argument *arg)
{
	struct slot grant;

	(void)slot;
	arg->revoke.grant_fd = -1;
	switch (roll(&act->dice, 4)) {
	case 0:
		arg->revoke.flags = FLOWIPC_REVOKE_ALL;
		break;
	case 1:
		arg->revoke.flags = FLOWIPC_REVOKE_GRANT;
		arg->revoke.id = id_pick(act);
		break;
	case 2:
		arg->revoke.flags = FLOWIPC_REVOKE_CLAIM;
		arg->revoke.id = id_pick(act);
		break;
	default:
		if (slots_find(act, KIND_GRANT, &grant))
			arg->revoke.grant_fd = grant.fd;
	}
}

static void grant_next_fill(struct act *act, struct slot *slot,
			    union argument *arg)
{
	(void)slot;
	arg->grant_next.id = one_in(&act->dice, 2) ? 0 : id_pick(act);
}

static void claim_next_fill(struct act *act, struct slot *slot,
			    union argument *arg)
{
	(void)slot;
	arg->claim_next.id = one_in(&act->dice, 2) ? 0 : id_pick(act);
	who_pick(act, &arg->claim_next.who);
}

static void seal_fill(struct act *act, struct slot *slot,
		      union argument *arg)
{
	struct slot channel;

	window_pick(act, slot, &arg->seal.offset, &arg->seal.length);
	arg->seal.channel_fd = -1;
	if (slots_find(act, KIND_CHANNEL, &channel)) {
		arg->seal.channel_fd = channel.fd;
		seal_end = channel.first;
	}
}

static void seal_keep(struct act *act, const struct slot *slot,
		      const union argument *arg)
{
	(void)slot;
	atomic_store(&seals[roll(&act->dice, IDS)],
		     arg->seal.id << 16 | (unsigned int)seal_end);
}

static void claim_keep(struct act *act, const struct slot *slot,
		       const union argument *arg)
{
	(void)slot;
	id_keep(arg->claim.id);
	slots_put(act, KIND_CLAIM, arg->claim.fd, arg->claim.offset / PAGE_BYTES,
		  arg->claim.length / PAGE_BYTES);
}

static void kick_fill(struct act *act, struct slot *slot,
		      union argument *arg)
{
	(void)slot;
	arg->kick.events = bells_pick(act);
}

static void wait_fill(struct act *act, struct slot *slot,
		      union argument *arg)
{
	(void)slot;
	arg->wait.events = bells_pick(act);
	arg->wait.deadline_ns = deadline_pick(act);
}

static void kick_and_wait_fill(struct act *act, struct slot *slot,
			       union argument *arg)
{
	(void)slot;
	arg->kick_and_wait.kick = bells_pick(act);
	arg->kick_and_wait.events = bells_pick(act);
	arg->kick_and_wait.deadline_ns = deadline_pick(act);
}

static void bind_eventfd_fill(struct act *act, struct slot *slot,
			      union argument *arg)
{
	struct slot eventfd;

	(void)slot;
	arg->bind_eventfd.eventfd = -1;
	if (!one_in(&act->dice, 4) && slots_find(act, KIND_EVENTFD, &eventfd)) {
		arg->bind_eventfd.eventfd = eventfd.fd;
		arg->bind_eventfd.events = 1 + roll(&act->dice, 15);
	}
}

static void peer_fill(struct act *act, struct slot *slot,
		      union argument *arg)
{
	(void)slot;
	who_pick(act, &arg->peer.who);
}

/* The number of a seal, mostly at the end that holds it. */
static unsigned long long seal_pick(struct act *act, struct slot *slot)
{
	unsigned long long seal = atomic_load(&seals[roll(&act->dice, IDS)]);
	bool at_its_end = !one_in(&act->dice, 4);

	if (seal && at_its_end)
		slot->fd = seal & 0xffff;

	return seal >> 16;
}

static void seal_info_fill(struct act *act, struct slot *slot,
			   union argument *arg)
{
	arg->seal_info.id = seal_pick(act, slot);
}

static void unseal_fill(struct act *act, struct slot *slot,
			union argument *arg)
{
	arg->unseal.id = seal_pick(act, slot);
}

static void shutdown_fill(struct act *act, struct slot *slot,
			  union argument *arg)
{
	(void)slot;
	arg->shutdown.flags = one_in(&act->dice, 2) ? FLOWIPC_SHUTDOWN_BOTH : 0;
}

/* Where arguments lie that are not where they should. */
static char *odd_pages;

void ioctls_setup(void)
{
	/* Written by both threads, only readable, and not there. */
	odd_pages = mmap(NULL, 3 * PAGE_BYTES, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (odd_pages == MAP_FAILED)
		_exit(1);
	mprotect(odd_pages + PAGE_BYTES, PAGE_BYTES, PROT_READ);
	mprotect(odd_pages + 2 * PAGE_BYTES, PAGE_BYTES, PROT_NONE);
}

static void *place_pick(struct act *act, union argument *arg)
{
	struct range range;

	switch (roll(&act->dice, 64)) {
	case 0:
		return NULL;
	case 1:
		return (void *)(UINTPTR_MAX - roll(&act->dice, 64));
	case 2:
		return odd_pages + PAGE_BYTES + roll(&act->dice, 64);
	case 3:
		return odd_pages + 2 * PAGE_BYTES - roll(&act->dice, 64);
	case 4:
	case 5:
	case 6:
		return odd_pages;
	case 7:
	case 8:
	case 9:
		if (memory_pick(act, &range))
			return range.address + roll(&act->dice, range.bytes);
		break;
	}

	return arg;
}

static void argument_spoil(struct act *act, union argument *arg,
			   unsigned int size)
{
	static const uint64_t numbers[] = {
		0, 1, 0xfff, 0x1000, 0x7fffffff, 0x80000000, 0xffffffff,
		0x7fffffffffffffff, 0xfffffffffffff000, UINT64_MAX,
	};
	uint64_t number = numbers[roll(&act->dice, sizeof(numbers) /
						   sizeof(numbers[0]))];
	unsigned int at = roll(&act->dice, size);

	switch (roll(&act->dice, 3)) {
	case 0:
		arg->bytes[at] ^= 1 << roll(&act->dice, 8);
		break;
	case 1:
		memcpy(arg->bytes + at / 8 * 8, &number, 8);
		break;
	default:
		memcpy(arg->bytes + at / 4 * 4, &number, 4);
	}
}

static bool region_create_make(struct act *act);
static bool channel_create_make(struct act *act);
static bool grant_make(struct act *act);

/* One of @kind, made for this if there is none; so each life begins quickly. */
static bool object_find(struct act *act, enum kind kind, struct slot *slot)
{
	struct act make = *act;

	if (slots_find(act, kind, slot))
		return true;
	switch (kind) {
	case KIND_REGION:
		return region_create_make(&make) && slots_find(act, kind, slot);
	case KIND_CHANNEL:
		return channel_create_make(&make) && slots_find(act, kind, slot);
	case KIND_GRANT:
		return grant_make(&make) && slots_find(act, kind, slot);
	default:
		return false;
	}
}

static bool command_make(struct act *act, const struct command *command)
{
	unsigned int number = command->number, size = _IOC_SIZE(number);
	union argument arg = {}, *place;
	struct slot slot = { .kind = KIND_DEVICE, .fd = FD_DEVICE };
	bool spoiled = one_in(&act->dice, 12);

	if (command->kind == KIND_DEVICE)
		slots_find(act, command->kind, &slot);
	else if (!object_find(act, command->kind, &slot))
		return false;
	if (command->fill)
		command->fill(act, &slot, &arg);
	if (spoiled)
		argument_spoil(act, &arg, size);
	if (one_in(&act->dice, 256))
		number ^= 1U << roll(&act->dice, 32);
	place = place_pick(act, &arg);
	if (place != &arg)
		copy_guarded(place, &arg, size);

	if (ioctl(slot.fd, number, place)) {
		act->error = errno;
		act->proper = slot.kind == command->kind &&
			      number == command->number;
		return false;
	}
	if (place != &arg && !copy_guarded(&arg, place, size))
		return true;
	if (command->keep && number == command->number)
		command->keep(act, &slot, &arg);

	return true;
}

/* What every call may fail with, then what is documented for this one. */
#define ERRORS(...)							\
	(const int []){ EINVAL, EFAULT, ENOTTY, EBADF, ##__VA_ARGS__, 0 }

#define DESCRIPTOR_ERRORS	EDQUOT, ENOMEM, EMFILE, ENFILE

#define COMMAND(call, number_, kind_, fill_, keep_)			\
	static bool call##_make(struct act *act)			\
	{								\
		static const struct command command = {			\
			.number = number_, .kind = kind_,		\
			.fill = fill_, .keep = keep_,			\
		};							\
									\
		return command_make(act, &command);			\
	}

COMMAND(query, FLOWIPC_IOC_QUERY, KIND_DEVICE, NULL, NULL)
COMMAND(region_create, FLOWIPC_IOC_REGION_CREATE, KIND_DEVICE,
	region_create_fill, region_create_keep)
COMMAND(channel_create, FLOWIPC_IOC_CHANNEL_CREATE, KIND_DEVICE, NULL,
	channel_create_keep)
COMMAND(grant, FLOWIPC_IOC_GRANT, KIND_REGION, grant_fill, grant_keep)
COMMAND(revoke, FLOWIPC_IOC_REVOKE, KIND_REGION, revoke_fill, NULL)
COMMAND(region_info, FLOWIPC_IOC_REGION_INFO, KIND_REGION, NULL, NULL)
COMMAND(grant_next, FLOWIPC_IOC_GRANT_NEXT, KIND_REGION, grant_next_fill, NULL)
COMMAND(claim_next, FLOWIPC_IOC_CLAIM_NEXT, KIND_REGION, claim_next_fill, NULL)
COMMAND(seal, FLOWIPC_IOC_SEAL, KIND_REGION, seal_fill, seal_keep)
COMMAND(claim, FLOWIPC_IOC_CLAIM, KIND_GRANT, NULL, claim_keep)
COMMAND(kick, FLOWIPC_IOC_KICK, KIND_CHANNEL, kick_fill, NULL)
COMMAND(wait, FLOWIPC_IOC_WAIT, KIND_CHANNEL, wait_fill, NULL)
COMMAND(kick_and_wait, FLOWIPC_IOC_KICK_AND_WAIT, KIND_CHANNEL,
	kick_and_wait_fill, NULL)
COMMAND(shutdown, FLOWIPC_IOC_SHUTDOWN, KIND_CHANNEL, shutdown_fill, NULL)
COMMAND(bind_eventfd, FLOWIPC_IOC_BIND_EVENTFD, KIND_CHANNEL,
	bind_eventfd_fill, NULL)
COMMAND(channel_claim, FLOWIPC_IOC_CHANNEL_CLAIM, KIND_CHANNEL, NULL, NULL)
COMMAND(peer, FLOWIPC_IOC_PEER, KIND_CHANNEL, peer_fill, NULL)
COMMAND(seal_info, FLOWIPC_IOC_SEAL_INFO, KIND_CHANNEL, seal_info_fill, NULL)
COMMAND(unseal, FLOWIPC_IOC_UNSEAL, KIND_CHANNEL, unseal_fill, NULL)

#define CALL(name_, weight_, make_, ...)				\
	{								\
		.name = name_, .weight = weight_, .make = make_##_make,	\
		.is_ioctl = true, .errors = ERRORS(__VA_ARGS__),	\
	}

const struct call ioctl_calls[] = {
	CALL("QUERY", 2, query),
	CALL("REGION_CREATE", 10, region_create, EFBIG, EINTR,
	     DESCRIPTOR_ERRORS),
	CALL("CHANNEL_CREATE", 8, channel_create, DESCRIPTOR_ERRORS),
	CALL("GRANT", 20, grant, DESCRIPTOR_ERRORS),
	CALL("REVOKE", 10, revoke, ENOENT),
	CALL("REGION_INFO", 4, region_info),
	CALL("GRANT_NEXT", 6, grant_next, ENOENT),
	CALL("CLAIM_NEXT", 10, claim_next, ENOENT),
	CALL("SEAL", 14, seal, EOPNOTSUPP, EPIPE, EBUSY, EDQUOT, EINTR, ENOMEM),
	CALL("CLAIM", 24, claim, EPERM, EBUSY, EACCES, DESCRIPTOR_ERRORS),
	CALL("KICK", 10, kick, EPIPE),
	CALL("WAIT", 10, wait, ETIMEDOUT, EINTR),
	CALL("KICK_AND_WAIT", 10, kick_and_wait, EPIPE, ETIMEDOUT, EINTR),
	CALL("SHUTDOWN", 1, shutdown),
	CALL("BIND_EVENTFD", 6, bind_eventfd, ENOMEM),
	CALL("CHANNEL_CLAIM", 4, channel_claim, EBUSY, ENOMEM),
	CALL("PEER", 6, peer, ENOTCONN),
	CALL("SEAL_INFO", 8, seal_info, ENOENT),
	CALL("UNSEAL", 14, unseal, ENOENT, EINTR),
};

const unsigned int ioctl_calls_count =
	sizeof(ioctl_calls) / sizeof(ioctl_calls[0]);
