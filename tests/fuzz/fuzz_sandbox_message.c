/* fuzz_sandbox_message.c: any bytes as a sandbox client's message; what is told of it is one JSON object, what is taken
 * has all that it needs. */
#include <assert.h>

#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/utf8.h"
#include "ws-bridge/sandbox_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool lies_in(struct slice part, struct slice whole)
{
	return part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len;
}

static void check_id(struct slice id, struct slice text)
{
	assert(lies_in(id, text) && id.len > 0 && id.len <= SANDBOX_MAX_ID && json_check(id, NULL));
	assert(json_kind_of(id) == JSON_STRING || json_kind_of(id) == JSON_NUMBER);
}

static void check_refusal(const struct sandbox_message *m)
{
	autobuf answer = { 0 };
	struct slice type;
	assert(m->error && !m->name);
	sandbox_message_refusal(&answer, m->tool, m->id, m->error);
	assert(json_check(buf_slice(&answer), NULL) && json_get(buf_slice(&answer), "type", &type));
	assert(slice_eq_str(type, m->tool ? "\"tool_result\"" : "\"error\""));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* An exact copy, so that reading beyond the end is seen. */
	autofree char *copy = xmalloc(size + !size);
	memcpy(copy, data, size);
	struct slice text = slice_make(copy, size), member;
	if (!utf8_valid(copy, size))
		return 0;
	autobuf why = { 0 };
	struct sandbox_message m = sandbox_message_parse(text, &why);
	if (m.id.ptr)
		check_id(m.id, text);
	if (m.kind == SANDBOX_BAD) {
		check_refusal(&m);
		return 0;
	}
	assert(!m.error && json_check(text, NULL) && json_get(text, "type", &member));
	assert(m.tool == (m.kind == SANDBOX_TOOL) && m.tool == (m.name != NULL));
	if (m.tool)
		assert(m.id.ptr && json_get(text, "input", &member) && json_kind_of(member) == JSON_OBJECT);
	if (m.kind == SANDBOX_EXECUTE)
		assert((json_get(text, "task", &member) || json_get(text, "prompt", &member)) &&
		       json_kind_of(member) == JSON_STRING && member.len > 2);
	return 0;
}
