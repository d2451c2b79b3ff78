/* table_hash.c: SipHash-1-3. */
#include "table_hash.h"

#include <endian.h>
#include <stdlib.h>
#include <sys/random.h>

static struct table_key process_key;

/* Before main(), so that no thread has to ask whether it was done. */
__attribute__((constructor)) static void draw_key(void)
{
	if (getrandom(&process_key, sizeof(process_key), 0) != (ssize_t)sizeof(process_key))
		abort();
}

static inline uint64_t rotate(uint64_t v, unsigned by)
{
	return v << by | v >> (64 - by);
}

static inline void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

static inline void absorb(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	sip_round(v);
	v[0] ^= word;
}

/* The bytes that fill no word, and the length. */
static uint64_t last_word(const char *p, size_t left, size_t len)
{
	uint64_t word = 0;
	if (left)
		memcpy(&word, p, left);
	return le64toh(word) | (uint64_t)len << 56;
}

uint64_t table_hash_keyed(const struct table_key *key, struct slice text)
{
	uint64_t v[4] = { key->k[0] ^ 0x736f6d6570736575, key->k[1] ^ 0x646f72616e646f6d,
			  key->k[0] ^ 0x6c7967656e657261, key->k[1] ^ 0x7465646279746573 };
	const char *p = text.ptr;
	size_t left = text.len;
	for (; left >= 8; p += 8, left -= 8) {
		uint64_t word;
		memcpy(&word, p, sizeof(word));
		absorb(v, le64toh(word));
	}
	absorb(v, last_word(p, left, text.len));
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t table_hash(struct slice text)
{
	return table_hash_keyed(&process_key, text);
}
