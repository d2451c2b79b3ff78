-- What the daemons take for granted of documents, times and numbers holds for rows of everybody: of SQL users and of archives, too.
-- Not valid: what is there already can be read, replaced and deleted.

alter table app.session
	add constraint session_header_is_object check (json_typeof(header) = 'object') not valid,
	add constraint session_seq_is_exact check (updated_seq between 0 and 4503599627370496) not valid,
	add constraint session_updated_at_is_date check (updated_at >= '1970-01-01 00:00:00+00' and updated_at < '10000-01-01 00:00:00+00') not valid;
alter table app.source
	add constraint source_config_is_object check (json_typeof(config) = 'object') not valid,
	add constraint source_times_are_dates check (least(created_at, updated_at) >= '1970-01-01 00:00:00+00'
		and greatest(created_at, updated_at) < '10000-01-01 00:00:00+00') not valid;
alter table app.workspace_config
	add constraint workspace_config_updated_at_is_date check (updated_at >= '1970-01-01 00:00:00+00' and updated_at < '10000-01-01 00:00:00+00') not valid;
alter table app.skill
	add constraint skill_content_is_string check (json_typeof(content) = 'string') not valid,
	add constraint skill_times_are_dates check (least(created_at, updated_at) >= '1970-01-01 00:00:00+00'
		and greatest(created_at, updated_at) < '10000-01-01 00:00:00+00') not valid;
alter table app.plan
	add constraint plan_content_is_string check (json_typeof(content) = 'string') not valid,
	add constraint plan_seq_is_exact check (modified_seq between 0 and 4503599627370496) not valid,
	add constraint plan_modified_at_is_date check (modified_at >= '1970-01-01 00:00:00+00' and modified_at < '10000-01-01 00:00:00+00') not valid;
alter table app.project
	-- ssh has a name before the @, never a secret.
	add constraint project_url_has_no_credentials check (repo_url !~* '^https?://[^/]*@' and repo_url !~ '//[^/@]*:[^/@]*@') not valid,
	add constraint project_key_is_plain check (repo_key !~ '(^|/)\.{1,2}(/|$)') not valid,
	add constraint project_added_at_is_date check (added_at >= '1970-01-01 00:00:00+00' and added_at < '10000-01-01 00:00:00+00') not valid;
alter table app.file
	add constraint file_times_are_dates check (least(created_at, uploaded_at) >= '1970-01-01 00:00:00+00'
		and greatest(created_at, uploaded_at) < '10000-01-01 00:00:00+00') not valid;
alter table app.workspace
	add constraint workspace_created_at_is_date check (created_at >= '1970-01-01 00:00:00+00' and created_at < '10000-01-01 00:00:00+00') not valid;
