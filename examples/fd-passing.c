// SPDX-License-Identifier: MIT
/*
 * One side hands the reading end of a pipe to the other, and then writes into
 * the pipe.
 */
#include <flowipc/flowipc.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char text[] = "through a pipe that came with a message";

static int failed(const char *what)
{
	fprintf(stderr, "fd-passing: cannot %s: %s\n", what,
		flowipc_last_error());
	return 1;
}

static int give(void)
{
	struct flowipc_session *session;
	struct flowipc_channel *channel;
	struct flowipc_message *message;
	int ends[2];
	ssize_t written;

	if (pipe(ends)) {
		perror("fd-passing: pipe");
		return 1;
	}
	if (flowipc_connect("pipes", NULL, 10000, &session) ||
	    flowipc_channel_open(session, NULL, 1000, &channel) ||
	    flowipc_message_new(channel, 0, 1000, &message) ||
	    flowipc_message_attach_fd(message, ends[0]) ||
	    flowipc_message_send(message, 1000))
		return failed("give");
	/* The message has its own duplicate, so the end stays open. */
	close(ends[0]);
	written = write(ends[1], text, strlen(text));
	close(ends[1]);
	flowipc_channel_close(channel);
	flowipc_session_close(session);
	return written != (ssize_t)strlen(text);
}

static int take(void)
{
	struct flowipc_server *server;
	struct flowipc_session *session;
	struct flowipc_channel *channel;
	struct flowipc_message *message;
	struct stat about;
	char buffer[64];
	ssize_t got;
	int end;

	if (flowipc_listen("pipes", NULL, &server) ||
	    flowipc_accept(server, 30000, &session) ||
	    flowipc_channel_accept(session, NULL, 1000, &channel) ||
	    flowipc_message_receive(channel, &message, 1000))
		return failed("receive");
	end = flowipc_message_take_fd(message, 0);
	flowipc_message_release(message);
	if (end < 0)
		return failed("take a descriptor");
	/* The sender chose what it is, and reading some things never ends. */
	if (fstat(end, &about) || !S_ISFIFO(about.st_mode)) {
		fprintf(stderr, "fd-passing: that is no pipe\n");
		return 1;
	}
	while ((got = read(end, buffer, sizeof(buffer))) > 0)
		printf("taken: %.*s\n", (int)got, buffer);
	close(end);
	flowipc_channel_close(channel);
	flowipc_session_close(session);
	flowipc_server_close(server);
	return got != 0;
}

int main(void)
{
	int status, outcome;

	if (!fork())
		return give();
	outcome = take();
	return wait(&status) < 0 || status || outcome;
}
