// SPDX-License-Identifier: MIT
/* The names of services: good ones, bad ones, taken ones and left ones. */
#include "harness.h"

#include <fcntl.h>
#include <sys/stat.h>

static void names_and_paths(void **state)
{
	char longest[65], path[200], relative[] = "./socket";
	char *names[] = { "a", "A-Z.09_", "x.sock", longest, path, relative };
	struct flowipc_server *server;
	struct peer peer;
	size_t i;

	(void)state;
	memset(longest, 'n', sizeof(longest) - 1);
	longest[64] = '\0';
	snprintf(path, sizeof(path), "%s", test_path("socket with blanks"));
	sys(chdir(test_dir()));
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		ok(flowipc_listen(names[i], NULL, &server));
		peer_start(&peer, test_say_to, names[i]);
		test_serve_one(server, 42);
		peer_join(&peer);
		flowipc_server_close(server);
		/* and the name is free again */
		ok(flowipc_listen(names[i], NULL, &server));
		flowipc_server_close(server);
	}
	check(!access(test_path("flowipc"), F_OK));
	check(access(path, F_OK) && errno == ENOENT);
	sys(chdir("/"));
}

static void bad_names(void **state)
{
	static const char *const bad[] = {
		"", ".", "..", ".hidden", "a b", "a\n", "caf\xc3\xa9", "a:b",
		"*", "a\\b",
	};
	struct flowipc_server *server = NULL;
	struct flowipc_session *session = NULL;
	char text[300];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		gives(flowipc_listen(bad[i], NULL, &server), -EINVAL);
		gives(flowipc_connect(bad[i], NULL, 0, &session), -EINVAL);
	}
	gives(flowipc_listen(NULL, NULL, &server), -EINVAL);
	gives(flowipc_connect(NULL, NULL, 0, &session), -EINVAL);
	memset(text, 'n', sizeof(text));
	text[65] = '\0';
	gives_one_of(flowipc_listen(text, NULL, &server), -EINVAL,
		     -ENAMETOOLONG);
	gives_one_of(flowipc_connect(text, NULL, 0, &session), -EINVAL,
		     -ENAMETOOLONG);
	/* more than a socket's address can hold */
	for (i = 108; i < sizeof(text); i += 19) {
		memset(text, 'n', sizeof(text));
		text[0] = '/';
		text[i] = '\0';
		gives(flowipc_listen(text, NULL, &server), -ENAMETOOLONG);
		gives(flowipc_connect(text, NULL, 0, &session), -ENAMETOOLONG);
	}
	check(!server && !session);
	flowipc_server_close(NULL);
	flowipc_session_close(NULL);
}

static void longest_paths(void **state)
{
	struct flowipc_server *server;
	char path[108];
	size_t length;
	struct peer peer;
	int err, works = 0;

	(void)state;
	for (length = 90; length < sizeof(path); length++) {
		memset(path, 'p', sizeof(path));
		memcpy(path, test_path("%s", ""), strlen(test_path("%s", "")));
		path[length] = '\0';
		/* where the limit is both sides agree on it */
		err = flowipc_listen(path, NULL, &server);
		gives_one_of(err, 0, -ENAMETOOLONG);
		if (err) {
			gives(flowipc_connect(path, NULL, 0,
					&(struct flowipc_session *){ NULL }),
			      -ENAMETOOLONG);
			continue;
		}
		works++;
		peer_start(&peer, test_say_to, path);
		test_serve_one(server, 42);
		peer_join(&peer);
		flowipc_server_close(server);
	}
	check(works >= 10);
}

static void bad_folder_as_nobody(int sync, void *arg)
{
	struct flowipc_server *server = NULL;

	(void)sync;
	(void)arg;
	sys(setuid(65534));
	gives(flowipc_listen(test_path("locked/s"), FLOWIPC_OPTS(listen,
			.backend = FLOWIPC_BACKEND_MEMFD), &server), -EACCES);
	test_last_error_has("locked");
}

static void bad_folders(void **state)
{
	struct flowipc_server *server = NULL;
	struct peer peer;

	(void)state;
	gives(flowipc_listen(test_path("nowhere/s"), NULL, &server), -ENOENT);
	test_last_error_has("nowhere");
	sys(mkdir(test_path("locked"), 0700));
	if (test_is_root()) {
		sys(chmod(test_dir(), 0755));
		peer_start(&peer, bad_folder_as_nobody, NULL);
		peer_join(&peer);
	} else {
		sys(chmod(test_path("locked"), 0));
		gives(flowipc_listen(test_path("locked/s"), NULL, &server),
		      -EACCES);
	}
	check(!server);
}

static void name_in_use(void **state)
{
	struct flowipc_server *server, *second = NULL;
	struct peer peer;

	(void)state;
	ok(flowipc_listen("t", NULL, &server));
	gives(flowipc_listen("t", NULL, &second), -EADDRINUSE);
	test_last_error_has("t");
	check(!second);
	/* the first has not noticed */
	peer_start(&peer, test_say_to, "t");
	test_serve_one(server, 42);
	peer_join(&peer);
	flowipc_server_close(server);
}

static void keeps_what_is_not_a_socket(void **state)
{
	struct flowipc_server *server = NULL;
	struct stat status;

	(void)state;
	close((int)sys(open(test_path("file"), O_CREAT | O_WRONLY | O_CLOEXEC,
			    0600)));
	gives_one_of(flowipc_listen(test_path("file"), NULL, &server),
		     -EADDRINUSE, -EEXIST, -EINVAL, -ENOTSOCK);
	sys(lstat(test_path("file"), &status));
	check(S_ISREG(status.st_mode));
	check(!server);
}

static void listen_until_killed(int sync, void *arg)
{
	struct flowipc_server *server;

	(void)arg;
	ok(flowipc_listen("t", NULL, &server));
	sync_put(sync, 0);
	test_sleep_ms(60000);
}

/* Start, see whether the name was obtained, keep it until told. */
static void compete(int sync, void *arg)
{
	struct flowipc_server *server;
	int err;

	(void)arg;
	sync_get(sync);
	err = flowipc_listen("t", NULL, &server);
	gives_one_of(err, 0, -EADDRINUSE);
	sync_put(sync, err ? 0 : 1);
	sync_get(sync);
	if (!err)
		flowipc_server_close(server);
}

static void socket_of_a_killed_server(void **state)
{
	enum { RIVALS = 8 };
	struct peer peers[RIVALS], peer;
	struct flowipc_server *server;
	uint64_t winners;
	int round, i;

	(void)state;
	peer_start(&peer, listen_until_killed, NULL);
	sync_get(peer.sync);
	peer_kill(&peer);
	ok(flowipc_listen("t", NULL, &server));
	peer_start(&peer, test_say_to, "t");
	test_serve_one(server, 42);
	peer_join(&peer);
	flowipc_server_close(server);

	/* when many come at once, one gets it */
	for (round = 0; round < test_loops(20); round++) {
		peer_start(&peer, listen_until_killed, NULL);
		sync_get(peer.sync);
		for (i = 0; i < RIVALS; i++)
			peer_start(&peers[i], compete, NULL);
		peer_kill(&peer);
		for (i = 0; i < RIVALS; i++)
			sync_put(peers[i].sync, 0);
		for (winners = 0, i = 0; i < RIVALS; i++)
			winners += sync_get(peers[i].sync);
		gives(winners, 1);
		for (i = 0; i < RIVALS; i++) {
			sync_put(peers[i].sync, 0);
			peer_join(&peers[i]);
		}
	}
}

static const struct CMUnitTest tests[] = {
	TEST(names_and_paths),
	TEST(bad_names),
	TEST(longest_paths),
	TEST(bad_folders),
	TEST(name_in_use),
	TEST(keeps_what_is_not_a_socket),
	TEST(socket_of_a_killed_server),
};

TEST_MAIN(tests, NULL)
