/* address.c: kinds of IP addresses, after the registries of RFC 6890 and the addresses of clouds' metadata services. */
#include "address.h"

#include <arpa/inet.h>

struct range4 {
	uint32_t base;
	unsigned bits;
	enum address_kind kind;
};

struct range6 {
	unsigned char base[16];
	unsigned bits;
	enum address_kind kind;
};

#define V4(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))

/* The first that fits counts. */
static const struct range4 ranges4[] = {
	{ V4(0, 0, 0, 0), 8, ADDRESS_NOWHERE }, /* 0.0.0.0 is this host */
	{ V4(10, 0, 0, 0), 8, ADDRESS_PRIVATE },
	{ V4(100, 100, 100, 200), 32, ADDRESS_SPECIAL }, /* metadata, Alibaba */
	{ V4(100, 64, 0, 0), 10, ADDRESS_PRIVATE },	 /* carriers' NAT */
	{ V4(127, 0, 0, 0), 8, ADDRESS_PRIVATE },
	{ V4(168, 63, 129, 16), 32, ADDRESS_SPECIAL }, /* the host of a machine at Azure */
	{ V4(169, 254, 0, 0), 16, ADDRESS_SPECIAL },
	{ V4(172, 16, 0, 0), 12, ADDRESS_PRIVATE },
	{ V4(192, 0, 0, 0), 24, ADDRESS_SPECIAL },   /* with Oracle's metadata */
	{ V4(192, 0, 2, 0), 24, ADDRESS_SPECIAL },   /* documentation */
	{ V4(192, 88, 99, 0), 24, ADDRESS_SPECIAL }, /* relays of 6to4 */
	{ V4(192, 168, 0, 0), 16, ADDRESS_PRIVATE },
	{ V4(198, 18, 0, 0), 15, ADDRESS_PRIVATE },   /* benchmarks */
	{ V4(198, 51, 100, 0), 24, ADDRESS_SPECIAL }, /* documentation, as the next */
	{ V4(203, 0, 113, 0), 24, ADDRESS_SPECIAL },
	{ V4(224, 0, 0, 0), 4, ADDRESS_NOWHERE },
	{ V4(255, 255, 255, 255), 32, ADDRESS_NOWHERE },
	{ V4(240, 0, 0, 0), 4, ADDRESS_SPECIAL },
};

static const struct range6 ranges6[] = {
	{ { 0 }, 128, ADDRESS_NOWHERE },
	{ { [15] = 1 }, 128, ADDRESS_PRIVATE },
	{ { 0x00, 0x64, 0xff, 0x9b, 0x00, 0x01 }, 48, ADDRESS_PRIVATE }, /* a network's own NAT64 */
	{ { 0xfd, 0x00, 0x0e, 0xc2 }, 32, ADDRESS_SPECIAL },		 /* fd00:ec2::254: metadata, Amazon */
	{ { 0xfd, 0x20, 0x00, 0xce }, 32, ADDRESS_SPECIAL },		 /* fd20:ce::254: metadata, Google */
	{ { 0xfc }, 7, ADDRESS_PRIVATE },
	{ { 0xfe, 0xc0 }, 10, ADDRESS_PRIVATE }, /* site-local, of old */
	{ { 0xff }, 8, ADDRESS_NOWHERE },
	{ { 0x20, 0x01 }, 23, ADDRESS_SPECIAL }, /* Teredo and the like */
	{ { 0x20, 0x01, 0x0d, 0xb8 }, 32, ADDRESS_SPECIAL },
	{ { 0x3f, 0xff }, 20, ADDRESS_SPECIAL },
	{ { 0x20 }, 3, ADDRESS_PUBLIC },
};

/* Where in an IPv6 address of this beginning an IPv4 address stands. */
static const struct embedded {
	unsigned char base[16];
	unsigned bits;
	size_t at;
} embeddings[] = {
	{ { [10] = 0xff, [11] = 0xff }, 96, 12 }, /* mapped */
	{ { [8] = 0xff, [9] = 0xff }, 96, 12 },	  /* translated, RFC 2765 */
	{ { 0x00, 0x64, 0xff, 0x9b }, 96, 12 },	  /* NAT64 */
	{ { 0x20, 0x02 }, 16, 2 },		  /* 6to4 */
	{ { 0 }, 96, 12 },			  /* compatible; after :: and ::1 */
};

static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };

static bool has_prefix(const unsigned char *bytes, const unsigned char *base, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;
	if (memcmp(bytes, base, whole) != 0)
		return false;
	return rest == 0 || ((bytes[whole] ^ base[whole]) >> (8 - rest)) == 0;
}

static void set_v4(struct address *out, const void *four)
{
	memcpy(out->bytes, mapped, sizeof(mapped));
	memcpy(out->bytes + sizeof(mapped), four, 4);
}

bool address_parse(const char *text, struct address *out)
{
	struct in_addr v4;
	if (strchr(text, ':'))
		return inet_pton(AF_INET6, text, out->bytes) == 1;
	if (!inet_aton(text, &v4))
		return false;
	set_v4(out, &v4.s_addr);
	return true;
}

bool address_of(const struct sockaddr *name, struct address *out)
{
	if (name->sa_family == AF_INET) {
		struct sockaddr_in v4;
		memcpy(&v4, name, sizeof(v4));
		set_v4(out, &v4.sin_addr.s_addr);
		return true;
	}
	struct sockaddr_in6 v6;
	if (name->sa_family != AF_INET6)
		return false;
	memcpy(&v6, name, sizeof(v6));
	memcpy(out->bytes, v6.sin6_addr.s6_addr, sizeof(out->bytes));
	return true;
}

bool address_equal(const struct address *a, const struct address *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static enum address_kind kind4(const unsigned char *four)
{
	uint32_t value = V4(four[0], four[1], four[2], four[3]);
	for (size_t i = 0; i < sizeof(ranges4) / sizeof(*ranges4); i++)
		if (((value ^ ranges4[i].base) >> (32 - ranges4[i].bits)) == 0)
			return ranges4[i].kind;
	return ADDRESS_PUBLIC;
}

/* :: and ::1 are no IPv4 addresses, though they look like compatible ones. */
static bool is_low(const struct address *a)
{
	static const unsigned char zeros[15];
	return memcmp(a->bytes, zeros, sizeof(zeros)) == 0 && a->bytes[15] <= 1;
}

enum address_kind address_kind(const struct address *a)
{
	for (size_t i = 0; !is_low(a) && i < sizeof(embeddings) / sizeof(*embeddings); i++)
		if (has_prefix(a->bytes, embeddings[i].base, embeddings[i].bits))
			return kind4(a->bytes + embeddings[i].at);
	for (size_t i = 0; i < sizeof(ranges6) / sizeof(*ranges6); i++)
		if (has_prefix(a->bytes, ranges6[i].base, ranges6[i].bits))
			return ranges6[i].kind;
	return ADDRESS_SPECIAL;
}

void address_text(const struct address *a, char text[INET6_ADDRSTRLEN])
{
	bool v4 = has_prefix(a->bytes, mapped, 96);
	if (!inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? a->bytes + 12 : a->bytes, text, INET6_ADDRSTRLEN))
		*text = '\0';
}
