// SPDX-License-Identifier: MIT
/*
 * A receiver checks a message in place and then relies on it: the sender cannot
 * change it meanwhile. Where there are no seals, the receiver has it copied.
 */
#include <errno.h>
#include <flowipc/flowipc.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

struct order {
	uint64_t count; /* of the items that follow */
	uint64_t items[];
};

static int failed(const char *what)
{
	fprintf(stderr, "sealed-send: cannot %s: %s\n", what,
		flowipc_last_error());
	return 1;
}

static int order(void)
{
	uint64_t count = 1000, size = sizeof(struct order) + 8 * count, i;
	struct flowipc_session *session;
	struct flowipc_channel *channel;
	struct flowipc_message *message;
	struct order *order;
	char reply[16];
	int err;

	if (flowipc_connect("orders", NULL, 10000, &session) ||
	    flowipc_channel_open(session, NULL, 1000, &channel))
		return failed("connect");
	err = flowipc_message_new_sealed(channel, size, 1000, &message);
	if (err == -EOPNOTSUPP)
		err = flowipc_message_new(channel, size, 1000, &message);
	if (err)
		return failed("make a message");
	order = flowipc_message_buffer(message);
	order->count = count;
	for (i = 0; i < count; i++)
		order->items[i] = i;
	/* After this a write to the order would raise SIGBUS, if it is sealed. */
	if (flowipc_message_send(message, 1000) ||
	    flowipc_receive(channel, reply, sizeof(reply), 10000) < 0)
		return failed("order");
	flowipc_channel_close(channel);
	flowipc_session_close(session);
	return 0;
}

/* What is checked here must still be so when it is used. */
static int fulfil(const struct order *order, uint64_t size)
{
	uint64_t sum = 0, i;

	if (size < sizeof(*order) ||
	    (size - sizeof(*order)) / 8 != order->count)
		return 1;
	for (i = 0; i < order->count; i++)
		sum += order->items[i];
	printf("an order of %llu items, together %llu\n",
	       (unsigned long long)order->count, (unsigned long long)sum);
	return 0;
}

int main(void)
{
	struct flowipc_server *server;
	struct flowipc_session *session;
	struct flowipc_channel *channel;
	struct flowipc_message *message;
	int status, outcome;

	if (!fork())
		return order();
	if (flowipc_listen("orders", NULL, &server) ||
	    flowipc_accept(server, 30000, &session) ||
	    flowipc_channel_accept(session, NULL, 1000, &channel) ||
	    flowipc_message_receive(channel, &message, 10000))
		return failed("receive");
	printf("sealed: %d\n", flowipc_message_is_private(message));
	/* Copies nothing if it is sealed. */
	if (flowipc_message_make_private(message))
		return failed("copy");
	outcome = fulfil(flowipc_message_data(message),
			 flowipc_message_size(message));
	flowipc_message_release(message);
	flowipc_send(channel, "done", 4, 1000);
	flowipc_channel_close(channel);
	flowipc_session_close(session);
	flowipc_server_close(server);
	return wait(&status) < 0 || status || outcome;
}
