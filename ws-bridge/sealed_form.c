/* sealed_form.c: has a text the form of something that a client encrypted? */
#include "sealed_form.h"

#include "lib/base64.h"
#include "lib/seal.h"

/* How surely a text isn't random, in quarters of a bit: each character of the kind adds some, each other one takes some
 * away. Of random bytes 99 in 256 are of the kind (fewer of random base64: 22 in 64 are hexadecimal digits), and
 * 99/256 * 2^(5/4) + 157/256 * 2^(-14/4) = 0.974 is below 1: so the mean of 2^sum is below 1 for a random text of any
 * length, and the chance that the sum reaches 60 bits is below 2^-60. 108 characters of a key reach it with 21 others
 * among them, 48 with none. */
#define OF_KIND 5
#define OTHER 14
#define SURE ((int64_t)60 * 4)

static bool mostly(struct slice text, bool (*of_kind)(unsigned char))
{
	int64_t sum = 0;
	size_t others = 0;
	for (size_t i = 0; i < text.len; i++) {
		bool is = of_kind((unsigned char)text.ptr[i]);
		sum += is ? OF_KIND : -OTHER;
		others += !is;
	}
	/* Without any other it needn't be long: of what is encrypted that is 29 bytes or more, 2^-39 for a key of one
	 * character, and below 2^-60 from 16 characters on. */
	return sum >= SURE || others == 0;
}

static bool is_hex(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* NUL: the other half of UTF-16, and what ends a string in C. */
static bool is_readable(unsigned char c)
{
	return (c >= ' ' && c < 0x7f) || c == '\t' || c == '\r' || c == '\n' || c == '\0';
}

/* How keys of the model begin, and so many readable bytes more: 56 + 13 bits, of which the places where it may begin
 * take 7 or 8. */
static bool names_a_key(struct slice bytes)
{
	static const char begin[] = "sk-ant-";
	enum { BEGIN = sizeof(begin) - 1, MORE = 10 };
	for (size_t i = 0; i + BEGIN + MORE <= bytes.len; i++) {
		size_t n = 0;
		if (memcmp(bytes.ptr + i, begin, BEGIN) != 0)
			continue;
		while (n < MORE && is_readable((unsigned char)bytes.ptr[i + BEGIN + n]))
			n++;
		if (n == MORE)
			return true;
	}
	return false;
}

bool sealed_form(struct slice text)
{
	autowiped bytes = { 0 };
	(void)buf_reserve(&bytes, text.len);
	return base64_read(text, BASE64_STANDARD, &bytes) && bytes.len > SEAL_IV_SIZE + SEAL_TAG_SIZE &&
	       !mostly(text, is_hex) && !mostly(buf_slice(&bytes), is_readable) && !names_a_key(buf_slice(&bytes));
}
