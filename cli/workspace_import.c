/* workspace_import.c: reads an archive into a workspace: one transaction, so that of one that is refused nothing stays.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "blob_dir.h"
#include "cleanup.h"
#include "cli.h"
#include "header.h"
#include "json.h"
#include "quota.h"
#include "tar.h"
#include "utf8.h"
#include "workspace_kinds.h"
#include "write_all.h"

#define CHUNK ((size_t)1 << 20)
#define MAX_PART ((int64_t)1 << 30) /* PostgreSQL takes no value that is longer */
#define BATCH ((size_t)8 << 20)	    /* bytes of lines for one statement */

static const char sql_settings[] = "select set_config('statement_timeout', '0', false), "
				   "set_config('idle_in_transaction_session_timeout', '0', false)";
static const char sql_begin[] =
	"select status, workspace_id, existed from api.workspace_import_begin($1, $2::timestamptz, $3::boolean)";
static const char sql_session[] =
	"select api.workspace_import_session($1::bigint, $2::json, $3::text, $4::boolean, $5::text, "
	"$6::text, $7::bigint, $8::bigint)";
static const char sql_messages[] = "select api.workspace_import_messages($1::bigint, $2::json[])";
static const char sql_documents[] = "select api.workspace_import_documents($1::bigint, $2::text, $3::json[])";
static const char sql_file[] = "select api.workspace_import_file($1::bigint, $2::json, $3::text::uuid)";
static const char sql_end[] = "select api.workspace_import_end($1::bigint, $2::boolean)";
static const char sql_manifest[] = "select api.workspace_manifest($1, $2)";

struct import {
	const struct conf *conf;
	PGconn *conn;
	const char *slug; /* the new name */
	bool replace;
	struct tar tar;
	struct blobs blobs;
	bool has_blobs; /* the directory is open */
	struct buf manifest, archived_slug;
	int64_t id;
	bool existed;
	struct buf part;
	size_t line;	    /* of the part, from 1 */
	struct buf files;   /* the lines of the files whose blobs are still to come */
	size_t files_done;  /* bytes of it */
	struct buf ids;	    /* blobs that were published, UUID_SIZE bytes each */
	int64_t bytes;	    /* of the files so far, */
	int64_t file_count; /* and how many they are */
	char *chunk;
};

static void import_close(struct import *m)
{
	tar_close(&m->tar);
	blobs_close(&m->blobs);
	buf_free(&m->manifest);
	buf_free(&m->archived_slug);
	buf_free(&m->part);
	buf_free(&m->files);
	buf_free(&m->ids);
	free(m->chunk);
}

static bool damaged(struct import *m, const char *what, struct buf *error)
{
	buf_addf(error, "the archive is damaged: %s: %s", m->tar.name ? m->tar.name : "it", what);
	return false;
}

static bool damaged_line(struct import *m, const char *what, struct buf *error)
{
	buf_addf(error, "the archive is damaged: %s, line %zu: %s", m->tar.name, m->line, what);
	return false;
}

/* Runs a statement whose parameters are in binary form; what it refuses is the archive's fault. */
static bool run(struct import *m, const char *sql, const struct db_params *p, struct buf *error)
{
	autoresult *r = PQexecParams(m->conn, sql, p->count, NULL, p->values, p->lengths, p->formats, 0);
	if (PQresultStatus(r) == PGRES_TUPLES_OK)
		return true;
	const char *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
	char line[512];
	if (text)
		return damaged(m, text, error);
	buf_add_str(error, db_error_line(PQerrorMessage(m->conn), line, sizeof(line)));
	return false;
}

/* ---- the lines' documents ---- */

/* Members that hold a client's JSON text, and of what kind that has to be; -1: any. */
struct document {
	const char *name;
	int kind;
	bool optional;
};
static const struct document documents[KIND_COUNT][3] = {
	[KIND_SESSIONS] = { { "header", JSON_OBJECT, false } },
	[KIND_MESSAGES] = { { "body", -1, false } },
	[KIND_SOURCES] = { { "config", JSON_OBJECT, true }, { "guide", -1, true } },
	[KIND_CONFIGS] = { { "config", JSON_OBJECT, false } },
	[KIND_SKILLS] = { { "content", JSON_STRING, false }, { "metadata", -1, false } },
	[KIND_PLANS] = { { "content", JSON_STRING, false } },
};

static bool is_text(struct slice s)
{
	size_t depth;
	return utf8_valid(s.ptr, s.len) && json_check(s, &depth) && depth <= JSON_MAX_DEPTH;
}

/* Decodes the member of a checked line, and checks what comes out. */
static bool check_document(struct slice line, const struct document *d, struct buf *text)
{
	struct slice value;
	buf_clear(text);
	if (!json_get(line, d->name, &value))
		return false;
	if (json_kind_of(value) == JSON_NULL)
		return d->optional;
	return json_kind_of(value) == JSON_STRING && json_decode(value, text) && is_text(buf_slice(text)) &&
	       (d->kind < 0 || json_kind_of(json_trim(buf_slice(text))) == (enum json_kind)d->kind);
}

/* Members that are part of URLs. */
static const char *const names[KIND_COUNT][2] = {
	[KIND_SESSIONS] = { "id" },	      [KIND_SOURCES] = { "slug" },	    [KIND_SKILLS] = { "slug" },
	[KIND_PLANS] = { "session", "name" }, [KIND_FILES] = { "session", "name" },
};

/* Older versions took such names, and put them into archives: nothing is damaged. */
static bool check_names(struct import *m, enum workspace_kind kind, struct slice line, struct buf *error)
{
	for (const char *const *name = names[kind]; name < names[kind] + 2 && *name; name++) {
		autobuf text = { 0 };
		struct slice value;
		if (!json_get(line, *name, &value) || json_kind_of(value) != JSON_STRING ||
		    !json_decode(value, &text) ||
		    (!slice_eq_str(buf_slice(&text), ".") && !slice_eq_str(buf_slice(&text), "..")))
			continue;
		buf_addf(error,
			 "%s, line %zu: the %s \"%s\" is refused, as no URL can name it: delete what has it where the "
			 "archive was made, and export again",
			 m->tar.name, m->line, *name, buf_cstr(&text));
		return false;
	}
	return true;
}

/* text gets the first document: header, body… */
static bool check_line(struct import *m, enum workspace_kind kind, struct slice line, struct buf *text,
		       struct buf *error)
{
	autobuf more = { 0 };
	if (!is_text(line) || json_kind_of(json_trim(line)) != JSON_OBJECT)
		return damaged_line(m, "it is no JSON object", error);
	if (!check_names(m, kind, line, error))
		return false;
	for (const struct document *d = documents[kind]; d < documents[kind] + 3 && d->name; d++) {
		if (!check_document(line, d, d == documents[kind] ? text : &more))
			return damaged_line(m, "a document is no such JSON as the server takes", error);
	}
	return true;
}

/* ---- lines ---- */

/* Takes the next line off; false at the end. */
static bool next_line(struct slice *rest, struct slice *line)
{
	if (rest->len == 0)
		return false;
	const char *end = memchr(rest->ptr, '\n', rest->len);
	*line = slice_make(rest->ptr, end ? (size_t)(end - rest->ptr) : rest->len);
	size_t taken = line->len + (end != NULL);
	*rest = slice_make(rest->ptr + taken, rest->len - taken);
	return true;
}

static bool add_session(struct import *m, struct slice line, struct slice header, struct buf *error)
{
	struct header_scratch scratch = { 0 };
	struct db_params p = { 0 };
	db_add_i64(&p, m->id);
	db_add_text(&p, line);
	header_columns_add(&p, json_trim(header), &scratch);
	bool ok = run(m, sql_session, &p, error);
	header_scratch_free(&scratch);
	return ok;
}

static bool add_lines(struct import *m, enum workspace_kind kind, const struct slice *lines, size_t count,
		      struct buf *error)
{
	autobuf texts = { 0 };
	struct db_params p = { 0 };
	db_array_begin(&texts, DB_JSON, count);
	for (size_t i = 0; i < count; i++)
		db_array_text(&texts, lines[i]);
	db_array_end(&texts);
	db_add_i64(&p, m->id);
	if (kind != KIND_MESSAGES)
		db_add_text(&p, slice_of(workspace_kinds[kind]));
	db_add_text(&p, buf_slice(&texts));
	return run(m, kind == KIND_MESSAGES ? sql_messages : sql_documents, &p, error);
}

/* Lines that go into the database by the batch. */
struct batch {
	struct slice *lines;
	size_t count, room, bytes;
};

static void batch_free(struct batch *b)
{
	free(b->lines);
}

static void batch_add(struct batch *b, struct slice line)
{
	if (b->count == b->room) {
		b->room = b->room ? b->room * 2 : 64;
		b->lines = xrealloc(b->lines, b->room * sizeof(*b->lines));
	}
	b->lines[b->count++] = line;
	b->bytes += line.len;
}

static bool batch_flush(struct import *m, enum workspace_kind kind, struct batch *b, struct buf *error)
{
	bool ok = b->count == 0 || add_lines(m, kind, b->lines, b->count, error);
	b->count = b->bytes = 0;
	return ok;
}

static bool add_part(struct import *m, enum workspace_kind kind, struct buf *error)
{
	autocall(batch_free) struct batch batch = { 0 };
	autobuf text = { 0 };
	struct slice rest = buf_slice(&m->part), line;
	m->line = 0;
	while (next_line(&rest, &line)) {
		m->line++;
		if (!check_line(m, kind, line, &text, error))
			return false;
		if (kind == KIND_SESSIONS) {
			if (!add_session(m, line, buf_slice(&text), error))
				return false;
			continue;
		}
		batch_add(&batch, line);
		if (batch.bytes >= BATCH && !batch_flush(m, kind, &batch, error))
			return false;
	}
	if (kind != KIND_FILES)
		return batch_flush(m, kind, &batch, error);
	buf_add_slice(&m->files, buf_slice(&m->part));
	return true;
}

/* ---- blobs ---- */

static bool fill_draft(struct import *m, struct blob_draft *draft, struct buf *error)
{
	size_t n;
	do {
		if (!tar_read(&m->tar, m->chunk, CHUNK, &n, error))
			return false;
		if (!write_all(draft->fd, slice_make(m->chunk, n))) {
			buf_addf(error, "can't write to BLOB_DIR: %s", strerror(errno));
			return false;
		}
	} while (n > 0);
	return true;
}

static bool has_bytes_of(struct slice line, int64_t size, const char *hex)
{
	struct slice value;
	autobuf want = { 0 };
	buf_addf(&want, "\"%s\"", hex);
	if (!json_get(line, "sha256", &value) || !slice_eq(value, buf_slice(&want)))
		return false;
	buf_clear(&want);
	buf_add_i64(&want, size);
	return json_get(line, "size", &value) && slice_eq(value, buf_slice(&want));
}

static bool check_limits(struct import *m, struct buf *error)
{
	m->bytes += m->tar.size;
	m->file_count++;
	if (m->tar.size > m->conf->max_upload)
		buf_addf(error, "%s: a file of %" PRId64 " bytes is above MAX_UPLOAD", m->tar.name, m->tar.size);
	else if (m->conf->workspace_quota && m->bytes > m->conf->workspace_quota)
		buf_add_str(error, "the workspace's files would be above WORKSPACE_QUOTA");
	else if (m->conf->workspace_quota && m->file_count > quota_files(m->conf->workspace_quota))
		buf_addf(error, "the workspace would have more files than WORKSPACE_QUOTA allows: %" PRId64,
			 quota_files(m->conf->workspace_quota));
	return error->len == 0;
}

static bool open_blobs(struct import *m)
{
	m->has_blobs = m->has_blobs || blob_dir_open(m->conf, true, &m->blobs);
	return m->has_blobs;
}

/* The draft's lock is held until its row is there; for what follows the blob's age protects it, see check_published().
 */
static bool add_blob(struct import *m, struct buf *error)
{
	char id[UUID_SIZE], hex[TAR_HEX_SIZE];
	struct blob_draft draft = BLOB_DRAFT_NONE;
	struct slice rest = slice_make(m->files.data ? m->files.data + m->files_done : NULL,
				       m->files.len - m->files_done),
		     line;
	if (!next_line(&rest, &line))
		return damaged(m, "no file has these bytes", error);
	m->files_done = m->files.len - rest.len;
	if (!check_limits(m, error))
		return false;
	if (!open_blobs(m)) {
		buf_add_str(error, "nothing was imported");
		return false;
	}
	if (!uuid_random(id) || blobs_create(&m->blobs, &draft) != BLOB_OK) {
		buf_addf(error, "can't write to BLOB_DIR: %s", strerror(errno));
		return false;
	}
	bool ok = fill_draft(m, &draft, error) && tar_read_end(&m->tar, hex, error);
	if (ok && !has_bytes_of(line, m->tar.size, hex))
		ok = damaged(m, "these aren't the bytes of its file", error);
	if (ok && blobs_publish(&m->blobs, &draft, id) != BLOB_OK) {
		buf_addf(error, "can't write to BLOB_DIR: %s", strerror(errno));
		ok = false;
	}
	if (ok) {
		struct db_params p = { 0 };
		buf_add(&m->ids, id, UUID_SIZE);
		db_add_i64(&p, m->id);
		db_add_text(&p, line);
		db_add_text(&p, slice_of(id));
		ok = run(m, sql_file, &p, error);
	}
	blob_draft_end(&m->blobs, &draft);
	return ok;
}

/* A gc that was told to take young orphans may have taken ours. */
static bool check_published(struct import *m, struct buf *error)
{
	for (size_t i = 0; i < m->ids.len; i += UUID_SIZE) {
		autoclose int fd = -1;
		if (blobs_read(&m->blobs, m->ids.data + i, &fd) != BLOB_OK) {
			buf_add_str(error, "craft-cloud gc removed a blob meanwhile; run this again");
			return false;
		}
	}
	return true;
}

/* What can't be removed is an orphan, which gc takes. */
static void remove_published(struct import *m)
{
	size_t left = 0;
	for (size_t i = 0; i < m->ids.len; i += UUID_SIZE)
		left += blobs_remove(&m->blobs, m->ids.data + i) != BLOB_OK;
	if (left)
		(void)cli_fail("%zu blobs stay behind for craft-cloud gc", left);
}

/* ---- entries ---- */

static bool read_entry(struct import *m, struct buf *out, struct buf *error)
{
	char hex[TAR_HEX_SIZE];
	size_t n;
	buf_clear(out);
	if (m->tar.size > MAX_PART)
		return damaged(m, "it is too large", error);
	do {
		char *room = buf_reserve(out, CHUNK);
		if (!tar_read(&m->tar, room, CHUNK, &n, error))
			return false;
		out->len += n;
	} while (n > 0);
	return tar_read_end(&m->tar, hex, error);
}

static bool member(const struct buf *object, const char *name, struct buf *out)
{
	struct slice value;
	return json_get(buf_slice(object), name, &value) && json_kind_of(value) == JSON_STRING &&
	       json_decode(value, out);
}

static bool begin(struct import *m, const char *created_at, struct buf *error)
{
	const char *const values[] = { m->slug, created_at, m->replace ? "true" : "false" };
	autoresult *r = cli_query(m->conn, sql_begin, 3, values, error);
	if (!r)
		return false;
	m->id = strtoll(PQgetvalue(r, 0, 1), NULL, 10);
	m->existed = PQgetvalue(r, 0, 2)[0] == 't';
	if (strcmp(PQgetvalue(r, 0, 0), "ok") == 0)
		return true;
	buf_add_str(error, "the workspace isn't empty: import under another name with --as, or replace its contents "
			   "with --replace");
	return false;
}

/* The first entry. */
static bool read_manifest(struct import *m, struct buf *error)
{
	bool more;
	autobuf format = { 0 }, created_at = { 0 };
	struct slice version;
	if (!tar_read_next(&m->tar, &more, error))
		return false;
	if (!more || strcmp(m->tar.name, WORKSPACE_MANIFEST) != 0) {
		buf_add_str(error, "this is no archive of a workspace");
		return false;
	}
	if (!read_entry(m, &m->manifest, error))
		return false;
	if (!is_text(buf_slice(&m->manifest)) || json_kind_of(json_trim(buf_slice(&m->manifest))) != JSON_OBJECT ||
	    !member(&m->manifest, "format", &format) || !slice_eq_str(buf_slice(&format), WORKSPACE_FORMAT) ||
	    !json_get(buf_slice(&m->manifest), "version", &version) ||
	    !member(&m->manifest, "workspace", &m->archived_slug) || !member(&m->manifest, "createdAt", &created_at))
		return damaged(m, "it is none of a workspace", error);
	if (!slice_eq_str(version, WORKSPACE_VERSION)) {
		buf_add_str(error, "the archive was made by a newer craft-cloud");
		return false;
	}
	if (!m->slug)
		m->slug = buf_cstr(&m->archived_slug);
	return begin(m, buf_cstr(&created_at), error);
}

static bool read_part(struct import *m, struct buf *error)
{
	const char *slash = strchr(m->tar.name, '/');
	struct slice dir = slice_make(m->tar.name, slash ? (size_t)(slash - m->tar.name) : 0);
	if (slice_eq_str(dir, "blobs"))
		return add_blob(m, error);
	for (int i = 0; i < KIND_COUNT; i++) {
		if (slice_eq_str(dir, workspace_kinds[i]))
			return read_entry(m, &m->part, error) && add_part(m, (enum workspace_kind)i, error);
	}
	return damaged(m, "nothing of that name belongs there", error);
}

/* What is there now is what the archive said at its beginning. */
static bool check_manifest(struct import *m, struct buf *error)
{
	const char *const values[] = { m->slug, buf_cstr(&m->archived_slug) };
	if (m->files_done != m->files.len)
		return damaged(m, "files have no bytes", error);
	autoresult *r = cli_query(m->conn, sql_manifest, 2, values, error);
	if (!r)
		return false;
	return slice_eq_str(buf_slice(&m->manifest), PQgetvalue(r, 0, 0)) ||
	       damaged(m, "it doesn't hold what " WORKSPACE_MANIFEST " says", error);
}

static bool read_archive(struct import *m, struct buf *error)
{
	bool more = true;
	if (!read_manifest(m, error))
		return false;
	while (more) {
		if (!tar_read_next(&m->tar, &more, error) || (more && !read_part(m, error)))
			return false;
	}
	struct db_params p = { 0 };
	db_add_i64(&p, m->id);
	db_add_bool(&p, m->existed);
	return run(m, sql_end, &p, error) && check_manifest(m, error) && check_published(m, error);
}

/* ---- all ---- */

static enum cli_exit import_from(struct import *m, int fd)
{
	autobuf error = { 0 };
	bool ok = cli_command(m->conn, sql_settings, 0, NULL, &error) &&
		  cli_command(m->conn, "begin", 0, NULL, &error) && tar_read_open(&m->tar, fd, &error) &&
		  read_archive(m, &error);
	if (ok && cli_command(m->conn, "commit", 0, NULL, &error)) {
		(void)printf("imported ");
		cli_print_text(m->slug, 0);
		(void)putchar('\n');
		return CLI_OK;
	}
	if (ok) /* the blobs stay: it may have been committed */
		return cli_fail("whether the import was committed is unknown: %s", buf_cstr(&error));
	autobuf ignored = { 0 };
	(void)cli_command(m->conn, "rollback", 0, NULL, &ignored);
	remove_published(m);
	if (m->has_blobs)
		blob_dir_explain(m->conf, &error);
	return cli_fail("%s; nothing was changed", buf_cstr(&error));
}

enum cli_exit cli_workspace_import(const struct conf *conf, const struct cli_options *options)
{
	const char *path = options->args[0];
	autoclose int fd =
		strcmp(path, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) : open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return cli_fail("can't open the file %s: %s", path, strerror(errno));
	autoconn *conn = cli_connect(conf->database_url);
	if (!conn)
		return CLI_FAILED;
	autocall(import_close) struct import m = { .conf = conf,
						   .conn = conn,
						   .slug = options->as,
						   .replace = options->replace,
						   .blobs = BLOBS_NONE,
						   .chunk = xmalloc(CHUNK) };
	return import_from(&m, fd);
}
