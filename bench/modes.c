/* modes.c: the table of modes: what each sends. */
#include <stdio.h>

#include "load.h"

static const char *const words[] = { "the ",  "server ",  "answers ",  "a ",	   "question ", "of ",	   "code ",
				     "file ", "changes ", "and ",      "then ",	   "runs ",	"tests ",  "against ",
				     "its ",  "table ",	  "which ",    "returns ", "nothing ",	"but ",	   "errors ",
				     "in ",   "that ",	  "function ", "where ",   "lines ",	"differ ", "slightly ",
				     "from ", "commit ",  "to ",       "review. " };

/* Prose-like text that compresses as prose does, the same for the same seed. */
static void add_prose(struct ws_message *m, uint32_t seed, size_t len)
{
	size_t end = ws_message_len(m) + len;
	for (uint32_t x = seed * 2654435761u + 1; ws_message_len(m) < end; x = x * 1664525u + 1013904223u) {
		char number[16];
		(void)snprintf(number, sizeof(number), "%x ", x >> 20);
		ws_message_add(m, words[x >> 27]);
		if ((x >> 8 & 3) == 0)
			ws_message_add(m, number);
	}
	ws_message_cut(m, end);
}

/* A header of about 380 bytes, as the desktop app's are. `id` without the quotes. */
static void add_header(struct ws_message *m, const char *id)
{
	ws_message_add(m, "{\"id\":\"");
	ws_message_add(m, id);
	ws_message_add(m, "\",\"name\":\"A session of the load "
			  "program\",\"createdAt\":1767225600000,\"lastUsedAt\":1767225600000,"
			  "\"model\":\"claude-sonnet-4-5\",\"permissionMode\":\"ask\",\"todoState\":\"in-progress\","
			  "\"isFlagged\":false,"
			  "\"messageCount\":200,\"tokenUsage\":{\"inputTokens\":12345,\"outputTokens\":6789,"
			  "\"totalTokens\":19134,"
			  "\"contextTokens\":4096,\"costUsd\":0.1234},\"preview\":\"Please look at this file\"}");
}

static void add_element(struct ws_message *m, uint32_t n, size_t size)
{
	size_t begin = ws_message_len(m);
	char head[96];
	(void)snprintf(head, sizeof(head),
		       "{\"id\":\"msg-%010u\",\"type\":\"assistant\",\"timestamp\":1767225600000,\"content\":\"", n);
	ws_message_add(m, head);
	add_prose(m, n, size - (ws_message_len(m) - begin) - 2);
	ws_message_add(m, "\"}");
}

static void begin(struct user *u, const char *type, const char *data)
{
	ws_message_begin(&u->message);
	u->id_place = u->value_place = 0;
	ws_message_add(&u->message, "{\"type\":\"");
	ws_message_add(&u->message, type);
	ws_message_add(&u->message, "\",\"data\":");
	ws_message_add(&u->message, data);
}

static void end(struct user *u)
{
	ws_message_add(&u->message, ",\"requestId\":");
	u->request_place = ws_message_add_number(&u->message);
	ws_message_add(&u->message, "}");
}

static const char *session_id(const struct user *u)
{
	static char id[16];
	(void)snprintf(id, sizeof(id), "s-%u", u->index);
	return id;
}

/* session:save of `count` messages under the user's own id. */
static void build_save(struct user *u, uint32_t count)
{
	begin(u, "session:save", "{\"id\":\"");
	ws_message_add(&u->message, session_id(u));
	ws_message_add(&u->message, "\",\"header\":");
	add_header(&u->message, session_id(u));
	ws_message_add(&u->message, ",\"messages\":[");
	for (uint32_t i = 0; i < count; i++) {
		ws_message_add(&u->message, i ? "," : "");
		add_element(&u->message, i, u->options->size);
	}
	u->tail_place = ws_message_len(&u->message);
	ws_message_add(&u->message, "]}");
	end(u);
}

static void build_empty_session(struct user *u)
{
	build_save(u, 0);
}

static void build_update(struct user *u)
{
	begin(u, "session:updateMeta", "{\"sessionId\":\"");
	ws_message_add(&u->message, session_id(u));
	ws_message_add(&u->message, "\",\"updates\":{\"lastUsedAt\":");
	u->value_place = ws_message_add_number(&u->message);
	ws_message_add(&u->message, ",\"preview\":\"Please look at another file\",\"isFlagged\":true}}");
	end(u);
}

static void build_append(struct user *u)
{
	build_save(u, u->options->messages);
}

/* Each save adds one message at the end of the array, as the app does. */
static void next_append(struct user *u, uint32_t n)
{
	ws_message_cut(&u->message, u->tail_place);
	ws_message_add(&u->message, ",");
	add_element(&u->message, u->options->messages + n, u->options->size);
	u->tail_place = ws_message_len(&u->message);
	ws_message_add(&u->message, "]}");
	end(u);
}

/* Each save makes a new session: the id ends with a number that changes. */
static void build_new_sessions(struct user *u)
{
	begin(u, "session:save", "{\"id\":\"");
	ws_message_add(&u->message, session_id(u));
	ws_message_add(&u->message, "-");
	u->id_place = ws_message_add_number(&u->message);
	ws_message_add(&u->message, "\",\"header\":");
	add_header(&u->message, session_id(u));
	ws_message_add(&u->message, ",\"messages\":[");
	for (uint32_t i = 0; i < u->options->messages; i++) {
		ws_message_add(&u->message, i ? "," : "");
		add_element(&u->message, i, u->options->size);
	}
	ws_message_add(&u->message, "]}");
	end(u);
}

/* A session whose header is what the updates make of it, so that an event is about as long as an update. */
static void build_bare_session(struct user *u)
{
	begin(u, "session:save", "{\"id\":\"");
	ws_message_add(&u->message, session_id(u));
	ws_message_add(&u->message, "\",\"header\":{},\"messages\":[]}");
	end(u);
}

static void build_event(struct user *u)
{
	begin(u, "session:updateMeta", "{\"sessionId\":\"");
	ws_message_add(&u->message, session_id(u));
	ws_message_add(&u->message, "\",\"updates\":{\"lastUsedAt\":");
	u->value_place = ws_message_add_number(&u->message);
	ws_message_add(&u->message, ",\"preview\":\"");
	add_prose(&u->message, 1, u->options->size);
	ws_message_add(&u->message, "\"}}");
	end(u);
}

const struct mode modes[] = {
	{ "update",
	  "updates",
	  "session:updateMeta, each client on a session of its own",
	  { .clients = 16, .depth = 1, .seconds = 3, .warmup = 0.5 },
	  build_empty_session,
	  build_update,
	  NULL },
	{ "append",
	  "saves",
	  "each session:save of a long session has one more message",
	  { .clients = 1, .depth = 1, .size = 2048, .messages = 2000, .seconds = 5, .warmup = 0.5 },
	  build_append,
	  build_append,
	  next_append },
	{ "save",
	  "saves",
	  "each session:save makes a new session",
	  { .clients = 4, .depth = 1, .size = 5200, .messages = 200, .seconds = 3, .warmup = 0.5 },
	  NULL,
	  build_new_sessions,
	  NULL },
	{ "fanout",
	  "deliveries",
	  "one client writes, the listeners hear of it",
	  { .clients = 1, .depth = 4, .size = 1024, .listeners = 1000, .seconds = 3, .warmup = 0.5 },
	  build_bare_session,
	  build_event,
	  NULL },
	{ "idle",
	  "clients",
	  "connects, says \"ready\", and stays connected until its input ends",
	  { .clients = 1000 },
	  NULL,
	  NULL,
	  NULL },
};
const size_t mode_count = sizeof(modes) / sizeof(*modes);
