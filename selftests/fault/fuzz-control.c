// SPDX-License-Identifier: GPL-2.0-only
/*
 * DOC: fuzz-control
 *
 * A libFuzzer target. The input is what an enemy does in a session: control
 * packets and parcels with whatever bytes and descriptors, words and messages in
 * his outbox, rings, and hanging up; and in between the calls that a user of the
 * library makes. Nothing waits, so that it runs in one thread, except for the
 * role in which the library connects.
 *
 * The library is compiled in, with coverage, ASan and UBSan. After each input no
 * descriptor may be left.
 *
 *   fuzz-control --seeds DIRECTORY    write inputs to begin with
 *   fuzz-control [LIBFUZZER-OPTION...] DIRECTORY...
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <flowipc/flowipc.h>

#include "outbox.h"
#include "session.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the run, and libFuzzer keeps the input. */
#define MUST(condition)							\
	do {								\
		if (!(condition)) {					\
			fprintf(stderr, "%s:%d: not so: %s (%s)\n",	\
				__FILE__, __LINE__, #condition,		\
				flowipc_last_error());				\
			abort();					\
		}							\
	} while (0)

/* The first byte of an input: what the library is. */
enum role {
	LISTENER, /* a server whose guest we are */
	SERVER, /* a server with a session */
	CLIENT, /* a client with a session */
	CONNECTOR, /* a client that connects to us */
	ACCEPTOR, /* a server with a channel that we opened */
	OPENER, /* a client with a channel that it opened */
	ROLES,
};

/* Then one of these after the other. */
enum step {
	STEP_CONTROL, /* a control packet */
	STEP_PARCEL,
	STEP_FDS, /* descriptors that go with a message */
	STEP_CALL,
	STEP_WRITE, /* a word of our outbox */
	STEP_FORGE, /* a message in our outbox */
	STEP_RING,
	STEP_ANSWER, /* a control packet on the socket for an answer */
	STEP_HANG_UP,
	STEPS,
};

/* Descriptors that go with a packet. */
enum passed {
	PASS_OUTBOX,
	PASS_BELL,
	PASS_BELL_OF_SPACE,
	PASS_REGION,
	PASS_COURIER,
	PASS_FDS,
	PASS_UNSEALED,
	PASS_DEV_NULL,
	PASS_EPOLL,
	PASS_ANSWER,
	PASSABLE,
};

enum call {
	CALL_ACCEPT,
	CALL_CHANNEL_ACCEPT,
	CALL_CHANNEL_OPEN,
	CALL_RECEIVE,
	CALL_TAKE_FD,
	CALL_SEND,
	CALL_SEND_FROM_REGION,
	CALL_SEND_FD,
	CALL_SHUTDOWN,
	CALL_RECLAIM,
	CALL_CHANNEL_CLOSE,
	CALL_OFFER,
	CALL_SESSION_END,
	CALLS,
};

enum {
	OUTBOX_SLOTS = 4,
	OUTBOX_PAYLOAD = 8192,
	CHANNELS = 3,
	HELD = 3,
	STEPS_MAX = 200,
	FDS_MAX = 6, /* two more than the library ever takes */
};

struct input {
	const uint8_t *data;
	size_t left;
};

struct enemy {
	int control; /* our end, as all of these */
	int courier;
	int bells[2];
	int their_bells[2];
	int their_courier;
	int fds;
	int their_fds;
	int answer;
	int their_answer;
	int outbox_fd;
	int region_fd;
	int other_fds[3];
	struct outbox outbox;
	uint64_t position; /* of the next message that is forged */
};

struct victim {
	struct flowipc_session *session;
	struct flowipc_channel *channels[CHANNELS];
	struct flowipc_message *held[HELD];
	struct flowipc_region *region;
	enum flowipc_end_reason reason; /* that the session ended, if seen */
};

/* How far inputs came, to see whether the seeds still fit the protocol. */
static struct {
	unsigned long inputs;
	unsigned long sessions;
	unsigned long channels;
	unsigned long messages;
	unsigned long violations;
} reached;

static char directory[] = "/tmp/flowipc-fuzz-XXXXXX";
static struct flowipc_server *server;
static struct sockaddr_un our_address, server_address;
static int our_listener;

static uint64_t take(struct input *input, unsigned int bytes)
{
	uint64_t number = 0;
	unsigned int i;

	for (i = 0; i < bytes && input->left; i++, input->left--)
		number |= (uint64_t)*input->data++ << (8 * i);
	return number;
}

static void take_bytes(struct input *input, void *to, size_t bytes)
{
	size_t some = bytes < input->left ? bytes : input->left;

	memset(to, 0, bytes);
	memcpy(to, input->data, some);
	input->data += some;
	input->left -= some;
}

/* What a call gives is one of these, or a count. */
static int64_t fine(int64_t result)
{
	static const int errors[] = {
		EAGAIN, ETIMEDOUT, EPIPE, EPROTO, ECONNREFUSED, EACCES,
		EPROTONOSUPPORT, EMSGSIZE, ENOMEM, EMFILE, EOPNOTSUPP,
	};
	size_t i;

	if (result >= 0)
		return result;
	reached.violations += result == -EPROTO;
	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (result == -errors[i])
			return result;
	fprintf(stderr, "error %d: %s\n", (int)result, flowipc_last_error());
	abort();
}

/* The enemy */

static int memfd_of(size_t size, bool sealed)
{
	int fd = memfd_create("flowipc", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	MUST(fd >= 0 && !ftruncate(fd, (off_t)size));
	MUST(!sealed || !fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW));
	return fd;
}

static void enemy_start(struct enemy *enemy)
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

static void enemy_end(struct enemy *enemy)
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

static bool packet_send(int socket, const void *data, size_t size,
			const int *fds, size_t fd_count)
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

/* Length (0: as it should be, 255: empty), descriptors, bytes. */
static bool packet_step(struct input *input, struct enemy *enemy, int socket,
			size_t proper_size, bool is_control)
{
	uint32_t magic = FLOWIPC__CONTROL_MAGIC;
	size_t size = take(input, 1), fd_count, i;
	int fds[FDS_MAX];
	char bytes[256];

	size = size == UINT8_MAX ? 0 : size ? size : proper_size;
	fd_count = take(input, 1) % (FDS_MAX + 1);
	for (i = 0; i < fd_count; i++)
		fds[i] = enemy_fd(enemy, take(input, 1));
	take_bytes(input, bytes, size);
	/* A wrong one leads nowhere, so there are not many. */
	if (is_control && size >= sizeof(magic) && bytes[0])
		memcpy(bytes, &magic, sizeof(magic));
	return packet_send(socket, bytes, size, fds, fd_count);
}

/* As in courier.c, where it is nobody else's business. */
enum { PARCEL_BYTES = 16 };

/* As in fds.c: which message they are for. */
enum { FDS_BYTES = 8 };

static void write_step(struct input *input, struct enemy *enemy)
{
	uint64_t offset = take(input, 2) * 4 % enemy->outbox.mapping.size;
	unsigned int bytes = take(input, 1) % 2 ? 8 : 4;
	uint64_t word = take(input, bytes);

	if (offset + bytes <= enemy->outbox.mapping.size)
		memcpy((char *)enemy->outbox.mapping.base + offset, &word,
		       bytes);
}

static void forge_step(struct input *input, struct enemy *enemy)
{
	struct slot *slot = &enemy->outbox.slots[enemy->position++ %
						 OUTBOX_SLOTS];

	slot->kind = (uint16_t)take(input, 1);
	slot->fds = (uint16_t)take(input, 1);
	slot->loan = (uint32_t)take(input, 2);
	slot->size = take(input, 2);
	slot->region = (uint32_t)take(input, 2);
	slot->chunk = (uint32_t)take(input, 1);
	slot->offset = take(input, 2);
	atomic_store(&slot->sequence, enemy->position);
}

static void hang_up_step(struct input *input, struct enemy *enemy)
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

/* The victim */

static void victim_start(struct victim *victim)
{
	memset(victim, 0, sizeof(*victim));
	MUST(!flowipc_region_create(4096, NULL, &victim->region));
}

static void victim_end(struct victim *victim)
{
	int i;

	for (i = 0; i < HELD; i++)
		flowipc_message_release(victim->held[i]);
	for (i = 0; i < CHANNELS; i++)
		flowipc_channel_close(victim->channels[i]);
	flowipc_session_close(victim->session);
	flowipc_region_destroy(victim->region);
}

static void message_read(struct victim *victim, struct flowipc_message *message,
			 uint64_t place)
{
	const volatile unsigned char *data = flowipc_message_data(message);
	uint64_t size = flowipc_message_size(message), i;

	for (i = 0; i < size; i++)
		(void)data[i];
	flowipc_message_release(victim->held[place % HELD]);
	victim->held[place % HELD] = message;
	reached.messages++;
}

static void channel_call(struct victim *victim, enum call call, uint64_t which)
{
	static const char bytes[UINT8_MAX * 80];
	struct flowipc_channel **channel = &victim->channels[which % CHANNELS];
	struct flowipc_message *message;
	int fd;

	if (!*channel)
		return;
	switch (call) {
	case CALL_RECEIVE:
		if (!fine(flowipc_message_receive(*channel, &message, 0)))
			message_read(victim, message, which);
		break;
	case CALL_TAKE_FD:
		message = victim->held[which % HELD];
		if (!message || !flowipc_message_fd_count(message))
			break;
		fd = flowipc_message_take_fd(message, 0);
		if (fd >= 0)
			close(fd);
		break;
	case CALL_SEND:
		fine(flowipc_send(*channel, bytes, which * 80, 0));
		break;
	case CALL_SEND_FROM_REGION:
		if (fine(flowipc_message_from_region(*channel, victim->region,
						     0, 100, 0, &message)))
			break;
		if (fine(flowipc_message_send(message, 0)))
			flowipc_message_release(message);
		break;
	case CALL_SEND_FD:
		if (fine(flowipc_message_new(*channel, which, 0, &message)))
			break;
		MUST(!flowipc_message_attach_fd(message, STDERR_FILENO));
		if (fine(flowipc_message_send(message, 0)))
			flowipc_message_release(message);
		break;
	case CALL_SHUTDOWN:
		fine(flowipc_channel_shutdown(*channel));
		break;
	case CALL_RECLAIM:
		fine(flowipc_channel_reclaim(*channel));
		break;
	default:
		flowipc_channel_close(*channel);
		*channel = NULL;
	}
}

static void channel_begin(struct victim *victim,
			  struct flowipc_channel **channel, bool opens)
{
	const struct flowipc_channel_opts *opts = FLOWIPC_OPTS(channel,
			.slots = 4, .payload_bytes = 8192,
			.wait_mode = FLOWIPC_WAIT_SLEEP);

	if (!fine(opens ? flowipc_channel_open(victim->session, opts, 0,
					       channel) :
			  flowipc_channel_accept(victim->session, opts, 0,
						 channel)))
		reached.channels++;
}

/* Look at what the peer offers, and take it or not. */
static void offer_hear(struct victim *victim, uint64_t which)
{
	struct flowipc_channel **channel = &victim->channels[which % CHANNELS];
	const volatile unsigned char *metadata;
	struct flowipc_offer *offer;
	size_t size, i;

	if (!victim->session ||
	    fine(flowipc_session_next_offer(victim->session, 0, &offer)))
		return;
	metadata = flowipc_offer_metadata(offer, &size);
	for (i = 0; metadata && i < size; i++)
		(void)metadata[i];
	if (*channel || which & 0x80)
		flowipc_offer_refuse(offer);
	else if (!fine(flowipc_offer_accept(offer, NULL, channel)))
		reached.channels++;
}

/* It ends once, and for one reason. */
static void end_look(struct victim *victim)
{
	struct flowipc_session_end end = { .sz = sizeof(end) };

	if (!victim->session ||
	    fine(flowipc_session_end(victim->session, &end)))
		return;
	MUST(end.reason && end.text[0]);
	MUST(!victim->reason || victim->reason == end.reason);
	victim->reason = end.reason;
}

static void call_step(struct input *input, struct victim *victim)
{
	enum call call = take(input, 1) % CALLS;
	uint64_t which = take(input, 1);
	struct flowipc_channel **channel = &victim->channels[which % CHANNELS];

	if (call == CALL_ACCEPT) {
		if (!victim->session &&
		    !fine(flowipc_accept(server, 0, &victim->session)))
			reached.sessions++;
	} else if (call == CALL_CHANNEL_ACCEPT || call == CALL_CHANNEL_OPEN) {
		if (victim->session && !*channel)
			channel_begin(victim, channel,
				      call == CALL_CHANNEL_OPEN);
	} else if (call == CALL_OFFER) {
		offer_hear(victim, which);
	} else if (call == CALL_SESSION_END) {
		end_look(victim);
	} else {
		channel_call(victim, call, which);
	}
}

/* Roles */

/* A session between the two, as if they had greeted each other. */
static void session_make(struct enemy *enemy, struct victim *victim,
			 bool client)
{
	struct flowipc_peer peer = {
		.pid = getpid(), .uid = getuid(), .gid = getgid(),
	};
	int pair[2];

	MUST(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	enemy->control = pair[0];
	MUST(!flowipc__session_create(pair[1], enemy->their_courier,
				      flowipc__backend_get(
					      FLOWIPC_BACKEND_MEMFD),
				      &peer, "fuzz", client, &victim->session));
	enemy->their_courier = -1;
	reached.sessions++;
}

static void *connector(void *arg)
{
	struct victim *victim = arg;

	if (!fine(flowipc_connect(our_address.sun_path, NULL, 50,
				  &victim->session)))
		__atomic_fetch_add(&reached.sessions, 1, __ATOMIC_RELAXED);
	return NULL;
}

/*
 * What the library says: with a welcome comes our end of the courier's socket,
 * and with an open our ends of the channel's.
 */
static void hear(struct enemy *enemy)
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

/* And a channel, as if they had agreed on it. */
static void channel_make(struct enemy *enemy, struct victim *victim,
			 bool client)
{
	const int fds[] = {
		enemy->outbox_fd, enemy->their_answer, enemy->their_bells[0],
		enemy->their_bells[1], enemy->their_fds,
	};
	struct control packet = {
		.magic = FLOWIPC__CONTROL_MAGIC, .channel = 1,
		.kind = client ? CONTROL_ACCEPT : CONTROL_OPEN,
	};

	if (!client)
		MUST(packet_send(enemy->control, &packet, sizeof(packet), fds,
				 5));
	channel_begin(victim, &victim->channels[0], client);
	MUST(victim->channels[0]);
	hear(enemy);
	if (client)
		MUST(packet_send(enemy->answer, &packet, sizeof(packet), fds,
				 1));
}

/* The library connects, and the next of the input is what we answer. */
static void answer(struct input *input, struct enemy *enemy,
		   struct victim *victim)
{
	struct control hello;
	pthread_t thread;

	MUST(!pthread_create(&thread, NULL, connector, victim));
	enemy->control = accept4(our_listener, NULL, NULL, SOCK_CLOEXEC);
	MUST(enemy->control >= 0);
	MUST(recv(enemy->control, &hello, sizeof(hello), 0) > 0);
	if (!packet_step(input, enemy, enemy->control, sizeof(struct control),
			 true))
		shutdown(enemy->control, SHUT_RDWR);
	MUST(!pthread_join(thread, NULL));
}

static void knock(struct enemy *enemy)
{
	enemy->control = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	MUST(enemy->control >= 0);
	MUST(!connect(enemy->control, (struct sockaddr *)&server_address,
		      sizeof(server_address)));
}

/* What the server knows of guests that hung up goes with this. */
static void server_clear(void)
{
	struct flowipc_session *session;

	while (!fine(flowipc_accept(server, 0, &session)))
		flowipc_session_close(session);
}

static void step(struct input *input, struct enemy *enemy,
		 struct victim *victim)
{
	switch (take(input, 1) % STEPS) {
	case STEP_CONTROL:
		packet_step(input, enemy, enemy->control,
			    sizeof(struct control), true);
		break;
	case STEP_PARCEL:
		packet_step(input, enemy, enemy->courier, PARCEL_BYTES, false);
		break;
	case STEP_FDS:
		packet_step(input, enemy, enemy->fds, FDS_BYTES, false);
		break;
	case STEP_ANSWER:
		packet_step(input, enemy, enemy->answer,
			    sizeof(struct control), true);
		break;
	case STEP_CALL:
		call_step(input, victim);
		hear(enemy);
		break;
	case STEP_WRITE:
		write_step(input, enemy);
		break;
	case STEP_FORGE:
		forge_step(input, enemy);
		break;
	case STEP_RING:
		send(enemy->bells[take(input, 1) % 2], "", 1,
		     MSG_DONTWAIT | MSG_NOSIGNAL);
		break;
	default:
		hang_up_step(input, enemy);
	}
}

/* It becomes another one when a descriptor is left open. */
static int lowest_descriptor(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	MUST(fd >= 0);
	close(fd);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	enum role role = take(&input, 1) % ROLES;
	struct enemy enemy;
	struct victim victim;
	int steps = STEPS_MAX, lowest = lowest_descriptor();

	reached.inputs++;
	enemy_start(&enemy);
	victim_start(&victim);
	switch (role) {
	case LISTENER:
		knock(&enemy);
		break;
	case CONNECTOR:
		answer(&input, &enemy, &victim);
		break;
	default:
		session_make(&enemy, &victim,
			     role == CLIENT || role == OPENER);
		if (role == ACCEPTOR || role == OPENER)
			channel_make(&enemy, &victim, role == OPENER);
	}
	while (input.left && steps--)
		step(&input, &enemy, &victim);
	victim_end(&victim);
	enemy_end(&enemy);
	if (role == LISTENER)
		server_clear();
	MUST(lowest_descriptor() == lowest);
	return 0;
}

/* Seeds: conversations as they should be, for each role. */

struct seed {
	uint8_t bytes[1024];
	size_t size;
};

static void put(struct seed *seed, uint64_t number, unsigned int bytes)
{
	while (bytes--) {
		MUST(seed->size < sizeof(seed->bytes));
		seed->bytes[seed->size++] = (uint8_t)number;
		number >>= 8;
	}
}

static void put_fds(struct seed *seed, const char *fds)
{
	put(seed, 0, 1);
	put(seed, strlen(fds), 1);
	for (; *fds; fds++)
		put(seed, (uint64_t)(*fds - '0'), 1);
}

static void put_control(struct seed *seed, struct control packet,
			const char *fds)
{
	const uint8_t *byte = (const uint8_t *)&packet;
	size_t i;

	packet.magic = FLOWIPC__CONTROL_MAGIC;
	put_fds(seed, fds);
	for (i = 0; i < sizeof(packet); i++)
		put(seed, byte[i], 1);
}

static void put_parcel(struct seed *seed, uint32_t kind, uint32_t number,
		       uint64_t messages, const char *fds)
{
	put(seed, STEP_PARCEL, 1);
	put_fds(seed, fds);
	put(seed, kind, 4);
	put(seed, number, 4);
	put(seed, messages, 8);
}

static void put_call(struct seed *seed, enum call call, unsigned int which)
{
	put(seed, STEP_CALL, 1);
	put(seed, call, 1);
	put(seed, which, 1);
}

static void put_message(struct seed *seed, enum slot_kind kind, uint64_t size,
			uint32_t region, uint32_t chunk, unsigned int fds)
{
	put(seed, STEP_FORGE, 1);
	put(seed, kind, 1);
	put(seed, fds, 1);
	put(seed, 0, 2);
	put(seed, size, 2);
	put(seed, region, 2);
	put(seed, chunk, 1);
	put(seed, 0, 2);
	put(seed, STEP_RING, 1);
	put(seed, 0, 1);
	put_call(seed, CALL_RECEIVE, 0);
}

static void put_channel(struct seed *seed, enum role role)
{
	if (role == CLIENT) {
		/* The library opens, and goes on before there is an answer. */
		put_call(seed, CALL_CHANNEL_OPEN, 0);
		put(seed, STEP_ANSWER, 1);
		put_control(seed, (struct control){ .kind = CONTROL_ACCEPT },
			    "0");
	} else if (role < ACCEPTOR) {
		put(seed, STEP_CONTROL, 1);
		put_control(seed, (struct control){
				.kind = CONTROL_OPEN, .channel = 1 }, "09125");
		put_call(seed, CALL_CHANNEL_ACCEPT, 0);
	}
	put_message(seed, SLOT_INLINE, 40, 0, 0, 0);
	put_message(seed, SLOT_PAYLOAD, 5000, 0, 0, 0);
	put_parcel(seed, 1, 1024, 0, "3");
	put_message(seed, SLOT_REGION, 4096, 1024, 0, 0);
	put(seed, STEP_FDS, 1);
	put_fds(seed, "37");
	put(seed, 3, FDS_BYTES);
	put_message(seed, SLOT_INLINE, 40, 0, 0, 2);
	put_call(seed, CALL_TAKE_FD, 0);
	put_parcel(seed, 1, 2049, 0, "3");
	put_message(seed, SLOT_PAYLOAD, 4096, 2049, 1, 0);
	put_parcel(seed, 2, 1024, 1, "");
	put_call(seed, CALL_SEND, 0);
	put_call(seed, CALL_SEND, 100);
	put_call(seed, CALL_SEND_FROM_REGION, 0);
	put_call(seed, CALL_RECLAIM, 0);
	put_call(seed, CALL_SEND_FD, 0);
	put_call(seed, CALL_SHUTDOWN, 0);
	put_call(seed, CALL_SESSION_END, 0);
	put_call(seed, CALL_CHANNEL_CLOSE, 0);
}

static void seed_make(struct seed *seed, enum role role)
{
	const uint16_t memfd = 1U << FLOWIPC_BACKEND_MEMFD;

	put(seed, role, 1);
	if (role == LISTENER) {
		/* Let in, heard, and then it has a session. */
		put_call(seed, CALL_ACCEPT, 0);
		put(seed, STEP_CONTROL, 1);
		put_control(seed, (struct control){ .kind = CONTROL_HELLO,
				.oldest = FLOWIPC__PROTOCOL_OLDEST,
				.newest = FLOWIPC__PROTOCOL,
				.backends = memfd }, "");
		put_call(seed, CALL_ACCEPT, 0);
	} else if (role == CONNECTOR) {
		put_control(seed, (struct control){ .kind = CONTROL_WELCOME,
				.newest = FLOWIPC__PROTOCOL,
				.backends = memfd }, "4");
	}
	put_channel(seed, role);
}

/* Seeds that do not fit the protocol any more lead nowhere. */
static void seed_check(const struct seed *seed)
{
	memset(&reached, 0, sizeof(reached));
	LLVMFuzzerTestOneInput(seed->bytes, seed->size);
	MUST(reached.sessions == 1 && reached.channels == 1);
	MUST(reached.messages == 5 && !reached.violations);
}

static void seeds_write(const char *to)
{
	struct seed seed;
	enum role role;
	char path[512];
	FILE *file;

	for (role = 0; role < ROLES; role++) {
		seed.size = 0;
		seed_make(&seed, role);
		snprintf(path, sizeof(path), "%s/role-%d", to, (int)role);
		file = fopen(path, "we");
		MUST(file);
		MUST(fwrite(seed.bytes, seed.size, 1, file) == 1);
		fclose(file);
		seed_check(&seed);
	}
}

/* Setup */

static void tidy(void)
{
	fprintf(stderr, "reached: %lu inputs, %lu sessions, %lu channels, "
		"%lu messages, %lu violations\n", reached.inputs,
		reached.sessions, reached.channels, reached.messages,
		reached.violations);
	flowipc_server_close(server);
	unlink(our_address.sun_path);
	rmdir(directory);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct flowipc_region *region;

	setenv("FLOWIPC_BACKEND", "memfd", 1);
	MUST(mkdtemp(directory));
	our_address.sun_family = AF_UNIX;
	server_address.sun_family = AF_UNIX;
	snprintf(our_address.sun_path, sizeof(our_address.sun_path),
		 "%s/enemy", directory);
	snprintf(server_address.sun_path, sizeof(server_address.sun_path),
		 "%s/server", directory);
	our_listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	MUST(our_listener >= 0);
	MUST(!bind(our_listener, (struct sockaddr *)&our_address,
		   sizeof(our_address)) && !listen(our_listener, 4));
	MUST(!flowipc_listen(server_address.sun_path, NULL, &server));
	atexit(tidy);
	/* What the library opens once and keeps is there from here on. */
	MUST(!flowipc_region_create(1, NULL, &region));
	flowipc_region_destroy(region);
	if (*argc == 3 && !strcmp((*argv)[1], "--seeds")) {
		seeds_write((*argv)[2]);
		exit(0);
	}
	return 0;
}
