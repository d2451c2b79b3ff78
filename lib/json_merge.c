/* json_merge.c: the top-level merge of two objects as text. */
#include <stdlib.h>

#include "cleanup.h"
#include "json_scan.h"
#include "table_hash.h"

struct member {
	struct slice key, value;
	size_t name_at, name_len; /* the decoded key in names */
};

/* Members by decoded key: an open-addressing table of indices into list, in order of first appearance. */
struct members {
	struct member *list;
	size_t count, cap;
	size_t *table; /* index + 1; 0 is free */
	size_t slots;
	struct buf names, scratch;
};

static void members_free(struct members *m)
{
	free(m->list);
	free(m->table);
	buf_free(&m->names);
	buf_free(&m->scratch);
}

/* Names may be all empty, and then there is no text yet. */
static struct slice name_of(const struct members *m, const struct member *e)
{
	return m->names.len ? slice_make(m->names.data + e->name_at, e->name_len) : slice_make("", 0);
}

static size_t *members_slot(struct members *m, struct slice name)
{
	size_t i = (size_t)table_hash(name) & (m->slots - 1);
	for (; m->table[i]; i = (i + 1) & (m->slots - 1)) {
		if (slice_eq(name_of(m, &m->list[m->table[i] - 1]), name))
			break;
	}
	return &m->table[i];
}

static void members_grow(struct members *m)
{
	m->slots = m->slots ? m->slots * 2 : 64;
	m->cap = m->slots / 2;
	m->list = xrealloc(m->list, m->cap * sizeof(*m->list));
	free(m->table);
	m->table = xcalloc(m->slots, sizeof(*m->table));
	for (size_t i = 0; i < m->count; i++)
		*members_slot(m, name_of(m, &m->list[i])) = i + 1;
}

/* What is no object has no members: a base may be whatever somebody stored by SQL. */
static void members_add(struct members *m, struct slice object)
{
	if (json_kind_of(json_trim(object)) != JSON_OBJECT)
		return;
	struct json_iter it = json_iter(object);
	while (json_next(&it)) {
		if (m->count == m->cap)
			members_grow(m);
		buf_clear(&m->scratch);
		struct slice name = json_key_text(it.key, &m->scratch);
		size_t *slot = members_slot(m, name);
		if (*slot) {
			m->list[*slot - 1].value = it.value;
			continue;
		}
		m->list[m->count++] = (struct member){ it.key, it.value, m->names.len, name.len };
		*slot = m->count;
		buf_add_slice(&m->names, name);
	}
}

void json_merge(struct buf *out, struct slice base, struct slice updates)
{
	autocall(members_free) struct members m = { 0 };
	members_add(&m, base);
	members_add(&m, updates);
	buf_add_char(out, '{');
	for (size_t i = 0; i < m.count; i++) {
		if (i)
			buf_add_char(out, ',');
		buf_add_slice(out, m.list[i].key);
		buf_add_char(out, ':');
		buf_add_slice(out, m.list[i].value);
	}
	buf_add_char(out, '}');
}
