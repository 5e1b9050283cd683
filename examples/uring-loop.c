// SPDX-License-Identifier: MIT
/* Several channels in one loop of io_uring: guests count, and the host adds up. */
#include <errno.h>
#include <flowipc/flowipc.h>
#include <liburing.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { GUESTS = 3, NUMBERS = 1000 };

static struct flowipc_session *sessions[GUESTS];
static struct flowipc_channel *channels[GUESTS];
static long long sum;

static int failed(const char *what)
{
	fprintf(stderr, "uring-loop: %s: %s\n", what, flowipc_last_error());
	return 1;
}

/* Poll after -EAGAIN only: it asked the peer to wake us; all else has ended. */
static int hear(struct io_uring *ring, int i)
{
	struct io_uring_sqe *sqe;
	int n, got;

	while ((got = flowipc_receive(channels[i], &n, sizeof(n), 0)) >= 0)
		sum += n;
	if (got != -EAGAIN)
		return got;
	sqe = io_uring_get_sqe(ring);
	io_uring_prep_poll_add(sqe, flowipc_channel_fd(channels[i]), POLLIN);
	io_uring_sqe_set_data64(sqe, i);
	return 0;
}

static int host(struct io_uring *ring)
{
	int i, here = 0;
	struct flowipc_server *server;
	struct io_uring_cqe *cqe;

	if (flowipc_listen("guests", NULL, &server))
		return failed("listen");
	for (i = 0; i < GUESTS; i++) {
		if (flowipc_accept(server, 30000, sessions + i) ||
		    flowipc_channel_accept(sessions[i], NULL, 1000, channels + i))
			return failed("accept");
		here += !hear(ring, i);
	}
	while (here && io_uring_submit_and_wait(ring, 1) >= 0 &&
	       !io_uring_peek_cqe(ring, &cqe)) {
		i = io_uring_cqe_get_data64(cqe);
		io_uring_cqe_seen(ring, cqe);
		here -= hear(ring, i) != 0;
	}
	for (i = 0; i < GUESTS; i++) {
		flowipc_channel_close(channels[i]);
		flowipc_session_close(sessions[i]);
	}
	flowipc_server_close(server);
	printf("together %lld\n", sum);
	return here != 0;
}

static int visit(void)
{
	int i = 0;

	if (flowipc_connect("guests", NULL, 10000, sessions) ||
	    flowipc_channel_open(*sessions, NULL, 1000, channels))
		return failed("visit");
	while (i < NUMBERS && !flowipc_send(*channels, &i, sizeof(i), 10000))
		i++;
	flowipc_channel_close(*channels);
	flowipc_session_close(*sessions);
	return i != NUMBERS;
}

int main(void)
{
	struct io_uring ring;
	int status, i, result, err = io_uring_queue_init(GUESTS, &ring, 0);

	if (err) {
		fprintf(stderr, "uring-loop: no io_uring: %s\n", strerror(-err));
		return err == -ENOSYS || err == -EPERM ? 77 : 1;
	}
	for (i = 0; i < GUESTS; i++)
		if (!fork())
			return visit();
	result = host(&ring);
	while (wait(&status) > 0)
		result |= status != 0;
	return result;
}
