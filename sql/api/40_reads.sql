-- Bulk loading over REST. Lists answer rows (tag, body): the first row has the ETag's text and no body, the
-- others one JSON element each, in order. Single things answer one row, or none when they aren't there.
-- A workspace that was never written to reads as empty, and reading makes nothing.

create or replace function app.workspace_tag(p_seq bigint) returns text language plpgsql stable as $$
begin
	return pg_catalog.concat(app.epoch_text(), '-', coalesce(p_seq, 0));
end
$$;
comment on function app.workspace_tag(bigint) is 'ETag of a list of a workspace whose latest change has this number.';

create or replace function api.workspace_tag(p_workspace text) returns text language plpgsql stable security definer set search_path = app, pg_temp as $$
declare
	v_seq bigint;
begin
	select w.seq into v_seq from app.workspace w where w.slug = p_workspace;
	return app.workspace_tag(v_seq);
end
$$;
comment on function api.workspace_tag(text) is 'The ETag''s text of the workspace''s lists: changes with every change of the workspace.';

create or replace function api.sessions(p_workspace text)
returns table (tag text, body json) language plpgsql stable security definer set search_path = app, pg_temp as $$
declare
	v_workspace bigint;
	v_seq       bigint;
begin
	select w.id, w.seq into v_workspace, v_seq from app.workspace w where w.slug = p_workspace;
	tag := app.workspace_tag(v_seq);
	return next;
	return query select null::text, s.header from app.session s
		where s.workspace_id = v_workspace order by s.updated_seq desc;
end
$$;
comment on function api.sessions(text) is 'Headers of the workspace''s sessions, most recently updated first.';

create or replace function api.session_tag(p_workspace text, p_id text) returns text language plpgsql stable security definer set search_path = app, pg_temp as $$
begin
	return (select app.epoch_text() || '-s' || to_hex(s.version) from app.session s join app.workspace w on w.id = s.workspace_id
	where w.slug = p_workspace and s.id = p_id);
end
$$;
comment on function api.session_tag(text, text) is 'The ETag''s text of one session; null when it isn''t there.';

-- A message is measured where it isn't surely short: lz4 makes no more than 255 bytes of one, so one stored in less than
-- 16 KiB has less than 4 MiB.
create or replace function api.session_parts(p_workspace text, p_id text)
returns table (tag text, starts boolean, part json, piece bytea) language sql stable security definer set search_path = app, pg_temp as $$
	with s as (
		select s.key, s.version, s.header from app.session s join app.workspace w on w.id = s.workspace_id
		where w.slug = p_workspace and s.id = p_id
	)
	select app.epoch_text() || '-s' || to_hex(s.version), true, s.header, null::bytea
	from s
	union all
	select null, p.starts, p.part, p.piece
	from s
	cross join lateral (select m.body from app.message m where m.session_key = s.key order by m.idx offset 0) m
	cross join lateral (
		select true as starts, m.body as part, null::bytea as piece where pg_column_size(m.body) < 16384
		union all
		select n = 1, null, substring(b.bytes from n for 4194304)
		from (select convert_to(m.body::text, 'UTF8') as bytes where pg_column_size(m.body) >= 16384 offset 0) b
		cross join lateral generate_series(1, length(b.bytes), 4194304) n
	) p;
$$;
comment on function api.session_parts(text, text) is
'A session in parts for streaming, all of one snapshot: first the header (with the ETag''s text), then each message, those that may be long in pieces of at most 4 MiB instead of part; starts tells where one begins. No row when the session isn''t there.';

create or replace function api.plans(p_workspace text, p_session text)
returns table (tag text, body json) language plpgsql stable security definer set search_path = app, pg_temp as $$
declare
	v_workspace bigint;
	v_seq       bigint;
begin
	select w.id, w.seq into v_workspace, v_seq from app.workspace w where w.slug = p_workspace;
	tag := app.workspace_tag(v_seq);
	return next;
	return query select null::text, json_build_object('name', p.name, 'modifiedAt', floor(extract(epoch from p.modified_at) * 1000)::bigint) from app.plan p
		where p.workspace_id = v_workspace and p.session_id = p_session order by p.modified_seq desc;
end
$$;
comment on function api.plans(text, text) is 'Names and times (milliseconds since 1970) of a session''s plans, newest first.';

create or replace function api.plan_parts(p_workspace text, p_session text, p_name text)
returns table (tag text, part bytea) language sql stable security definer set search_path = app, pg_temp as $$
	select app.epoch_text() || '-p' || p.modified_seq, substring(p.bytes from n.n for 4194304)
	from (
		select p.modified_seq, convert_to(p.content::text, 'UTF8') as bytes from app.plan p join app.workspace w on w.id = p.workspace_id
		where w.slug = p_workspace and p.session_id = p_session and p.name = p_name offset 0
	) p
	cross join lateral generate_series(1, length(p.bytes), 4194304) as n (n);
$$;
comment on function api.plan_parts(text, text, text) is 'A plan''s content as JSON string text, in parts of at most 4 MiB, with the ETag''s text; no row when it isn''t there.';

create or replace function api.sources(p_workspace text)
returns table (tag text, body json) language plpgsql stable security definer set search_path = app, pg_temp as $$
declare
	v_workspace bigint;
	v_seq       bigint;
begin
	select w.id, w.seq into v_workspace, v_seq from app.workspace w where w.slug = p_workspace;
	tag := app.workspace_tag(v_seq);
	return next;
	return query select null::text, s.config from app.source s
		where s.workspace_id = v_workspace and s.config is not null order by s.position desc;
end
$$;
comment on function api.sources(text) is 'Configs of the workspace''s sources, newest first.';

create or replace function api.source(p_workspace text, p_slug text)
returns table (tag text, body json) language plpgsql stable security definer set search_path = app, pg_temp as $$
#variable_conflict use_column
begin
	return query select app.workspace_tag(w.seq), json_build_object('config', s.config, 'guide', s.guide)
	from app.source s join app.workspace w on w.id = s.workspace_id where w.slug = p_workspace and s.slug = p_slug;
end
$$;
comment on function api.source(text, text) is 'Config and guide of one source; the config is null while only a guide was saved.';

create or replace function api.statuses(p_workspace text)
returns table (tag text, body json) language plpgsql stable security definer set search_path = app, pg_temp as $$
#variable_conflict use_column
begin
	return query select api.workspace_tag(p_workspace), coalesce((select c.config from app.workspace_config c join app.workspace w on w.id = c.workspace_id
		where w.slug = p_workspace and c.kind = 'statuses'), '{"version":1,"statuses":[],"defaultStatusId":"todo"}');
end
$$;
comment on function api.statuses(text) is 'The workspace''s statuses, or the empty default.';

create or replace function api.labels(p_workspace text)
returns table (tag text, body json) language plpgsql stable security definer set search_path = app, pg_temp as $$
#variable_conflict use_column
begin
	return query select api.workspace_tag(p_workspace), coalesce((select c.config from app.workspace_config c join app.workspace w on w.id = c.workspace_id
		where w.slug = p_workspace and c.kind = 'labels'), '{"version":1,"labels":[]}');
end
$$;
comment on function api.labels(text) is 'The workspace''s labels, or the empty default.';

create or replace function api.skills(p_workspace text)
returns table (tag text, body json) language plpgsql stable security definer set search_path = app, pg_temp as $$
declare
	v_workspace bigint;
	v_seq       bigint;
begin
	select w.id, w.seq into v_workspace, v_seq from app.workspace w where w.slug = p_workspace;
	tag := app.workspace_tag(v_seq);
	return next;
	return query select null::text, json_build_object('slug', s.slug, 'content', s.content, 'metadata', s.metadata) from app.skill s
		where s.workspace_id = v_workspace order by s.position desc;
end
$$;
comment on function api.skills(text) is 'The workspace''s skills, newest first.';
