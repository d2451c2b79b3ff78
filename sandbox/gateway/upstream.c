/* upstream.c: requests that go out, by libcurl. Each thread drives its own transfer; the loop also watches the client,
 * so that a request whose client has gone ends at once. */
#include "upstream.h"

#include <curl/curl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "answer_head.h"
#include "exchange.h"
#include "lib/cleanup.h"

#define CONNECT_TIMEOUT_MS 15000
/* A model may think for long before its first byte. */
#define SILENCE_S 900
/* Connections that were idle for longer are not used again: the server may be closing them just then. */
#define REUSE_S 30
#define POLL_MS 1000
#define WRITE_IDLE_MS 600000
/* A request up to this size is sent again when a used connection turns out to be closed. */
#define REPLAY_MAX (1U << 20)

/* One libcurl transfer, used again and again: it keeps its connections. */
struct upstream_link {
	CURL *easy;
	CURLM *multi;
};

struct transfer {
	struct exchange *x;
	const struct upstream_request *request;
	struct answer_head head;
	bool head_sent, kept, client_failed, too_much;
	struct buf replay; /* the body so far, up to REPLAY_MAX */
	size_t replayed;   /* how much of it was sent again; its length when nothing is */
	bool replayable;
};

/* ---- the pool ---- */

static void link_free(struct upstream_link *link)
{
	curl_easy_cleanup(link->easy);
	(void)curl_multi_cleanup(link->multi);
	free(link);
}

static struct upstream_link *link_take(struct upstream_pool *pool)
{
	struct upstream_link *link = NULL;
	(void)pthread_mutex_lock(&pool->lock);
	if (pool->count > 0)
		link = pool->idle[--pool->count];
	(void)pthread_mutex_unlock(&pool->lock);
	if (link)
		return link;
	link = xcalloc(1, sizeof(*link));
	link->easy = curl_easy_init();
	link->multi = curl_multi_init();
	if (link->easy && link->multi)
		return link;
	link_free(link);
	return NULL;
}

static void link_give_back(struct upstream_pool *pool, struct upstream_link *link)
{
	/* Forgets the request, with what is secret in it. */
	curl_easy_reset(link->easy);
	(void)pthread_mutex_lock(&pool->lock);
	if (pool->count < UPSTREAM_POOL) {
		pool->idle[pool->count++] = link;
		link = NULL;
	}
	(void)pthread_mutex_unlock(&pool->lock);
	if (link)
		link_free(link);
}

void upstream_pool_free(struct upstream_pool *pool)
{
	while (pool->count > 0)
		link_free(pool->idle[--pool->count]);
}

/* ---- from libcurl to the client ---- */

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	char begin[24];
	if (t->kept)
		return 0;
	int length = t->head.chunked ? snprintf(begin, sizeof(begin), "%zx\r\n", size * n) : 0;
	struct iovec parts[] = { { begin, (size_t)length },
				 { p, size * n },
				 { (char[]){ '\r', '\n' }, length ? 2 : 0 } };
	if (write_all(t->x->conn->fd, parts, 3, WRITE_IDLE_MS))
		return size * n;
	t->client_failed = true;
	return 0;
}

static bool send_head(struct transfer *t)
{
	autobuf out = { 0 };
	if (t->request->passes && !t->request->passes(t->head.status)) {
		t->kept = true;
		return true;
	}
	/* What the client still sends would be taken for its next request. */
	if (t->x->body.state != BODY_DONE)
		t->x->close = true;
	answer_head_write(&t->head, &out, t->x->close);
	t->head_sent = true;
	t->client_failed = !conn_write(t->x->conn, buf_slice(&out));
	return !t->client_failed;
}

static size_t on_field(char *p, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	/* Trailers come here, too. */
	if (t->head_sent || t->kept)
		return size * n;
	switch (answer_head_add(&t->head, slice_make(p, size * n), t->request->secret)) {
	case ANSWER_HEAD_MORE:
		return size * n;
	case ANSWER_HEAD_WHOLE:
		return send_head(t) ? size * n : 0;
	default:
		t->too_much = true;
		return 0;
	}
}

/* ---- from the client to libcurl ---- */

static void keep(struct transfer *t, const char *bytes, size_t n)
{
	t->replayable = t->replayable && n <= REPLAY_MAX - t->replay.len;
	if (t->replayable)
		buf_add(&t->replay, bytes, n);
	t->replayed = t->replay.len;
}

static size_t read_again(struct transfer *t, char *out, size_t n)
{
	size_t left = t->replay.len - t->replayed;
	size_t size = left < n ? left : n;
	memcpy(out, t->replay.data + t->replayed, size);
	t->replayed += size;
	return size;
}

static size_t on_read(char *out, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	if (t->replayed < t->replay.len)
		return read_again(t, out, size * n);
	size_t got = body_read(&t->x->body, out, size * n);
	keep(t, out, got);
	return got || t->x->body.state == BODY_DONE ? got : CURL_READFUNC_ABORT;
}

static int on_seek(void *arg, curl_off_t offset, int origin)
{
	struct transfer *t = arg;
	if (origin != SEEK_SET || offset != 0 || !t->replayable)
		return CURL_SEEKFUNC_FAIL;
	t->replayed = 0;
	return CURL_SEEKFUNC_OK;
}

static bool never_passed(const struct http_head *head, struct slice name)
{
	static const char *const names[] = { "host", "content-length", "cookie", "authorization", "expect" };
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (http_same(name, names[i]))
			return true;
	return http_head_hop_by_hop(head, name);
}

static struct curl_slist *add_field(struct curl_slist *list, struct slice name, struct slice value)
{
	autobuf line = { 0 };
	buf_add_slice(&line, name);
	/* libcurl's way to write a field without a value. */
	buf_add_str(&line, value.len ? ": " : ";");
	buf_add_slice(&line, value);
	return curl_slist_append(list, buf_cstr(&line));
}

/* Fields that libcurl would add of its own accord are switched off. */
static struct curl_slist *silence(struct curl_slist *list, const struct http_head *head)
{
	static const char *const names[] = { "Accept", "Content-Type", "User-Agent" };
	struct slice value;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		autobuf line = { 0 };
		buf_addf(&line, "%s:", names[i]);
		if (!http_head_get(head, names[i], &value))
			list = curl_slist_append(list, buf_cstr(&line));
	}
	return curl_slist_append(list, "Expect:");
}

static struct curl_slist *make_fields(const struct exchange *x, const struct upstream_request *request)
{
	struct curl_slist *list = silence(NULL, &x->head);
	for (size_t i = 0; i < x->head.count; i++) {
		const struct http_field *field = &x->head.fields[i];
		if (!never_passed(&x->head, field->name) && !request->drops(field->name))
			list = add_field(list, field->name, field->value);
	}
	if (request->post && x->head.chunked)
		list = curl_slist_append(list, "Transfer-Encoding: chunked");
	for (size_t i = 0; i < request->field_count; i++) {
		autowiped line = { 0 };
		(void)buf_reserve(&line, request->fields[i].len + 1);
		buf_add_slice(&line, buf_slice(&request->fields[i]));
		list = curl_slist_append(list, buf_cstr(&line));
	}
	return list;
}

static void free_fields(struct curl_slist **list)
{
	for (struct curl_slist *at = *list; at; at = at->next)
		explicit_bzero(at->data, strlen(at->data));
	curl_slist_free_all(*list);
}

/* ---- the transfer ---- */

static void set_security(CURL *easy, const struct upstream_request *request)
{
	bool plain = strncasecmp(request->url, "http://", 7) == 0;
	(void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, plain ? "http" : "https");
	(void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
	(void)curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	/* By CONNECT also where the URL is plain http, so that the proxy's password stays with the proxy. */
	(void)curl_easy_setopt(easy, CURLOPT_PROXY, request->proxy ? request->proxy : "");
	(void)curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
	(void)curl_easy_setopt(easy, CURLOPT_HTTPPROXYTUNNEL, request->proxy ? 1L : 0L);
	(void)curl_easy_setopt(easy, CURLOPT_PROXYAUTH, (long)CURLAUTH_ANY);
	(void)curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	if (request->ca_file)
		(void)curl_easy_setopt(easy, CURLOPT_CAINFO, request->ca_file);
}

static void set_timeouts(CURL *easy)
{
	(void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
	(void)curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)SILENCE_S);
	(void)curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long)REUSE_S);
	(void)curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
}

static void set_options(CURL *easy, struct transfer *t, struct curl_slist *fields)
{
	const struct http_head *head = &t->x->head;
	set_security(easy, t->request);
	set_timeouts(easy);
	(void)curl_easy_setopt(easy, CURLOPT_URL, t->request->url);
	(void)curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	(void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, fields);
	(void)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_field);
	(void)curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
	(void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	(void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
	if (!t->request->post)
		return;
	(void)curl_easy_setopt(easy, CURLOPT_POST, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
	(void)curl_easy_setopt(easy, CURLOPT_READDATA, t);
	(void)curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek);
	(void)curl_easy_setopt(easy, CURLOPT_SEEKDATA, t);
	(void)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
			       head->chunked ? (curl_off_t)-1 : (curl_off_t)head->length);
}

/* Waits for the server or the client's end. Once the client's next request lies there, its socket is always readable:
 * then a look now and then must do. */
static void wait_for_more(CURLM *multi, const struct transfer *t)
{
	const struct exchange *x = t->x;
	bool watch = x->body.state == BODY_DONE && conn_pending(x->conn).len == 0 && !conn_wait(x->conn->fd, POLLIN, 0);
	struct curl_waitfd client = { .fd = x->conn->fd, .events = CURL_WAIT_POLLIN };
	(void)curl_multi_poll(multi, &client, watch ? 1 : 0, POLL_MS, NULL);
}

/* How the transfer ended, as libcurl says it. */
static CURLcode outcome(CURLM *multi)
{
	int left;
	const CURLMsg *message = curl_multi_info_read(multi, &left);
	return message && message->msg == CURLMSG_DONE ? message->data.result : CURLE_ABORTED_BY_CALLBACK;
}

static CURLcode drive(struct upstream_link *link, struct transfer *t)
{
	int running = 1;
	if (curl_multi_add_handle(link->multi, link->easy) != CURLM_OK)
		return CURLE_FAILED_INIT;
	while (curl_multi_perform(link->multi, &running) == CURLM_OK && running && !t->client_failed) {
		wait_for_more(link->multi, t);
		t->client_failed = conn_gone(t->x->conn);
	}
	CURLcode code = outcome(link->multi);
	(void)curl_multi_remove_handle(link->multi, link->easy);
	return code;
}

static enum upstream_result judge(struct transfer *t, CURLcode code, struct buf *error)
{
	enum body_state body = t->x->body.state;
	if (t->client_failed)
		return UPSTREAM_GONE;
	if (t->kept)
		return UPSTREAM_KEPT;
	if (code == CURLE_OK && t->head_sent) {
		bool ended = !t->head.chunked || conn_write(t->x->conn, SLICE_LIT("0\r\n\r\n"));
		return ended ? UPSTREAM_PASSED : UPSTREAM_GONE;
	}
	if (!t->head_sent && (body == BODY_BAD || body == BODY_TOO_LARGE || body == BODY_TIMEOUT))
		return UPSTREAM_BODY;
	buf_add_str(error, t->too_much ? "the head of the answer is too large"
				       : curl_easy_strerror(code ? code : CURLE_GOT_NOTHING));
	return t->head_sent ? UPSTREAM_CUT : UPSTREAM_FAILED;
}

enum upstream_result upstream_pass(struct upstream_pool *pool, struct exchange *x,
				   const struct upstream_request *request, long *status, struct buf *error)
{
	struct transfer t = { .x = x, .request = request, .replayable = true };
	struct upstream_link *link = link_take(pool);
	*status = 0;
	if (!link) {
		buf_add_str(error, "out of memory");
		return UPSTREAM_FAILED;
	}
	autocall(free_fields) struct curl_slist *fields = make_fields(x, request);
	set_options(link->easy, &t, fields);
	enum upstream_result result = judge(&t, drive(link, &t), error);
	*status = t.head.status;
	if (result == UPSTREAM_CUT || result == UPSTREAM_GONE)
		x->close = true;
	link_give_back(pool, link);
	answer_head_free(&t.head);
	buf_free(&t.replay);
	return result;
}
