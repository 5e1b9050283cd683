// SPDX-License-Identifier: GPL-2.0-only
/*
 * Run a command in a sandbox whose kernel has no bpf(), or refuses it:
 *
 *	refuse ENOSYS|EPERM COMMAND [ARGUMENT...]
 */
#include <errno.h>
#include <error.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_bpf, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {
		.len = sizeof(filter) / sizeof(*filter),
		.filter = filter,
	};

	if (argc < 3)
		error(2, 0, "usage: refuse ENOSYS|EPERM COMMAND [ARGUMENT...]");
	filter[2].k |= strcmp(argv[1], "EPERM") ? ENOSYS : EPERM;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		error(77, errno, "seccomp");
	execvp(argv[2], argv + 2);
	error(127, errno, "%s", argv[2]);
	return 0;
}
