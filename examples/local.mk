# SPDX-License-Identifier: MIT
noinst_PROGRAMS += \
	examples/epoll-loop \
	examples/fd-passing \
	examples/hello \
	examples/hello-client \
	examples/hello-server \
	examples/pubsub \
	examples/request-reply \
	examples/sealed-send

examples_epoll_loop_SOURCES = examples/epoll-loop.c
examples_epoll_loop_LDADD = lib/libflowipc.la
examples_fd_passing_SOURCES = examples/fd-passing.c
examples_fd_passing_LDADD = lib/libflowipc.la
examples_hello_SOURCES = examples/hello.c
examples_hello_client_SOURCES = examples/hello-client.c
examples_hello_client_LDADD = lib/libflowipc.la
examples_hello_server_SOURCES = examples/hello-server.c
examples_hello_server_LDADD = lib/libflowipc.la
examples_pubsub_SOURCES = examples/pubsub.c
examples_pubsub_LDADD = lib/libflowipc.la
examples_request_reply_SOURCES = examples/request-reply.c
examples_request_reply_CFLAGS = $(AM_CFLAGS) -pthread
examples_request_reply_LDADD = lib/libflowipc.la -lpthread
examples_sealed_send_SOURCES = examples/sealed-send.c
examples_sealed_send_LDADD = lib/libflowipc.la

if HAVE_LIBUV
noinst_PROGRAMS += examples/libuv-loop
examples_libuv_loop_SOURCES = examples/libuv-loop.c
examples_libuv_loop_CFLAGS = $(AM_CFLAGS) $(LIBUV_CFLAGS)
examples_libuv_loop_LDADD = lib/libflowipc.la $(LIBUV_LIBS)
else
EXTRA_DIST += examples/libuv-loop.c
endif

if HAVE_LIBURING
noinst_PROGRAMS += examples/uring-loop
examples_uring_loop_SOURCES = examples/uring-loop.c
examples_uring_loop_CFLAGS = $(AM_CFLAGS) $(LIBURING_CFLAGS)
examples_uring_loop_LDADD = lib/libflowipc.la $(LIBURING_LIBS)
else
EXTRA_DIST += examples/uring-loop.c
endif

filecache_sources = \
	examples/filecache.c \
	examples/filecache.h \
	examples/filecache-client.c \
	examples/filecache-files.c \
	examples/filecache-main.c \
	examples/filecache-make.c \
	examples/filecache-report.c \
	examples/filecache-server.c \
	examples/filecache-socket.c

if HAVE_XXHASH
noinst_PROGRAMS += examples/filecache
examples_filecache_SOURCES = $(filecache_sources)
examples_filecache_CFLAGS = $(AM_CFLAGS) $(XXHASH_CFLAGS) -pthread
examples_filecache_LDADD = lib/libflowipc.la $(XXHASH_LIBS) -lpthread
else
EXTRA_DIST += $(filecache_sources)
endif
