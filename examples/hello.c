// SPDX-License-Identifier: MIT
/* Starts both halves of the hello example, which lie beside this program. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t start(const char *half)
{
	char path[PATH_MAX + 32];
	ssize_t length;
	pid_t child;

	length = readlink("/proc/self/exe", path, PATH_MAX);
	if (length < 0) {
		perror("hello: cannot find myself");
		return -1;
	}
	path[length] = '\0';
	snprintf(strrchr(path, '/') + 1, 32, "%s", half);

	child = fork();
	if (child)
		return child;
	execl(path, half, (char *)NULL);
	perror(path);
	_exit(1);
}

static int outcome(pid_t child)
{
	int status;

	return child < 0 || waitpid(child, &status, 0) < 0 || status;
}

int main(void)
{
	/* In any order: the client waits for the server to be there. */
	pid_t client = start("hello-client");
	pid_t server = start("hello-server");

	return outcome(client) | outcome(server);
}
