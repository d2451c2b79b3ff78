-- Sandboxes as craft-sandboxd uses them. A host changes only what is its own.

create or replace function api.host_begin(p_host uuid, p_name text, p_version text, p_capacity integer, p_protection text)
returns void language plpgsql volatile security definer set search_path = app, pg_temp as $$
declare
	v_now timestamptz := clock_timestamp();
begin
	insert into app.sandbox_host as h (id, name, version, capacity, protection, started_at, seen_at)
		values (p_host, p_name, p_version, p_capacity, p_protection, v_now, v_now)
	on conflict (id) do update set name = excluded.name, version = excluded.version, capacity = excluded.capacity,
		protection = excluded.protection, started_at = excluded.started_at, seen_at = excluded.seen_at, stopped_at = null;
end
$$;
comment on function api.host_begin(uuid, text, text, integer, text) is 'A host was started, and runs up to p_capacity sandboxes under these protections.';

create or replace function api.host_beat(p_host uuid, p_busy text[], p_idle_seconds bigint)
returns boolean language plpgsql volatile security definer set search_path = app, pg_temp as $$
declare
	v_now timestamptz := clock_timestamp();
begin
	update app.sandbox_host h set seen_at = v_now where h.id = p_host;
	if not found then
		return false;
	end if;
	with busy as (
		-- Not at every beat, but long before it would expire.
		select s.id from app.sandbox_session s
		where s.id = any (p_busy::uuid[]) and s.host_id = p_host and s.ended_at is null
			and s.expires_at < v_now + make_interval(secs => p_idle_seconds * 0.9)
		order by s.id for no key update
	)
	update app.sandbox_session s set last_activity_at = v_now, expires_at = v_now + make_interval(secs => p_idle_seconds), idle_seconds = p_idle_seconds
		from busy b where s.id = b.id and s.ended_at is null;
	return true;
end
$$;
comment on function api.host_beat(uuid, text[], bigint) is
'The host lives, and these sandboxes work: they live for p_idle_seconds from now. Called every few seconds: a host that is silent for 30 s gets no new sandboxes, one silent for 120 s loses those that it has. False: the host is unknown.';

create or replace function api.host_end(p_host uuid) returns void language plpgsql volatile security definer set search_path = app, pg_temp as $$
begin
	update app.sandbox_host h set stopped_at = clock_timestamp() where h.id = p_host;
end
$$;
comment on function api.host_end(uuid) is 'The host stops in good order.';

create or replace function api.host_claim(p_host uuid, p_limit integer)
returns table (session text, workspace text, repo_key text, branch text, seq bigint, request text)
language plpgsql volatile security definer set search_path = app, pg_temp as $$
#variable_conflict use_column
declare
	v_now  timestamptz := clock_timestamp();
	v_room bigint;
begin
	select h.capacity - (select count(*) from app.sandbox_session s where s.host_id = p_host and s.cleaned_at is null) into v_room
		from app.sandbox_host h where h.id = p_host and h.stopped_at is null;
	if not found then
		return;
	end if;
	return query
	with wanted as (
		select s.id from app.sandbox_session s
		where s.host_id is null and s.ended_at is null and s.status = 'provisioning' and s.expires_at > v_now
		order by s.created_at limit greatest(least(v_room, p_limit), 0) for update skip locked
	), claimed as (
		update app.sandbox_session s set host_id = p_host, claimed_at = v_now, status = 'cloning' from wanted t where s.id = t.id
		returning s.*
	)
	select c.id::text, w.slug, c.repo_key, c.branch, c.seq, c.request_id from claimed c join app.workspace w on w.id = c.workspace_id
	order by c.created_at;
end
$$;
comment on function api.host_claim(uuid, integer) is 'Gives the host sandboxes that no host has, the oldest first, at most p_limit and as many as it has room for. They are cloning then. None to a host that hasn''t begun or was stopped. request: the id of the request that asked for it, for the logs.';

create or replace function api.host_sandboxes(p_host uuid)
returns table (session text, workspace text, repo_key text, branch text, seq bigint, status text, request text)
language plpgsql stable security definer set search_path = app, pg_temp as $$
#variable_conflict use_column
begin
	return query select s.id::text, w.slug, s.repo_key, s.branch, s.seq, s.status, s.request_id
	from app.sandbox_session s join app.workspace w on w.id = s.workspace_id
	where s.host_id = p_host and s.cleaned_at is null
	order by s.created_at;
end
$$;
comment on function api.host_sandboxes(uuid) is 'The host''s sandboxes of which it hasn''t said yet that all is removed, ended ones too (status expired): what a host that starts adopts or ends. request as in api.host_claim().';

create or replace function api.sandbox_state(p_host uuid, p_session text, p_status text, p_error text, p_commit text)
returns boolean language plpgsql volatile security definer set search_path = app, pg_temp as $$
declare
	v_now timestamptz := clock_timestamp();
begin
	if p_status is null or p_status not in ('cloning', 'ready', 'idle') then
		raise exception 'status must be cloning, ready or idle' using errcode = '22023';
	end if;
	update app.sandbox_session s set status = p_status, error = p_error, commit_id = coalesce(p_commit, s.commit_id),
		ready_at = case when p_status = 'ready' then coalesce(s.ready_at, v_now) else s.ready_at end,
		-- Who waited for the clone has all the time from now on.
		expires_at = case when p_status = 'ready' and s.ready_at is null
			then greatest(s.expires_at, v_now + make_interval(secs => s.idle_seconds)) else s.expires_at end
		where s.id = app.to_uuid(p_session) and s.host_id = p_host and s.ended_at is null;
	return found;
end
$$;
comment on function api.sandbox_state(uuid, text, text, text, text) is 'A sandbox is cloning, ready or idle now; p_commit (null: as before) is what is checked out. False: it isn''t this host''s or has ended.';

create or replace function api.sandbox_end(p_host uuid, p_session text, p_reason text, p_error text)
returns boolean language plpgsql volatile security definer set search_path = app, pg_temp as $$
declare
	v_id uuid;
begin
	select s.id into v_id from app.sandbox_session s where s.id = app.to_uuid(p_session) and s.host_id = p_host;
	return found and app.sandbox_finish(v_id, p_reason, p_error);
end
$$;
comment on function api.sandbox_end(uuid, text, text, text) is 'Ends a sandbox of the host: user, idle, time, oom, disk, crash, clone or host; p_error is what went wrong, in words (null: nothing). Jobs that the host took stay open until it ends them. False: it isn''t this host''s or has ended.';

create or replace function api.sandbox_ending(p_host uuid)
returns table (session text, reason text) language plpgsql volatile security definer set search_path = app, pg_temp as $$
#variable_conflict use_column
begin
	perform app.sandbox_finish(x.id, 'idle', null) from (
		select s.id from app.sandbox_session s
		where s.host_id = p_host and s.cleaned_at is null and s.ended_at is null
			-- At its last beat the host said which of them work: while the database was away it couldn't.
			and s.expires_at <= (select h.seen_at from app.sandbox_host h where h.id = p_host)
		order by s.id for update skip locked) x;
	return query select s.id::text, s.end_reason from app.sandbox_session s
		where s.host_id = p_host and s.cleaned_at is null and s.ended_at is not null order by s.ended_at;
end
$$;
comment on function api.sandbox_ending(uuid) is 'Ends those of the host''s sandboxes whose time was over at its last beat, and returns all that ended and aren''t cleaned yet: the host stops what runs in them, removes their files and calls api.sandbox_cleaned().';

create or replace function api.sandbox_cleaned(p_host uuid, p_session text)
returns boolean language plpgsql volatile security definer set search_path = app, pg_temp as $$
declare
	v_session app.sandbox_session;
	v_told    boolean;
begin
	select s.* into v_session from app.sandbox_session s where s.id = app.to_uuid(p_session) and s.host_id = p_host and s.ended_at is not null for no key update;
	if not found then
		return false;
	elsif v_session.cleaned_at is not null then
		return true;
	end if;
	update app.sandbox_session s set cleaned_at = clock_timestamp() where s.id = v_session.id;
	-- A host that was killed didn't come to say it.
	select bool_or(x.body like '{"type":"status","status":"expired"%') into v_told
		from (select m.body from app.sandbox_message m where m.session_id = v_session.id order by m.seq desc limit 50) x;
	perform app.sandbox_refuse_jobs(v_session.id, 'expired', coalesce(v_session.error, 'The sandbox has ended'),
		case when v_told then null else app.sandbox_expired(v_session.error) end);
	return true;
end
$$;
comment on function api.sandbox_cleaned(uuid, text) is 'Of a sandbox that ended nothing is left on the host, which has said all that it had to say. Ends the jobs that are still open and tells their clients, and says that the sandbox expired if the host hasn''t. False: it isn''t this host''s or hasn''t ended.';

create or replace function api.host_jobs(p_host uuid, p_limit integer, p_again boolean default false, p_bytes bigint default null)
returns table (job bigint, session text, client text, kind text, tool_id text, name text, payload text, sealed_key text, request text)
language plpgsql volatile security definer set search_path = app, pg_temp as $$
#variable_conflict use_column
begin
	return query
	with waiting as (
		-- A sandbox's jobs keep their order; among sandboxes the one with the fewest bytes, its own sandbox's before it too, is first.
		select j.id, coalesce(octet_length(j.payload), 0) as size, sum(coalesce(octet_length(j.payload), 0)) over (partition by j.session_id order by j.id) as own
		from app.sandbox_job j join app.sandbox_session s on s.id = j.session_id
		where s.host_id = p_host and s.cleaned_at is null and s.ended_at is null and j.ended_at is null and (p_again or j.taken_at is null)
	), ranked as (
		select w.id, sum(w.size) over (order by w.own, w.id) - w.size as before from waiting w order by w.own, w.id
	), wanted as (
		select j.id from app.sandbox_job j join ranked r on r.id = j.id
		where (p_bytes is null or r.before < p_bytes) and j.ended_at is null and (p_again or j.taken_at is null)
		order by case when p_bytes is not null then r.before end, j.id limit p_limit for update of j skip locked
	), taken as (
		update app.sandbox_job j set taken_at = coalesce(j.taken_at, clock_timestamp()) from wanted t where j.id = t.id
		returning j.*
	)
	select t.id, t.session_id::text, t.client, t.kind, t.tool_id, t.name, t.payload, k.sealed, t.request_id
	from taken t left join app.api_key k on k.id = t.key_id and app.key_lives(k) order by t.id;
end
$$;
comment on function api.host_jobs(uuid, integer, boolean, bigint) is 'Takes the jobs that wait for sandboxes of the host, at most p_limit; without p_bytes the oldest first. With it about so many bytes, unless one alone is bigger: a sandbox''s in their order, and first of all those that with what is before them in their own sandbox have the fewest bytes. Each is taken once; p_again: returns also those that were taken before and are under way, for a host that may have missed an answer. Last the sealed key that the client came with, where it isn''t API_KEY, and the id of the request by which it connected, for the logs.';

create or replace function api.host_jobs_known(p_host uuid, p_known bigint[]) returns bigint
language plpgsql volatile security definer set search_path = app, pg_temp as $$
declare
	v_count bigint;
begin
	update app.sandbox_job j set taken_at = null
		from app.sandbox_session s
		where s.id = j.session_id and s.host_id = p_host and s.cleaned_at is null and s.ended_at is null
			and j.ended_at is null and j.taken_at is not null and j.id <> all (p_known);
	get diagnostics v_count = row_count;
	return v_count;
end
$$;
comment on function api.host_jobs_known(uuid, bigint[]) is 'For a host that may have missed an answer of api.host_jobs(): of the jobs that it took and that are still open, those that it doesn''t know are to be taken again, as any others. How many they are.';

create or replace function api.host_job_read(p_host uuid, p_job bigint) returns boolean language plpgsql volatile security definer set search_path = app, pg_temp as $$
begin
	update app.sandbox_job j set payload = null from app.sandbox_session s
		where j.id = p_job and s.id = j.session_id and s.host_id = p_host and j.taken_at is not null and j.payload is not null;
	return found;
end
$$;
comment on function api.host_job_read(uuid, bigint) is 'The host has done with a job''s message, which isn''t kept any longer: it counts for no limit from now on.';
comment on column app.sandbox_job.payload is 'What is needed of the client''s message, until its host has read it.';

create or replace function api.sandbox_jobs_lost(p_host uuid)
returns table (job bigint, session text, client text, kind text, tool_id text)
language plpgsql volatile security definer set search_path = app, pg_temp as $$
#variable_conflict use_column
begin
	perform from app.sandbox_session s where s.host_id = p_host and s.cleaned_at is null order by s.id for no key update;
	return query
	with lost as (
		update app.sandbox_job j set ended_at = clock_timestamp(), outcome = 'host', payload = null
		from app.sandbox_session s
		where s.id = j.session_id and s.host_id = p_host and s.cleaned_at is null and j.taken_at is not null and j.ended_at is null
		returning j.*
	)
	select t.id, t.session_id::text, t.client, t.kind, t.tool_id from lost t order by t.id;
end
$$;
comment on function api.sandbox_jobs_lost(uuid) is 'Called by a host that starts: ends the jobs that it had taken before, and returns them, so that their clients can be told.';

create or replace function api.sandbox_job_end(p_job bigint, p_outcome text, p_exit integer, p_bytes_out bigint)
returns boolean language plpgsql volatile security definer set search_path = app, pg_temp as $$
declare
	v_now     timestamptz := clock_timestamp();
	v_session uuid;
begin
	select j.session_id into v_session from app.sandbox_job j where j.id = p_job and j.ended_at is null;
	perform from app.sandbox_session s where s.id = v_session for no key update;
	update app.sandbox_job j set ended_at = v_now, outcome = p_outcome, exit_code = p_exit, bytes_out = p_bytes_out, payload = null
		where j.id = p_job and j.ended_at is null;
	if not found then
		return false;
	end if;
	update app.sandbox_session s set last_activity_at = v_now, expires_at = greatest(s.expires_at, v_now + make_interval(secs => s.idle_seconds))
		where s.id = v_session and s.ended_at is null;
	return true;
end
$$;
comment on function api.sandbox_job_end(bigint, text, integer, bigint) is 'A job is over: success, failure, error, cancelled, timeout, oom, host or expired. Its sandbox lives on for as long as after a heartbeat. False: it was over already.';

create or replace function api.sandbox_append(p_host uuid, p_session text, p_after bigint, p_targets text[], p_bodies text[])
returns bigint language plpgsql volatile security definer set search_path = app, pg_temp as $$
declare
	v_id    uuid := app.to_uuid(p_session);
	v_seq   bigint;
	v_known bigint;
begin
	select s.seq into v_seq from app.sandbox_session s where s.id = v_id and s.host_id = p_host and s.cleaned_at is null for no key update;
	v_known := v_seq - p_after;
	if v_known is null or v_known < 0 then
		return null;
	end if;
	if v_known >= cardinality(p_bodies) then
		return v_seq;
	end if;
	v_seq := p_after + cardinality(p_bodies);
	insert into app.sandbox_message (session_id, seq, target, body)
		select v_id, p_after + u.n, nullif(u.target, ''), u.body from unnest(p_targets, p_bodies) with ordinality u (target, body, n) where u.n > v_known;
	perform app.stream_add(v_id, v_seq, (select sum(octet_length(u.body)) from unnest(p_bodies) with ordinality u (body, n) where u.n > v_known));
	return v_seq;
end
$$;
comment on function api.sandbox_append(uuid, text, bigint, text[], text[]) is
'Appends messages (JSON objects) to a sandbox of the host, ended or not, each for the one client that its target names, or with an empty target for all; returns the number of the latest one. p_after is the number of the latest one that the caller knows: of messages beyond it as many are taken for stored by an earlier try as there are, so that it may be asked again. Where the workspace''s sandboxes have more bytes then than they may have, the oldest are dropped. Null, and nothing is stored: it isn''t this host''s, is cleaned, or has fewer messages than the caller knows. Then api.stream_announce() is called.';

create or replace function api.stream_announce(p_pairs text) returns void language plpgsql volatile security definer set search_path = app, pg_catalog, pg_temp as $$
begin
	perform set_config('synchronous_commit', 'off', true);
	perform pg_notify('craft_streams', string_agg(x.pair, ',' order by x.n))
	from string_to_table(p_pairs, ',') with ordinality x (pair, n) where x.pair <> '' group by x.n / 130;
end
$$;
comment on function api.stream_announce(text) is
'Tells the bridges at once that sandboxes said something: NOTIFY craft_streams with session:seq pairs separated by commas. Call it after the messages'' COMMIT, in a transaction of its own. Only a hint.';

-- What hosts of 0.1 call; to go when none of them can be left.

create or replace function api.sandbox_claim(p_host uuid, p_limit integer)
returns table (session text, workspace text, repo_key text, branch text, seq bigint)
language plpgsql volatile security definer set search_path = app, pg_temp as $$
#variable_conflict use_column
begin
	return query select c.session, c.workspace, c.repo_key, c.branch, c.seq from api.host_claim(p_host, p_limit) c;
end
$$;
comment on function api.sandbox_claim(uuid, integer) is 'As api.host_claim(), for hosts of an older version.';

create or replace function api.sandbox_mine(p_host uuid)
returns table (session text, workspace text, repo_key text, branch text, seq bigint, status text)
language plpgsql stable security definer set search_path = app, pg_temp as $$
#variable_conflict use_column
begin
	return query select m.session, m.workspace, m.repo_key, m.branch, m.seq, m.status from api.host_sandboxes(p_host) m;
end
$$;
comment on function api.sandbox_mine(uuid) is 'As api.host_sandboxes(), for hosts of an older version.';

create or replace function api.sandbox_jobs(p_host uuid, p_limit integer, p_again boolean default false)
returns table (job bigint, session text, client text, kind text, tool_id text, name text, payload text, sealed_key text)
language plpgsql volatile security definer set search_path = app, pg_temp as $$
#variable_conflict use_column
begin
	return query select j.job, j.session, j.client, j.kind, j.tool_id, j.name, j.payload, j.sealed_key from api.host_jobs(p_host, p_limit, p_again) j;
end
$$;
comment on function api.sandbox_jobs(uuid, integer, boolean) is 'As api.host_jobs(), for hosts of an older version.';
