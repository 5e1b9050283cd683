// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two processes that have sent each other a message through the library, for
 * flowipc-stat to see what they share: "library NAME" says "ready RECEIVER
 * SENDER" with their process ids, and ends with its standard input.
 */
#include <errno.h>
#include <error.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <flowipc/flowipc.h>

#define TIMEOUT_MS 60000

static void check(int ret, const char *what)
{
	if (ret < 0)
		error(1, 0, "%s: %s (%s)", what, flowipc_strerror(ret),
		      flowipc_last_error());
}

static void await_end(int fd)
{
	char byte;

	while (read(fd, &byte, 1) > 0)
		;
}

static int send_one(const char *name, int end)
{
	struct flowipc_channel *channel;
	struct flowipc_session *session;

	check(flowipc_connect(name, NULL, TIMEOUT_MS, &session), "connect");
	check(flowipc_channel_open(session, NULL, TIMEOUT_MS, &channel), "open");
	check(flowipc_send(channel, "message", 8, TIMEOUT_MS), "send");
	await_end(end);
	return 0;
}

int main(int argc, char **argv)
{
	struct flowipc_message *message;
	struct flowipc_channel *channel;
	struct flowipc_session *session;
	struct flowipc_server *server;
	int end[2];
	pid_t sender;

	if (argc != 2)
		error(2, 0, "usage: library NAME");
	if (pipe(end))
		error(1, errno, "pipe");
	sender = fork();
	if (sender < 0)
		error(1, errno, "fork");
	if (!sender) {
		close(end[1]);
		_exit(send_one(argv[1], end[0]));
	}
	check(flowipc_listen(argv[1], NULL, &server), "listen");
	check(flowipc_accept(server, TIMEOUT_MS, &session), "accept");
	check(flowipc_channel_accept(session, NULL, TIMEOUT_MS, &channel),
	      "accept channel");
	check(flowipc_message_receive(channel, &message, TIMEOUT_MS), "receive");
	printf("ready %d %d\n", (int)getpid(), (int)sender);
	fflush(stdout);
	await_end(STDIN_FILENO);

	close(end[1]);
	waitpid(sender, NULL, 0);
	return 0;
}
