// SPDX-License-Identifier: MIT
/* Lists of who is allowed: users, groups and executables, on both sides. */
#include "raw.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include <linux/flowipc.h>

enum { NOBODY = 65534, OTHER_GROUP = 65533, THIRD_GROUP = 65532 };

static void accept_none(struct flowipc_server *server,
			enum flowipc_refusal_reason reason, pid_t pid,
			const char *words)
{
	struct flowipc_session *session = NULL;
	struct flowipc_refusal refusal = { .sz = sizeof(refusal) };
	uint64_t limit = test_now_ns() + (uint64_t)test_ms(10000) * 1000000u;
	int err;

	do {
		gives(flowipc_accept(server, 100, &session), -ETIMEDOUT);
		check(!session);
		err = flowipc_server_refusal(server, &refusal);
	} while (err == -EAGAIN && test_now_ns() < limit);
	ok(err);
	gives(refusal.reason, reason);
	if (pid)
		gives(refusal.peer.pid, pid);
	gives(refusal.lost, 0);
	check_msg(strstr(refusal.text, words), "\"%s\" does not say \"%s\"",
		  refusal.text, words);
	gives(flowipc_server_refusal(server, &refusal), -EAGAIN);
}

/* Those who have only one user can still be on a list, or not. */
static void own_ids(void **state)
{
	const uid_t us[] = { geteuid() + 1, geteuid() };
	const gid_t groups[] = { getegid() + 1, getegid() };
	const uid_t others[] = { geteuid() + 1, geteuid() + 2 };
	const struct flowipc_allow_opts *allowed = FLOWIPC_OPTS(allow,
			.uids = us, .uid_count = 2, .gids = groups,
			.gid_count = 2);
	const struct flowipc_allow_opts *not = FLOWIPC_OPTS(allow,
			.uids = others, .uid_count = 2);
	struct flowipc_session *session = NULL;
	struct flowipc_server *server;
	struct peer peer;

	(void)state;
	ok(flowipc_listen("t", FLOWIPC_OPTS(listen, .allow = allowed),
			  &server));
	peer_start(&peer, test_say_to, "t");
	test_serve_one(server, 42);
	peer_join(&peer);
	flowipc_server_close(server);

	/* the lists are copied */
	ok(flowipc_listen("t", FLOWIPC_OPTS(listen, .allow = not), &server));
	gives(flowipc_accept(server, 0, &session), -EAGAIN);
	close(raw_connect(test_path("flowipc/t.sock")));
	accept_none(server, FLOWIPC_REFUSED_UID, getpid(), "list");
	/* the client's side of it: it learns nothing, or refuses itself */
	gives(flowipc_connect("t", FLOWIPC_OPTS(connect, .allow = not), 0,
			      &session), -EACCES);
	test_last_error_has("uid");
	test_last_error_has("list");
	check(!session);
	flowipc_server_close(server);
}

struct visit {
	enum flowipc_policy policy;
	const uid_t *uids;
	size_t uid_count;
	const gid_t *gids;
	size_t gid_count;
	uid_t uid;	/* of the client */
	gid_t gid;
	gid_t other;	/* a supplementary group */
	enum flowipc_refusal_reason reason;	/* 0: welcome */
};

static void visit(int sync, void *arg)
{
	const struct visit *test = arg;
	struct flowipc_session *session = NULL;
	struct flowipc_channel *channel;

	sys(setgroups(1, &test->other));
	sys(setgid(test->gid));
	sys(setuid(test->uid));
	sync_get(sync);
	gives(flowipc_connect(test_path("s"), FLOWIPC_OPTS(connect,
			.policy = FLOWIPC_POLICY_ANYONE), test_ms(5000),
			&session), test->reason ? -EACCES : 0);
	if (test->reason) {
		/* no more than that */
		test_last_error_has("refused us");
		check(!strstr(flowipc_last_error(), "list"));
		return;
	}
	ok(flowipc_channel_open(session, NULL, test_ms(5000), &channel));
	flowipc_channel_close(channel);
	flowipc_session_close(session);
}

static void ids_of_others(void **state)
{
	static const uid_t root[] = { 0 }, nobody[] = { 1, NOBODY };
	static const gid_t third[] = { THIRD_GROUP },
			   both[] = { 1, OTHER_GROUP, THIRD_GROUP };
	static const struct visit list[] = {
		/* a list is no way around the policy */
		{ FLOWIPC_POLICY_SAME_USER, nobody, 2, NULL, 0,
		  NOBODY, OTHER_GROUP, 5, FLOWIPC_REFUSED_POLICY },
		{ FLOWIPC_POLICY_ANYONE, nobody, 2, NULL, 0,
		  NOBODY, OTHER_GROUP, 5, 0 },
		/* nor is being root a way around the list */
		{ FLOWIPC_POLICY_ANYONE, nobody, 2, NULL, 0,
		  0, 0, 5, FLOWIPC_REFUSED_UID },
		{ FLOWIPC_POLICY_ANYONE, root, 1, NULL, 0,
		  NOBODY, OTHER_GROUP, 5, FLOWIPC_REFUSED_UID },
		{ FLOWIPC_POLICY_ANYONE, NULL, 0, both, 3,
		  NOBODY, OTHER_GROUP, 5, 0 },
		{ FLOWIPC_POLICY_ANYONE, NULL, 0, third, 1,
		  NOBODY, OTHER_GROUP, 5, FLOWIPC_REFUSED_GID },
		{ FLOWIPC_POLICY_ANYONE, NULL, 0, third, 1,
		  NOBODY, OTHER_GROUP, THIRD_GROUP, 0 },
		{ FLOWIPC_POLICY_ANYONE, NULL, 0, third, 1,
		  0, 0, 5, FLOWIPC_REFUSED_GID },
		/* both lists, not one of them */
		{ FLOWIPC_POLICY_ANYONE, nobody, 2, third, 1,
		  NOBODY, OTHER_GROUP, 5, FLOWIPC_REFUSED_GID },
		{ FLOWIPC_POLICY_ANYONE, root, 1, third, 1,
		  NOBODY, THIRD_GROUP, 5, FLOWIPC_REFUSED_UID },
		{ FLOWIPC_POLICY_ANYONE, nobody, 2, third, 1,
		  NOBODY, THIRD_GROUP, 5, 0 },
	};
	bool device = test_backend() == FLOWIPC_BACKEND_DEVICE;
	struct flowipc_session *session;
	struct flowipc_channel *channel;
	struct flowipc_server *server;
	struct stat status;
	struct visit test;
	struct peer peer;
	pid_t pid;
	size_t i;

	(void)state;
	if (!test_is_root()) {
		print_message("not root: cannot become another user\n");
		skip();
	}
	sys(chmod(test_dir(), 0777));
	/* the device for other users as well, as its group rule would do */
	if (device) {
		sys(stat(FLOWIPC_DEVICE_PATH, &status));
		sys(chmod(FLOWIPC_DEVICE_PATH, 0666));
	}
	for (i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		test = list[i];
		peer_start(&peer, visit, &test);
		pid = peer.pid;
		ok(flowipc_listen(test_path("s"), FLOWIPC_OPTS(listen,
				.policy = test.policy,
				.allow = FLOWIPC_OPTS(allow,
					.uids = test.uids,
					.uid_count = test.uid_count,
					.gids = test.gids,
					.gid_count = test.gid_count)),
				&server));
		/* whoever may not knock is refused by the kernel already */
		sys(chmod(test_path("s"), 0666));
		sync_put(peer.sync, 0);
		if (test.reason) {
			accept_none(server, test.reason, pid, "");
		} else {
			ok(flowipc_accept(server, test_ms(5000), &session));
			ok(flowipc_channel_accept(session, NULL, test_ms(5000),
						  &channel));
			flowipc_channel_close(channel);
			flowipc_session_close(session);
		}
		peer_join(&peer);
		flowipc_server_close(server);
	}
	if (device)
		sys(chmod(FLOWIPC_DEVICE_PATH, status.st_mode & 07777));
}

static void copy_self(const char *path)
{
	int from = (int)sys(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
	int to = (int)sys(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
			       0700));
	struct stat status;
	ssize_t size;

	sys(fstat(from, &status));
	for (size = 0; size < status.st_size;)
		size += sys(sendfile(to, from, NULL,
				     (size_t)(status.st_size - size)));
	close(from);
	close(to);
}

/* The rest of what a client does, run by an executable of another file. */
static void say_by_exec(int sync, void *arg)
{
	(void)arg;
	test_say_to(sync, "t");
}

static void be_refused(int sync, void *arg)
{
	struct flowipc_session *session = NULL;

	(void)sync;
	(void)arg;
	gives(flowipc_connect("t", NULL, test_ms(5000), &session), -EACCES);
	check(!session);
}

struct execution {
	const char *path;
	const char *function;
};

static void execute(int sync, void *arg)
{
	const struct execution *execution = arg;
	char number[16];

	sys(fcntl(sync, F_SETFD, 0));
	snprintf(number, sizeof(number), "%d", sync);
	execl(execution->path, "peer", "--peer", execution->function, number,
	      NULL);
	check_msg(false, "exec %s: %s", execution->path, strerror(errno));
}

static void executables(void **state)
{
	char own[200], copy[200], link_path[200], other[200], third[200];
	const char *paths[2] = { third, copy };
	const struct flowipc_allow_opts *allow = FLOWIPC_OPTS(allow,
			.executables = paths, .executable_count = 2);
	struct execution execution;
	struct flowipc_server *server;
	struct flowipc_session *session = NULL;
	struct peer peer;
	int fds = test_count_fds();

	(void)state;
	own[sys(readlink("/proc/self/exe", own, sizeof(own) - 1))] = '\0';
	snprintf(copy, sizeof(copy), "%s", test_path("copy"));
	snprintf(link_path, sizeof(link_path), "%s", test_path("link"));
	snprintf(other, sizeof(other), "%s", test_path("other"));
	copy_self(copy);
	copy_self(other);
	snprintf(third, sizeof(third), "%s", test_path("third"));
	copy_self(third);
	ok(flowipc_listen("t", FLOWIPC_OPTS(listen, .allow = allow),
			  &server));

	execution = (struct execution){ copy, "say_by_exec" };
	peer_start(&peer, execute, &execution);
	test_serve_one(server, 42);
	peer_join(&peer);
	/* the same file under another name */
	sys(link(copy, link_path));
	execution.path = link_path;
	peer_start(&peer, execute, &execution);
	test_serve_one(server, 42);
	peer_join(&peer);
	/* another file of the same contents; then under the very name */
	execution = (struct execution){ other, "be_refused" };
	peer_start(&peer, execute, &execution);
	accept_none(server, FLOWIPC_REFUSED_EXECUTABLE, peer.pid, "list");
	peer_join(&peer);
	sys(rename(other, copy));
	execution.path = copy;
	peer_start(&peer, execute, &execution);
	accept_none(server, FLOWIPC_REFUSED_EXECUTABLE, peer.pid, "list");
	peer_join(&peer);
	flowipc_server_close(server);

	/* the server's, seen by a client */
	ok(flowipc_listen("t", NULL, &server));
	gives(flowipc_connect("t", FLOWIPC_OPTS(connect, .allow = allow), 0,
			      &session), -EACCES);
	test_last_error_has("executable");
	paths[0] = own;
	/* nobody accepts it, so it gets as far as waiting for that */
	gives(flowipc_connect("t", FLOWIPC_OPTS(connect, .allow = allow), 100,
			      &session), -ETIMEDOUT);
	flowipc_server_close(server);
	gives(test_count_fds(), fds);
}

/* A socket outlives the process that made it, which is then nobody. */
static void connect_and_leave(int sync, void *arg)
{
	int fd = raw_connect(test_path("flowipc/t.sock"));

	(void)arg;
	raw_send(sync, &(struct control){ .kind = CONTROL_HELLO }, &fd, 1);
}

static void process_that_has_ended(void **state)
{
	char own[200];
	const char *paths[1] = { own };
	struct flowipc_server *server;
	struct peer peer;
	pid_t pid;
	int sync;

	(void)state;
	own[sys(readlink("/proc/self/exe", own, sizeof(own) - 1))] = '\0';
	ok(flowipc_listen("t", FLOWIPC_OPTS(listen, .allow =
			FLOWIPC_OPTS(allow, .executables = paths,
				     .executable_count = 1)), &server));
	/* it would be welcome, if it were there */
	peer_start(&peer, test_say_to, "t");
	test_serve_one(server, 42);
	peer_join(&peer);
	peer_start(&peer, connect_and_leave, NULL);
	pid = peer.pid;
	/* what it has sent waits here, with the socket in it */
	sync = (int)sys(dup(peer.sync));
	peer_join(&peer);
	accept_none(server, FLOWIPC_REFUSED_EXECUTABLE, pid, "cannot tell");
	close(sync);
	flowipc_server_close(server);
}

static void bad_lists(void **state)
{
	const char *none[] = { "/no/such/program" }, *folder[] = { "/" };
	struct {
		struct flowipc_allow_opts opts;
		uint64_t later;
	} longer = { .opts.sz = sizeof(longer), .later = 1 };
	const struct flowipc_allow_opts *bad[] = {
		FLOWIPC_OPTS(allow, .uid_count = 1),
		FLOWIPC_OPTS(allow, .gid_count = 1),
		FLOWIPC_OPTS(allow, .executable_count = 1),
		FLOWIPC_OPTS(allow, .executables = folder,
			     .executable_count = 1),
		FLOWIPC_OPTS(allow, .executables = none,
			     .executable_count = 1),
		&longer.opts,
	};
	static const int errors[] = { -EINVAL, -EINVAL, -EINVAL, -EINVAL,
				      -ENOENT, -E2BIG };
	struct flowipc_session *session = NULL;
	struct flowipc_server *server = NULL;
	int fds = test_count_fds();
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		gives(flowipc_listen("t", FLOWIPC_OPTS(listen,
				.allow = bad[i]), &server), errors[i]);
		test_last_error_has("allow options");
		gives(flowipc_connect("t", FLOWIPC_OPTS(connect,
				.allow = bad[i]), 0, &session), errors[i]);
		test_last_error_has("allow options");
	}
	check(!session && !server);
	gives(test_count_fds(), fds);
}

static const struct peer_function functions[] = {
	{ "say_by_exec", say_by_exec },
	{ "be_refused", be_refused },
	{ NULL, NULL },
};

static const struct CMUnitTest tests[] = {
	TEST(own_ids),
	TEST(ids_of_others),
	TEST(executables),
	TEST(process_that_has_ended),
	TEST(bad_lists),
};

TEST_MAIN(tests, functions)
