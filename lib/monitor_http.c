/* monitor_http.c: the answers for whoever watches a daemon. */
#include "monitor_http.h"

#define TYPE_TEXT "text/plain; charset=utf-8"
#define TYPE_METRICS "text/plain; version=0.0.4; charset=utf-8"

struct answer {
	const char *status, *type;
	struct buf body;
};

/* Ends with an empty line; lone line feeds are taken too (RFC 9112 section 2.2). */
static bool is_complete(struct slice head)
{
	for (size_t i = 0; i + 1 < head.len; i++) {
		if (head.ptr[i] != '\n')
			continue;
		if (head.ptr[i + 1] == '\n' || (head.ptr[i + 1] == '\r' && i + 2 < head.len && head.ptr[i + 2] == '\n'))
			return true;
	}
	return false;
}

/* Takes the next word off the request line. */
static struct slice next_word(struct slice *line)
{
	size_t n = 0;
	while (n < line->len && line->ptr[n] != ' ')
		n++;
	struct slice word = slice_make(line->ptr, n);
	n += n < line->len;
	*line = slice_make(line->ptr + n, line->len - n);
	return word;
}

static struct slice first_line(struct slice head)
{
	size_t n = 0;
	while (head.ptr[n] != '\n')
		n++;
	return slice_make(head.ptr, n && head.ptr[n - 1] == '\r' ? n - 1 : n);
}

static void fill(struct answer *a, const char *status, const char *text)
{
	a->status = status;
	buf_add_str(&a->body, text);
}

static void answer_ready(const struct monitor_source *source, struct answer *a)
{
	autobuf reason = { 0 };
	if (source->ready(source->user, &reason)) {
		fill(a, "200 OK", "ready\n");
		return;
	}
	fill(a, "503 Service Unavailable", "not ready: ");
	buf_add_slice(&a->body, buf_slice(&reason));
	buf_add_char(&a->body, '\n');
}

static void answer_path(const struct monitor_source *source, struct slice target, struct answer *a)
{
	const char *query = target.len ? memchr(target.ptr, '?', target.len) : NULL;
	struct slice path = query ? slice_make(target.ptr, (size_t)(query - target.ptr)) : target;
	if (slice_eq_str(path, "/metrics")) {
		a->status = "200 OK";
		a->type = TYPE_METRICS;
		source->metrics(source->user, &a->body);
	} else if (slice_eq_str(path, "/healthz")) {
		fill(a, "200 OK", "alive\n");
	} else if (slice_eq_str(path, "/readyz")) {
		answer_ready(source, a);
	} else {
		fill(a, "404 Not Found", "there are /metrics, /healthz and /readyz\n");
	}
}

static bool is_http(struct slice version)
{
	return version.len == 8 && memcmp(version.ptr, "HTTP/1.", 7) == 0;
}

bool monitor_answer(const struct monitor_source *source, struct slice head, struct buf *out)
{
	struct answer a = { .type = TYPE_TEXT };
	bool complete = is_complete(head), head_only = false;
	if (!complete && head.len < MONITOR_HEAD_MAX)
		return false;
	struct slice line = complete ? first_line(head) : (struct slice){ "", 0 };
	struct slice method = next_word(&line), target = next_word(&line);
	head_only = slice_eq_str(method, "HEAD");
	if (!complete)
		fill(&a, "431 Request Header Fields Too Large", "the request's head is too long\n");
	else if (!is_http(line))
		fill(&a, "400 Bad Request", "that is no HTTP/1.x\n");
	else if (!head_only && !slice_eq_str(method, "GET"))
		fill(&a, "405 Method Not Allowed", "only GET and HEAD are\n");
	else
		answer_path(source, target, &a);
	buf_addf(out, "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n%s\r\n", a.status,
		 a.type, a.body.len, strncmp(a.status, "405", 3) == 0 ? "Allow: GET, HEAD\r\n" : "");
	if (!head_only)
		buf_add_slice(out, buf_slice(&a.body));
	buf_free(&a.body);
	return true;
}
