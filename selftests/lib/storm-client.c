// SPDX-License-Identifier: MIT
#include "storm.h"

bool client_start(const char *name, const struct hello *hello,
		  struct flow *flow, struct flowipc_session **session,
		  uint64_t *random)
{
	struct flowipc_channel_opts opts = *some_options(random, hello->stream);
	int err;

	opts.metadata = hello;
	opts.metadata_size = sizeof(*hello);
	err = flowipc_connect(name, NULL, test_ms(20000), session);
	if (gives_one_of(err, 0, -ECONNREFUSED))
		return false;
	err = flowipc_channel_open(*session, &opts, test_ms(20000),
				   &flow->channel);
	if (gives_one_of(err, 0, -EPIPE)) {
		flowipc_session_close(*session);
		return false;
	}
	return true;
}

/* No more from here: the server says how much it got. */
static int sender_leave(struct flow *flow)
{
	uint64_t received;
	ssize_t got;

	ok(flowipc_channel_shutdown(flow->channel));
	got = flowipc_receive(flow->channel, &received, sizeof(received),
			      test_ms(20000));
	if (gives_one_of(got, sizeof(received), -EPIPE) < 0)
		return -EPIPE;
	gives(received, flow->position);
	gives(flowipc_receive(flow->channel, &received, sizeof(received),
			      test_ms(20000)), -EPIPE);
	return flowipc_channel_was_shut_down(flow->channel) ? 0 : -EPIPE;
}

/* No more to here: what the server has sent by then is received. */
static int receiver_leave(struct flow *flow)
{
	int err;

	ok(flowipc_channel_shutdown(flow->channel));
	do
		err = flow_receive(flow, test_ms(20000));
	while (!err);
	gives(err, -EPIPE);
	receiver_compare(flow);
	return flowipc_channel_was_shut_down(flow->channel) ? 0 : -EPIPE;
}

static void client_run(struct flow *flow, enum direction direction,
		       struct flowipc_session *session, uint64_t *random)
{
	/* Most are killed before that; the others leave, or just are gone. */
	uint64_t most = 1 + test_random_below(random,
			test_random_below(random, 2) ? 5000 : 50);
	int err = 0;

	while (!err && flow->position < most &&
	       !atomic_load(&storm->over[CLIENTS_END]))
		err = direction == TO_SERVER ?
			flow_send(flow, test_ms(20000)) :
			flow_receive(flow, test_ms(20000));
	check_msg(!err || err == -EPIPE, "the server does not answer");
	/* before the server can see any of it */
	atomic_store(&flow->account->closing, true);
	if (err && direction == FROM_SERVER)
		receiver_compare(flow);
	else if (!err && test_random_below(random, 2))
		err = direction == TO_SERVER ? sender_leave(flow) :
					       receiver_leave(flow);
	if (err && direction == TO_SERVER)
		sender_compare(flow);
	if (err) {
		compared(direction);
		await_end(session, false);
	}
}

void client(int sync, void *arg)
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
		struct hello hello = {
			.stream = stream_new(), .direction = direction,
		};
		struct flow flow = { .position = 0 };
		struct flowipc_session *session;

		test_arm_alarm();
		ok(flowipc_region_create(REGION_BYTES, NULL, &flow.region));
		pattern_fill(flowipc_region_data(flow.region), REGION_BYTES,
			     REGION_SEED);
		flow_begin(&flow, hello.stream);
		if (client_start("t", &hello, &flow, &session, &random)) {
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
