/* tool_fields.c: the table of the tools' fields. */
#include "tool_fields.h"

#include "lib/json.h"

#define MAX_SHOWN 60 /* bytes of a name that isn't known */

enum kind {
	TEXT,
	NUMBER, /* also in quotes, as models write it at times */
	MILLISECONDS,
	FLAG,  /* likewise */
	NEVER, /* false and null are what happens anyway */
};

struct field {
	const char *tool, *name;
	enum kind kind;
	const char *why; /* of NEVER: what to do instead */
};

static const struct field fields[] = {
	{ "Bash", "command", TEXT, NULL },
	{ "Bash", "timeout", MILLISECONDS, NULL },
	/* For people who read along; it changes nothing in Claude Code either. */
	{ "Bash", "description", TEXT, NULL },
	{ "Bash", "run_in_background", NEVER,
	  "a call ends with its command. Start it with setsid nohup COMMAND >FILE 2>&1 & and read FILE later" },
	{ "Bash", "dangerouslyDisableSandbox", NEVER, "there is no way out of the sandbox" },
	{ "Read", "file_path", TEXT, NULL },
	{ "Read", "offset", NUMBER, NULL },
	{ "Read", "limit", NUMBER, NULL },
	{ "Read", "pages", NEVER,
	  "Read shows files as text. pdftotext in Bash shows pages of a PDF, where it is installed" },
	{ "Write", "file_path", TEXT, NULL },
	{ "Write", "content", TEXT, NULL },
	{ "Edit", "file_path", TEXT, NULL },
	{ "Edit", "old_string", TEXT, NULL },
	{ "Edit", "new_string", TEXT, NULL },
	{ "Edit", "replace_all", FLAG, NULL },
	{ "Glob", "pattern", TEXT, NULL },
	{ "Glob", "path", TEXT, NULL },
	{ "Grep", "pattern", TEXT, NULL },
	{ "Grep", "path", TEXT, NULL },
	{ "Grep", "glob", TEXT, NULL },
	{ "Grep", "type", TEXT, NULL },
	{ "Grep", "output_mode", TEXT, NULL },
	{ "Grep", "-A", NUMBER, NULL },
	{ "Grep", "-B", NUMBER, NULL },
	{ "Grep", "-C", NUMBER, NULL },
	{ "Grep", "context", NUMBER, NULL },
	{ "Grep", "-n", FLAG, NULL },
	{ "Grep", "-i", FLAG, NULL },
	{ "Grep", "-o", FLAG, NULL },
	{ "Grep", "multiline", FLAG, NULL },
	{ "Grep", "head_limit", NUMBER, NULL },
	{ "Grep", "offset", NUMBER, NULL },
};
#define FIELDS (sizeof(fields) / sizeof(*fields))

static bool has_fields(const char *tool)
{
	for (size_t i = 0; i < FIELDS; i++)
		if (strcmp(fields[i].tool, tool) == 0)
			return true;
	return false;
}

static const struct field *find(const char *tool, struct slice name)
{
	for (size_t i = 0; i < FIELDS; i++)
		if (strcmp(fields[i].tool, tool) == 0 && slice_eq_str(name, fields[i].name))
			return &fields[i];
	return NULL;
}

static bool is_unknown(const char *tool, struct slice name, struct buf *error)
{
	buf_addf(error, "%s has no field ", tool);
	struct slice shown = slice_make(name.ptr, name.len < MAX_SHOWN ? name.len : MAX_SHOWN);
	json_encode(error, shown);
	buf_add_str(error, ". There are: ");
	bool first = true;
	for (size_t i = 0; i < FIELDS; i++) {
		if (strcmp(fields[i].tool, tool) != 0 || fields[i].kind == NEVER)
			continue;
		buf_addf(error, "%s%s", first ? "" : ", ", fields[i].name);
		first = false;
	}
	return false;
}

static struct slice without_quotes(struct slice value)
{
	bool quoted = json_kind_of(value) == JSON_STRING;
	return quoted ? slice_make(value.ptr + 1, value.len - 2) : value;
}

static bool is_digits(struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
	return text.len > 0 && text.len <= 15;
}

static bool is_flag(struct slice text)
{
	return slice_eq_str(text, "true") || slice_eq_str(text, "false");
}

/* NULL: it is good. */
static const char *wanted(enum kind kind, struct slice value)
{
	switch (kind) {
	case TEXT:
		return json_kind_of(value) == JSON_STRING ? NULL : "must be a string.";
	case NUMBER:
		return is_digits(without_quotes(value)) ? NULL : "must be a whole number that isn't negative.";
	case MILLISECONDS:
		return json_kind_of(value) == JSON_NUMBER ? NULL : "must be a number of milliseconds from 1 to 600000";
	case FLAG:
		return is_flag(without_quotes(value)) ? NULL : "must be true or false.";
	case NEVER:
		return slice_eq_str(without_quotes(value), "false") ? NULL : "can't be had here: ";
	}
	return NULL;
}

static bool check_field(const struct field *f, struct slice value, struct buf *error)
{
	const char *wrong = json_kind_of(value) == JSON_NULL ? NULL : wanted(f->kind, value);
	if (wrong)
		buf_addf(error, "%s %s%s", f->name, wrong, f->why ? f->why : "");
	return !wrong;
}

bool tool_fields_check(const char *tool, struct slice input, struct buf *error)
{
	struct json_iter it = json_iter(input);
	if (!has_fields(tool))
		return true;
	while (json_next(&it)) {
		autobuf name = { 0 };
		json_decode_lossy(it.key, &name, it.key.len * 3);
		const struct field *f = find(tool, buf_slice(&name));
		if (!f)
			return is_unknown(tool, buf_slice(&name), error);
		if (!check_field(f, it.value, error))
			return false;
	}
	return true;
}
