/* base64.c: RFC 4648. */
#include "base64.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/* The digits 62 and 63. */
static const char last_digits[][2] = { [BASE64_STANDARD] = { '+', '/' }, [BASE64_URL] = { '-', '_' } };

static char digit_of(enum base64_alphabet alphabet, uint32_t value)
{
	value &= 63;
	return value < 62 ? digits[value] : last_digits[alphabet][value - 62];
}

static int value_of(enum base64_alphabet alphabet, char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == last_digits[alphabet][0] ? 62 : c == last_digits[alphabet][1] ? 63 : -1;
}

void base64_add(struct buf *out, enum base64_alphabet alphabet, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;
	uint32_t bits = 0;
	(void)buf_reserve(out, n / 3 * 4 + 4);
	for (size_t i = 0; i < n; i++) {
		/* Three bytes are four digits: the third one completes two. */
		bits = bits << 8 | p[i];
		buf_add_char(out, digit_of(alphabet, bits >> (i % 3 * 2 + 2)));
		if (i % 3 == 2)
			buf_add_char(out, digit_of(alphabet, bits));
	}
	if (n % 3)
		buf_add_char(out, digit_of(alphabet, bits << (6 - n % 3 * 2)));
	for (size_t i = n; alphabet == BASE64_STANDARD && i % 3; i++)
		buf_add_char(out, '=');
}

/* The whole bytes of `count` digits. *rest: the bits behind the last of them. */
static bool decode(const char *text, size_t count, enum base64_alphabet alphabet, unsigned char *out, uint32_t *rest)
{
	uint32_t bits = 0;
	for (size_t i = 0; i < count; i++) {
		int value = value_of(alphabet, text[i]);
		if (value < 0)
			return false;
		bits = bits << 6 | (uint32_t)value;
		/* Four digits are three bytes: a byte is complete behind each but the first. */
		if (i % 4)
			*out++ = (unsigned char)(bits >> (6 - i % 4 * 2));
	}
	*rest = bits & ((1u << (count * 6 % 8)) - 1);
	return true;
}

bool base64_read(struct slice text, enum base64_alphabet alphabet, struct buf *out)
{
	uint32_t rest;
	size_t count = text.len;
	if (alphabet == BASE64_STANDARD) {
		if (text.len % 4)
			return false;
		while (count && text.len - count < 2 && text.ptr[count - 1] == '=')
			count--;
	}
	if (count % 4 == 1)
		return false;
	unsigned char *at = (unsigned char *)buf_reserve(out, count * 3 / 4 + 1);
	if (!decode(text.ptr, count, alphabet, at, &rest) || rest)
		return false;
	out->len += count * 3 / 4;
	return true;
}

bool base64_read_exactly(struct slice text, unsigned char *out, size_t n)
{
	uint32_t rest;
	size_t count = (n * 8 + 5) / 6;
	if (text.len != count && text.len != (n + 2) / 3 * 4)
		return false;
	for (size_t i = count; i < text.len; i++) {
		if (text.ptr[i] != '=')
			return false;
	}
	return decode(text.ptr, count, BASE64_STANDARD, out, &rest);
}
