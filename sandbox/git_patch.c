/* git_patch.c: reads the frame of a patch; the lines of files are told from it by their first byte. */
#include "git_patch.h"

#include "lib/utf8.h"

#define NAMES_MAX 10

static bool starts(struct slice s, const char *text)
{
	size_t n = strlen(text);
	return s.len >= n && memcmp(s.ptr, text, n) == 0;
}

/* With its newline. */
static struct slice line_of(struct slice s)
{
	const char *eol = s.len ? memchr(s.ptr, '\n', s.len) : NULL;
	return slice_make(s.ptr, eol ? (size_t)(eol - s.ptr) + 1 : s.len);
}

static struct slice after(struct slice s, size_t n)
{
	return slice_make(s.ptr + n, s.len - n);
}

/* git puts a tab behind a name with a space in it. */
static struct slice token_of(struct slice line, size_t prefix)
{
	struct slice token = after(line, prefix);
	if (token.len && token.ptr[token.len - 1] == '\n')
		token.len--;
	if (token.len && token.ptr[token.len - 1] == '\t')
		token.len--;
	return token;
}

/* Where the next file begins, or the end. */
static size_t next_file(struct slice s)
{
	const char *p = s.len > 1 ? memmem(s.ptr + 1, s.len - 1, "\ndiff --git ", 12) : NULL;
	return p ? (size_t)(p - s.ptr) + 1 : s.len;
}

bool git_patch_next(struct slice *rest, struct git_patch_file *file)
{
	while (rest->len && !starts(*rest, "diff --git "))
		*rest = after(*rest, line_of(*rest).len);
	if (!rest->len)
		return false;
	*file = (struct git_patch_file){ .whole = slice_make(rest->ptr, next_file(*rest)) };
	*rest = after(*rest, file->whole.len);
	struct slice body = file->whole, line;
	for (; body.len; body = after(body, line.len)) {
		line = line_of(body);
		if (starts(line, "@@ ") || starts(line, "GIT binary patch"))
			break;
		if (starts(line, "--- "))
			file->old = token_of(line, 4);
		else if (starts(line, "+++ "))
			file->new = token_of(line, 4);
	}
	file->head = slice_make(file->whole.ptr, file->whole.len - body.len);
	return true;
}

/* The byte that stands behind a backslash in a quoted name; *n: how many characters it took. */
static char unescape(struct slice s, size_t *n)
{
	static const char letters[] = "abtnvfr", bytes[] = "\a\b\t\n\v\f\r";
	const char *letter = s.ptr[0] ? strchr(letters, s.ptr[0]) : NULL;
	*n = 1;
	if (letter)
		return bytes[letter - letters];
	if (s.len < 3 || s.ptr[0] < '0' || s.ptr[0] > '3')
		return s.ptr[0];
	*n = 3;
	return (char)((s.ptr[0] & 3) << 6 | (s.ptr[1] & 7) << 3 | (s.ptr[2] & 7));
}

static void unquote(struct slice token, struct buf *out)
{
	size_t n = 0;
	for (size_t i = 1; i + 1 < token.len; i += n) {
		n = 1;
		if (token.ptr[i] != '\\') {
			buf_add_char(out, token.ptr[i]);
			continue;
		}
		i++;
		buf_add_char(out, unescape(after(token, i), &n));
	}
}

bool git_patch_name(struct slice token, struct buf *name)
{
	autobuf plain = { 0 };
	if (token.len > 1 && token.ptr[0] == '"')
		unquote(token, &plain);
	else
		buf_add_slice(&plain, token);
	if (plain.len < 3 || (!starts(buf_slice(&plain), "a/") && !starts(buf_slice(&plain), "b/")))
		return false;
	buf_add(name, plain.data + 2, plain.len - 2);
	return true;
}

/* ---- what isn't text ---- */

static bool is_text(struct slice s)
{
	return !memchr(s.ptr, '\0', s.len) && utf8_valid(s.ptr, s.len);
}

/* A pattern of gitattributes(5) that matches this one path: from the top, wildcards escaped, in quotes. */
static void add_pattern(struct slice name, struct buf *out)
{
	buf_add_str(out, "\"/");
	for (size_t i = 0; i < name.len; i++) {
		unsigned char c = (unsigned char)name.ptr[i];
		if (c == '"')
			buf_add_str(out, "\\\"");
		else if (c == '\\' || (c && strchr("*?[", c)))
			/* For the pattern; for the quotes each backslash is two. */
			buf_addf(out, "\\\\%s%c", c == '\\' ? "\\" : "", c);
		else if (c < ' ' || c >= 0x7f)
			buf_addf(out, "\\%03o", c);
		else
			buf_add_char(out, (char)c);
	}
	buf_add_char(out, '"');
}

static void add_attribute(struct slice token, struct buf *attributes)
{
	autobuf name = { 0 };
	if (!git_patch_name(token, &name))
		return;
	add_pattern(buf_slice(&name), attributes);
	buf_add_str(attributes, " -diff\n");
}

size_t git_patch_attributes(struct slice patch, struct buf *attributes)
{
	size_t count = 0;
	struct git_patch_file file;
	while (git_patch_next(&patch, &file)) {
		if (is_text(file.whole))
			continue;
		add_attribute(file.old, attributes);
		add_attribute(file.new, attributes);
		count++;
	}
	return count;
}

size_t git_patch_text(struct slice patch)
{
	struct slice rest = patch;
	struct git_patch_file file;
	while (git_patch_next(&rest, &file))
		if (!is_text(file.whole))
			return (size_t)(file.whole.ptr - patch.ptr);
	return patch.len;
}

/* A rename stands in the head without "--- ". */
static void old_name(const struct git_patch_file *file, struct buf *name)
{
	struct slice head = file->head, line;
	if (git_patch_name(file->old, name))
		return;
	for (; head.len; head = after(head, line.len)) {
		line = line_of(head);
		if (starts(line, "rename from "))
			buf_add_slice(name, token_of(line, 12));
		else if (starts(line, "deleted file "))
			buf_add_slice(name, token_of(line_of(file->head), 11));
	}
}

static bool ends(struct slice s, const char *text)
{
	size_t n = strlen(text);
	/* It may be in quotes. */
	if (s.len && s.ptr[s.len - 1] == '"')
		s.len--;
	return s.len && s.len >= n && memcmp(s.ptr + s.len - n, text, n) == 0;
}

bool git_patch_loses(struct slice patch, const char *name)
{
	struct git_patch_file file;
	while (git_patch_next(&patch, &file)) {
		autobuf old = { 0 }, new = { 0 };
		old_name(&file, &old);
		bool stays = git_patch_name(file.new, &new) && slice_eq(buf_slice(&old), buf_slice(&new));
		if (ends(buf_slice(&old), name) && !stays)
			return true;
	}
	return false;
}

/* ---- notes ---- */

static bool is_gitlink(const struct git_patch_file *file)
{
	struct slice head = file->head, line;
	for (; head.len; head = after(head, line.len)) {
		line = line_of(head);
		if (starts(line, "new file mode 160000") ||
		    (starts(line, "index ") && line.len > 8 && memcmp(line.ptr + line.len - 8, " 160000\n", 8) == 0))
			return true;
	}
	return false;
}

void git_patch_notes(struct slice patch, struct buf *notes)
{
	size_t count = 0;
	struct git_patch_file file;
	while (git_patch_next(&patch, &file)) {
		if (!is_gitlink(&file))
			continue;
		if (count++ == 0)
			buf_add_str(notes, "Only the commit, not the files, of these submodules is in the diff:");
		/* Names that would not be printable are in quotes, as in the patch. */
		struct slice name = starts(file.new, "b/") ? after(file.new, 2) : file.new;
		if (count <= NAMES_MAX) {
			buf_add_str(notes, count == 1 ? " " : ", ");
			buf_add_slice(notes, name);
		}
	}
	if (count > NAMES_MAX)
		buf_addf(notes, " and %zu more", count - NAMES_MAX);
	if (count)
		buf_add_str(notes, ".\n");
}

/* ---- cutting ---- */

/* Where the last file's part begins, if it is a binary one; else the end. */
static size_t before_binary(struct slice patch)
{
	struct slice rest = patch;
	struct git_patch_file file = { 0 };
	while (git_patch_next(&rest, &file))
		;
	bool binary = file.whole.len && memmem(file.whole.ptr, file.whole.len, "\nGIT binary patch\n", 18);
	return binary ? (size_t)(file.whole.ptr - patch.ptr) : patch.len;
}

/* Behind a whole hunk or header the first line begins another hunk, which the second breaks; in the middle of one it is
 * a line that none may have; behind a binary patch or at the start of it all it is a hunk without a header. Only in the
 * middle of a binary patch git apply would complain and still apply the files before it: such a part goes as a whole.
 */
void git_patch_cut(struct buf *patch, bool inside, const char *why)
{
	if (inside) {
		while (patch->len && patch->data[patch->len - 1] != '\n')
			patch->len--;
		patch->len = before_binary(buf_slice(patch));
	}
	size_t len = patch->len;
	buf_addf(patch, "@@ -1 +1 @@\n# diff cut at %zu bytes: %s\n", len, why);
}
