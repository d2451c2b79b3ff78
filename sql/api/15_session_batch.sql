-- Many updates of headers at once: what the bridge sends when several wait. Statements over sets cost a fifth of as many calls.

create or replace function api.session_update_many(p_workspaces text[], p_counts integer[], p_place integer[], p_nth integer[],
	p_last boolean[], p_id text[], p_header json[], p_name text[], p_is_flagged boolean[], p_status text[], p_model text[],
	p_created_ms bigint[], p_last_used_ms bigint[], p_base bigint[], p_version bigint[], p_event json[], p_origin text[],
	p_client text[], p_request bytea[], p_payload bigint[], out workspace_ids bigint[], out before bigint[])
language plpgsql security definer set search_path = app, pg_temp as $$
declare
	v_n integer;
begin
	-- The daemons' connections know nested loops only, so the workspaces are locked in the order given.
	with numbered as (
		update app.workspace w set seq = w.seq + u.n from unnest(p_workspaces, p_counts) with ordinality as u (slug, n, place)
			where w.slug = u.slug returning u.place, w.id, w.seq - u.n as before)
	select array_agg(m.id order by m.place), array_agg(m.before order by m.place) into workspace_ids, before from numbered m;
	if cardinality(workspace_ids) is distinct from cardinality(p_workspaces) then
		raise exception 'a workspace is missing' using errcode = 'CA001';
	end if;
	if p_client is not null then
		perform from unnest(p_place, p_client, p_request) as u (place, client, request)
			join app.seen_request s on s.workspace_id = workspace_ids[u.place] and s.client = u.client and s.request = u.request;
		if found then
			raise exception 'a request was applied before' using errcode = 'CA001';
		end if;
		insert into app.seen_request (workspace_id, client, request, payload, seq, answer)
			select workspace_ids[u.place], u.client, u.request, u.payload, before[u.place] + u.nth,
				case when u.event is null then u.header end
			from unnest(p_place, p_nth, p_client, p_request, p_payload, p_event, p_header)
				as u (place, nth, client, request, payload, event, header)
			where u.client is not null
			on conflict do nothing;
		get diagnostics v_n = row_count;
		if v_n <> cardinality(p_client) - cardinality(array_positions(p_client, null)) then
			raise exception 'a request comes twice' using errcode = 'CA001';
		end if;
	end if;
	update app.session s set version = u.version, updated_seq = before[u.place] + u.nth, header = u.header, name = u.name,
			is_flagged = u.is_flagged, status = u.status, model = u.model, created_at = app.ms_time(u.created_ms),
			last_used_at = app.ms_time(u.last_used_ms), updated_at = now()
		from unnest(p_place, p_nth, p_last, p_id, p_header, p_name, p_is_flagged, p_status, p_model, p_created_ms, p_last_used_ms,
			p_base, p_version)
			as u (place, nth, last, id, header, name, is_flagged, status, model, created_ms, last_used_ms, base, version)
		where s.workspace_id = workspace_ids[u.place] and s.id = u.id and s.version = u.base and u.last;
	get diagnostics v_n = row_count;
	if v_n <> cardinality(array_positions(p_last, true)) then
		raise exception 'a session was changed meanwhile' using errcode = 'CA001';
	end if;
	insert into app.change_log (workspace_id, seq, entity, action, entity_id, origin, data)
		select workspace_ids[u.place], before[u.place] + u.nth, 'session', 'updated', u.id, u.origin, coalesce(u.event, u.header)
		from unnest(p_place, p_nth, p_id, p_origin, p_event, p_header) as u (place, nth, id, origin, event, header);
end
$$;
comment on function api.session_update_many(text[], integer[], integer[], integer[], boolean[], text[], json[], text[], boolean[], text[], text[], bigint[], bigint[], bigint[], bigint[], json[], text[], text[], bytea[], bigint[]) is
'Several calls of api.session_update() in one, all or nothing. p_workspaces: the workspaces, each once, sorted by bytes; p_counts: how many updates each gets. The other arrays have one element for each update: p_place is its workspace (from 1), p_nth its number among that workspace''s updates (from 1, in order), p_last whether it is the last one of its session, p_base the version on which the first one of its session is based. p_client is null where no client named itself. The n-th update of a workspace got the number before + n. Raises CA001 when one of them can''t be applied, or was before: api.session_update() says which.';
