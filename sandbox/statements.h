/* statements.h: every SQL statement of craft-sandboxd, by number; both of its connections prepare them all. */
#ifndef CRAFT_SANDBOX_STATEMENTS_H
#define CRAFT_SANDBOX_STATEMENTS_H

#include "lib/db.h"

enum statement {
	STMT_LISTEN,
	STMT_HOST_BEGIN,
	STMT_HOST_BEAT,
	STMT_HOST_END,
	STMT_CLAIM,
	STMT_MINE,
	STMT_STATE,
	STMT_END,
	STMT_ENDING,
	STMT_CLEANED,
	STMT_JOBS,
	STMT_JOB_READ,
	STMT_JOBS_LOST,
	STMT_JOB_END,
	STMT_APPEND,
	STMT_ANNOUNCE,
	STMT_SWEEP,
	STMT_CREDENTIAL_GET,
	STMT_CREDENTIAL_CHECKED,
	STMT_COUNT
};

extern const struct db_statement statements[STMT_COUNT];

#endif
