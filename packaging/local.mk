# SPDX-License-Identifier: MIT
#
# Where these go is in configure.ac.

if INSTALL_UDEV
dist_udevrules_DATA = packaging/udev/60-flowipc.rules
else
EXTRA_DIST += packaging/udev/60-flowipc.rules
endif

dist_sysusers_DATA = packaging/sysusers.d/flowipc.conf
dist_tmpfiles_DATA = packaging/tmpfiles.d/flowipc.conf
dist_modprobe_DATA = packaging/modprobe.d/flowipc.conf
dist_modulesload_DATA = packaging/modules-load.d/flowipc.conf

EXTRA_DIST += packaging/debian-packages
