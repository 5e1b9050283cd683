/* SPDX-License-Identifier: MIT */
/* Where the socket of a service is. */
#ifndef FLOWIPC_LIB_NAME_H
#define FLOWIPC_LIB_NAME_H

#include <stdbool.h>
#include <sys/un.h>

#include <flowipc/session.h>

/*
 * The address for @name. With @create its folder is made, if it is one of ours
 * and missing. -EINVAL; -ENAMETOOLONG; -EACCES the folder belongs to another.
 */
int flowipc__name_resolve(const char *name, enum flowipc_policy policy,
			  bool create, struct sockaddr_un *address);

#endif
