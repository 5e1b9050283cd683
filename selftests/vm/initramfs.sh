# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared with run
#
# The VM's root file system, sourced by run: busybox, init, and the command and
# files asked for with the libraries they are linked with, each at the path it
# has on the host. It is staged as symbolic links, which cpio follows: nothing
# is copied twice.
#
# Uses $work, die() and fail(); sets library_path.

library_path=

# One shell word, whatever is in it.
quote()
{
	printf "'%s'" "${1//\'/\'\\\'\'}"
}

# In the guest /bin, /sbin and /lib* are links into /usr, as on Debian: a
# directory of that name in the archive would replace the link.
guest_path()
{
	local path
	path=$(realpath -ms "$1")
	case $path in
	/bin/* | /sbin/* | /lib/* | /lib32/* | /lib64/* | /libx32/*)
		path=/usr$path
		;;
	esac
	printf '%s' "$path"
}

stage()
{
	local source=$1 dest
	dest=$work/root$(guest_path "$2")
	mkdir -p "${dest%/*}"
	ln -sfn "$(realpath "$source")" "$dest"
}

# libtool leaves a shell script where the program will be, and the program in
# .libs: prints the program behind such a script, else the path as it is.
libtool_real()
{
	local dir real
	if [ "$(head -c 2 "$1" | tr -d '\0')" = '#!' ] &&
	   head -c 500 "$1" | grep -q 'temporary wrapper script'; then
		dir=$(dirname "$1")/.libs
		for real in "$dir/lt-$(basename "$1")" "$dir/$(basename "$1")"; do
			if [ -x "$real" ]; then
				printf '%s' "$real"
				return
			fi
		done
		die "$1 is a libtool wrapper but $dir has no program for it"
	fi
	printf '%s' "$1"
}

# The directories such a script would put into LD_LIBRARY_PATH.
libtool_path()
{
	# shellcheck disable=SC2016 # the script's own variable
	sed -n 's/^ *LD_LIBRARY_PATH="\(.*\):\$LD_LIBRARY_PATH"$/\1/p' "$1" |
		head -n 1
}

stage_libraries()
{
	local lib missing list
	list=$(LD_LIBRARY_PATH=$library_path ldd "$1" 2>/dev/null) || return 0
	missing=$(sed -n 's/^[[:space:]]*\(.*\) => not found$/\1/p' <<<"$list" |
		head -n 1)
	[ -z "$missing" ] || die "$1 needs $missing, which is not found"
	sed -n -e 's/^.* => \(\/.*\) (0x.*)$/\1/p' \
		-e 's/^[[:space:]]*\(\/.*\) (0x.*)$/\1/p' <<<"$list" |
	while read -r lib; do
		[ -e "$work/root$(guest_path "$lib")" ] || stage "$lib" "$lib"
	done
}

# A script needs its interpreter; sh and what else busybox has is there.
stage_interpreter()
{
	local program word
	read -r program word <<<"$(head -n 1 "$1" | tr -d '\0' | sed 's/^#! *//')"
	if [ "$program" = /usr/bin/env ]; then
		program=$(command -v "${word%% *}") || return 0
	fi
	if busybox --list | grep -qx "$(basename "$program")" ||
	   [ ! -x "$program" ]; then
		return
	fi
	stage "$program" "$program"
	stage_libraries "$program"
}

stage_dependencies()
{
	case $(head -c 4 "$1" | tr -d '\0') in
	$'\x7fELF') stage_libraries "$1" ;;
	'#!'*) stage_interpreter "$1" ;;
	esac
}

# Stages file or directory $1 as $2 of the guest, with all it needs.
stage_with_dependencies()
{
	local source=$1 dest=$2 real dirs file
	if [ -d "$source" ]; then
		stage "$source" "$dest"
		find -L "$source" -type f -perm /111 >"$work/list"
		while read -r file; do
			stage_dependencies "$file"
		done <"$work/list"
		return
	fi
	real=$(libtool_real "$source") || exit
	if [ "$real" != "$source" ]; then
		dirs=$(libtool_path "$source")
		library_path=${dirs:+$dirs${library_path:+:}}$library_path
	fi
	stage "$real" "$dest"
	stage_dependencies "$real"
}

# Busybox, init, users and the links a merged /usr has.
stage_base()
{
	local root=$work/root busybox
	busybox=$(command -v busybox)
	mkdir -p "$root"/{usr/bin,usr/sbin,usr/lib,usr/lib64,etc,root,vm,var/tmp}
	cp "$busybox" "$root/usr/bin/busybox"
	cp "$vm_source/init" "$root/init"
	chmod 755 "$root/init" "$root/usr/bin/busybox"
	cat >"$root/etc/passwd" <<-EOF
		root:x:0:0:root:/root:/bin/sh
		alice:x:1000:1000:alice:/tmp:/bin/sh
		bob:x:1001:1001:bob:/tmp:/bin/sh
		nobody:x:65534:65534:nobody:/:/bin/sh
	EOF
	cat >"$root/etc/group" <<-EOF
		root:x:0:
		tty:x:5:
		flowipc:x:900:alice
		alice:x:1000:
		bob:x:1001:
		nogroup:x:65534:
	EOF
	echo '127.0.0.1 localhost flowipc-vm' >"$root/etc/hosts"
}

# Writes the archive to $1. The links of the merged /usr go in first, by an
# archive of their own, since all other links are followed; the kernel accepts
# one archive after the other.
initramfs_pack()
{
	local dir name links=$work/links
	mkdir -p "$links"
	for name in bin sbin lib lib64; do
		mkdir -p "$links/usr/$name"
		ln -s "usr/$name" "$links/$name"
	done
	: >"$1"
	for dir in "$links" "$work/root"; do
		if [ "$dir" = "$links" ]; then
			(cd "$dir" && find . -print0 |
				cpio -o -H newc -0 --quiet -R +0:+0)
		else
			(cd "$dir" && find -L . -print0 |
				cpio -o -H newc -0 --quiet -R +0:+0 -L)
		fi >>"$1" || die "cannot write the initramfs"
	done
}
