# SPDX-License-Identifier: MIT
# The library's tests: one program per behaviour. selftests/lib/run runs them
# without automake, e.g. in a virtual machine.
EXTRA_DIST += selftests/lib/run

if HAVE_CMOCKA
lib_tests = \
	selftests/lib/abi \
	selftests/lib/backend \
	selftests/lib/region \
	selftests/lib/withdrawn \
	selftests/lib/names \
	selftests/lib/activation \
	selftests/lib/session \
	selftests/lib/admission \
	selftests/lib/policy \
	selftests/lib/handshake \
	selftests/lib/end \
	selftests/lib/channel \
	selftests/lib/offer \
	selftests/lib/early \
	selftests/lib/watch \
	selftests/lib/pollable \
	selftests/lib/message \
	selftests/lib/memory \
	selftests/lib/descriptors \
	selftests/lib/pieces \
	selftests/lib/private \
	selftests/lib/sealed \
	selftests/lib/revoked \
	selftests/lib/flow \
	selftests/lib/waiting \
	selftests/lib/full \
	selftests/lib/disconnect \
	selftests/lib/crowd \
	selftests/lib/call \
	selftests/lib/replies \
	selftests/lib/unanswered \
	selftests/lib/ending \
	selftests/lib/batch \
	selftests/lib/topic \
	selftests/lib/subscribers \
	selftests/lib/forked \
	selftests/lib/stream \
	selftests/lib/death \
	selftests/lib/storm \
	selftests/lib/soak \
	selftests/lib/hostile \
	selftests/lib/scribble \
	selftests/lib/meddling

check_PROGRAMS += $(lib_tests)
TESTS += $(lib_tests)

check_LTLIBRARIES = selftests/lib/libharness.la
selftests_lib_libharness_la_SOURCES = \
	selftests/lib/harness.c \
	selftests/lib/harness-fault.c \
	selftests/lib/harness-message.c \
	selftests/lib/harness-peer.c \
	selftests/lib/harness.h \
	selftests/lib/harness-private.h
lib_tests_cflags = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -pthread
selftests_lib_libharness_la_CFLAGS = $(lib_tests_cflags)
lib_tests_libs = \
	selftests/lib/libharness.la \
	lib/libflowipc.la \
	$(CMOCKA_LIBS)

selftests_lib_abi_SOURCES = selftests/lib/abi.c
selftests_lib_abi_CFLAGS = $(lib_tests_cflags)
selftests_lib_abi_LDADD = $(CMOCKA_LIBS)

selftests_lib_backend_SOURCES = selftests/lib/backend.c
selftests_lib_backend_CFLAGS = $(lib_tests_cflags)
selftests_lib_backend_LDADD = $(lib_tests_libs)

selftests_lib_region_SOURCES = selftests/lib/region.c
selftests_lib_region_CFLAGS = $(lib_tests_cflags)
selftests_lib_region_LDADD = $(lib_tests_libs)

selftests_lib_session_SOURCES = selftests/lib/session.c
selftests_lib_session_CFLAGS = $(lib_tests_cflags)
selftests_lib_session_LDADD = $(lib_tests_libs)

selftests_lib_activation_SOURCES = \
	selftests/lib/activation.c \
	selftests/lib/raw.c \
	selftests/lib/raw.h
selftests_lib_activation_CFLAGS = $(lib_tests_cflags)
selftests_lib_activation_LDADD = $(lib_tests_libs)

selftests_lib_admission_SOURCES = \
	selftests/lib/admission.c \
	selftests/lib/raw.c \
	selftests/lib/raw.h
selftests_lib_admission_CFLAGS = $(lib_tests_cflags)
selftests_lib_admission_LDADD = $(lib_tests_libs)

selftests_lib_policy_SOURCES = \
	selftests/lib/policy.c \
	selftests/lib/raw.c \
	selftests/lib/raw.h
selftests_lib_policy_CFLAGS = $(lib_tests_cflags)
selftests_lib_policy_LDADD = $(lib_tests_libs)

selftests_lib_handshake_SOURCES = \
	selftests/lib/handshake.c \
	selftests/lib/raw.c \
	selftests/lib/raw.h
selftests_lib_handshake_CFLAGS = $(lib_tests_cflags)
selftests_lib_handshake_LDADD = $(lib_tests_libs)

selftests_lib_channel_SOURCES = selftests/lib/channel.c
selftests_lib_channel_CFLAGS = $(lib_tests_cflags)
selftests_lib_channel_LDADD = $(lib_tests_libs)

selftests_lib_offer_SOURCES = selftests/lib/offer.c
selftests_lib_offer_CFLAGS = $(lib_tests_cflags)
selftests_lib_offer_LDADD = $(lib_tests_libs)

selftests_lib_early_SOURCES = selftests/lib/early.c
selftests_lib_early_CFLAGS = $(lib_tests_cflags)
selftests_lib_early_LDADD = $(lib_tests_libs)

selftests_lib_end_SOURCES = \
	selftests/lib/end.c \
	selftests/lib/raw.c \
	selftests/lib/raw.h
selftests_lib_end_CFLAGS = $(lib_tests_cflags)
selftests_lib_end_LDADD = $(lib_tests_libs)

selftests_lib_watch_SOURCES = selftests/lib/watch.c
selftests_lib_watch_CFLAGS = $(lib_tests_cflags)
selftests_lib_watch_LDADD = $(lib_tests_libs)

selftests_lib_message_SOURCES = selftests/lib/message.c
selftests_lib_message_CFLAGS = $(lib_tests_cflags)
selftests_lib_message_LDADD = $(lib_tests_libs)

selftests_lib_memory_SOURCES = selftests/lib/memory.c
selftests_lib_memory_CFLAGS = $(lib_tests_cflags)
selftests_lib_memory_LDADD = $(lib_tests_libs)

selftests_lib_descriptors_SOURCES = selftests/lib/descriptors.c
selftests_lib_descriptors_CFLAGS = $(lib_tests_cflags)
selftests_lib_descriptors_LDADD = $(lib_tests_libs)

selftests_lib_pieces_SOURCES = selftests/lib/pieces.c
selftests_lib_pieces_CFLAGS = $(lib_tests_cflags)
selftests_lib_pieces_LDADD = $(lib_tests_libs)

selftests_lib_private_SOURCES = selftests/lib/private.c
selftests_lib_private_CFLAGS = $(lib_tests_cflags)
selftests_lib_private_LDADD = $(lib_tests_libs)

selftests_lib_withdrawn_SOURCES = selftests/lib/withdrawn.c
selftests_lib_withdrawn_CFLAGS = $(lib_tests_cflags)
selftests_lib_withdrawn_LDADD = $(lib_tests_libs)

selftests_lib_sealed_SOURCES = selftests/lib/sealed.c
selftests_lib_sealed_CFLAGS = $(lib_tests_cflags) -I$(top_srcdir)/lib
selftests_lib_sealed_LDADD = $(lib_tests_libs)

selftests_lib_revoked_SOURCES = selftests/lib/revoked.c
selftests_lib_revoked_CFLAGS = $(lib_tests_cflags)
selftests_lib_revoked_LDADD = $(lib_tests_libs)

selftests_lib_flow_SOURCES = selftests/lib/flow.c
selftests_lib_flow_CFLAGS = $(lib_tests_cflags)
selftests_lib_flow_LDADD = $(lib_tests_libs)

selftests_lib_waiting_SOURCES = selftests/lib/waiting.c
selftests_lib_waiting_CFLAGS = $(lib_tests_cflags)
selftests_lib_waiting_LDADD = $(lib_tests_libs)

selftests_lib_ending_SOURCES = selftests/lib/ending.c
selftests_lib_ending_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/lib
selftests_lib_ending_CFLAGS = $(lib_tests_cflags)
selftests_lib_ending_LDADD = $(lib_tests_libs)

selftests_lib_batch_SOURCES = selftests/lib/batch.c
selftests_lib_batch_CFLAGS = $(lib_tests_cflags)
selftests_lib_batch_LDADD = $(lib_tests_libs)

selftests_lib_full_SOURCES = selftests/lib/full.c
selftests_lib_full_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/lib
selftests_lib_full_CFLAGS = $(lib_tests_cflags)
selftests_lib_full_LDADD = $(lib_tests_libs)

selftests_lib_disconnect_SOURCES = selftests/lib/disconnect.c
selftests_lib_disconnect_CFLAGS = $(lib_tests_cflags)
selftests_lib_disconnect_LDADD = $(lib_tests_libs)

selftests_lib_crowd_SOURCES = selftests/lib/crowd.c
selftests_lib_crowd_CFLAGS = $(lib_tests_cflags)
selftests_lib_crowd_LDADD = $(lib_tests_libs)

selftests_lib_call_SOURCES = selftests/lib/call.c
selftests_lib_call_CFLAGS = $(lib_tests_cflags)
selftests_lib_call_LDADD = $(lib_tests_libs)

selftests_lib_replies_SOURCES = \
	selftests/lib/replies.c \
	selftests/lib/calls.h
selftests_lib_replies_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/lib
selftests_lib_replies_CFLAGS = $(lib_tests_cflags)
selftests_lib_replies_LDADD = $(lib_tests_libs)

selftests_lib_unanswered_SOURCES = \
	selftests/lib/unanswered.c \
	selftests/lib/calls.h
selftests_lib_unanswered_CFLAGS = $(lib_tests_cflags)
selftests_lib_unanswered_LDADD = $(lib_tests_libs)

selftests_lib_topic_SOURCES = \
	selftests/lib/topic.c \
	selftests/lib/audience.c \
	selftests/lib/audience.h
selftests_lib_topic_CFLAGS = $(lib_tests_cflags)
selftests_lib_topic_LDADD = $(lib_tests_libs)

selftests_lib_subscribers_SOURCES = \
	selftests/lib/subscribers.c \
	selftests/lib/audience.c \
	selftests/lib/audience.h
selftests_lib_subscribers_CFLAGS = $(lib_tests_cflags)
selftests_lib_subscribers_LDADD = $(lib_tests_libs)

selftests_lib_forked_SOURCES = selftests/lib/forked.c
selftests_lib_forked_CFLAGS = $(lib_tests_cflags)
selftests_lib_forked_LDADD = $(lib_tests_libs)

selftests_lib_stream_SOURCES = selftests/lib/stream.c
selftests_lib_stream_CFLAGS = $(lib_tests_cflags)
selftests_lib_stream_LDADD = $(lib_tests_libs)

selftests_lib_death_SOURCES = selftests/lib/death.c
selftests_lib_death_CFLAGS = $(lib_tests_cflags)
selftests_lib_death_LDADD = $(lib_tests_libs)

selftests_lib_storm_SOURCES = \
	selftests/lib/storm.c \
	selftests/lib/storm.h \
	selftests/lib/storm-client.c \
	selftests/lib/storm-flow.c \
	selftests/lib/storm-message.c \
	selftests/lib/storm-publisher.c \
	selftests/lib/storm-server.c \
	selftests/lib/storm-subscriber.c
selftests_lib_storm_CFLAGS = $(lib_tests_cflags)
selftests_lib_storm_LDADD = $(lib_tests_libs)

selftests_lib_soak_SOURCES = selftests/lib/soak.c
selftests_lib_soak_CFLAGS = $(lib_tests_cflags)
selftests_lib_soak_LDADD = $(lib_tests_libs)

selftests_lib_hostile_SOURCES = selftests/lib/hostile.c
selftests_lib_hostile_CFLAGS = $(lib_tests_cflags)
selftests_lib_hostile_LDADD = $(lib_tests_libs)

selftests_lib_scribble_SOURCES = \
	selftests/lib/scribble.c \
	selftests/lib/scribbler.c \
	selftests/lib/scribbler.h \
	selftests/lib/scribbler-forge.c \
	selftests/lib/scribbler-private.h
selftests_lib_scribble_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/lib
selftests_lib_scribble_CFLAGS = $(lib_tests_cflags)
selftests_lib_scribble_LDADD = $(lib_tests_libs)

selftests_lib_meddling_SOURCES = \
	selftests/lib/meddling.c \
	selftests/lib/meddler.c \
	selftests/lib/meddler.h
selftests_lib_meddling_CFLAGS = $(lib_tests_cflags)
selftests_lib_meddling_LDADD = $(lib_tests_libs)

selftests_lib_names_SOURCES = selftests/lib/names.c
selftests_lib_names_CFLAGS = $(lib_tests_cflags)
selftests_lib_names_LDADD = $(lib_tests_libs)

selftests_lib_pollable_SOURCES = selftests/lib/pollable.c
selftests_lib_pollable_CFLAGS = $(lib_tests_cflags)
selftests_lib_pollable_LDADD = $(lib_tests_libs)
endif
