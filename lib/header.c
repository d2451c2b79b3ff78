/* header.c: extracting what people ask for from a session's header, and its bounds. */
#include "header.h"

#include <stdlib.h>

#include "json.h"

#define MAX_TEXT 1000
#define MAX_MS 253402300799999.0 /* the end of the year 9999 */

void header_scratch_free(struct header_scratch *s)
{
	buf_free(&s->name);
	buf_free(&s->status);
	buf_free(&s->model);
}

static bool get_string(struct slice header, const char *name, struct slice *value)
{
	return json_get(header, name, value) && json_kind_of(*value) == JSON_STRING;
}

static void add_string(struct db_params *p, bool there, struct slice string, struct buf *text)
{
	buf_clear(text);
	if (!there) {
		db_add_null(p);
		return;
	}
	json_decode_lossy(string, text, MAX_TEXT);
	db_add_text(p, slice_make(buf_cstr(text), text->len));
}

static void add_ms(struct db_params *p, struct slice header, const char *name)
{
	struct slice v;
	char digits[32];
	if (!json_get(header, name, &v) || json_kind_of(v) != JSON_NUMBER || v.len >= sizeof(digits)) {
		db_add_null(p);
		return;
	}
	memcpy(digits, v.ptr, v.len);
	digits[v.len] = '\0';
	double ms = strtod(digits, NULL);
	if (ms >= 0 && ms <= MAX_MS)
		db_add_i64(p, (int64_t)ms);
	else
		db_add_null(p);
}

void header_columns_add(struct db_params *p, struct slice header, struct header_scratch *scratch)
{
	struct slice v = { 0 };
	bool there = get_string(header, "name", &v);
	add_string(p, there, v, &scratch->name);
	if (json_get(header, "isFlagged", &v) && json_kind_of(v) == JSON_BOOL)
		db_add_bool(p, v.ptr[0] == 't');
	else
		db_add_null(p);
	there = get_string(header, "todoState", &v) || get_string(header, "status", &v);
	add_string(p, there, v, &scratch->status);
	there = get_string(header, "model", &v);
	add_string(p, there, v, &scratch->model);
	add_ms(p, header, "createdAt");
	add_ms(p, header, "lastUsedAt");
}

static size_t members_of(struct slice object)
{
	size_t count = 0;
	struct json_iter it = json_iter(object);
	while (json_next(&it))
		count++;
	return count;
}

/* The shortest member is "":0 and a comma. */
static bool may_have_many(struct slice object)
{
	return object.len > (size_t)5 * HEADER_MAX_MEMBERS;
}

bool header_fits(struct slice header, struct slice old, size_t max, struct buf *error)
{
	if (header.len > max && header.len > old.len) {
		buf_addf(error, "The session's header would have %zu bytes: SESSION_HEADER_MAX allows %zu", header.len,
			 max);
		return false;
	}
	size_t count = may_have_many(header) ? members_of(header) : 0;
	if (count > HEADER_MAX_MEMBERS && (!may_have_many(old) || count > members_of(old))) {
		buf_addf(error, "The session's header would have %zu members: at most %d are stored", count,
			 HEADER_MAX_MEMBERS);
		return false;
	}
	return true;
}
