// SPDX-License-Identifier: GPL-2.0-only
#include "fuzz-control.h"

#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static int memfd_of(size_t size, bool sealed)
{
	int fd = memfd_create("flowipc", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	MUST(fd >= 0 && !ftruncate(fd, (off_t)size));
	MUST(!sealed || !fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW));
	return fd;
}

void enemy_start(struct enemy *enemy)
{
	uint64_t size = flowipc__outbox_size(OUTBOX_SLOTS, OUTBOX_PAYLOAD);
	int pair[2], i;
	void *base;

	memset(enemy, 0, sizeof(*enemy));
	enemy->control = -1;
	enemy->courier = -1;
	for (i = 0; i < 2; i++) {
		MUST(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
		enemy->bells[i] = pair[0];
		enemy->their_bells[i] = pair[1];
	}
	MUST(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	enemy->courier = pair[0];
	enemy->their_courier = pair[1];
	MUST(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	enemy->fds = pair[0];
	enemy->their_fds = pair[1];
	MUST(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	enemy->answer = pair[0];
	enemy->their_answer = pair[1];
	enemy->outbox_fd = memfd_of(size, true);
	base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
		    enemy->outbox_fd, 0);
	MUST(base != MAP_FAILED);
	flowipc__outbox_format(&enemy->outbox,
			       &(struct mapping){ .base = base, .size = size },
			       OUTBOX_SLOTS, OUTBOX_PAYLOAD, 0);
	enemy->region_fd = memfd_of(4096, true);
	enemy->other_fds[0] = memfd_of(4096, false);
	enemy->other_fds[1] = open("/dev/null", O_RDWR | O_CLOEXEC);
	enemy->other_fds[2] = epoll_create1(EPOLL_CLOEXEC);
}

void enemy_end(struct enemy *enemy)
{
	const int fds[] = {
		enemy->control, enemy->courier, enemy->bells[0],
		enemy->bells[1], enemy->their_bells[0], enemy->their_bells[1],
		enemy->their_courier, enemy->fds, enemy->their_fds,
		enemy->answer, enemy->their_answer,
		enemy->outbox_fd, enemy->region_fd,
		enemy->other_fds[0], enemy->other_fds[1], enemy->other_fds[2],
	};
	size_t i;

	for (i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	munmap(enemy->outbox.mapping.base, enemy->outbox.mapping.size);
}

static int enemy_fd(const struct enemy *enemy, uint64_t which)
{
	switch (which % PASSABLE) {
	case PASS_OUTBOX:
		return enemy->outbox_fd;
	case PASS_BELL:
		return enemy->their_bells[0];
	case PASS_BELL_OF_SPACE:
		return enemy->their_bells[1];
	case PASS_REGION:
		return enemy->region_fd;
	case PASS_COURIER:
		return enemy->their_courier;
	case PASS_FDS:
		return enemy->their_fds;
	case PASS_UNSEALED:
		return enemy->other_fds[0];
	case PASS_DEV_NULL:
		return enemy->other_fds[1];
	case PASS_ANSWER:
		return enemy->their_answer;
	default:
		return enemy->other_fds[2];
	}
}

bool packet_send(int socket, const void *data, size_t size, const int *fds,
		 size_t fd_count)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (void *)data, size };
	struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd_count) {
		header.msg_control = &control;
		header.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		memcpy(CMSG_DATA(&control.align), fds,
		       fd_count * sizeof(int));
	}
	return sendmsg(socket, &header, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

static size_t length_of(size_t size, size_t proper_size)
{
	switch (size) {
	case 0:
		return proper_size;
	case LENGTH_METADATA:
		return proper_size + FLOWIPC__METADATA_MAX;
	case LENGTH_TOO_MUCH:
		return proper_size + FLOWIPC__METADATA_MAX + 1;
	case LENGTH_EMPTY:
		return 0;
	default:
		return size;
	}
}

/* Length, descriptors, bytes. */
bool packet_step(struct input *input, struct enemy *enemy, int socket,
		 size_t proper_size, bool is_control)
{
	uint32_t magic = FLOWIPC__CONTROL_MAGIC;
	size_t size = length_of(take(input, 1), proper_size), fd_count, i;
	char bytes[256 + FLOWIPC__METADATA_MAX] = { 0 };
	int fds[FDS_MAX];

	fd_count = take(input, 1) % (FDS_MAX + 1);
	for (i = 0; i < fd_count; i++)
		fds[i] = enemy_fd(enemy, take(input, 1));
	take_bytes(input, bytes, size < SPOKEN_MAX ? size : SPOKEN_MAX);
	/* A wrong one leads nowhere, so there are not many. */
	if (is_control && size >= sizeof(magic) && bytes[0])
		memcpy(bytes, &magic, sizeof(magic));
	return packet_send(socket, bytes, size, fds, fd_count);
}

void write_step(struct input *input, struct enemy *enemy)
{
	uint64_t offset = take(input, 2) * 4 % enemy->outbox.mapping.size;
	unsigned int bytes = take(input, 1) % 2 ? 8 : 4;
	uint64_t word = take(input, bytes);

	if (offset + bytes <= enemy->outbox.mapping.size)
		memcpy((char *)enemy->outbox.mapping.base + offset, &word,
		       bytes);
}

void forge_step(struct input *input, struct enemy *enemy)
{
	struct slot *slot = &enemy->outbox.slots[enemy->position++ %
						 OUTBOX_SLOTS];

	slot->kind = (uint8_t)take(input, 1);
	slot->role = (uint8_t)take(input, 1);
	slot->call = take(input, 1);
	slot->fds = (uint8_t)take(input, 1);
	slot->further = (uint8_t)take(input, 1);
	slot->loan = (uint32_t)take(input, 2);
	slot->size = take(input, 2);
	if (slot->kind == SLOT_INLINE)
		slot->length = (uint32_t)slot->size;
	slot->region = (uint32_t)take(input, 2);
	slot->chunk = (uint32_t)take(input, 1);
	slot->offset = take(input, 2);
	slot->seal = take(input, 1);
	atomic_store(&slot->sequence, enemy->position);
}

void hang_up_step(struct input *input, struct enemy *enemy)
{
	switch (take(input, 1) % 4) {
	case 0:
		shutdown(enemy->control, SHUT_RDWR);
		break;
	case 1:
		shutdown(enemy->courier, SHUT_RDWR);
		break;
	case 2:
		shutdown(enemy->bells[0], SHUT_RDWR);
		break;
	default:
		shutdown(enemy->bells[1], SHUT_RDWR);
	}
}

/*
 * What the library says: with a welcome comes our end of the courier's socket,
 * and with an open our ends of the channel's.
 */
void enemy_hear(struct enemy *enemy)
{
	int fds[FLOWIPC__PACKET_FDS];
	struct control packet;
	unsigned int count;

	while (!flowipc__control_receive(enemy->control, &packet, NULL, fds,
					 &count)) {
		if (packet.kind == CONTROL_WELCOME && count == 1)
			MUST(dup3(fds[0], enemy->courier, O_CLOEXEC) >= 0);
		if (packet.kind == CONTROL_OPEN && count == 5) {
			MUST(dup3(fds[1], enemy->answer, O_CLOEXEC) >= 0);
			MUST(dup3(fds[2], enemy->bells[0], O_CLOEXEC) >= 0);
			MUST(dup3(fds[3], enemy->bells[1], O_CLOEXEC) >= 0);
			MUST(dup3(fds[4], enemy->fds, O_CLOEXEC) >= 0);
		}
		flowipc__close_all(fds, count);
	}
}
