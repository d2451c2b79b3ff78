-- Sandboxes as REST and the bridge use them: made, kept alive, deleted; jobs given to them, their messages read.
-- Who changes a sandbox first takes the lock of its row in app.sandbox_session.

create or replace function app.log_id(p_request text) returns text language sql immutable set search_path = app, pg_catalog, pg_temp as $$
	select case when p_request ~ '^[0-9A-Za-z_.-]{1,128}$' then p_request end;
$$;
comment on function app.log_id(text) is 'An id of a request, if it looks like one that log lines may hold; null: it doesn''t. A request isn''t refused for its id.';

create or replace function app.stream_drop(p_id uuid, p_up_to bigint) returns bigint language plpgsql set search_path = app, pg_temp as $$
declare
	v_n     bigint;
	v_bytes bigint;
begin
	-- The length of a text is known without reading it.
	with gone as (delete from app.sandbox_message m where m.session_id = p_id and m.seq <= p_up_to returning octet_length(m.body) as bytes)
	select count(*), coalesce(sum(g.bytes), 0) into v_n, v_bytes from gone g;
	update app.sandbox_session s set floor = greatest(s.floor, p_up_to), stream_bytes = greatest(s.stream_bytes - v_bytes, 0) where s.id = p_id;
	return v_n;
end
$$;
comment on function app.stream_drop(uuid, bigint) is 'Drops a sandbox''s messages up to this number, moving floor up, and counts them. The caller has the lock of its row.';

create or replace function app.stream_trim(p_workspace bigint) returns void language plpgsql set search_path = app, pg_temp as $$
declare
	v_limit  bigint;
	v_total  bigint;
	v_n      bigint;
	v_stream record;
	v_cut    bigint;
begin
	select l.stream_bytes into v_limit from app.log_limit l;
	for i in 1..8 loop
		select sum(s.stream_bytes), count(*) into v_total, v_n from app.sandbox_session s where s.workspace_id = p_workspace and s.gone_at is null;
		exit when v_total <= v_limit;
		-- One that has more than its share. Nobody is waited for, so that nobody deadlocks.
		select s.id, s.seq into v_stream from app.sandbox_session s
			where s.workspace_id = p_workspace and s.gone_at is null and s.stream_bytes > 0 and s.stream_bytes >= v_total / v_n
			order by s.stream_bytes desc limit 1 for no key update skip locked;
		exit when not found;
		select max(x.seq) into v_cut from (
			select m.seq, sum(octet_length(m.body)) over (order by m.seq rows between unbounded preceding and 1 preceding) as before
			from (select y.seq, y.body from app.sandbox_message y where y.session_id = v_stream.id and y.seq < v_stream.seq order by y.seq limit 5000) m
		) x where coalesce(x.before, 0) < v_total - v_limit / 4 * 3;
		exit when v_cut is null;
		perform app.stream_drop(v_stream.id, v_cut);
	end loop;
end
$$;
comment on function app.stream_trim(bigint) is 'Drops the oldest messages of those of a workspace''s sandboxes that have the most, until all have three quarters of the bytes that they may have. Each keeps its latest one.';

create or replace function app.stream_add(p_id uuid, p_seq bigint, p_bytes bigint) returns void language plpgsql set search_path = app, pg_temp as $$
declare
	v_workspace bigint;
	v_bytes     bigint;
begin
	update app.sandbox_session s set seq = p_seq, stream_bytes = s.stream_bytes + p_bytes where s.id = p_id
		returning s.workspace_id, s.stream_bytes into v_workspace, v_bytes;
	-- All of a workspace are added up once a megabyte.
	if v_bytes >> 20 <> (v_bytes - p_bytes) >> 20 then
		perform app.stream_trim(v_workspace);
	end if;
end
$$;
comment on function app.stream_add(uuid, bigint, bigint) is 'A sandbox has messages of p_bytes more, the last of which has number p_seq. The caller has the lock of its row.';

create or replace function app.sandbox_say(p_id uuid, p_targets text[], p_bodies text[]) returns void language plpgsql
set search_path = app, pg_catalog, pg_temp as $$
declare
	v_n   bigint := cardinality(p_bodies);
	v_seq bigint;
begin
	select s.seq + v_n into v_seq from app.sandbox_session s where s.id = p_id for no key update;
	insert into app.sandbox_message (session_id, seq, target, body)
		select p_id, v_seq - v_n + u.n, u.target, u.body from unnest(p_targets, p_bodies) with ordinality u (target, body, n);
	perform app.stream_add(p_id, v_seq, (select sum(octet_length(b)) from unnest(p_bodies) b));
	perform pg_notify('craft_streams', p_id || ':' || v_seq);
end
$$;
comment on function app.sandbox_say(uuid, text[], text[]) is 'Appends messages to a sandbox that no host says anything for, and tells the bridges when this transaction commits.';

create or replace function app.sandbox_refusal(p_job app.sandbox_job, p_message text) returns text language sql immutable
set search_path = app, pg_temp as $$
	-- By hand: no SQL function may look into an id that has a \u0000.
	select case p_job.kind
		when 'tool' then '{"type":"tool_result","id":' || coalesce(p_job.tool_id, 'null') || ',"success":false,"error":' || to_json(p_message) || '}'
		when 'cancel' then null
		else '{"type":"error","message":' || to_json(p_message) || '}'
	end;
$$;
comment on function app.sandbox_refusal(app.sandbox_job, text) is 'What the client of a job that will never run is told; null: nothing.';

create or replace function app.sandbox_refuse_jobs(p_id uuid, p_outcome text, p_message text, p_last text) returns void language plpgsql
set search_path = app, pg_temp as $$
declare
	v_targets text[];
	v_bodies  text[];
begin
	with mine as (
		-- One that is being taken is the host's.
		select j.id from app.sandbox_job j where j.session_id = p_id and j.ended_at is null for update skip locked
	), over as (
		update app.sandbox_job j set ended_at = clock_timestamp(), outcome = p_outcome, payload = null
		from mine m where j.id = m.id
		returning j.id, case when j.kind <> 'execute' or j.taken_at is null then j.client end as target, app.sandbox_refusal(j, p_message) as body
	)
	select array_agg(o.target order by o.id), array_agg(o.body order by o.id) into v_targets, v_bodies from over o where o.body is not null;
	if p_last is not null then
		v_targets := v_targets || null::text;
		v_bodies := v_bodies || p_last;
	end if;
	if v_bodies is not null then
		perform app.sandbox_say(p_id, v_targets, v_bodies);
	end if;
end
$$;
comment on function app.sandbox_refuse_jobs(uuid, text, text, text) is 'Ends the jobs of a sandbox that are open and tells their clients; then says p_last (null: nothing) to all. Only where no host says anything any more.';

create or replace function app.sandbox_expired(p_error text) returns text language sql immutable set search_path = app, pg_temp as $$
	select '{"type":"status","status":"expired"' || coalesce(',"message":' || to_json(p_error), '') || '}';
$$;
comment on function app.sandbox_expired(text) is 'What the clients of a sandbox that ended are told; p_error: why, or null.';

create or replace function app.sandbox_finish(p_id uuid, p_reason text, p_error text) returns boolean language plpgsql
set search_path = app, pg_temp as $$
declare
	v_now     timestamptz := clock_timestamp();
	v_session app.sandbox_session;
begin
	select s.* into v_session from app.sandbox_session s where s.id = p_id and s.ended_at is null for update;
	if not found then
		return false;
	end if;
	update app.sandbox_session s set status = 'expired', ended_at = v_now, end_reason = p_reason, error = coalesce(p_error, s.error),
		expires_at = least(s.expires_at, v_now), cleaned_at = case when s.host_id is null then v_now end
		where s.id = p_id;
	-- Else its host tells the clients, and api.sandbox_cleaned() those of whom it doesn't know.
	if v_session.host_id is null or p_reason = 'host' then
		perform app.sandbox_refuse_jobs(p_id, case p_reason when 'host' then 'host' else 'expired' end,
			coalesce(p_error, 'The sandbox has ended'), app.sandbox_expired(p_error));
	end if;
	return true;
end
$$;
comment on function app.sandbox_finish(uuid, text, text) is
'Ends a sandbox, unless it has ended: false. Where no host has claimed it or the host is gone, ends its jobs too, tells their clients, and says that the sandbox expired. Else its host does that, which counts the messages; jobs that it hasn''t taken are ended when it has cleaned.';

create or replace function app.sandbox_find(p_workspace text, p_session text) returns app.sandbox_session language plpgsql stable
set search_path = app, pg_temp as $$
declare
	v_session app.sandbox_session;
begin
	select s.* into v_session from app.sandbox_session s join app.workspace w on w.id = s.workspace_id
		where w.slug = p_workspace and s.id = app.to_uuid(p_session) and s.gone_at is null;
	return v_session;
end
$$;
comment on function app.sandbox_find(text, text) is 'A sandbox of a workspace; all null when there is none.';

create or replace function app.sandbox_renew(p_workspace text, p_session text, p_idle_seconds bigint, out status text, out id uuid, out host uuid)
returns record language plpgsql volatile set search_path = app, pg_temp as $$
declare
	v_now timestamptz := clock_timestamp();
begin
	update app.sandbox_session s set last_activity_at = v_now, expires_at = v_now + make_interval(secs => p_idle_seconds), idle_seconds = p_idle_seconds
		from app.workspace w
		where w.id = s.workspace_id and w.slug = p_workspace and s.id = app.to_uuid(p_session) and s.ended_at is null
		returning 'ok', s.id, s.host_id into status, id, host;
	if not found then
		status := case when (app.sandbox_find(p_workspace, p_session)).id is null then 'unknown' else 'expired' end;
	end if;
end
$$;
comment on function app.sandbox_renew(text, text, bigint) is 'Something happened: the sandbox lives for p_idle_seconds from now. Takes the lock of its row. Status ok, unknown or expired.';

-- REST.

create or replace function api.sandbox_create(p_workspace text, p_repo_key text, p_branch text, p_idle_seconds bigint, p_workspace_max integer,
	p_request text default null, out status text, out session text, out in_use integer)
returns record language plpgsql volatile security definer set search_path = app, pg_catalog, pg_temp as $$
declare
	v_now       timestamptz;
	v_workspace bigint;
	v_capacity  bigint;
	v_id        uuid := gen_random_uuid();
begin
	-- Two who make sandboxes at once must not both find the last place.
	perform pg_advisory_xact_lock(hashtext('craft-agent-cloud'), hashtext('sandbox_create'));
	v_now := clock_timestamp();
	select p.workspace_id into v_workspace from app.project p join app.workspace w on w.id = p.workspace_id
		where w.slug = p_workspace and p.repo_id = app.repo_id(p_repo_key);
	if not found then
		raise exception 'the workspace has no such project' using errcode = '22023';
	end if;
	select sum(h.capacity) into v_capacity from app.sandbox_host h where h.stopped_at is null and h.seen_at > v_now - interval '30 s';
	select count(*) into in_use from app.sandbox_session s where s.workspace_id = v_workspace and s.ended_at is null;
	if v_capacity is null then
		status := 'no_host';
	elsif in_use >= p_workspace_max then
		status := 'workspace_full';
	else
		status := 'ok';
		in_use := in_use + 1;
		if v_capacity <= (select count(*) from app.sandbox_session s left join app.sandbox_host h on h.id = s.host_id
			where s.ended_at is null and (h.id is null or h.stopped_at is null and h.seen_at > v_now - interval '30 s')) then
			status := 'host_full';
			in_use := v_capacity;
		end if;
	end if;
	if status = 'ok' then
		insert into app.sandbox_session (id, workspace_id, repo_key, sandbox_id, branch, status, created_at, last_activity_at, expires_at, idle_seconds, request_id)
			values (v_id, v_workspace, p_repo_key, left(v_id::text, 8), p_branch, 'provisioning', v_now, v_now,
				v_now + make_interval(secs => p_idle_seconds), p_idle_seconds, app.log_id(p_request));
		session := v_id;
		perform pg_notify('craft_sandbox', '*');
	end if;
end
$$;
comment on function api.sandbox_create(text, text, text, bigint, integer, text) is
'Makes a sandbox of a project''s branch, which a host claims soon after (NOTIFY craft_sandbox: *). Status ok, session being its id; or nothing is made: no_host (none has been seen for 30 s), workspace_full (the workspace has p_workspace_max), host_full (all living hosts are). in_use is the number of the workspace''s sandboxes, with host_full that of all. p_request: the request''s id, for the logs; null: none.';

create or replace function api.sandbox_touch(p_workspace text, p_session text, p_idle_seconds bigint) returns text
language plpgsql volatile security definer set search_path = app, pg_temp as $$
begin
	return (app.sandbox_renew(p_workspace, p_session, p_idle_seconds)).status;
end
$$;
comment on function api.sandbox_touch(text, text, bigint) is 'A heartbeat: the sandbox lives for p_idle_seconds from now. ok, unknown or expired.';

create or replace function api.sandbox_delete(p_workspace text, p_session text) returns text
language plpgsql volatile security definer set search_path = app, pg_catalog, pg_temp as $$
declare
	v_id   uuid := (app.sandbox_find(p_workspace, p_session)).id;
	v_host uuid;
begin
	if v_id is null then
		return 'unknown';
	end if;
	if app.sandbox_finish(v_id, 'user', null) then
		select s.host_id into v_host from app.sandbox_session s where s.id = v_id;
		perform pg_notify('craft_sandbox', v_host::text) where v_host is not null;
	end if;
	return 'ok';
end
$$;
comment on function api.sandbox_delete(text, text) is 'Ends a sandbox; its host, which is told (NOTIFY craft_sandbox), stops all that runs in it and removes its files. ok (also when it has ended already) or unknown.';

-- The bridge.

create or replace function api.sandbox_open(p_workspace text, p_session text, out status text, out head bigint, out floor bigint, out state text)
returns record language plpgsql stable security definer set search_path = app, pg_temp as $$
declare
	v_session app.sandbox_session := app.sandbox_find(p_workspace, p_session);
begin
	status := case when v_session.id is null then 'unknown' when v_session.ended_at is not null then 'expired' else 'ok' end;
	head := v_session.seq;
	floor := v_session.floor;
	state := v_session.status;
end
$$;
comment on function api.sandbox_open(text, text) is 'May a client connect? ok, unknown or expired; with the number of the latest message, that up to which they were pruned, and the sandbox''s status.';

create or replace function api.sandbox_messages(p_session text, p_since bigint, p_limit integer, p_bytes integer default 8388608)
returns table (head bigint, floor bigint, seq bigint, target text, body text)
language plpgsql stable security definer set search_path = app, pg_temp as $$
#variable_conflict use_column
begin
	return query select s.seq, s.floor, c.seq, c.target, c.body
	from (select) one
	left join app.sandbox_session s on s.id = app.to_uuid(p_session) and s.gone_at is null
	left join lateral (
		select p.* from (
			-- The size as sent: a text's length is known without reading it, and what is stored may be far smaller.
			select m.*, sum(octet_length(m.body)) over (order by m.seq) - octet_length(m.body) as before
			from (select * from app.sandbox_message m where m.session_id = s.id and m.seq > p_since order by m.seq limit p_limit) m
		) p where p.before < p_bytes
	) c on true
	order by c.seq;
end
$$;
comment on function api.sandbox_messages(text, bigint, integer, integer) is
'A page of a sandbox''s messages after p_since, in order: at most p_limit rows, and p_bytes or a little more (one row may be bigger). Every row also carries head and floor of the same snapshot; seq below head in the last one: ask for the next page. At least one row; its seq is null when nothing follows, its head when the sandbox is unknown.';

create or replace function app.sandbox_held(p_session uuid, p_workspace bigint) returns bigint language sql stable set search_path = app, pg_temp as $$
	select coalesce(sum(octet_length(j.payload)), 0)::bigint from app.sandbox_job j
	where j.ended_at is null and j.payload is not null and (p_session is null or j.session_id = p_session)
		and (p_workspace is null or j.session_id in (select s.id from app.sandbox_session s where s.workspace_id = p_workspace and s.ended_at is null));
$$;
comment on function app.sandbox_held(uuid, bigint) is 'Bytes of the requests that hosts haven''t read yet: of one sandbox, of one workspace, or of all (both null).';

create or replace function app.sandbox_has_room(p_session uuid, p_bytes bigint, p_max bigint, p_all bigint) returns text language plpgsql stable
set search_path = app, pg_temp as $$
begin
	-- Beyond that many (64 KiB) it would be a hundred small ones.
	if p_bytes <= 65536 then
		return 'ok';
	elsif app.sandbox_held(p_session, null) + p_bytes > p_max then
		return 'sandbox_bytes';
	-- Nobody may have all of what is there for all.
	elsif app.sandbox_held(null, (select s.workspace_id from app.sandbox_session s where s.id = p_session)) + p_bytes > greatest(p_max, p_all / 2) then
		return 'workspace_bytes';
	elsif app.sandbox_held(null, null) + p_bytes > p_all then
		return 'all_bytes';
	end if;
	return 'ok';
end
$$;
comment on function app.sandbox_has_room(uuid, bigint, bigint, bigint) is 'May a sandbox''s request of so many bytes wait? ok; sandbox_bytes: those of the sandbox would be more than p_max; workspace_bytes: those of its workspace more than half of p_all (or p_max, if that is more); all_bytes: all together more than p_all.';

create or replace function api.sandbox_submit(p_workspace text, p_session text, p_client text, p_kind text, p_tool_id text, p_name text,
	p_payload text, p_idle_seconds bigint, p_key text default null, p_request text default null, p_max bigint default 134217728,
	p_all bigint default 536870912, out status text, out host text)
returns record language plpgsql volatile security definer set search_path = app, pg_temp as $$
declare
	v_renewed record := app.sandbox_renew(p_workspace, p_session, p_idle_seconds);
	v_open    bigint;
	v_room    text;
begin
	status := v_renewed.status;
	if status <> 'ok' then
		return;
	end if;
	select count(*) into v_open from app.sandbox_job j where j.session_id = v_renewed.id and j.ended_at is null;
	v_room := app.sandbox_has_room(v_renewed.id, coalesce(octet_length(p_payload), 0), p_max, p_all);
	if p_kind = 'execute' and exists (select from app.sandbox_job j where j.session_id = v_renewed.id and j.kind = 'execute' and j.ended_at is null) then
		status := 'busy';
	-- Who has too much under way must still be able to cancel it.
	elsif v_open >= (case p_kind when 'cancel' then 200 else 100 end) then
		status := 'too_many';
	elsif v_room <> 'ok' then
		status := v_room;
	else
		insert into app.sandbox_job (session_id, client, kind, tool_id, name, payload, bytes_in, key_id, request_id)
			values (v_renewed.id, p_client, p_kind, p_tool_id, p_name, p_payload, coalesce(octet_length(p_payload), 0), p_key, app.log_id(p_request));
		host := v_renewed.host;
	end if;
end
$$;
comment on function api.sandbox_submit(text, text, text, text, text, text, text, bigint, text, text, bigint, bigint) is
'Gives a sandbox a job: ok, with its host (null: not claimed yet), for which api.sandbox_announce() is called then. Or there is no new job: unknown, expired, busy (an execute while one is under way), too_many (100 are under way), or what app.sandbox_has_room() says of its bytes, p_max and p_all. Counts as a heartbeat. p_key: the id of the workspace''s key that the client came with; null: API_KEY. p_request: the id of the request by which the client connected, for the logs; null: none.';

create or replace function api.sandbox_announce(p_host text) returns void language plpgsql volatile security definer set search_path = app, pg_catalog, pg_temp as $$
begin
	perform set_config('synchronous_commit', 'off', true);
	perform pg_notify('craft_sandbox', coalesce(p_host, '*'));
end
$$;
comment on function api.sandbox_announce(text) is 'Tells a host (null: all) that there is work: NOTIFY craft_sandbox. Call it after the job''s COMMIT, in a transaction of its own. Only a hint.';

create or replace function api.sandbox_heads(p_sessions text[])
returns table (session text, seq bigint) language plpgsql stable security definer set search_path = app, pg_temp as $$
#variable_conflict use_column
begin
	return query select s.id::text, s.seq from app.sandbox_session s where s.id = any (p_sessions::uuid[]) and s.gone_at is null;
end
$$;
comment on function api.sandbox_heads(text[]) is 'Number of the latest message of each of these sandboxes; those that are unknown or gone are left out.';
