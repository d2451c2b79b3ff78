/* fuzz_git_patch.c: any bytes as a patch: its parts are in it, in order, and cover it; names, attributes and notes are
 * made from anything; what is cut keeps its beginning and ends with the marker. */
#include <assert.h>

#include "lib/cleanup.h"
#include "sandbox/git_patch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool within(struct slice part, struct slice all)
{
	return !part.len || (part.ptr >= all.ptr && part.ptr + part.len <= all.ptr + all.len);
}

static void check_parts(struct slice patch)
{
	struct slice rest = patch;
	struct git_patch_file file;
	const char *end = patch.ptr;
	while (git_patch_next(&rest, &file)) {
		autobuf name = { 0 };
		assert(file.whole.len > 10 && file.whole.ptr >= end && within(file.whole, patch));
		assert(within(file.head, file.whole) && within(file.old, file.head) && within(file.new, file.head));
		(void)git_patch_name(file.old, &name);
		(void)git_patch_name(file.new, &name);
		end = file.whole.ptr + file.whole.len;
	}
	assert(rest.len == 0);
}

static void check_cut(struct slice patch, bool inside)
{
	autobuf cut = { 0 };
	buf_add_slice(&cut, patch);
	git_patch_cut(&cut, inside, "why");
	const struct slice last = SLICE_LIT(" bytes: why\n");
	assert(cut.len > last.len && memcmp(cut.data + cut.len - last.len, last.ptr, last.len) == 0);
	size_t kept = 0;
	while (kept < patch.len && kept < cut.len && cut.data[kept] == patch.ptr[kept])
		kept++;
	assert(inside || kept == patch.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* An exact copy, so that reading beyond the end is seen. */
	autofree char *copy = xmalloc(size + !size);
	memcpy(copy, data, size);
	struct slice patch = slice_make(copy, size);
	autobuf attributes = { 0 }, notes = { 0 };
	check_parts(patch);
	bool text = git_patch_attributes(patch, &attributes) == 0;
	assert(git_patch_text(patch) <= size && (!text || git_patch_text(patch) == size));
	git_patch_notes(patch, &notes);
	check_cut(patch, true);
	check_cut(patch, false);
	return 0;
}
