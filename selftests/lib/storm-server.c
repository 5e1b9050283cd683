// SPDX-License-Identifier: MIT
#include "storm.h"

#include <poll.h>

enum { CONNECTIONS = 16, BURST = 64 };

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
