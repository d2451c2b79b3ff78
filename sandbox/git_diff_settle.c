/* git_diff_settle.c: which files .gitattributes alone makes differ. */
#include "git_diff_settle.h"

#include <stdlib.h>

#include "git_id.h"

#define NAMES_MAX 10

void git_diff_settle_free(struct git_diff_settle *s)
{
	buf_free(&s->raw);
	buf_free(&s->now);
	buf_free(&s->fresh);
	buf_free(&s->clean);
	free(s->files);
	*s = (struct git_diff_settle){ 0 };
}

/* Up to end, which is skipped; false: it isn't there. */
static bool take(struct slice *rest, char end, struct slice *out)
{
	const char *p = rest->len ? memchr(rest->ptr, end, rest->len) : NULL;
	if (!p)
		return false;
	size_t n = (size_t)(p - rest->ptr);
	*out = slice_make(rest->ptr, n);
	*rest = slice_make(p + 1, rest->len - n - 1);
	return true;
}

static bool is_regular(struct slice mode)
{
	return slice_eq_str(mode, "100644") || slice_eq_str(mode, "100755");
}

/* ":MODE MODE ID ID STATUS" NUL "PATH" NUL */
void git_diff_settle_raw(struct git_diff_settle *s, struct slice output)
{
	size_t room = 0;
	buf_clear(&s->raw);
	buf_add_slice(&s->raw, output);
	struct slice rest = buf_slice(&s->raw), old_mode, mode, blob, id, status, path;
	while (take(&rest, ':', &status) && take(&rest, ' ', &old_mode) && take(&rest, ' ', &mode) &&
	       take(&rest, ' ', &blob) && take(&rest, ' ', &id) && take(&rest, '\0', &status) &&
	       take(&rest, '\0', &path)) {
		if (!slice_eq_str(status, "M") || !is_regular(old_mode) || !is_regular(mode) || slice_eq(blob, id) ||
		    !git_id_valid(blob))
			continue;
		if (s->count == room) {
			room = room ? room * 2 : 64;
			s->files = xrealloc(s->files, room * sizeof(*s->files));
		}
		s->files[s->count++] = (struct git_diff_file){ .mode = mode, .blob = blob, .added = id, .path = path };
	}
}

/* ---- what is asked of git ---- */

static void add_nul(struct slice path, const char *name, struct buf *out)
{
	buf_add_slice(out, path);
	buf_add_str(out, name);
	buf_add_char(out, '\0');
}

/* Those above a file in the directory of the file before are there already. */
void git_diff_settle_checkout(const struct git_diff_settle *s, struct buf *out)
{
	struct slice before = { 0 };
	add_nul(before, ".gitattributes", out);
	for (size_t i = 0; i < s->count; i++) {
		struct slice path = s->files[i].path;
		for (size_t n = 0; n < path.len; n++)
			if (path.ptr[n] == '/' && (before.len <= n || memcmp(before.ptr, path.ptr, n + 1) != 0))
				add_nul(slice_make(path.ptr, n + 1), ".gitattributes", out);
		before = path;
	}
	for (size_t i = 0; i < s->count; i++)
		add_nul(s->files[i].path, "", out);
}

void git_diff_settle_paths(const struct git_diff_settle *s, struct buf *out)
{
	for (size_t i = 0; i < s->count; i++) {
		struct slice path = s->files[i].path;
		buf_add_char(out, '"');
		for (size_t n = 0; n < path.len; n++) {
			unsigned char c = (unsigned char)path.ptr[n];
			if (c < ' ' || c >= 0x7f || c == '"' || c == '\\')
				buf_addf(out, "\\%03o", c);
			else
				buf_add_char(out, (char)c);
		}
		buf_add_str(out, "\"\n");
	}
}

bool git_diff_settle_hashed(struct git_diff_settle *s, enum git_diff_hash which, struct slice output)
{
	struct buf *said = which == GIT_DIFF_NOW ? &s->now : which == GIT_DIFF_FRESH ? &s->fresh : &s->clean;
	buf_clear(said);
	buf_add_slice(said, output);
	struct slice rest = buf_slice(said), id;
	for (size_t i = 0; i < s->count; i++) {
		struct git_diff_file *f = &s->files[i];
		if (!take(&rest, '\n', &id) || !git_id_valid(id))
			return false;
		*(which == GIT_DIFF_NOW ? &f->now : which == GIT_DIFF_FRESH ? &f->fresh : &f->clean) = id;
	}
	return true;
}

/* ---- what comes of it ---- */

static bool untouched(const struct git_diff_file *f)
{
	return slice_eq(f->now, f->fresh);
}

bool git_diff_settle_touched(const struct git_diff_settle *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (!untouched(&s->files[i]))
			return true;
	return false;
}

/* A fresh checkout has the blob's very bytes, and git add makes others of them, and of the file's. */
static bool keeps_bytes(const struct git_diff_file *f)
{
	return f->clean.len && !slice_eq(f->added, f->now) && slice_eq(f->fresh, f->blob) &&
	       !slice_eq(f->clean, f->blob);
}

static void add_entry(const struct git_diff_file *f, struct slice id, struct buf *out)
{
	buf_add_slice(out, f->mode);
	buf_add_char(out, ' ');
	buf_add_slice(out, id);
	buf_add_str(out, " 0\t");
	add_nul(f->path, "", out);
}

static void name_file(struct slice path, size_t count, struct buf *notes)
{
	if (count == 1)
		buf_add_str(notes,
			    "The line ends of these files are not as .gitattributes says, in the repository as well; "
			    "git apply takes their diff, git apply --index doesn't:");
	if (count > NAMES_MAX)
		return;
	buf_add_str(notes, count > 1 ? ", " : " ");
	for (size_t i = 0; i < path.len && i < 200; i++)
		buf_add_char(notes, path.ptr[i] >= ' ' && path.ptr[i] < 0x7f ? path.ptr[i] : '?');
}

void git_diff_settle_entries(const struct git_diff_settle *s, struct buf *out, struct buf *notes)
{
	size_t kept = 0;
	for (size_t i = 0; i < s->count; i++) {
		const struct git_diff_file *f = &s->files[i];
		if (untouched(f)) {
			add_entry(f, f->blob, out);
		} else if (keeps_bytes(f)) {
			add_entry(f, f->now, out);
			name_file(f->path, ++kept, notes);
		}
	}
	if (kept > NAMES_MAX)
		buf_addf(notes, " and %zu more", kept - NAMES_MAX);
	if (kept)
		buf_add_str(notes, ".\n");
}
