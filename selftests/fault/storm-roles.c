// SPDX-License-Identifier: GPL-2.0-only
/*
 * Roles. What the lane checks after a death holds at once, without waiting for
 * it: when a process of one thread has been reaped, its descriptors and
 * mappings are gone.
 */
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "storm.h"

/* The events of @fd just now. */
static int events_of(int fd)
{
	struct pollfd polled = {
		.fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP,
	};

	return poll(&polled, 1, 0) < 0 ? -1 : polled.revents;
}

static bool pages_touch(const char *memory, uint64_t size, bool write)
{
	const char *page;

	for (page = memory; page < memory + size; page += PAGE)
		if (touch((char *)page, write))
			return false;

	return true;
}

/* The same for those whose time is for the calls: a signal would kill them. */
static void pages_write(char *memory, uint64_t size)
{
	volatile char *page;

	for (page = memory; page < memory + size; page += PAGE)
		*page = 1;
}

static int seal(int region, uint64_t offset, uint64_t length, int channel,
		uint64_t *id)
{
	struct flowipc_seal arg = {
		.offset = offset, .length = length, .channel_fd = channel,
	};
	int result = ioctl(region, FLOWIPC_IOC_SEAL, &arg);

	*id = arg.id;

	return result;
}

static int unseal(int channel, uint64_t id)
{
	struct flowipc_unseal arg = { .id = id };

	return ioctl(channel, FLOWIPC_IOC_UNSEAL, &arg);
}

static int region_create_flags(int device, uint64_t size, uint32_t flags)
{
	struct flowipc_region_create arg = { .size = size, .flags = flags };

	return ioctl(device, FLOWIPC_IOC_REGION_CREATE, &arg) ? -1 : arg.fd;
}


/* The owner of a region, whose grants are the lane's. */

static bool owner_victim(struct lane *lane)
{
	int region, grant;

	region = region_create(lane->device, SIZE);
	MUST(lane, region >= 0);
	grant = grant_create_for(region, 0, SIZE, READ, FLOWIPC_GRANT_EXPIRE, 0,
				 0);
	MUST(lane, send_fd(lane->sockets[1], grant));
	close(grant);
	grant = grant_create(region, 0, SIZE, READ);
	MUST(lane, send_fd(lane->sockets[1], grant));
	close(grant);
	for (;;) {
		grant = IN(lane, PLACE_GRANT,
			   grant_create(region, 0, PAGE, READ));
		MUST(lane, grant >= 0);
		MUST(lane, !IN(lane, PLACE_CLOSE, close(grant)));
	}
}

static bool owner_meet(struct lane *lane)
{
	int grant, i;

	for (i = 0; i < 2; i++) {
		grant = recv_fd(lane->sockets[0]);
		MUST(lane, grant >= 0);
		lane->fd[i] = grant_claim(grant);
		close(grant);
		MUST(lane, lane->fd[i] >= 0);
		lane->map[i] = map(lane->fd[i], SIZE, PROT_READ);
		MUST(lane, lane->map[i] != MAP_FAILED);
		MUST(lane, pages_touch(lane->map[i], SIZE, false));
	}
	MUST(lane, events_of(lane->fd[0]) == 0);

	return true;
}

static bool owner_mourn(struct lane *lane, bool met)
{
	int i;

	if (!met)
		return true;
	MUST(lane, events_of(lane->fd[0]) == (POLLHUP | POLLRDHUP));
	MUST(lane, touch_read(lane->map[0]) == SIGBUS);
	MUST(lane, events_of(lane->fd[1]) == POLLRDHUP);
	MUST(lane, pages_touch(lane->map[1], SIZE, false));
	for (i = 0; i < 2; i++) {
		munmap(lane->map[i], SIZE);
		close(lane->fd[i]);
	}

	return true;
}

/* A claimer of the lane's region. */

static bool claimer_prepare(struct lane *lane)
{
	lane->fd[0] = grant_create_for(lane->region, 0, SIZE, READ | WRITE,
				       FLOWIPC_GRANT_MANY, 0, 0);
	MUST(lane, lane->fd[0] >= 0);
	MUST(lane, !region_info(lane->region, &lane->info));

	return true;
}

static bool claimer_victim(struct lane *lane)
{
	int first = IN(lane, PLACE_CLAIM, grant_claim(lane->fd[0])), claim;
	void *memory;

	MUST(lane, first >= 0);
	MUST(lane, tell(lane->sockets[1]));
	for (;;) {
		claim = IN(lane, PLACE_CLAIM, grant_claim(lane->fd[0]));
		MUST(lane, claim >= 0);
		memory = IN(lane, PLACE_MMAP,
			    map(claim, SIZE, PROT_READ | PROT_WRITE));
		MUST(lane, memory != MAP_FAILED);
		close(claim);
		MUST(lane, !IN(lane, PLACE_FAULT, touch_write(memory)));
		MUST(lane, !IN(lane, PLACE_MUNMAP, munmap(memory, SIZE)));
	}
}

static bool told_meet(struct lane *lane)
{
	return hear(lane->sockets[0]);
}

/* The claims of a region are what they were, and its owner was told. */
static bool claims_dropped(struct lane *lane, int region, bool met)
{
	struct flowipc_region_info info;

	if (met)
		MUST(lane, events_of(region) & POLLIN);
	MUST(lane, !region_info(region, &info));
	MUST(lane, info.claims == lane->info.claims);
	MUST(lane, !met || info.dropped > lane->info.dropped);
	MUST(lane, info.claimed - lane->info.claimed ==
		   info.dropped - lane->info.dropped);
	MUST(lane, !(events_of(region) & POLLIN));

	return true;
}

static bool claimer_mourn(struct lane *lane, bool met)
{
	MUST(lane, claims_dropped(lane, lane->region, met));
	close(lane->fd[0]);
	MUST(lane, !region_info(lane->region, &lane->info));

	return true;
}

/* The other end of a channel, in several ways of waiting. */

static bool channel_prepare(struct lane *lane)
{
	MUST(lane, !channel_create(lane->device, lane->fd));

	return true;
}

static bool wait_victim(struct lane *lane)
{
	close(lane->fd[0]);
	MUST(lane, tell(lane->sockets[1]));
	for (;;)
		MUST(lane, IN(lane, PLACE_WAIT,
			      channel_wait(lane->fd[1], MESSAGE, FOREVER)) ==
			   MESSAGE);
}

static bool kick_and_wait_victim(struct lane *lane)
{
	struct flowipc_kick_and_wait arg;

	close(lane->fd[0]);
	MUST(lane, tell(lane->sockets[1]));
	for (;;) {
		arg = (struct flowipc_kick_and_wait){
			.kick = MESSAGE, .events = MESSAGE,
			.deadline_ns = FOREVER,
		};
		MUST(lane, !IN(lane, PLACE_KICK_AND_WAIT,
			       ioctl(lane->fd[1], FLOWIPC_IOC_KICK_AND_WAIT,
				     &arg)));
	}
}

static bool poll_victim(struct lane *lane)
{
	struct pollfd polled = { .fd = lane->fd[1], .events = POLLIN };
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	close(lane->fd[0]);
	MUST(lane, !epoll_ctl(epoll, EPOLL_CTL_ADD, lane->fd[1], &event));
	MUST(lane, tell(lane->sockets[1]));
	for (;;) {
		MUST(lane, IN(lane, PLACE_POLL, poll(&polled, 1, -1)) == 1);
		MUST(lane, channel_wait(lane->fd[1], MESSAGE, 0) == MESSAGE);
		MUST(lane, IN(lane, PLACE_POLL,
			      epoll_wait(epoll, &event, 1, -1)) == 1);
		MUST(lane, channel_wait(lane->fd[1], MESSAGE, 0) == MESSAGE);
	}
}

/* So that some die on their way out of the call, and not asleep. */
static bool channel_meet(struct lane *lane)
{
	unsigned int kicks = roll(&lane->dice, 4);

	close(lane->fd[1]);
	lane->fd[1] = -1;
	MUST(lane, hear(lane->sockets[0]));
	while (kicks--)
		MUST(lane, !channel_kick(lane->fd[0], MESSAGE));

	return true;
}

static bool channel_mourn(struct lane *lane, bool met)
{
	(void)met;
	if (lane->fd[1] >= 0)
		close(lane->fd[1]);
	MUST(lane, events_of(lane->fd[0]) & POLLHUP);
	MUST(lane, channel_wait(lane->fd[0], SPACE, FOREVER) == HUP);
	MUST(lane, channel_kick(lane->fd[0], MESSAGE) && errno == EPIPE);
	close(lane->fd[0]);

	return true;
}

/* A claimer that is in a fault, of huge pages and of small ones. */

static bool fault_prepare(struct lane *lane)
{
	lane->fd[0] = grant_create(lane->huge, 0, HUGE_SIZE, READ | WRITE);
	MUST(lane, lane->fd[0] >= 0);
	MUST(lane, !region_info(lane->huge, &lane->info));

	return true;
}

static bool fault_victim(struct lane *lane)
{
	int claim = grant_claim(lane->fd[0]);
	char *memory = map(claim, HUGE_SIZE, PROT_READ | PROT_WRITE);
	uint64_t at;

	MUST(lane, claim >= 0 && memory != MAP_FAILED);
	MUST(lane, tell(lane->sockets[1]));
	for (;;) {
		for (at = 0; at < HUGE_SIZE; at += at < HUGE ? HUGE : PAGE)
			(void)IN(lane, PLACE_FAULT,
				 *(volatile char *)(memory + at) = 1);
		MUST(lane, !madvise(memory, HUGE_SIZE, MADV_DONTNEED));
	}
}

static bool fault_mourn(struct lane *lane, bool met)
{
	MUST(lane, claims_dropped(lane, lane->huge, met));
	close(lane->fd[0]);
	MUST(lane, !region_info(lane->huge, &lane->info));

	return true;
}

/* One that makes objects. */

static bool create_victim(struct lane *lane)
{
	uint64_t size;
	int region;

	MUST(lane, tell(lane->sockets[1]));
	for (;;) {
		size = one_in(&lane->dice, 8) ? HUGE + PAGE :
		       (1 + roll(&lane->dice, 64)) * PAGE;
		region = IN(lane, PLACE_CREATE,
			    region_create_flags(lane->device, size,
						roll(&lane->dice, 3)));
		MUST(lane, region >= 0);
		MUST(lane, !IN(lane, PLACE_CLOSE, close(region)));
	}
}

static bool channels_victim(struct lane *lane)
{
	int ends[2], bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct flowipc_bind_eventfd bind = {
		.eventfd = bell, .events = MESSAGE | HUP,
	};

	MUST(lane, tell(lane->sockets[1]));
	for (;;) {
		MUST(lane, !IN(lane, PLACE_CHANNEL,
			       channel_create(lane->device, ends)));
		MUST(lane, !ioctl(ends[0], FLOWIPC_IOC_BIND_EVENTFD, &bind));
		MUST(lane, !channel_kick(ends[1], MESSAGE));
		MUST(lane, !IN(lane, PLACE_CLOSE, close(ends[0])));
		MUST(lane, !IN(lane, PLACE_CLOSE, close(ends[1])));
	}
}

static bool nothing_to_mourn(struct lane *lane, bool met)
{
	(void)lane, (void)met;

	return true;
}

/* An owner that takes back what it has itself claimed and mapped. */

static bool revoke_victim(struct lane *lane)
{
	int region = region_create(lane->device, SIZE), grant, claim;
	char *memory;

	MUST(lane, region >= 0);
	MUST(lane, tell(lane->sockets[1]));
	for (;;) {
		grant = grant_create(region, 0, SIZE, READ | WRITE);
		claim = grant_claim(grant);
		memory = map(claim, SIZE, PROT_READ | PROT_WRITE);
		MUST(lane, memory != MAP_FAILED);
		pages_write(memory, SIZE);
		MUST(lane, !IN(lane, PLACE_REVOKE,
			       one_in(&lane->dice, 2) ?
			       grant_revoke(region, grant) :
			       grant_revoke_all(region)));
		MUST(lane, touch_read(memory) == SIGBUS);
		munmap(memory, SIZE);
		close(claim);
		close(grant);
	}
}

/* One that seals the lane's region, and is itself the receiver. */

static bool seal_prepare(struct lane *lane)
{
	MUST(lane, !region_info(lane->region, &lane->info));

	return true;
}

static bool seal_victim(struct lane *lane)
{
	uint64_t id, first;
	int ends[2];

	MUST(lane, !channel_create(lane->device, ends));
	MUST(lane, tell(lane->sockets[1]));
	for (;;) {
		first = (2 + roll(&lane->dice, 62)) * PAGE;
		MUST(lane, !IN(lane, PLACE_SEAL,
			       seal(lane->region, first, SIZE - first, ends[0],
				    &id)));
		MUST(lane, touch_write(lane->memory + SIZE - 1) == SIGBUS);
		MUST(lane, !IN(lane, PLACE_UNSEAL, unseal(ends[1], id)));
		MUST(lane, !IN(lane, PLACE_FAULT,
			       touch_write(lane->memory + SIZE - 1)));
	}
}

static bool seal_mourn(struct lane *lane, bool met)
{
	struct flowipc_region_info info;

	(void)met;
	MUST(lane, !region_info(lane->region, &info));
	MUST(lane, info.seals == 0);
	MUST(lane, pages_touch(lane->memory, SIZE, true));

	return true;
}

static bool nothing_to_prepare(struct lane *lane)
{
	(void)lane;

	return true;
}

const struct role roles[] = {
	{ "owner", nothing_to_prepare, owner_victim, owner_meet, owner_mourn,
	  PLACE_GRANT },
	{ "claimer", claimer_prepare, claimer_victim, told_meet, claimer_mourn,
	  PLACE_CLAIM },
	{ "in WAIT", channel_prepare, wait_victim, channel_meet, channel_mourn,
	  PLACE_WAIT },
	{ "in KICK_AND_WAIT", channel_prepare, kick_and_wait_victim,
	  channel_meet, channel_mourn, PLACE_KICK_AND_WAIT },
	{ "in poll", channel_prepare, poll_victim, channel_meet, channel_mourn,
	  PLACE_POLL },
	{ "in a fault", fault_prepare, fault_victim, told_meet, fault_mourn,
	  PLACE_FAULT },
	{ "in REGION_CREATE", nothing_to_prepare, create_victim, told_meet,
	  nothing_to_mourn, PLACE_CREATE },
	{ "in CHANNEL_CREATE", nothing_to_prepare, channels_victim, told_meet,
	  nothing_to_mourn, PLACE_CHANNEL },
	{ "in REVOKE", nothing_to_prepare, revoke_victim, told_meet,
	  nothing_to_mourn, PLACE_REVOKE },
	{ "in SEAL", seal_prepare, seal_victim, told_meet, seal_mourn,
	  PLACE_SEAL },
};

const unsigned int roles_count = ARRAY_SIZE(roles);
