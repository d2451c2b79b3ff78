# The daemon but its main.c; the unit tests link it.
noinst_LIBRARIES += sandbox/libsandbox.a
sandbox_cppflags = $(AM_CPPFLAGS) -I$(top_srcdir) $(PQ_CFLAGS) $(UV_CFLAGS) $(SSL_CFLAGS) $(SECCOMP_CFLAGS)
sandbox_libsandbox_a_SOURCES = \
	sandbox/agent.c sandbox/agent.h \
	sandbox/agent_line.c sandbox/agent_line.h \
	sandbox/box.c sandbox/box.h sandbox/box_internal.h sandbox/box_protocol.h \
	sandbox/box_run.c \
	sandbox/box_spec.c sandbox/box_spec.h \
	sandbox/cgroup.c sandbox/cgroup.h \
	sandbox/cgroup_find.c sandbox/cgroup_find.h \
	sandbox/counts.c sandbox/counts.h \
	sandbox/credential.c sandbox/credential.h \
	sandbox/daemon.h \
	sandbox/disk.c sandbox/disk.h \
	sandbox/disk_reserve.c sandbox/disk_reserve.h \
	sandbox/draft.c sandbox/draft.h \
	sandbox/etc.c sandbox/etc.h \
	sandbox/etc_links.c sandbox/etc_links.h \
	sandbox/gateway.c sandbox/gateway.h \
	sandbox/gateway/address.c sandbox/gateway/address.h \
	sandbox/gateway/allow.c sandbox/gateway/allow.h \
	sandbox/gateway_wire.c sandbox/gateway_wire.h \
	sandbox/gate.c sandbox/gate.h \
	sandbox/git_absent.c sandbox/git_absent.h \
	sandbox/git_cache.c sandbox/git_cache.h \
	sandbox/git_cache_trim.c \
	sandbox/git_clone.c sandbox/git_clone.h sandbox/git_clone_internal.h \
	sandbox/git_clone_fetch.c \
	sandbox/git_clone_steps.c \
	sandbox/git_diff.c sandbox/git_diff.h sandbox/git_diff_internal.h \
	sandbox/git_diff_dir.c sandbox/git_diff_dir.h \
	sandbox/git_diff_look.c sandbox/git_diff_look.h \
	sandbox/git_diff_look_steps.c \
	sandbox/git_diff_patch.c \
	sandbox/git_diff_settle.c sandbox/git_diff_settle.h \
	sandbox/git_diff_settle_steps.c \
	sandbox/git_error.c sandbox/git_error.h \
	sandbox/git_handed.c sandbox/git_handed.h \
	sandbox/git_id.c sandbox/git_id.h \
	sandbox/git_patch.c sandbox/git_patch.h \
	sandbox/git_place.c sandbox/git_place.h \
	sandbox/git_run.c sandbox/git_run.h \
	sandbox/git_steps.c sandbox/git_steps.h \
	sandbox/git_task.c sandbox/git_task.h \
	sandbox/home.c sandbox/home.h \
	sandbox/host.c sandbox/host.h \
	sandbox/instance.c sandbox/instance.h \
	sandbox/job.c sandbox/job.h \
	sandbox/job_execute.c \
	sandbox/job_tool.c \
	sandbox/mask.c sandbox/mask.h \
	sandbox/message.c sandbox/message.h \
	sandbox/output.c sandbox/output.h \
	sandbox/probe.c sandbox/probe.h \
	sandbox/process.c sandbox/process.h \
	sandbox/prompt.c sandbox/prompt.h \
	sandbox/reach.c sandbox/reach.h \
	sandbox/retry.c sandbox/retry.h \
	sandbox/sandbox.c sandbox/sandbox.h \
	sandbox/sandbox_diff.c sandbox/sandbox_diff.h \
	sandbox/sandbox_disk.c sandbox/sandbox_disk.h \
	sandbox/sandbox_parts.c sandbox/sandbox_parts.h \
	sandbox/sandbox_submodules.c sandbox/sandbox_submodules.h \
	sandbox/seccomp.c sandbox/seccomp.h \
	sandbox/statements.c sandbox/statements.h \
	sandbox/store.c sandbox/store.h \
	sandbox/stream.c sandbox/stream.h \
	sandbox/threads.c sandbox/threads.h \
	sandbox/tree.c sandbox/tree.h \
	sandbox/watched.c sandbox/watched.h
sandbox_libsandbox_a_CPPFLAGS = $(sandbox_cppflags)

pkglibexec_PROGRAMS += sandbox/craft-sandbox-launch
sandbox_craft_sandbox_launch_SOURCES = sandbox/launch.c sandbox/signals.h
sandbox_craft_sandbox_launch_CPPFLAGS = $(sandbox_cppflags)

pkglibexec_PROGRAMS += sandbox/craft-sandbox-gateway
sandbox_craft_sandbox_gateway_SOURCES = \
	sandbox/gateway/address.c sandbox/gateway/address.h \
	sandbox/gateway/allow.c sandbox/gateway/allow.h \
	sandbox/gateway/answer_head.c sandbox/gateway/answer_head.h \
	sandbox/gateway/api.c sandbox/gateway/api.h \
	sandbox/gateway/body.c sandbox/gateway/body.h \
	sandbox/gateway/conn.c sandbox/gateway/conn.h \
	sandbox/gateway/dial.c sandbox/gateway/dial.h \
	sandbox/gateway/egress.c sandbox/gateway/egress.h \
	sandbox/gateway/exchange.c sandbox/gateway/exchange.h \
	sandbox/gateway/gate.h \
	sandbox/gateway/git.c sandbox/gateway/git.h \
	sandbox/gateway/http_chunked.c sandbox/gateway/http_chunked.h \
	sandbox/gateway/http_head.c sandbox/gateway/http_head.h \
	sandbox/gateway/main.c \
	sandbox/gateway/report.c sandbox/gateway/report.h \
	sandbox/gateway/serve.c sandbox/gateway/serve.h \
	sandbox/gateway/tunnel.c sandbox/gateway/tunnel.h \
	sandbox/gateway/upstream.c sandbox/gateway/upstream.h \
	sandbox/gateway/vault.c sandbox/gateway/vault.h \
	sandbox/gateway_wire.c sandbox/gateway_wire.h
sandbox_craft_sandbox_gateway_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir) $(CURL_CFLAGS) $(SSL_CFLAGS)
sandbox_craft_sandbox_gateway_LDADD = lib/libcraft.a $(CURL_LIBS) $(SSL_LIBS) -lpthread

pkglibexec_PROGRAMS += sandbox/craft-box
sandbox_craft_box_SOURCES = \
	sandbox/box_protocol.h \
	sandbox/box/forward.c sandbox/box/forward.h \
	sandbox/box/found.c sandbox/box/found.h \
	sandbox/box/glob.c sandbox/box/glob.h \
	sandbox/box/init.c sandbox/box/init.h \
	sandbox/box/lines.c sandbox/box/lines.h \
	sandbox/box/main.c \
	sandbox/box/netlink.c sandbox/box/netlink.h \
	sandbox/box/probe.c sandbox/box/probe.h \
	sandbox/box/request.c sandbox/box/request.h \
	sandbox/box/share.c sandbox/box/share.h \
	sandbox/box/shell.c sandbox/box/shell.h \
	sandbox/box/supervise.c sandbox/box/supervise.h \
	sandbox/signals.h \
	sandbox/box/tool.c sandbox/box/tool.h \
	sandbox/box/tool_edit.c \
	sandbox/box/tool_file.c \
	sandbox/box/tool_glob.c \
	sandbox/box/tool_grep.c \
	sandbox/box/tool_read.c \
	sandbox/box/tool_write.c \
	sandbox/box/tree.c sandbox/box/tree.h
sandbox_craft_box_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
sandbox_craft_box_LDADD = lib/libcraft.a

sbin_PROGRAMS += sandbox/craft-sandboxd
sandbox_craft_sandboxd_SOURCES = sandbox/main.c
sandbox_craft_sandboxd_CPPFLAGS = $(sandbox_cppflags)
sandbox_craft_sandboxd_LDADD = sandbox/libsandbox.a lib/libcraft.a $(CURL_LIBS) $(UV_LIBS) $(PQ_LIBS) $(SSL_LIBS) $(SECCOMP_LIBS) $(XXHASH_LIBS) -lpthread
