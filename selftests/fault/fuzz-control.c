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
#include "fuzz-control.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct reached reached;
struct flowipc_server *server;

static char directory[] = "/tmp/flowipc-fuzz-XXXXXX";
static struct sockaddr_un our_address, server_address;
static int our_listener;

uint64_t take(struct input *input, unsigned int bytes)
{
	uint64_t number = 0;
	unsigned int i;

	for (i = 0; i < bytes && input->left; i++, input->left--)
		number |= (uint64_t)*input->data++ << (8 * i);
	return number;
}

void take_bytes(struct input *input, void *to, size_t bytes)
{
	size_t some = bytes < input->left ? bytes : input->left;

	memset(to, 0, bytes);
	memcpy(to, input->data, some);
	input->data += some;
	input->left -= some;
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
	channel_begin(victim, 0, client);
	MUST(victim->channels[0]);
	enemy_hear(enemy);
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
		enemy_hear(enemy);
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

/* Setup */

static void tidy(void)
{
	fprintf(stderr, "reached: %lu inputs, %lu sessions, %lu channels, "
		"%lu messages, %lu further pieces, %lu metadata, %lu ends, "
		"%lu violations\n", reached.inputs, reached.sessions,
		reached.channels, reached.messages, reached.pieces,
		reached.metadata, reached.ends, reached.violations);
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
