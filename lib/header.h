/* header.h: a session's header: how big it may be, and the typed columns kept beside it (api.session_columns). */
#ifndef CRAFT_HEADER_H
#define CRAFT_HEADER_H

#include "buf.h"
#include "db.h"

/* Holds the cleaned texts that the parameters point to: keep it until the query was sent. All zero is valid. */
struct header_scratch {
	struct buf name, status, model;
};
void header_scratch_free(struct header_scratch *s);

/* Adds six parameters: name, is_flagged, status, model, created_ms, last_used_ms; null where the header (a checked JSON
 * object) has none of the right type. Texts are cleaned (U+FFFD for what a text column can't hold) and cut at 1,000
 * bytes. */
void header_columns_add(struct db_params *p, struct slice header, struct header_scratch *scratch);

/* Members of a header, at its top. */
#define HEADER_MAX_MEMBERS 10000

/* May `header` take the place of `old` (both checked JSON objects; old empty: there is none)? It may have `max` bytes
 * and HEADER_MAX_MEMBERS members, or as many as the old one. False: *error says which limit, and how far beyond. */
bool header_fits(struct slice header, struct slice old, size_t max, struct buf *error);

#endif
