// SPDX-License-Identifier: MIT
/* Four threads ask for square roots; each reply finds the one it is for. */
#include <flowipc/flowipc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS	  4
#define QUESTIONS 1000

static struct flowipc_channel *channel;

static void need(int err)
{
	if (err) {
		fprintf(stderr, "request-reply: %s\n", flowipc_last_error());
		exit(1);
	}
}

static struct flowipc_message *message_of(int number)
{
	struct flowipc_message *message;

	need(flowipc_message_new(channel, sizeof(number), 1000, &message));
	memcpy(flowipc_message_buffer(message), &number, sizeof(number));
	return message;
}

static int number_in(struct flowipc_message *message)
{
	int number = *(const int *)flowipc_message_data(message);

	flowipc_message_release(message);
	return number;
}

static int serve(void)
{
	struct flowipc_message *requests[THREADS];
	struct flowipc_session *session;
	struct flowipc_server *server;
	int count, root, square;
	uint64_t whose;

	need(flowipc_listen("roots", NULL, &server));
	need(flowipc_accept(server, 30000, &session));
	need(flowipc_channel_accept(session, NULL, 1000, &channel));
	while ((count = flowipc_message_receive_batch(channel, requests,
						      THREADS, 10000)) > 0) {
		while (count--) {
			whose = flowipc_message_request(requests[count]);
			square = number_in(requests[count]);
			for (root = 0; root * root < square;)
				root++;
			need(flowipc_reply(message_of(root), whose, 0, 1000));
		}
	}
	flowipc_server_close(server);
	return 0;
}

static void *ask(void *right)
{
	struct flowipc_message *reply;
	int i;

	for (i = 0; i < QUESTIONS; i++) {
		need(flowipc_call(message_of(i * i), 10000, &reply));
		*(int *)right += number_in(reply) == i;
	}
	return NULL;
}

int main(void)
{
	int right[THREADS] = {0}, sum = 0, i;
	struct flowipc_session *session;
	pthread_t threads[THREADS];

	if (!fork())
		return serve();
	need(flowipc_connect("roots", NULL, 10000, &session));
	need(flowipc_channel_open(
		session, FLOWIPC_OPTS(channel, .threads = FLOWIPC_THREADS_MANY),
		1000, &channel));
	for (i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, ask, &right[i]);
	for (i = 0; i < THREADS; sum += right[i++])
		pthread_join(threads[i], NULL);
	printf("%d of %d answers are right\n", sum, THREADS * QUESTIONS);
	flowipc_channel_close(channel);
	flowipc_session_close(session);
	return wait(&i) < 0 || i || sum != THREADS * QUESTIONS;
}
