# SPDX-License-Identifier: MIT

man3_pages = \
	man/flowipc_backend.3 \
	man/flowipc_call.3 \
	man/flowipc_channel.3 \
	man/flowipc_common.3 \
	man/flowipc_message.3 \
	man/flowipc_offer.3 \
	man/flowipc_region.3 \
	man/flowipc_session.3 \
	man/flowipc_topic.3

dist_man_MANS += \
	$(man3_pages) \
	man/flowipc-bench.1 \
	man/flowipc-stat.1 \
	man/flowipc.4 \
	man/flowipc.7

if BUILD_BPF
dist_man_MANS += man/flowipc-trace.1
else
EXTRA_DIST += man/flowipc-trace.1
endif

EXTRA_DIST += man/aliases

install_data_local += install-man-aliases
uninstall_local += uninstall-man-aliases

install-man-aliases:
	@$(MKDIR_P) "$(DESTDIR)$(man3dir)"
	@cd $(srcdir) && man/aliases "$(DESTDIR)$(man3dir)" install $(man3_pages)

uninstall-man-aliases:
	@cd $(srcdir) && man/aliases "$(DESTDIR)$(man3dir)" remove $(man3_pages)

if HAVE_MANDOC
check_local += check-man

check-man:
	$(AM_V_GEN)cd $(srcdir) && \
		$(MANDOC) -Tlint -Wwarning $(dist_man_MANS)
endif
