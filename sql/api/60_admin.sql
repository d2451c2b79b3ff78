-- What craft-cloud status, check and workspace list read. Only numbers and names, no contents.

create or replace function api.admin_migrations()
returns table (version integer, name text, sha256 text, applied_at timestamptz)
language sql stable security definer set search_path = app, pg_temp as $$
	select m.version, m.name, m.sha256, m.applied_at from app.schema_migration m
	union all
	select null, 'functions, views and privileges', c.sha256, c.applied_at from app.schema_code c
	order by 1 nulls last;
$$;
comment on function api.admin_migrations() is
'The migrations that this database has, with the SHA-256 of their files; last, without a version, that of the functions, views and privileges.';

create or replace function api.admin_contents(out epoch text, out workspaces bigint, out sessions bigint, out messages bigint,
	out message_bytes bigint, out changes bigint, out changes_kept bigint, out files bigint, out file_bytes bigint, out deleted_blobs bigint)
returns record language sql stable security definer set search_path = app, pg_temp as $$
	select app.epoch_text(), w.n, s.n, s.messages, s.bytes, w.changes, w.kept, f.n, f.bytes, (select count(*) from app.blob_gone)
	from (select count(*) as n, coalesce(sum(w.seq), 0)::bigint as changes, coalesce(sum(w.seq - w.floor), 0)::bigint as kept
		from app.workspace w) w,
	(select count(*) as n, coalesce(sum(s.message_count), 0)::bigint as messages, coalesce(sum(s.message_bytes), 0)::bigint as bytes
		from app.session s) s,
	(select coalesce(sum(u.files), 0)::bigint as n, coalesce(sum(u.bytes), 0)::bigint as bytes from app.file_usage u) f;
$$;
comment on function api.admin_contents() is
'How much there is: workspaces, sessions, messages and their bytes as JSON text, changes ever made and those still in the log, files and their bytes, and blobs that no file names any more but whose bytes weren''t removed yet.';

create or replace function api.admin_workspaces()
returns table (slug text, sessions bigint, messages bigint, message_bytes bigint, seq bigint, floor bigint, last_change_at timestamptz)
language sql stable security definer set search_path = app, pg_temp as $$
	select w.slug, coalesce(s.n, 0), coalesce(s.messages, 0), coalesce(s.bytes, 0), w.seq, w.floor, l.at
	from app.workspace w
	left join (
		select s.workspace_id, count(*) as n, sum(s.message_count) as messages, sum(s.message_bytes)::bigint as bytes
		from app.session s group by s.workspace_id
	) s on s.workspace_id = w.id
	left join app.change_log l on l.workspace_id = w.id and l.seq = w.seq;
$$;
comment on function api.admin_workspaces() is
'Every workspace with the number of its sessions and messages, the messages'' bytes as JSON text, the number of its latest change, the number up to which the log was pruned, and the time of the latest change (null when it was pruned).';

create or replace function api.admin_hosts()
returns table (host text, version text, protection text, alive boolean, stopped boolean, seen_seconds bigint, capacity integer, sandboxes bigint)
language sql stable security definer set search_path = app, pg_temp as $$
	select h.name, h.version, h.protection, h.stopped_at is null and h.seen_at > now() - interval '30 s', h.stopped_at is not null,
		extract(epoch from now() - h.seen_at)::bigint, h.capacity,
		(select count(*) from app.sandbox_session s where s.host_id = h.id and s.ended_at is null)
	from app.sandbox_host h order by h.name, h.id;
$$;
comment on function api.admin_hosts() is
'The machines that run sandboxes or did: what their self-check found, whether they live, the seconds since they last said so, and how many sandboxes they run.';

create or replace function api.admin_queue(out sandboxes bigint, out unclaimed bigint, out unclaimed_seconds bigint, out waiting bigint,
	out waiting_seconds bigint, out running bigint)
returns record language sql stable security definer set search_path = app, pg_temp as $$
	select s.n, s.unclaimed, s.age, j.waiting, j.age, j.running
	from (select count(*) as n, count(*) filter (where s.host_id is null) as unclaimed,
			coalesce(extract(epoch from now() - min(s.created_at) filter (where s.host_id is null)), 0)::bigint as age
		from app.sandbox_session s where s.ended_at is null) s,
	(select count(*) filter (where j.taken_at is null) as waiting, count(*) filter (where j.taken_at is not null) as running,
			coalesce(extract(epoch from now() - min(j.queued_at) filter (where j.taken_at is null)), 0)::bigint as age
		from app.sandbox_job j where j.ended_at is null) j;
$$;
comment on function api.admin_queue() is
'Sandboxes that haven''t ended, those of them that no host has claimed and the age of the oldest; tasks that wait, the age of the oldest, and tasks that run. Ages in seconds.';
