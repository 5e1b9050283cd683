// SPDX-License-Identifier: MIT
/* Which back end runs, what it promises, and errors in words. */
#include "harness.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <linux/flowipc.h>

#define ALL_GUARANTEES							\
	(FLOWIPC_HAS_READ_ONLY | FLOWIPC_HAS_BOUND_GRANTS |		\
	 FLOWIPC_HAS_REVOKE | FLOWIPC_HAS_RESIDENT | FLOWIPC_HAS_HANGUP |	\
	 FLOWIPC_HAS_SEAL)

/* Changes of the environment are for the length of a child only. */
static void in_child(void (*run)(int sync, void *arg), void *arg)
{
	struct peer peer;

	peer_start(&peer, run, arg);
	peer_join(&peer);
}

static bool device_usable(void)
{
	enum flowipc_backend backend;

	return !flowipc_backend_find(FLOWIPC_BACKEND_DEVICE, &backend);
}

static void names(void **state)
{
	(void)state;
	check(!strcmp(flowipc_backend_name(FLOWIPC_BACKEND_AUTO), "auto"));
	check(!strcmp(flowipc_backend_name(FLOWIPC_BACKEND_DEVICE), "device"));
	check(!strcmp(flowipc_backend_name(FLOWIPC_BACKEND_MEMFD), "memfd"));
	check(!strcmp(flowipc_backend_name((enum flowipc_backend)3),
		      "unknown"));
	check(!strcmp(flowipc_backend_name((enum flowipc_backend)-1),
		      "unknown"));
}

static void memfd_is_always_there(void **state)
{
	enum flowipc_backend backend = FLOWIPC_BACKEND_AUTO;
	uint64_t features = flowipc_features(FLOWIPC_BACKEND_MEMFD);

	(void)state;
	ok(flowipc_backend_find(FLOWIPC_BACKEND_MEMFD, &backend));
	gives(backend, FLOWIPC_BACKEND_MEMFD);
	check(features & FLOWIPC_HAS_READ_ONLY);
	check(features & FLOWIPC_HAS_HANGUP);
	check(!(features & (FLOWIPC_HAS_BOUND_GRANTS | FLOWIPC_HAS_REVOKE |
			    FLOWIPC_HAS_RESIDENT | FLOWIPC_HAS_SEAL)));
	check(!(features & ~(uint64_t)ALL_GUARANTEES));
}

static void device_is_there_or_says_why_not(void **state)
{
	enum flowipc_backend backend = FLOWIPC_BACKEND_AUTO;

	(void)state;
	if (device_usable()) {
		ok(flowipc_backend_find(FLOWIPC_BACKEND_DEVICE, &backend));
		gives(backend, FLOWIPC_BACKEND_DEVICE);
		gives(flowipc_features(FLOWIPC_BACKEND_DEVICE),
		      ALL_GUARANTEES);
		return;
	}
	gives_one_of(flowipc_backend_find(FLOWIPC_BACKEND_DEVICE, &backend),
		     -ENODEV, -EACCES, -ENOEXEC);
	gives(backend, FLOWIPC_BACKEND_AUTO);
	test_last_error_has("/dev/flowipc");
	gives(flowipc_features(FLOWIPC_BACKEND_DEVICE), 0);
}

static void no_environment(int sync, void *arg)
{
	enum flowipc_backend backend;

	(void)sync;
	(void)arg;
	unsetenv("FLOWIPC_BACKEND");
	ok(flowipc_backend_find(FLOWIPC_BACKEND_AUTO, &backend));
	gives(backend, device_usable() ? FLOWIPC_BACKEND_DEVICE :
					 FLOWIPC_BACKEND_MEMFD);
	setenv("FLOWIPC_BACKEND", "auto", 1);
	ok(flowipc_backend_find(FLOWIPC_BACKEND_AUTO, &backend));
	gives(backend, device_usable() ? FLOWIPC_BACKEND_DEVICE :
					 FLOWIPC_BACKEND_MEMFD);
	gives(flowipc_features(FLOWIPC_BACKEND_AUTO),
	      flowipc_features(backend));
}

static void auto_takes_the_device_if_it_can(void **state)
{
	(void)state;
	in_child(no_environment, NULL);
}

static void memfd_environment(int sync, void *arg)
{
	enum flowipc_backend backend;
	struct flowipc_region *region;

	(void)sync;
	(void)arg;
	setenv("FLOWIPC_BACKEND", "memfd", 1);
	ok(flowipc_backend_find(FLOWIPC_BACKEND_AUTO, &backend));
	gives(backend, FLOWIPC_BACKEND_MEMFD);
	gives(flowipc_features(FLOWIPC_BACKEND_AUTO),
	      flowipc_features(FLOWIPC_BACKEND_MEMFD));
	ok(flowipc_region_create(1, NULL, &region));
	gives(flowipc_region_backend(region), FLOWIPC_BACKEND_MEMFD);
	flowipc_region_destroy(region);
}

static void device_environment(int sync, void *arg)
{
	enum flowipc_backend backend;
	struct flowipc_region *region = NULL;
	int found;

	(void)sync;
	(void)arg;
	found = flowipc_backend_find(FLOWIPC_BACKEND_DEVICE, &backend);
	setenv("FLOWIPC_BACKEND", "device", 1);
	/* What was asked for is not replaced by something weaker. */
	gives(flowipc_backend_find(FLOWIPC_BACKEND_AUTO, &backend), found);
	gives(flowipc_region_create(1, NULL, &region), found);
	if (found) {
		check(!region);
		gives(flowipc_features(FLOWIPC_BACKEND_AUTO), 0);
	} else {
		gives(flowipc_region_backend(region), FLOWIPC_BACKEND_DEVICE);
		flowipc_region_destroy(region);
	}
	/* What the program asks for goes before the environment. */
	ok(flowipc_region_create(1, FLOWIPC_OPTS(region,
			.backend = FLOWIPC_BACKEND_MEMFD), &region));
	gives(flowipc_region_backend(region), FLOWIPC_BACKEND_MEMFD);
	flowipc_region_destroy(region);
}

static void environment_forces(void **state)
{
	(void)state;
	in_child(memfd_environment, NULL);
	in_child(device_environment, NULL);
}

static void bad_environment(int sync, void *arg)
{
	static const char *const values[] = {
		"floppy", "MEMFD", "memfd ", "dev", "device,memfd", "2",
	};
	enum flowipc_backend backend = FLOWIPC_BACKEND_AUTO;
	struct flowipc_region *region = NULL;
	struct flowipc_server *server = NULL;
	size_t i;

	(void)sync;
	(void)arg;
	for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		setenv("FLOWIPC_BACKEND", values[i], 1);
		gives(flowipc_backend_find(FLOWIPC_BACKEND_AUTO, &backend),
		      -EINVAL);
		gives(backend, FLOWIPC_BACKEND_AUTO);
		test_last_error_has(values[i]);
		test_last_error_has("FLOWIPC_BACKEND");
		gives(flowipc_region_create(1, NULL, &region), -EINVAL);
		check(!region);
		gives(flowipc_listen("t", NULL, &server), -EINVAL);
		check(!server);
		gives(flowipc_features(FLOWIPC_BACKEND_AUTO), 0);
	}
}

static void bad_values(void **state)
{
	enum flowipc_backend backend = FLOWIPC_BACKEND_MEMFD;

	(void)state;
	gives(flowipc_backend_find((enum flowipc_backend)3, &backend),
	      -EINVAL);
	gives(flowipc_backend_find((enum flowipc_backend)-1, &backend),
	      -EINVAL);
	gives(backend, FLOWIPC_BACKEND_MEMFD);
	gives(flowipc_features((enum flowipc_backend)3), 0);
	in_child(bad_environment, NULL);
}

/* What stands at /dev/flowipc, in a private copy of the file system. */
enum impostor { NOTHING, FORBIDDEN, NULL_DEVICE, PLAIN_FILE };

static void impostor_main(int sync, void *arg)
{
	enum impostor kind = *(enum impostor *)arg;
	enum flowipc_backend backend = FLOWIPC_BACKEND_AUTO;

	unsetenv("FLOWIPC_BACKEND");
	if (unshare(CLONE_NEWNS) ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("dev", "/dev", "tmpfs", 0, "mode=0755")) {
		sync_put(sync, 0);
		return;
	}
	umask(0);
	if (kind == FORBIDDEN || kind == PLAIN_FILE)
		close((int)sys(open("/dev/flowipc", O_CREAT | O_WRONLY |
				    O_CLOEXEC, kind == FORBIDDEN ? 0 : 0666)));
	if (kind == NULL_DEVICE &&
	    mknod("/dev/flowipc", S_IFCHR | 0666, makedev(1, 3))) {
		sync_put(sync, 0);
		return;
	}
	sys(setgroups(0, NULL));
	sys(setgid(65534));
	sys(setuid(65534));
	switch (kind) {
	case NOTHING:
		gives(flowipc_backend_find(FLOWIPC_BACKEND_DEVICE, &backend),
		      -ENODEV);
		break;
	case FORBIDDEN:
		gives(flowipc_backend_find(FLOWIPC_BACKEND_DEVICE, &backend),
		      -EACCES);
		test_last_error_has("ermission");
		break;
	default:
		gives_one_of(flowipc_backend_find(FLOWIPC_BACKEND_DEVICE,
						  &backend),
			     -ENODEV, -ENOEXEC);
	}
	test_last_error_has("/dev/flowipc");
	gives(flowipc_features(FLOWIPC_BACKEND_DEVICE), 0);
	/* and AUTO goes on without it */
	ok(flowipc_backend_find(FLOWIPC_BACKEND_AUTO, &backend));
	gives(backend, FLOWIPC_BACKEND_MEMFD);
	sync_put(sync, 1);
}

static void wrong_things_in_place_of_the_device(void **state)
{
	enum impostor kind;
	struct peer peer;
	uint64_t done = 0;

	(void)state;
	if (!test_is_root()) {
		print_message("not root: cannot mount\n");
		skip();
	}
	for (kind = NOTHING; kind <= PLAIN_FILE; kind++) {
		peer_start(&peer, impostor_main, &kind);
		done += sync_get(peer.sync);
		peer_join(&peer);
	}
	if (!done) {
		print_message("no permission to mount\n");
		skip();
	}
}

static void version(void **state)
{
	char wanted[32];

	(void)state;
	snprintf(wanted, sizeof(wanted), "%d.%d.%d", FLOWIPC_VERSION_MAJOR,
		 FLOWIPC_VERSION_MINOR, FLOWIPC_VERSION_PATCH);
	check(!strcmp(flowipc_version(), wanted));
}

static void errors_in_words(void **state)
{
	static const int errors[] = {
		EINVAL, ENOMEM, EMFILE, EDQUOT, EPIPE, EPROTO, EOPNOTSUPP,
		EAGAIN, ETIMEDOUT, EMSGSIZE, EACCES, ENODEV, ENOEXEC, ENOSYS,
		E2BIG, EADDRINUSE, ENOENT, ECONNREFUSED, EPROTONOSUPPORT,
		ENAMETOOLONG, EFBIG, ENOSPC, EINTR,
	};
	const char *text;
	size_t i, j;

	(void)state;
	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		text = flowipc_strerror(-errors[i]);
		check_msg(text && *text && strcmp(text, "unknown error"),
			  "no words for %d", errors[i]);
		check(!strcmp(text, flowipc_strerror(errors[i])));
		for (j = 0; j < i; j++)
			check_msg(strcmp(text, flowipc_strerror(errors[j])),
				  "the same words for %d and %d", errors[i],
				  errors[j]);
	}
	check(!strcmp(flowipc_strerror(-100000), "unknown error"));
	check(!strcmp(flowipc_strerror(INT32_MIN), "unknown error"));
}

static void fail_in_thread(void *arg)
{
	struct flowipc_region *region;

	(void)arg;
	check(!*flowipc_last_error());
	gives(flowipc_region_create(0, NULL, &region), -EINVAL);
	check(*flowipc_last_error());
}

static void last_error_is_of_the_thread(void **state)
{
	enum flowipc_backend backend;
	struct flowipc_region *region;
	struct thread thread;
	char before[512];

	(void)state;
	gives(flowipc_backend_find((enum flowipc_backend)77, &backend),
	      -EINVAL);
	test_last_error_has("77");
	snprintf(before, sizeof(before), "%s", flowipc_last_error());
	thread_start(&thread, fail_in_thread, NULL);
	thread_join(&thread);
	/* neither another thread nor success changes it */
	ok(flowipc_region_create(1, NULL, &region));
	flowipc_region_destroy(region);
	check(!strcmp(before, flowipc_last_error()));
}

/* The same options in a structure of another library version. */
struct longer {
	struct flowipc_region_opts opts;
	uint64_t later;
};

static void options_of_other_versions(void **state)
{
	struct longer longer = { .opts = { .sz = sizeof(longer) } };
	struct flowipc_region_opts opts = { .sz = sizeof(size_t) };
	struct flowipc_region *region = NULL;

	(void)state;
	/* from before there was anything to choose; not read past its end */
	opts.backend = (enum flowipc_backend)99;
	ok(flowipc_region_create(1, &opts, &region));
	flowipc_region_destroy(region);
	/* newer, not using what is new */
	ok(flowipc_region_create(1, &longer.opts, &region));
	flowipc_region_destroy(region);
	region = NULL;
	longer.later = 1;
	gives(flowipc_region_create(1, &longer.opts, &region), -E2BIG);
	opts.sz = 0;
	gives(flowipc_region_create(1, &opts, &region), -EINVAL);
	opts.sz = sizeof(size_t) - 1;
	gives(flowipc_region_create(1, &opts, &region), -EINVAL);
	opts.sz = sizeof(opts);
	gives(flowipc_region_create(1, &opts, &region), -EINVAL);
	check(!region);
}

static const struct CMUnitTest tests[] = {
	TEST(names),
	TEST(memfd_is_always_there),
	TEST(device_is_there_or_says_why_not),
	TEST(auto_takes_the_device_if_it_can),
	TEST(environment_forces),
	TEST(bad_values),
	TEST(wrong_things_in_place_of_the_device),
	TEST(version),
	TEST(errors_in_words),
	TEST(last_error_is_of_the_thread),
	TEST(options_of_other_versions),
};

TEST_MAIN(tests, NULL)
