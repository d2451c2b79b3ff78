/* tar.c: writing and reading a workspace's archive with libarchive. */
#include "tar.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <archive.h>
#include <archive_entry.h>

#include "cleanup.h"
#include "write_all.h"

#define BLOCK ((size_t)64 << 10)
#define MAX_SUMS ((int64_t)256 << 20)

static void hash_begin(struct tar *t)
{
	if (!t->hash)
		t->hash = EVP_MD_CTX_new();
	if (!t->hash || EVP_DigestInit_ex(t->hash, EVP_sha256(), NULL) != 1)
		abort();
}

static void hash_add(struct tar *t, const void *data, size_t len)
{
	if (EVP_DigestUpdate(t->hash, data, len) != 1)
		abort();
}

/* Notes the line of the entry that ends. */
static void hash_end(struct tar *t, char hex[TAR_HEX_SIZE])
{
	unsigned char raw[EVP_MAX_MD_SIZE];
	unsigned int len = 0;
	if (EVP_DigestFinal_ex(t->hash, raw, &len) != 1)
		abort();
	for (unsigned int i = 0; i < TAR_HEX_SIZE / 2; i++)
		(void)snprintf(hex + (size_t)2 * i, 3, "%02x", raw[i]);
	buf_addf(&t->sums, "%s  %s\n", hex, t->name);
}

void tar_close(struct tar *t)
{
	/* What was broken off gets no end of an archive. */
	t->broken_off = true;
	if (t->archive && t->writing)
		(void)archive_write_free(t->archive);
	else if (t->archive)
		(void)archive_read_free(t->archive);
	EVP_MD_CTX_free(t->hash);
	free(t->name);
	buf_free(&t->sums);
	buf_free(&t->given);
	*t = (struct tar){ 0 };
}

/* ---- writing ---- */

static bool write_failed(struct tar *t, struct buf *error)
{
	const char *why = t->error ? strerror(t->error) : archive_error_string(t->archive);
	buf_addf(error, "can't write the archive: %s", why ? why : "unknown error");
	return false;
}

/* Never fails for libarchive, which then would neither end nor free what it has: written() tells. */
static la_ssize_t write_block(struct archive *archive, void *arg, const void *data, size_t len)
{
	struct tar *t = arg;
	(void)archive;
	if (!t->broken_off && !write_all(t->fd, slice_make(data, len))) {
		t->error = errno;
		t->broken_off = true;
	}
	return (la_ssize_t)len;
}

static bool written(struct tar *t, bool ok, struct buf *error)
{
	return (ok && !t->error) || write_failed(t, error);
}

bool tar_write_open(struct tar *t, int fd, struct buf *error)
{
	*t = (struct tar){ .archive = archive_write_new(), .writing = true, .fd = fd };
	if (!t->archive)
		abort();
	if (archive_write_set_format_pax_restricted(t->archive) != ARCHIVE_OK ||
	    archive_write_set_bytes_per_block(t->archive, (int)BLOCK) != ARCHIVE_OK ||
	    archive_write_set_bytes_in_last_block(t->archive, 1) != ARCHIVE_OK ||
	    archive_write_open(t->archive, t, NULL, write_block, NULL) != ARCHIVE_OK)
		return write_failed(t, error);
	return true;
}

static void free_entry(struct archive_entry **entry)
{
	archive_entry_free(*entry);
}

bool tar_write_begin(struct tar *t, const char *name, int64_t size, struct buf *error)
{
	autocall(free_entry) struct archive_entry *entry = archive_entry_new();
	if (!entry)
		abort();
	free(t->name);
	t->name = xstrdup(name);
	t->size = t->rest = size;
	archive_entry_set_pathname(entry, name);
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_entry_set_perm(entry, 0600);
	archive_entry_set_size(entry, size);
	archive_entry_set_mtime(entry, 0, 0);
	hash_begin(t);
	return written(t, archive_write_header(t->archive, entry) == ARCHIVE_OK, error);
}

bool tar_write(struct tar *t, struct slice data, struct buf *error)
{
	if (data.len == 0)
		return true;
	if ((int64_t)data.len > t->rest) {
		buf_addf(error, "%s grew while it was read", t->name);
		return false;
	}
	hash_add(t, data.ptr, data.len);
	t->rest -= (int64_t)data.len;
	return written(t, archive_write_data(t->archive, data.ptr, data.len) == (la_ssize_t)data.len, error);
}

bool tar_write_end(struct tar *t, char hex[TAR_HEX_SIZE], struct buf *error)
{
	if (t->rest > 0) {
		buf_addf(error, "%s is shorter than it should be", t->name);
		return false;
	}
	hash_end(t, hex);
	return written(t, archive_write_finish_entry(t->archive) == ARCHIVE_OK, error);
}

bool tar_write_close(struct tar *t, struct buf *error)
{
	char hex[TAR_HEX_SIZE];
	autobuf sums = t->sums;
	t->sums = (struct buf){ 0 };
	return tar_write_begin(t, TAR_SUMS, (int64_t)sums.len, error) && tar_write(t, buf_slice(&sums), error) &&
	       tar_write_end(t, hex, error) && written(t, archive_write_close(t->archive) == ARCHIVE_OK, error);
}

/* ---- reading ---- */

static bool damaged(struct buf *error, const char *what)
{
	buf_addf(error, "the archive is damaged: %s", what);
	return false;
}

static bool read_failed(struct tar *t, struct buf *error)
{
	const char *why = archive_error_string(t->archive);
	return damaged(error, why ? why : "it can't be read");
}

bool tar_read_open(struct tar *t, int fd, struct buf *error)
{
	*t = (struct tar){ .archive = archive_read_new() };
	if (!t->archive)
		abort();
	if (archive_read_support_format_tar(t->archive) != ARCHIVE_OK ||
	    archive_read_open_fd(t->archive, fd, BLOCK) != ARCHIVE_OK)
		return read_failed(t, error);
	return true;
}

/* One with holes would be a few bytes that read as terabytes. */
static bool enter(struct tar *t, struct archive_entry *entry, struct buf *error)
{
	const char *name = archive_entry_pathname(entry);
	if (!name || archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry) ||
	    !archive_entry_size_is_set(entry) || archive_entry_size(entry) < 0 || archive_entry_sparse_count(entry) > 0)
		return damaged(error, "it holds something that is no file");
	if (t->given.len)
		return damaged(error, "something follows " TAR_SUMS);
	free(t->name);
	t->name = xstrdup(name);
	t->size = t->rest = archive_entry_size(entry);
	hash_begin(t);
	return true;
}

static bool next_entry(struct tar *t, bool *more, struct buf *error)
{
	struct archive_entry *entry;
	int result = archive_read_next_header(t->archive, &entry);
	*more = result == ARCHIVE_OK;
	if (result == ARCHIVE_EOF)
		return true;
	return *more ? enter(t, entry, error) : read_failed(t, error);
}

/* What SHA256SUMS says is what was read. */
static bool check_sums(struct tar *t, struct buf *error)
{
	if (t->size == 0 || t->size > MAX_SUMS)
		return damaged(error, TAR_SUMS " has an impossible size");
	size_t n;
	do {
		char *room = buf_reserve(&t->given, BLOCK);
		if (!tar_read(t, room, BLOCK, &n, error))
			return false;
		t->given.len += n;
	} while (n > 0);
	if (slice_eq(buf_slice(&t->given), buf_slice(&t->sums)))
		return true;
	return damaged(error, "its contents aren't those that " TAR_SUMS " names");
}

bool tar_read_next(struct tar *t, bool *more, struct buf *error)
{
	if (!next_entry(t, more, error))
		return false;
	if (!*more)
		return damaged(error, "it ends before " TAR_SUMS);
	if (strcmp(t->name, TAR_SUMS) != 0)
		return true;
	return check_sums(t, error) && next_entry(t, more, error);
}

bool tar_read(struct tar *t, char *data, size_t room, size_t *n, struct buf *error)
{
	la_ssize_t got = archive_read_data(t->archive, data, room);
	*n = got > 0 ? (size_t)got : 0;
	if (got < 0)
		return read_failed(t, error);
	hash_add(t, data, *n);
	t->rest -= (int64_t)*n;
	return true;
}

bool tar_read_end(struct tar *t, char hex[TAR_HEX_SIZE], struct buf *error)
{
	if (t->rest != 0)
		return damaged(error, "an entry is shorter than it should be");
	hash_end(t, hex);
	return true;
}
