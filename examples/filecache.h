/* SPDX-License-Identifier: MIT */
/*
 * filecache: a server that keeps files in its memory, and a client that asks
 * for them by name and reads them there.
 *
 * A request is a message of type FILECACHE_GET whose bytes are the name of a
 * file. The reply is one message: of type FILECACHE_OK, its bytes being those
 * of the file, or of the type of the error, its bytes being a line about it.
 */
#ifndef FILECACHE_H
#define FILECACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <flowipc/flowipc.h>

#define MAX_FILES     64
#define MAX_NAME      4096
#define DEFAULT_NAME  "filecache"

enum filecache_request {
	FILECACHE_GET = 1, /* a file */
	FILECACHE_SOCKET = 2, /* address of the socket we are compared with */
};

enum filecache_reply {
	FILECACHE_OK = 0,
	FILECACHE_NO_SUCH_FILE,
	FILECACHE_TOO_LARGE,
	FILECACHE_BAD_REQUEST,
	FILECACHE_FAILED,
};

/* A file on disk, open for reading. */
struct file {
	char *name; /* what it is asked for by */
	int fd;
	uint64_t size;
};

struct file_list {
	struct file files[MAX_FILES];
	size_t count;
};

struct options {
	const char *name; /* of the server */
	enum flowipc_backend backend;
	uint64_t max_message; /* 0: the library's default */
	uint64_t requests;
	double socket_seconds; /* for each file over the socket */
	int timeout_ms;
	bool json, check;
	const char *directory; /* where the demonstration makes its files */
	uint64_t big_size;
	int cpus[2]; /* for server and client over flowipc; -1: any */
	const char *remark; /* what is to be said below the table, or NULL */
};

/* filecache.c: one line on stderr; die() then exits with status 1. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void die(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

/* Keep the calling thread on one processor. */
void run_on(int cpu);

/* Start both sides, on files of this machine. */
int demonstrate(struct options *options);

/* What went wrong in a call of flowipc; timeouts leave no line behind. */
const char *flowipc_why(int error);

/* filecache-files.c */
void file_open(struct file_list *list, const char *path);
void file_drop_last(struct file_list *list);
void file_read(const struct file *file, void *buffer, size_t size,
	       uint64_t offset);
const struct file *file_find(const struct file_list *list, const char *name,
			     size_t length);

/* filecache-make.c: files for the demonstration. */
void machine_files(struct file_list *list, char *remark, size_t room);
void made_file(struct file_list *list, const struct file_list *sources,
	       const char *directory, uint64_t size);
void check_room(const char *directory, uint64_t disk, uint64_t memory);
void check_memory(const char *what, uint64_t bytes, const char *advice);

/* filecache-server.c */
void server_run(const struct options *options, const struct file_list *list);

/* filecache-client.c */
int client_run(const struct options *options, const struct file_list *list);

/* filecache-socket.c: the same service over a Unix stream socket. */
struct socket_file {
	const char *name;
	const void *data;
	uint64_t size;
};

int socket_listen(char *address, size_t *length);
void socket_accept(int listener, const struct socket_file *files, size_t count);
int socket_connect(const void *address, size_t length, int timeout_ms);
/* Reads the whole file into @buffer, which holds @size bytes. */
void socket_get(int fd, const char *name, void *buffer, uint64_t size);

/* filecache-report.c */
struct timing {
	uint64_t count, p50, p99, max; /* nanoseconds */
};

struct measured {
	const struct file *file;
	uint64_t hash;
	uint64_t first; /* the first request, which maps the file */
	struct timing flowipc, socket; /* socket.count == 0: not measured */
};

void timing_of(uint64_t *samples, uint64_t count, struct timing *timing);
/* 1 when it was asked to check and the check failed, else 0. */
int report(const struct options *options, enum flowipc_backend backend,
	   const struct measured *measured, size_t count);
/* "1 GiB", "1.8 MiB": into one of a few buffers, used in turn. */
const char *size_text(uint64_t bytes);

static inline uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

#endif
