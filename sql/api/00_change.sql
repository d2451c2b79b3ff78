-- What every mutation is made of: lock the workspace, look whether the request was applied before, change
-- the state, number and log the change. The steps' order is what makes the numbers gapless and in commit order.

create or replace function app.workspace_make(p_slug text) returns bigint language plpgsql set search_path = app, pg_temp as $$
declare
	v_id   bigint;
	v_gone app.workspace_gone;
begin
	if p_slug is null or octet_length(p_slug) not between 1 and 1024 then
		raise exception 'workspace must be a name of 1 to 1,024 bytes' using errcode = '22023';
	elsif p_slug in ('.', '..') then
		raise exception 'workspace must not be . or ..: no URL can name it' using errcode = '22023';
	end if;
	select g.* into v_gone from app.workspace_gone g where g.slug = p_slug;
	insert into app.workspace (slug, seq, floor) values (p_slug, coalesce(v_gone.seq, 0), coalesce(v_gone.seq, 0))
		on conflict (slug) do nothing returning id into v_id;
	if v_id is not null and v_gone.slug is not null then
		insert into app.file_usage (workspace_id, changes) values (v_id, v_gone.file_changes);
		delete from app.workspace_gone g where g.slug = p_slug;
	end if;
	return v_id;
end
$$;
comment on function app.workspace_make(text) is 'Makes a workspace; one that was deleted goes on with its numbers. Null: it was there.';

-- Called while the workspace''s lock is held, by who has just made its log longer than it may be. The latest change stays.
create or replace function app.log_trim(p_id bigint) returns void language plpgsql set search_path = app, pg_temp as $$
declare
	v_excess bigint;
	v_head   bigint;
	v_cut    bigint;
	v_freed  bigint;
begin
	select w.log_bytes - l.change_bytes / 4 * 3, w.seq into v_excess, v_head from app.workspace w, app.log_limit l where w.id = p_id;
	select max(x.seq), sum(x.bytes) into v_cut, v_freed from (
		select l.seq, coalesce(l.bytes, 0) as bytes, sum(l.bytes) over (order by l.seq rows between unbounded preceding and 1 preceding) as before
		from (select c.seq, c.bytes from app.change_log c where c.workspace_id = p_id and c.seq < v_head order by c.seq limit 2000) l
	) x where coalesce(x.before, 0) < v_excess;
	if v_cut is not null then
		delete from app.change_log c where c.workspace_id = p_id and c.seq <= v_cut;
		update app.workspace w set floor = greatest(w.floor, v_cut), log_bytes = w.log_bytes - v_freed where w.id = p_id;
	end if;
end
$$;
comment on function app.log_trim(bigint) is 'Drops a workspace''s oldest changes, at most 2,000, until its log has three quarters of the bytes that it may have, moving floor up.';

create or replace function app.request_outcome(p_seen app.seen_request, p_request api.request) returns api.outcome language plpgsql
set search_path = app, pg_temp as $$
declare
	v_out  api.outcome;
	v_data json;
begin
	-- The digest is compared where both have one.
	v_out.status := case when coalesce(p_seen.sha256 = nullif(substr((p_request).id, 33), ''), p_seen.payload = (p_request).payload)
		then 'repeat' else 'reused' end;
	v_out.workspace_id := p_seen.workspace_id;
	v_out.seq := p_seen.seq;
	if v_out.status = 'repeat' then
		v_out.answer := p_seen.answer;
	end if;
	if p_seen.echoes and v_out.status = 'repeat' then
		select l.data into v_data from app.change_log l where l.workspace_id = p_seen.workspace_id and l.seq = p_seen.seq;
		-- Bridges of an older version, which send no digest, take any answer for the whole.
		v_out.answer := coalesce(v_data, case when octet_length((p_request).id) > 32 then v_out.answer end);
	end if;
	return v_out;
end
$$;
comment on function app.request_outcome(app.seen_request, api.request) is 'The outcome of a request that came before: repeat or reused. An answer that echoed the change is read from the log; where it isn''t there any more, it is what was remembered of it: members that the server had added to what was sent, or null.';

create or replace function app.change_begin(p_workspace text, p_request api.request)
returns api.outcome language plpgsql set search_path = app, pg_temp as $$
declare
	v_out   api.outcome;
	v_seen  app.seen_request;
begin
	select w.id into v_out.workspace_id from app.workspace w where w.slug = p_workspace for update;
	if not found then
		perform app.workspace_make(p_workspace);
		select w.id into v_out.workspace_id from app.workspace w where w.slug = p_workspace for update;
	end if;
	v_out.status := 'ok';
	if (p_request).client is not null then
		select s.* into v_seen from app.seen_request s
			where s.workspace_id = v_out.workspace_id and s.client = (p_request).client and s.request = substr((p_request).id, 1, 32);
		if found then
			return app.request_outcome(v_seen, p_request);
		end if;
	end if;
	return v_out;
end
$$;
comment on function app.change_begin(text, api.request) is 'First step of a mutation: takes the workspace''s lock (making the workspace when it isn''t there) and finds a request that was applied before. Status ok: go on.';

create or replace function app.change_end(p_out api.outcome, p_entity text, p_action text, p_entity_id text,
	p_data json, p_request api.request, p_echoes boolean default false, p_added json default null)
returns api.outcome language plpgsql set search_path = app, pg_temp as $$
declare
	-- A value that wasn't stored yet is its text behind four bytes; to make a text of it would copy it.
	v_bytes integer := pg_column_size(p_data) - 4;
	v_over  boolean;
begin
	update app.workspace w set seq = w.seq + 1, log_bytes = w.log_bytes + v_bytes where w.id = p_out.workspace_id
		returning w.seq, w.log_bytes > (select l.change_bytes from app.log_limit l) into p_out.seq, v_over;
	insert into app.change_log (workspace_id, seq, entity, action, entity_id, origin, data, bytes)
		values (p_out.workspace_id, p_out.seq, p_entity, p_action, p_entity_id, (p_request).origin, p_data, v_bytes);
	if (p_request).client is not null then
		insert into app.seen_request (workspace_id, client, request, payload, sha256, seq, echoes, answer)
			values (p_out.workspace_id, (p_request).client, substr((p_request).id, 1, 32), (p_request).payload,
				nullif(substr((p_request).id, 33), ''), p_out.seq, p_echoes, p_added);
	end if;
	if v_over then
		perform app.log_trim(p_out.workspace_id);
	end if;
	return p_out;
end
$$;
comment on function app.change_end(api.outcome, text, text, text, json, api.request, boolean, json) is 'Last step of a mutation: gives it its number, logs it for the listeners, remembers the request. p_echoes: the answer is p_data, else {"success":true}. p_added: the members of p_data that the client didn''t send, for when the log doesn''t reach back any more.';

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
