/* egress.c: the way out for everything that isn't the agent's own business with its model: named hosts only. */
#include "egress.h"

#include <stdio.h>
#include <strings.h>

#include "body.h"
#include "dial.h"
#include "exchange.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "tunnel.h"

#define IDLE_MS 600000
#define WRITE_IDLE_MS 60000
#define MAX_BODY (1ULL << 40)
#define CHUNK 16384

/* What a request asks for. */
struct wish {
	bool tunnel;
	struct host host;
	unsigned port;
	struct slice authority, path; /* of an absolute form */
};

/* ---- what is asked ---- */

static bool parse_absolute(struct slice target, struct wish *w)
{
	const struct slice scheme = SLICE_LIT("http://");
	if (target.len <= scheme.len || strncasecmp(target.ptr, scheme.ptr, scheme.len) != 0)
		return false;
	struct slice rest = slice_make(target.ptr + scheme.len, target.len - scheme.len);
	size_t length = 0;
	while (length < rest.len && rest.ptr[length] != '/' && rest.ptr[length] != '?')
		length++;
	w->authority = slice_make(rest.ptr, length);
	w->path = slice_make(rest.ptr + length, rest.len - length);
	return host_port_parse(w->authority, 80, &w->host, &w->port);
}

static bool parse_wish(const struct http_head *head, struct wish *w)
{
	w->tunnel = slice_eq_str(head->method, "CONNECT");
	if (!w->tunnel)
		return parse_absolute(head->target, w);
	/* A tunnel has no body. */
	return !head->chunked && head->length == 0 && host_port_parse(head->target, 0, &w->host, &w->port);
}

static void add_name(struct buf *out, const struct wish *w)
{
	bool v6 = strchr(w->host.name, ':') != NULL;
	buf_addf(out, v6 ? "[%s]:%u" : "%s:%u", w->host.name, w->port);
}

/* ---- refusals ---- */

static void refuse(struct gate *gate, const struct conn *conn, const struct wish *w, enum dial_result result,
		   struct buf *about)
{
	autobuf name = { 0 }, text = { 0 };
	bool allowed = result == DIAL_UNRESOLVED || result == DIAL_UNREACHABLE;
	add_name(&name, w);
	if (result == DIAL_NOT_LISTED)
		buf_addf(&text,
			 "%s can't be reached: the sandbox's network is limited to named hosts. The setting "
			 "SANDBOX_EGRESS of the server can allow it.",
			 buf_cstr(&name));
	else if (result == DIAL_RESERVED)
		buf_addf(
			&text,
			"%s can't be reached this way: what the sandbox asks of the model's API and of the git host is "
			"looked at. The API is at $ANTHROPIC_BASE_URL (http://127.0.0.1:3129), and git reaches the "
			"sandbox's repository by its usual URL.",
			buf_cstr(&name));
	else if (result == DIAL_FORBIDDEN)
		buf_addf(&text,
			 "%s can't be reached: it leads to %s, an address of a private or special network. The setting "
			 "SANDBOX_EGRESS of the server can allow it, as %s or by that address.",
			 buf_cstr(&name), buf_cstr(about), buf_cstr(&name));
	else if (result == DIAL_UNRESOLVED)
		buf_addf(&text, "%s can't be reached: there is no such name.", buf_cstr(&name));
	else
		buf_addf(&text, "%s can't be reached: %s.", buf_cstr(&name), buf_cstr(about));
	report_decision(gate->report, allowed, "egress", buf_slice(&name), buf_slice(&text));
	buf_add_char(&text, '\n');
	conn_answer(conn, allowed ? 502 : 403, TEXT_PLAIN, buf_slice(&text), true, false);
}

/* ---- a request in absolute form ---- */

static void add_field(struct buf *out, struct slice name, struct slice value)
{
	buf_add_slice(out, name);
	buf_add_str(out, ": ");
	buf_add_slice(out, value);
	buf_add_str(out, "\r\n");
}

/* The head as the server gets it: in origin form, for one request. */
static void make_head(const struct http_head *head, const struct wish *w, struct buf *out)
{
	buf_add_slice(out, head->method);
	buf_add_str(out, w->path.len && w->path.ptr[0] == '/' ? " " : " /");
	buf_add_slice(out, w->path);
	buf_add_str(out, " HTTP/1.1\r\n");
	add_field(out, SLICE_LIT("Host"), w->authority);
	for (size_t i = 0; i < head->count; i++) {
		const struct http_field *f = &head->fields[i];
		if (!http_head_hop_by_hop(head, f->name) && !http_same(f->name, "host") &&
		    !http_same(f->name, "content-length") && !http_same(f->name, "expect"))
			add_field(out, f->name, f->value);
	}
	if (head->chunked)
		buf_add_str(out, "Transfer-Encoding: chunked\r\n");
	else if (head->has_length)
		buf_addf(out, "Content-Length: %ju\r\n", (uintmax_t)head->length);
	buf_add_str(out, "Connection: close\r\n\r\n");
}

static bool send_chunk(int server, bool chunked, char *bytes, size_t n)
{
	char begin[24];
	int length = chunked ? snprintf(begin, sizeof(begin), "%zx\r\n", n) : 0;
	struct iovec parts[] = { { begin, (size_t)length }, { bytes, n }, { (char[]){ '\r', '\n' }, chunked ? 2 : 0 } };
	return write_all(server, parts, 3, WRITE_IDLE_MS);
}

/* False: the body is no good, and the server must not take what it got for all of it. A server that doesn't take it has
 * perhaps answered already. */
static bool send_body(struct body *body, int server)
{
	char bytes[CHUNK];
	size_t n;
	while ((n = body_read(body, bytes, sizeof(bytes))) > 0)
		if (!send_chunk(server, body->chunked, bytes, n))
			return true;
	/* The last chunk is one of no bytes. */
	if (body->state == BODY_DONE && body->chunked)
		(void)send_chunk(server, true, bytes, 0);
	return body->state == BODY_DONE;
}

static void pass(struct conn *conn, const struct http_head *head, const struct wish *w, size_t used, int server)
{
	struct body body;
	autobuf out = { 0 };
	make_head(head, w, &out);
	body_init(&body, conn, head, MAX_BODY);
	conn_use(conn, used);
	struct iovec part = { out.data, out.len };
	if (!write_all(server, &part, 1, WRITE_IDLE_MS) || !send_body(&body, server))
		return;
	tunnel_run(conn, server, false, IDLE_MS);
}

/* ---- the connection ---- */

static void serve(struct gate *gate, struct conn *conn, const struct http_head *head, size_t used)
{
	struct wish w;
	autobuf about = { 0 }, name = { 0 };
	autoclose int server = -1;
	if (!parse_wish(head, &w)) {
		conn_answer(conn, 400, TEXT_PLAIN,
			    SLICE_LIT("This is a proxy for CONNECT host:port and http:// URLs.\n"), true, false);
		return;
	}
	enum dial_result result = dial(&gate->allow, &w.host, w.port, &server, &about);
	if (result != DIAL_OK) {
		refuse(gate, conn, &w, result, &about);
		return;
	}
	add_name(&name, &w);
	report_decision(gate->report, true, "egress", buf_slice(&name), SLICE_LIT(""));
	if (!w.tunnel) {
		pass(conn, head, &w, used, server);
		return;
	}
	conn_use(conn, used);
	if (conn_write(conn, SLICE_LIT("HTTP/1.1 200 Connection established\r\n\r\n")))
		tunnel_run(conn, server, true, IDLE_MS);
}

void egress_serve(struct gate *gate, struct conn *conn)
{
	struct http_head head;
	size_t used;
	if (exchange_read_head(gate, conn, clock_ms() + gate->head_timeout, &head, &used))
		serve(gate, conn, &head, used);
	conn_linger(conn);
}
