/* rekey.c: brings the credentials and workspaces' keys under ENCRYPTION_KEY that were sealed with
 * ENCRYPTION_KEY_PREVIOUS, and all of them into the form that is bound to its place (lib/seal.h). */
#include <inttypes.h>
#include <stdio.h>

#include <openssl/crypto.h>

#include "cleanup.h"
#include "cli.h"
#include "json.h"
#include "seal.h"

#define PAGE "500"

static const char sql_page[] = "select workspace_id::text, repo_key, sealed, workspace, lower(repo_key collate \"C\") "
			       "from api.credentials_to_rekey($1::bigint, $2, $3::integer)";
enum column { WORKSPACE_ID, REPO, SEALED, WORKSPACE, REPO_ID };
static const char sql_replace[] = "select api.credential_rekey($1::bigint, $2, $3, $4)";
static const char sql_keys[] = "select id, sealed, workspace, name from api.keys_to_rekey($1, $2::integer)";
enum key_column { KEY_ID, KEY_SEALED, KEY_WORKSPACE, KEY_NAME };
static const char sql_bound[] = "select api.seal_form_bound()";
static const char sql_replace_key[] = "select api.key_rekey($1, $2, $3)";

struct rekey {
	PGconn *conn;
	struct seal_key current, previous;
	bool has_previous;
	int64_t already, changed, lost, overtaken;
	bool json;
	struct buf neither; /* json: elements of the array */
};

static void rekey_end(struct rekey *r)
{
	OPENSSL_cleanse(&r->current, sizeof(r->current));
	OPENSSL_cleanse(&r->previous, sizeof(r->previous));
	buf_free(&r->neither);
}
#define autorekey autocall(rekey_end) struct rekey

static bool load_keys(struct rekey *r, const struct conf *conf)
{
	if (!conf->encryption_key || !seal_key_parse(conf->encryption_key, &r->current)) {
		(void)cli_fail("ENCRYPTION_KEY is not set: it is that of craft-fcgi");
		return false;
	}
	r->has_previous = conf->encryption_key_previous && seal_key_parse(conf->encryption_key_previous, &r->previous);
	return true;
}

/* ---- one text ---- */

enum verdict { ALREADY, RESEALED, LOST, BROKEN };

static enum verdict reseal(struct rekey *r, const struct seal_place *place, const char *old, struct buf *sealed,
			   struct buf *error)
{
	autowiped plain = { 0 };
	bool current = unseal_at(&r->current, place, slice_of(old), &plain);
	if (current && seal_is_bound(slice_of(old))) {
		r->already++;
		return ALREADY;
	}
	if (!current && (!r->has_previous || !unseal_at(&r->previous, place, slice_of(old), &plain))) {
		r->lost++;
		return LOST;
	}
	if (seal_at(&r->current, SEAL_BOUND, place, buf_slice(&plain), sealed))
		return RESEALED;
	buf_add_str(error, "OpenSSL could not encrypt");
	return BROKEN;
}

/* Stores the new text, unless others were faster: what they stored is under the current key, or gone. */
static bool replace(struct rekey *r, const char *sql, int count, const char *const *values, struct buf *error)
{
	autoresult *done = cli_query(r->conn, sql, count, values, error);
	if (!done)
		return false;
	if (PQgetvalue(done, 0, 0)[0] == 't')
		r->changed++;
	else
		r->overtaken++;
	return true;
}

/* what: repository or key */
static void add_lost(struct buf *list, const char *what, const char *workspace, const char *name)
{
	buf_addf(list, "%s{\"workspace\":", list->len ? "," : "");
	json_encode(list, slice_of(workspace));
	buf_addf(list, ",\"%s\":", what);
	json_encode(list, slice_of(name));
	buf_add_char(list, '}');
}

static void tell_lost(struct rekey *r, const char *what, const char *workspace, const char *name)
{
	if (r->json) {
		add_lost(&r->neither, what, workspace, name);
		return;
	}
	(void)printf("neither %s", strcmp(what, "key") == 0 ? "key " : "");
	cli_print_text(workspace, 0);
	(void)putchar(' ');
	cli_print_text(name, 0);
	(void)putchar('\n');
}

static bool rekey_row(struct rekey *r, const PGresult *page, int row, struct buf *error)
{
	autobuf sealed = { 0 };
	const struct seal_place place = { SEAL_CREDENTIAL, slice_of(PQgetvalue(page, row, WORKSPACE)),
					  slice_of(PQgetvalue(page, row, REPO_ID)) };
	enum verdict verdict = reseal(r, &place, PQgetvalue(page, row, SEALED), &sealed, error);
	if (verdict == LOST)
		tell_lost(r, "repository", PQgetvalue(page, row, WORKSPACE), PQgetvalue(page, row, REPO));
	if (verdict != RESEALED)
		return verdict != BROKEN;
	const char *const values[] = { PQgetvalue(page, row, WORKSPACE_ID), PQgetvalue(page, row, REPO),
				       PQgetvalue(page, row, SEALED), buf_cstr(&sealed) };
	return replace(r, sql_replace, 4, values, error);
}

static bool rekey_key(struct rekey *r, const PGresult *page, int row, struct buf *error)
{
	autobuf sealed = { 0 };
	const struct seal_place place = { .purpose = SEAL_API_KEY,
					  .workspace = slice_of(PQgetvalue(page, row, KEY_WORKSPACE)) };
	enum verdict verdict = reseal(r, &place, PQgetvalue(page, row, KEY_SEALED), &sealed, error);
	if (verdict == LOST)
		tell_lost(r, "key", PQgetvalue(page, row, KEY_WORKSPACE), PQgetvalue(page, row, KEY_NAME));
	if (verdict != RESEALED)
		return verdict != BROKEN;
	const char *const values[] = { PQgetvalue(page, row, KEY_ID), PQgetvalue(page, row, KEY_SEALED),
				       buf_cstr(&sealed) };
	return replace(r, sql_replace_key, 3, values, error);
}

/* ---- all ---- */

/* Each row is a transaction of its own: what was done before an end stays, and the next run skips it. */
static bool rekey_credentials(struct rekey *r, struct buf *error)
{
	autofree char *workspace = NULL;
	autofree char *repo = NULL;
	for (;;) {
		const char *const values[] = { workspace, repo, PAGE };
		autoresult *page = cli_query(r->conn, sql_page, 3, values, error);
		int rows = page ? PQntuples(page) : 0;
		for (int i = 0; i < rows; i++) {
			if (!rekey_row(r, page, i, error))
				return false;
		}
		if (rows == 0)
			return page != NULL;
		free(workspace);
		free(repo);
		workspace = xstrdup(PQgetvalue(page, rows - 1, WORKSPACE_ID));
		repo = xstrdup(PQgetvalue(page, rows - 1, REPO));
	}
}

static bool rekey_keys(struct rekey *r, struct buf *error)
{
	autofree char *id = NULL;
	for (;;) {
		const char *const values[] = { id, PAGE };
		autoresult *page = cli_query(r->conn, sql_keys, 2, values, error);
		int rows = page ? PQntuples(page) : 0;
		for (int i = 0; i < rows; i++) {
			if (!rekey_key(r, page, i, error))
				return false;
		}
		if (rows == 0)
			return page != NULL;
		free(id);
		id = xstrdup(PQgetvalue(page, rows - 1, KEY_ID));
	}
}

static void print_counts(struct rekey *r)
{
	if (r->json) {
		(void)printf("{\"already\":%" PRId64 ",\"reencrypted\":%" PRId64 ",\"changedMeanwhile\":%" PRId64
			     ",\"neither\":[%s]}\n",
			     r->already, r->changed, r->overtaken, buf_cstr(&r->neither));
		(void)fflush(stdout);
		return;
	}
	(void)printf("%-18s %" PRId64 "\n%-18s %" PRId64 "\n%-18s %" PRId64 "\n", "already", r->already, "re-encrypted",
		     r->changed, "neither", r->lost);
	if (r->overtaken)
		(void)printf("%-18s %" PRId64 "\n", "changed meanwhile", r->overtaken);
	/* Before what is said on stderr. */
	(void)fflush(stdout);
}

enum cli_exit cli_rekey(const struct conf *conf, const struct cli_options *options)
{
	autobuf error = { 0 };
	autorekey r = { .json = options->json };
	if (!load_keys(&r, conf))
		return CLI_USAGE;
	autoconn *conn = cli_connect(conf->database_url);
	if (!conn)
		return CLI_FAILED;
	r.conn = conn;
	/* First, so that nothing is written in the older form behind us. */
	autoresult *bound = cli_query(conn, sql_bound, 0, NULL, &error);
	bool ok = bound && rekey_credentials(&r, &error) && rekey_keys(&r, &error);
	print_counts(&r);
	if (!ok)
		return cli_fail("%s; what was done stays done, run it again", buf_cstr(&error));
	if (!r.lost)
		return CLI_OK;
	return cli_fail("%s",
			r.has_previous
				? "some open with neither key: those need a new authorisation, and keys to be made anew"
				: "some don't open, and ENCRYPTION_KEY_PREVIOUS is not set");
}
