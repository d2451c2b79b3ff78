/* documents.h: answering with a list whose rows are (tag, body, …), the first one with the tag alone. */
#ifndef CRAFT_FCGI_DOCUMENTS_H
#define CRAFT_FCGI_DOCUMENTS_H

#include "database.h"
#include "response.h"

/* Writes the bodies of the rows that are left as a JSON array, as they come. STATUS_BROKEN: it broke off. */
enum status documents_write_rows(struct response *res, struct database *db) __attribute__((warn_unused_result));

#endif
