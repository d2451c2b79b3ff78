/* hostile.c: clients that mean harm, each kind by its name, against a bridge or the nginx before it, until the input
 * ends. Then one line: what was done, how often the server ended a connection, and what it cost us. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <zlib.h>

#include "buf.h"
#include "stats.h"

#define TICK_US 10000
#define ANNOUNCED 50000000u
#define BOMB (256u << 20)
#define REQUESTS 20000

struct attacker {
	int fd; /* -1: to be connected */
	struct buf unsent;
	uint64_t again_at; /* µs: when it connects again */
	unsigned step;	   /* the kind's own */
};

/* In the order in which a row is read; there are a few of them. NOLINTNEXTLINE(*-optin.performance.Padding) */
struct kind {
	const char *name, *help;
	unsigned count; /* attackers */
	double rate;	/* actions of all of them per second */
	bool upgrades;	/* begins with an upgrade */
	bool reads;	/* takes what comes */
	bool wrong_key;
	/* One action; what is to be sent goes to a->unsent. */
	void (*act)(struct attacker *a);
};

static const char *address, *target = "/workspace/hostile", *key;
static const struct kind *kind;
static struct buf bomb, flood, pings;
static uint64_t actions, opened, ended;

static _Noreturn void die(const char *what)
{
	(void)fprintf(stderr, "hostile: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- what is sent ---- */

static void add_frame_head(struct buf *b, unsigned char first, uint64_t len)
{
	buf_add_char(b, (char)first);
	if (len < 126) {
		buf_add_char(b, (char)(0x80 | len));
	} else {
		buf_add_char(b, (char)(0x80 | 127));
		for (int shift = 56; shift >= 0; shift -= 8)
			buf_add_char(b, (char)(len >> shift));
	}
	buf_add(b, "\0\0\0", 4); /* a mask that changes nothing */
}

static void add_frame(struct buf *b, unsigned char first, struct slice payload)
{
	add_frame_head(b, first, payload.len);
	buf_add_slice(b, payload);
}

/* Blanks without end, as permessage-deflate has them: one block that stands for itself, again and again. */
static void make_bomb(void)
{
	static char blanks[1 << 20];
	static unsigned char block[1 << 16];
	autobuf packed = { 0 };
	z_stream z = {
		.next_in = (Bytef *)blanks, .avail_in = sizeof(blanks), .next_out = block, .avail_out = sizeof(block)
	};
	memset(blanks, ' ', sizeof(blanks));
	if (deflateInit2(&z, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY) != Z_OK || deflate(&z, Z_FULL_FLUSH) != Z_OK)
		die("zlib");
	for (size_t n = 0; n < BOMB / sizeof(blanks); n++)
		buf_add(&packed, block, sizeof(block) - z.avail_out);
	(void)deflateEnd(&z);
	add_frame(&bomb, 0xc1, buf_slice(&packed));
}

static void make_floods(void)
{
	for (int i = 0; i < 10000; i++)
		add_frame(&pings, 0x89, (struct slice){ 0 });
	for (int i = 0; i < REQUESTS; i++) {
		autobuf text = { 0 };
		buf_addf(&text, "{\"type\":\"labels:save\",\"data\":{\"n\":%d},\"requestId\":%d}", i, i);
		add_frame(&flood, 0x81, buf_slice(&text));
	}
}

/* ---- the kinds ---- */

static void act_nothing(struct attacker *a)
{
	(void)a;
}

static void act_trickle(struct attacker *a)
{
	if (a->step++ == 0)
		add_frame_head(&a->unsent, 0x81, ANNOUNCED);
	buf_add_char(&a->unsent, ' ');
}

static void act_half(struct attacker *a)
{
	static char blanks[65536];
	memset(blanks, ' ', sizeof(blanks));
	if (a->step == 0)
		add_frame_head(&a->unsent, 0x81, ANNOUNCED);
	if (a->step++ < 16)
		buf_add(&a->unsent, blanks, sizeof(blanks));
}

static void act_pings(struct attacker *a)
{
	buf_add_slice(&a->unsent, buf_slice(&pings));
}

static void act_requests(struct attacker *a)
{
	if (a->step++ == 0)
		buf_add_slice(&a->unsent, buf_slice(&flood));
}

static void act_bomb(struct attacker *a)
{
	if (a->step++ == 0)
		buf_add_slice(&a->unsent, buf_slice(&bomb));
}

static void act_slowloris(struct attacker *a)
{
	if (a->step++ == 0)
		buf_add_str(&a->unsent, "GET / HTTP/1.1\r\nHost: h\r\n");
	else
		buf_addf(&a->unsent, "X-%u: y\r\n", a->step);
}

/* clang-format off */
static const struct kind kinds[] = {
	{ "noread", "joins the workspace and never reads", 20, 1, true, false, false, act_nothing },
	{ "trickle", "frames that announce 50 MB, a byte at a time", 100, 5000, true, true, false, act_trickle },
	{ "half", "frames that announce 50 MB, of which 1 MB comes", 50, 200, true, true, false, act_half },
	{ "pings", "pings, 10,000 at a time", 8, 100, true, true, false, act_pings },
	{ "requests", "20,000 requests each, no answer read", 8, 40, true, false, false, act_requests },
	{ "bombs", "256 KB that inflate to 256 MB", 8, 4, true, true, false, act_bomb },
	{ "slowloris", "heads that never end", 500, 500, false, true, false, act_slowloris },
	{ "wrong", "upgrades with a wrong key", 8, 500, true, true, true, act_nothing },
};
/* clang-format on */

/* ---- connections ---- */

static int connect_unix(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (strlen(address) >= sizeof(sun.sun_path))
		die("address");
	memcpy(sun.sun_path, address, strlen(address));
	return fd < 0 || connect(fd, (struct sockaddr *)&sun, sizeof(sun)) ? (close(fd), -1) : fd;
}

static int connect_tcp(void)
{
	char host[64];
	const char *colon = strrchr(address, ':');
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *info;
	if (!colon || (size_t)(colon - address) >= sizeof(host))
		die("address");
	memcpy(host, address, (size_t)(colon - address));
	host[colon - address] = '\0';
	if (getaddrinfo(host, colon + 1, &hints, &info) != 0)
		die("address");
	int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int rc = fd < 0 ? -1 : connect(fd, info->ai_addr, info->ai_addrlen);
	freeaddrinfo(info);
	return rc ? (close(fd), -1) : fd;
}

static void open_one(struct attacker *a)
{
	a->fd = strchr(address, '/') ? connect_unix() : connect_tcp();
	if (a->fd < 0)
		return;
	(void)fcntl(a->fd, F_SETFL, O_NONBLOCK);
	opened++;
	a->step = 0;
	buf_clear(&a->unsent);
	if (kind->upgrades)
		buf_addf(&a->unsent,
			 "GET %s HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: "
			 "Upgrade\r\nSec-WebSocket-Version: 13\r\n"
			 "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Extensions: "
			 "permessage-deflate\r\n"
			 "Authorization: Bearer %s\r\n\r\n",
			 target, kind->wrong_key ? "wrong" : key);
}

static void close_one(struct attacker *a)
{
	(void)close(a->fd);
	a->fd = -1;
	a->again_at = now_us() + (kind->wrong_key ? 0 : 100000);
	ended++;
}

static void push(struct attacker *a)
{
	while (a->fd >= 0 && a->unsent.len) {
		ssize_t n = send(a->fd, a->unsent.data, a->unsent.len < 65536 ? a->unsent.len : 65536, MSG_NOSIGNAL);
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		if (n < 0)
			close_one(a);
		else
			buf_drop_front(&a->unsent, (size_t)n);
	}
}

/* Those that never read look only whether there is still somebody. */
static void pull(struct attacker *a)
{
	static char scratch[65536];
	struct pollfd p = { .fd = a->fd, .events = POLLRDHUP };
	if (a->fd < 0)
		return;
	if (!kind->reads) {
		if (poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR | POLLRDHUP)))
			close_one(a);
		return;
	}
	for (;;) {
		ssize_t n = recv(a->fd, scratch, sizeof(scratch), 0);
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		if (n <= 0) {
			close_one(a);
			return;
		}
		/* A refusal ends it, whatever nginx does with the connection. */
		if (kind->wrong_key) {
			close_one(a);
			return;
		}
	}
}

/* ---- the run ---- */

static double cpu_seconds(void)
{
	struct rusage r;
	(void)getrusage(RUSAGE_SELF, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
	       (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

static bool input_open(void)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
	return poll(&p, 1, TICK_US / 1000) == 0;
}

/* Actions go round, as many as the rate allows by now. */
static void act_when_due(struct attacker *all, uint64_t begin)
{
	static unsigned next;
	uint64_t due = (uint64_t)((double)(now_us() - begin) / 1e6 * kind->rate);
	for (unsigned tries = 0; actions < due && tries < kind->count; tries++) {
		struct attacker *a = &all[next++ % kind->count];
		if (a->fd < 0 && now_us() >= a->again_at) {
			open_one(a);
			actions += kind->wrong_key && a->fd >= 0;
		}
		if (a->fd < 0 || a->unsent.len || kind->wrong_key)
			continue;
		kind->act(a);
		actions++;
	}
}

static void run(void)
{
	struct attacker *all = xcalloc(kind->count, sizeof(*all));
	for (unsigned i = 0; i < kind->count; i++) {
		all[i].fd = -1;
		if (!kind->wrong_key)
			open_one(&all[i]);
		push(&all[i]);
	}
	uint64_t begin = now_us();
	double cpu = cpu_seconds();
	(void)puts("ready");
	(void)fflush(stdout);
	while (input_open()) {
		act_when_due(all, begin);
		for (unsigned i = 0; i < kind->count; i++) {
			push(&all[i]);
			pull(&all[i]);
		}
	}
	double seconds = (double)(now_us() - begin) / 1e6;
	(void)printf("kind=%s clients=%u actions=%llu opened=%llu ended=%llu seconds=%.2f own_cpu=%.2f\n", kind->name,
		     kind->count, (unsigned long long)actions, (unsigned long long)opened, (unsigned long long)ended,
		     seconds, (cpu_seconds() - cpu) / seconds);
	for (unsigned i = 0; i < kind->count; i++) {
		if (all[i].fd >= 0)
			(void)close(all[i].fd);
		buf_free(&all[i].unsent);
	}
	free(all);
}

int main(int argc, char **argv)
{
	key = getenv("API_KEY");
	for (size_t i = 0; argc >= 3 && i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (strcmp(argv[1], kinds[i].name) == 0)
			kind = &kinds[i];
	}
	if (!kind || !key) {
		(void)fputs("Usage: hostile KIND SOCKET|HOST:PORT [PATH]\n\nThe key is read from $API_KEY. Kinds:\n",
			    stderr);
		for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
			(void)fprintf(stderr, "  %-10s %u clients: %s\n", kinds[i].name, kinds[i].count, kinds[i].help);
		return 2;
	}
	address = argv[2];
	if (argc > 3)
		target = argv[3];
	/* What is measured is the server, on the same CPUs. */
	(void)setpriority(PRIO_PROCESS, 0, 19);
	make_floods();
	if (kind->act == act_bomb)
		make_bomb();
	run();
	buf_free(&bomb);
	buf_free(&flood);
	buf_free(&pings);
	return 0;
}
