-- Sources, statuses, labels, skills and plans.

create or replace function api.source_create(p_workspace text, p_slug text, p_config json, p_request api.request default null)
returns api.outcome language plpgsql security definer set search_path = app, pg_temp as $$
declare
	v_out api.outcome := app.change_begin(p_workspace, p_request);
begin
	if v_out.status <> 'ok' then
		return v_out;
	end if;
	insert into app.source as s (workspace_id, slug, config) values (v_out.workspace_id, p_slug, p_config)
		on conflict (workspace_id, slug) do update set config = excluded.config, updated_at = now() where s.config is null;
	if not found then
		v_out.status := 'exists';
		return v_out;
	end if;
	return app.change_end(v_out, 'source', 'created', p_slug, p_config, p_request, true);
end
$$;
comment on function api.source_create(text, text, json, api.request) is
'Makes a source. Outcome exists when there is one; a guide that was saved before is kept.';

create or replace function api.source_save_config(p_workspace text, p_slug text, p_config json, p_request api.request default null)
returns api.outcome language plpgsql security definer set search_path = app, pg_temp as $$
declare
	v_out api.outcome := app.change_begin(p_workspace, p_request);
begin
	if v_out.status <> 'ok' then
		return v_out;
	end if;
	insert into app.source (workspace_id, slug, config) values (v_out.workspace_id, p_slug, p_config)
		on conflict (workspace_id, slug) do update set config = excluded.config, updated_at = now();
	return app.change_end(v_out, 'source', 'updated', p_slug, p_config, p_request);
end
$$;
comment on function api.source_save_config(text, text, json, api.request) is 'Saves a source''s config, making the source when it isn''t there; keeps the guide.';

create or replace function api.source_save_guide(p_workspace text, p_slug text, p_guide json, p_event json default null,
	p_request api.request default null)
returns api.outcome language plpgsql security definer set search_path = app, pg_temp as $$
declare
	v_out api.outcome := app.change_begin(p_workspace, p_request);
begin
	if v_out.status <> 'ok' then
		return v_out;
	end if;
	insert into app.source (workspace_id, slug, guide) values (v_out.workspace_id, p_slug, p_guide)
		on conflict (workspace_id, slug) do update set guide = excluded.guide, updated_at = now();
	return app.change_end(v_out, 'source', 'updated', p_slug,
		coalesce(p_event, json_build_object('sourceSlug', p_slug, 'guide', p_guide)), p_request);
end
$$;
comment on function api.source_save_guide(text, text, json, json, api.request) is
'Saves a source''s guide (p_guide: any JSON value) and keeps its config. p_event: what is broadcast, by default {"sourceSlug":…,"guide":…}.';

create or replace function api.source_delete(p_workspace text, p_slug text, p_event json default null, p_request api.request default null)
returns api.outcome language plpgsql security definer set search_path = app, pg_temp as $$
declare
	v_out api.outcome := app.change_begin(p_workspace, p_request);
begin
	if v_out.status <> 'ok' then
		return v_out;
	end if;
	delete from app.source s where s.workspace_id = v_out.workspace_id and s.slug = p_slug;
	return app.change_end(v_out, 'source', 'deleted', p_slug, coalesce(p_event, json_build_object('sourceSlug', p_slug)), p_request);
end
$$;
comment on function api.source_delete(text, text, json, api.request) is 'Deletes a source with its guide; no error when it isn''t there.';

create or replace function app.config_save(p_workspace text, p_kind text, p_config json, p_request api.request)
returns api.outcome language plpgsql set search_path = app, pg_temp as $$
declare
	v_out api.outcome := app.change_begin(p_workspace, p_request);
begin
	if v_out.status <> 'ok' then
		return v_out;
	end if;
	insert into app.workspace_config (workspace_id, kind, config) values (v_out.workspace_id, p_kind, p_config)
		on conflict (workspace_id, kind) do update set config = excluded.config, updated_at = now();
	return app.change_end(v_out, p_kind, 'updated', null, p_config, p_request);
end
$$;
comment on function app.config_save(text, text, json, api.request) is 'Saves the statuses or the labels.';

create or replace function api.statuses_save(p_workspace text, p_config json, p_request api.request default null)
returns api.outcome language sql security definer set search_path = app, pg_temp as $$
	select * from app.config_save(p_workspace, 'statuses', p_config, p_request);
$$;
comment on function api.statuses_save(text, json, api.request) is 'Saves the workspace''s statuses.';

create or replace function api.labels_save(p_workspace text, p_config json, p_request api.request default null)
returns api.outcome language sql security definer set search_path = app, pg_temp as $$
	select * from app.config_save(p_workspace, 'labels', p_config, p_request);
$$;
comment on function api.labels_save(text, json, api.request) is 'Saves the workspace''s labels.';

create or replace function api.skill_save(p_workspace text, p_slug text, p_content json, p_metadata json, p_event json default null,
	p_request api.request default null)
returns api.outcome language plpgsql security definer set search_path = app, pg_temp as $$
declare
	v_out api.outcome := app.change_begin(p_workspace, p_request);
begin
	if v_out.status <> 'ok' then
		return v_out;
	end if;
	insert into app.skill (workspace_id, slug, content, metadata) values (v_out.workspace_id, p_slug, p_content, p_metadata)
		on conflict (workspace_id, slug) do update set content = excluded.content, metadata = excluded.metadata, updated_at = now();
	return app.change_end(v_out, 'skill', 'updated', p_slug,
		coalesce(p_event, json_build_object('slug', p_slug, 'content', p_content, 'metadata', p_metadata)), p_request);
end
$$;
comment on function api.skill_save(text, text, json, json, json, api.request) is
'Saves a skill. p_content: a JSON string. p_event: what is broadcast, by default {"slug":…,"content":…,"metadata":…}.';

create or replace function api.skill_delete(p_workspace text, p_slug text, p_event json default null, p_request api.request default null)
returns api.outcome language plpgsql security definer set search_path = app, pg_temp as $$
declare
	v_out api.outcome := app.change_begin(p_workspace, p_request);
begin
	if v_out.status <> 'ok' then
		return v_out;
	end if;
	delete from app.skill s where s.workspace_id = v_out.workspace_id and s.slug = p_slug;
	return app.change_end(v_out, 'skill', 'deleted', p_slug, coalesce(p_event, json_build_object('slug', p_slug)), p_request);
end
$$;
comment on function api.skill_delete(text, text, json, api.request) is 'Deletes a skill; no error when it isn''t there.';

create or replace function api.plan_save(p_workspace text, p_session text, p_name text, p_content json, p_event json default null,
	p_request api.request default null)
returns api.outcome language plpgsql security definer set search_path = app, pg_temp as $$
declare
	v_out api.outcome := app.change_begin(p_workspace, p_request);
begin
	if v_out.status <> 'ok' then
		return v_out;
	end if;
	v_out := app.change_end(v_out, 'plan', 'updated', p_name,
		coalesce(p_event, json_build_object('sessionId', p_session, 'fileName', p_name, 'content', p_content)), p_request);
	insert into app.plan (workspace_id, session_id, name, content, modified_seq)
		values (v_out.workspace_id, p_session, p_name, p_content, v_out.seq)
		on conflict (workspace_id, session_id, name)
		do update set content = excluded.content, modified_at = clock_timestamp(), modified_seq = excluded.modified_seq;
	return v_out;
end
$$;
comment on function api.plan_save(text, text, text, json, json, api.request) is
'Saves a plan of a session (which needn''t be there yet). p_content: a JSON string. p_event: what is broadcast, by default {"sessionId":…,"fileName":…,"content":…}.';

create or replace function api.plan_delete(p_workspace text, p_session text, p_name text, p_event json default null,
	p_request api.request default null)
returns api.outcome language plpgsql security definer set search_path = app, pg_temp as $$
declare
	v_out api.outcome := app.change_begin(p_workspace, p_request);
begin
	if v_out.status <> 'ok' then
		return v_out;
	end if;
	delete from app.plan p where p.workspace_id = v_out.workspace_id and p.session_id = p_session and p.name = p_name;
	return app.change_end(v_out, 'plan', 'deleted', p_name,
		coalesce(p_event, json_build_object('sessionId', p_session, 'fileName', p_name)), p_request);
end
$$;
comment on function api.plan_delete(text, text, text, json, api.request) is 'Deletes a plan; no error when it isn''t there.';
