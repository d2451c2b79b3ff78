/* test_sandbox_message.c: what clients of a sandbox may send, and what they are told when they may not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/json.h"
#include "sandbox_message.h"

#define UNKNOWN "Unknown message type. Expected: execute, tool, ping, heartbeat, cancel, diff"
#define MISSING "Missing required fields: id, name, input"
#define BAD_ID "Invalid id: must be a string or a number of at most 4096 bytes"
#define BAD_ATTACHMENT "Invalid attachments: each must be an object with the strings name, type and content"
#define UNDECRYPTABLE "Failed to decrypt anthropicApiKey. Ensure it is encrypted with the correct key."
#define BAD_TOKEN_TYPE "Invalid tokenType: must be \"api_key\" or \"oauth\""

struct good {
	const char *text;
	enum sandbox_request kind;
	const char *id, *name; /* NULL: none */
};

static const struct good good[] = {
	{ "{\"type\":\"ping\"}", SANDBOX_PING, NULL, NULL },
	{ " {\"type\" : \"heartbeat\" , \"id\":1} \n", SANDBOX_HEARTBEAT, NULL, NULL },
	{ "{\"type\":\"p\\u0069ng\"}", SANDBOX_PING, NULL, NULL },
	{ "{\"\\u0074ype\":\"diff\"}", SANDBOX_DIFF, NULL, NULL },
	{ "{\"type\":1,\"type\":\"diff\"}", SANDBOX_DIFF, NULL, NULL },
	{ "{\"type\":\"execute\",\"task\":\"x\"}", SANDBOX_EXECUTE, NULL, NULL },
	{ "{\"type\":\"execute\",\"prompt\":\" \",\"id\":{}}", SANDBOX_EXECUTE, NULL, NULL },
	{ "{\"type\":\"execute\",\"task\":\"\\u0000\",\"prompt\":1}", SANDBOX_EXECUTE, NULL, NULL },
	{ "{\"type\":\"execute\",\"task\":null,\"prompt\":\"x\",\"context\":null,\"attachments\":null,"
	  "\"anthropicApiKey\":null,"
	  "\"tokenType\":null}",
	  SANDBOX_EXECUTE, NULL, NULL },
	{ "{\"type\":\"execute\",\"task\":\"x\",\"context\":\"\",\"attachments\":[],\"anthropicApiKey\":\"\","
	  "\"tokenType\":\"api_key\"}",
	  SANDBOX_EXECUTE, NULL, NULL },
	{ "{\"type\":\"execute\",\"task\":\"x\",\"tokenType\":\"o\\u0061uth\",\"attachments\":[{\"name\":\"\",\"type\":"
	  "\"\","
	  "\"content\":\"\"},{\"content\":\"x\",\"type\":\"y\",\"name\":\"z\",\"more\":[]}]}",
	  SANDBOX_EXECUTE, NULL, NULL },
	{ "{\"type\":\"tool\",\"id\":\"\",\"name\":\"Bash\",\"input\":{}}", SANDBOX_TOOL, "\"\"", "Bash" },
	{ "{\"input\":{\"-i\":true},\"name\":\"\\u0047rep\",\"id\":-1.5e9,\"type\":\"tool\"}", SANDBOX_TOOL, "-1.5e9",
	  "Grep" },
	{ "{\"type\":\"tool\",\"id\":\"\\u0000\\ud800\",\"name\":\"Edit\",\"input\":{}}", SANDBOX_TOOL,
	  "\"\\u0000\\ud800\"", "Edit" },
	{ "{\"type\":\"tool\",\"id\":[],\"id\":7,\"name\":\"Glob\",\"input\":{}}", SANDBOX_TOOL, "7", "Glob" },
	{ "{\"type\":\"tool\",\"id\":7,\"name\":\"Read\",\"input\":{}}", SANDBOX_TOOL, "7", "Read" },
	{ "{\"type\":\"tool\",\"id\":7,\"name\":\"Write\",\"input\":{}}", SANDBOX_TOOL, "7", "Write" },
	{ "{\"type\":\"cancel\"}", SANDBOX_CANCEL, NULL, NULL },
	{ "{\"type\":\"cancel\",\"id\":\"t\"}", SANDBOX_CANCEL, "\"t\"", NULL },
};

static void takes_requests_apart(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		autobuf why = { 0 };
		struct sandbox_message m = sandbox_message_parse(slice_of(good[i].text), &why);
		if (m.error)
			fail_msg("%s: %s", good[i].text, m.error);
		assert_int_equal(m.kind, good[i].kind);
		assert_int_equal(m.tool, good[i].kind == SANDBOX_TOOL);
		assert_int_equal(m.id.ptr != NULL, good[i].id != NULL);
		if (good[i].id)
			assert_true(slice_eq_str(m.id, good[i].id));
		assert_int_equal(m.name != NULL, good[i].name != NULL);
		if (good[i].name)
			assert_string_equal(m.name, good[i].name);
	}
}

static void assert_stored(const char *text, const char *want)
{
	autobuf why = { 0 };
	struct sandbox_message m = sandbox_message_parse(slice_of(text), &why);
	autobuf stored = { 0 };
	assert_null(m.error);
	sandbox_message_store(&m, &stored);
	assert_true(json_check(buf_slice(&stored), NULL));
	assert_string_equal(buf_cstr(&stored), want);
}

static void stores_what_is_known(void **state)
{
	(void)state;
	assert_stored("{\"type\":\"diff\",\"x\":1}", "{\"type\":\"diff\"}");
	assert_stored("{\"x\":1, \"task\" : \"a\",\"type\":\"execute\",\"attachments\":[ ]}",
		      "{\"type\":\"execute\",\"task\":\"a\",\"attachments\":[]}");
	assert_stored("{\"type\":\"execute\",\"t\\u0061sk\":\"a\",\"anthropicApiKey\":\"\",\"attachments\":"
		      "[{\"content\":\"\",\"y\":{},\"type\":\"\",\"name\":\"n\"},{\"name\":\"\",\"type\":\"\","
		      "\"content\":\"x\"}]}",
		      "{\"type\":\"execute\",\"task\":\"a\",\"attachments\":[{\"name\":\"n\",\"type\":\"\","
		      "\"content\":\"\"},{\"name\":\"\",\"type\":\"\",\"content\":\"x\"}],\"anthropicApiKey\":\"\"}");
	assert_stored("{\"anthropicApiKey\":\"sk-ant\",\"input\":{\"timeout\": "
		      "1},\"name\":\"Bash\",\"id\":1,\"type\":\"tool\"}",
		      "{\"type\":\"tool\",\"id\":1,\"name\":\"Bash\",\"input\":{\"timeout\": 1}}");
}

struct bad {
	const char *text, *error;
	const char *id; /* of a tool: as it is told; NULL: it is an error */
};

#define UNNAMED "\"unknown\""

static const struct bad bad[] = {
	{ "", "Invalid JSON", NULL },
	{ "{", "Invalid JSON", NULL },
	{ "[]", "Invalid JSON", NULL },
	{ "\"ping\"", "Invalid JSON", NULL },
	{ "{}", UNKNOWN, NULL },
	{ "{\"type\":\"pin\"}", UNKNOWN, NULL },
	{ "{\"type\":\"pingg\"}", UNKNOWN, NULL },
	{ "{\"type\":\"ping\\u0000\"}", UNKNOWN, NULL },
	{ "{\"type\":\"\\ud800\"}", UNKNOWN, NULL },
	{ "{\"type\":[\"ping\"]}", UNKNOWN, NULL },
	{ "{\"type\":\"ping\",\"type\":null}", UNKNOWN, NULL },
	{ "{\"Type\":\"ping\"}", UNKNOWN, NULL },
	{ "{\"type\":\"execute\"}", "Missing task", NULL },
	{ "{\"type\":\"execute\",\"task\":\"\"}", "Invalid task: must be a string that is not empty", NULL },
	{ "{\"type\":\"execute\",\"task\":null}", "Missing task", NULL },
	{ "{\"type\":\"execute\",\"prompt\":{}}", "Invalid prompt: must be a string that is not empty", NULL },
	{ "{\"type\":\"execute\",\"task\":\"x\",\"context\":1}", "Invalid context: must be a string", NULL },
	{ "{\"type\":\"execute\",\"task\":\"x\",\"attachments\":\"\"}", "Invalid attachments: must be an array", NULL },
	{ "{\"type\":\"execute\",\"task\":\"x\",\"attachments\":[\"\"]}", BAD_ATTACHMENT, NULL },
	{ "{\"type\":\"execute\",\"task\":\"x\",\"attachments\":[{\"name\":\"\",\"type\":\"\",\"content\":\"\"},{}]}",
	  BAD_ATTACHMENT, NULL },
	{ "{\"type\":\"execute\",\"task\":\"x\",\"attachments\":[{\"name\":\"\",\"type\":\"\",\"content\":1}]}",
	  BAD_ATTACHMENT, NULL },
	{ "{\"type\":\"execute\",\"task\":\"x\",\"anthropicApiKey\":1}", "Invalid anthropicApiKey: must be a string",
	  NULL },
	{ "{\"type\":\"execute\",\"task\":\"x\",\"anthropicApiKey\":\"sk-ant-api03-x\"}", UNDECRYPTABLE, NULL },
	{ "{\"type\":\"execute\",\"task\":\"x\",\"anthropicApiKey\":\"AAAA\"}", UNDECRYPTABLE, NULL },
	{ "{\"type\":\"execute\",\"task\":\"x\",\"anthropicApiKey\":\"\\u0000\"}", UNDECRYPTABLE, NULL },
	/* A key in plain, as base64 and as hexadecimal digits. */
	{ "{\"type\":\"execute\",\"task\":\"x\",\"anthropicApiKey\":"
	  "\"c2stYW50LWFwaTAzLWluLXBsYWluLWFuZC1tZXJlbHktZW5jb2RlZA==\"}",
	  UNDECRYPTABLE, NULL },
	{ "{\"type\":\"execute\",\"task\":\"x\",\"anthropicApiKey\":"
	  "\"736b2d616e742d61706930332d696e2d706c61696e2d616e642d6d6572656c792d656e636f6465\"}",
	  UNDECRYPTABLE, NULL },
	{ "{\"type\":\"execute\",\"task\":\"x\",\"tokenType\":\"key\"}", BAD_TOKEN_TYPE, NULL },
	{ "{\"type\":\"execute\",\"task\":\"x\",\"tokenType\":1}", BAD_TOKEN_TYPE, NULL },
	{ "{\"type\":\"tool\"}", MISSING, UNNAMED },
	{ "{\"type\":\"tool\",\"id\":1,\"name\":\"Bash\"}", MISSING, "1" },
	{ "{\"type\":\"tool\",\"id\":\"a\\u0000\",\"input\":{}}", MISSING, "\"a\\u0000\"" },
	{ "{\"type\":\"tool\",\"name\":\"Bash\",\"input\":{}}", MISSING, UNNAMED },
	{ "{\"type\":\"tool\",\"id\":null,\"name\":\"Bash\",\"input\":{}}", MISSING, UNNAMED },
	{ "{\"type\":\"tool\",\"id\":[1],\"name\":\"Bash\",\"input\":{}}", BAD_ID, UNNAMED },
	{ "{\"type\":\"tool\",\"id\":1,\"name\":2,\"input\":{}}", "Invalid name: must be a string", "1" },
	{ "{\"type\":\"tool\",\"id\":1,\"name\":\"Bash\",\"input\":null}", MISSING, "1" },
	{ "{\"type\":\"tool\",\"id\":1,\"name\":\"Bash\",\"input\":[]}", "Invalid input: must be an object", "1" },
	{ "{\"type\":\"tool\",\"id\":1,\"name\":\"Bas\",\"input\":{}}",
	  "Unknown tool. Expected: Bash, Read, Write, Edit, Glob, Grep", "1" },
	{ "{\"type\":\"tool\",\"id\":1,\"name\":\"Bash\",\"input\":{\"command\":\"ls\",\"apiKey\":\"sk-ant-x\"}}",
	  "Bash has no field \"apiKey\". There are: command, timeout, description", "1" },
	{ "{\"type\":\"tool\",\"id\":1,\"name\":\"Read\",\"input\":{\"file_path\":[]}}", "file_path must be a string.",
	  "1" },
	{ "{\"type\":\"cancel\",\"id\":true}", BAD_ID, NULL },
};

static void says_what_is_wrong(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		autobuf why = { 0 };
		struct sandbox_message m = sandbox_message_parse(slice_of(bad[i].text), &why);
		autobuf answer = { 0 }, wanted = { 0 }, text = { 0 };
		assert_int_equal(m.kind, SANDBOX_BAD);
		assert_string_equal(m.error, bad[i].error);
		json_encode(&text, slice_of(bad[i].error));
		if (bad[i].id)
			buf_addf(&wanted,
				 "{\"type\":\"tool_result\",\"id\":%s,\"success\":false,\"error\":%s,\"message\":%s}",
				 bad[i].id, buf_cstr(&text), buf_cstr(&text));
		else
			buf_addf(&wanted, "{\"type\":\"error\",\"message\":%s}", buf_cstr(&text));
		sandbox_message_refusal(&answer, m.tool, m.id, m.error);
		assert_string_equal(buf_cstr(&answer), buf_cstr(&wanted));
	}
}

static void bounds_ids(void **state)
{
	(void)state;
	for (size_t len = SANDBOX_MAX_ID - 1; len <= SANDBOX_MAX_ID + 1; len++) {
		autobuf text = { 0 };
		buf_add_str(&text, "{\"type\":\"tool\",\"name\":\"Bash\",\"input\":{},\"id\":\"");
		for (size_t i = 2; i < len; i++)
			buf_add_char(&text, 'x');
		buf_add_str(&text, "\"}");
		autobuf why = { 0 };
		struct sandbox_message m = sandbox_message_parse(buf_slice(&text), &why);
		assert_int_equal(m.kind, len <= SANDBOX_MAX_ID ? SANDBOX_TOOL : SANDBOX_BAD);
		assert_int_equal(m.id.len, len <= SANDBOX_MAX_ID ? len : 0);
	}
}

static void names_requests(void **state)
{
	(void)state;
	assert_string_equal(sandbox_request_name(SANDBOX_EXECUTE), "execute");
	assert_string_equal(sandbox_request_name(SANDBOX_TOOL), "tool");
	assert_string_equal(sandbox_request_name(SANDBOX_CANCEL), "cancel");
	assert_string_equal(sandbox_request_name(SANDBOX_DIFF), "diff");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_requests_apart), cmocka_unit_test(stores_what_is_known),
		cmocka_unit_test(says_what_is_wrong),	cmocka_unit_test(bounds_ids),
		cmocka_unit_test(names_requests),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
