/* check_blobs.c: compares the blobs with what the database says of them. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <openssl/evp.h>

#include "blob_dir.h"
#include "cleanup.h"
#include "cli.h"
#include "orphans.h"

#define CHUNK ((size_t)1 << 20)
#define PAGE "1000"
#define HEX_SIZE 65 /* SHA-256 and a NUL */

/* A page of blobs behind the one before, by id; the same finds a single one. */
static const char sql_blobs[] = "select blob::text, size, encode(sha256, 'hex'), workspace, session, type, name "
				"from api.blobs($1::uuid, $2::integer)";
enum column { BLOB, SIZE, SHA256, WORKSPACE, SESSION, TYPE, NAME };

struct check {
	const struct blobs *blobs;
	PGconn *conn;
	unsigned char *chunk;
	int64_t checked, bytes;
	int64_t missing, damaged, orphans;
};

enum verdict { GOOD, MISSING, DAMAGED, UNKNOWN };

/* ---- one blob ---- */

static void to_hex(const unsigned char *raw, unsigned int len, char hex[HEX_SIZE])
{
	for (unsigned int i = 0; i < len && i < HEX_SIZE / 2; i++)
		(void)snprintf(hex + (size_t)2 * i, 3, "%02x", raw[i]);
}

static void free_digest(EVP_MD_CTX **ctx)
{
	EVP_MD_CTX_free(*ctx);
}

/* Hashes the file and says how long it is. False: it couldn't be read. */
static bool hash_file(struct check *c, int fd, int64_t *size, char hex[HEX_SIZE])
{
	unsigned char raw[EVP_MAX_MD_SIZE];
	unsigned int len = 0;
	ssize_t n;
	autocall(free_digest) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	if (!ctx || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1)
		abort();
	*size = 0;
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	while ((n = read(fd, c->chunk, CHUNK)) > 0) {
		if (EVP_DigestUpdate(ctx, c->chunk, (size_t)n) != 1)
			abort();
		/* The cache is for those who download. */
		(void)posix_fadvise(fd, *size, n, POSIX_FADV_DONTNEED);
		*size += n;
	}
	c->bytes += *size;
	if (EVP_DigestFinal_ex(ctx, raw, &len) != 1)
		abort();
	to_hex(raw, len, hex);
	return n == 0;
}

/* What is in the place of a blob that can't be opened: nothing, or something else? */
static enum verdict judge_place(const struct check *c, const char *id)
{
	struct stat st;
	char path[UUID_SIZE + 3];
	(void)snprintf(path, sizeof(path), "%.2s/%s", id, id);
	if (fstatat(c->blobs->root, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return DAMAGED;
	return errno == ENOENT ? MISSING : DAMAGED;
}

static enum verdict judge_blob(struct check *c, const char *id, int64_t size, const char *sha256, struct buf *error)
{
	char hex[HEX_SIZE] = "";
	struct stat st;
	autoclose int fd = -1;
	enum blob_result opened = blobs_read(c->blobs, id, &fd);
	if (opened == BLOB_NONE)
		return judge_place(c, id);
	if (opened != BLOB_OK || fstat(fd, &st)) {
		buf_addf(error, "can't read the blob %s: %s", id, strerror(errno));
		return UNKNOWN;
	}
	int64_t found = 0;
	bool good = (int64_t)st.st_size == size && hash_file(c, fd, &found, hex) && found == size;
	return good && strcmp(hex, sha256) == 0 ? GOOD : DAMAGED;
}

/* ---- what the database names ---- */

/* The id before this one, so that api.blobs() begins with this one; "" when there is none. */
static void id_before(const char *id, char before[UUID_SIZE])
{
	(void)snprintf(before, UUID_SIZE, "%s", id);
	for (size_t i = UUID_SIZE - 1; i-- > 0;) {
		if (before[i] == '-')
			continue;
		if (before[i] != '0') {
			before[i] = before[i] == 'a' ? '9' : (char)(before[i] - 1);
			return;
		}
		before[i] = 'f';
	}
	before[0] = '\0';
}

/* Does a file name it still? It may have been replaced since its row was read. */
static bool is_named(struct check *c, const char *id, bool *named, struct buf *error)
{
	char before[UUID_SIZE];
	id_before(id, before);
	autoresult *r = cli_query(c->conn, sql_blobs, 2, (const char *const[]){ *before ? before : NULL, "1" }, error);
	*named = r && PQntuples(r) > 0 && strcmp(PQgetvalue(r, 0, BLOB), id) == 0;
	return r != NULL;
}

static void print_finding(const char *what, const PGresult *r, int row)
{
	bool asset = PQgetvalue(r, row, SESSION)[0] == '\0';
	(void)printf("%s %s ", what, PQgetvalue(r, row, BLOB));
	cli_print_text(PQgetvalue(r, row, WORKSPACE), 0);
	for (int column = asset ? TYPE : SESSION; column <= NAME; column++) {
		(void)putchar('/');
		cli_print_text(PQgetvalue(r, row, column), 0);
	}
	(void)putchar('\n');
}

static bool check_row(struct check *c, const PGresult *r, int row, struct buf *error)
{
	const char *id = PQgetvalue(r, row, BLOB);
	bool named = true;
	int64_t size = strtoll(PQgetvalue(r, row, SIZE), NULL, 10);
	enum verdict verdict = judge_blob(c, id, size, PQgetvalue(r, row, SHA256), error);
	if (verdict == UNKNOWN || (verdict != GOOD && !is_named(c, id, &named, error)))
		return false;
	c->checked += named;
	if (verdict == GOOD || !named)
		return true;
	c->missing += verdict == MISSING;
	c->damaged += verdict == DAMAGED;
	print_finding(verdict == MISSING ? "missing" : "damaged", r, row);
	return true;
}

static bool check_named(struct check *c, struct buf *error)
{
	char last[UUID_SIZE] = "";
	for (;;) {
		const char *const values[] = { *last ? last : NULL, PAGE };
		autoresult *r = cli_query(c->conn, sql_blobs, 2, values, error);
		if (!r)
			return false;
		int rows = PQntuples(r);
		for (int i = 0; i < rows; i++) {
			if (!check_row(c, r, i, error))
				return false;
		}
		if (rows == 0)
			return true;
		(void)snprintf(last, sizeof(last), "%s", PQgetvalue(r, rows - 1, BLOB));
	}
}

/* ---- what nobody names ---- */

static bool print_orphan(void *arg, int shard, const char id[static UUID_SIZE], int64_t size, struct buf *error)
{
	struct check *c = arg;
	(void)shard;
	(void)size;
	(void)error;
	c->orphans++;
	(void)printf("orphan %s\n", id);
	return true;
}

static bool check_unnamed(struct check *c, struct buf *error)
{
	struct orphans o = {
		.blobs = c->blobs,
		.conn = c->conn,
		.min_age = ORPHANS_ANY_AGE,
		.found = print_orphan,
		.arg = c,
	};
	return orphans_find(&o, error);
}

enum cli_exit cli_check_blobs(const struct conf *conf)
{
	autobuf error = { 0 };
	autoblobs blobs = BLOBS_NONE;
	if (!blob_dir_open(conf, false, &blobs))
		return CLI_FAILED;
	autoconn *conn = cli_connect(conf->database_url);
	if (!conn)
		return CLI_FAILED;
	autofree unsigned char *chunk = xmalloc(CHUNK);
	struct check c = { .blobs = &blobs, .conn = conn, .chunk = chunk };
	if (!check_named(&c, &error) || !check_unnamed(&c, &error)) {
		blob_dir_explain(conf, &error);
		return cli_fail("%s", buf_cstr(&error));
	}
	(void)printf("checked %" PRId64 " blobs, %" PRId64 " bytes: %" PRId64 " missing, %" PRId64 " damaged, %" PRId64
		     " orphans\n",
		     c.checked, c.bytes, c.missing, c.damaged, c.orphans);
	return c.missing || c.damaged || c.orphans ? CLI_FAILED : CLI_OK;
}
