/* fuzz_json_c.c: our JSON against json-c's strict parser: what json-c takes we take, and the other way round, and every
 * value in it is the same to both.
 *
 * Where the two differ by design:
 *  - depth: json_check() has no limit, json-c is given one that no input here reaches;
 *  - UTF-8: both are only asked about valid one, which our callers check first; a NUL ends json-c's text;
 *  - json-c 0.16 is lenient, even when strict: is_lenient() names all of it;
 *  - numbers: ours stay text; json-c clamps integers to 64 bits and has no -0 among them;
 *  - unpaired surrogates and \u0000 in strings: json_decode() refuses both; json-c makes something else of the former
 *    and what follows, and cuts names of members at the latter. Such strings aren't compared (see fuzz_unescape.c). */
#include <assert.h>
#include <json-c/json.h>
#include <math.h>
#include <regex.h>

#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_SIZE 4096 /* bytes, and so levels */

static bool is_number_byte(char c)
{
	return (c >= '0' && c <= '9') || (c && strchr("+-.eE", c));
}

/* RFC 8259 section 6. */
static bool is_number(struct slice s)
{
	static regex_t pattern;
	static bool compiled;
	autofree char *text = slice_dup(s);
	if (!compiled) {
		compiled = true;
		assert(regcomp(&pattern, "^-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?$", REG_EXTENDED) == 0);
	}
	return regexec(&pattern, text, 0, NULL, 0) == 0;
}

/* Is there something that only json-c takes: NaN, Infinity, numbers like 00, 1. and -.5, control characters in strings,
 * vertical tabs and form feeds as white space? */
static bool is_lenient(struct slice text)
{
	bool in_string = false;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		if (in_string) {
			if ((unsigned char)c < 0x20)
				return true;
			i += c == '\\';
			in_string = c != '"';
			continue;
		}
		in_string = c == '"';
		if (c == 'N' || c == 'I' || c == '\v' || c == '\f')
			return true;
		size_t end = i;
		while (end < text.len && is_number_byte(text.ptr[end]))
			end++;
		if (end > i && c != 'e' && c != 'E' && !is_number(slice_make(text.ptr + i, end - i)))
			return true;
		i = end > i ? end - 1 : i;
	}
	return false;
}

static void compare(struct slice ours, struct json_object *theirs);

static void compare_number(struct slice ours, struct json_object *theirs)
{
	autofree char *text = slice_dup(ours);
	if (strpbrk(text, ".eE")) {
		double want = json_object_get_double(theirs), got = strtod(text, NULL);
		assert(json_object_is_type(theirs, json_type_double) && want == got && !signbit(want) == !signbit(got));
		return;
	}
	assert(json_object_is_type(theirs, json_type_int));
	if (text[0] == '-')
		assert(json_object_get_int64(theirs) == strtoll(text, NULL, 10));
	else
		assert(json_object_get_uint64(theirs) == strtoull(text, NULL, 10));
}

static void compare_string(struct slice ours, struct json_object *theirs)
{
	autobuf lossy = { 0 }, exact = { 0 };
	struct slice string = slice_make(json_object_get_string(theirs), (size_t)json_object_get_string_len(theirs));
	if (!json_decode(ours, &exact))
		return;
	json_decode_lossy(ours, &lossy, SIZE_MAX);
	assert(slice_eq(buf_slice(&exact), string) && slice_eq(buf_slice(&lossy), string));
}

static void compare_array(struct slice ours, struct json_object *theirs)
{
	size_t count = 0;
	struct json_iter it = json_iter(ours);
	while (json_next(&it)) {
		assert(count < json_object_array_length(theirs));
		compare(it.value, json_object_array_get_idx(theirs, count++));
	}
	assert(count == json_object_array_length(theirs));
}

static bool has_comparable_names(struct slice object)
{
	struct json_iter it = json_iter(object);
	while (json_next(&it)) {
		autobuf name = { 0 };
		if (!json_decode(it.key, &name))
			return false;
	}
	return true;
}

/* Of members with equal names the last counts. */
static void compare_object(struct slice ours, struct json_object *theirs)
{
	autobuf merged = { 0 };
	int count = 0;
	json_merge(&merged, ours, SLICE_LIT("{}"));
	struct json_iter it = json_iter(buf_slice(&merged));
	for (; json_next(&it); count++) {
		autobuf name = { 0 };
		struct json_object *value;
		struct slice last;
		assert(json_decode(it.key, &name));
		assert(json_get(ours, buf_cstr(&name), &last) && slice_eq(last, it.value));
		assert(json_object_object_get_ex(theirs, buf_cstr(&name), &value));
		compare(last, value);
	}
	assert(count == json_object_object_length(theirs));
}

static void compare(struct slice ours, struct json_object *theirs)
{
	switch (json_kind_of(ours)) {
	case JSON_NULL:
		assert(!theirs);
		break;
	case JSON_BOOL:
		assert(json_object_is_type(theirs, json_type_boolean));
		assert(json_object_get_boolean(theirs) == slice_eq_str(ours, "true"));
		break;
	case JSON_NUMBER:
		compare_number(ours, theirs);
		break;
	case JSON_STRING:
		assert(json_object_is_type(theirs, json_type_string));
		compare_string(ours, theirs);
		break;
	case JSON_ARRAY:
		assert(json_object_is_type(theirs, json_type_array));
		compare_array(ours, theirs);
		break;
	case JSON_OBJECT:
		assert(json_object_is_type(theirs, json_type_object));
		if (has_comparable_names(ours))
			compare_object(ours, theirs);
		break;
	}
}

/* False: json-c doesn't take it. It is given a space more, since it can't know the end of a number otherwise, and a
 * parser of its own, since resetting one leaves half a pair of surrogates in it. */
static bool parse(struct slice text, struct json_object **object)
{
	autobuf spaced = { 0 };
	int depth = 2;
	for (size_t i = 0; i < text.len; i++)
		depth += text.ptr[i] == '[' || text.ptr[i] == '{';
	struct json_tokener *tokener = json_tokener_new_ex(depth);
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
	buf_add_slice(&spaced, text);
	buf_add_char(&spaced, ' ');
	*object = json_tokener_parse_ex(tokener, spaced.data, (int)spaced.len);
	bool ok = json_tokener_get_error(tokener) == json_tokener_success;
	json_tokener_free(tokener);
	return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json_object *object;
	if (size == 0 || size > MAX_SIZE || memchr(data, '\0', size) || !utf8_valid(data, size))
		return 0;
	/* An exact copy, so that reading beyond the end is seen. */
	autofree char *copy = xmalloc(size);
	memcpy(copy, data, size);
	struct slice text = slice_make(copy, size);
	bool theirs = parse(text, &object), ours = json_check(text, NULL);
	assert(ours == theirs || (theirs && is_lenient(text)));
	if (ours && theirs)
		compare(json_trim(text), object);
	(void)json_object_put(object);
	return 0;
}
