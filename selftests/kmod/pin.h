/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DOC: every way to reach memory past the page tables
 *
 * A table of attempts to make the kernel take a reference to the page at an
 * address, or to reach it from outside its process. All are of one form:
 * attempt(address) returns 0 when it could, or the errno.
 */
#ifndef PIN_H
#define PIN_H

#include <linux/errqueue.h>
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#include "objects.h"

/* "There is no such thing in this kernel": not a result. */
#define PIN_ABSENT	(-1)

struct pin_attempt {
	const char *name;
	int (*attempt)(void *address);
	/* Whether it is an attempt to write. */
	bool writes;
};

static inline int pin_result(long long result)
{
	return result == -1 ? errno : 0;
}

static inline int pin_vmsplice(void *address)
{
	struct iovec vector = { address, PAGE };
	int ends[2], error;

	if (pipe(ends))
		return errno;
	error = pin_result(vmsplice(ends[1], &vector, 1, 0));
	close(ends[0]);
	close(ends[1]);

	return error;
}

/* A RAM disk is the one device that does direct I/O in a bare VM. */
static inline int pin_direct(void *address, bool write)
{
	int disk = open("/dev/ram0", O_RDWR | O_DIRECT | O_CLOEXEC), error;

	if (disk == -1)
		return PIN_ABSENT;
	error = pin_result(write ? pread(disk, address, PAGE, 0) :
				   pwrite(disk, address, PAGE, 0));
	close(disk);

	return error;
}

static inline int pin_direct_out(void *address)
{
	return pin_direct(address, false);
}

static inline int pin_direct_in(void *address)
{
	return pin_direct(address, true);
}

static inline int pin_process_vm(void *address, bool write)
{
	char byte = 0;
	struct iovec here = { &byte, 1 }, there = { address, 1 };

	return pin_result(write ?
			  process_vm_writev(getpid(), &here, 1, &there, 1, 0) :
			  process_vm_readv(getpid(), &here, 1, &there, 1, 0));
}

static inline int pin_process_vm_readv(void *address)
{
	return pin_process_vm(address, false);
}

static inline int pin_process_vm_writev(void *address)
{
	return pin_process_vm(address, true);
}

static inline int pin_proc_mem(void *address, bool write)
{
	int memory = open("/proc/self/mem", O_RDWR | O_CLOEXEC), error;
	char byte = 0;

	if (memory == -1)
		return errno;
	error = pin_result(write ? pwrite(memory, &byte, 1, (off_t)(uintptr_t)address) :
				   pread(memory, &byte, 1, (off_t)(uintptr_t)address));
	close(memory);

	return error;
}

static inline int pin_proc_mem_read(void *address)
{
	return pin_proc_mem(address, false);
}

static inline int pin_proc_mem_write(void *address)
{
	return pin_proc_mem(address, true);
}

/* The tracer is a child of the traced, which waits in wait() meanwhile. */
static inline int pin_ptrace(void *address, bool write)
{
	pid_t parent = getpid(), tracer;
	int error = 0;

	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
	tracer = fork();
	if (tracer == -1)
		return errno;
	if (!tracer) {
		if (ptrace(PTRACE_ATTACH, parent, NULL, NULL) ||
		    waitpid(parent, NULL, __WALL) != parent)
			_exit(errno);
		errno = 0;
		if (write)
			ptrace(PTRACE_POKEDATA, parent, address, 0L);
		else
			ptrace(PTRACE_PEEKDATA, parent, address, NULL);
		error = errno;
		ptrace(PTRACE_DETACH, parent, NULL, NULL);
		_exit(error);
	}

	return reap(tracer);
}

static inline int pin_ptrace_peek(void *address)
{
	return pin_ptrace(address, false);
}

static inline int pin_ptrace_poke(void *address)
{
	return pin_ptrace(address, true);
}

/* The shared kind looks for the page, the private one only at the address. */
static inline int pin_futex(void *address)
{
	return pin_result(syscall(SYS_futex, address, FUTEX_WAKE, 1, NULL, NULL, 0));
}

static inline int pin_io_uring(void *address)
{
	struct io_uring_params params = {};
	struct iovec vector = { address, PAGE };
	int ring = syscall(SYS_io_uring_setup, 1, &params), error;

	if (ring == -1)
		return errno == ENOSYS ? PIN_ABSENT : errno;
	error = pin_result(syscall(SYS_io_uring_register, ring,
				   IORING_REGISTER_BUFFERS, &vector, 1));
	close(ring);

	return error;
}

static inline int pin_zerocopy(void *address)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(9),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int inet = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), error, on = 1;

	if (inet == -1 ||
	    setsockopt(inet, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof(on)))
		return PIN_ABSENT;
	error = pin_result(sendto(inet, address, PAGE, MSG_ZEROCOPY,
				  (struct sockaddr *)&to, sizeof(to)));
	close(inet);

	return error == ENETUNREACH ? PIN_ABSENT : error;
}

static const struct pin_attempt pin_attempts[] = {
	{ "vmsplice", pin_vmsplice, false },
	{ "write with O_DIRECT", pin_direct_out, false },
	{ "read with O_DIRECT", pin_direct_in, true },
	{ "process_vm_readv", pin_process_vm_readv, false },
	{ "process_vm_writev", pin_process_vm_writev, true },
	{ "/proc/self/mem read", pin_proc_mem_read, false },
	{ "/proc/self/mem write", pin_proc_mem_write, true },
	{ "ptrace peek", pin_ptrace_peek, false },
	{ "ptrace poke", pin_ptrace_poke, true },
	{ "shared futex", pin_futex, false },
	{ "io_uring fixed buffer", pin_io_uring, true },
	{ "MSG_ZEROCOPY", pin_zerocopy, false },
};

#endif /* PIN_H */
