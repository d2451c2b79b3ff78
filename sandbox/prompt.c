/* prompt.c: an execute message taken apart. */
#include "prompt.h"

#include "lib/base64.h"
#include "lib/utf8.h"

#define MAX_NAME 200 /* bytes */

bool prompt_field(struct slice message, const char *name, struct buf *out)
{
	struct slice value;
	if (!json_get(message, name, &value) || json_kind_of(value) != JSON_STRING || value.len <= 2)
		return false;
	json_decode_lossy(value, out, value.len * 3);
	return true;
}

void prompt_text(struct slice message, struct slice notes, struct buf *out)
{
	if (prompt_field(message, "context", out))
		buf_add_str(out, "\n\n");
	if (!prompt_field(message, "task", out))
		(void)prompt_field(message, "prompt", out);
	if (notes.len) {
		buf_add_str(out, "\n\n");
		buf_add_slice(out, notes);
	}
}

void attachment_free(struct attachment *attachment)
{
	buf_free(&attachment->name);
	buf_free(&attachment->type);
	buf_free(&attachment->bytes);
}

/* Only what any file system and any prompt take: no directories, no control bytes, no hidden files. */
static void safe_name(struct slice raw, struct buf *name)
{
	for (size_t i = raw.len; i > 0; i--) {
		if (raw.ptr[i - 1] == '/' || raw.ptr[i - 1] == '\\') {
			raw = slice_make(raw.ptr + i, raw.len - i);
			break;
		}
	}
	for (size_t i = 0; i < raw.len && name->len < MAX_NAME; i++) {
		unsigned char c = (unsigned char)raw.ptr[i];
		buf_add_char(name, c < 0x20 || c == 0x7f || (c == '.' && i == 0) ? '_' : (char)c);
	}
	/* It may have been cut inside a character. */
	while (!utf8_valid(name->data, name->len))
		name->len--;
	if (name->len == 0)
		buf_add_str(name, "attachment");
}

struct json_iter prompt_attachments(struct slice message)
{
	struct slice list;
	if (!json_get(message, "attachments", &list) || json_kind_of(list) != JSON_ARRAY)
		list = SLICE_LIT("[]");
	return json_iter(list);
}

bool prompt_attachment(struct json_iter *attachments, struct attachment *attachment)
{
	struct slice content;
	*attachment = (struct attachment){ 0 };
	if (!json_next(attachments) || json_kind_of(attachments->value) != JSON_OBJECT)
		return false;
	autobuf raw = { 0 };
	(void)prompt_field(attachments->value, "name", &raw);
	safe_name(buf_slice(&raw), &attachment->name);
	(void)prompt_field(attachments->value, "type", &attachment->type);
	autobuf text = { 0 };
	attachment->malformed = !json_get(attachments->value, "content", &content) || json_kind_of(content) != JSON_STRING ||
				!json_decode(content, &text) ||
				!base64_read(buf_slice(&text), BASE64_STANDARD, &attachment->bytes);
	return true;
}
