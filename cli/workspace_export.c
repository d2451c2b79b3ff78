/* workspace_export.c: writes a workspace into an archive: one snapshot of the database, and the blobs that it names. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "blob_dir.h"
#include "cleanup.h"
#include "cli.h"
#include "json.h"
#include "tar.h"
#include "workspace_kinds.h"

#define PART ((size_t)4 << 20) /* bytes with which a part is full */
#define CHUNK ((size_t)1 << 20)

const char *const workspace_kinds[KIND_COUNT] = {
	[KIND_SESSIONS] = "sessions", [KIND_MESSAGES] = "messages", [KIND_SOURCES] = "sources",
	[KIND_CONFIGS] = "configs",   [KIND_SKILLS] = "skills",	    [KIND_PLANS] = "plans",
	[KIND_PROJECTS] = "projects", [KIND_FILES] = "files",
};

static const char sql_begin[] = "begin isolation level repeatable read read only";
static const char sql_manifest[] = "select api.workspace_manifest($1)";
static const char sql_lines[] = "select line, blob from api.workspace_export($1, $2)";

struct export_blob {
	char id[UUID_SIZE];
	char sha256[TAR_HEX_SIZE];
};

struct export
{
	const struct conf *conf;
	PGconn *conn;
	const char *slug;
	struct tar tar;
	struct buf part; /* lines that aren't written yet */
	struct buf ids;	 /* of the files: struct export_blob */
	int64_t parts;	 /* of this kind, so far */
};

static void export_close(struct export *e)
{
	tar_close(&e->tar);
	buf_free(&e->part);
	buf_free(&e->ids);
}

static bool add_entry(struct export *e, const char *name, struct slice data, struct buf *error)
{
	char hex[TAR_HEX_SIZE];
	return tar_write_begin(&e->tar, name, (int64_t)data.len, error) && tar_write(&e->tar, data, error) &&
	       tar_write_end(&e->tar, hex, error);
}

static bool add_manifest(struct export *e, struct buf *error)
{
	autoresult *r = cli_query(e->conn, sql_manifest, 1, &e->slug, error);
	if (!r)
		return false;
	if (!PQgetisnull(r, 0, 0))
		return add_entry(e, WORKSPACE_MANIFEST, slice_of(PQgetvalue(r, 0, 0)), error);
	buf_add_str(error, "there is no such workspace; craft-cloud workspace list shows them");
	return false;
}

/* ---- lines ---- */

static bool flush_part(struct export *e, const char *kind, struct buf *error)
{
	char name[64];
	if (e->part.len == 0)
		return true;
	(void)snprintf(name, sizeof(name), "%s/%06" PRId64 ".jsonl", kind, ++e->parts);
	bool ok = add_entry(e, name, buf_slice(&e->part), error);
	buf_clear(&e->part);
	return ok;
}

/* The line is one of a file. */
static void note_blob(struct export *e, struct slice line, const char *id)
{
	struct export_blob blob = { 0 };
	struct slice sha256;
	(void)snprintf(blob.id, sizeof(blob.id), "%s", id);
	if (json_get(line, "sha256", &sha256) && sha256.len == TAR_HEX_SIZE + 1)
		memcpy(blob.sha256, sha256.ptr + 1, TAR_HEX_SIZE - 1);
	buf_add(&e->ids, &blob, sizeof(blob));
}

static bool add_line(struct export *e, const char *kind, const PGresult *r, struct buf *error)
{
	struct slice line = slice_make(PQgetvalue(r, 0, 0), (size_t)PQgetlength(r, 0, 0));
	buf_add_slice(&e->part, line);
	buf_add_char(&e->part, '\n');
	if (!PQgetisnull(r, 0, 1))
		note_blob(e, line, PQgetvalue(r, 0, 1));
	return e->part.len < PART || flush_part(e, kind, error);
}

/* Row by row, so that a workspace needn't fit into memory. */
static bool add_kind(struct export *e, const char *kind, struct buf *error)
{
	const char *const values[] = { e->slug, kind };
	bool ok = PQsendQueryParams(e->conn, sql_lines, 2, NULL, values, NULL, NULL, 0) && PQsetSingleRowMode(e->conn);
	if (!ok)
		buf_add_str(error, "can't ask the database");
	e->parts = 0;
	for (PGresult *r = PQgetResult(e->conn); r; r = PQgetResult(e->conn)) {
		char line[512];
		if (ok && PQresultStatus(r) == PGRES_SINGLE_TUPLE) {
			ok = add_line(e, kind, r, error);
		} else if (ok && PQresultStatus(r) != PGRES_TUPLES_OK) {
			ok = false;
			buf_add_str(error, db_error_line(PQresultErrorMessage(r), line, sizeof(line)));
		}
		PQclear(r);
	}
	return ok && flush_part(e, kind, error);
}

/* ---- blobs ---- */

static bool copy_file(struct export *e, int fd, char *chunk, struct buf *error)
{
	ssize_t n;
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	while ((n = read(fd, chunk, CHUNK)) > 0) {
		if (!tar_write(&e->tar, slice_make(chunk, (size_t)n), error))
			return false;
	}
	if (n < 0)
		buf_addf(error, "can't read it: %s", strerror(errno));
	return n == 0;
}

static bool add_blob(struct export *e, const struct blobs *blobs, int64_t number, const struct export_blob *blob,
		     char *chunk, struct buf *error)
{
	struct stat st;
	char name[32], hex[TAR_HEX_SIZE];
	autoclose int fd = -1;
	(void)snprintf(name, sizeof(name), "blobs/%06" PRId64, number);
	if (blobs_read(blobs, blob->id, &fd) != BLOB_OK || fstat(fd, &st)) {
		buf_addf(error,
			 "can't open the blob %s; if its file was replaced meanwhile, run this again, "
			 "else craft-cloud check --blobs says more",
			 blob->id);
		return false;
	}
	if (!tar_write_begin(&e->tar, name, (int64_t)st.st_size, error) || !copy_file(e, fd, chunk, error) ||
	    !tar_write_end(&e->tar, hex, error))
		return false;
	if (strcmp(hex, blob->sha256) == 0)
		return true;
	buf_addf(error, "the blob %s is damaged: run craft-cloud check --blobs", blob->id);
	return false;
}

static bool add_blobs(struct export *e, struct buf *error)
{
	size_t count = e->ids.len / sizeof(struct export_blob);
	if (count == 0)
		return true;
	autoblobs blobs = BLOBS_NONE;
	if (!blobs_open(&blobs, e->conf->blob_dir, error))
		return false;
	autofree char *chunk = xmalloc(CHUNK);
	for (size_t i = 0; i < count; i++) {
		struct export_blob blob;
		memcpy(&blob, e->ids.data + i * sizeof(blob), sizeof(blob));
		if (!add_blob(e, &blobs, (int64_t)i + 1, &blob, chunk, error)) {
			blob_dir_explain(e->conf, error);
			return false;
		}
	}
	return true;
}

/* ---- all ---- */

static bool write_archive(struct export *e, int fd, struct buf *error)
{
	if (!tar_write_open(&e->tar, fd, error) || !cli_command(e->conn, sql_begin, 0, NULL, error) ||
	    !add_manifest(e, error))
		return false;
	for (int i = 0; i < KIND_COUNT; i++) {
		if (!add_kind(e, workspace_kinds[i], error))
			return false;
	}
	return cli_command(e->conn, "commit", 0, NULL, error) && add_blobs(e, error) && tar_write_close(&e->tar, error);
}

/* A new file, or stdout for "-". */
static int open_output(const char *path, struct buf *error)
{
	if (strcmp(path, "-") == 0) {
		if (isatty(STDOUT_FILENO))
			buf_add_str(error, "an archive is nothing for a terminal: name a file, or redirect the output");
		return error->len ? -1 : fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	}
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		buf_addf(error, "can't make the file %s: %s", path, strerror(errno));
	return fd;
}

static enum cli_exit export_to(const struct conf *conf, PGconn *conn, const char *slug, const char *path)
{
	autobuf error = { 0 };
	autoclose int fd = open_output(path, &error);
	if (fd < 0)
		return cli_fail("%s", buf_cstr(&error));
	autocall(export_close) struct export e = { .conf = conf, .conn = conn, .slug = slug };
	bool to_file = strcmp(path, "-") != 0;
	if (write_archive(&e, fd, &error) && to_file && fsync(fd))
		buf_addf(&error, "can't write the file %s: %s", path, strerror(errno));
	if (error.len == 0)
		return CLI_OK;
	if (to_file)
		(void)unlink(path);
	return cli_fail("%s", buf_cstr(&error));
}

enum cli_exit cli_workspace_export(const struct conf *conf, const struct cli_options *options)
{
	autoconn *conn = cli_connect(conf->database_url);
	if (!conn)
		return CLI_FAILED;
	return export_to(conf, conn, options->args[0], options->arg_count > 1 ? options->args[1] : "-");
}
