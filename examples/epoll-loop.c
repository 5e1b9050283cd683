// SPDX-License-Identifier: MIT
/*
 * Both directions of a channel in one epoll loop: one process counts, and the
 * other answers each number with its double.
 */
#include <errno.h>
#include <flowipc/flowipc.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NUMBERS = 10000 };

static struct flowipc_channel *channel;

static int failed(const char *what)
{
	fprintf(stderr, "epoll-loop: cannot %s: %s\n", what,
		flowipc_last_error());
	return 1;
}

/* What gave -EAGAIN only: all else has ended, and is readable for ever. */
static int watch(int epoll, int op, int receiving, int sending)
{
	struct epoll_event event = { .events = EPOLLIN };
	int fd = flowipc_channel_fd(channel);
	int space = flowipc_channel_space_fd(channel);

	return (receiving == -EAGAIN && epoll_ctl(epoll, op, fd, &event)) ||
	       (sending == -EAGAIN && epoll_ctl(epoll, op, space, &event));
}

static int count(void)
{
	int sent = 0, received = 0, sending = 0, got, twice = 0;
	const int size = sizeof(twice);
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct flowipc_session *session;
	struct epoll_event event;
	long long sum = 0;

	if (flowipc_connect("numbers", NULL, 10000, &session) ||
	    flowipc_channel_open(session, FLOWIPC_OPTS(channel, .slots = 16),
				 1000, &channel))
		return failed("connect");
	do {
		/* Until -EAGAIN: that is what asks the peer to wake us. */
		while (sent < NUMBERS &&
		       !(sending = flowipc_send(channel, &sent, size, 0)))
			sent++;
		if (sent == NUMBERS)
			sending = flowipc_channel_shutdown(channel);
		for (; (got = flowipc_receive(channel, &twice, size, 0)) > 0;
		     received++)
			sum += twice;
	} while (got == -EAGAIN && !watch(epoll, EPOLL_CTL_ADD, got, sending) &&
		 epoll_wait(epoll, &event, 1, 10000) == 1 &&
		 !watch(epoll, EPOLL_CTL_DEL, got, sending));
	printf("%d answers, together %lld\n", received, sum);
	flowipc_channel_close(channel);
	flowipc_session_close(session);
	close(epoll);
	return received != NUMBERS;
}

/* The other side need not be a loop. */
static int answer(void)
{
	struct flowipc_server *server;
	struct flowipc_session *session;
	int number = 0;

	if (flowipc_listen("numbers", NULL, &server) ||
	    flowipc_accept(server, 30000, &session) ||
	    flowipc_channel_accept(session, NULL, 1000, &channel))
		return failed("serve");
	while (flowipc_receive(channel, &number, sizeof(number), 10000) > 0) {
		number *= 2;
		if (flowipc_send(channel, &number, sizeof(number), 10000))
			return failed("answer");
	}
	flowipc_channel_close(channel);
	flowipc_session_close(session);
	flowipc_server_close(server);
	return 0;
}

int main(void)
{
	int status, result;

	if (!fork())
		return count();
	result = answer();
	return wait(&status) < 0 || status || result;
}
