/* fuzz_git_look.c: any bytes as what find, grep, git ls-files, config, rev-parse, diff-index and hash-object say of a
 * hostile working tree or commit: what is made of it for git's input is whole records that name what was said, and
 * notes are printable.
 */
#include <assert.h>

#include "lib/cleanup.h"
#include "sandbox/git_absent.h"
#include "sandbox/git_diff_look.h"
#include "sandbox/git_diff_settle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_records(const struct buf *records)
{
	assert(!records->len || records->data[records->len - 1] == '\0');
}

static void check_printable(const struct buf *text)
{
	for (size_t i = 0; i < text->len; i++)
		assert(text->data[i] == '\n' || (text->data[i] >= ' ' && text->data[i] < 0x7f));
}

static void look(struct slice found, struct slice targets, struct slice links)
{
	struct git_diff_look look = { 0 };
	autobuf files = { 0 }, filled = { 0 }, entries = { 0 }, notes = { 0 };
	git_diff_look_found(&look, found);
	assert(look.files.count <= look.nested.count && look.nested.count <= found.len);
	git_diff_look_files(&look, &files);
	check_records(&files);
	git_diff_look_targets(&look, targets);
	assert(look.worktree_count <= targets.len);
	git_diff_look_links(&look, links, targets.len % 2);
	check_records(&look.excluded);
	git_diff_look_filled(&look, &filled);
	check_records(&filled);
	git_diff_look_heads(&look, targets);
	check_records(&look.heads);
	git_diff_look_forced(&look, links);
	check_records(&look.forced);
	git_diff_look_entries(&look, &entries);
	check_records(&entries);
	git_diff_look_notes(&look, targets, &notes);
	check_printable(&notes);
	git_diff_look_free(&look);
}

static void settle(struct slice raw, struct slice now, struct slice fresh)
{
	struct git_diff_settle s = { 0 };
	autobuf out = { 0 }, paths = { 0 }, entries = { 0 }, notes = { 0 };
	git_diff_settle_raw(&s, raw);
	git_diff_settle_checkout(&s, &out);
	check_records(&out);
	git_diff_settle_paths(&s, &paths);
	check_printable(&paths);
	if (git_diff_settle_hashed(&s, GIT_DIFF_NOW, now) && git_diff_settle_hashed(&s, GIT_DIFF_FRESH, fresh) &&
	    (!git_diff_settle_touched(&s) || git_diff_settle_hashed(&s, GIT_DIFF_CLEAN, now))) {
		git_diff_settle_entries(&s, &entries, &notes);
		check_records(&entries);
		check_printable(&notes);
	}
	git_diff_settle_free(&s);
}

static void absent(struct slice said, struct slice written)
{
	static const struct git_absent_names names = { "https://git.example", "alice/notes", "topic", "main" };
	struct git_absent all = { 0 }, again = { 0 };
	git_absent_read(&all, &names, said, said.len % 2);
	check_printable(&all.note);
	check_printable(&all.repositories);
	assert(all.note.len < 8000 && (!all.repositories.len || all.note.len));
	git_absent_parse(&again, written);
	git_absent_free(&again);
	git_absent_free(&all);
}

/* Three parts, with two newlines between them. */
static struct slice part(struct slice *rest)
{
	const char *p = rest->len > 1 ? memmem(rest->ptr, rest->len, "\n\n", 2) : NULL;
	size_t n = p ? (size_t)(p - rest->ptr) + 1 : rest->len;
	struct slice all = slice_make(rest->ptr, n);
	*rest = slice_make(rest->ptr + n + (p != NULL), rest->len - n - (p != NULL));
	return all;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* An exact copy, so that reading beyond the end is seen. */
	autofree char *copy = xmalloc(size + !size);
	memcpy(copy, data, size);
	struct slice rest = slice_make(copy, size), a = part(&rest), b = part(&rest), c = part(&rest);
	look(a, b, c);
	settle(a, b, c);
	absent(slice_make(copy, size), a);
	return 0;
}
