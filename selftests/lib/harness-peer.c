// SPDX-License-Identifier: MIT
/* The second process: starting it, talking to it, and how it ends. */
#include "harness.h"
#include "harness-private.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* Processes that were started and not yet waited for. */
static pid_t living[256];

static void remember(pid_t old, pid_t new)
{
	size_t i;

	for (i = 0; i < sizeof(living) / sizeof(living[0]); i++) {
		if (living[i] == old) {
			living[i] = new;
			return;
		}
	}
	check_msg(false, "more than %zu processes", i);
}

void test_end_peers(void)
{
	size_t i;

	for (i = 0; i < sizeof(living) / sizeof(living[0]); i++) {
		if (living[i]) {
			kill(living[i], SIGKILL);
			waitpid(living[i], NULL, 0);
			living[i] = 0;
		}
	}
}

static void become_child(pid_t parent)
{
	static const int fatal[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGSYS };
	size_t i;

	test_in_child = true;
	memset(living, 0, sizeof(living));
	/* cmocka's handlers would go on with the suite, in the child */
	for (i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
		signal(fatal[i], SIG_DFL);
	test_arm_alarm();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(96);
}

void peer_start(struct peer *peer, void (*run)(int sync, void *arg), void *arg)
{
	pid_t parent = getpid();
	int pair[2];

	sys(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	fflush(NULL);
	peer->pid = (pid_t)sys(fork());
	if (!peer->pid) {
		become_child(parent);
		close(pair[0]);
		run(pair[1], arg);
		close(pair[1]);
		fflush(NULL);
		/* exit(), so that leaks are looked for here too */
		exit(0);
	}
	close(pair[1]);
	peer->sync = pair[0];
	remember(0, peer->pid);
}

void peer_start_exec(struct peer *peer, const char *run)
{
	char number[16];
	pid_t parent = getpid();
	int pair[2];

	sys(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	fflush(NULL);
	peer->pid = (pid_t)sys(fork());
	if (!peer->pid) {
		become_child(parent);
		sys(fcntl(pair[1], F_SETFD, 0));
		snprintf(number, sizeof(number), "%d", pair[1]);
		execl("/proc/self/exe", "peer", "--peer", run, number, NULL);
		test_fail(__FILE__, __LINE__, "exec: %s", strerror(errno));
	}
	close(pair[1]);
	peer->sync = pair[0];
	remember(0, peer->pid);
}

int test_run_exec(const struct peer_function *functions, const char *name,
		  int sync)
{
	test_in_child = true;
	test_arm_alarm();
	for (; functions && functions->name; functions++) {
		if (!strcmp(functions->name, name)) {
			functions->run(sync, NULL);
			return 0;
		}
	}
	test_fail(__FILE__, __LINE__, "no function %s", name);
}

int peer_wait(struct peer *peer)
{
	uint64_t limit = test_now_ns() + (uint64_t)test_ms(30000) * 1000000u;
	int status;
	pid_t got;

	check(peer->pid > 0);
	for (;;) {
		got = (pid_t)sys(waitpid(peer->pid, &status, WNOHANG));
		if (got == peer->pid)
			break;
		check_msg(test_now_ns() < limit, "process %d does not end",
			  (int)peer->pid);
		usleep(500);
	}
	remember(peer->pid, 0);
	close(peer->sync);
	peer->pid = 0;
	peer->sync = -1;
	return status;
}

const char *peer_fate(struct peer *peer)
{
	static char text[80];
	int status;

	kill(peer->pid, SIGALRM);
	status = peer_wait(peer);
	if (WIFSIGNALED(status))
		snprintf(text, sizeof(text), "died of signal %d",
			 WTERMSIG(status));
	else
		snprintf(text, sizeof(text), "hung or failed a check (%d)",
			 WEXITSTATUS(status));
	return text;
}

void peer_join(struct peer *peer)
{
	int status = peer_wait(peer);

	check_msg(!WIFSIGNALED(status), "the other process died of signal %d",
		  WTERMSIG(status));
	check_msg(WIFEXITED(status) && !WEXITSTATUS(status),
		  "the other process failed with %d", WEXITSTATUS(status));
}

void peer_join_signalled(struct peer *peer, int signal_number)
{
	int status = peer_wait(peer);

	check_msg(WIFSIGNALED(status) && WTERMSIG(status) == signal_number,
		  "the other process ended with status 0x%x, not signal %d",
		  status, signal_number);
}

void peer_kill(struct peer *peer)
{
	sys(kill(peer->pid, SIGKILL));
	peer_join_signalled(peer, SIGKILL);
}

void sync_put(int sync, uint64_t number)
{
	check(send(sync, &number, sizeof(number), MSG_NOSIGNAL) ==
	      sizeof(number));
}

bool sync_poll(int sync, int milliseconds)
{
	struct pollfd poller = { .fd = sync, .events = POLLIN };

	return sys(poll(&poller, 1, milliseconds)) > 0;
}

bool sync_try(int sync, int milliseconds, uint64_t *number)
{
	return sync_poll(sync, milliseconds) &&
	       recv(sync, number, sizeof(*number), MSG_WAITALL) ==
	       sizeof(*number);
}

uint64_t sync_get(int sync)
{
	uint64_t number;
	ssize_t got;

	check_msg(sync_poll(sync, test_ms(20000)),
		  "the other process says nothing");
	got = recv(sync, &number, sizeof(number), MSG_WAITALL);
	check_msg(got == sizeof(number), "the other process is gone");
	return number;
}

/* A session with one channel */

struct far_start {
	const struct flowipc_channel_opts *opts;
	far_side run;
	void *arg;
};

void link_connect(struct link *far, const struct flowipc_channel_opts *opts)
{
	far->server = NULL;
	ok(flowipc_connect("t", NULL, test_ms(10000), &far->session));
	ok(flowipc_channel_open(far->session, opts, test_ms(10000),
				&far->channel));
}

static void far_main(int sync, void *arg)
{
	const struct far_start *start = arg;
	struct link far = { .sync = sync };

	link_connect(&far, start->opts);
	start->run(&far, start->arg);
	link_close(&far);
}

void link_start(struct link *near, const struct flowipc_channel_opts *near_opts,
		const struct flowipc_channel_opts *far_opts, far_side run,
		void *arg)
{
	struct far_start start = { far_opts, run, arg };

	memset(near, 0, sizeof(*near));
	ok(flowipc_listen("t", NULL, &near->server));
	peer_start(&near->peer, far_main, &start);
	near->sync = near->peer.sync;
	ok(flowipc_accept(near->server, test_ms(10000), &near->session));
	ok(flowipc_channel_accept(near->session, near_opts, test_ms(10000),
				  &near->channel));
}

void link_close(struct link *side)
{
	flowipc_channel_close(side->channel);
	flowipc_session_close(side->session);
	flowipc_server_close(side->server);
	side->channel = NULL;
	side->session = NULL;
	side->server = NULL;
}

void link_drop(struct link *near)
{
	link_close(near);
	peer_wait(&near->peer);
}

void link_stop(struct link *near)
{
	link_close(near);
	peer_join(&near->peer);
}

/* One word and its echo */

void test_serve_one(struct flowipc_server *server, uint64_t wanted)
{
	struct flowipc_session *session;
	struct flowipc_channel *channel;
	uint64_t number = 0;

	ok(flowipc_accept(server, test_ms(10000), &session));
	ok(flowipc_channel_accept(session, NULL, test_ms(10000), &channel));
	gives(flowipc_receive(channel, &number, sizeof(number),
			      test_ms(10000)), sizeof(number));
	gives(number, wanted);
	gives(flowipc_send(channel, &number, sizeof(number), test_ms(10000)),
	      0);
	gives(flowipc_receive(channel, &number, sizeof(number),
			      test_ms(10000)), -EPIPE);
	flowipc_channel_close(channel);
	flowipc_session_close(session);
}

void test_say(const char *name, uint64_t number)
{
	struct flowipc_session *session;
	struct flowipc_channel *channel;
	uint64_t echo = 0;

	ok(flowipc_connect(name, NULL, test_ms(10000), &session));
	ok(flowipc_channel_open(session, NULL, test_ms(10000), &channel));
	ok(flowipc_send(channel, &number, sizeof(number), test_ms(10000)));
	gives(flowipc_receive(channel, &echo, sizeof(echo), test_ms(10000)),
	      sizeof(echo));
	gives(echo, number);
	flowipc_channel_close(channel);
	flowipc_session_close(session);
}

void test_say_to(int sync, void *name)
{
	(void)sync;
	test_say(name, 42);
}

void test_session_start(struct link *near, void (*run)(int sync, void *arg),
			  void *arg)
{
	memset(near, 0, sizeof(*near));
	ok(flowipc_listen("t", NULL, &near->server));
	peer_start(&near->peer, run, arg);
	near->sync = near->peer.sync;
	ok(flowipc_accept(near->server, test_ms(10000), &near->session));
}

struct flowipc_session *test_session_connect(void)
{
	struct flowipc_session *session;

	ok(flowipc_connect("t", NULL, test_ms(10000), &session));
	return session;
}

void test_put(struct flowipc_channel *channel, uint64_t number)
{
	ok(flowipc_send(channel, &number, sizeof(number), test_ms(10000)));
}

uint64_t test_take(struct flowipc_channel *channel)
{
	uint64_t number;

	gives(flowipc_receive(channel, &number, sizeof(number),
			      test_ms(10000)), sizeof(number));
	return number;
}
