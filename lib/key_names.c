/* key_names.c: the names in one table, and when to ask for what is new. */
#include "key_names.h"

#include "db.h"

#define BELIEVED_MS 1000
#define OVERLAP_MS 60000 /* keys whose transactions began before the newest one's and ended behind it */

/* Of api.keys_since. */
enum column { COL_ID, COL_WORKSPACE, COL_CREATED };

static char there;

void key_names_free(struct key_names *k)
{
	map_free(&k->names);
	*k = (struct key_names){ 0 };
}

bool key_names_is_due(const struct key_names *k, int64_t now)
{
	return !k->incomplete && (!k->asked_at || now - k->asked_at >= BELIEVED_MS);
}

int64_t key_names_since(const struct key_names *k)
{
	return k->newest_ms > OVERLAP_MS ? k->newest_ms - OVERLAP_MS : 0;
}

/* No id is taken for a workspace's name. */
static void make_name(struct buf *out, enum key_names_kind kind, struct slice name)
{
	buf_clear(out);
	buf_add_char(out, kind == KEY_NAMES_ID ? 'k' : 'w');
	buf_add_slice(out, name);
}

void key_names_take(struct key_names *k, const PGresult *rows, int row)
{
	autobuf name = { 0 };
	int64_t created_ms = db_get_i64(rows, row, COL_CREATED);
	make_name(&name, KEY_NAMES_ID, db_get(rows, row, COL_ID));
	map_put(&k->names, buf_slice(&name), &there);
	make_name(&name, KEY_NAMES_WORKSPACE, db_get(rows, row, COL_WORKSPACE));
	map_put(&k->names, buf_slice(&name), &there);
	if (created_ms > k->newest_ms)
		k->newest_ms = created_ms;
}

void key_names_asked(struct key_names *k, int64_t count, int64_t asked_at)
{
	k->incomplete |= count >= KEY_NAMES_MAX || k->names.count > (size_t)2 * KEY_NAMES_MAX;
	k->asked_at = asked_at;
}

enum key_names_answer key_names_have(const struct key_names *k, enum key_names_kind kind, struct slice name)
{
	autobuf text = { 0 };
	make_name(&text, kind, name);
	if (map_get(&k->names, buf_slice(&text)))
		return KEY_NAMES_YES;
	return k->incomplete ? KEY_NAMES_UNTOLD : KEY_NAMES_NO;
}
