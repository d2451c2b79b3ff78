-- Sessions: the functions behind session:* messages and the session actions.

create or replace function api.session_create(p_workspace text, p_id text, p_header json,
	p_columns api.session_columns default null, p_version bigint default null, p_request api.request default null)
returns api.outcome language plpgsql security definer set search_path = app, pg_temp as $$
declare
	v_out api.outcome := app.change_begin(p_workspace, p_request);
	v_key bigint;
begin
	if v_out.status <> 'ok' then
		return v_out;
	end if;
	if p_columns is null and (p_request).origin is null then
		p_columns := app.header_columns(p_header);
	end if;
	insert into app.session (workspace_id, id, version, updated_seq, header, name, is_flagged, status, model, created_at, last_used_at)
		values (v_out.workspace_id, p_id, coalesce(p_version, app.new_version()), 0, p_header, (p_columns).name,
			(p_columns).is_flagged, (p_columns).status, (p_columns).model,
			app.ms_time((p_columns).created_ms), app.ms_time((p_columns).last_used_ms))
		on conflict (workspace_id, id) do nothing returning key into v_key;
	if v_key is null then
		v_out.status := 'exists';
		return v_out;
	end if;
	v_out := app.change_end(v_out, 'session', 'created', p_id, p_header, p_request, true, case when (p_columns).created_ms is not null
		then json_build_object('createdAt', (p_columns).created_ms, 'lastUsedAt', (p_columns).last_used_ms) end);
	update app.session set updated_seq = v_out.seq where key = v_key;
	return v_out;
end
$$;
comment on function api.session_create(text, text, json, api.session_columns, bigint, api.request) is
'Makes a session without messages. p_header: the header object, stored and broadcast as it is. p_columns: its typed fields (SQL users leave it out). p_version: the new version (null: a random one). Outcome ok, repeat, reused, or exists (nothing changed). Example: select * from api.session_create(''team'', ''s1'', ''{"id":"s1","name":"First"}'');';

-- Without a search_path of its own, so that it is inlined where it is called.
create or replace function app.body_sha256(p_body json) returns bytea language sql immutable as $$
	select pg_catalog.sha256(pg_catalog.convert_to(p_body::text, 'UTF8'));
$$;
comment on function app.body_sha256(json) is 'SHA-256 of a document''s bytes.';

create or replace function api.session_store(p_workspace text, p_id text, p_header json, p_columns api.session_columns default null,
	p_base bigint default null, p_version bigint default null, p_count integer default null, p_bytes bigint default null,
	p_idx integer[] default '{}', p_body json[] default '{}', p_sha256 bytea[] default null, p_request api.request default null,
	p_hash bigint[] default null)
returns api.outcome language plpgsql security definer set search_path = app, pg_temp as $$
declare
	v_out     api.outcome := app.change_begin(p_workspace, p_request);
	v_key     bigint;
	v_version bigint;
	v_count   integer;
begin
	if v_out.status <> 'ok' then
		return v_out;
	end if;
	if p_columns is null and (p_request).origin is null then
		p_columns := app.header_columns(p_header);
	end if;
	select s.key, s.version, s.message_count into v_key, v_version, v_count
		from app.session s where s.workspace_id = v_out.workspace_id and s.id = p_id;
	if p_base is not null and p_base is distinct from coalesce(v_version, 0) then
		raise exception 'session % was changed meanwhile', p_id using errcode = 'CA001';
	end if;
	if p_count is null then
		p_count := coalesce(v_count, 0);
	elsif p_count > greatest(v_count, 100000) then
		raise exception 'the session would have % messages: at most 100000 are stored in one session', p_count using errcode = '54000';
	elsif cardinality(p_idx) > 0 and p_idx[cardinality(p_idx)] >= p_count then
		raise exception 'p_idx reaches beyond p_count' using errcode = '22023';
	elsif p_count > coalesce(v_count, 0)
		and p_idx[cardinality(p_idx) - (p_count - coalesce(v_count, 0)) + 1] is distinct from coalesce(v_count, 0) then
		raise exception 'p_idx must hold every message from % to %', coalesce(v_count, 0), p_count - 1 using errcode = '22023';
	end if;
	v_out := app.change_end(v_out, 'session', 'updated', p_id, p_header, p_request);
	p_version := coalesce(p_version, app.new_version());
	if v_key is null then
		insert into app.session (workspace_id, id, version, updated_seq, header, name, is_flagged, status, model,
				created_at, last_used_at, message_count, message_bytes)
			values (v_out.workspace_id, p_id, p_version, v_out.seq, p_header, (p_columns).name,
				(p_columns).is_flagged, (p_columns).status, (p_columns).model, app.ms_time((p_columns).created_ms),
				app.ms_time((p_columns).last_used_ms), p_count, coalesce(p_bytes, 0))
			returning key into v_key;
	else
		update app.session s set version = p_version, updated_seq = v_out.seq, header = p_header, name = (p_columns).name,
				is_flagged = (p_columns).is_flagged, status = (p_columns).status, model = (p_columns).model,
				created_at = app.ms_time((p_columns).created_ms), last_used_at = app.ms_time((p_columns).last_used_ms),
				message_count = p_count, message_bytes = coalesce(p_bytes, s.message_bytes), updated_at = now()
			where s.key = v_key;
	end if;
	if p_idx[1] >= coalesce(v_count, 0) then
		insert into app.message (session_key, idx, sha256, body, hash)
			select v_key, u.idx, coalesce(u.sha256, app.body_sha256(u.body)), u.body, u.hash
			from unnest(p_idx, p_sha256, p_body, p_hash) as u (idx, sha256, body, hash);
	elsif cardinality(p_idx) > 0 then
		insert into app.message as m (session_key, idx, sha256, body, hash)
			select v_key, u.idx, coalesce(u.sha256, app.body_sha256(u.body)), u.body, u.hash
			from unnest(p_idx, p_sha256, p_body, p_hash) as u (idx, sha256, body, hash)
			on conflict (session_key, idx) do update set sha256 = excluded.sha256, body = excluded.body, hash = excluded.hash;
	end if;
	if v_count > p_count then
		delete from app.message where session_key = v_key and idx >= p_count;
	end if;
	return v_out;
end
$$;
comment on function api.session_store(text, text, json, api.session_columns, bigint, bigint, integer, bigint, integer[], json[], bytea[], api.request, bigint[]) is
'Writes a session''s header and messages, making the session when it isn''t there. p_base: the version that the caller compared with (0: none there), null: don''t check; another one there raises CA001. p_count, p_bytes: number and bytes of all messages after the save (null: as they are); more than 100,000, and more than there are, raises 54000. p_idx, p_body: the messages that differ, ascending; messages from p_count on are deleted. p_sha256: SHA-256 of the bodies'' bytes, null: computed here. p_hash: only api.session_save() gives it. Outcome ok, repeat or reused.';

create or replace function api.session_save(p_workspace text, p_id text, p_header json, p_columns api.session_columns default null,
	p_base bigint default null, p_version bigint default null, p_count integer default null, p_bytes bigint default null,
	p_idx integer[] default '{}', p_hash bigint[] default '{}', p_body json[] default '{}', p_request api.request default null)
returns api.outcome language plpgsql security definer set search_path = app, pg_temp as $$
begin
	return api.session_store(p_workspace, p_id, p_header, p_columns, p_base, p_version, p_count, p_bytes, p_idx, p_body, null, p_request, p_hash);
end
$$;
comment on function api.session_save(text, text, json, api.session_columns, bigint, bigint, integer, bigint, integer[], bigint[], json[], api.request) is
'As api.session_store(), for bridges of an older version, which compare by p_hash, XXH3-64 of the bodies'' bytes.';

-- The number is taken first, which takes the lock as well: where nothing comes of it, it is given back.
create or replace function api.session_update(p_workspace text, p_id text, p_header json, p_columns api.session_columns default null,
	p_base bigint default null, p_version bigint default null, p_event json default null, p_request api.request default null)
returns api.outcome language plpgsql security definer set search_path = app, pg_temp as $$
declare
	v_out   api.outcome;
	v_seen  app.seen_request;
	v_bytes integer := pg_column_size(coalesce(p_event, p_header)) - 4;
	v_over  boolean;
begin
	update app.workspace w set seq = w.seq + 1, log_bytes = w.log_bytes + v_bytes where w.slug = p_workspace
		returning w.id, w.seq, w.log_bytes > (select l.change_bytes from app.log_limit l) into v_out.workspace_id, v_out.seq, v_over;
	if not found then
		v_out.status := 'not_found';
		return v_out;
	end if;
	if (p_request).client is not null then
		select s.* into v_seen from app.seen_request s
			where s.workspace_id = v_out.workspace_id and s.client = (p_request).client and s.request = substr((p_request).id, 1, 32);
		if found then
			update app.workspace w set seq = w.seq - 1, log_bytes = w.log_bytes - v_bytes where w.id = v_out.workspace_id;
			v_out := app.request_outcome(v_seen, p_request);
			-- What it was merged from isn't kept; what became of it is.
			if v_out.status = 'repeat' and v_seen.echoes and v_out.answer is null then
				select s.header into v_out.answer from app.session s where s.workspace_id = v_out.workspace_id and s.id = p_id;
			end if;
			return v_out;
		end if;
	end if;
	if p_columns is null and (p_request).origin is null then
		p_columns := app.header_columns(p_header);
	end if;
	update app.session s set version = coalesce(p_version, app.new_version()), updated_seq = v_out.seq, header = p_header,
			name = (p_columns).name, is_flagged = (p_columns).is_flagged, status = (p_columns).status,
			model = (p_columns).model, created_at = app.ms_time((p_columns).created_ms),
			last_used_at = app.ms_time((p_columns).last_used_ms), updated_at = now()
		where s.workspace_id = v_out.workspace_id and s.id = p_id and (p_base is null or s.version = p_base);
	if not found then
		if p_base <> 0 or exists (select from app.session s where s.workspace_id = v_out.workspace_id and s.id = p_id) then
			raise exception 'session % was changed meanwhile', p_id using errcode = 'CA001';
		end if;
		update app.workspace w set seq = w.seq - 1, log_bytes = w.log_bytes - v_bytes where w.id = v_out.workspace_id;
		v_out.status := 'not_found';
		v_out.seq := null;
		return v_out;
	end if;
	insert into app.change_log (workspace_id, seq, entity, action, entity_id, origin, data, bytes)
		values (v_out.workspace_id, v_out.seq, 'session', 'updated', p_id, (p_request).origin, coalesce(p_event, p_header), v_bytes);
	if (p_request).client is not null then
		insert into app.seen_request (workspace_id, client, request, payload, sha256, seq, echoes)
			values (v_out.workspace_id, (p_request).client, substr((p_request).id, 1, 32), (p_request).payload,
				nullif(substr((p_request).id, 33), ''), v_out.seq, p_event is null);
	end if;
	if v_over then
		perform app.log_trim(v_out.workspace_id);
	end if;
	v_out.status := 'ok';
	return v_out;
end
$$;
comment on function api.session_update(text, text, json, api.session_columns, bigint, bigint, json, api.request) is
'Replaces a session''s header (the caller merged it on version p_base; another one there raises CA001; null: don''t check, 0: the caller found no session). p_event: what is broadcast and makes the answer {"success":true}; null: the header is both. Outcome ok, repeat (where the log doesn''t reach back, with the header as it is now; null: it is gone), reused or not_found.';

create or replace function api.session_delete(p_workspace text, p_id text, p_event json default null,
	p_must_exist boolean default false, p_request api.request default null)
returns api.outcome language plpgsql security definer set search_path = app, pg_temp as $$
declare
	v_out api.outcome;
	v_key bigint;
begin
	if p_must_exist and not exists (select from app.workspace w where w.slug = p_workspace) then
		v_out.status := 'not_found';
		return v_out;
	end if;
	v_out := app.change_begin(p_workspace, p_request);
	if v_out.status <> 'ok' then
		return v_out;
	end if;
	delete from app.session s where s.workspace_id = v_out.workspace_id and s.id = p_id returning s.key into v_key;
	if v_key is null and p_must_exist then
		v_out.status := 'not_found';
		return v_out;
	end if;
	delete from app.message where session_key = v_key;
	delete from app.plan p where p.workspace_id = v_out.workspace_id and p.session_id = p_id;
	return app.change_end(v_out, 'session', 'deleted', p_id, coalesce(p_event, json_build_object('sessionId', p_id)), p_request);
end
$$;
comment on function api.session_delete(text, text, json, boolean, api.request) is
'Deletes a session, its messages and its plans. Without p_must_exist, deleting what isn''t there is a change like any other (outcome ok); with it, outcome not_found. p_event: what is broadcast, by default {"sessionId":…}.';

create or replace function api.session_clear_messages(p_workspace text, p_id text, p_event json default null,
	p_version bigint default null, p_request api.request default null)
returns api.outcome language plpgsql security definer set search_path = app, pg_temp as $$
declare
	v_out api.outcome := app.change_begin(p_workspace, p_request);
	v_key bigint;
begin
	if v_out.status <> 'ok' then
		return v_out;
	end if;
	v_out := app.change_end(v_out, 'session', 'updated', p_id, coalesce(p_event, json_build_object('sessionId', p_id)), p_request);
	update app.session s set version = coalesce(p_version, app.new_version()), updated_seq = v_out.seq, message_count = 0,
			message_bytes = 0, updated_at = now()
		where s.workspace_id = v_out.workspace_id and s.id = p_id returning s.key into v_key;
	delete from app.message where session_key = v_key;
	return v_out;
end
$$;
comment on function api.session_clear_messages(text, text, json, bigint, api.request) is
'Deletes a session''s messages and keeps its header. Clearing what isn''t there is no error.';

create or replace function api.session_base(p_workspace text, p_id text, out version bigint, out header json, out hashes bigint[])
returns record language plpgsql stable security definer set search_path = app, pg_temp as $$
#variable_conflict use_column
begin
	select s.version, s.header,
		(select array_agg(coalesce(m.hash, app.new_version()) order by m.idx) from app.message m where m.session_key = s.key)
	into version, header, hashes
	from app.session s join app.workspace w on w.id = s.workspace_id
	where w.slug = p_workspace and s.id = p_id;
end
$$;
comment on function api.session_base(text, text) is
'As api.session_state(), for bridges of an older version: hashes are XXH3-64 of the messages, and numbers that none has where a newer one wrote them.';

create or replace function api.session_state(p_workspace text, p_id text, out version bigint, out header json, out digests bytea)
returns record language plpgsql stable security definer set search_path = app, pg_temp as $$
#variable_conflict use_column
begin
	select s.version, s.header, (select string_agg(coalesce(m.sha256, app.body_sha256(m.body)), ''::bytea order by m.idx)
		from app.message m where m.session_key = s.key)
	into version, header, digests
	from app.session s join app.workspace w on w.id = s.workspace_id
	where w.slug = p_workspace and s.id = p_id;
end
$$;
comment on function api.session_state(text, text) is
'What a writer compares with: the session''s version, header and the SHA-256 of its messages in order, 32 bytes each. All null when it isn''t there.';

create or replace function api.session_header(p_workspace text, p_id text, out version bigint, out header json)
returns record language plpgsql stable security definer set search_path = app, pg_temp as $$
#variable_conflict use_column
begin
	select s.version, s.header into version, header from app.session s join app.workspace w on w.id = s.workspace_id
	where w.slug = p_workspace and s.id = p_id;
end
$$;
comment on function api.session_header(text, text) is 'The session''s version and header; both null when it isn''t there.';
