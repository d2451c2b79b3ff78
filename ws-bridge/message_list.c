/* message_list.c: printing the tables of messages. */
#include "message_list.h"

#include "op.h"
#include "sandbox_message.h"
#include "sync.h"

static const char *const kind_names[] = {
	[FIELD_ID] = "id",	   [FIELD_OLD_ID] = "id",
	[FIELD_STRING] = "string", [FIELD_STRING_OR_NULL] = "string-or-null",
	[FIELD_OBJECT] = "object", [FIELD_ARRAY] = "array",
	[FIELD_ANY] = "any",
};

static void print_type(FILE *out, const struct message_type *type)
{
	(void)fprintf(out, "workspace\t%s\t%s/%s\t%s\t", type->name, type->entity, type->action,
		      type->echoes ? "event" : "success");
	for (size_t i = 0; type->fields[i].kind != FIELD_END; i++)
		(void)fprintf(out, "%s%s:%s", i ? " " : "", type->fields[i].name, kind_names[type->fields[i].kind]);
	(void)fputc('\n', out);
}

void message_list_print(FILE *out)
{
	const struct message_type *type;
	const char *name;
	for (size_t i = 0; (type = message_type_at(i)); i++)
		print_type(out, type);
	(void)fprintf(out, "life\t%s\n", SYNC_PING);
	for (size_t i = 0; (name = sandbox_request_at(i)); i++)
		(void)fprintf(out, "sandbox\t%s\t%s\n", name,
			      sandbox_request_effect((enum sandbox_request)(SANDBOX_BAD + 1 + i)) == SANDBOX_LISTENS
				      ? "listens"
				      : "changes");
	for (size_t i = 0; (name = sandbox_tool_at(i)); i++)
		(void)fprintf(out, "tool\t%s\n", name);
}
