/* sqldir.c: reads the SQL files and their hashes. */
#include "sqldir.h"

#include <assert.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "cleanup.h"

#define MAX_FILE ((size_t)16 << 20)

struct sha256 {
	EVP_MD_CTX *ctx;
};

static struct sha256 sha256_begin(void)
{
	struct sha256 h = { EVP_MD_CTX_new() };
	if (!h.ctx || EVP_DigestInit_ex(h.ctx, EVP_sha256(), NULL) != 1)
		abort();
	return h;
}

static void sha256_add(struct sha256 h, const void *p, size_t n)
{
	if (EVP_DigestUpdate(h.ctx, p, n) != 1)
		abort();
}

static void sha256_end(struct sha256 h, char hex[SQLDIR_HASH_SIZE])
{
	unsigned char raw[EVP_MAX_MD_SIZE];
	unsigned int len = 0;
	if (EVP_DigestFinal_ex(h.ctx, raw, &len) != 1)
		abort();
	EVP_MD_CTX_free(h.ctx);
	assert(len * 2 == SQLDIR_HASH_SIZE - 1);
	for (unsigned int i = 0; i < len; i++)
		(void)snprintf(hex + (size_t)2 * i, 3, "%02x", raw[i]);
}

static bool read_whole(const char *path, struct buf *out, struct buf *error)
{
	FILE *f = fopen(path, "re");
	if (!f) {
		buf_addf(error, "can't read %s: %s", path, strerror(errno));
		return false;
	}
	size_t n = 1;
	while (n && out->len <= MAX_FILE) {
		n = fread(buf_reserve(out, 65536), 1, 65536, f);
		out->len += n;
	}
	bool ok = !ferror(f) && out->len <= MAX_FILE && (out->len == 0 || !memchr(out->data, 0, out->len));
	(void)fclose(f);
	if (!ok)
		buf_addf(error, "can't read %s as SQL text", path);
	return ok;
}

/* Reads base/name behind the list's last file. */
static bool add_file(struct sql_files *files, const char *base, const char *name, struct buf *error)
{
	autobuf path = { 0 };
	buf_addf(&path, "%s/%s", base, name);
	files->list = xrealloc(files->list, (files->count + 1) * sizeof(*files->list));
	struct sql_file *file = &files->list[files->count++];
	*file = (struct sql_file){ .name = xstrdup(name) };
	if (!read_whole(buf_cstr(&path), &file->text, error))
		return false;
	(void)buf_cstr(&file->text);
	struct sha256 h = sha256_begin();
	sha256_add(h, file->text.data, file->text.len);
	sha256_end(h, file->sha256);
	return true;
}

static int is_sql_name(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);
	return entry->d_name[0] != '.' && len > 4 && strcmp(entry->d_name + len - 4, ".sql") == 0;
}

/* By bytes: the order may not depend on anybody's locale. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* Adds every *.sql of one directory below base, in order of their names. */
static bool add_directory(struct sql_files *files, const char *base, const char *sub, struct buf *error)
{
	autobuf path = { 0 };
	buf_addf(&path, "%s/%s", base, sub);
	struct dirent **entries = NULL;
	int n = scandir(buf_cstr(&path), &entries, is_sql_name, by_name);
	if (n < 0) {
		buf_addf(error, "can't read the SQL directory %s: %s", buf_cstr(&path), strerror(errno));
		return false;
	}
	bool ok = true;
	for (int i = 0; i < n; i++) {
		autobuf name = { 0 };
		buf_addf(&name, "%s/%s", sub, entries[i]->d_name);
		ok = ok && add_file(files, base, buf_cstr(&name), error);
		free(entries[i]);
	}
	free(entries);
	return ok;
}

/* NNNN of "migrations/NNNN_name.sql"; 0 when the name has another form. */
static int version_of(const char *name)
{
	const char *p = strrchr(name, '/') + 1;
	int version = 0;
	for (int i = 0; i < 4; i++) {
		if (!isdigit((unsigned char)p[i]))
			return 0;
		version = version * 10 + (p[i] - '0');
	}
	return p[4] == '_' && p[5] != '.' ? version : 0;
}

static bool number_migrations(struct sql_files *files, const char *path, struct buf *error)
{
	for (size_t i = 0; i < files->count; i++) {
		struct sql_file *file = &files->list[i];
		file->version = version_of(file->name);
		if (file->version == 0)
			buf_addf(error, "%s/%s is not named NNNN_name.sql", path, file->name);
		else if (i > 0 && file->version == files->list[i - 1].version)
			buf_addf(error, "two migrations have the number %04d: %s and %s", file->version,
				 files->list[i - 1].name, file->name);
		else if ((size_t)file->version != i + 1)
			buf_addf(error, "migration %04zu is missing in %s: %s follows", i + 1, path, file->name);
		if (error->len)
			return false;
	}
	if (files->count == 0)
		buf_addf(error, "there are no migrations in %s/migrations", path);
	return files->count > 0;
}

/* Names and lengths go in too, so that no two different sets of files have the same text. */
static void hash_code(struct sqldir *dir)
{
	struct sha256 h = sha256_begin();
	for (size_t i = 0; i < dir->code.count; i++) {
		const struct sql_file *file = &dir->code.list[i];
		sha256_add(h, file->name, strlen(file->name) + 1);
		sha256_add(h, file->sha256, sizeof(file->sha256));
	}
	sha256_end(h, dir->code_sha256);
}

/* The source tree is one or two directories above that of the build: build/cli/, build/test/cli/. */
const char *sqldir_default(const char *installed)
{
	static const char *const ups[] = { "..", "../..", "../../.." };
	static char found[PATH_MAX + sizeof("/../../../sql")];
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n <= 0)
		return installed;
	self[n] = '\0';
	char *base = strrchr(self, '/');
	*base = '\0';
	char *parent = strrchr(self, '/');
	for (size_t i = 0; parent && strcmp(parent, "/cli") == 0 && i < sizeof(ups) / sizeof(*ups); i++) {
		/* Of the SQL files this one is not installed. */
		(void)snprintf(found, sizeof(found), "%s/%s/sql/local.mk", self, ups[i]);
		if (access(found, R_OK) == 0) {
			*strrchr(found, '/') = '\0';
			return found;
		}
	}
	return installed;
}

bool sqldir_load(struct sqldir *dir, const char *path, struct buf *error)
{
	*dir = (struct sqldir){ .path = path };
	bool ok = add_file(&dir->roles, path, "roles.sql", error) &&
		  add_directory(&dir->migrations, path, "migrations", error) &&
		  number_migrations(&dir->migrations, path, error) && add_directory(&dir->code, path, "api", error) &&
		  add_directory(&dir->code, path, "report", error) && add_file(&dir->code, path, "grants.sql", error);
	if (ok)
		hash_code(dir);
	return ok;
}

static void files_free(struct sql_files *files)
{
	for (size_t i = 0; i < files->count; i++) {
		free(files->list[i].name);
		buf_free(&files->list[i].text);
	}
	free(files->list);
}

void sqldir_free(struct sqldir *dir)
{
	files_free(&dir->roles);
	files_free(&dir->migrations);
	files_free(&dir->code);
	*dir = (struct sqldir){ 0 };
}
