// SPDX-License-Identifier: MIT
/*
 * A server that a service manager has started because clients knocked: the
 * socket was there before the server, and stays after it.
 */
#include "raw.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

/* As a program that was executed sees it, too. */
static const char *path(void)
{
	static char text[200];

	snprintf(text, sizeof(text), "%s/flowipc/t.sock",
		 getenv("XDG_RUNTIME_DIR"));
	return text;
}

static bool is_locked(void)
{
	char lock[210];

	snprintf(lock, sizeof(lock), "%s.lock", path());
	return !access(lock, F_OK);
}

static void make_folder(void)
{
	sys(mkdir(test_path("flowipc"), 0700));
}

/* A program run by the manager: sockets from 3 on, and who they are for. */
struct unit {
	const char *function;
	int sockets[3];
	int count;
	bool for_another;	/* LISTEN_PID is not the program's */
};

static void run_unit(int sync, void *arg)
{
	const struct unit *unit = arg;
	char number[16];
	int high[4], i;

	/* out of the way of where they are to be */
	high[3] = (int)sys(fcntl(sync, F_DUPFD, 100));
	for (i = 0; i < unit->count; i++)
		high[i] = (int)sys(fcntl(unit->sockets[i], F_DUPFD_CLOEXEC,
					 100));
	for (i = 0; i < unit->count; i++)
		sys(dup2(high[i], 3 + i));
	snprintf(number, sizeof(number), "%d",
		 (int)getpid() + unit->for_another);
	setenv("LISTEN_PID", number, 1);
	snprintf(number, sizeof(number), "%d", unit->count);
	setenv("LISTEN_FDS", number, 1);
	snprintf(number, sizeof(number), "%d", high[3]);
	execl("/proc/self/exe", "peer", "--peer", unit->function, number,
	      NULL);
	check_msg(false, "exec: %s", strerror(errno));
}

static void serve_once(int sync, void *arg)
{
	struct flowipc_server *server;

	(void)arg;
	ok(flowipc_listen("t", NULL, &server));
	sync_put(sync, 0);
	test_serve_one(server, 42);
	/* no name of ours, no lock; and the name stays */
	check(!is_locked());
	flowipc_server_close(server);
	check(!access(path(), F_OK));
	/* the same once more, since what was passed is still there */
	ok(flowipc_listen("t", NULL, &server));
	test_serve_one(server, 43);
	flowipc_server_close(server);
	/* and goes no further */
	check(fcntl(4, F_GETFD) & FD_CLOEXEC);
}

static void say_43(int sync, void *arg)
{
	(void)sync;
	test_say(arg, 43);
}

static void socket_of_the_manager(void **state)
{
	struct peer server, first, second;
	struct unit unit = { .function = "serve_once", .count = 2 };
	struct stat before, after;

	(void)state;
	make_folder();
	/* another service's socket first */
	unit.sockets[0] = raw_listen(test_path("other"), SOCK_STREAM);
	unit.sockets[1] = raw_listen(path(), SOCK_SEQPACKET);
	sys(stat(path(), &before));
	/* the client is there before the server is */
	peer_start(&first, test_say_to, "t");
	test_sleep_ms(100);
	peer_start(&server, run_unit, &unit);
	sync_get(server.sync);
	peer_join(&first);
	peer_start(&second, say_43, "t");
	peer_join(&second);
	peer_join(&server);
	/* again a server, at the same socket */
	peer_start(&first, test_say_to, "t");
	peer_start(&server, run_unit, &unit);
	sync_get(server.sync);
	peer_join(&first);
	peer_start(&second, say_43, "t");
	peer_join(&second);
	peer_join(&server);
	sys(stat(path(), &after));
	check(before.st_ino == after.st_ino);
	close(unit.sockets[0]);
	close(unit.sockets[1]);
}

static void serve_by_itself(int sync, void *arg)
{
	struct flowipc_server *server;

	(void)arg;
	ok(flowipc_listen("t", NULL, &server));
	check(is_locked());
	sync_put(sync, 0);
	test_serve_one(server, 42);
	flowipc_server_close(server);
	check(access(path(), F_OK));
}

/* Sockets of other paths, and descriptors meant for another process. */
static void sockets_for_others(void **state)
{
	struct peer server, client;
	struct unit unit = { .function = "serve_by_itself", .count = 1 };

	(void)state;
	unit.sockets[0] = raw_listen(test_path("other"), SOCK_SEQPACKET);
	peer_start(&server, run_unit, &unit);
	sync_get(server.sync);
	peer_start(&client, test_say_to, "t");
	peer_join(&client);
	peer_join(&server);
	close(unit.sockets[0]);

	unit.sockets[0] = raw_listen(path(), SOCK_SEQPACKET);
	unit.for_another = true;
	peer_start(&server, run_unit, &unit);
	sync_get(server.sync);
	peer_start(&client, test_say_to, "t");
	peer_join(&client);
	peer_join(&server);
	close(unit.sockets[0]);
}

static void serve_in_vain(int sync, void *arg)
{
	struct flowipc_server *server = NULL;

	(void)sync;
	(void)arg;
	gives(flowipc_listen("t", NULL, &server), -EADDRINUSE);
	test_last_error_has("SOCK_SEQPACKET");
	check(!server);
	/* nor was it taken away */
	check(!access(path(), F_OK));
}

static void socket_of_a_wrong_type(void **state)
{
	struct unit unit = { .function = "serve_in_vain", .count = 1 };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct peer peer;

	(void)state;
	make_folder();
	unit.sockets[0] = raw_listen(path(), SOCK_STREAM);
	peer_start(&peer, run_unit, &unit);
	peer_join(&peer);
	close(unit.sockets[0]);
	sys(unlink(path()));
	/* bound, but not listening */
	check(strlen(path()) < sizeof(address.sun_path));
	strcpy(address.sun_path, path());
	unit.sockets[0] = (int)sys(socket(AF_UNIX, SOCK_SEQPACKET |
					  SOCK_CLOEXEC, 0));
	sys(bind(unit.sockets[0], (struct sockaddr *)&address,
		 sizeof(address)));
	peer_start(&peer, run_unit, &unit);
	peer_join(&peer);
	close(unit.sockets[0]);
}

static const struct peer_function functions[] = {
	{ "serve_once", serve_once },
	{ "serve_by_itself", serve_by_itself },
	{ "serve_in_vain", serve_in_vain },
	{ NULL, NULL },
};

static const struct CMUnitTest tests[] = {
	TEST(socket_of_the_manager),
	TEST(sockets_for_others),
	TEST(socket_of_a_wrong_type),
};

TEST_MAIN(tests, functions)
