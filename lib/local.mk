# SPDX-License-Identifier: MIT

lib_LTLIBRARIES += lib/libflowipc.la

flowipcincludedir = $(includedir)/flowipc
flowipcinclude_HEADERS = \
	lib/include/flowipc/backend.h \
	lib/include/flowipc/call.h \
	lib/include/flowipc/channel.h \
	lib/include/flowipc/common.h \
	lib/include/flowipc/flowipc.h \
	lib/include/flowipc/message.h \
	lib/include/flowipc/offer.h \
	lib/include/flowipc/region.h \
	lib/include/flowipc/session.h \
	lib/include/flowipc/topic.h

lib_libflowipc_la_SOURCES = \
	lib/backend-device.c \
	lib/backend-memfd.c \
	lib/backend.c \
	lib/backend.h \
	lib/call.c \
	lib/call.h \
	lib/channel.c \
	lib/channel.h \
	lib/chunk.c \
	lib/chunk.h \
	lib/clock.h \
	lib/connect.c \
	lib/control.c \
	lib/control.h \
	lib/copy.c \
	lib/courier.c \
	lib/courier.h \
	lib/crowd.c \
	lib/crowd.h \
	lib/drop.c \
	lib/error.c \
	lib/error.h \
	lib/fds.c \
	lib/fence.c \
	lib/fence.h \
	lib/guest.c \
	lib/guest.h \
	lib/lane.c \
	lib/lane.h \
	lib/lend.c \
	lib/listener.c \
	lib/listener.h \
	lib/loan.c \
	lib/message.c \
	lib/name.c \
	lib/name.h \
	lib/offer.c \
	lib/open.c \
	lib/opening.h \
	lib/options.c \
	lib/options.h \
	lib/outbox.c \
	lib/outbox.h \
	lib/packet.c \
	lib/packet.h \
	lib/payload.c \
	lib/payload.h \
	lib/pile.c \
	lib/policy.c \
	lib/policy.h \
	lib/pieces.c \
	lib/private.c \
	lib/probes.c \
	lib/probes.h \
	lib/process.c \
	lib/process.h \
	lib/publication.c \
	lib/receive.c \
	lib/region.c \
	lib/region.h \
	lib/seal.c \
	lib/send.c \
	lib/server.c \
	lib/session.c \
	lib/session.h \
	lib/topic.c \
	lib/topic.h \
	lib/view.c \
	lib/watch.c \
	lib/watch.h
lib_libflowipc_la_CFLAGS = $(AM_CFLAGS) -fvisibility=hidden
lib_libflowipc_la_LDFLAGS = $(AM_LDFLAGS) -version-info 0:0:0 -no-undefined \
	-Wl,--version-script=$(srcdir)/lib/libflowipc.map
lib_libflowipc_la_DEPENDENCIES = lib/libflowipc.map
lib_libflowipc_la_LIBADD = -lpthread
EXTRA_DIST += lib/libflowipc.map

pkgconfig_DATA += lib/libflowipc.pc
