// SPDX-License-Identifier: MIT
/*
 * One publisher of prices, and subscribers at their own pace. Without arguments
 * it is all of them; "pubsub publish" and "pubsub subscribe" are one of them.
 */
#include <flowipc/flowipc.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	SUBSCRIBERS = 3,
	PRICES = 5
};

static int failed(const char *what)
{
	fprintf(stderr, "pubsub: cannot %s: %s\n", what, flowipc_last_error());
	return 1;
}

static int publish(void)
{
	struct flowipc_channel *channels[SUBSCRIBERS];
	struct flowipc_server *server;
	struct flowipc_session *session;
	struct flowipc_topic *topic;
	char price[16];
	int i;

	/* Who comes late gets the last two, and who is slow the latest ones. */
	if (flowipc_listen("prices", NULL, &server) ||
	    flowipc_topic_create(FLOWIPC_OPTS(topic, .history = 2), &topic))
		return failed("begin");
	for (i = 0; i < SUBSCRIBERS; i++) {
		if (flowipc_accept(server, 30000, &session) ||
		    flowipc_channel_accept(
			    session,
			    FLOWIPC_OPTS(channel,
					 .when_full = FLOWIPC_FULL_DROP_OLDEST),
			    1000, &channels[i]) ||
		    flowipc_topic_subscribe(topic, channels[i]))
			return failed("subscribe");
		flowipc_session_close(session);
	}
	for (i = 1; i <= PRICES; i++) {
		snprintf(price, sizeof(price), "%d", 100 + i);
		if (flowipc_publish(topic, price, strlen(price), 0))
			return failed("publish");
	}
	flowipc_topic_destroy(topic);
	for (i = 0; i < SUBSCRIBERS; i++)
		flowipc_channel_close(channels[i]);
	flowipc_server_close(server);
	return 0;
}

static int subscribe(void)
{
	struct flowipc_session *session;
	struct flowipc_channel *channel;
	struct flowipc_message *message;

	if (flowipc_connect("prices", NULL, 10000, &session) ||
	    flowipc_channel_open(session, NULL, 1000, &channel))
		return failed("subscribe");
	while (!flowipc_message_receive(channel, &message, 10000)) {
		printf("subscriber %d: %.*s\n", (int)getpid(),
		       (int)flowipc_message_size(message),
		       (const char *)flowipc_message_data(message));
		flowipc_message_release(message);
	}
	flowipc_channel_close(channel);
	flowipc_session_close(session);
	return 0;
}

int main(int argc, char **argv)
{
	int i, status, result = 0;

	if (argc == 2 && !strcmp(argv[1], "publish"))
		return publish();
	if (argc == 2 && !strcmp(argv[1], "subscribe"))
		return subscribe();
	if (argc != 1) {
		fprintf(stderr, "usage: pubsub [publish | subscribe]\n");
		return 2;
	}
	for (i = 0; i <= SUBSCRIBERS; i++) {
		if (!fork())
			return i ? subscribe() : publish();
	}
	while (wait(&status) > 0)
		result |= status != 0;
	return result;
}
