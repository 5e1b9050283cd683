// SPDX-License-Identifier: MIT
#include "storm.h"

#include <poll.h>

enum { SEATS = 16, BURST = 64, MOST_BYTES = 4 << 20 };

struct seat {
	struct flowipc_session *session;
	struct flowipc_channel *channel;
	enum flowipc_when_full when_full;
};

/* What a publisher has until it begins anew. */
struct scene {
	struct flowipc_server *server;
	struct flowipc_topic *topic;
	struct seat seats[SEATS];
	struct flow flow;
};

static void seat_clear(struct seat *seat)
{
	flowipc_channel_close(seat->channel);
	flowipc_session_close(seat->session);
	memset(seat, 0, sizeof(*seat));
}

/* As soon as the subscriber has opened its channel, and said what it is. */
static int seat_take(struct scene *scene, struct seat *seat, uint64_t *random)
{
	struct flowipc_channel_opts opts = *some_options(random,
			test_random(random));
	struct flowipc_offer *offer;
	struct hello hello;
	const void *said;
	size_t size;
	int err;

	err = flowipc_session_next_offer(seat->session, 0, &offer);
	if (err)
		return (int)gives_one_of(err, -EAGAIN, -EPIPE);
	said = flowipc_offer_metadata(offer, &size);
	gives(size, sizeof(hello));
	memcpy(&hello, said, sizeof(hello));
	gives(hello.direction, FROM_PUBLISHER);
	seat->when_full = (enum flowipc_when_full)hello.when_full;
	opts.when_full = seat->when_full;
	ok(flowipc_offer_accept(offer, &opts, &seat->channel));
	err = flowipc_topic_subscribe(scene->topic, seat->channel);
	return (int)gives_one_of(err, 0, -EPIPE) ? -EPIPE : 0;
}

static void scene_admit(struct scene *scene, uint64_t *random)
{
	struct seat *seat;

	for (seat = scene->seats; seat < scene->seats + SEATS; seat++) {
		if (!seat->session &&
		    gives_one_of(flowipc_accept(scene->server, 0,
						&seat->session), 0, -EAGAIN))
			break;
		if (!seat->channel && seat_take(scene, seat, random) == -EPIPE)
			seat_clear(seat);
	}
}

/* Gone, or too slow if it is one of those who can be. */
static void scene_dismiss(struct scene *scene)
{
	struct flowipc_channel *channel;
	struct seat *seat;
	int reason;

	while (!flowipc_topic_next_end(scene->topic, &channel, &reason)) {
		for (seat = scene->seats; seat->channel != channel;)
			check(++seat < scene->seats + SEATS);
		gives_one_of(reason, -EPIPE, -ECONNABORTED);
		check_msg(reason == -EPIPE ||
			  seat->when_full != FLOWIPC_FULL_WAIT,
			  "one that is waited for was too slow");
		seat_clear(seat);
	}
}

static void publish(struct scene *scene)
{
	struct flow *flow = &scene->flow;
	struct flowipc_publication *publication;

	ok(publication_make(flow, scene->topic, &publication));
	ok(flowipc_publication_send(publication, test_ms(20000)));
	atomic_store(&flow->account->sent, ++flow->position);
	progressed();
}

/* Subscribers get the processor, and new ones are heard of at once. */
static void scene_pause(const struct scene *scene, int sync)
{
	struct pollfd fds[] = {
		{ .fd = flowipc_server_fd(scene->server), .events = POLLIN },
		{ .fd = sync, .events = POLLIN },
	};

	sys(poll(fds, 2, 1));
}

/* What was published is received, whatever becomes of the topic. */
static void scene_end(struct scene *scene)
{
	struct seat *seat;

	atomic_store(&scene->flow.account->closing, true);
	for (seat = scene->seats; seat < scene->seats + SEATS; seat++)
		if (seat->channel)
			gives_one_of(flowipc_channel_shutdown(seat->channel), 0,
				     -ECONNABORTED);
	flowipc_topic_destroy(scene->topic);
	for (seat = scene->seats; seat < scene->seats + SEATS; seat++)
		seat_clear(seat);
	flowipc_server_close(scene->server);
}

void publisher(int sync, void *arg)
{
	int fds = test_count_fds(), maps = test_count_shared_maps();
	uint64_t random = storm->seed + (uint64_t)getpid(), most, i;

	role = *(enum role *)arg;
	while (!atomic_load(&storm->over[SERVERS_END])) {
		struct scene scene = { .flow.published = true };

		ok(flowipc_listen("p", NULL, &scene.server));
		ok(flowipc_topic_create(FLOWIPC_OPTS(topic,
				.history = HISTORY, .max_bytes = MOST_BYTES),
				&scene.topic));
		flow_begin(&scene.flow, stream_new());
		/* Most are killed before that; the others begin anew. */
		most = 1 + test_random_below(&random, 20000);
		while (scene.flow.position < most &&
		       !atomic_load(&storm->over[SERVERS_END])) {
			test_arm_alarm();
			scene_admit(&scene, &random);
			for (i = 0; i < BURST; i++)
				publish(&scene);
			scene_dismiss(&scene);
			scene_pause(&scene, sync);
		}
		scene_end(&scene);
		gives(test_count_fds(), fds);
		gives(test_count_shared_maps(), maps);
	}
}
