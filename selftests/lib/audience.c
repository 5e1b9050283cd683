// SPDX-License-Identifier: MIT
#include "audience.h"

#include <signal.h>

uint64_t mixed(uint64_t number)
{
	return number % 3 ? number % 81 : 3000 + number % 5000;
}

static uint64_t look(const struct flowipc_message *message)
{
	uint64_t number = flowipc_message_type(message);

	gives(flowipc_message_correlation(message), number + 7);
	pattern_check(flowipc_message_data(message),
		      flowipc_message_size(message), number);
	return number;
}

struct subscription {
	struct flowipc_channel *channel;
	struct flowipc_message *held[HELD_MAX];
	uint64_t count;
	uint64_t last;
};

static int take(struct subscription *subscription, int timeout_ms, bool hold)
{
	struct flowipc_message *message;
	uint64_t number;
	int err = flowipc_message_receive(subscription->channel, &message,
					  timeout_ms);

	if (err)
		return err;
	number = look(message);
	check_msg(number > subscription->last,
		  "%" PRIu64 " comes behind %" PRIu64, number,
		  subscription->last);
	subscription->last = number;
	if (hold) {
		check(subscription->count < HELD_MAX);
		subscription->held[subscription->count++] = message;
	} else {
		flowipc_message_release(message);
	}
	return 0;
}

static uint64_t release(struct subscription *subscription)
{
	uint64_t count = subscription->count;

	while (subscription->count)
		flowipc_message_release(
			subscription->held[--subscription->count]);
	return count;
}

static uint64_t take_all(struct subscription *subscription)
{
	uint64_t count = 0;

	while (!take(subscription, 0, false))
		count++;
	return count;
}

static uint64_t listen_to_end(struct subscription *subscription)
{
	uint64_t count = 0;
	int err;

	while (!(err = take(subscription, test_ms(20000), false)))
		count++;
	gives(err, -EPIPE);
	return count;
}

/* Its outbox is the only memory that it shares and may write. */
static uint64_t scribble(void)
{
	enum { HEADER = 128, WORDS = 2048 };
	struct map maps[8];
	int count = test_shared_maps("rw", maps, 8);

	check(count > 0 && count <= 8);
	while (count--) {
		if (maps[count].end - maps[count].start > WORDS)
			memset((char *)maps[count].start + HEADER, 0xee,
			       WORDS - HEADER);
	}
	return 0;
}

static uint64_t obey(struct subscription *subscription, uint64_t order,
		     uint64_t count)
{
	uint64_t i;

	switch (order) {
	case TAKE:
	case HOLD:
		for (i = 0; i < count; i++)
			ok(take(subscription, test_ms(10000), order == HOLD));
		return subscription->last;
	case TAKE_ALL:
		return take_all(subscription);
	case CHECK:
		for (i = 0; i < subscription->count; i++)
			look(subscription->held[i]);
		return subscription->count;
	case LOSE:
		for (i = 0; i < subscription->count; i++)
			gives(test_read_raises(flowipc_message_data(
				subscription->held[i])), SIGBUS);
		return subscription->count;
	case RELEASE:
		return release(subscription);
	case END:
		gives(take(subscription, test_ms(10000), false), -EPIPE);
		return flowipc_channel_was_shut_down(subscription->channel);
	case CLOSE:
		flowipc_channel_close(subscription->channel);
		subscription->channel = NULL;
		return 0;
	case SCRIBBLE:
		return scribble();
	case HOARD:
		while (!take(subscription, test_ms(20000), true))
			continue;
		return subscription->count;
	case LISTEN:
		return listen_to_end(subscription);
	}
	test_fail(__FILE__, __LINE__, "no order %" PRIu64, order);
}

static void subscribe(int sync, void *arg)
{
	struct flowipc_session *session = test_session_connect();
	struct subscription subscription = { 0 };
	uint64_t order;

	(void)arg;
	ok(flowipc_channel_open(session, NULL, test_ms(10000),
				&subscription.channel));
	while ((order = sync_get(sync)) != LEAVE) {
		if (order == RELEASE_LATE) {
			sync_put(sync, subscription.count);
			test_sleep_ms(50);
			release(&subscription);
			continue;
		}
		if ((order & 0xff) == TAKE_LATE) {
			sync_put(sync, 0);
			test_sleep_ms(50);
			obey(&subscription, TAKE, order >> 8);
			continue;
		}
		sync_put(sync, obey(&subscription, order & 0xff, order >> 8));
	}
	release(&subscription);
	flowipc_channel_close(subscription.channel);
	flowipc_session_close(session);
}

void tell(struct seat *seat, enum order order, uint64_t count)
{
	sync_put(seat->peer.sync, (uint64_t)order | count << 8);
}

uint64_t ask(struct seat *seat, enum order order, uint64_t count)
{
	tell(seat, order, count);
	return sync_get(seat->peer.sync);
}

void seat_take(struct scene *scene, int place,
	       const struct flowipc_channel_opts *opts)
{
	struct seat *seat = &scene->seats[place];

	peer_start(&seat->peer, subscribe, NULL);
	ok(flowipc_accept(scene->server, test_ms(10000), &seat->session));
	ok(flowipc_channel_accept(seat->session, opts, test_ms(10000),
				  &seat->channel));
	ok(flowipc_topic_subscribe(scene->topic, seat->channel));
}

void seat_clear(struct scene *scene, int place)
{
	struct seat *seat = &scene->seats[place];

	flowipc_channel_close(seat->channel);
	flowipc_session_close(seat->session);
	memset(seat, 0, sizeof(*seat));
}

void seat_leave(struct scene *scene, int place)
{
	struct peer peer = scene->seats[place].peer;

	tell(&scene->seats[place], LEAVE, 0);
	seat_clear(scene, place);
	peer_join(&peer);
}

void scene_start(struct scene *scene, uint32_t history, uint64_t max_bytes)
{
	memset(scene, 0, sizeof(*scene));
	ok(flowipc_listen("t", NULL, &scene->server));
	ok(flowipc_topic_create(FLOWIPC_OPTS(topic, .history = history,
					     .max_bytes = max_bytes),
				&scene->topic));
}

void scene_stop(struct scene *scene)
{
	int place;

	for (place = 0; place < SEATS; place++) {
		if (scene->seats[place].session)
			seat_leave(scene, place);
	}
	flowipc_topic_destroy(scene->topic);
	flowipc_server_close(scene->server);
}

struct flowipc_topic_stats stats(struct scene *scene)
{
	struct flowipc_topic_stats stats = { .sz = sizeof(stats) };

	ok(flowipc_topic_stats(scene->topic, &stats));
	return stats;
}

int write_one(struct scene *scene, uint64_t number, uint64_t size,
	      int timeout_ms, struct flowipc_publication **publication)
{
	int err = flowipc_publication_new(scene->topic, size, timeout_ms,
					  publication);

	if (err)
		return err;
	pattern_fill(flowipc_publication_buffer(*publication), size, number);
	flowipc_publication_set_type(*publication, number);
	flowipc_publication_set_correlation(*publication, number + 7);
	return 0;
}

int publish(struct scene *scene, uint64_t number, uint64_t size,
	    int timeout_ms)
{
	struct flowipc_publication *publication;
	int err;

	err = write_one(scene, number, size, timeout_ms, &publication);
	if (err)
		return err;
	err = flowipc_publication_send(publication, timeout_ms);
	if (err)
		flowipc_publication_release(publication);
	return err;
}

void ended(struct scene *scene, int place, int wanted)
{
	struct flowipc_channel *channel;
	int reason;

	ok(flowipc_topic_next_end(scene->topic, &channel, &reason));
	gives(reason, wanted);
	check(channel == scene->seats[place].channel);
}

void none_ended(struct scene *scene)
{
	struct flowipc_channel *channel;
	int reason;

	gives(flowipc_topic_next_end(scene->topic, &channel, &reason), -EAGAIN);
}
