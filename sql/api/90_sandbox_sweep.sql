-- Housekeeping of sandboxes: those whose host is gone, messages and rows whose time is over.

create or replace function app.sandbox_lost(p_limit integer) returns bigint language plpgsql volatile set search_path = app, pg_temp as $$
declare
	v_lost bigint;
begin
	select count(*) filter (where app.sandbox_finish(x.id, 'host', 'The sandbox host is gone')) into v_lost from (
		select s.id from app.sandbox_session s join app.sandbox_host h on h.id = s.host_id
		where s.ended_at is null and h.seen_at < clock_timestamp() - interval '120 s'
		order by s.id limit p_limit for update of s skip locked) x;
	-- Nobody came for these.
	perform app.sandbox_finish(x.id, 'idle', null) from (
		select s.id from app.sandbox_session s
		where s.host_id is null and s.ended_at is null and s.expires_at <= clock_timestamp()
		order by s.id limit p_limit for update skip locked) x;
	return v_lost;
end
$$;
comment on function app.sandbox_lost(integer) is 'Ends sandboxes whose host is gone, and counts them; and those that no host claimed in time.';

create or replace function app.sandbox_prune(p_keep_seconds bigint, p_limit integer) returns bigint language plpgsql volatile set search_path = app, pg_temp as $$
declare
	v_before  timestamptz := clock_timestamp() - make_interval(secs => p_keep_seconds);
	v_row     record;
	v_cut     bigint;
	v_removed bigint := 0;
begin
	for v_row in
		select s.id from app.sandbox_session s
		where s.gone_at is null and s.seq > s.floor
			and (select m.created_at from app.sandbox_message m where m.session_id = s.id order by m.seq limit 1) < v_before
	loop
		exit when v_removed >= p_limit;
		select max(c.seq) into v_cut from (
			select m.seq, m.created_at from app.sandbox_message m where m.session_id = v_row.id order by m.seq limit p_limit - v_removed) c
		where c.created_at < v_before;
		-- A writer holds the lock: this one waits for the next run.
		perform from app.sandbox_session s where s.id = v_row.id for no key update skip locked;
		if found then
			v_removed := v_removed + app.stream_drop(v_row.id, v_cut);
		end if;
	end loop;
	return v_removed;
end
$$;
comment on function app.sandbox_prune(bigint, integer) is 'Removes messages older than p_keep_seconds, at most p_limit, moving floor up.';

create or replace function app.sandbox_forget(p_keep_seconds bigint, p_limit integer, out messages bigint, out sessions bigint)
returns record language plpgsql volatile set search_path = app, pg_temp as $$
declare
	v_now timestamptz := clock_timestamp();
	v_id  uuid;
	v_n   bigint;
begin
	messages := 0;
	sessions := 0;
	for v_id in
		select s.id from app.sandbox_session s left join app.sandbox_host h on h.id = s.host_id
		where s.gone_at is null and s.ended_at < v_now - make_interval(secs => p_keep_seconds)
			and (s.cleaned_at is not null or h.seen_at < v_now - interval '120 s')
		order by s.ended_at limit 1000 for update of s skip locked
	loop
		delete from app.sandbox_message m where m.session_id = v_id and m.seq in (
			select x.seq from app.sandbox_message x where x.session_id = v_id order by x.seq limit p_limit - messages);
		get diagnostics v_n = row_count;
		messages := messages + v_n;
		exit when messages >= p_limit;
		update app.sandbox_job j set ended_at = v_now, outcome = 'host', payload = null where j.session_id = v_id and j.ended_at is null;
		update app.sandbox_session s set gone_at = v_now, floor = s.seq, stream_bytes = 0 where s.id = v_id;
		sessions := sessions + 1;
	end loop;
end
$$;
comment on function app.sandbox_forget(bigint, integer) is 'Removes the messages, at most p_limit, of sandboxes that ended more than p_keep_seconds ago; those that have none left are gone for clients. Not yet those that a living host has still to clean.';

create or replace function app.sandbox_drop() returns void language plpgsql volatile set search_path = app, pg_temp as $$
declare
	v_before timestamptz := clock_timestamp() - interval '30 days';
	v_ids    uuid[];
begin
	v_ids := array(select s.id from app.sandbox_session s where s.gone_at < v_before order by s.gone_at limit 100 for update skip locked);
	delete from app.sandbox_job j where j.session_id = any (v_ids);
	delete from app.sandbox_session s where s.id = any (v_ids);
	delete from app.sandbox_host h where h.seen_at < v_before and not exists (select from app.sandbox_session s where s.host_id = h.id);
end
$$;
comment on function app.sandbox_drop() is 'Removes what the DBAs'' views have shown for 30 days since it was gone: sandboxes with their jobs, and hosts.';

create or replace function api.sandbox_sweep(p_stream_keep_seconds bigint, p_row_keep_seconds bigint, out messages bigint, out sessions bigint, out lost bigint)
returns record language plpgsql volatile security definer set search_path = app, pg_catalog, pg_temp as $$
declare
	v_gone record;
begin
	messages := 0;
	sessions := 0;
	lost := 0;
	if pg_try_advisory_xact_lock(hashtext('craft-agent-cloud'), hashtext('sandbox_sweep')) then
		lost := app.sandbox_lost(100);
		messages := app.sandbox_prune(p_stream_keep_seconds, 10000);
		v_gone := app.sandbox_forget(p_row_keep_seconds, 10000);
		messages := messages + v_gone.messages;
		sessions := v_gone.sessions;
		perform app.sandbox_drop();
	end if;
end
$$;
comment on function api.sandbox_sweep(bigint, bigint) is
'Housekeeping, run by the hosts: ends sandboxes whose host is silent for 120 s (lost) and tells their clients; ends those that nobody claimed in time; removes messages older than p_stream_keep_seconds; forgets sandboxes that ended more than p_row_keep_seconds ago. Some 10,000 messages a call. After the database was away, hosts wait two minutes before they call it, so that the others can say that they live.';
