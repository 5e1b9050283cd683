#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Usage: btf.sh MODULE KERNEL-BUILD-DIRECTORY
#
# Gives a module its BTF, which names its tracepoints and their types to BPF
# programs (tp_btf), where kbuild could not: the headers of Linux 6.1 come
# without the vmlinux it wants. Before the module is stripped, as it is made
# from the debug information, and before it is signed.
#
# A module without BTF works too; what is missing is then said, and no error.

set -u
module=$1
build=$2

skip()
{
	echo "btf.sh: no BTF in ${module##*/}: $*"
	exit 0
}

has_btf()
{
	readelf -SW "$module" 2>/dev/null | grep -q ' \.BTF '
}

if has_btf; then
	exit 0
fi
pahole=${PAHOLE:-$(command -v pahole)}
[ -n "$pahole" ] || skip "pahole is not there, Debian package pahole"
readelf -SW "$module" | grep -q ' \.debug_info ' ||
	skip "built without debug information"

# That of the kernel which the module is for, and no other.
release=$(sed -n 's/^#define UTS_RELEASE "\(.*\)"$/\1/p' \
	"$build/include/generated/utsrelease.h" 2>/dev/null)
if [ -e "$build/vmlinux" ]; then
	base=$build/vmlinux
elif [ "$release" = "$(uname -r)" ] && [ -e /sys/kernel/btf/vmlinux ]; then
	base=/sys/kernel/btf/vmlinux
else
	skip "neither $build/vmlinux is there, nor does ${release:-that kernel} run"
fi

# The same as kbuild's own, where the headers tell them.
flags=
for script in "$build/scripts/pahole-flags.sh" \
	      "$build/source/scripts/pahole-flags.sh"; do
	if [ -e "$script" ]; then
		flags=$(PAHOLE=$pahole sh "$script")
		break
	fi
done
# shellcheck disable=SC2086 # words on purpose
said=$(LLVM_OBJCOPY=${OBJCOPY:-objcopy} "$pahole" -J ${flags:---btf_gen_floats} \
	--btf_base "$base" "$module" 2>&1)
has_btf || skip "pahole: ${said:-failed}"
