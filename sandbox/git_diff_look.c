/* git_diff_look.c: the look at a working tree before its diff. */
#include "git_diff_look.h"

#include <assert.h>
#include <stdlib.h>

#include "box_spec.h"
#include "git_error.h"
#include "git_id.h"
#include "git_patch.h"
#include "lib/cleanup.h"

#define NAMES_MAX 10
#define MAX_DIGITS 18 /* of a size, as of what an int64_t holds */
/* The blob without bytes, under a name that git add doesn't find, and takes away again. */
#define ENTRY "100644 e69de29bb2d1d6434b8b29ae775ad8c2e48c5391 0\t"
#define ENTRY_NAME ".craft-nested"
#define EXCLUDE ":(exclude,literal)"

/* ---- paths ---- */

static int by_bytes(const void *a, const void *b)
{
	const struct slice *x = a, *y = b;
	size_t n = x->len < y->len ? x->len : y->len;
	int order = n ? memcmp(x->ptr, y->ptr, n) : 0;
	return order ? order : (x->len > y->len) - (x->len < y->len);
}

static void paths_add(struct git_diff_paths *p, struct slice path)
{
	if (p->count == p->room) {
		p->room = p->room ? p->room * 2 : 64;
		p->items = xrealloc(p->items, p->room * sizeof(*p->items));
	}
	p->items[p->count++] = path;
}

static void paths_sort(struct git_diff_paths *p)
{
	if (p->count)
		qsort(p->items, p->count, sizeof(*p->items), by_bytes);
}

static const struct slice *paths_find(const struct git_diff_paths *p, struct slice path)
{
	return p->count ? bsearch(&path, p->items, p->count, sizeof(*p->items), by_bytes) : NULL;
}

/* The path itself or a directory above it. */
static const struct slice *paths_find_above(const struct git_diff_paths *p, struct slice path)
{
	for (size_t n = 1; n <= path.len && p->count; n++) {
		const struct slice *found =
			n == path.len || path.ptr[n] == '/' ? paths_find(p, slice_make(path.ptr, n)) : NULL;
		if (found)
			return found;
	}
	return NULL;
}

void git_diff_look_free(struct git_diff_look *look)
{
	buf_free(&look->names);
	free(look->nested.items);
	free(look->files.items);
	free(look->apart.items);
	buf_free(&look->link_names);
	free(look->filled.items);
	buf_free(&look->heads);
	buf_free(&look->worktrees);
	buf_free(&look->excluded);
	buf_free(&look->forced);
	buf_free(&look->large);
	buf_free(&look->fifo);
}

/* ---- find ---- */

/* Records "w PATH" (a .git that is a file), "g PATH" (another .git), "a" (attributes), "i" (.gitignore), "f SIZE PATH"
 * (a large file), "p PATH" (a FIFO). */
void git_diff_look_find(const char *size, const char *args[static GIT_DIFF_FIND_ARGS])
{
	const char *const all[] = { ".",
				    "-xdev",
				    "-name",
				    ".git",
				    "-type",
				    "f",
				    "-printf",
				    "w %P\\0",
				    "-prune",
				    "-o",
				    "-name",
				    ".git",
				    "-printf",
				    "g %P\\0",
				    "-prune",
				    "-o",
				    "-name",
				    ".gitattributes",
				    "-printf",
				    "a \\0",
				    "-false",
				    "-o",
				    "-name",
				    ".gitignore",
				    "-printf",
				    "i \\0",
				    "-false",
				    "-o",
				    "-type",
				    "f",
				    "-size",
				    size,
				    "-printf",
				    "f %s %P\\0",
				    "-o",
				    "-type",
				    "p",
				    "(",
				    "-name",
				    ".gitignore",
				    "-o",
				    "-name",
				    ".gitattributes",
				    "-o",
				    "-name",
				    ".gitmodules",
				    ")",
				    "-printf",
				    "p %P\\0",
				    NULL };
	static_assert(sizeof(all) <= GIT_DIFF_FIND_ARGS * sizeof(*all), "find has more arguments");
	memcpy(args, all, sizeof(all));
}

static void exclude(struct git_diff_look *look, struct slice path)
{
	buf_add_str(&look->excluded, EXCLUDE);
	buf_add_slice(&look->excluded, path);
	buf_add_char(&look->excluded, '\0');
}

static void take_nested(struct git_diff_look *look, struct slice path, bool file)
{
	if (path.len <= 5)
		return;
	path.len -= 5;
	paths_add(&look->nested, path);
	if (file)
		paths_add(&look->files, path);
}

static void take_large(struct git_diff_look *look, struct slice rest)
{
	int64_t size = 0;
	size_t i = 0;
	for (; i < rest.len && i < MAX_DIGITS && rest.ptr[i] >= '0' && rest.ptr[i] <= '9'; i++)
		size = size * 10 + (rest.ptr[i] - '0');
	if (i + 1 >= rest.len)
		return;
	struct slice path = slice_make(rest.ptr + i + 1, rest.len - i - 1);
	exclude(look, path);
	if (look->large_count++)
		return;
	for (size_t n = 0; n < path.len; n++)
		buf_add_char(&look->large, (unsigned char)path.ptr[n] < ' ' ? '?' : path.ptr[n]);
	buf_add_str(&look->large, " (");
	git_error_size(size, &look->large);
	buf_add_char(&look->large, ')');
}

static void take_record(struct git_diff_look *look, char kind, struct slice rest)
{
	if (kind == 'g' || kind == 'w')
		take_nested(look, rest, kind == 'w');
	else if (kind == 'a')
		look->attributes = true;
	else if (kind == 'i')
		look->ignores = true;
	else if (kind == 'f')
		take_large(look, rest);
	else if (kind == 'p' && !look->fifo.len)
		buf_add_slice(&look->fifo, rest);
}

void git_diff_look_found(struct git_diff_look *look, struct slice output)
{
	buf_add_slice(&look->names, output);
	const char *p = buf_cstr(&look->names), *end = p + look->names.len;
	for (const char *nul; p < end && (nul = memchr(p, '\0', (size_t)(end - p))); p = nul + 1)
		take_record(look, *p, slice_make(p + 2, (size_t)(nul - p) < 2 ? 0 : (size_t)(nul - p) - 2));
	paths_sort(&look->nested);
	paths_sort(&look->files);
}

/* ---- what a .git that is a file says ---- */

void git_diff_look_files(const struct git_diff_look *look, struct buf *out)
{
	for (size_t i = 0; i < look->files.count; i++) {
		buf_add_str(out, "./");
		buf_add_slice(out, look->files.items[i]);
		buf_add(out, "/.git", 6);
	}
}

static bool skip(struct slice *s, const char *prefix)
{
	size_t n = strlen(prefix);
	if (s->len < n || memcmp(s->ptr, prefix, n) != 0)
		return false;
	*s = slice_make(s->ptr + n, s->len - n);
	return true;
}

/* .git of the checkout, by its path in the box or by "../" (git 2.48 makes such ones too). */
static bool in_checkout(struct slice target, const char *what)
{
	bool absolute = skip(&target, BOX_WORKSPACE "/");
	bool relative = false;
	while (!absolute && skip(&target, "../"))
		relative = true;
	return (absolute || relative) && skip(&target, ".git/") && skip(&target, what) && target.len;
}

static void add_printable(struct slice path, struct buf *out)
{
	for (size_t i = 0; i < path.len && i < 200; i++)
		buf_add_char(out, path.ptr[i] >= ' ' && path.ptr[i] < 0x7f ? path.ptr[i] : '?');
}

static void take_worktree(struct git_diff_look *look, struct slice path)
{
	exclude(look, path);
	paths_add(&look->apart, path);
	if (look->worktree_count++ < NAMES_MAX) {
		buf_add_str(&look->worktrees, look->worktree_count > 1 ? ", " : "");
		add_printable(path, &look->worktrees);
	}
}

static void take_target(struct git_diff_look *look, struct slice path, struct slice target)
{
	if (!skip(&path, "./") || path.len <= 5 || !skip(&target, "gitdir: "))
		return;
	path.len -= 5;
	const struct slice *known = paths_find(&look->files, path);
	if (known && in_checkout(target, "worktrees/"))
		take_worktree(look, *known);
	else if (known && in_checkout(target, "modules/"))
		paths_add(&look->apart, *known);
}

void git_diff_look_targets(struct git_diff_look *look, struct slice output)
{
	const char *p = output.len ? output.ptr : "", *end = p + output.len;
	while (p < end) {
		const char *nul = memchr(p, '\0', (size_t)(end - p));
		const char *eol = nul ? memchr(nul, '\n', (size_t)(end - nul)) : NULL;
		if (!eol)
			break;
		take_target(look, slice_make(p, (size_t)(nul - p)), slice_make(nul + 1, (size_t)(eol - nul) - 1));
		p = eol + 1;
	}
	paths_sort(&look->apart);
}

/* ---- submodules ---- */

/* "160000 ID STAGE\tPATH" */
void git_diff_look_links(struct git_diff_look *look, struct slice output, bool every)
{
	buf_add_slice(&look->link_names, output);
	const char *p = buf_cstr(&look->link_names), *end = p + look->link_names.len;
	for (const char *nul; p < end && (nul = memchr(p, '\0', (size_t)(end - p))); p = nul + 1) {
		const char *tab = memchr(p, '\t', (size_t)(nul - p));
		if (!tab || memcmp(p, "160000 ", 7) != 0)
			continue;
		struct slice path = slice_make(tab + 1, (size_t)(nul - tab - 1));
		bool filled = paths_find(&look->nested, path);
		paths_add(&look->apart, path);
		if (filled)
			paths_add(&look->filled, path);
		if (every || filled)
			exclude(look, path);
	}
	paths_sort(&look->apart);
	paths_sort(&look->filled);
}

void git_diff_look_filled(const struct git_diff_look *look, struct buf *out)
{
	for (size_t i = 0; i < look->filled.count; i++) {
		buf_add_slice(out, look->filled.items[i]);
		buf_add_char(out, '\0');
	}
}

/* What a FIFO there holds up doesn't hold up everything. Records "ID\tPATH". */
const char git_diff_look_head[] =
	"for path; do id=$(cd \"./$path\" && GIT_DIR=.git timeout 10 git rev-parse -q --verify HEAD) && "
	"printf '%s\\t%s\\0' \"$id\" \"$path\"; done; exit 0";

static void take_head(struct git_diff_look *look, struct slice id, struct slice path)
{
	if (!git_id_valid(id) || !paths_find(&look->filled, path))
		return;
	buf_add_str(&look->heads, "160000 ");
	buf_add_slice(&look->heads, id);
	buf_add_str(&look->heads, " 0\t");
	buf_add_slice(&look->heads, path);
	buf_add_char(&look->heads, '\0');
}

void git_diff_look_heads(struct git_diff_look *look, struct slice output)
{
	const char *p = output.len ? output.ptr : "", *end = p + output.len;
	for (const char *nul; p < end && (nul = memchr(p, '\0', (size_t)(end - p))); p = nul + 1) {
		const char *tab = memchr(p, '\t', (size_t)(nul - p));
		if (tab)
			take_head(look, slice_make(p, (size_t)(tab - p)), slice_make(tab + 1, (size_t)(nul - tab - 1)));
	}
}

/* ---- files that the agent has added though .gitignore names them ---- */

static bool is_excluded(const struct git_diff_look *look, struct slice path)
{
	autobuf record = { 0 };
	buf_add_str(&record, EXCLUDE);
	buf_add_slice(&record, path);
	buf_add_char(&record, '\0');
	return look->excluded.len && memmem(look->excluded.data, look->excluded.len, record.data, record.len);
}

void git_diff_look_forced(struct git_diff_look *look, struct slice output)
{
	const char *p = output.len ? output.ptr : "", *end = p + output.len;
	for (const char *nul; p < end && (nul = memchr(p, '\0', (size_t)(end - p))); p = nul + 1) {
		struct slice path = slice_make(p, (size_t)(nul - p));
		if (!path.len || paths_find_above(&look->apart, path) || is_excluded(look, path))
			continue;
		buf_add_str(&look->forced, ENTRY);
		buf_add_slice(&look->forced, path);
		buf_add_char(&look->forced, '\0');
	}
}

/* ---- nested repositories ---- */

void git_diff_look_entries(const struct git_diff_look *look, struct buf *out)
{
	buf_add_slice(out, buf_slice(&look->heads));
	buf_add_slice(out, buf_slice(&look->forced));
	for (size_t i = 0; i < look->nested.count; i++) {
		struct slice path = look->nested.items[i];
		if (paths_find_above(&look->apart, path))
			continue;
		buf_add_str(out, ENTRY);
		buf_add_slice(out, path);
		buf_add(out, "/" ENTRY_NAME, sizeof("/" ENTRY_NAME));
	}
}

static void add_name(struct slice path, size_t count, struct buf *names)
{
	if (count > NAMES_MAX)
		return;
	buf_add_str(names, count > 1 ? ", " : "");
	add_printable(path, names);
}

/* The files of a repository stand together in a patch, so that it is enough to compare with the one before. */
static size_t name_nested(const struct git_diff_look *look, struct slice patch, struct buf *names)
{
	size_t count = 0;
	struct git_patch_file file;
	const struct slice *last = NULL;
	while (look->nested.count && git_patch_next(&patch, &file)) {
		autobuf name = { 0 };
		if (!git_patch_name(file.new, &name))
			continue;
		const struct slice *found = paths_find_above(&look->nested, buf_slice(&name));
		if (found && found != last && !paths_find_above(&look->apart, *found))
			add_name(*found, ++count, names);
		last = found ? found : last;
	}
	return count;
}

static void finish_note(size_t count, struct buf *notes)
{
	if (count > NAMES_MAX)
		buf_addf(notes, " and %zu more", count - NAMES_MAX);
	buf_add_str(notes, ".\n");
}

static void note_filled(const struct git_diff_look *look, struct buf *notes)
{
	autobuf names = { 0 };
	for (size_t i = 0; i < look->filled.count; i++)
		add_name(look->filled.items[i], i + 1, &names);
	if (!names.len)
		return;
	buf_addf(notes,
		 "Changes of files inside submodules, and commits that were made there, are not in the diff and are "
		 "lost "
		 "with the sandbox: %s",
		 buf_cstr(&names));
	finish_note(look->filled.count, notes);
}

void git_diff_look_notes(const struct git_diff_look *look, struct slice patch, struct buf *notes)
{
	autobuf names = { 0 };
	size_t count = name_nested(look, patch, &names);
	if (count) {
		buf_addf(notes,
			 "In the diff as plain files, without their own history, are these nested repositories: %s",
			 buf_cstr(&names));
		finish_note(count, notes);
	}
	if (look->worktree_count) {
		autobuf all = { 0 };
		buf_add_slice(&all, buf_slice(&look->worktrees));
		buf_addf(notes, "Not in the diff, being linked worktrees of this repository, are: %s", buf_cstr(&all));
		finish_note(look->worktree_count, notes);
	}
	note_filled(look, notes);
}
