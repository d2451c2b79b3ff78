/* uuid.c: random identifiers. */
#include "uuid.h"

#include <errno.h>
#include <sys/random.h>

static bool is_hyphen_place(size_t i)
{
	return i == 8 || i == 13 || i == 18 || i == 23;
}

bool uuid_random(char text[static UUID_SIZE])
{
	static const char hex[] = "0123456789abcdef";
	unsigned char bytes[16];
	ssize_t n;
	do
		n = getrandom(bytes, sizeof(bytes), 0);
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(bytes))
		return false;
	bytes[6] = (unsigned char)((bytes[6] & 0x0F) | 0x40);
	bytes[8] = (unsigned char)((bytes[8] & 0x3F) | 0x80);
	size_t at = 0;
	for (size_t i = 0; i < sizeof(bytes); i++) {
		if (is_hyphen_place(at))
			text[at++] = '-';
		text[at++] = hex[bytes[i] >> 4];
		text[at++] = hex[bytes[i] & 15];
	}
	text[at] = '\0';
	return true;
}

bool uuid_valid(struct slice text)
{
	if (text.len != UUID_SIZE - 1)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		bool is_hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
		if (is_hyphen_place(i) ? c != '-' : !is_hex)
			return false;
	}
	return true;
}
