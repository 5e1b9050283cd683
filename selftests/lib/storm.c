// SPDX-License-Identifier: MIT
/*
 * kill -9 at random instants, again and again, of a server, of clients that send
 * to it and of clients that receive from it, while the others go on.
 *
 * Each session carries one stream, of which both sides keep account in memory
 * that outlives them. Whoever outlives the other compares: all that a sender was
 * told is sent has arrived, in order, once and as it was; and nobody has kept a
 * descriptor or a mapping. Then they meet again: whoever was killed is started
 * anew, and a new server takes over the name.
 *
 * FLOWIPC_TEST_KILLS: how many, instead of few enough for some seconds.
 */
#include "harness.h"

#include <poll.h>
#include <stdatomic.h>
#include <sys/mman.h>

enum direction { TO_SERVER, FROM_SERVER };

enum { CLIENTS_END, SERVER_ENDS };

enum role { SERVER, SENDER, OTHER_SENDER, RECEIVER, OTHER_RECEIVER, ROLES };

static const char *const role_names[] = {
	"server", "sender", "other sender", "receiver", "other receiver",
};

enum {
	STREAMS = 4096, /* far more than can be of interest at a time */
	CONNECTIONS = 16,
	KEPT = 8,
	REGION_BYTES = 100000,
	REGION_SEED = 77,
	BURST = 64,
};

struct stream {
	_Atomic uint64_t sent; /* by word of the library */
	_Atomic uint64_t received; /* and checked */
	_Atomic bool closing; /* the client leaves by itself */
};

/* Seen by all processes. */
static struct storm {
	uint64_t seed;
	_Atomic bool over[2]; /* for clients, and then for the server */
	_Atomic uint64_t next_stream;
	_Atomic uint64_t progress[ROLES];
	_Atomic uint64_t compared[2]; /* streams, by their direction */
	struct stream streams[STREAMS];
} *storm;

static enum role role;

static void progressed(void)
{
	atomic_fetch_add_explicit(&storm->progress[role], 1,
				  memory_order_relaxed);
}

/* What a client says first. */
struct hello {
	uint64_t stream;
	uint64_t direction;
};

/* Where one side is in a stream. */
struct flow {
	struct flowipc_channel *channel;
	struct stream *account;
	uint64_t stream;
	uint64_t position;
	struct flowipc_region *region; /* to send from */
	struct flowipc_message *kept[KEPT];
};

/* What message a stream has at a position: both sides know. */
struct plan {
	uint64_t seed;
	uint64_t size;
	bool from_region;
	unsigned int fds;
};

static struct plan plan_of(const struct flow *flow)
{
	uint64_t state = storm->seed + flow->stream * 1000003 + flow->position;
	struct plan plan = { .seed = test_random(&state) };

	switch (test_random_below(&state, 64)) {
	case 0:
		plan.size = 300000; /* a region of its own */
		break;
	case 1:
		plan.from_region = true;
		plan.seed = REGION_SEED;
		plan.size = REGION_BYTES;
		break;
	case 2:
		plan.fds = 1 + (unsigned int)test_random_below(&state, 3);
		break;
	case 3:
	case 4:
	case 5:
		plan.size = test_random_below(&state, 20000);
		break;
	default:
		plan.size = test_random_below(&state, 200);
	}
	return plan;
}

static int message_make(struct flow *flow, const struct plan *plan, int timeout,
			struct flowipc_message **message)
{
	int err;

	if (plan->from_region)
		return flowipc_message_from_region(flow->channel, flow->region,
						   0, plan->size, timeout,
						   message);
	err = flowipc_message_new(flow->channel, plan->size, timeout, message);
	if (!err)
		pattern_fill(flowipc_message_buffer(*message), plan->size,
			     plan->seed);
	return err;
}

/* 0; -EAGAIN, -ETIMEDOUT; -EPIPE the other side is gone. */
static int flow_send(struct flow *flow, int timeout)
{
	struct plan plan = plan_of(flow);
	struct flowipc_message *message;
	unsigned int i;
	int err;

	err = message_make(flow, &plan, timeout, &message);
	if (!err) {
		for (i = 0; i < plan.fds; i++)
			ok(flowipc_message_attach_fd(message, STDERR_FILENO));
		flowipc_message_set_type(message, flow->position);
		err = flowipc_message_send(message, timeout);
		if (err)
			flowipc_message_release(message);
	}
	if (err)
		return (int)gives_one_of(err, -EPIPE, -EAGAIN, -ETIMEDOUT);
	atomic_store(&flow->account->sent, ++flow->position);
	progressed();
	return 0;
}

static int flow_receive(struct flow *flow, int timeout)
{
	struct plan plan = plan_of(flow);
	struct flowipc_message *message, **kept;
	int err;

	err = flowipc_message_receive(flow->channel, &message, timeout);
	if (err)
		return (int)gives_one_of(err, -EPIPE, -EAGAIN, -ETIMEDOUT);
	gives(flowipc_message_type(message), flow->position);
	gives(flowipc_message_size(message), plan.size);
	pattern_check(flowipc_message_data(message), plan.size, plan.seed);
	gives(flowipc_message_fd_count(message), plan.fds);
	/* the others are closed with the message */
	if (plan.fds)
		sys(close(flowipc_message_take_fd(message, 0)));
	/* some are held for a while, and given back out of order */
	kept = &flow->kept[plan.seed % KEPT];
	flowipc_message_release(*kept);
	*kept = message;
	atomic_store(&flow->account->received, ++flow->position);
	progressed();
	return 0;
}

static void flow_end(struct flow *flow)
{
	int i;

	for (i = 0; i < KEPT; i++)
		flowipc_message_release(flow->kept[i]);
	flowipc_channel_close(flow->channel);
}

/*
 * The sender is gone, and may have had no time to count the last one. One that
 * closed and lives on has counted all.
 */
static void receiver_compare(const struct flow *flow)
{
	uint64_t sent = atomic_load(&flow->account->sent);

	check_msg(flow->position == sent || flow->position == sent + 1,
		  "of stream %" PRIu64 " %" PRIu64 " messages were sent, %" PRIu64
		  " received", flow->stream, sent, flow->position);
}

/* The receiver is gone, with what it had not received. */
static void sender_compare(const struct flow *flow)
{
	uint64_t received = atomic_load(&flow->account->received);

	check_msg(received <= flow->position, "of stream %" PRIu64 " %" PRIu64
		  " messages were sent, %" PRIu64 " received", flow->stream,
		  flow->position, received);
}

static void compared(enum direction direction)
{
	atomic_fetch_add(&storm->compared[direction], 1);
}

/* As soon as the session has ended, which may be a little later: for what? */
static void check_end(struct flowipc_session *session, bool may_be_closed)
{
	struct pollfd ended = {
		.fd = flowipc_session_fd(session), .events = POLLIN,
	};
	struct flowipc_session_end end = { .sz = sizeof(end) };
	int err;

	while ((err = flowipc_session_end(session, &end)) == -EAGAIN)
		check_msg(sys(poll(&ended, 1, test_ms(10000))) > 0,
			  "the session does not end");
	ok(err);
	check_msg(end.reason == FLOWIPC_END_PEER_DIED ||
		  (may_be_closed && end.reason == FLOWIPC_END_PEER_CLOSED),
		  "the session ended with %d: %s", end.reason, end.text);
}

/* Clients */

static const struct flowipc_channel_opts *some_options(uint64_t *random)
{
	static struct flowipc_channel_opts opts;

	opts = (struct flowipc_channel_opts){
		.sz = sizeof(opts),
		.slots = 2u << test_random_below(random, 8),
		.wait_mode = test_random_below(random, 2) ?
			FLOWIPC_WAIT_SLEEP : FLOWIPC_WAIT_ADAPTIVE,
		.payload_bytes = 1u << 17,
	};
	return &opts;
}

/* False: the server died under it; better luck next time. */
static bool client_start(struct flow *flow, enum direction direction,
			 struct flowipc_session **session, uint64_t *random)
{
	struct hello hello = { .direction = direction };
	int err;

	err = flowipc_connect("t", NULL, test_ms(20000), session);
	if (gives_one_of(err, 0, -ECONNREFUSED))
		return false;
	err = flowipc_channel_open(*session, some_options(random),
				   test_ms(20000), &flow->channel);
	if (gives_one_of(err, 0, -EPIPE)) {
		flowipc_session_close(*session);
		return false;
	}
	hello.stream = atomic_fetch_add(&storm->next_stream, 1);
	flow->stream = hello.stream;
	flow->account = &storm->streams[hello.stream % STREAMS];
	atomic_store(&flow->account->sent, 0);
	atomic_store(&flow->account->received, 0);
	atomic_store(&flow->account->closing, false);
	gives_one_of(flowipc_send(flow->channel, &hello, sizeof(hello), 0), 0,
		     -EPIPE);
	return true;
}

static void client_run(struct flow *flow, enum direction direction,
		       struct flowipc_session *session, uint64_t *random)
{
	/* Most are killed before that; the others just leave. */
	uint64_t most = 1 + test_random_below(random, 5000);
	int err = 0;

	while (!err && flow->position < most &&
	       !atomic_load(&storm->over[CLIENTS_END]))
		err = direction == TO_SERVER ?
			flow_send(flow, test_ms(20000)) :
			flow_receive(flow, test_ms(20000));
	check_msg(!err || err == -EPIPE, "the server does not answer");
	if (err && direction == TO_SERVER)
		sender_compare(flow);
	else if (err)
		receiver_compare(flow);
	if (err) {
		compared(direction);
		check_end(session, false);
	}
	atomic_store(&flow->account->closing, true);
}

static void client(int sync, void *arg)
{
	enum direction direction;
	uint64_t random;
	int fds, maps;

	(void)sync;
	role = *(enum role *)arg;
	direction = role == SENDER || role == OTHER_SENDER ? TO_SERVER :
							     FROM_SERVER;
	random = storm->seed + (uint64_t)getpid();
	fds = test_count_fds();
	maps = test_count_shared_maps();
	while (!atomic_load(&storm->over[CLIENTS_END])) {
		struct flow flow = { .position = 0 };
		struct flowipc_session *session;

		test_arm_alarm();
		ok(flowipc_region_create(REGION_BYTES, NULL, &flow.region));
		pattern_fill(flowipc_region_data(flow.region), REGION_BYTES,
			     REGION_SEED);
		if (client_start(&flow, direction, &session, &random)) {
			client_run(&flow, direction, session, &random);
			flow_end(&flow);
			flowipc_session_close(session);
		}
		gives(flowipc_region_lent(flow.region), 0);
		flowipc_region_destroy(flow.region);
		gives(test_count_fds(), fds);
		gives(test_count_shared_maps(), maps);
	}
}

/* The server: all clients in one loop */

struct connection {
	struct flowipc_session *session;
	struct flow flow;
	enum direction direction;
};

static void connection_end(struct connection *connection)
{
	if (connection->flow.channel)
		flow_end(&connection->flow);
	flowipc_session_close(connection->session);
	memset(connection, 0, sizeof(*connection));
}

/* As soon as the client has opened its channel, and said what it is for. */
static int connection_begin(struct connection *connection,
			    struct flowipc_region *region, uint64_t *random)
{
	struct flow *flow = &connection->flow;
	struct hello hello;
	ssize_t got;

	if (!flow->channel) {
		got = flowipc_channel_accept(connection->session,
					     some_options(random), 0,
					     &flow->channel);
		if (got)
			return (int)gives_one_of(got, -EAGAIN, -EPIPE);
	}
	got = flowipc_receive(flow->channel, &hello, sizeof(hello), 0);
	if (got < 0)
		return (int)gives_one_of(got, -EAGAIN, -EPIPE);
	gives(got, sizeof(hello));
	flow->stream = hello.stream;
	flow->account = &storm->streams[hello.stream % STREAMS];
	flow->region = region;
	connection->direction = (enum direction)hello.direction;
	return 0;
}

/* A while of work for one client. */
static void connection_serve(struct connection *connection,
			     struct flowipc_region *region, uint64_t *random)
{
	struct flow *flow = &connection->flow;
	int err = 0, i;

	if (!flow->account)
		err = connection_begin(connection, region, random);
	for (i = 0; !err && i < BURST; i++)
		err = connection->direction == TO_SERVER ?
			flow_receive(flow, 0) : flow_send(flow, 0);
	if (err != -EPIPE)
		return;
	if (flow->account && connection->direction == TO_SERVER)
		receiver_compare(flow);
	else if (flow->account)
		sender_compare(flow);
	if (flow->account) {
		compared(connection->direction);
		check_end(connection->session,
			  atomic_load(&flow->account->closing));
	}
	connection_end(connection);
}

static void server_admit(struct flowipc_server *server,
			 struct connection *connections)
{
	int i;

	for (i = 0; i < CONNECTIONS; i++)
		if (!connections[i].session &&
		    gives_one_of(flowipc_accept(server, 0,
						&connections[i].session), 0,
				 -EAGAIN))
			break;
}

/* What tells that there is something to do for a client. */
static int connection_fd(const struct connection *connection)
{
	const struct flow *flow = &connection->flow;
	int fd;

	if (!flow->channel)
		return flowipc_session_fd(connection->session);
	if (!flow->account || connection->direction == TO_SERVER)
		return flowipc_channel_fd(flow->channel);
	fd = flowipc_channel_space_fd(flow->channel);
	check(fd >= 0);
	return fd;
}

/* Nothing to do: until a client comes, says something or makes room. */
static void server_sleep(const struct flowipc_server *server,
			 const struct connection *connections, int sync)
{
	struct pollfd fds[2 + CONNECTIONS] = {
		{ .fd = flowipc_server_fd(server), .events = POLLIN },
		{ .fd = sync, .events = POLLIN },
	};
	nfds_t count = 2;
	int i;

	for (i = 0; i < CONNECTIONS; i++)
		if (connections[i].session)
			fds[count++] = (struct pollfd){
				.fd = connection_fd(&connections[i]),
				.events = POLLIN,
			};
	sys(poll(fds, count, -1));
}

static void server(int sync, void *arg)
{
	static struct connection connections[CONNECTIONS];
	uint64_t random = storm->seed + (uint64_t)getpid(), before;
	struct flowipc_region *region;
	struct flowipc_server *server;
	int fds, maps, i;

	role = *(enum role *)arg;
	fds = test_count_fds();
	maps = test_count_shared_maps();
	ok(flowipc_listen("t", NULL, &server));
	ok(flowipc_region_create(REGION_BYTES, NULL, &region));
	pattern_fill(flowipc_region_data(region), REGION_BYTES, REGION_SEED);
	while (!atomic_load(&storm->over[SERVER_ENDS])) {
		test_arm_alarm();
		before = atomic_load(&storm->progress[role]);
		server_admit(server, connections);
		for (i = 0; i < CONNECTIONS; i++)
			if (connections[i].session)
				connection_serve(&connections[i], region,
						 &random);
		if (atomic_load(&storm->progress[role]) == before)
			server_sleep(server, connections, sync);
	}
	for (i = 0; i < CONNECTIONS; i++)
		connection_end(&connections[i]);
	gives(flowipc_region_lent(region), 0);
	flowipc_region_destroy(region);
	flowipc_server_close(server);
	gives(test_count_fds(), fds);
	gives(test_count_shared_maps(), maps);
}

/* The one who kills */

struct victim {
	struct peer peer;
	enum role role;
	uint64_t progress;
	uint64_t progress_ns; /* when there was some */
	uint64_t kills;
};

static void victim_start(struct victim *victim)
{
	victim->progress = atomic_load(&storm->progress[victim->role]);
	victim->progress_ns = test_now_ns();
	peer_start(&victim->peer, victim->role == SERVER ? server : client,
		   &victim->role);
}

/* Nobody has failed, and nobody stands still. */
static void victims_check(struct victim *victims)
{
	uint64_t progress, now = test_now_ns();
	int i;

	for (i = 0; i < ROLES; i++) {
		struct victim *victim = &victims[i];

		check_msg(!sync_poll(victim->peer.sync, 0), "the %s %s",
			  role_names[i], peer_fate(&victim->peer));
		progress = atomic_load(&storm->progress[i]);
		if (progress != victim->progress) {
			victim->progress = progress;
			victim->progress_ns = now;
		}
		check_msg(now - victim->progress_ns <
			  (uint64_t)test_ms(15000) * 1000000u,
			  "the %s stands still", role_names[i]);
	}
}

/* Mostly in the middle of it, at times on the way there. */
static void victim_await(struct victim *victims, struct victim *victim,
			 uint64_t *random)
{
	bool in_traffic = test_random_below(random, 8);

	do {
		victims_check(victims);
		usleep((useconds_t)test_random_below(random,
				test_random_below(random, 4) ? 1000 : 8000));
	} while (in_traffic && victim->progress ==
		 atomic_load(&storm->progress[victim->role]));
}

static void kill_many(struct victim *victims, int kills, uint64_t *random)
{
	struct victim *victim;
	int i;

	for (i = 0; i < kills; i++) {
		test_arm_alarm();
		victim = &victims[test_random_below(random, ROLES)];
		victim->progress = atomic_load(&storm->progress[victim->role]);
		victim_await(victims, victim, random);
		peer_kill(&victim->peer);
		victim->kills++;
		victim_start(victim);
	}
}

static int kills_wanted(void)
{
	const char *value = getenv("FLOWIPC_TEST_KILLS");

	return value ? atoi(value) : test_loops(300);
}

/* Of the whole machine, on which others may be at work, too. */
static void shmem_returns_to(uint64_t bytes)
{
	uint64_t limit = test_now_ns() + (uint64_t)test_ms(5000) * 1000000u;

	while (test_shmem_bytes() > bytes + (64u << 20)) {
		check_msg(test_now_ns() < limit, "%" PRIu64
			  " bytes of shared memory, %" PRIu64 " before",
			  test_shmem_bytes(), bytes);
		test_sleep_ms(10);
	}
}

static void whoever_is_killed(void **state)
{
	uint64_t shmem = test_shmem_bytes(), device = test_device_bytes();
	struct victim victims[ROLES];
	uint64_t random;
	int kills = kills_wanted(), i;

	(void)state;
	storm = mmap(NULL, sizeof(*storm), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	check(storm != MAP_FAILED);
	storm->seed = random = test_seed();
	memset(victims, 0, sizeof(victims));
	for (i = 0; i < ROLES; i++) {
		victims[i].role = (enum role)i;
		victim_start(&victims[i]);
	}
	kill_many(victims, kills, &random);
	atomic_store(&storm->over[CLIENTS_END], true);
	for (i = SENDER; i < ROLES; i++)
		peer_join(&victims[i].peer);
	atomic_store(&storm->over[SERVER_ENDS], true);
	sync_put(victims[SERVER].peer.sync, 0);
	peer_join(&victims[SERVER].peer);
	print_message("%d killed:", kills);
	for (i = 0; i < ROLES; i++)
		print_message(" %" PRIu64 " as %s,", victims[i].kills,
			      role_names[i]);
	print_message("\n%" PRIu64 " streams; of those whose other side died %"
		      PRIu64 " to and %" PRIu64 " from the server compared\n",
		      atomic_load(&storm->next_stream),
		      atomic_load(&storm->compared[TO_SERVER]),
		      atomic_load(&storm->compared[FROM_SERVER]));
	check(kills < 50 || (atomic_load(&storm->compared[TO_SERVER]) &&
			     atomic_load(&storm->compared[FROM_SERVER])));
	munmap(storm, sizeof(*storm));
	test_device_bytes_return_to(device);
	shmem_returns_to(shmem);
}

static const struct CMUnitTest tests[] = {
	TEST(whoever_is_killed),
};

TEST_MAIN(tests, NULL)
