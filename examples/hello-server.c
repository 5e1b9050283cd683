// SPDX-License-Identifier: MIT
#include <flowipc/flowipc.h>
#include <stdio.h>

int main(void)
{
	struct flowipc_server *server;
	struct flowipc_session *session;
	struct flowipc_channel *channel;
	struct flowipc_message *message;

	if (flowipc_listen("hello", NULL, &server) ||
	    flowipc_accept(server, 30000, &session) ||
	    flowipc_channel_accept(session, NULL, 1000, &channel)) {
		fprintf(stderr, "hello-server: %s\n", flowipc_last_error());
		return 1;
	}
	while (!flowipc_message_receive(channel, &message, 1000)) {
		printf("client: %.*s\n", (int)flowipc_message_size(message),
		       (const char *)flowipc_message_data(message));
		flowipc_message_release(message);
		flowipc_send(channel, "hello, client", 13, 1000);
	}
	flowipc_channel_close(channel);
	flowipc_session_close(session);
	flowipc_server_close(server);
	return 0;
}
