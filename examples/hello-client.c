// SPDX-License-Identifier: MIT
#include <flowipc/flowipc.h>
#include <stdio.h>

int main(void)
{
	struct flowipc_session *session;
	struct flowipc_channel *channel;
	struct flowipc_message *message;

	if (flowipc_connect("hello", NULL, 10000, &session) ||
	    flowipc_channel_open(session, NULL, 1000, &channel)) {
		fprintf(stderr, "hello-client: %s\n", flowipc_last_error());
		return 1;
	}
	if (flowipc_send(channel, "hello, server", 13, 1000) ||
	    flowipc_message_receive(channel, &message, 1000)) {
		fprintf(stderr, "hello-client: the server does not answer\n");
		return 1;
	}
	printf("server: %.*s\n", (int)flowipc_message_size(message),
	       (const char *)flowipc_message_data(message));
	flowipc_message_release(message);
	flowipc_channel_close(channel);
	flowipc_session_close(session);
	return 0;
}
