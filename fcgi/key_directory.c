/* key_directory.c: reads what is new among the names of keys. */
#include "key_directory.h"

#include "clock.h"

static enum status refresh(struct key_names *k, struct database *db, int64_t now)
{
	const PGresult *row;
	struct db_params params = { 0 };
	int64_t count = 0;
	db_add_i64(&params, key_names_since(k));
	db_add_i64(&params, KEY_NAMES_MAX);
	enum status status = database_read(db, SQL_KEYS_SINCE, &params, &row);
	for (; status == STATUS_OK && row; count++) {
		key_names_take(k, row, 0);
		status = database_row(db, &row);
	}
	if (status != STATUS_OK)
		return status == STATUS_BROKEN ? STATUS_DATABASE_AWAY : status;
	key_names_asked(k, count, now);
	return STATUS_OK;
}

static enum status has(struct key_names *k, struct database *db, enum key_names_kind kind, struct slice name,
		       bool *found)
{
	int64_t now = clock_ms();
	enum key_names_answer answer = key_names_have(k, kind, name);
	if (answer != KEY_NAMES_YES && key_names_is_due(k, now)) {
		enum status status = refresh(k, db, now);
		if (status != STATUS_OK)
			return status;
		answer = key_names_have(k, kind, name);
	}
	*found = answer == KEY_NAMES_YES;
	return answer == KEY_NAMES_UNTOLD ? STATUS_UNCHECKED : STATUS_OK;
}

enum status key_directory_has_id(struct key_names *k, struct database *db, struct slice id, bool *found)
{
	return has(k, db, KEY_NAMES_ID, id, found);
}

enum status key_directory_has_workspace(struct key_names *k, struct database *db, struct slice workspace, bool *found)
{
	return has(k, db, KEY_NAMES_WORKSPACE, workspace, found);
}
