#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Usage: probe.sh COMPILER FLAG...
#
# Asks the headers of the kernel what its interfaces look like, by compiling one
# line of code for each question, and prints the answers as the C header that
# compat.h includes. A version number would lie where a distribution has taken
# an interface from a later kernel into an earlier one.
#
# Called by Kbuild, with the flags which the module is compiled with.

set -u
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
compiler=$1
shift

# compiles HEADER STATEMENT COMPILER-FLAG...
compiles()
{
	header=$1
	statement=$2
	shift 2
	printf '#include <%s>\nvoid probe(void);\nvoid probe(void) { %s; }\n' \
		"$header" "$statement" |
		"$compiler" "$@" -Wno-error -Wno-unused \
			-Werror=implicit-function-declaration \
			-Werror=incompatible-pointer-types \
			-fsyntax-only -x c - >"$dir/log" 2>&1
}

# have NAME HEADER STATEMENT: defines COMPAT_HAVE_NAME if that compiles
have()
{
	echo "$1|$2|$3" >>"$dir/questions"
}

have VM_FLAGS_SET linux/mm.h \
	'vm_flags_set((struct vm_area_struct *)0, 0)'
have SIMPLE_INODE_INIT_TS linux/fs.h \
	'simple_inode_init_ts((struct inode *)0)'
have GET_FILE_RCU_OF_POINTER linux/fs.h \
	'get_file_rcu((struct file __rcu **)0)'
have EVENTFD_SIGNAL_OF_ONE linux/eventfd.h \
	'eventfd_signal((struct eventfd_ctx *)0)'

# A compiler that accepts all or nothing, for want of a header or by a flag,
# must not pass for an answer.
if ! compiles linux/fs.h 'get_file((struct file *)0)' "$@"; then
	cat "$dir/log" >&2
	echo "probe.sh: $compiler cannot compile with the kernel's headers" >&2
	exit 1
fi
if compiles linux/fs.h 'flowipc_no_such_function()' "$@"; then
	echo "probe.sh: $compiler accepts what does not exist" >&2
	exit 1
fi

echo '/* Written by probe.sh. */'
while IFS='|' read -r name header statement; do
	if compiles "$header" "$statement" "$@"; then
		echo "#define COMPAT_HAVE_$name"
	fi
done <"$dir/questions"
