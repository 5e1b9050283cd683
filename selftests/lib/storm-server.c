// SPDX-License-Identifier: MIT
#include "storm.h"

#include <poll.h>

enum { CONNECTIONS = 16, BURST = 64 };

struct connection {
	struct flowipc_session *session;
	struct flow flow;
	enum direction direction;
	bool parting; /* the stream is over, the client not gone yet */
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
	struct flowipc_offer *offer;
	struct hello hello;
	const void *said;
	size_t size;
	int err;

	err = flowipc_session_next_offer(connection->session, 0, &offer);
	if (err)
		return (int)gives_one_of(err, -EAGAIN, -EPIPE);
	said = flowipc_offer_metadata(offer, &size);
	gives(size, sizeof(hello));
	memcpy(&hello, said, sizeof(hello));
	ok(flowipc_offer_accept(offer, some_options(random, hello.stream),
				&flow->channel));
	flow_begin(flow, hello.stream);
	flow->region = region;
	connection->direction = (enum direction)hello.direction;
	return 0;
}

/* Until the client has no more, or is gone. */
static int connection_receive(struct connection *connection)
{
	struct flow *flow = &connection->flow;
	int err = 0, i;

	for (i = 0; !err && i < BURST; i++)
		err = flow_receive(flow, 0);
	if (err != -EPIPE)
		return err;
	receiver_compare(flow);
	if (flowipc_channel_was_shut_down(flow->channel)) {
		gives_one_of(flowipc_send(flow->channel, &flow->position,
					  sizeof(flow->position), 0), 0,
			     -EPIPE);
		ok(flowipc_channel_shutdown(flow->channel));
	}
	return err;
}

/* Until the client wants no more, or is gone. */
static int connection_send(struct connection *connection)
{
	struct flow *flow = &connection->flow;
	int err, i;
	char none;

	err = (int)flowipc_receive(flow->channel, &none, sizeof(none), 0);
	if (gives_one_of(err, -EAGAIN, -EPIPE) == -EAGAIN)
		err = 0;
	for (i = 0; !err && i < BURST; i++)
		err = flow_send(flow, 0);
	if (err != -EPIPE)
		return err;
	sender_compare(flow);
	ok(flowipc_channel_shutdown(flow->channel));
	return err;
}

/* A while of work for one client. */
static void connection_serve(struct connection *connection,
			     struct flowipc_region *region, uint64_t *random)
{
	struct flow *flow = &connection->flow;
	int err = 0;

	if (connection->parting) {
		if (has_ended(connection->session,
			      atomic_load(&flow->account->closing)))
			connection_end(connection);
		return;
	}
	if (!flow->account)
		err = connection_begin(connection, region, random);
	if (!err)
		err = connection->direction == TO_SERVER ?
			connection_receive(connection) :
			connection_send(connection);
	if (err != -EPIPE)
		return;
	if (!flow->account) {
		connection_end(connection);
		return;
	}
	compared(connection->direction);
	connection->parting = true;
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
static nfds_t connection_poll(const struct connection *connection,
			      struct pollfd *fds)
{
	struct flowipc_channel *channel = connection->flow.channel;
	bool served = channel && !connection->parting;
	nfds_t count = 0;

	fds[count++] = (struct pollfd){
		.fd = served ? flowipc_channel_fd(channel) :
			       flowipc_session_fd(connection->session),
		.events = POLLIN,
	};
	if (served && connection->direction == FROM_SERVER) {
		fds[count] = (struct pollfd){
			.fd = flowipc_channel_space_fd(channel),
			.events = POLLIN,
		};
		check(fds[count++].fd >= 0);
	}
	return count;
}

/* Nothing to do: until a client comes, says something or makes room. */
static void server_sleep(const struct flowipc_server *server,
			 const struct connection *connections, int sync)
{
	struct pollfd fds[2 + 2 * CONNECTIONS] = {
		{ .fd = flowipc_server_fd(server), .events = POLLIN },
		{ .fd = sync, .events = POLLIN },
	};
	nfds_t count = 2;
	int i;

	for (i = 0; i < CONNECTIONS; i++)
		if (connections[i].session)
			count += connection_poll(&connections[i], fds + count);
	sys(poll(fds, count, -1));
}

void server(int sync, void *arg)
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
	while (!atomic_load(&storm->over[SERVERS_END])) {
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
