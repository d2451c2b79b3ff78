/* fuzz_json.c: any bytes through the JSON checker; what it accepts is walked, decoded and merged. */
#include <assert.h>
#include <stdint.h>

#include "json.h"
#include "utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(struct slice value, int depth)
{
	enum json_kind kind = json_kind_of(value);
	autobuf text = { 0 };
	assert(json_check(value, NULL));
	if (kind == JSON_STRING) {
		(void)json_decode(value, &text);
		buf_clear(&text);
		json_decode_lossy(value, &text, 40);
		assert(text.len <= 40 && utf8_valid(text.data, text.len));
		buf_clear(&text);
		json_prefix(value, 5, &text);
		assert(json_check(buf_slice(&text), NULL));
	}
	if ((kind != JSON_ARRAY && kind != JSON_OBJECT) || depth > 20)
		return;
	struct json_iter it = json_iter(value);
	while (json_next(&it)) {
		if (kind == JSON_OBJECT)
			assert(json_kind_of(it.key) == JSON_STRING && json_check(it.key, NULL));
		walk(it.value, depth + 1);
	}
}

static void merge_with_itself(struct slice object)
{
	autobuf once = { 0 }, twice = { 0 };
	json_merge(&once, object, SLICE_LIT("{}"));
	assert(json_check(buf_slice(&once), NULL));
	json_merge(&twice, buf_slice(&once), object);
	assert(slice_eq(buf_slice(&once), buf_slice(&twice)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* An exact copy, so that reading beyond the end is seen. */
	autobuf copy = { 0 };
	if (size == 0 || !utf8_valid(data, size))
		return 0;
	copy.data = xmalloc(size);
	copy.cap = copy.len = size;
	memcpy(copy.data, data, size);
	size_t depth;
	if (!json_check(buf_slice(&copy), &depth))
		return 0;
	struct slice value = json_trim(buf_slice(&copy));
	walk(value, 0);
	if (json_kind_of(value) == JSON_OBJECT)
		merge_with_itself(value);
	return 0;
}
