-- Whole workspaces: what is in one, deleting it, and moving it elsewhere (craft-cloud workspace).
-- In an archive every document is a JSON string that holds the client's text, so that these functions may take its lines
-- apart: no escape of a client's is one of the line's.

create or replace function app.utc(p_at timestamptz) returns text language sql stable as $$
	select pg_catalog.to_char(p_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
$$;
comment on function app.utc(timestamptz) is 'A time as text, to the microsecond.';

create or replace function api.workspace_contents(p_workspace text)
returns table (workspace text, created_at text, last_change_at text, changes bigint, changes_kept bigint, sessions bigint, messages bigint,
	message_bytes bigint, sources bigint, configs bigint, skills bigint, plans bigint, projects bigint, credentials bigint,
	files bigint, file_bytes bigint, sandboxes bigint)
language sql stable security definer set search_path = app, pg_temp as $$
	select w.slug, app.utc(w.created_at), (select app.utc(l.at) from app.change_log l where l.workspace_id = w.id and l.seq = w.seq), w.seq, w.seq - w.floor,
		s.n, s.messages, s.bytes,
		(select count(*) from app.source x where x.workspace_id = w.id), (select count(*) from app.workspace_config x where x.workspace_id = w.id),
		(select count(*) from app.skill x where x.workspace_id = w.id), (select count(*) from app.plan x where x.workspace_id = w.id),
		(select count(*) from app.project x where x.workspace_id = w.id), (select count(*) from app.credential x where x.workspace_id = w.id),
		coalesce(u.files, 0), coalesce(u.bytes, 0),
		(select count(*) from app.sandbox_session x where x.workspace_id = w.id and x.ended_at is null)
	from app.workspace w
	left join app.file_usage u on u.workspace_id = w.id
	cross join lateral (select count(*) as n, coalesce(sum(s.message_count), 0)::bigint as messages, coalesce(sum(s.message_bytes), 0)::bigint as bytes
		from app.session s where s.workspace_id = w.id) s
	where w.slug = p_workspace;
$$;
comment on function api.workspace_contents(text) is
'How much is in a workspace, credentials and running sandboxes included; times in UTC. No row when there is no such workspace.';

create or replace function app.workspace_clear(p_id bigint) returns void language plpgsql set search_path = app, pg_temp as $$
begin
	delete from app.message m using app.session s where s.workspace_id = p_id and m.session_key = s.key;
	delete from app.session s where s.workspace_id = p_id;
	delete from app.source s where s.workspace_id = p_id;
	delete from app.workspace_config c where c.workspace_id = p_id;
	delete from app.skill s where s.workspace_id = p_id;
	delete from app.plan p where p.workspace_id = p_id;
	delete from app.project p where p.workspace_id = p_id;
	delete from app.change_log l where l.workspace_id = p_id;
	update app.workspace w set log_bytes = 0 where w.id = p_id;
	delete from app.seen_request s where s.workspace_id = p_id;
	with gone as (delete from app.file f where f.workspace_id = p_id returning f.blob, f.size)
	insert into app.blob_gone (blob, size) select g.blob, g.size from gone g;
	update app.file_usage u set files = 0, bytes = 0, changes = u.changes + 1 where u.workspace_id = p_id;
end
$$;
comment on function app.workspace_clear(bigint) is
'Deletes what is in a workspace and could be in an archive of it, and its log; credentials and sandboxes stay. The caller has its locks.';

create or replace function api.workspace_delete(p_workspace text, out status text)
returns text language plpgsql volatile security definer set search_path = app, pg_catalog, pg_temp as $$
declare
	v_id bigint;
begin
	select w.id into v_id from app.workspace w where w.slug = p_workspace for update;
	if not found then
		status := 'missing';
		return;
	end if;
	if exists (select from app.sandbox_session s left join app.sandbox_host h on h.id = s.host_id where s.workspace_id = v_id
		and (s.ended_at is null or (s.cleaned_at is null and h.stopped_at is null and h.seen_at > now() - interval '30 s'))) then
		status := 'sandboxes';
		return;
	end if;
	perform from app.file_usage u where u.workspace_id = v_id for update;
	perform app.workspace_clear(v_id);
	delete from app.credential c where c.workspace_id = v_id;
	delete from app.sandbox_message m using app.sandbox_session s where s.workspace_id = v_id and m.session_id = s.id;
	delete from app.sandbox_job j using app.sandbox_session s where s.workspace_id = v_id and j.session_id = s.id;
	delete from app.sandbox_session s where s.workspace_id = v_id;
	insert into app.workspace_gone (slug, seq, file_changes)
		select w.slug, w.seq + 1, coalesce(u.changes, 0) + 1 from app.workspace w left join app.file_usage u on u.workspace_id = w.id where w.id = v_id
		on conflict (slug) do update set seq = excluded.seq, file_changes = excluded.file_changes, gone_at = excluded.gone_at;
	delete from app.file_usage u where u.workspace_id = v_id;
	delete from app.workspace w where w.id = v_id;
	-- Else they would open another one that gets its name.
	perform api.key_revoke(p_workspace, k.id) from app.api_key k where k.workspace = p_workspace and k.revoked_at is null;
	perform pg_notify('craft_changes', 'gone');
	status := 'ok';
end
$$;
comment on function api.workspace_delete(text) is
'Deletes a workspace with all that is in it, and its credentials and ended sandboxes, and revokes its keys: ok; or changes nothing: missing (there is none), sandboxes (some run, or are being removed). Its clients are made to reload (NOTIFY craft_changes: gone).';

-- ---- out ----

create or replace function api.workspace_manifest(p_workspace text, p_as text default null)
returns text language sql stable security definer set search_path = app, pg_temp as $$
	select json_build_object('format', 'craft-agent-cloud workspace', 'version', 1, 'workspace', coalesce(p_as, c.workspace), 'createdAt', c.created_at,
		'sessions', c.sessions, 'messages', c.messages, 'messageBytes', c.message_bytes, 'sources', c.sources, 'configs', c.configs,
		'skills', c.skills, 'plans', c.plans, 'projects', c.projects, 'files', c.files, 'fileBytes', c.file_bytes)::text
	from api.workspace_contents(p_workspace) c;
$$;
comment on function api.workspace_manifest(text, text) is
'The first entry of a workspace''s archive: what is in it. p_as: the name to write instead of its own. Null when there is no such workspace.';

create or replace function api.workspace_export(p_workspace text, p_kind text)
returns table (line text, blob text) language plpgsql stable security definer set search_path = app, pg_temp as $$
#variable_conflict use_column
declare
	v_id      bigint := (select w.id from app.workspace w where w.slug = p_workspace);
	v_session record;
begin
	case p_kind
	when 'sessions' then
		return query select json_build_object('id', s.id, 'header', s.header::text, 'messages', s.message_count, 'changedBy', s.updated_seq,
				'updatedAt', app.utc(s.updated_at))::text, null::text
			from app.session s where s.workspace_id = v_id order by s.updated_seq, s.id collate "C";
	when 'messages' then
		for v_session in select s.key, s.id from app.session s where s.workspace_id = v_id order by s.updated_seq, s.id collate "C" loop
			return query select json_build_object('session', v_session.id, 'position', m.idx, 'body', m.body::text)::text, null::text
				from app.message m where m.session_key = v_session.key order by m.idx;
		end loop;
	when 'sources' then
		return query select json_build_object('slug', s.slug, 'config', s.config::text, 'guide', s.guide::text, 'createdAt', app.utc(s.created_at),
				'updatedAt', app.utc(s.updated_at))::text, null::text
			from app.source s where s.workspace_id = v_id order by s.position;
	when 'configs' then
		return query select json_build_object('kind', c.kind, 'config', c.config::text, 'updatedAt', app.utc(c.updated_at))::text, null::text
			from app.workspace_config c where c.workspace_id = v_id order by c.kind;
	when 'skills' then
		return query select json_build_object('slug', s.slug, 'content', s.content::text, 'metadata', s.metadata::text, 'createdAt', app.utc(s.created_at),
				'updatedAt', app.utc(s.updated_at))::text, null::text
			from app.skill s where s.workspace_id = v_id order by s.position;
	when 'plans' then
		return query select json_build_object('session', p.session_id, 'name', p.name, 'content', p.content::text, 'changedBy', p.modified_seq,
				'modifiedAt', app.utc(p.modified_at))::text, null::text
			from app.plan p where p.workspace_id = v_id order by p.modified_seq, p.session_id collate "C", p.name collate "C";
	when 'projects' then
		return query select json_build_object('repoKey', p.repo_key, 'repoUrl', p.repo_url, 'defaultBranch', p.default_branch, 'addedAt', app.utc(p.added_at))::text,
				null::text
			from app.project p where p.workspace_id = v_id order by p.position;
	when 'files' then
		return query select json_build_object('session', f.session_id, 'type', f.type, 'name', f.name, 'size', f.size, 'mimeType', f.mime_type,
				'sha256', encode(f.sha256, 'hex'), 'createdAt', app.utc(f.created_at), 'uploadedAt', app.utc(f.uploaded_at))::text, f.blob::text
			from app.file f where f.workspace_id = v_id order by f.session_id, f.type, f.name;
	end case;
end
$$;
comment on function api.workspace_export(text, text) is
'The lines of a workspace''s archive of one kind (sessions, messages, sources, configs, skills, plans, projects, files), each a JSON object in which documents are strings; of files also the blob that has the bytes. In an order that depends on the contents alone.';

-- ---- in: one transaction, ended by api.workspace_import_end() ----

create or replace function api.workspace_import_begin(p_workspace text, p_created_at timestamptz, p_replace boolean, out status text, out workspace_id bigint,
	out existed boolean)
returns record language plpgsql volatile security definer set search_path = app, pg_temp as $$
declare
	v_new bigint;
begin
	v_new := app.workspace_make(p_workspace);
	select w.id into workspace_id from app.workspace w where w.slug = p_workspace for update;
	insert into app.file_usage (workspace_id) select w.id from app.workspace w where w.slug = p_workspace on conflict do nothing;
	perform from app.file_usage u where u.workspace_id = workspace_import_begin.workspace_id for update;
	existed := v_new is null;
	status := 'ok';
	if exists (select from api.workspace_contents(p_workspace) c
		where c.sessions + c.sources + c.configs + c.skills + c.plans + c.projects + c.files > 0) then
		if not p_replace then
			status := 'exists';
			return;
		end if;
		perform app.workspace_clear(workspace_id);
	end if;
	update app.workspace w set created_at = p_created_at where w.id = workspace_id;
end
$$;
comment on function api.workspace_import_begin(text, timestamptz, boolean) is
'Makes the workspace that an archive''s contents are to go into, or empties it if p_replace says so, and takes its locks. Status ok, or exists: something is in it, and the transaction is to be rolled back.';

create or replace function api.workspace_import_session(p_id bigint, p_line json, p_name text, p_is_flagged boolean, p_status text, p_model text,
	p_created_ms bigint, p_last_used_ms bigint)
returns void language sql volatile security definer set search_path = app, pg_temp as $$
	insert into app.session (workspace_id, id, version, updated_seq, header, name, is_flagged, status, model, message_count, created_at, last_used_at, updated_at)
	select p_id, x.id, app.new_version(), x."changedBy", x.header::json, p_name, p_is_flagged, p_status, p_model, x.messages,
		app.ms_time(p_created_ms), app.ms_time(p_last_used_ms), x."updatedAt"
	from json_to_record(p_line) as x (id text, header text, messages integer, "changedBy" bigint, "updatedAt" timestamptz);
$$;
comment on function api.workspace_import_session(bigint, json, text, boolean, text, text, bigint, bigint) is
'Makes a session of an archive''s line, with the typed columns that the caller extracted from its header.';

create or replace function api.workspace_import_messages(p_id bigint, p_lines json[], p_hashes bigint[] default null)
returns void language plpgsql volatile security definer set search_path = app, pg_temp as $$
declare
	v_n bigint;
begin
	insert into app.message (session_key, idx, sha256, body)
		select s.key, x.position, sha256(convert_to(x.body, 'UTF8')), x.body::json
		from unnest(p_lines) as u (line)
		cross join lateral json_to_record(u.line) as x (session text, position integer, body text)
		join app.session s on s.workspace_id = p_id and s.id = x.session;
	get diagnostics v_n = row_count;
	if v_n <> cardinality(p_lines) then
		raise exception 'a message belongs to no session' using errcode = '22023';
	end if;
end
$$;
comment on function api.workspace_import_messages(bigint, json[], bigint[]) is 'Makes messages of an archive''s lines. p_hashes: of older versions, not used.';

create or replace function api.workspace_import_documents(p_id bigint, p_kind text, p_lines json[])
returns void language plpgsql volatile security definer set search_path = app, pg_temp as $$
begin
	case p_kind
	when 'sources' then
		insert into app.source (workspace_id, slug, config, guide, created_at, updated_at)
			select p_id, x.slug, x.config::json, x.guide::json, x."createdAt", x."updatedAt" from unnest(p_lines) with ordinality as u (line, n),
				json_to_record(u.line) as x (slug text, config text, guide text, "createdAt" timestamptz, "updatedAt" timestamptz) order by u.n;
	when 'configs' then
		insert into app.workspace_config (workspace_id, kind, config, updated_at)
			select p_id, x.kind, x.config::json, x."updatedAt" from unnest(p_lines) as u (line),
				json_to_record(u.line) as x (kind text, config text, "updatedAt" timestamptz);
	when 'skills' then
		insert into app.skill (workspace_id, slug, content, metadata, created_at, updated_at)
			select p_id, x.slug, x.content::json, x.metadata::json, x."createdAt", x."updatedAt" from unnest(p_lines) with ordinality as u (line, n),
				json_to_record(u.line) as x (slug text, content text, metadata text, "createdAt" timestamptz, "updatedAt" timestamptz) order by u.n;
	when 'plans' then
		insert into app.plan (workspace_id, session_id, name, content, modified_at, modified_seq)
			select p_id, x.session, x.name, x.content::json, x."modifiedAt", x."changedBy" from unnest(p_lines) as u (line),
				json_to_record(u.line) as x (session text, name text, content text, "modifiedAt" timestamptz, "changedBy" bigint);
	when 'projects' then
		insert into app.project (workspace_id, repo_key, repo_url, default_branch, added_at)
			select p_id, x."repoKey", x."repoUrl", x."defaultBranch", x."addedAt" from unnest(p_lines) with ordinality as u (line, n),
				json_to_record(u.line) as x ("repoKey" text, "repoUrl" text, "defaultBranch" text, "addedAt" timestamptz) order by u.n;
	end case;
end
$$;
comment on function api.workspace_import_documents(bigint, text, json[]) is 'Makes sources, configs, skills, plans or projects of an archive''s lines, in their order.';

create or replace function api.workspace_import_file(p_id bigint, p_line json, p_blob uuid)
returns void language plpgsql volatile security definer set search_path = app, pg_temp as $$
begin
	perform app.file_check(p_line ->> 'session', p_line ->> 'type', p_line ->> 'name', p_line ->> 'mimeType');
	insert into app.file (workspace_id, session_id, type, name, blob, size, mime_type, sha256, created_at, uploaded_at)
		select p_id, x.session, x.type, x.name, p_blob, x.size, x."mimeType", decode(x.sha256, 'hex'), x."createdAt", x."uploadedAt"
		from json_to_record(p_line) as x (session text, type text, name text, size bigint, "mimeType" text, sha256 text, "createdAt" timestamptz,
			"uploadedAt" timestamptz);
end
$$;
comment on function api.workspace_import_file(bigint, json, uuid) is 'Makes a file of an archive''s line; its bytes are in the blob already.';

create or replace function api.workspace_import_end(p_id bigint, p_existed boolean)
returns void language plpgsql volatile security definer set search_path = app, pg_catalog, pg_temp as $$
declare
	v_session text;
begin
	select s.id into v_session from app.session s
		cross join lateral (select count(*) as n, max(m.idx) + 1 as next from app.message m where m.session_key = s.key) m
		where s.workspace_id = p_id and (m.n <> s.message_count or m.n <> coalesce(m.next, 0)) limit 1;
	if found then
		raise exception 'messages of a session are missing' using errcode = '22023';
	end if;
	update app.session s set message_bytes = m.bytes
		from (select m.session_key, sum(octet_length(m.body::text)) as bytes from app.session s join app.message m on m.session_key = s.key
			where s.workspace_id = p_id group by m.session_key) m
		where s.key = m.session_key;
	update app.file_usage u set changes = u.changes + 1, files = f.n, bytes = f.bytes
		from (select count(*) as n, coalesce(sum(f.size), 0)::bigint as bytes from app.file f where f.workspace_id = p_id) f where u.workspace_id = p_id;
	-- No change of the log led here: who knows an earlier number has to reload, and is made to.
	update app.workspace w set seq = x.seq, floor = x.seq
		from (select greatest(w.seq + 1, (select max(s.updated_seq) from app.session s where s.workspace_id = p_id),
			(select max(p.modified_seq) from app.plan p where p.workspace_id = p_id)) as seq from app.workspace w where w.id = p_id) x
		where w.id = p_id;
end
$$;
comment on function api.workspace_import_end(bigint, boolean) is
'Last step of an import: refuses it when messages are missing, counts, and numbers on, so that the workspace''s clients reload. p_existed: as api.workspace_import_begin() said.';
