/* key_directory.c: reading the names of keys, and what is new among them. */
#include "key_directory.h"

#include "clock.h"

#define BELIEVED_MS 1000
#define OVERLAP_MS 60000 /* keys whose transactions began before the newest one's and ended behind it */
#define MAX_KEYS 65536

enum column { COL_ID, COL_WORKSPACE, COL_CREATED };

static char there;

void key_directory_free(struct key_directory *d)
{
	map_free(&d->names);
	*d = (struct key_directory){ 0 };
}

/* No id is a workspace's name. */
static void add_name(struct buf *out, char kind, struct slice name)
{
	buf_clear(out);
	buf_add_char(out, kind);
	buf_add_slice(out, name);
}

static void take_row(struct key_directory *d, const PGresult *row)
{
	autobuf name = { 0 };
	int64_t created_ms = db_get_i64(row, 0, COL_CREATED);
	add_name(&name, 'k', db_get(row, 0, COL_ID));
	map_put(&d->names, buf_slice(&name), &there);
	add_name(&name, 'w', db_get(row, 0, COL_WORKSPACE));
	map_put(&d->names, buf_slice(&name), &there);
	if (created_ms > d->newest_ms)
		d->newest_ms = created_ms;
}

/* Each time only what is new. */
static enum status refresh(struct key_directory *d, struct database *db, int64_t now)
{
	const PGresult *row;
	struct db_params params = { 0 };
	int64_t count = 0;
	db_add_i64(&params, d->newest_ms > OVERLAP_MS ? d->newest_ms - OVERLAP_MS : 0);
	db_add_i64(&params, MAX_KEYS);
	enum status status = database_read(db, SQL_KEYS_SINCE, &params, &row);
	for (; status == STATUS_OK && row; count++) {
		take_row(d, row);
		status = database_row(db, &row);
	}
	if (status != STATUS_OK)
		return status == STATUS_BROKEN ? STATUS_DATABASE_AWAY : status;
	d->incomplete |= count == MAX_KEYS || d->names.count > (size_t)2 * MAX_KEYS;
	d->asked_at = now;
	return STATUS_OK;
}

static enum status has(struct key_directory *d, struct database *db, char kind, struct slice name, bool *found)
{
	autobuf text = { 0 };
	int64_t now = clock_ms();
	add_name(&text, kind, name);
	*found = map_get(&d->names, buf_slice(&text)) != NULL;
	if (*found)
		return STATUS_OK;
	if (!d->incomplete && (!d->asked_at || now - d->asked_at >= BELIEVED_MS)) {
		enum status status = refresh(d, db, now);
		if (status != STATUS_OK)
			return status;
		*found = map_get(&d->names, buf_slice(&text)) != NULL;
	}
	return *found || !d->incomplete ? STATUS_OK : STATUS_UNCHECKED;
}

enum status key_directory_has_id(struct key_directory *d, struct database *db, struct slice id, bool *found)
{
	return has(d, db, 'k', id, found);
}

enum status key_directory_has_workspace(struct key_directory *d, struct database *db, struct slice workspace,
					bool *found)
{
	return has(d, db, 'w', workspace, found);
}
