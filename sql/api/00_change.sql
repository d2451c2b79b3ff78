-- What every mutation is made of: lock the workspace, look whether the request was applied before, change
-- the state, number and log the change. The steps' order is what makes the numbers gapless and in commit order.

create or replace function app.change_begin(p_workspace text, p_request api.request)
returns api.outcome language plpgsql set search_path = app, pg_temp as $$
declare
	v_out   api.outcome;
	v_seen  app.seen_request;
begin
	if p_workspace is null or octet_length(p_workspace) not between 1 and 1024 then
		raise exception 'workspace must be a name of 1 to 1,024 bytes' using errcode = '22023';
	end if;
	select w.id into v_out.workspace_id from app.workspace w where w.slug = p_workspace for update;
	if not found then
		insert into app.workspace (slug) values (p_workspace) on conflict (slug) do nothing;
		select w.id into v_out.workspace_id from app.workspace w where w.slug = p_workspace for update;
	end if;
	v_out.status := 'ok';
	if (p_request).client is not null then
		select s.* into v_seen from app.seen_request s
			where s.workspace_id = v_out.workspace_id and s.client = (p_request).client and s.request = (p_request).id;
		if found then
			v_out.status := case when v_seen.payload = (p_request).payload then 'repeat' else 'reused' end;
			v_out.seq := v_seen.seq;
			v_out.answer := v_seen.answer;
		end if;
	end if;
	return v_out;
end
$$;
comment on function app.change_begin(text, api.request) is 'First step of a mutation: takes the workspace''s lock (making the workspace when it isn''t there) and finds a request that was applied before. Status ok: go on.';

create or replace function app.change_end(p_out api.outcome, p_entity text, p_action text, p_entity_id text,
	p_data json, p_request api.request, p_answer json default null)
returns api.outcome language plpgsql set search_path = app, pg_temp as $$
begin
	update app.workspace w set seq = w.seq + 1 where w.id = p_out.workspace_id returning w.seq into p_out.seq;
	insert into app.change_log (workspace_id, seq, entity, action, entity_id, origin, data)
		values (p_out.workspace_id, p_out.seq, p_entity, p_action, p_entity_id, (p_request).origin, p_data);
	if (p_request).client is not null then
		insert into app.seen_request (workspace_id, client, request, payload, seq, answer)
			values (p_out.workspace_id, (p_request).client, (p_request).id, (p_request).payload, p_out.seq, p_answer);
	end if;
	return p_out;
end
$$;
comment on function app.change_end(api.outcome, text, text, text, json, api.request, json) is 'Last step of a mutation: gives it its number, logs it for the listeners, remembers the request. p_answer null stands for {"success":true}.';

create or replace function app.new_version() returns bigint language sql volatile set search_path = app, pg_temp as $$
	select ('x' || encode(substring(uuid_send(gen_random_uuid()) from 9), 'hex'))::bit(64)::bigint;
$$;
comment on function app.new_version() is 'A random session version.';

-- Without a search_path of its own, so that it is inlined where it is called.
create or replace function app.ms_time(p_ms bigint) returns timestamptz language sql immutable as $$
	select case when p_ms between 0 and 253402300799999 then pg_catalog.to_timestamp(p_ms / 1000.0) end;
$$;
comment on function app.ms_time(bigint) is 'Milliseconds since 1970 as a time; null outside the years 1970 to 9999.';

create or replace function app.header_columns(p_header json) returns api.session_columns language plpgsql set search_path = app, pg_temp as $$
declare
	v_out api.session_columns;
begin
	v_out.name := left(p_header ->> 'name', 1000);
	v_out.is_flagged := case p_header ->> 'isFlagged' when 'true' then true when 'false' then false end;
	v_out.status := left(coalesce(p_header ->> 'todoState', p_header ->> 'status'), 1000);
	v_out.model := left(p_header ->> 'model', 1000);
	v_out.created_ms := case when p_header ->> 'createdAt' ~ '^\d{1,15}$' then (p_header ->> 'createdAt')::bigint end;
	v_out.last_used_ms := case when p_header ->> 'lastUsedAt' ~ '^\d{1,15}$' then (p_header ->> 'lastUsedAt')::bigint end;
	return v_out;
exception when others then
	-- The header holds something that SQL can't extract from (a NUL escape, half a surrogate pair).
	return null;
end
$$;
comment on function app.header_columns(json) is 'The typed columns of a header that a SQL user wrote. The daemons extract them themselves and never call this.';
