-- Following a workspace: epoch, heads, the log by cursor, hints, pruning.

-- plpgsql throughout for what is called often: it keeps its plans, SQL functions are planned at every call.

-- What can't change while a connection lives is called immutable, so that plans keep it: to ask opens a file, or reads a catalog.
create or replace function app.cluster_id() returns bigint language sql immutable as $$
	select s.system_identifier from pg_catalog.pg_control_system() s;
$$;
comment on function app.cluster_id() is 'The identifier of this database cluster: pg_control_system().';

create or replace function app.database_id() returns oid language sql immutable as $$
	select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database();
$$;
comment on function app.database_id() is 'The number of this database in its cluster.';

-- Names in it are qualified, and it has no search_path of its own: setting one takes as long as the rest of it.
create or replace function app.epoch_text() returns text language plpgsql stable as $$
begin
	return pg_catalog.substr(pg_catalog.md5(pg_catalog.concat_ws('/', e.token, app.cluster_id(),
		pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8), app.database_id(),
		'app.workspace'::pg_catalog.regclass::pg_catalog.oid)), 1, 16)
	from app.epoch e;
end
$$;
comment on function app.epoch_text() is
'Identifies this life of the database: changes when it is restored (other cluster, other database or new tables), after a failover or point-in-time recovery (new timeline), and by api.epoch_renew().';

create or replace function api.epoch() returns text language sql stable security definer set search_path = app, pg_temp as $$
	select app.epoch_text();
$$;
comment on function api.epoch() is 'The epoch that clients present with ?epoch= to resume; see app.epoch_text().';

create or replace function api.epoch_renew() returns text language plpgsql security definer set search_path = app, pg_catalog, pg_temp as $$
begin
	update app.epoch set token = gen_random_uuid()::text;
	perform pg_notify('craft_changes', 'epoch');
	return app.epoch_text();
end
$$;
comment on function api.epoch_renew() is
'Makes every client reload: for an administrator who loaded older data into the same database. Returns the new epoch.';

create or replace function api.heads(p_workspaces text[])
returns table (workspace text, workspace_id bigint, seq bigint) language plpgsql stable security definer set search_path = app, pg_temp as $$
#variable_conflict use_column
begin
	return query select w.slug, w.id, w.seq from app.workspace w where w.slug = any (p_workspaces);
end
$$;
comment on function api.heads(text[]) is 'Number of the latest change of each of these workspaces; those never written to are left out.';

create or replace function api.changes(p_workspace text, p_since bigint, p_limit integer, p_bytes integer default 8388608)
returns table (workspace_id bigint, epoch text, head bigint, floor bigint, seq bigint, entity text, action text, entity_id text,
	origin text, data json)
language plpgsql stable security definer set search_path = app, pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
	return query select w.id, app.epoch_text(), coalesce(w.seq, g.seq), coalesce(w.floor, g.seq), c.seq, c.entity, c.action, c.entity_id, c.origin, c.data
	from (select) one
	left join app.workspace w on w.slug = p_workspace
	-- Deleted: the next one of that name begins there.
	left join app.workspace_gone g on g.slug = p_workspace and w.id is null
	left join lateral (
		select p.* from (
			-- What was stored may be far smaller than it is read.
			select l.*, sum(coalesce(l.bytes, pg_column_size(l.data))) over (order by l.seq) - coalesce(l.bytes, pg_column_size(l.data)) as before
			from (select * from app.change_log l where l.workspace_id = w.id and l.seq > p_since order by l.seq limit p_limit) l
		) p where p.before < p_bytes
	) c on true
	order by c.seq;
end
$$;
comment on function api.changes(text, bigint, integer, integer) is
'A page of a workspace''s log after p_since, in order: at most p_limit rows, and p_bytes or a little more (one row may be bigger). Every row also carries id, epoch, head and floor of the same snapshot; seq below head in the last one: ask for the next page. At least one row; its seq is null when nothing follows, its workspace_id when the workspace was never written to.';

-- To notify takes a transaction's commit record, for whose way to the disk nobody need wait: a hint that a crash swallows is
-- found by the sweep.
create or replace function api.announce(p_workspaces text[]) returns void language plpgsql volatile security definer set search_path = app, pg_catalog, pg_temp as $$
begin
	perform set_config('synchronous_commit', 'off', true);
	perform pg_notify('craft_changes', string_agg(h.pair, ','))
	from (select w.id || ':' || w.seq as pair, row_number() over () as n
		from app.workspace w where w.slug = any (p_workspaces)) h
	group by h.n / 150;
end
$$;
comment on function api.announce(text[]) is
'Tells the bridges at once that these workspaces changed: NOTIFY craft_changes with id:seq pairs separated by commas. Call it after the change''s COMMIT, in a transaction of its own. Only a hint: without it the bridges find the change within a second.';

create or replace function api.announce_heads(p_heads text) returns void language plpgsql volatile security definer set search_path = app, pg_catalog, pg_temp as $$
begin
	perform set_config('synchronous_commit', 'off', true);
	perform pg_notify('craft_changes', p_heads);
end
$$;
comment on function api.announce_heads(text) is
'The same for a caller that knows the numbers: p_heads are the id:seq pairs, separated by commas, of less than 8,000 bytes.';

create or replace function api.prune(p_keep bigint, p_days integer, p_retry_hours integer)
returns bigint language plpgsql security definer set search_path = app, pg_catalog, pg_temp as $$
declare
	v_row     record;
	v_cut     bigint;
	v_removed bigint := 0;
	v_freed   bigint;
	v_n       bigint;
begin
	if not pg_try_advisory_xact_lock(hashtext('craft-agent-cloud'), hashtext('prune')) then
		return 0;
	end if;
	for v_row in
		select w.id from app.workspace w where w.seq > w.floor and (w.seq - w.floor > p_keep
			or (select l.at from app.change_log l where l.workspace_id = w.id order by l.seq limit 1) < now() - make_interval(days => p_days))
		order by w.id limit 100
	loop
		exit when v_removed >= 10000;
		select max(c.seq) into v_cut from (
			select l.seq, l.at, w.seq - p_keep as below from app.change_log l join app.workspace w on w.id = l.workspace_id
			where l.workspace_id = v_row.id order by l.seq limit 10000) c
		where c.seq <= c.below or c.at < now() - make_interval(days => p_days);
		-- A writer holds the lock: this workspace waits for the next run.
		perform from app.workspace w where w.id = v_row.id for update skip locked;
		if found and v_cut is not null then
			with gone as (delete from app.change_log l where l.workspace_id = v_row.id and l.seq <= v_cut returning l.bytes)
			select count(*), coalesce(sum(g.bytes), 0) into v_n, v_freed from gone g;
			update app.workspace w set floor = greatest(w.floor, v_cut), log_bytes = w.log_bytes - v_freed where w.id = v_row.id;
			v_removed := v_removed + v_n;
		end if;
	end loop;
	delete from app.seen_request s where s.at < now() - make_interval(hours => p_retry_hours);
	get diagnostics v_n = row_count;
	return v_removed + v_n;
end
$$;
comment on function api.prune(bigint, integer, integer) is
'Housekeeping, run by the bridges: of each workspace''s log drops what lies more than p_keep changes or p_days days back, moving floor up, and forgets requests seen more than p_retry_hours ago. Some 10,000 rows a call, so that nobody waits long for a workspaces lock; returns the rows removed.';

create or replace function api.log_limit_set(p_change_bytes bigint, p_stream_bytes bigint)
returns void language plpgsql volatile security definer set search_path = app, pg_temp as $$
begin
	if exists (select from app.log_limit l where l.change_bytes <> p_change_bytes or l.stream_bytes <> p_stream_bytes) then
		update app.log_limit l set change_bytes = p_change_bytes, stream_bytes = p_stream_bytes;
	end if;
end
$$;
comment on function api.log_limit_set(bigint, bigint) is
'How many bytes of changes a workspace''s log may have, and of messages its sandboxes: who makes one longer drops what is oldest in it. Called by the bridges when they start; the last one that did is right.';

create or replace function api.log_usage(out change_bytes bigint, out change_limit bigint, out change_workspace text, out stream_bytes bigint,
	out stream_limit bigint, out stream_workspace text)
returns record language plpgsql stable security definer set search_path = app, pg_temp as $$
#variable_conflict use_column
begin
	select l.change_bytes, l.stream_bytes into change_limit, stream_limit from app.log_limit l;
	select w.log_bytes, w.slug into change_bytes, change_workspace from app.workspace w order by w.log_bytes desc limit 1;
	select s.bytes, w.slug into stream_bytes, stream_workspace from (
		select x.workspace_id, sum(x.stream_bytes)::bigint as bytes from app.sandbox_session x where x.gone_at is null group by 1 order by 2 desc limit 1) s
		join app.workspace w on w.id = s.workspace_id;
	change_bytes := coalesce(change_bytes, 0);
	stream_bytes := coalesce(stream_bytes, 0);
end
$$;
comment on function api.log_usage() is
'How near the logs are to their bounds: bytes of the longest log of changes and of the most messages that a workspace''s sandboxes have, what they may be, and whose they are (null: nobody''s).';
