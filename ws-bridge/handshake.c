/* handshake.c: parsing of the upgrade request, and the HTTP answers to it. */
#include "handshake.h"

#include <openssl/evp.h>
#include <strings.h>

#define BIT(n) (1U << (n))

static enum handshake_result bad(struct handshake *hs, uint16_t status, const char *error)
{
	hs->status = status;
	hs->error = error;
	return HANDSHAKE_BAD;
}

/* tchar of RFC 9110 section 5.6.2 */
static bool is_token_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_token(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!is_token_char(s.ptr[i]))
			return false;
	return s.len > 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct slice trim(struct slice s)
{
	for (; s.len > 0 && is_blank(s.ptr[0]); s.len--)
		s.ptr++;
	while (s.len > 0 && is_blank(s.ptr[s.len - 1]))
		s.len--;
	return s;
}

static bool equal_nocase(struct slice s, const char *word)
{
	return s.len == strlen(word) && strncasecmp(s.ptr, word, s.len) == 0;
}

/* Cuts the bytes before the first `c` off *rest, and the c itself; all of *rest if there is none. */
static struct slice cut(struct slice *rest, char c)
{
	const char *at = rest->len ? memchr(rest->ptr, c, rest->len) : NULL;
	struct slice head = { rest->ptr, at ? (size_t)(at - rest->ptr) : rest->len };
	size_t gone = head.len + (at ? 1 : 0);
	*rest = slice_make(rest->ptr + gone, rest->len - gone);
	return head;
}

/* Whether a comma-separated list names the word (RFC 9110 section 5.6.1). */
static bool list_has(struct slice list, const char *word)
{
	while (list.len > 0)
		if (equal_nocase(trim(cut(&list, ',')), word))
			return true;
	return false;
}

/* Sec-WebSocket-Extensions (RFC 6455 section 9.1) and the parameters of RFC 7692 section 7.1 */

enum deflate_param { SERVER_NO_TAKEOVER, CLIENT_NO_TAKEOVER, SERVER_WINDOW, CLIENT_WINDOW, DEFLATE_PARAMS };

static const char *const deflate_params[DEFLATE_PARAMS] = {
	[SERVER_NO_TAKEOVER] = "server_no_context_takeover",
	[CLIENT_NO_TAKEOVER] = "client_no_context_takeover",
	[SERVER_WINDOW] = "server_max_window_bits",
	[CLIENT_WINDOW] = "client_max_window_bits",
};

struct param {
	struct slice name;
	bool has_value;
	char value[4]; /* its beginning: no value that we know is longer than two bytes */
	size_t value_len;
};

struct offer {
	bool acceptable; /* permessage-deflate, and nothing against it so far */
	unsigned seen;	 /* BIT(enum deflate_param) */
	int server_window;
};

static bool next_is(const struct slice *in, char c)
{
	return in->len > 0 && in->ptr[0] == c;
}

static char take_char(struct slice *in)
{
	in->len--;
	return *in->ptr++;
}

static struct slice take_token(struct slice *in)
{
	size_t n = 0;
	while (n < in->len && is_token_char(in->ptr[n]))
		n++;
	struct slice token = { in->ptr, n };
	*in = slice_make(in->ptr + n, in->len - n);
	return token;
}

static void value_add(struct param *p, char c)
{
	if (p->value_len < sizeof(p->value))
		p->value[p->value_len] = c;
	p->value_len++;
}

/* A token, or the same in quotes: with the quotes and backslashes gone it must be a token. */
static bool take_value(struct slice *in, struct param *p)
{
	p->has_value = true;
	if (!next_is(in, '"')) {
		struct slice token = take_token(in);
		for (size_t i = 0; i < token.len; i++)
			value_add(p, token.ptr[i]);
		return token.len > 0;
	}
	(void)take_char(in);
	while (in->len > 0) {
		char c = take_char(in);
		if (c == '"')
			return p->value_len > 0;
		if (c == '\\' && in->len > 0)
			c = take_char(in);
		if (!is_token_char(c))
			return false;
		value_add(p, c);
	}
	return false;
}

/* One "; name" or "; name=value" behind the semicolon. */
static bool take_param(struct slice *in, struct param *p)
{
	*in = trim(*in);
	p->name = take_token(in);
	*in = trim(*in);
	if (!next_is(in, '='))
		return p->name.len > 0;
	(void)take_char(in);
	*in = trim(*in);
	return p->name.len > 0 && take_value(in, p);
}

/* A window size of RFC 7692 section 7.1.2: 8 to 15 in decimal without leading zeros; else 0. */
static int window_bits(const struct param *p)
{
	if (p->value_len == 1 && (p->value[0] == '8' || p->value[0] == '9'))
		return p->value[0] - '0';
	if (p->value_len == 2 && p->value[0] == '1' && p->value[1] >= '0' && p->value[1] <= '5')
		return 10 + p->value[1] - '0';
	return 0;
}

/* Whether a permessage-deflate offer with this parameter can be accepted. A smaller window for us is no
 * hindrance: compressing is optional for each message, and such a client is sent none compressed. */
static bool param_acceptable(struct offer *o, const struct param *p)
{
	unsigned i = 0;
	while (i < DEFLATE_PARAMS && !slice_eq_str(p->name, deflate_params[i]))
		i++;
	if (i == DEFLATE_PARAMS || (o->seen & BIT(i)))
		return false;
	o->seen |= BIT(i);
	if (i == SERVER_WINDOW)
		return (o->server_window = window_bits(p)) != 0;
	if (i == CLIENT_WINDOW)
		return !p->has_value || window_bits(p) != 0;
	return !p->has_value;
}

/* One extension with its parameters. Returns false if it is malformed. */
static bool take_offer(struct slice *in, struct offer *o)
{
	struct slice name = take_token(in);
	o->acceptable = slice_eq_str(name, "permessage-deflate");
	for (*in = trim(*in); next_is(in, ';'); *in = trim(*in)) {
		struct param p = { 0 };
		(void)take_char(in);
		if (!take_param(in, &p))
			return false;
		o->acceptable = o->acceptable && param_acceptable(o, &p);
	}
	return name.len > 0 && (in->len == 0 || next_is(in, ','));
}

/* The header handlers take one value and return what is wrong with it, or NULL. */

static const char *take_extensions(struct handshake *hs, struct slice in)
{
	while (in.len > 0) {
		if (is_blank(in.ptr[0]) || in.ptr[0] == ',') {
			(void)take_char(&in);
			continue;
		}
		struct offer o = { 0 };
		if (!take_offer(&in, &o))
			return "Malformed Sec-WebSocket-Extensions";
		/* offers come in the client's order of preference: the first good one counts */
		if (o.acceptable && !hs->deflate) {
			hs->deflate = true;
			hs->deflate_window = (uint8_t)o.server_window;
		}
	}
	return NULL;
}

static const char *take_upgrade(struct handshake *hs, struct slice value)
{
	hs->upgrade = hs->upgrade || list_has(value, "websocket");
	return NULL;
}

static const char *take_connection(struct handshake *hs, struct slice value)
{
	hs->connection_upgrade = hs->connection_upgrade || list_has(value, "upgrade");
	return NULL;
}

static const char *take_transfer_encoding(struct handshake *hs, struct slice value)
{
	(void)hs;
	(void)value;
	return "An upgrade request can't have a body";
}

/* The headers that we read. One with a twice text may come once; its value is kept at the offset. */
static const struct field {
	const char *name;
	const char *(*take)(struct handshake *hs, struct slice value);
	size_t offset;
	const char *twice;
} fields[] = {
#define SINGLE(name, member)                                                                                           \
	{                                                                                                              \
		name, NULL, offsetof(struct handshake, member), "More than one " name " header"                        \
	}
	SINGLE("Host", host),
	SINGLE("Authorization", authorization),
	SINGLE("Origin", origin),
	SINGLE("X-Request-Id", request_id),
	SINGLE("X-Real-IP", real_ip),
	SINGLE("Content-Length", content_length),
	SINGLE("Sec-WebSocket-Key", key),
	SINGLE("Sec-WebSocket-Version", version),
#undef SINGLE
	{ "Upgrade", take_upgrade, 0, NULL },
	{ "Connection", take_connection, 0, NULL },
	{ "Transfer-Encoding", take_transfer_encoding, 0, NULL },
	{ "Sec-WebSocket-Extensions", take_extensions, 0, NULL },
};

static const char *take_field(struct handshake *hs, struct slice name, struct slice value)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		const struct field *f = &fields[i];
		if (!equal_nocase(name, f->name))
			continue;
		if (f->take)
			return f->take(hs, value);
		struct slice *kept = (struct slice *)(void *)((char *)hs + f->offset);
		if (kept->ptr)
			return f->twice;
		*kept = value;
		return NULL;
	}
	return NULL;
}

/* RFC 9112 section 5. The line has no CR LF. */
static const char *parse_header_line(struct handshake *hs, struct slice line)
{
	if (is_blank(line.ptr[0]))
		return "Folded header line";
	if (!memchr(line.ptr, ':', line.len))
		return "Header line without a colon";
	struct slice name = cut(&line, ':');
	if (!is_token(name))
		return "Malformed header name";
	return take_field(hs, name, trim(line));
}

/* RFC 9112 section 3. Bytes above 127 pass: what they mean is the router's business. */
static enum handshake_result parse_request_line(struct handshake *hs, struct slice line)
{
	hs->method = cut(&line, ' ');
	hs->target = cut(&line, ' ');
	struct slice version = line;
	if (!is_token(hs->method) || hs->target.len == 0 || hs->target.ptr[0] != '/' ||
	    memchr(hs->target.ptr, '\t', hs->target.len))
		return bad(hs, 400, "Malformed request line");
	if (version.len != 8 || memcmp(version.ptr, "HTTP/", 5) != 0 || version.ptr[6] != '.' || version.ptr[5] < '0' ||
	    version.ptr[5] > '9' || version.ptr[7] < '0' || version.ptr[7] > '9')
		return bad(hs, 400, "Malformed request line");
	if (version.ptr[5] != '1' || version.ptr[7] == '0')
		return bad(hs, 505, "HTTP/1.1 required");
	return HANDSHAKE_OK;
}

/* Takes a line without its CR LF; the scan made sure that there is one. */
static struct slice take_line(struct slice *head)
{
	struct slice line = cut(head, '\n');
	line.len--;
	return line;
}

static bool is_zero(struct slice digits)
{
	size_t n = 0;
	while (n < digits.len && digits.ptr[n] == '0')
		n++;
	return n > 0 && n == digits.len;
}

/* head: all lines, the empty one at the end included. */
static enum handshake_result parse_head(struct handshake *hs, struct slice head)
{
	enum handshake_result rc = parse_request_line(hs, take_line(&head));
	if (rc != HANDSHAKE_OK)
		return rc;
	for (struct slice line = take_line(&head); line.len > 0; line = take_line(&head)) {
		const char *wrong = parse_header_line(hs, line);
		if (wrong)
			return bad(hs, 400, wrong);
	}
	if (hs->host.len == 0)
		return bad(hs, 400, "Host header missing");
	if (hs->content_length.ptr && !is_zero(hs->content_length))
		return bad(hs, 400, "An upgrade request can't have a body");
	return HANDSHAKE_OK;
}

/* What is wrong with the byte at i as such, or NULL. Line ends are CR LF and nothing else: to take a
 * bare LF for one (RFC 9112 section 2.2 allows it) is how two servers come to read two requests. */
static const char *check_byte(const char *data, size_t i)
{
	char c = data[i];
	bool after_cr = i > 0 && data[i - 1] == '\r';
	if (after_cr != (c == '\n'))
		return after_cr ? "CR without LF" : "LF without CR";
	if (((unsigned char)c < ' ' && c != '\t' && c != '\r' && c != '\n') || c == 0x7f)
		return "Control byte in the request";
	return NULL;
}

enum handshake_result handshake_parse(struct handshake *hs, const char *data, size_t len)
{
	size_t limit = len < HANDSHAKE_HEAD_MAX ? len : HANDSHAKE_HEAD_MAX;
	for (; hs->scanned < limit; hs->scanned++) {
		size_t i = hs->scanned;
		const char *wrong = check_byte(data, i);
		if (wrong)
			return bad(hs, 400, wrong);
		if (i < 3 || memcmp(data + i - 3, "\r\n\r\n", 4) != 0)
			continue;
		hs->head_len = i + 1;
		/* one empty line before the request is forgiven (RFC 9112 section 2.2) */
		size_t skip = data[0] == '\r' ? 2 : 0;
		return parse_head(hs, slice_make(data + skip, hs->head_len - skip));
	}
	if (limit == HANDSHAKE_HEAD_MAX)
		return bad(hs, 431, "Request header too large");
	return HANDSHAKE_MORE;
}

/* 16 bytes in base64: 22 digits and two pads. */
static bool key_valid(struct slice key)
{
	if (key.len != 24 || memcmp(key.ptr + 22, "==", 2) != 0)
		return false;
	for (size_t i = 0; i < 22; i++) {
		char c = key.ptr[i];
		bool digit = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' ||
			     c == '/';
		if (!digit)
			return false;
	}
	return true;
}

enum handshake_result handshake_verify(struct handshake *hs)
{
	if (!slice_eq_str(hs->method, "GET"))
		return bad(hs, 405, "Method not allowed");
	if (!hs->upgrade)
		return bad(hs, 426, "WebSocket upgrade required");
	if (!hs->connection_upgrade)
		return bad(hs, 400, "Connection: Upgrade header missing");
	if (!slice_eq_str(hs->version, "13"))
		return bad(hs, 426, "WebSocket version 13 required");
	if (!key_valid(hs->key))
		return bad(hs, 400, "Sec-WebSocket-Key missing or invalid");
	return HANDSHAKE_OK;
}

bool handshake_accept(const struct handshake *hs, struct buf *out)
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	autobuf text = { 0 };
	buf_add_slice(&text, hs->key);
	buf_add_str(&text, guid);
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned digest_len = 0;
	if (EVP_Digest(text.data, text.len, digest, &digest_len, EVP_sha1(), NULL) != 1)
		return false;
	unsigned char accept[4 * ((EVP_MAX_MD_SIZE + 2) / 3) + 1];
	int n = EVP_EncodeBlock(accept, digest, (int)digest_len);
	buf_add_str(out, "HTTP/1.1 101 Switching Protocols\r\n"
			 "Upgrade: websocket\r\n"
			 "Connection: Upgrade\r\n"
			 "Sec-WebSocket-Accept: ");
	buf_add(out, accept, (size_t)n);
	/* what an offer says about our window must be confirmed (RFC 7692 section 7.1.2.1) */
	if (hs->deflate)
		buf_add_str(out, "\r\nSec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; "
				 "client_no_context_takeover");
	if (hs->deflate && hs->deflate_window)
		buf_addf(out, "; server_max_window_bits=%u", hs->deflate_window);
	buf_add_str(out, "\r\n\r\n");
	return true;
}

static const struct status {
	uint16_t code;
	const char *phrase;
	const char *headers; /* that the status demands */
} statuses[] = {
	{ 400, "Bad Request", "" },
	{ 401, "Unauthorized", "WWW-Authenticate: Bearer\r\n" },
	{ 403, "Forbidden", "" },
	{ 404, "Not Found", "" },
	{ 405, "Method Not Allowed", "Allow: GET\r\n" },
	{ 408, "Request Timeout", "" },
	{ 410, "Gone", "" },
	{ 413, "Content Too Large", "" },
	{ 414, "URI Too Long", "" },
	{ 426, "Upgrade Required", "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" },
	{ 429, "Too Many Requests", "Retry-After: 10\r\n" },
	{ 431, "Request Header Fields Too Large", "" },
	{ 500, "Internal Server Error", "" },
	{ 503, "Service Unavailable", "Retry-After: 1\r\n" },
	{ 505, "HTTP Version Not Supported", "" },
};

static const struct status *find_status(uint16_t code)
{
	static const struct status unknown = { 0, "Error", "" };
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		if (statuses[i].code == code)
			return &statuses[i];
	return &unknown;
}

/* Appends text as a JSON string. */
static void add_json_string(struct buf *out, const char *text)
{
	buf_add_char(out, '"');
	for (; *text; text++) {
		if ((unsigned char)*text < ' ') {
			buf_addf(out, "\\u%04x", (unsigned)*text);
			continue;
		}
		if (*text == '"' || *text == '\\')
			buf_add_char(out, '\\');
		buf_add_char(out, *text);
	}
	buf_add_char(out, '"');
}

void handshake_error(struct buf *out, uint16_t status, const char *text)
{
	const struct status *s = find_status(status);
	autobuf body = { 0 };
	buf_add_str(&body, "{\"error\":");
	add_json_string(&body, text);
	buf_add_char(&body, '}');
	buf_addf(out,
		 "HTTP/1.1 %u %s\r\n%sContent-Type: application/json\r\nContent-Length: %zu\r\n"
		 "Connection: close%s\r\n\r\n",
		 (unsigned)status, s->phrase, s->headers, body.len, status == 426 ? ", upgrade" : "");
	buf_add_slice(out, buf_slice(&body));
}
