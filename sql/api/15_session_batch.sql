-- Many updates of headers at once: what the bridge sends when several wait. Statements over sets cost a fifth of as many calls.
-- Elements are taken by their numbers: unnest() of as many arrays fills a store of rows for each of them first.

create or replace function api.session_update_many(p_workspaces text[], p_counts integer[], p_place integer[], p_nth integer[],
	p_last boolean[], p_id text[], p_header json[], p_name text[], p_is_flagged boolean[], p_status text[], p_model text[],
	p_created_ms bigint[], p_last_used_ms bigint[], p_base bigint[], p_version bigint[], p_event json[], p_origin text[],
	p_client text[], p_request bytea[], p_payload bigint[], out workspace_ids bigint[], out before bigint[])
language plpgsql security definer set search_path = app, pg_temp as $$
declare
	v_n     integer;
	v_bytes bigint[];
	v_over  bigint[];
begin
	select array_agg(b.bytes order by b.place) into v_bytes from (
		select p_place[n] as place, sum(pg_column_size(coalesce(p_event[n], p_header[n])) - 4) as bytes
		from generate_subscripts(p_place, 1) n group by 1) b;
	-- The daemons' connections know nested loops only, so the workspaces are locked in the order given.
	with numbered as (
		update app.workspace w set seq = w.seq + p_counts[n], log_bytes = w.log_bytes + v_bytes[n]
			from generate_subscripts(p_workspaces, 1) n where w.slug = p_workspaces[n]
			returning n as place, w.id, w.seq - p_counts[n] as before,
				w.log_bytes > (select l.change_bytes from app.log_limit l) as over)
	select array_agg(m.id order by m.place), array_agg(m.before order by m.place), array_agg(m.id) filter (where m.over)
		into workspace_ids, before, v_over from numbered m;
	if cardinality(workspace_ids) is distinct from cardinality(p_workspaces) then
		raise exception 'a workspace is missing' using errcode = 'CA001';
	end if;
	if p_client is not null then
		perform from unnest(p_place, p_client, p_request) as u (place, client, request)
			join app.seen_request s on s.workspace_id = workspace_ids[u.place] and s.client = u.client and s.request = substr(u.request, 1, 32);
		if found then
			raise exception 'a request was applied before' using errcode = 'CA001';
		end if;
		insert into app.seen_request (workspace_id, client, request, payload, sha256, seq, echoes)
			select workspace_ids[u.place], u.client, substr(u.request, 1, 32), u.payload, nullif(substr(u.request, 33), ''),
				before[u.place] + u.nth, u.event is null
			from unnest(p_place, p_nth, p_client, p_request, p_payload, p_event) as u (place, nth, client, request, payload, event)
			where u.client is not null
			on conflict do nothing;
		get diagnostics v_n = row_count;
		if v_n <> cardinality(p_client) - cardinality(array_positions(p_client, null)) then
			raise exception 'a request comes twice' using errcode = 'CA001';
		end if;
	end if;
	update app.session s set version = p_version[n], updated_seq = before[p_place[n]] + p_nth[n], header = p_header[n],
			name = p_name[n], is_flagged = p_is_flagged[n], status = p_status[n], model = p_model[n],
			created_at = app.ms_time(p_created_ms[n]), last_used_at = app.ms_time(p_last_used_ms[n]), updated_at = now()
		from generate_subscripts(p_id, 1) n
		where s.workspace_id = workspace_ids[p_place[n]] and s.id = p_id[n] and s.version = p_base[n] and p_last[n];
	get diagnostics v_n = row_count;
	if v_n <> cardinality(array_positions(p_last, true)) then
		raise exception 'a session was changed meanwhile' using errcode = 'CA001';
	end if;
	insert into app.change_log (workspace_id, seq, entity, action, entity_id, origin, data, bytes)
		select workspace_ids[p_place[n]], before[p_place[n]] + p_nth[n], 'session', 'updated', p_id[n], p_origin[n],
			coalesce(p_event[n], p_header[n]), pg_column_size(coalesce(p_event[n], p_header[n])) - 4
		from generate_subscripts(p_id, 1) n;
	if v_over is not null then
		perform app.log_trim(o.id) from unnest(v_over) as o (id);
	end if;
end
$$;
comment on function api.session_update_many(text[], integer[], integer[], integer[], boolean[], text[], json[], text[], boolean[], text[], text[], bigint[], bigint[], bigint[], bigint[], json[], text[], text[], bytea[], bigint[]) is
'Several calls of api.session_update() in one, all or nothing. p_workspaces: the workspaces, each once, sorted by bytes; p_counts: how many updates each gets. The other arrays have one element for each update: p_place is its workspace (from 1), p_nth its number among that workspace''s updates (from 1, in order), p_last whether it is the last one of its session, p_base the version on which the first one of its session is based. p_client is null where no client named itself. The n-th update of a workspace got the number before + n. Raises CA001 when one of them can''t be applied, or was before: api.session_update() says which.';
