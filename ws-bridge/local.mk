sbin_PROGRAMS += ws-bridge/craft-ws-bridge
ws_bridge_craft_ws_bridge_SOURCES = \
	ws-bridge/bounds.c ws-bridge/bounds.h \
	ws-bridge/bridge.h \
	ws-bridge/call.c ws-bridge/call.h \
	ws-bridge/conn.c ws-bridge/conn.h ws-bridge/conn_tick.c \
	ws-bridge/counts.c ws-bridge/counts.h \
	ws-bridge/courier.c ws-bridge/courier.h \
	ws-bridge/deflate.c ws-bridge/deflate.h \
	ws-bridge/event.c ws-bridge/event.h \
	ws-bridge/feed.c ws-bridge/feed.h \
	ws-bridge/frame.c ws-bridge/frame.h \
	ws-bridge/frame_buf.c ws-bridge/frame_buf.h \
	ws-bridge/handshake.c ws-bridge/handshake.h \
	ws-bridge/hub.c ws-bridge/hub.h ws-bridge/room.h \
	ws-bridge/join.c ws-bridge/join.h \
	ws-bridge/keys.c ws-bridge/keys.h \
	ws-bridge/lane.c ws-bridge/lane.h \
	ws-bridge/listener.c ws-bridge/listener.h \
	ws-bridge/main.c \
	ws-bridge/message_list.c ws-bridge/message_list.h \
	ws-bridge/message_types.c \
	ws-bridge/op.c ws-bridge/op.h \
	ws-bridge/op_queue.c ws-bridge/op_queue.h \
	ws-bridge/outq.c ws-bridge/outq.h \
	ws-bridge/packer.c ws-bridge/packer.h \
	ws-bridge/packs.c ws-bridge/packs.h \
	ws-bridge/refusal.c ws-bridge/refusal.h \
	ws-bridge/reply.c ws-bridge/reply.h \
	ws-bridge/request.c ws-bridge/request.h \
	ws-bridge/sandbox_message.c ws-bridge/sandbox_message.h \
	ws-bridge/sealed_form.c ws-bridge/sealed_form.h \
	ws-bridge/sandbox_room.c ws-bridge/sandbox_room.h \
	ws-bridge/session_cache.c ws-bridge/session_cache.h \
	ws-bridge/statements.c ws-bridge/statements.h \
	ws-bridge/sync.c ws-bridge/sync.h \
	ws-bridge/turns.c ws-bridge/turns.h \
	ws-bridge/upgrade.c ws-bridge/upgrade.h \
	ws-bridge/watched.c ws-bridge/watched.h
ws_bridge_craft_ws_bridge_CPPFLAGS = $(AM_CPPFLAGS) $(PQ_CFLAGS) $(UV_CFLAGS) $(SSL_CFLAGS) $(ZLIB_CFLAGS) $(XXHASH_CFLAGS)
ws_bridge_craft_ws_bridge_LDADD = lib/libcraft.a $(PQ_LIBS) $(UV_LIBS) $(SSL_LIBS) $(ZLIB_LIBS) $(XXHASH_LIBS)
