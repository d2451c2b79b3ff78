/* json_driver.c: lib/json.h on documents from stdin, for tests/fuzz/json_parse.test.mjs, which compares with
 * JSON.parse. A document is its length in decimal, a newline and its bytes. The answer is a line of words; offsets are
 * bytes of the document, texts are hexadecimal behind an x:
 *
 *   UTF8 refused                 UTF8: 1 when utf8_valid(), else 0
 *   UTF8 DEPTH VALUE... MERGED
 *
 * VALUE, members in their order:  v FROM TO | s FROM TO EXACT LOSSY PREFIX ENCODED | a FROM TO VALUE... . |
 *                                 o FROM TO (s FROM TO ... KEY GET VALUE)... .
 * EXACT and ENCODED are - where json_decode() refuses; KEY is json_key_text(); GET is the offset of what json_get()
 * finds for that key, - where a C string can't name it; MERGED is - or json_merge() of the object before this one and
 * this one, unless it is deeper than what is stored. Values deeper than WALK_DEPTH are only a v: walking is linear in
 * the text at each level. */
#include <stdio.h>

#include "lib/cleanup.h"
#include "lib/json_scan.h"
#include "lib/utf8.h"

#define WALK_DEPTH 60
#define PREFIX_UNITS 5
#define GET_MEMBERS 40 /* json_get() is linear in the object */

static void add_text(struct buf *out, struct slice text)
{
	static const char digits[] = "0123456789abcdef";
	buf_add_str(out, " x");
	for (size_t i = 0; i < text.len; i++) {
		buf_add_char(out, digits[(unsigned char)text.ptr[i] >> 4]);
		buf_add_char(out, digits[(unsigned char)text.ptr[i] & 15]);
	}
}

static void add_place(struct buf *out, char kind, struct slice value, const char *text)
{
	buf_addf(out, " %c %zu %zu", kind, (size_t)(value.ptr - text), (size_t)(value.ptr - text) + value.len);
}

static void tell_string(struct slice string, const char *text, struct buf *out)
{
	autobuf exact = { 0 }, lossy = { 0 }, prefix = { 0 }, encoded = { 0 };
	add_place(out, 's', string, text);
	bool whole = json_decode(string, &exact);
	if (whole)
		add_text(out, buf_slice(&exact));
	else
		buf_add_str(out, " -");
	json_decode_lossy(string, &lossy, SIZE_MAX);
	add_text(out, buf_slice(&lossy));
	json_prefix(string, PREFIX_UNITS, &prefix);
	add_text(out, buf_slice(&prefix));
	json_encode(&encoded, buf_slice(&exact));
	if (whole)
		add_text(out, buf_slice(&encoded));
	else
		buf_add_str(out, " -");
}

static void tell_key(struct slice object, struct slice key, size_t count, const char *text, struct buf *out)
{
	autobuf scratch = { 0 }, name = { 0 };
	struct slice found;
	tell_string(key, text, out);
	add_text(out, json_key_text(key, &scratch));
	if (count < GET_MEMBERS && json_decode(key, &name) && json_get(object, buf_cstr(&name), &found))
		buf_addf(out, " %zu", (size_t)(found.ptr - text));
	else
		buf_add_str(out, " -");
}

static void tell(struct slice value, const char *text, int depth, struct buf *out)
{
	enum json_kind kind = json_kind_of(value);
	if (kind == JSON_STRING) {
		tell_string(value, text, out);
		return;
	}
	bool container = kind == JSON_ARRAY || kind == JSON_OBJECT;
	if (!container || depth == WALK_DEPTH) {
		add_place(out, 'v', value, text);
		return;
	}
	add_place(out, kind == JSON_ARRAY ? 'a' : 'o', value, text);
	struct json_iter it = json_iter(value);
	for (size_t count = 0; json_next(&it); count++) {
		if (kind == JSON_OBJECT)
			tell_key(value, it.key, count, text, out);
		tell(it.value, text, depth + 1, out);
	}
	buf_add_str(out, " .");
}

/* This object stays for the next one. */
static void tell_merged(struct slice value, size_t depth, struct buf *out)
{
	static struct buf before;
	autobuf merged = { 0 };
	if (json_kind_of(value) != JSON_OBJECT || depth > JSON_MAX_DEPTH) {
		buf_add_str(out, " -");
		return;
	}
	json_merge(&merged, before.len ? buf_slice(&before) : SLICE_LIT("{}"), value);
	add_text(out, buf_slice(&merged));
	buf_clear(&before);
	buf_add_slice(&before, value);
}

static void answer(struct slice text)
{
	autobuf out = { 0 };
	size_t depth;
	bool utf8 = utf8_valid(text.ptr, text.len);
	buf_add_char(&out, utf8 ? '1' : '0');
	if (!json_check(text, &depth)) {
		buf_add_str(&out, " refused");
	} else {
		buf_addf(&out, " %zu", depth);
		/* Everything else expects UTF-8. */
		if (utf8) {
			tell(json_trim(text), text.ptr, 0, &out);
			tell_merged(json_trim(text), depth, &out);
		}
	}
	(void)printf("%s\n", buf_cstr(&out));
	(void)fflush(stdout);
}

int main(void)
{
	size_t size;
	while (scanf("%zu", &size) == 1 && getchar() == '\n') {
		/* Exactly as large, so that a sanitizer sees a read beyond the end. */
		autofree char *text = xmalloc(size + !size);
		if (fread(text, 1, size, stdin) != size)
			return 1;
		answer(slice_make(text, size));
	}
	return !feof(stdin);
}
