/* fields.c: what a request's JSON object must hold. */
#include "fields.h"

#include "access.h"
#include "json.h"
#include "repo_key.h"

static enum status read_field(struct request *req, struct slice object, const struct field *field)
{
	struct slice value;
	if (!json_get(object, field->name, &value) || json_kind_of(value) == JSON_NULL)
		return request_bad_field(req, "Missing required parameters");
	if (json_kind_of(value) != JSON_STRING || !json_decode(value, field->value))
		return request_bad_field(req, "Invalid %s: must be a text", field->name);
	if (field->value->len == 0)
		return request_bad_field(req, "Missing required parameters");
	return STATUS_OK;
}

enum status fields_read(struct request *req, const struct field *fields, size_t count)
{
	enum status status = STATUS_OK;
	struct slice object = json_trim(buf_slice(&req->body));
	for (size_t i = 0; status == STATUS_OK && i < count; i++)
		status = read_field(req, object, &fields[i]);
	return status;
}

enum status fields_check_workspace(struct request *req, struct slice workspace)
{
	if (workspace.len > REQUEST_MAX_NAME)
		return request_bad_field(req, "Invalid workspaceSlug: longer than %d bytes", REQUEST_MAX_NAME);
	enum status status = request_check_name(req, "workspaceSlug", workspace);
	return status == STATUS_OK ? access_workspace(req, workspace) : status;
}

enum status fields_check_repo_key(struct request *req, struct slice repo_key)
{
	if (!repo_key_valid(repo_key))
		return request_bad_field(req, "Invalid repoKey: must be owner/repo as GitHub names it");
	return STATUS_OK;
}
