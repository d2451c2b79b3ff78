/* ws_client.c: the client's side of a WebSocket. */
#include "ws_client.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "cleanup.h"

#define HEAD_ROOM 14
#define MAX_RESPONSE 8192
#define OP_TEXT 1
#define OP_CLOSE 8
#define OP_PING 9
#define OP_PONG 10

/* Any key does: it guards caches between client and server, and there are none. Not zero, so that the server has its
 * work. */
static const uint8_t mask_key[4] = { 0x37, 0xfa, 0x21, 0x3d };

void die(const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	(void)fputs("ws_load: ", stderr);
	(void)vfprintf(stderr, fmt, args);
	(void)fputc('\n', stderr);
	va_end(args);
	exit(1);
}

/* ---- messages ---- */

void ws_message_begin(struct ws_message *m)
{
	buf_clear(&m->bytes);
	(void)buf_reserve(&m->bytes, HEAD_ROOM);
	m->bytes.len = HEAD_ROOM;
}

size_t ws_message_len(const struct ws_message *m)
{
	return m->bytes.len - HEAD_ROOM;
}

void ws_message_cut(struct ws_message *m, size_t len)
{
	m->bytes.len = HEAD_ROOM + len;
}

static void put_masked(struct ws_message *m, size_t place, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		m->bytes.data[HEAD_ROOM + place + i] = (char)((uint8_t)text[i] ^ mask_key[(place + i) % 4]);
}

void ws_message_add(struct ws_message *m, const char *text)
{
	size_t len = strlen(text), place = ws_message_len(m);
	(void)buf_reserve(&m->bytes, len);
	m->bytes.len += len;
	put_masked(m, place, text, len);
}

size_t ws_message_add_number(struct ws_message *m)
{
	size_t place = ws_message_len(m);
	ws_message_add(m, "1000000000");
	return place;
}

void ws_message_set_number(struct ws_message *m, size_t place, uint32_t offset)
{
	char digits[10];
	uint32_t v = WS_NUMBER_MIN + offset;
	for (size_t i = sizeof(digits); i-- > 0; v /= 10)
		digits[i] = (char)('0' + v % 10);
	put_masked(m, place, digits, sizeof(digits));
}

struct slice ws_message_frame(struct ws_message *m)
{
	size_t len = ws_message_len(m), extra = len < 126 ? 0 : len < 65536 ? 2 : 8;
	m->head = HEAD_ROOM - 2 - extra - sizeof(mask_key);
	uint8_t *head = (uint8_t *)m->bytes.data + m->head;
	*head++ = 0x80 | OP_TEXT;
	*head++ = (uint8_t)(0x80 | (extra == 0 ? len : extra == 2 ? 126 : 127));
	for (size_t i = extra; i-- > 0;)
		*head++ = (uint8_t)(len >> (8 * i));
	(void)memcpy(head, mask_key, sizeof(mask_key));
	return slice_make(m->bytes.data + m->head, m->bytes.len - m->head);
}

/* ---- connecting ---- */

static int connect_unix(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(address.sun_path))
		die("the path of the socket is too long: %s", path);
	(void)memcpy(address.sun_path, path, strlen(path));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		die("can't connect to %s: %s", path, strerror(errno));
	return fd;
}

static int connect_tcp(const char *host_port)
{
	const char *colon = strrchr(host_port, ':');
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list;
	if (!colon)
		die("neither a path nor HOST:PORT: %s", host_port);
	autofree char *host = slice_dup(slice_make(host_port, (size_t)(colon - host_port)));
	int rc = getaddrinfo(host, colon + 1, &hints, &list);
	if (rc != 0)
		die("can't resolve %s: %s", host_port, gai_strerror(rc));
	int fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	if (fd < 0 || connect(fd, list->ai_addr, list->ai_addrlen) != 0)
		die("can't connect to %s: %s", host_port, strerror(errno));
	freeaddrinfo(list);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

/* Byte by byte, so that nothing behind the head is taken. */
static void read_response(int fd)
{
	char text[MAX_RESPONSE] = { 0 };
	size_t n = 0;
	while (n < 4 || memcmp(text + n - 4, "\r\n\r\n", 4) != 0) {
		if (n == sizeof(text) - 1 || recv(fd, text + n, 1, 0) != 1)
			die("no answer to the upgrade");
		n++;
	}
	text[n] = '\0';
	if (strncmp(text, "HTTP/1.1 101", 12) != 0)
		die("the upgrade was refused: %.*s", (int)strcspn(text, "\r"), text);
}

void ws_client_open(struct ws_client *c, const char *address, const char *target, const char *key)
{
	autobuf request = { 0 };
	*c = (struct ws_client){ .fd = strchr(address, '/') ? connect_unix(address) : connect_tcp(address) };
	buf_addf(&request,
		 "GET %s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		 "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\nAuthorization: Bearer "
		 "%s\r\n\r\n",
		 target, key);
	if (send(c->fd, request.data, request.len, MSG_NOSIGNAL) != (ssize_t)request.len)
		die("the upgrade could not be sent: %s", strerror(errno));
	read_response(c->fd);
	/* Over TCP half of the time of hearing a message is the kernel's acknowledging it at once: every second one does. */
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_QUICKACK, &(int){ 0 }, sizeof(int));
	(void)fcntl(c->fd, F_SETFL, O_NONBLOCK);
}

void ws_client_close(struct ws_client *c)
{
	(void)close(c->fd);
	c->fd = -1;
}

/* ---- sending ---- */

static void send_pong(struct ws_client *c)
{
	/* The bridge's pings are empty, and a few bytes always fit behind a frame that left. */
	uint8_t pong[6] = { 0x80 | OP_PONG, 0x80 };
	(void)send(c->fd, pong, sizeof(pong), MSG_NOSIGNAL);
	c->pong_due = false;
}

bool ws_client_flush(struct ws_client *c)
{
	while (c->unsent.len) {
		ssize_t n = send(c->fd, c->unsent.ptr, c->unsent.len, MSG_NOSIGNAL);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return false;
		if (n < 0)
			die("the server hung up: %s", strerror(errno));
		c->unsent.ptr += n;
		c->unsent.len -= (size_t)n;
	}
	if (c->pong_due)
		send_pong(c);
	return true;
}

bool ws_client_send(struct ws_client *c, struct ws_message *m)
{
	c->unsent = ws_message_frame(m);
	return ws_client_flush(c);
}

/* ---- receiving ---- */

static uint64_t big_endian(const uint8_t *p, size_t n)
{
	uint64_t v = 0;
	for (size_t i = 0; i < n; i++)
		v = v << 8 | p[i];
	return v;
}

/* Takes one byte of a head; the payload begins behind its last one. */
static void take_head(struct ws_client *c, uint8_t byte)
{
	c->head[c->head_len++] = byte;
	if (c->head_len < 2)
		return;
	size_t extra = c->head[1] == 126 ? 2 : c->head[1] == 127 ? 8 : 0;
	if (c->head[1] & 0x80 || !(c->head[0] & 0x80) || c->head[0] & 0x70)
		die("a masked, fragmented or extended frame came");
	if (c->head_len < 2 + extra)
		return;
	c->left = extra ? big_endian(c->head + 2, extra) : c->head[1];
	c->in_payload = true;
	c->peek_len = 0;
}

static size_t take_payload(struct ws_client *c, const char *data, size_t len)
{
	size_t n = len < c->left ? len : (size_t)c->left, keep = sizeof(c->peek) - c->peek_len;
	keep = keep < n ? keep : n;
	(void)memcpy(c->peek + c->peek_len, data, keep);
	c->peek_len += keep;
	c->left -= n;
	return n;
}

static void end_frame(struct ws_client *c, void (*on_text)(void *user, struct slice peek), void *user)
{
	uint8_t op = c->head[0] & 0x0f;
	c->head_len = 0;
	c->in_payload = false;
	if (op == OP_TEXT)
		on_text(user, slice_make(c->peek, c->peek_len));
	else if (op == OP_CLOSE && c->peek_len >= 2)
		die("the server closed with %u %.*s", (unsigned)big_endian((const uint8_t *)c->peek, 2),
		    (int)c->peek_len - 2, c->peek + 2);
	else if (op == OP_PING && c->unsent.len)
		c->pong_due = true;
	else if (op == OP_PING)
		send_pong(c);
}

void ws_client_receive(struct ws_client *c, void (*on_text)(void *user, struct slice peek), void *user)
{
	static char data[256 << 10];
	ssize_t n = recv(c->fd, data, sizeof(data), 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		die("the server hung up");
	for (size_t i = 0; i < (size_t)n;) {
		if (c->in_payload)
			i += take_payload(c, data + i, (size_t)n - i);
		else
			take_head(c, (uint8_t)data[i++]);
		if (c->in_payload && c->left == 0)
			end_frame(c, on_text, user);
	}
}
