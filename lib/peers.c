/* peers.c: the table of client addresses. */
#include "peers.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/random.h>

void peers_init(struct peers *t)
{
	if (getrandom(&t->key, sizeof(t->key), 0) != (ssize_t)sizeof(t->key))
		abort();
}

static uint64_t big_endian(const unsigned char *p, size_t n)
{
	uint64_t v = 0;
	for (size_t i = 0; i < n; i++)
		v = v << 8 | p[i];
	return v;
}

/* The range that no IPv6 network begins with. */
static uint64_t key_of_ipv4(const unsigned char *p)
{
	return 0xffffull << 32 | big_endian(p, 4);
}

bool peer_key(struct slice text, uint64_t *key)
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
	char address[INET6_ADDRSTRLEN];
	unsigned char bytes[16];
	if (text.len == 0 || text.len >= sizeof(address) || memchr(text.ptr, '\0', text.len))
		return false;
	memcpy(address, text.ptr, text.len);
	address[text.len] = '\0';
	if (inet_pton(AF_INET, address, bytes) == 1)
		*key = key_of_ipv4(bytes);
	else if (inet_pton(AF_INET6, address, bytes) != 1)
		return false;
	else if (memcmp(bytes, mapped, sizeof(mapped)) == 0)
		*key = key_of_ipv4(bytes + sizeof(mapped));
	else
		*key = big_endian(bytes, 8);
	return true;
}

struct peer *peers_find(struct peers *t, uint64_t key, uint64_t now)
{
	struct slice bytes = slice_make((const char *)&key, sizeof(key));
	struct peer *set = t->peers[table_hash_keyed(&t->key, bytes) % PEERS_SETS], *place = NULL;
	for (size_t i = 0; i < PEERS_WAYS; i++) {
		struct peer *p = &set[i];
		if (p->seen && p->key == key) {
			p->seen = now + 1;
			return p;
		}
		if (!p->connections && (!place || p->seen < place->seen))
			place = p;
	}
	if (place)
		*place = (struct peer){ .key = key, .seen = now + 1 };
	return place;
}
