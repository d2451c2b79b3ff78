/* json_scan.h: what checking and walking JSON text share; private to json*.c. */
#ifndef CRAFT_JSON_SCAN_H
#define CRAFT_JSON_SCAN_H

#include "json.h"

#define ONES 0x0101010101010101ull
#define HIGHS 0x8080808080808080ull

/* Non-zero when one of the eight bytes ends a run of plain string bytes: a control byte, '"' or '\'. */
static inline uint64_t special_bytes(uint64_t w)
{
	uint64_t quote = w ^ (ONES * '"'), slash = w ^ (ONES * '\\');
	uint64_t low = (w - ONES * 0x20) & ~w;
	return (low | ((quote - ONES) & ~quote) | ((slash - ONES) & ~slash)) & HIGHS;
}

/* The end of the run of plain string bytes at p. */
static inline const char *skip_plain(const char *p, const char *end)
{
	while (end - p >= 8) {
		uint64_t w;
		memcpy(&w, p, 8);
		if (special_bytes(w))
			break;
		p += 8;
	}
	while (p < end && (unsigned char)*p >= 0x20 && *p != '"' && *p != '\\')
		p++;
	return p;
}

static inline bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static inline const char *skip_space(const char *p, const char *end)
{
	while (p < end && is_space(*p))
		p++;
	return p;
}

/* The characters of a key, decoded into scratch only when it holds escapes. Unpaired surrogates are encoded like other
 * code points there, so that different keys stay different. */
struct slice json_key_text(struct slice key, struct buf *scratch);

#endif
