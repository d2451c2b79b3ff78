
CREATE SCHEMA api;

ALTER SCHEMA api OWNER TO craft_owner;

COMMENT ON SCHEMA api IS 'The functions that the daemons change and read workspaces by; for administrators too (as the owner or a superuser). What one of them changes reaches the connected clients, except files, which aren''t synced.';

CREATE SCHEMA app;

ALTER SCHEMA app OWNER TO craft_owner;

COMMENT ON SCHEMA app IS 'Tables of craft-agent-cloud. Only the functions of schema api write them.';

CREATE SCHEMA report;

ALTER SCHEMA report OWNER TO craft_owner;

COMMENT ON SCHEMA report IS 'Read-only views for people: workspaces, sessions, changes, sources, skills, plans, projects, sandboxes, files. No credentials.';

CREATE TYPE api.outcome AS (
	status text,
	workspace_id bigint,
	seq bigint,
	answer json
);

ALTER TYPE api.outcome OWNER TO craft_owner;

COMMENT ON TYPE api.outcome IS 'What a mutation answers: status is ok (applied), repeat (the client had sent it before; seq and answer are those of the first time, a null answer standing for {"success":true}), reused (the client used this requestId for something else before), exists or not_found (nothing changed).';

COMMENT ON COLUMN api.outcome.status IS 'ok, repeat, reused, exists or not_found.';

COMMENT ON COLUMN api.outcome.workspace_id IS 'app.workspace.id; null when the workspace doesn''t exist.';

COMMENT ON COLUMN api.outcome.seq IS 'Number of the change; null when nothing changed.';

COMMENT ON COLUMN api.outcome.answer IS 'Only with repeat: the first answer''s data.';

CREATE TYPE api.request AS (
	origin text,
	client text,
	id bytea,
	payload bigint
);

ALTER TYPE api.request OWNER TO craft_owner;

COMMENT ON TYPE api.request IS 'Who asks: the connection (not told of its own change) and, for clients that named themselves, what is needed to apply a repeated request once. Null for SQL users.';

COMMENT ON COLUMN api.request.origin IS 'The connection; null for REST and SQL.';

COMMENT ON COLUMN api.request.client IS 'The name that the client gave itself; null: no protection against repeats.';

COMMENT ON COLUMN api.request.id IS 'SHA-256 of the requestId''s JSON text, followed by SHA-256 of what is asked; without that only from bridges of an older version.';

COMMENT ON COLUMN api.request.payload IS 'XXH3-64 of what is asked, for bridges of an older version.';

CREATE TYPE api.session_columns AS (
	name text,
	is_flagged boolean,
	status text,
	model text,
	created_ms bigint,
	last_used_ms bigint
);

ALTER TYPE api.session_columns OWNER TO craft_owner;

COMMENT ON TYPE api.session_columns IS 'The typed copies of header fields, extracted by the caller.';

COMMENT ON COLUMN api.session_columns.name IS 'header.name.';

COMMENT ON COLUMN api.session_columns.is_flagged IS 'header.isFlagged.';

COMMENT ON COLUMN api.session_columns.status IS 'header.todoState or header.status.';

COMMENT ON COLUMN api.session_columns.model IS 'header.model.';

COMMENT ON COLUMN api.session_columns.created_ms IS 'header.createdAt, milliseconds since 1970.';

COMMENT ON COLUMN api.session_columns.last_used_ms IS 'header.lastUsedAt, milliseconds since 1970.';

CREATE FUNCTION api.admin_contents(OUT epoch text, OUT workspaces bigint, OUT sessions bigint, OUT messages bigint, OUT message_bytes bigint, OUT changes bigint, OUT changes_kept bigint, OUT files bigint, OUT file_bytes bigint, OUT deleted_blobs bigint) RETURNS record
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
	select app.epoch_text(), w.n, s.n, s.messages, s.bytes, w.changes, w.kept, f.n, f.bytes, (select count(*) from app.blob_gone)
	from (select count(*) as n, coalesce(sum(w.seq), 0)::bigint as changes, coalesce(sum(w.seq - w.floor), 0)::bigint as kept
		from app.workspace w) w,
	(select count(*) as n, coalesce(sum(s.message_count), 0)::bigint as messages, coalesce(sum(s.message_bytes), 0)::bigint as bytes
		from app.session s) s,
	(select coalesce(sum(u.files), 0)::bigint as n, coalesce(sum(u.bytes), 0)::bigint as bytes from app.file_usage u) f;
$$;

ALTER FUNCTION api.admin_contents(OUT epoch text, OUT workspaces bigint, OUT sessions bigint, OUT messages bigint, OUT message_bytes bigint, OUT changes bigint, OUT changes_kept bigint, OUT files bigint, OUT file_bytes bigint, OUT deleted_blobs bigint) OWNER TO craft_owner;

COMMENT ON FUNCTION api.admin_contents(OUT epoch text, OUT workspaces bigint, OUT sessions bigint, OUT messages bigint, OUT message_bytes bigint, OUT changes bigint, OUT changes_kept bigint, OUT files bigint, OUT file_bytes bigint, OUT deleted_blobs bigint) IS 'How much there is: workspaces, sessions, messages and their bytes as JSON text, changes ever made and those still in the log, files and their bytes, and blobs that no file names any more but whose bytes weren''t removed yet.';

CREATE FUNCTION api.admin_hosts() RETURNS TABLE(host text, version text, protection text, alive boolean, stopped boolean, seen_seconds bigint, capacity integer, sandboxes bigint)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
	select h.name, h.version, h.protection, h.stopped_at is null and h.seen_at > now() - interval '30 s', h.stopped_at is not null,
		extract(epoch from now() - h.seen_at)::bigint, h.capacity,
		(select count(*) from app.sandbox_session s where s.host_id = h.id and s.ended_at is null)
	from app.sandbox_host h order by h.name, h.id;
$$;

ALTER FUNCTION api.admin_hosts() OWNER TO craft_owner;

COMMENT ON FUNCTION api.admin_hosts() IS 'The machines that run sandboxes or did: what their self-check found, whether they live, the seconds since they last said so, and how many sandboxes they run.';

CREATE FUNCTION api.admin_migrations() RETURNS TABLE(version integer, name text, sha256 text, applied_at timestamp with time zone)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
	select m.version, m.name, m.sha256, m.applied_at from app.schema_migration m
	union all
	select null, 'functions, views and privileges', c.sha256, c.applied_at from app.schema_code c
	order by 1 nulls last;
$$;

ALTER FUNCTION api.admin_migrations() OWNER TO craft_owner;

COMMENT ON FUNCTION api.admin_migrations() IS 'The migrations that this database has, with the SHA-256 of their files; last, without a version, that of the functions, views and privileges.';

CREATE FUNCTION api.admin_queue(OUT sandboxes bigint, OUT unclaimed bigint, OUT unclaimed_seconds bigint, OUT waiting bigint, OUT waiting_seconds bigint, OUT running bigint) RETURNS record
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
	select s.n, s.unclaimed, s.age, j.waiting, j.age, j.running
	from (select count(*) as n, count(*) filter (where s.host_id is null) as unclaimed,
			coalesce(extract(epoch from now() - min(s.created_at) filter (where s.host_id is null)), 0)::bigint as age
		from app.sandbox_session s where s.ended_at is null) s,
	(select count(*) filter (where j.taken_at is null) as waiting, count(*) filter (where j.taken_at is not null) as running,
			coalesce(extract(epoch from now() - min(j.queued_at) filter (where j.taken_at is null)), 0)::bigint as age
		from app.sandbox_job j where j.ended_at is null) j;
$$;

ALTER FUNCTION api.admin_queue(OUT sandboxes bigint, OUT unclaimed bigint, OUT unclaimed_seconds bigint, OUT waiting bigint, OUT waiting_seconds bigint, OUT running bigint) OWNER TO craft_owner;

COMMENT ON FUNCTION api.admin_queue(OUT sandboxes bigint, OUT unclaimed bigint, OUT unclaimed_seconds bigint, OUT waiting bigint, OUT waiting_seconds bigint, OUT running bigint) IS 'Sandboxes that haven''t ended, those of them that no host has claimed and the age of the oldest; tasks that wait, the age of the oldest, and tasks that run. Ages in seconds.';

CREATE FUNCTION api.admin_workspaces() RETURNS TABLE(slug text, sessions bigint, messages bigint, message_bytes bigint, seq bigint, floor bigint, last_change_at timestamp with time zone)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
	select w.slug, coalesce(s.n, 0), coalesce(s.messages, 0), coalesce(s.bytes, 0), w.seq, w.floor, l.at
	from app.workspace w
	left join (
		select s.workspace_id, count(*) as n, sum(s.message_count) as messages, sum(s.message_bytes)::bigint as bytes
		from app.session s group by s.workspace_id
	) s on s.workspace_id = w.id
	left join app.change_log l on l.workspace_id = w.id and l.seq = w.seq;
$$;

ALTER FUNCTION api.admin_workspaces() OWNER TO craft_owner;

COMMENT ON FUNCTION api.admin_workspaces() IS 'Every workspace with the number of its sessions and messages, the messages'' bytes as JSON text, the number of its latest change, the number up to which the log was pruned, and the time of the latest change (null when it was pruned).';

CREATE FUNCTION api.announce(p_workspaces text[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_catalog', 'pg_temp'
    AS $$
begin
	perform set_config('synchronous_commit', 'off', true);
	perform pg_notify('craft_changes', string_agg(h.pair, ','))
	from (select w.id || ':' || w.seq as pair, row_number() over () as n
		from app.workspace w where w.slug = any (p_workspaces)) h
	group by h.n / 150;
end
$$;

ALTER FUNCTION api.announce(p_workspaces text[]) OWNER TO craft_owner;

COMMENT ON FUNCTION api.announce(p_workspaces text[]) IS 'Tells the bridges at once that these workspaces changed: NOTIFY craft_changes with id:seq pairs separated by commas. Call it after the change''s COMMIT, in a transaction of its own. Only a hint: without it the bridges find the change within a second.';

CREATE FUNCTION api.announce_heads(p_heads text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_catalog', 'pg_temp'
    AS $$
begin
	perform set_config('synchronous_commit', 'off', true);
	perform pg_notify('craft_changes', p_heads);
end
$$;

ALTER FUNCTION api.announce_heads(p_heads text) OWNER TO craft_owner;

COMMENT ON FUNCTION api.announce_heads(p_heads text) IS 'The same for a caller that knows the numbers: p_heads are the id:seq pairs, separated by commas, of less than 8,000 bytes.';

CREATE FUNCTION api.blobs(p_after uuid, p_limit integer) RETURNS TABLE(blob uuid, size bigint, sha256 bytea, workspace text, session text, type text, name text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
	select f.blob, f.size, f.sha256, w.slug, f.session_id, f.type, f.name
	from app.file f join app.workspace w on w.id = f.workspace_id
	-- No random UUID is all zeros.
	where f.blob > coalesce(p_after, '00000000-0000-0000-0000-000000000000') order by f.blob limit p_limit;
$$;

ALTER FUNCTION api.blobs(p_after uuid, p_limit integer) OWNER TO craft_owner;

COMMENT ON FUNCTION api.blobs(p_after uuid, p_limit integer) IS 'Blobs that files name, in the order of their ids, after p_after (null: from the first), at most p_limit, with what they are to be. The session is empty for assets.';

CREATE FUNCTION api.blobs_forget(p_blobs uuid[]) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
	with gone as (
		-- In one order, so that two who clean up don't deadlock.
		select g.blob from app.blob_gone g where g.blob = any (p_blobs) order by g.blob for update
	), forgotten as (
		delete from app.blob_gone g using gone where g.blob = gone.blob returning 1
	)
	select count(*) from forgotten;
$$;

ALTER FUNCTION api.blobs_forget(p_blobs uuid[]) OWNER TO craft_owner;

COMMENT ON FUNCTION api.blobs_forget(p_blobs uuid[]) IS 'Forgets blobs that no file names any more, after their bytes were removed; returns how many were known.';

CREATE FUNCTION api.blobs_gone(p_seconds bigint, p_limit integer) RETURNS SETOF uuid
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
	select g.blob from app.blob_gone g
	where g.gone_at < clock_timestamp() - make_interval(secs => p_seconds)
		-- Can't be; but bytes that a file names must never be removed.
		and not exists (select from app.file f where f.blob = g.blob)
	order by g.gone_at limit p_limit;
$$;

ALTER FUNCTION api.blobs_gone(p_seconds bigint, p_limit integer) OWNER TO craft_owner;

COMMENT ON FUNCTION api.blobs_gone(p_seconds bigint, p_limit integer) IS 'Blobs that no file has named for more than p_seconds, those that went first first: their bytes may be removed, then api.blobs_forget() is called.';

CREATE FUNCTION api.blobs_known(p_blobs uuid[]) RETURNS SETOF uuid
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
	select b.blob from unnest(p_blobs) as b (blob)
	where exists (select from app.file f where f.blob = b.blob) or exists (select from app.blob_gone g where g.blob = b.blob);
$$;

ALTER FUNCTION api.blobs_known(p_blobs uuid[]) OWNER TO craft_owner;

COMMENT ON FUNCTION api.blobs_known(p_blobs uuid[]) IS 'Those of the blobs that a file names or lately named. The others are orphans: unless they are being published just now, their bytes may be removed.';

CREATE FUNCTION api.changes(p_workspace text, p_since bigint, p_limit integer, p_bytes integer DEFAULT 8388608) RETURNS TABLE(workspace_id bigint, epoch text, head bigint, floor bigint, seq bigint, entity text, action text, entity_id text, origin text, data json)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_catalog', 'pg_temp'
    AS $$
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

ALTER FUNCTION api.changes(p_workspace text, p_since bigint, p_limit integer, p_bytes integer) OWNER TO craft_owner;

COMMENT ON FUNCTION api.changes(p_workspace text, p_since bigint, p_limit integer, p_bytes integer) IS 'A page of a workspace''s log after p_since, in order: at most p_limit rows, and p_bytes or a little more (one row may be bigger). Every row also carries id, epoch, head and floor of the same snapshot; seq below head in the last one: ask for the next page. At least one row; its seq is null when nothing follows, its workspace_id when the workspace was never written to.';

CREATE FUNCTION api.credential_checked(p_workspace text, p_repo_key text, p_sealed text, p_valid boolean) RETURNS void
    LANGUAGE sql STRICT SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
	update app.credential c set checked_at = statement_timestamp(), invalid_at = case when not p_valid then coalesce(c.invalid_at, statement_timestamp()) end,
		denied = case when not p_valid then c.denied end
	from app.workspace w
	where w.id = c.workspace_id and w.slug = p_workspace and c.repo_id = app.repo_id(p_repo_key) and c.sealed = p_sealed;
$$;

ALTER FUNCTION api.credential_checked(p_workspace text, p_repo_key text, p_sealed text, p_valid boolean) OWNER TO craft_owner;

COMMENT ON FUNCTION api.credential_checked(p_workspace text, p_repo_key text, p_sealed text, p_valid boolean) IS 'Notes whether GitHub takes the credential, unless another one took its place since. One that is refused needs to be granted anew.';

CREATE FUNCTION api.credential_delete(p_workspace text, p_repo_key text) RETURNS text
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
	delete from app.credential c using app.workspace w
	where w.id = c.workspace_id and w.slug = p_workspace and c.repo_id = app.repo_id(p_repo_key) returning c.sealed;
$$;

ALTER FUNCTION api.credential_delete(p_workspace text, p_repo_key text) OWNER TO craft_owner;

COMMENT ON FUNCTION api.credential_delete(p_workspace text, p_repo_key text) IS 'Forgets the GitHub credential of a project; returns it sealed, so that GitHub can be asked to revoke it, or null when there was none.';

CREATE FUNCTION api.credential_denied(p_workspace text, p_repo_key text, p_sealed text, p_why text) RETURNS void
    LANGUAGE sql STRICT SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
	update app.credential c set checked_at = statement_timestamp(), denied = p_why
	from app.workspace w
	where w.id = c.workspace_id and w.slug = p_workspace and c.repo_id = app.repo_id(p_repo_key) and c.sealed = p_sealed;
$$;

ALTER FUNCTION api.credential_denied(p_workspace text, p_repo_key text, p_sealed text, p_why text) OWNER TO craft_owner;

COMMENT ON FUNCTION api.credential_denied(p_workspace text, p_repo_key text, p_sealed text, p_why text) IS 'Notes that GitHub knows the token but lets it not see the repository: no_access or sso, unless another credential took its place since. The next word of GitHub''s may change it.';

CREATE FUNCTION api.credential_find(p_workspace text, p_repo_key text) RETURNS TABLE(sealed text, invalid boolean, checked_ms bigint, denied text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
#variable_conflict use_column
begin
	return query select c.sealed, c.invalid_at is not null, app.ms(c.checked_at), c.denied from app.credential c join app.workspace w on w.id = c.workspace_id
		where w.slug = p_workspace and c.repo_id = app.repo_id(p_repo_key);
end
$$;

ALTER FUNCTION api.credential_find(p_workspace text, p_repo_key text) OWNER TO craft_owner;

COMMENT ON FUNCTION api.credential_find(p_workspace text, p_repo_key text) IS 'As api.credential_get(), and last why GitHub lets it not see the repository (app.credential.denied; null: it does).';

CREATE FUNCTION api.credential_get(p_workspace text, p_repo_key text) RETURNS TABLE(sealed text, invalid boolean, checked_ms bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
#variable_conflict use_column
begin
	return query select c.sealed, c.invalid_at is not null, app.ms(c.checked_at) from app.credential c join app.workspace w on w.id = c.workspace_id
		where w.slug = p_workspace and c.repo_id = app.repo_id(p_repo_key);
end
$$;

ALTER FUNCTION api.credential_get(p_workspace text, p_repo_key text) OWNER TO craft_owner;

COMMENT ON FUNCTION api.credential_get(p_workspace text, p_repo_key text) IS 'The sealed credential of a repository, whether GitHub refused it, and when it was last asked (milliseconds since 1970; null: never); no row when there is none.';

CREATE FUNCTION api.credential_put(p_workspace text, p_repo_key text, p_repo_url text, p_default_branch text, p_sealed text, p_username text, p_user_id bigint, p_scope text, p_authenticated_ms bigint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
declare
	-- First, because what it refuses is refused by a message that shows the row, and that row has no secret.
	v_workspace bigint := app.project_begin(p_workspace, p_repo_key, p_repo_url);
begin
	update app.project p set default_branch = p_default_branch
		where p.workspace_id = v_workspace and p.repo_id = app.repo_id(p_repo_key) and p_default_branch is not null and p.default_branch is distinct from p_default_branch;
	insert into app.credential as c (workspace_id, repo_key, sealed, username, user_id, scope, authenticated_at, checked_at)
		values (v_workspace, p_repo_key, p_sealed, p_username, p_user_id, p_scope,
			coalesce(app.ms_time(p_authenticated_ms), clock_timestamp()), clock_timestamp())
	on conflict (workspace_id, repo_id) do update set sealed = excluded.sealed, username = excluded.username, user_id = excluded.user_id,
		scope = excluded.scope, authenticated_at = excluded.authenticated_at, checked_at = excluded.checked_at, invalid_at = null,
		denied = null, refresh_lease = null, refresh_until = null;
end
$$;

ALTER FUNCTION api.credential_put(p_workspace text, p_repo_key text, p_repo_url text, p_default_branch text, p_sealed text, p_username text, p_user_id bigint, p_scope text, p_authenticated_ms bigint) OWNER TO craft_owner;

COMMENT ON FUNCTION api.credential_put(p_workspace text, p_repo_key text, p_repo_url text, p_default_branch text, p_sealed text, p_username text, p_user_id bigint, p_scope text, p_authenticated_ms bigint) IS 'Stores the credential that GitHub has just granted for a repository, in place of an older one. Adds the project where it is missing; one that is there keeps the URL that the client gave, and takes over the default branch (null: unknown).';

CREATE FUNCTION api.credential_rekey(p_workspace_id bigint, p_repo_key text, p_old text, p_new text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
begin
	update app.credential c set sealed = p_new where c.workspace_id = p_workspace_id and c.repo_id = app.repo_id(p_repo_key) and c.sealed = p_old;
	return found;
end
$$;

ALTER FUNCTION api.credential_rekey(p_workspace_id bigint, p_repo_key text, p_old text, p_new text) OWNER TO craft_owner;

COMMENT ON FUNCTION api.credential_rekey(p_workspace_id bigint, p_repo_key text, p_old text, p_new text) IS 'Replaces a sealed text by the same sealed under another key; false when it is no longer that text, and nothing changed.';

CREATE FUNCTION api.credential_renew_begin(p_workspace text, p_repo_key text, p_sealed text, p_lease text, p_seconds integer) RETURNS text
    LANGUAGE plpgsql STRICT SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
declare
	v_sealed text;
	v_until  timestamptz;
	v_lease  text;
	v_now    timestamptz;
	v_id     bigint;
begin
	select c.workspace_id, c.sealed, c.refresh_until, c.refresh_lease into v_id, v_sealed, v_until, v_lease
		from app.credential c join app.workspace w on w.id = c.workspace_id
		where w.slug = p_workspace and c.repo_id = app.repo_id(p_repo_key) for no key update of c;
	v_now := clock_timestamp();
	if not found or v_sealed <> p_sealed then
		return 'changed';
	end if;
	-- Asked again after a lost answer, it is the same one's still.
	if v_until > v_now and v_lease <> p_lease then
		return 'wait';
	end if;
	update app.credential c set refresh_lease = p_lease, refresh_until = v_now + p_seconds * interval '1 s'
		where c.workspace_id = v_id and c.repo_id = app.repo_id(p_repo_key);
	return 'go';
end
$$;

ALTER FUNCTION api.credential_renew_begin(p_workspace text, p_repo_key text, p_sealed text, p_lease text, p_seconds integer) OWNER TO craft_owner;

COMMENT ON FUNCTION api.credential_renew_begin(p_workspace text, p_repo_key text, p_sealed text, p_lease text, p_seconds integer) IS 'Asks for the right to renew this token: go (nobody else may for p_seconds), wait (somebody else does just now), changed (it is another one by now, or gone).';

CREATE FUNCTION api.credential_renew_failed(p_workspace text, p_repo_key text, p_lease text, p_refused boolean) RETURNS void
    LANGUAGE sql STRICT SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
	update app.credential c set refresh_lease = null, refresh_until = null,
		invalid_at = case when p_refused then coalesce(c.invalid_at, clock_timestamp()) else c.invalid_at end
	from app.workspace w
	where w.id = c.workspace_id and w.slug = p_workspace and c.repo_id = app.repo_id(p_repo_key) and c.refresh_lease = p_lease;
$$;

ALTER FUNCTION api.credential_renew_failed(p_workspace text, p_repo_key text, p_lease text, p_refused boolean) OWNER TO craft_owner;

COMMENT ON FUNCTION api.credential_renew_failed(p_workspace text, p_repo_key text, p_lease text, p_refused boolean) IS 'Ends the lease without a new token. p_refused: GitHub takes the old one no longer, access has to be granted anew.';

CREATE FUNCTION api.credential_renewed(p_workspace text, p_repo_key text, p_old text, p_lease text, p_new text) RETURNS boolean
    LANGUAGE plpgsql STRICT SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
begin
	-- Also when the lease has run out, or craft-cloud rekey sealed the old one anew: what GitHub gave last is what is good.
	update app.credential c set sealed = p_new, checked_at = clock_timestamp(), invalid_at = null, refresh_lease = null, refresh_until = null
		from app.workspace w
		where w.id = c.workspace_id and w.slug = p_workspace and c.repo_id = app.repo_id(p_repo_key)
			and (c.refresh_lease = p_lease or c.sealed in (p_old, p_new));
	return found;
end
$$;

ALTER FUNCTION api.credential_renewed(p_workspace text, p_repo_key text, p_old text, p_lease text, p_new text) OWNER TO craft_owner;

COMMENT ON FUNCTION api.credential_renewed(p_workspace text, p_repo_key text, p_old text, p_lease text, p_new text) IS 'Stores the renewed token and ends the lease; false: a user has granted access anew or taken it away meanwhile, and that stays.';

CREATE FUNCTION api.credentials_to_rekey(p_after_workspace bigint, p_after_repo text, p_limit integer) RETURNS TABLE(workspace_id bigint, repo_key text, sealed text, workspace text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
	select c.workspace_id, c.repo_key, c.sealed, w.slug from app.credential c join app.workspace w on w.id = c.workspace_id
	-- No number is below 1, and no key is empty.
	where (c.workspace_id, c.repo_id) > (coalesce(p_after_workspace, 0), coalesce(app.repo_id(p_after_repo), ''))
	order by c.workspace_id, c.repo_id limit p_limit;
$$;

ALTER FUNCTION api.credentials_to_rekey(p_after_workspace bigint, p_after_repo text, p_limit integer) OWNER TO craft_owner;

COMMENT ON FUNCTION api.credentials_to_rekey(p_after_workspace bigint, p_after_repo text, p_limit integer) IS 'The sealed credentials of all workspaces, in one order, after that one (null: from the first), at most p_limit; last the workspace''s name.';

CREATE FUNCTION api.epoch() RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
	select app.epoch_text();
$$;

ALTER FUNCTION api.epoch() OWNER TO craft_owner;

COMMENT ON FUNCTION api.epoch() IS 'The epoch that clients present with ?epoch= to resume; see app.epoch_text().';

CREATE FUNCTION api.epoch_renew() RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_catalog', 'pg_temp'
    AS $$
begin
	update app.epoch set token = gen_random_uuid()::text;
	perform pg_notify('craft_changes', 'epoch');
	return app.epoch_text();
end
$$;

ALTER FUNCTION api.epoch_renew() OWNER TO craft_owner;

COMMENT ON FUNCTION api.epoch_renew() IS 'Makes every client reload: for an administrator who loaded older data into the same database. Returns the new epoch.';

CREATE FUNCTION api.file_delete(p_workspace text, p_session text, p_type text, p_name text, p_if_match text[] DEFAULT NULL::text[], OUT status text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
declare
	v_usage app.file_usage;
	v_old   app.file;
begin
	v_usage := app.files_lock(p_workspace);
	select f.* into v_old from app.file f
		where f.workspace_id = v_usage.workspace_id and f.session_id = p_session and f.type = p_type and f.name = p_name;
	if p_if_match is not null and not app.tag_matches(p_if_match, v_old.blob) then
		status := 'failed';
	elsif v_old.blob is null then
		status := 'missing';
	else
		delete from app.file f
			where f.workspace_id = v_old.workspace_id and f.session_id = v_old.session_id and f.type = v_old.type and f.name = v_old.name;
		insert into app.blob_gone (blob, size) values (v_old.blob, v_old.size);
		perform app.files_end(v_usage, -1, -v_old.size);
		status := 'ok';
	end if;
end
$$;

ALTER FUNCTION api.file_delete(p_workspace text, p_session text, p_type text, p_name text, p_if_match text[], OUT status text) OWNER TO craft_owner;

COMMENT ON FUNCTION api.file_delete(p_workspace text, p_session text, p_type text, p_name text, p_if_match text[], OUT status text) IS 'Deletes a file: ok; or changes nothing: missing (it isn''t there), failed (p_if_match was given and names another blob, or there is no file).';

CREATE FUNCTION api.file_find(p_workspace text, p_session text, p_type text, p_name text) RETURNS TABLE(blob text, size bigint, mime_type text, uploaded_ms bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
#variable_conflict use_column
begin
	return query select f.blob::text, f.size, f.mime_type, app.ms(f.uploaded_at) from app.file f join app.workspace w on w.id = f.workspace_id
		where w.slug = p_workspace and f.session_id = p_session and f.type = p_type and f.name = p_name;
end
$$;

ALTER FUNCTION api.file_find(p_workspace text, p_session text, p_type text, p_name text) OWNER TO craft_owner;

COMMENT ON FUNCTION api.file_find(p_workspace text, p_session text, p_type text, p_name text) IS 'Blob, size, MIME type and time of a file; no row when it isn''t there.';

CREATE FUNCTION api.file_put(p_workspace text, p_session text, p_type text, p_name text, p_blob uuid, p_size bigint, p_mime_type text, p_sha256 bytea, p_if_match text[] DEFAULT NULL::text[], p_if_none_match text[] DEFAULT NULL::text[], p_quota bigint DEFAULT 0, OUT status text, OUT uploaded_ms bigint) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
declare
	v_usage app.file_usage;
	v_old   app.file;
	v_at    timestamptz;
begin
	perform app.file_check(p_session, p_type, p_name, p_mime_type);
	v_usage := app.files_lock(p_workspace);
	if v_usage.workspace_id is null then
		-- What is refused makes no workspace.
		status := app.put_verdict(null, p_if_match, p_if_none_match, p_size, p_quota);
		if status <> 'ok' then
			return;
		end if;
		v_usage := app.files_begin(p_workspace);
	end if;
	v_at := clock_timestamp();
	select f.* into v_old from app.file f
		where f.workspace_id = v_usage.workspace_id and f.session_id = p_session and f.type = p_type and f.name = p_name;
	if v_old.blob = p_blob or exists (select from app.blob_gone g where g.blob = p_blob) then
		-- Asked again by one who lost the answer. What was applied isn't applied again, replaced or deleted since or not:
		-- a blob that is gone would be removed under its new file.
		status := 'ok';
		uploaded_ms := app.ms(case when v_old.blob = p_blob then v_old.uploaded_at else v_at end);
		return;
	end if;
	status := app.put_verdict(v_old.blob, p_if_match, p_if_none_match, v_usage.bytes - coalesce(v_old.size, 0) + p_size, p_quota);
	if status = 'ok' and v_old.blob is null and v_usage.files >= app.quota_files(p_quota) then
		status := 'files';
	end if;
	if status <> 'ok' then
		return;
	end if;
	if v_old.blob is null then
		insert into app.file (workspace_id, session_id, type, name, blob, size, mime_type, sha256, created_at, uploaded_at)
			values (v_usage.workspace_id, p_session, p_type, p_name, p_blob, p_size, p_mime_type, p_sha256, v_at, v_at);
	else
		update app.file f set blob = p_blob, size = p_size, mime_type = p_mime_type, sha256 = p_sha256, uploaded_at = v_at
			where f.workspace_id = v_old.workspace_id and f.session_id = v_old.session_id and f.type = v_old.type and f.name = v_old.name;
		insert into app.blob_gone (blob, size) values (v_old.blob, v_old.size);
	end if;
	perform app.files_end(v_usage, case when v_old.blob is null then 1 else 0 end, p_size - coalesce(v_old.size, 0));
	uploaded_ms := app.ms(v_at);
end
$$;

ALTER FUNCTION api.file_put(p_workspace text, p_session text, p_type text, p_name text, p_blob uuid, p_size bigint, p_mime_type text, p_sha256 bytea, p_if_match text[], p_if_none_match text[], p_quota bigint, OUT status text, OUT uploaded_ms bigint) OWNER TO craft_owner;

COMMENT ON FUNCTION api.file_put(p_workspace text, p_session text, p_type text, p_name text, p_blob uuid, p_size bigint, p_mime_type text, p_sha256 bytea, p_if_match text[], p_if_none_match text[], p_quota bigint, OUT status text, OUT uploaded_ms bigint) IS 'Makes a file (p_session empty and p_type assets: an asset) or replaces it, when its bytes are the blob p_blob already. p_if_match and p_if_none_match are entity tags, that is blob ids, or *; null: not asked. p_quota bounds the bytes of the workspace''s files afterwards, and their number (app.quota_files()); 0: no bound. Status ok, or nothing changed: failed (a precondition), quota, files (too many). Asked again with the same blob it changes nothing. uploaded_ms is the time of the upload in milliseconds since 1970.';

CREATE FUNCTION api.files(p_workspace text, p_session text, p_type text, p_after text DEFAULT NULL::text, p_limit bigint DEFAULT NULL::bigint) RETURNS TABLE(tag text, body json, name text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
#variable_conflict use_column
begin
	return query select app.epoch_text() || '-f' || coalesce((
		select u.changes from app.file_usage u join app.workspace w on w.id = u.workspace_id where w.slug = p_workspace), 0), null::json, null::text;
	-- No name is empty.
	return query select null::text, json_build_object('name', f.name, 'size', f.size, 'mimeType', f.mime_type, 'uploadedAt', app.ms(f.uploaded_at)), f.name
		from app.file f where f.workspace_id = (select w.id from app.workspace w where w.slug = p_workspace)
			and f.session_id = p_session and f.type = p_type and f.name > coalesce(p_after, '')
		order by f.name limit p_limit;
end
$$;

ALTER FUNCTION api.files(p_workspace text, p_session text, p_type text, p_after text, p_limit bigint) OWNER TO craft_owner;

COMMENT ON FUNCTION api.files(p_workspace text, p_session text, p_type text, p_after text, p_limit bigint) IS 'Files of a session of one type (session empty and type assets: the assets), by the bytes of their names, after the name p_after (null: from the first), at most p_limit (null: all). The first row has the ETag''s text alone: it changes with every change of the workspace''s files.';

CREATE FUNCTION api.files_delete_session(p_workspace text, p_session text, OUT deleted bigint) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
declare
	v_usage app.file_usage;
	v_bytes bigint;
begin
	v_usage := app.files_lock(p_workspace);
	with gone as (
		delete from app.file f where f.workspace_id = v_usage.workspace_id and f.session_id = p_session and f.type <> 'assets'
		returning f.blob, f.size
	), kept as (
		insert into app.blob_gone (blob, size) select g.blob, g.size from gone g
	)
	select count(*), coalesce(sum(g.size), 0) into deleted, v_bytes from gone g;
	if deleted > 0 then
		perform app.files_end(v_usage, -deleted, -v_bytes);
	end if;
end
$$;

ALTER FUNCTION api.files_delete_session(p_workspace text, p_session text, OUT deleted bigint) OWNER TO craft_owner;

COMMENT ON FUNCTION api.files_delete_session(p_workspace text, p_session text, OUT deleted bigint) IS 'Deletes all files of a session, of every type; returns how many there were.';

CREATE FUNCTION api.files_room(p_workspace text, p_session text DEFAULT NULL::text, p_type text DEFAULT NULL::text, p_name text DEFAULT NULL::text) RETURNS bigint
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
begin
	return coalesce((select u.bytes - coalesce(f.size, 0) from app.workspace w join app.file_usage u on u.workspace_id = w.id
		left join app.file f on f.workspace_id = w.id and f.session_id = p_session and f.type = p_type and f.name = p_name
		where w.slug = p_workspace), 0);
end
$$;

ALTER FUNCTION api.files_room(p_workspace text, p_session text, p_type text, p_name text) OWNER TO craft_owner;

COMMENT ON FUNCTION api.files_room(p_workspace text, p_session text, p_type text, p_name text) IS 'Bytes of the workspace''s files, without those of the one that is named: what is taken already when it is replaced.';

CREATE FUNCTION api.heads(p_workspaces text[]) RETURNS TABLE(workspace text, workspace_id bigint, seq bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
#variable_conflict use_column
begin
	return query select w.slug, w.id, w.seq from app.workspace w where w.slug = any (p_workspaces);
end
$$;

ALTER FUNCTION api.heads(p_workspaces text[]) OWNER TO craft_owner;

COMMENT ON FUNCTION api.heads(p_workspaces text[]) IS 'Number of the latest change of each of these workspaces; those never written to are left out.';

CREATE FUNCTION api.host_beat(p_host uuid, p_busy text[], p_idle_seconds bigint) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
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

ALTER FUNCTION api.host_beat(p_host uuid, p_busy text[], p_idle_seconds bigint) OWNER TO craft_owner;

COMMENT ON FUNCTION api.host_beat(p_host uuid, p_busy text[], p_idle_seconds bigint) IS 'The host lives, and these sandboxes work: they live for p_idle_seconds from now. Called every few seconds: a host that is silent for 30 s gets no new sandboxes, one silent for 120 s loses those that it has. False: the host is unknown.';

CREATE FUNCTION api.host_begin(p_host uuid, p_name text, p_version text, p_capacity integer, p_protection text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
declare
	v_now timestamptz := clock_timestamp();
begin
	insert into app.sandbox_host as h (id, name, version, capacity, protection, started_at, seen_at)
		values (p_host, p_name, p_version, p_capacity, p_protection, v_now, v_now)
	on conflict (id) do update set name = excluded.name, version = excluded.version, capacity = excluded.capacity,
		protection = excluded.protection, started_at = excluded.started_at, seen_at = excluded.seen_at, stopped_at = null;
end
$$;

ALTER FUNCTION api.host_begin(p_host uuid, p_name text, p_version text, p_capacity integer, p_protection text) OWNER TO craft_owner;

COMMENT ON FUNCTION api.host_begin(p_host uuid, p_name text, p_version text, p_capacity integer, p_protection text) IS 'A host was started, and runs up to p_capacity sandboxes under these protections.';

CREATE FUNCTION api.host_claim(p_host uuid, p_limit integer) RETURNS TABLE(session text, workspace text, repo_key text, branch text, seq bigint, request text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
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

ALTER FUNCTION api.host_claim(p_host uuid, p_limit integer) OWNER TO craft_owner;

COMMENT ON FUNCTION api.host_claim(p_host uuid, p_limit integer) IS 'Gives the host sandboxes that no host has, the oldest first, at most p_limit and as many as it has room for. They are cloning then. None to a host that hasn''t begun or was stopped. request: the id of the request that asked for it, for the logs.';

CREATE FUNCTION api.host_end(p_host uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
begin
	update app.sandbox_host h set stopped_at = clock_timestamp() where h.id = p_host;
end
$$;

ALTER FUNCTION api.host_end(p_host uuid) OWNER TO craft_owner;

COMMENT ON FUNCTION api.host_end(p_host uuid) IS 'The host stops in good order.';

CREATE FUNCTION api.host_job_read(p_host uuid, p_job bigint) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
begin
	update app.sandbox_job j set payload = null from app.sandbox_session s
		where j.id = p_job and s.id = j.session_id and s.host_id = p_host and j.taken_at is not null and j.payload is not null;
	return found;
end
$$;

ALTER FUNCTION api.host_job_read(p_host uuid, p_job bigint) OWNER TO craft_owner;

COMMENT ON FUNCTION api.host_job_read(p_host uuid, p_job bigint) IS 'The host has done with a job''s message, which isn''t kept any longer: it counts for no limit from now on.';

CREATE FUNCTION api.host_jobs(p_host uuid, p_limit integer, p_again boolean DEFAULT false, p_bytes bigint DEFAULT NULL::bigint) RETURNS TABLE(job bigint, session text, client text, kind text, tool_id text, name text, payload text, sealed_key text, request text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
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

ALTER FUNCTION api.host_jobs(p_host uuid, p_limit integer, p_again boolean, p_bytes bigint) OWNER TO craft_owner;

COMMENT ON FUNCTION api.host_jobs(p_host uuid, p_limit integer, p_again boolean, p_bytes bigint) IS 'Takes the jobs that wait for sandboxes of the host, at most p_limit; without p_bytes the oldest first. With it about so many bytes, unless one alone is bigger: a sandbox''s in their order, and first of all those that with what is before them in their own sandbox have the fewest bytes. Each is taken once; p_again: returns also those that were taken before and are under way, for a host that may have missed an answer. Last the sealed key that the client came with, where it isn''t API_KEY, and the id of the request by which it connected, for the logs.';

CREATE FUNCTION api.host_jobs_known(p_host uuid, p_known bigint[]) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
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

ALTER FUNCTION api.host_jobs_known(p_host uuid, p_known bigint[]) OWNER TO craft_owner;

COMMENT ON FUNCTION api.host_jobs_known(p_host uuid, p_known bigint[]) IS 'For a host that may have missed an answer of api.host_jobs(): of the jobs that it took and that are still open, those that it doesn''t know are to be taken again, as any others. How many they are.';

CREATE FUNCTION api.host_sandboxes(p_host uuid) RETURNS TABLE(session text, workspace text, repo_key text, branch text, seq bigint, status text, request text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
#variable_conflict use_column
begin
	return query select s.id::text, w.slug, s.repo_key, s.branch, s.seq, s.status, s.request_id
	from app.sandbox_session s join app.workspace w on w.id = s.workspace_id
	where s.host_id = p_host and s.cleaned_at is null
	order by s.created_at;
end
$$;

ALTER FUNCTION api.host_sandboxes(p_host uuid) OWNER TO craft_owner;

COMMENT ON FUNCTION api.host_sandboxes(p_host uuid) IS 'The host''s sandboxes of which it hasn''t said yet that all is removed, ended ones too (status expired): what a host that starts adopts or ends. request as in api.host_claim().';

CREATE FUNCTION api.key_add(p_id text, p_workspace text, p_name text, p_sha256 bytea, p_sealed text, p_read_only boolean, p_per_minute integer, p_expires_ms bigint) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_catalog', 'pg_temp'
    AS $$
begin
	-- For the count, and so that two of one name don't meet in the index with an error that shows the row.
	perform pg_advisory_xact_lock(hashtext('craft-agent-cloud keys'), hashtext(p_workspace));
	if exists (select from app.api_key k where k.workspace = p_workspace and k.name = p_name and k.revoked_at is null) then
		return 'exists';
	end if;
	if (select count(*) from app.api_key k where k.workspace = p_workspace and k.revoked_at is null) >= 100 then
		return 'too_many';
	end if;
	insert into app.api_key (id, workspace, name, sha256, sealed, read_only, per_minute, expires_at)
		values (p_id, p_workspace, p_name, p_sha256, p_sealed, p_read_only, p_per_minute, app.ms_time(p_expires_ms));
	return 'ok';
end
$$;

ALTER FUNCTION api.key_add(p_id text, p_workspace text, p_name text, p_sha256 bytea, p_sealed text, p_read_only boolean, p_per_minute integer, p_expires_ms bigint) OWNER TO craft_owner;

COMMENT ON FUNCTION api.key_add(p_id text, p_workspace text, p_name text, p_sha256 bytea, p_sealed text, p_read_only boolean, p_per_minute integer, p_expires_ms bigint) IS 'Adds a key for a workspace: ok; exists (one of that name wasn''t revoked); too_many (100 weren''t). p_per_minute and p_expires_ms (milliseconds since 1970) may be null: no such limit.';

CREATE FUNCTION api.key_find(p_id text) RETURNS TABLE(workspace text, sha256 bytea, read_only boolean, per_minute integer, expires_ms bigint)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
declare
	v_key app.api_key;
begin
	select * into v_key from app.api_key k where k.id = p_id;
	if not found or not app.key_lives(v_key) then
		return;
	end if;
	if v_key.last_used_at is distinct from date_trunc('hour', now()) then
		perform set_config('synchronous_commit', 'off', true);
		-- Nobody waits for this: whoever has the row notes the same.
		update app.api_key k set last_used_at = date_trunc('hour', now())
			where k.id = (select o.id from app.api_key o where o.id = p_id for no key update skip locked);
	end if;
	return query select v_key.workspace, v_key.sha256, v_key.read_only, v_key.per_minute, app.ms(v_key.expires_at);
end
$$;

ALTER FUNCTION api.key_find(p_id text) OWNER TO craft_owner;

COMMENT ON FUNCTION api.key_find(p_id text) IS 'The key of that id, if it opens its workspace at the moment: whose SHA-256 it has to have, and its limits (null: none). No row: there is none. Notes the hour.';

CREATE FUNCTION api.key_rekey(p_id text, p_old text, p_new text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
begin
	update app.api_key k set sealed = p_new where k.id = p_id and k.sealed = p_old;
	return found;
end
$$;

ALTER FUNCTION api.key_rekey(p_id text, p_old text, p_new text) OWNER TO craft_owner;

COMMENT ON FUNCTION api.key_rekey(p_id text, p_old text, p_new text) IS 'Replaces a sealed key by the same sealed under another key; false when it is no longer that text, and nothing changed.';

CREATE FUNCTION api.key_revoke(p_workspace text, p_key text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_catalog', 'pg_temp'
    AS $$
declare
	v_id text;
begin
	update app.api_key k set revoked_at = clock_timestamp(), sealed = null
		where k.workspace = p_workspace and k.revoked_at is null and (k.name = p_key or k.id = p_key) returning k.id into v_id;
	if v_id is not null then
		perform pg_notify('craft_keys', v_id);
	end if;
	return v_id;
end
$$;

ALTER FUNCTION api.key_revoke(p_workspace text, p_key text) OWNER TO craft_owner;

COMMENT ON FUNCTION api.key_revoke(p_workspace text, p_key text) IS 'Revokes a key, by its name or its id, and tells the bridges: NOTIFY craft_keys. Returns its id; null: that workspace has no such key.';

CREATE FUNCTION api.keys(p_workspace text) RETURNS TABLE(id text, workspace text, name text, read_only boolean, per_minute integer, created_at timestamp with time zone, expires_at timestamp with time zone, expired boolean, revoked_at timestamp with time zone, last_used_at timestamp with time zone)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
	select k.id, k.workspace, k.name, k.read_only, k.per_minute, k.created_at, k.expires_at,
		coalesce(k.expires_at <= clock_timestamp(), false), k.revoked_at, k.last_used_at
	from app.api_key k where p_workspace is null or k.workspace = p_workspace
	order by k.workspace, k.created_at, k.id;
$$;

ALTER FUNCTION api.keys(p_workspace text) OWNER TO craft_owner;

COMMENT ON FUNCTION api.keys(p_workspace text) IS 'The keys of a workspace, or (null) of all, those too that were revoked; nothing that opens anything.';

CREATE FUNCTION api.keys_live(p_ids text[]) RETURNS TABLE(id text, read_only boolean, per_minute integer, expires_ms bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
#variable_conflict use_column
begin
	return query select k.id, k.read_only, k.per_minute, app.ms(k.expires_at) from app.api_key k where k.id = any (p_ids) and app.key_lives(k);
end
$$;

ALTER FUNCTION api.keys_live(p_ids text[]) OWNER TO craft_owner;

COMMENT ON FUNCTION api.keys_live(p_ids text[]) IS 'Which of these keys still open their workspaces, with their limits: for those who have connections that came with them.';

CREATE FUNCTION api.keys_sealed(p_workspace text) RETURNS TABLE(id text, sealed text, expires_ms bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
#variable_conflict use_column
begin
	return query select k.id, k.sealed, app.ms(k.expires_at) from app.api_key k where k.workspace = p_workspace and app.key_lives(k) order by k.created_at;
end
$$;

ALTER FUNCTION api.keys_sealed(p_workspace text) OWNER TO craft_owner;

COMMENT ON FUNCTION api.keys_sealed(p_workspace text) IS 'The sealed keys that open a workspace at the moment, 100 at most: any of them may have signed a URL.';

CREATE FUNCTION api.keys_since(p_since_ms bigint, p_limit bigint) RETURNS TABLE(id text, workspace text, created_ms bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
#variable_conflict use_column
begin
	return query select k.id, k.workspace, app.ms(k.created_at) from app.api_key k
		where k.created_at >= app.ms_time(p_since_ms) and app.key_lives(k) order by k.created_at limit p_limit;
end
$$;

ALTER FUNCTION api.keys_since(p_since_ms bigint, p_limit bigint) OWNER TO craft_owner;

COMMENT ON FUNCTION api.keys_since(p_since_ms bigint, p_limit bigint) IS 'Ids and workspaces of the living keys made at or after that time (milliseconds since 1970), oldest first, at most p_limit: to tell made-up ones from real ones.';

CREATE FUNCTION api.keys_to_rekey(p_after text, p_limit integer) RETURNS TABLE(id text, sealed text, workspace text, name text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
	select k.id, k.sealed, k.workspace, k.name from app.api_key k
	where k.sealed is not null and k.id > coalesce(p_after, '') order by k.id limit p_limit;
$$;

ALTER FUNCTION api.keys_to_rekey(p_after text, p_limit integer) OWNER TO craft_owner;

COMMENT ON FUNCTION api.keys_to_rekey(p_after text, p_limit integer) IS 'The sealed keys of all workspaces, by id, after that one (null: from the first), at most p_limit; last whose they are.';

CREATE FUNCTION api.labels(p_workspace text) RETURNS TABLE(tag text, body json)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
#variable_conflict use_column
begin
	return query select api.workspace_tag(p_workspace), coalesce((select c.config from app.workspace_config c join app.workspace w on w.id = c.workspace_id
		where w.slug = p_workspace and c.kind = 'labels'), '{"version":1,"labels":[]}');
end
$$;

ALTER FUNCTION api.labels(p_workspace text) OWNER TO craft_owner;

COMMENT ON FUNCTION api.labels(p_workspace text) IS 'The workspace''s labels, or the empty default.';

CREATE FUNCTION api.labels_save(p_workspace text, p_config json, p_request api.request DEFAULT NULL::api.request) RETURNS api.outcome
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
	select * from app.config_save(p_workspace, 'labels', p_config, p_request);
$$;

ALTER FUNCTION api.labels_save(p_workspace text, p_config json, p_request api.request) OWNER TO craft_owner;

COMMENT ON FUNCTION api.labels_save(p_workspace text, p_config json, p_request api.request) IS 'Saves the workspace''s labels.';

CREATE FUNCTION api.log_limit_set(p_change_bytes bigint, p_stream_bytes bigint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
begin
	if exists (select from app.log_limit l where l.change_bytes <> p_change_bytes or l.stream_bytes <> p_stream_bytes) then
		update app.log_limit l set change_bytes = p_change_bytes, stream_bytes = p_stream_bytes;
	end if;
end
$$;

ALTER FUNCTION api.log_limit_set(p_change_bytes bigint, p_stream_bytes bigint) OWNER TO craft_owner;

COMMENT ON FUNCTION api.log_limit_set(p_change_bytes bigint, p_stream_bytes bigint) IS 'How many bytes of changes a workspace''s log may have, and of messages its sandboxes: who makes one longer drops what is oldest in it. Called by the bridges when they start; the last one that did is right.';

CREATE FUNCTION api.log_usage(OUT change_bytes bigint, OUT change_limit bigint, OUT change_workspace text, OUT stream_bytes bigint, OUT stream_limit bigint, OUT stream_workspace text) RETURNS record
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
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

ALTER FUNCTION api.log_usage(OUT change_bytes bigint, OUT change_limit bigint, OUT change_workspace text, OUT stream_bytes bigint, OUT stream_limit bigint, OUT stream_workspace text) OWNER TO craft_owner;

COMMENT ON FUNCTION api.log_usage(OUT change_bytes bigint, OUT change_limit bigint, OUT change_workspace text, OUT stream_bytes bigint, OUT stream_limit bigint, OUT stream_workspace text) IS 'How near the logs are to their bounds: bytes of the longest log of changes and of the most messages that a workspace''s sandboxes have, what they may be, and whose they are (null: nobody''s).';

CREATE FUNCTION api.oauth_outcome(p_nonce bytea, p_outcome text) RETURNS void
    LANGUAGE sql STRICT SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
	update app.oauth_used u set outcome = p_outcome where u.nonce = p_nonce;
$$;

ALTER FUNCTION api.oauth_outcome(p_nonce bytea, p_outcome text) OWNER TO craft_owner;

COMMENT ON FUNCTION api.oauth_outcome(p_nonce bytea, p_outcome text) IS 'Notes where the browser was sent that came with this state.';

CREATE FUNCTION api.oauth_outcome_of(p_nonce bytea) RETURNS text
    LANGUAGE sql STABLE STRICT SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
	select u.outcome from app.oauth_used u where u.nonce = p_nonce and u.expires_at > clock_timestamp();
$$;

ALTER FUNCTION api.oauth_outcome_of(p_nonce bytea) OWNER TO craft_owner;

COMMENT ON FUNCTION api.oauth_outcome_of(p_nonce bytea) IS 'Where the browser was sent that came with this state; null: it is still under way, not known, or too long ago.';

CREATE FUNCTION api.oauth_use(p_nonce bytea, p_expires_ms bigint) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
declare
	v_expires timestamptz := app.ms_time(p_expires_ms);
	-- Rows stay an hour longer than the states are good: the expiry is looked at by other machines, whose clocks may be slow.
	v_gone    timestamptz := clock_timestamp() - interval '1 hour';
begin
	if v_expires < v_gone then
		-- Its row may have gone.
		return false;
	end if;
	insert into app.oauth_used (nonce, expires_at) values (p_nonce, v_expires) on conflict (nonce) do nothing;
	if not found then
		return false;
	end if;
	delete from app.oauth_used u where u.nonce in (
		select o.nonce from app.oauth_used o where o.expires_at < v_gone order by o.expires_at limit 100 for update skip locked);
	return true;
end
$$;

ALTER FUNCTION api.oauth_use(p_nonce bytea, p_expires_ms bigint) OWNER TO craft_owner;

COMMENT ON FUNCTION api.oauth_use(p_nonce bytea, p_expires_ms bigint) IS 'Takes a state: true for the first who comes with its 16 random bytes, false for all others. p_expires_ms is when it expires by itself, in milliseconds since 1970. Forgets up to 100 that expired an hour ago.';

CREATE FUNCTION api.plan_delete(p_workspace text, p_session text, p_name text, p_event json DEFAULT NULL::json, p_request api.request DEFAULT NULL::api.request) RETURNS api.outcome
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
declare
	v_out api.outcome := app.change_begin(p_workspace, p_request);
begin
	if v_out.status <> 'ok' then
		return v_out;
	end if;
	delete from app.plan p where p.workspace_id = v_out.workspace_id and p.session_id = p_session and p.name = p_name;
	return app.change_end(v_out, 'plan', 'deleted', p_name,
		coalesce(p_event, json_build_object('sessionId', p_session, 'fileName', p_name)), p_request);
end
$$;

ALTER FUNCTION api.plan_delete(p_workspace text, p_session text, p_name text, p_event json, p_request api.request) OWNER TO craft_owner;

COMMENT ON FUNCTION api.plan_delete(p_workspace text, p_session text, p_name text, p_event json, p_request api.request) IS 'Deletes a plan; no error when it isn''t there.';

CREATE FUNCTION api.plan_parts(p_workspace text, p_session text, p_name text) RETURNS TABLE(tag text, part bytea)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
	select app.epoch_text() || '-p' || p.modified_seq, substring(p.bytes from n.n for 4194304)
	from (
		select p.modified_seq, convert_to(p.content::text, 'UTF8') as bytes from app.plan p join app.workspace w on w.id = p.workspace_id
		where w.slug = p_workspace and p.session_id = p_session and p.name = p_name offset 0
	) p
	cross join lateral generate_series(1, length(p.bytes), 4194304) as n (n);
$$;

ALTER FUNCTION api.plan_parts(p_workspace text, p_session text, p_name text) OWNER TO craft_owner;

COMMENT ON FUNCTION api.plan_parts(p_workspace text, p_session text, p_name text) IS 'A plan''s content as JSON string text, in parts of at most 4 MiB, with the ETag''s text; no row when it isn''t there.';

CREATE FUNCTION api.plan_save(p_workspace text, p_session text, p_name text, p_content json, p_event json DEFAULT NULL::json, p_request api.request DEFAULT NULL::api.request) RETURNS api.outcome
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
declare
	v_out api.outcome := app.change_begin(p_workspace, p_request);
begin
	if v_out.status <> 'ok' then
		return v_out;
	end if;
	v_out := app.change_end(v_out, 'plan', 'updated', p_name,
		coalesce(p_event, json_build_object('sessionId', p_session, 'fileName', p_name, 'content', p_content)), p_request);
	insert into app.plan (workspace_id, session_id, name, content, modified_seq)
		values (v_out.workspace_id, p_session, p_name, p_content, v_out.seq)
		on conflict (workspace_id, session_id, name)
		do update set content = excluded.content, modified_at = clock_timestamp(), modified_seq = excluded.modified_seq;
	return v_out;
end
$$;

ALTER FUNCTION api.plan_save(p_workspace text, p_session text, p_name text, p_content json, p_event json, p_request api.request) OWNER TO craft_owner;

COMMENT ON FUNCTION api.plan_save(p_workspace text, p_session text, p_name text, p_content json, p_event json, p_request api.request) IS 'Saves a plan of a session (which needn''t be there yet). p_content: a JSON string. p_event: what is broadcast, by default {"sessionId":…,"fileName":…,"content":…}.';

CREATE FUNCTION api.plans(p_workspace text, p_session text) RETURNS TABLE(tag text, body json)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
declare
	v_workspace bigint;
	v_seq       bigint;
begin
	select w.id, w.seq into v_workspace, v_seq from app.workspace w where w.slug = p_workspace;
	tag := app.workspace_tag(v_seq);
	return next;
	return query select null::text, json_build_object('name', p.name, 'modifiedAt', floor(extract(epoch from p.modified_at) * 1000)::bigint) from app.plan p
		where p.workspace_id = v_workspace and p.session_id = p_session order by p.modified_seq desc;
end
$$;

ALTER FUNCTION api.plans(p_workspace text, p_session text) OWNER TO craft_owner;

COMMENT ON FUNCTION api.plans(p_workspace text, p_session text) IS 'Names and times (milliseconds since 1970) of a session''s plans, newest first.';

CREATE FUNCTION api.project(p_workspace text, p_repo_key text) RETURNS TABLE(tag text, body json)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
	select app.tag_of(array[x.body]), x.body from (
		select json_build_object('repoKey', p.repo_key, 'repoUrl', p.repo_url, 'defaultBranch', p.default_branch, 'addedAt', app.ms(p.added_at),
			'hasGitHubAuth', c.repo_id is not null,
			'github', case when c.repo_id is not null then json_build_object('username', c.username, 'userId', c.user_id,
				'scope', c.scope, 'authenticatedAt', app.ms(c.authenticated_at)) end) as body
		from app.project p join app.workspace w on w.id = p.workspace_id
		left join app.credential c on c.workspace_id = p.workspace_id and c.repo_id = p.repo_id and c.invalid_at is null and c.denied is null
		where w.slug = p_workspace and p.repo_id = app.repo_id(p_repo_key)
	) x;
$$;

ALTER FUNCTION api.project(p_workspace text, p_repo_key text) OWNER TO craft_owner;

COMMENT ON FUNCTION api.project(p_workspace text, p_repo_key text) IS 'One project with the GitHub user who granted access (unless GitHub takes the grant no longer), never the token.';

CREATE FUNCTION api.project_remember(p_workspace text, p_repo_key text, p_repo_url text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
declare
	v_workspace bigint := app.project_begin(p_workspace, p_repo_key, p_repo_url);
begin
	update app.project p set repo_url = p_repo_url
		where p.workspace_id = v_workspace and p.repo_id = app.repo_id(p_repo_key) and p.repo_url is distinct from p_repo_url;
end
$$;

ALTER FUNCTION api.project_remember(p_workspace text, p_repo_key text, p_repo_url text) OWNER TO craft_owner;

COMMENT ON FUNCTION api.project_remember(p_workspace text, p_repo_key text, p_repo_url text) IS 'Adds a repository to a workspace (and makes the workspace) where it is missing, else takes the URL over when it is another one. No synced change.';

CREATE FUNCTION api.projects(p_workspace text) RETURNS TABLE(tag text, body json)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
	with list as (
		select app.project_json(p) as body, p.position from app.project p join app.workspace w on w.id = p.workspace_id where w.slug = p_workspace
	)
	select x.tag, x.body from (
		select app.tag_of((select array_agg(l.body order by l.position) from list l)) as tag, null::json as body, null::bigint as pos
		union all
		select null, l.body, l.position from list l
	) x order by x.pos desc nulls first;
$$;

ALTER FUNCTION api.projects(p_workspace text) OWNER TO craft_owner;

COMMENT ON FUNCTION api.projects(p_workspace text) IS 'The workspace''s projects, newest first.';

CREATE FUNCTION api.prune(p_keep bigint, p_days integer, p_retry_hours integer) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_catalog', 'pg_temp'
    AS $$
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

ALTER FUNCTION api.prune(p_keep bigint, p_days integer, p_retry_hours integer) OWNER TO craft_owner;

COMMENT ON FUNCTION api.prune(p_keep bigint, p_days integer, p_retry_hours integer) IS 'Housekeeping, run by the bridges: of each workspace''s log drops what lies more than p_keep changes or p_days days back, moving floor up, and forgets requests seen more than p_retry_hours ago. Some 10,000 rows a call, so that nobody waits long for a workspaces lock; returns the rows removed.';

CREATE FUNCTION api.sandbox(p_workspace text, p_session text) RETURNS TABLE(tag text, body json)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
	select app.tag_of(array[x.body]), x.body from (
		select app.sandbox_json(s) as body from app.sandbox_session s join app.workspace w on w.id = s.workspace_id
		where w.slug = p_workspace and s.id = app.to_uuid(p_session) and s.gone_at is null
	) x;
$$;

ALTER FUNCTION api.sandbox(p_workspace text, p_session text) OWNER TO craft_owner;

COMMENT ON FUNCTION api.sandbox(p_workspace text, p_session text) IS 'One sandbox session.';

CREATE FUNCTION api.sandbox_announce(p_host text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_catalog', 'pg_temp'
    AS $$
begin
	perform set_config('synchronous_commit', 'off', true);
	perform pg_notify('craft_sandbox', coalesce(p_host, '*'));
end
$$;

ALTER FUNCTION api.sandbox_announce(p_host text) OWNER TO craft_owner;

COMMENT ON FUNCTION api.sandbox_announce(p_host text) IS 'Tells a host (null: all) that there is work: NOTIFY craft_sandbox. Call it after the job''s COMMIT, in a transaction of its own. Only a hint.';

CREATE FUNCTION api.sandbox_append(p_host uuid, p_session text, p_after bigint, p_targets text[], p_bodies text[]) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
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

ALTER FUNCTION api.sandbox_append(p_host uuid, p_session text, p_after bigint, p_targets text[], p_bodies text[]) OWNER TO craft_owner;

COMMENT ON FUNCTION api.sandbox_append(p_host uuid, p_session text, p_after bigint, p_targets text[], p_bodies text[]) IS 'Appends messages (JSON objects) to a sandbox of the host, ended or not, each for the one client that its target names, or with an empty target for all; returns the number of the latest one. p_after is the number of the latest one that the caller knows: of messages beyond it as many are taken for stored by an earlier try as there are, so that it may be asked again. Where the workspace''s sandboxes have more bytes then than they may have, the oldest are dropped. Null, and nothing is stored: it isn''t this host''s, is cleaned, or has fewer messages than the caller knows. Then api.stream_announce() is called.';

CREATE FUNCTION api.sandbox_claim(p_host uuid, p_limit integer) RETURNS TABLE(session text, workspace text, repo_key text, branch text, seq bigint)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
#variable_conflict use_column
begin
	return query select c.session, c.workspace, c.repo_key, c.branch, c.seq from api.host_claim(p_host, p_limit) c;
end
$$;

ALTER FUNCTION api.sandbox_claim(p_host uuid, p_limit integer) OWNER TO craft_owner;

COMMENT ON FUNCTION api.sandbox_claim(p_host uuid, p_limit integer) IS 'As api.host_claim(), for hosts of an older version.';

CREATE FUNCTION api.sandbox_cleaned(p_host uuid, p_session text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
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

ALTER FUNCTION api.sandbox_cleaned(p_host uuid, p_session text) OWNER TO craft_owner;

COMMENT ON FUNCTION api.sandbox_cleaned(p_host uuid, p_session text) IS 'Of a sandbox that ended nothing is left on the host, which has said all that it had to say. Ends the jobs that are still open and tells their clients, and says that the sandbox expired if the host hasn''t. False: it isn''t this host''s or hasn''t ended.';

CREATE FUNCTION api.sandbox_create(p_workspace text, p_repo_key text, p_branch text, p_idle_seconds bigint, p_workspace_max integer, p_request text DEFAULT NULL::text, OUT status text, OUT session text, OUT in_use integer) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_catalog', 'pg_temp'
    AS $$
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

ALTER FUNCTION api.sandbox_create(p_workspace text, p_repo_key text, p_branch text, p_idle_seconds bigint, p_workspace_max integer, p_request text, OUT status text, OUT session text, OUT in_use integer) OWNER TO craft_owner;

COMMENT ON FUNCTION api.sandbox_create(p_workspace text, p_repo_key text, p_branch text, p_idle_seconds bigint, p_workspace_max integer, p_request text, OUT status text, OUT session text, OUT in_use integer) IS 'Makes a sandbox of a project''s branch, which a host claims soon after (NOTIFY craft_sandbox: *). Status ok, session being its id; or nothing is made: no_host (none has been seen for 30 s), workspace_full (the workspace has p_workspace_max), host_full (all living hosts are). in_use is the number of the workspace''s sandboxes, with host_full that of all. p_request: the request''s id, for the logs; null: none.';

CREATE FUNCTION api.sandbox_delete(p_workspace text, p_session text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_catalog', 'pg_temp'
    AS $$
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

ALTER FUNCTION api.sandbox_delete(p_workspace text, p_session text) OWNER TO craft_owner;

COMMENT ON FUNCTION api.sandbox_delete(p_workspace text, p_session text) IS 'Ends a sandbox; its host, which is told (NOTIFY craft_sandbox), stops all that runs in it and removes its files. ok (also when it has ended already) or unknown.';

CREATE FUNCTION api.sandbox_end(p_host uuid, p_session text, p_reason text, p_error text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
declare
	v_id uuid;
begin
	select s.id into v_id from app.sandbox_session s where s.id = app.to_uuid(p_session) and s.host_id = p_host;
	return found and app.sandbox_finish(v_id, p_reason, p_error);
end
$$;

ALTER FUNCTION api.sandbox_end(p_host uuid, p_session text, p_reason text, p_error text) OWNER TO craft_owner;

COMMENT ON FUNCTION api.sandbox_end(p_host uuid, p_session text, p_reason text, p_error text) IS 'Ends a sandbox of the host: user, idle, time, oom, disk, crash, clone or host; p_error is what went wrong, in words (null: nothing). Jobs that the host took stay open until it ends them. False: it isn''t this host''s or has ended.';

CREATE FUNCTION api.sandbox_ending(p_host uuid) RETURNS TABLE(session text, reason text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
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

ALTER FUNCTION api.sandbox_ending(p_host uuid) OWNER TO craft_owner;

COMMENT ON FUNCTION api.sandbox_ending(p_host uuid) IS 'Ends those of the host''s sandboxes whose time was over at its last beat, and returns all that ended and aren''t cleaned yet: the host stops what runs in them, removes their files and calls api.sandbox_cleaned().';

CREATE FUNCTION api.sandbox_heads(p_sessions text[]) RETURNS TABLE(session text, seq bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
#variable_conflict use_column
begin
	return query select s.id::text, s.seq from app.sandbox_session s where s.id = any (p_sessions::uuid[]) and s.gone_at is null;
end
$$;

ALTER FUNCTION api.sandbox_heads(p_sessions text[]) OWNER TO craft_owner;

COMMENT ON FUNCTION api.sandbox_heads(p_sessions text[]) IS 'Number of the latest message of each of these sandboxes; those that are unknown or gone are left out.';

CREATE FUNCTION api.sandbox_job_end(p_job bigint, p_outcome text, p_exit integer, p_bytes_out bigint) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
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

ALTER FUNCTION api.sandbox_job_end(p_job bigint, p_outcome text, p_exit integer, p_bytes_out bigint) OWNER TO craft_owner;

COMMENT ON FUNCTION api.sandbox_job_end(p_job bigint, p_outcome text, p_exit integer, p_bytes_out bigint) IS 'A job is over: success, failure, error, cancelled, timeout, oom, host or expired. Its sandbox lives on for as long as after a heartbeat. False: it was over already.';

CREATE FUNCTION api.sandbox_jobs(p_host uuid, p_limit integer, p_again boolean DEFAULT false) RETURNS TABLE(job bigint, session text, client text, kind text, tool_id text, name text, payload text, sealed_key text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
#variable_conflict use_column
begin
	return query select j.job, j.session, j.client, j.kind, j.tool_id, j.name, j.payload, j.sealed_key from api.host_jobs(p_host, p_limit, p_again) j;
end
$$;

ALTER FUNCTION api.sandbox_jobs(p_host uuid, p_limit integer, p_again boolean) OWNER TO craft_owner;

COMMENT ON FUNCTION api.sandbox_jobs(p_host uuid, p_limit integer, p_again boolean) IS 'As api.host_jobs(), for hosts of an older version.';

CREATE FUNCTION api.sandbox_jobs_lost(p_host uuid) RETURNS TABLE(job bigint, session text, client text, kind text, tool_id text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
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

ALTER FUNCTION api.sandbox_jobs_lost(p_host uuid) OWNER TO craft_owner;

COMMENT ON FUNCTION api.sandbox_jobs_lost(p_host uuid) IS 'Called by a host that starts: ends the jobs that it had taken before, and returns them, so that their clients can be told.';

CREATE FUNCTION api.sandbox_messages(p_session text, p_since bigint, p_limit integer, p_bytes integer DEFAULT 8388608) RETURNS TABLE(head bigint, floor bigint, seq bigint, target text, body text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
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

ALTER FUNCTION api.sandbox_messages(p_session text, p_since bigint, p_limit integer, p_bytes integer) OWNER TO craft_owner;

COMMENT ON FUNCTION api.sandbox_messages(p_session text, p_since bigint, p_limit integer, p_bytes integer) IS 'A page of a sandbox''s messages after p_since, in order: at most p_limit rows, and p_bytes or a little more (one row may be bigger). Every row also carries head and floor of the same snapshot; seq below head in the last one: ask for the next page. At least one row; its seq is null when nothing follows, its head when the sandbox is unknown.';

CREATE FUNCTION api.sandbox_mine(p_host uuid) RETURNS TABLE(session text, workspace text, repo_key text, branch text, seq bigint, status text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
#variable_conflict use_column
begin
	return query select m.session, m.workspace, m.repo_key, m.branch, m.seq, m.status from api.host_sandboxes(p_host) m;
end
$$;

ALTER FUNCTION api.sandbox_mine(p_host uuid) OWNER TO craft_owner;

COMMENT ON FUNCTION api.sandbox_mine(p_host uuid) IS 'As api.host_sandboxes(), for hosts of an older version.';

CREATE FUNCTION api.sandbox_open(p_workspace text, p_session text, OUT status text, OUT head bigint, OUT floor bigint, OUT state text) RETURNS record
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
declare
	v_session app.sandbox_session := app.sandbox_find(p_workspace, p_session);
begin
	status := case when v_session.id is null then 'unknown' when v_session.ended_at is not null then 'expired' else 'ok' end;
	head := v_session.seq;
	floor := v_session.floor;
	state := v_session.status;
end
$$;

ALTER FUNCTION api.sandbox_open(p_workspace text, p_session text, OUT status text, OUT head bigint, OUT floor bigint, OUT state text) OWNER TO craft_owner;

COMMENT ON FUNCTION api.sandbox_open(p_workspace text, p_session text, OUT status text, OUT head bigint, OUT floor bigint, OUT state text) IS 'May a client connect? ok, unknown or expired; with the number of the latest message, that up to which they were pruned, and the sandbox''s status.';

CREATE FUNCTION api.sandbox_state(p_host uuid, p_session text, p_status text, p_error text, p_commit text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
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

ALTER FUNCTION api.sandbox_state(p_host uuid, p_session text, p_status text, p_error text, p_commit text) OWNER TO craft_owner;

COMMENT ON FUNCTION api.sandbox_state(p_host uuid, p_session text, p_status text, p_error text, p_commit text) IS 'A sandbox is cloning, ready or idle now; p_commit (null: as before) is what is checked out. False: it isn''t this host''s or has ended.';

CREATE FUNCTION api.sandbox_submit(p_workspace text, p_session text, p_client text, p_kind text, p_tool_id text, p_name text, p_payload text, p_idle_seconds bigint, p_key text DEFAULT NULL::text, p_request text DEFAULT NULL::text, p_max bigint DEFAULT 134217728, p_all bigint DEFAULT 536870912, OUT status text, OUT host text) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
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

ALTER FUNCTION api.sandbox_submit(p_workspace text, p_session text, p_client text, p_kind text, p_tool_id text, p_name text, p_payload text, p_idle_seconds bigint, p_key text, p_request text, p_max bigint, p_all bigint, OUT status text, OUT host text) OWNER TO craft_owner;

COMMENT ON FUNCTION api.sandbox_submit(p_workspace text, p_session text, p_client text, p_kind text, p_tool_id text, p_name text, p_payload text, p_idle_seconds bigint, p_key text, p_request text, p_max bigint, p_all bigint, OUT status text, OUT host text) IS 'Gives a sandbox a job: ok, with its host (null: not claimed yet), for which api.sandbox_announce() is called then. Or there is no new job: unknown, expired, busy (an execute while one is under way), too_many (100 are under way), or what app.sandbox_has_room() says of its bytes, p_max and p_all. Counts as a heartbeat. p_key: the id of the workspace''s key that the client came with; null: API_KEY. p_request: the id of the request by which the client connected, for the logs; null: none.';

CREATE FUNCTION api.sandbox_sweep(p_stream_keep_seconds bigint, p_row_keep_seconds bigint, OUT messages bigint, OUT sessions bigint, OUT lost bigint) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_catalog', 'pg_temp'
    AS $$
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

ALTER FUNCTION api.sandbox_sweep(p_stream_keep_seconds bigint, p_row_keep_seconds bigint, OUT messages bigint, OUT sessions bigint, OUT lost bigint) OWNER TO craft_owner;

COMMENT ON FUNCTION api.sandbox_sweep(p_stream_keep_seconds bigint, p_row_keep_seconds bigint, OUT messages bigint, OUT sessions bigint, OUT lost bigint) IS 'Housekeeping, run by the hosts: ends sandboxes whose host is silent for 120 s (lost) and tells their clients; ends those that nobody claimed in time; removes messages older than p_stream_keep_seconds; forgets sandboxes that ended more than p_row_keep_seconds ago. Some 10,000 messages a call. After the database was away, hosts wait two minutes before they call it, so that the others can say that they live.';

CREATE FUNCTION api.sandbox_touch(p_workspace text, p_session text, p_idle_seconds bigint) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
begin
	return (app.sandbox_renew(p_workspace, p_session, p_idle_seconds)).status;
end
$$;

ALTER FUNCTION api.sandbox_touch(p_workspace text, p_session text, p_idle_seconds bigint) OWNER TO craft_owner;

COMMENT ON FUNCTION api.sandbox_touch(p_workspace text, p_session text, p_idle_seconds bigint) IS 'A heartbeat: the sandbox lives for p_idle_seconds from now. ok, unknown or expired.';

CREATE FUNCTION api.sandboxes(p_workspace text) RETURNS TABLE(tag text, body json)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
	with list as (
		select app.sandbox_json(s) as body, row_number() over (order by s.created_at, s.id) as position
		from app.sandbox_session s join app.workspace w on w.id = s.workspace_id where w.slug = p_workspace and s.gone_at is null
	)
	select x.tag, x.body from (
		select app.tag_of((select array_agg(l.body order by l.position) from list l)) as tag, null::json as body, null::bigint as pos
		union all
		select null, l.body, l.position from list l
	) x order by x.pos desc nulls first;
$$;

ALTER FUNCTION api.sandboxes(p_workspace text) OWNER TO craft_owner;

COMMENT ON FUNCTION api.sandboxes(p_workspace text) IS 'The workspace''s sandbox sessions, newest first.';

CREATE FUNCTION api.seal_form() RETURNS integer
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
	select f.form from app.seal_form f;
$$;

ALTER FUNCTION api.seal_form() OWNER TO craft_owner;

COMMENT ON FUNCTION api.seal_form() IS 'The form in which secrets are to be sealed: 1 as the release before reads it, 2 bound to workspace, repository and purpose.';

CREATE FUNCTION api.seal_form_bound() RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
	update app.seal_form set form = 2 where form <> 2;
$$;

ALTER FUNCTION api.seal_form_bound() OWNER TO craft_owner;

COMMENT ON FUNCTION api.seal_form_bound() IS 'From now on secrets are sealed in the bound form, which daemons of the release before can''t read.';

CREATE FUNCTION api.session_base(p_workspace text, p_id text, OUT version bigint, OUT header json, OUT hashes bigint[]) RETURNS record
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
#variable_conflict use_column
begin
	select s.version, s.header,
		(select array_agg(coalesce(m.hash, app.new_version()) order by m.idx) from app.message m where m.session_key = s.key)
	into version, header, hashes
	from app.session s join app.workspace w on w.id = s.workspace_id
	where w.slug = p_workspace and s.id = p_id;
end
$$;

ALTER FUNCTION api.session_base(p_workspace text, p_id text, OUT version bigint, OUT header json, OUT hashes bigint[]) OWNER TO craft_owner;

COMMENT ON FUNCTION api.session_base(p_workspace text, p_id text, OUT version bigint, OUT header json, OUT hashes bigint[]) IS 'As api.session_state(), for bridges of an older version: hashes are XXH3-64 of the messages, and numbers that none has where a newer one wrote them.';

CREATE FUNCTION api.session_clear_messages(p_workspace text, p_id text, p_event json DEFAULT NULL::json, p_version bigint DEFAULT NULL::bigint, p_request api.request DEFAULT NULL::api.request) RETURNS api.outcome
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
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

ALTER FUNCTION api.session_clear_messages(p_workspace text, p_id text, p_event json, p_version bigint, p_request api.request) OWNER TO craft_owner;

COMMENT ON FUNCTION api.session_clear_messages(p_workspace text, p_id text, p_event json, p_version bigint, p_request api.request) IS 'Deletes a session''s messages and keeps its header. Clearing what isn''t there is no error.';

CREATE FUNCTION api.session_create(p_workspace text, p_id text, p_header json, p_columns api.session_columns DEFAULT NULL::api.session_columns, p_version bigint DEFAULT NULL::bigint, p_request api.request DEFAULT NULL::api.request) RETURNS api.outcome
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
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

ALTER FUNCTION api.session_create(p_workspace text, p_id text, p_header json, p_columns api.session_columns, p_version bigint, p_request api.request) OWNER TO craft_owner;

COMMENT ON FUNCTION api.session_create(p_workspace text, p_id text, p_header json, p_columns api.session_columns, p_version bigint, p_request api.request) IS 'Makes a session without messages. p_header: the header object, stored and broadcast as it is. p_columns: its typed fields (SQL users leave it out). p_version: the new version (null: a random one). Outcome ok, repeat, reused, or exists (nothing changed). Example: select * from api.session_create(''team'', ''s1'', ''{"id":"s1","name":"First"}'');';

CREATE FUNCTION api.session_delete(p_workspace text, p_id text, p_event json DEFAULT NULL::json, p_must_exist boolean DEFAULT false, p_request api.request DEFAULT NULL::api.request) RETURNS api.outcome
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
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

ALTER FUNCTION api.session_delete(p_workspace text, p_id text, p_event json, p_must_exist boolean, p_request api.request) OWNER TO craft_owner;

COMMENT ON FUNCTION api.session_delete(p_workspace text, p_id text, p_event json, p_must_exist boolean, p_request api.request) IS 'Deletes a session, its messages and its plans. Without p_must_exist, deleting what isn''t there is a change like any other (outcome ok); with it, outcome not_found. p_event: what is broadcast, by default {"sessionId":…}.';

CREATE FUNCTION api.session_header(p_workspace text, p_id text, OUT version bigint, OUT header json) RETURNS record
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
#variable_conflict use_column
begin
	select s.version, s.header into version, header from app.session s join app.workspace w on w.id = s.workspace_id
	where w.slug = p_workspace and s.id = p_id;
end
$$;

ALTER FUNCTION api.session_header(p_workspace text, p_id text, OUT version bigint, OUT header json) OWNER TO craft_owner;

COMMENT ON FUNCTION api.session_header(p_workspace text, p_id text, OUT version bigint, OUT header json) IS 'The session''s version and header; both null when it isn''t there.';

CREATE FUNCTION api.session_parts(p_workspace text, p_id text) RETURNS TABLE(tag text, starts boolean, part json, piece bytea)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
	with s as (
		select s.key, s.version, s.header from app.session s join app.workspace w on w.id = s.workspace_id
		where w.slug = p_workspace and s.id = p_id
	)
	select app.epoch_text() || '-s' || to_hex(s.version), true, s.header, null::bytea
	from s
	union all
	select null, p.starts, p.part, p.piece
	from s
	cross join lateral (select m.body from app.message m where m.session_key = s.key order by m.idx offset 0) m
	cross join lateral (
		select true as starts, m.body as part, null::bytea as piece where pg_column_size(m.body) < 16384
		union all
		select n = 1, null, substring(b.bytes from n for 4194304)
		from (select convert_to(m.body::text, 'UTF8') as bytes where pg_column_size(m.body) >= 16384 offset 0) b
		cross join lateral generate_series(1, length(b.bytes), 4194304) n
	) p;
$$;

ALTER FUNCTION api.session_parts(p_workspace text, p_id text) OWNER TO craft_owner;

COMMENT ON FUNCTION api.session_parts(p_workspace text, p_id text) IS 'A session in parts for streaming, all of one snapshot: first the header (with the ETag''s text), then each message, those that may be long in pieces of at most 4 MiB instead of part; starts tells where one begins. No row when the session isn''t there.';

CREATE FUNCTION api.session_save(p_workspace text, p_id text, p_header json, p_columns api.session_columns DEFAULT NULL::api.session_columns, p_base bigint DEFAULT NULL::bigint, p_version bigint DEFAULT NULL::bigint, p_count integer DEFAULT NULL::integer, p_bytes bigint DEFAULT NULL::bigint, p_idx integer[] DEFAULT '{}'::integer[], p_hash bigint[] DEFAULT '{}'::bigint[], p_body json[] DEFAULT '{}'::json[], p_request api.request DEFAULT NULL::api.request) RETURNS api.outcome
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
begin
	return api.session_store(p_workspace, p_id, p_header, p_columns, p_base, p_version, p_count, p_bytes, p_idx, p_body, null, p_request, p_hash);
end
$$;

ALTER FUNCTION api.session_save(p_workspace text, p_id text, p_header json, p_columns api.session_columns, p_base bigint, p_version bigint, p_count integer, p_bytes bigint, p_idx integer[], p_hash bigint[], p_body json[], p_request api.request) OWNER TO craft_owner;

COMMENT ON FUNCTION api.session_save(p_workspace text, p_id text, p_header json, p_columns api.session_columns, p_base bigint, p_version bigint, p_count integer, p_bytes bigint, p_idx integer[], p_hash bigint[], p_body json[], p_request api.request) IS 'As api.session_store(), for bridges of an older version, which compare by p_hash, XXH3-64 of the bodies'' bytes.';

CREATE FUNCTION api.session_state(p_workspace text, p_id text, OUT version bigint, OUT header json, OUT digests bytea) RETURNS record
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
#variable_conflict use_column
begin
	select s.version, s.header, (select string_agg(coalesce(m.sha256, app.body_sha256(m.body)), ''::bytea order by m.idx)
		from app.message m where m.session_key = s.key)
	into version, header, digests
	from app.session s join app.workspace w on w.id = s.workspace_id
	where w.slug = p_workspace and s.id = p_id;
end
$$;

ALTER FUNCTION api.session_state(p_workspace text, p_id text, OUT version bigint, OUT header json, OUT digests bytea) OWNER TO craft_owner;

COMMENT ON FUNCTION api.session_state(p_workspace text, p_id text, OUT version bigint, OUT header json, OUT digests bytea) IS 'What a writer compares with: the session''s version, header and the SHA-256 of its messages in order, 32 bytes each. All null when it isn''t there.';

CREATE FUNCTION api.session_store(p_workspace text, p_id text, p_header json, p_columns api.session_columns DEFAULT NULL::api.session_columns, p_base bigint DEFAULT NULL::bigint, p_version bigint DEFAULT NULL::bigint, p_count integer DEFAULT NULL::integer, p_bytes bigint DEFAULT NULL::bigint, p_idx integer[] DEFAULT '{}'::integer[], p_body json[] DEFAULT '{}'::json[], p_sha256 bytea[] DEFAULT NULL::bytea[], p_request api.request DEFAULT NULL::api.request, p_hash bigint[] DEFAULT NULL::bigint[]) RETURNS api.outcome
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
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

ALTER FUNCTION api.session_store(p_workspace text, p_id text, p_header json, p_columns api.session_columns, p_base bigint, p_version bigint, p_count integer, p_bytes bigint, p_idx integer[], p_body json[], p_sha256 bytea[], p_request api.request, p_hash bigint[]) OWNER TO craft_owner;

COMMENT ON FUNCTION api.session_store(p_workspace text, p_id text, p_header json, p_columns api.session_columns, p_base bigint, p_version bigint, p_count integer, p_bytes bigint, p_idx integer[], p_body json[], p_sha256 bytea[], p_request api.request, p_hash bigint[]) IS 'Writes a session''s header and messages, making the session when it isn''t there. p_base: the version that the caller compared with (0: none there), null: don''t check; another one there raises CA001. p_count, p_bytes: number and bytes of all messages after the save (null: as they are); more than 100,000, and more than there are, raises 54000. p_idx, p_body: the messages that differ, ascending; messages from p_count on are deleted. p_sha256: SHA-256 of the bodies'' bytes, null: computed here. p_hash: only api.session_save() gives it. Outcome ok, repeat or reused.';

CREATE FUNCTION api.session_tag(p_workspace text, p_id text) RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
begin
	return (select app.epoch_text() || '-s' || to_hex(s.version) from app.session s join app.workspace w on w.id = s.workspace_id
	where w.slug = p_workspace and s.id = p_id);
end
$$;

ALTER FUNCTION api.session_tag(p_workspace text, p_id text) OWNER TO craft_owner;

COMMENT ON FUNCTION api.session_tag(p_workspace text, p_id text) IS 'The ETag''s text of one session; null when it isn''t there.';

CREATE FUNCTION api.session_update(p_workspace text, p_id text, p_header json, p_columns api.session_columns DEFAULT NULL::api.session_columns, p_base bigint DEFAULT NULL::bigint, p_version bigint DEFAULT NULL::bigint, p_event json DEFAULT NULL::json, p_request api.request DEFAULT NULL::api.request) RETURNS api.outcome
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
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

ALTER FUNCTION api.session_update(p_workspace text, p_id text, p_header json, p_columns api.session_columns, p_base bigint, p_version bigint, p_event json, p_request api.request) OWNER TO craft_owner;

COMMENT ON FUNCTION api.session_update(p_workspace text, p_id text, p_header json, p_columns api.session_columns, p_base bigint, p_version bigint, p_event json, p_request api.request) IS 'Replaces a session''s header (the caller merged it on version p_base; another one there raises CA001; null: don''t check, 0: the caller found no session). p_event: what is broadcast and makes the answer {"success":true}; null: the header is both. Outcome ok, repeat (where the log doesn''t reach back, with the header as it is now; null: it is gone), reused or not_found.';

CREATE FUNCTION api.session_update_many(p_workspaces text[], p_counts integer[], p_place integer[], p_nth integer[], p_last boolean[], p_id text[], p_header json[], p_name text[], p_is_flagged boolean[], p_status text[], p_model text[], p_created_ms bigint[], p_last_used_ms bigint[], p_base bigint[], p_version bigint[], p_event json[], p_origin text[], p_client text[], p_request bytea[], p_payload bigint[], OUT workspace_ids bigint[], OUT before bigint[]) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
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

ALTER FUNCTION api.session_update_many(p_workspaces text[], p_counts integer[], p_place integer[], p_nth integer[], p_last boolean[], p_id text[], p_header json[], p_name text[], p_is_flagged boolean[], p_status text[], p_model text[], p_created_ms bigint[], p_last_used_ms bigint[], p_base bigint[], p_version bigint[], p_event json[], p_origin text[], p_client text[], p_request bytea[], p_payload bigint[], OUT workspace_ids bigint[], OUT before bigint[]) OWNER TO craft_owner;

COMMENT ON FUNCTION api.session_update_many(p_workspaces text[], p_counts integer[], p_place integer[], p_nth integer[], p_last boolean[], p_id text[], p_header json[], p_name text[], p_is_flagged boolean[], p_status text[], p_model text[], p_created_ms bigint[], p_last_used_ms bigint[], p_base bigint[], p_version bigint[], p_event json[], p_origin text[], p_client text[], p_request bytea[], p_payload bigint[], OUT workspace_ids bigint[], OUT before bigint[]) IS 'Several calls of api.session_update() in one, all or nothing. p_workspaces: the workspaces, each once, sorted by bytes; p_counts: how many updates each gets. The other arrays have one element for each update: p_place is its workspace (from 1), p_nth its number among that workspace''s updates (from 1, in order), p_last whether it is the last one of its session, p_base the version on which the first one of its session is based. p_client is null where no client named itself. The n-th update of a workspace got the number before + n. Raises CA001 when one of them can''t be applied, or was before: api.session_update() says which.';

CREATE FUNCTION api.sessions(p_workspace text) RETURNS TABLE(tag text, body json)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
declare
	v_workspace bigint;
	v_seq       bigint;
begin
	select w.id, w.seq into v_workspace, v_seq from app.workspace w where w.slug = p_workspace;
	tag := app.workspace_tag(v_seq);
	return next;
	return query select null::text, s.header from app.session s
		where s.workspace_id = v_workspace order by s.updated_seq desc;
end
$$;

ALTER FUNCTION api.sessions(p_workspace text) OWNER TO craft_owner;

COMMENT ON FUNCTION api.sessions(p_workspace text) IS 'Headers of the workspace''s sessions, most recently updated first.';

CREATE FUNCTION api.skill_delete(p_workspace text, p_slug text, p_event json DEFAULT NULL::json, p_request api.request DEFAULT NULL::api.request) RETURNS api.outcome
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
declare
	v_out api.outcome := app.change_begin(p_workspace, p_request);
begin
	if v_out.status <> 'ok' then
		return v_out;
	end if;
	delete from app.skill s where s.workspace_id = v_out.workspace_id and s.slug = p_slug;
	return app.change_end(v_out, 'skill', 'deleted', p_slug, coalesce(p_event, json_build_object('slug', p_slug)), p_request);
end
$$;

ALTER FUNCTION api.skill_delete(p_workspace text, p_slug text, p_event json, p_request api.request) OWNER TO craft_owner;

COMMENT ON FUNCTION api.skill_delete(p_workspace text, p_slug text, p_event json, p_request api.request) IS 'Deletes a skill; no error when it isn''t there.';

CREATE FUNCTION api.skill_save(p_workspace text, p_slug text, p_content json, p_metadata json, p_event json DEFAULT NULL::json, p_request api.request DEFAULT NULL::api.request) RETURNS api.outcome
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
declare
	v_out api.outcome := app.change_begin(p_workspace, p_request);
begin
	if v_out.status <> 'ok' then
		return v_out;
	end if;
	insert into app.skill (workspace_id, slug, content, metadata) values (v_out.workspace_id, p_slug, p_content, p_metadata)
		on conflict (workspace_id, slug) do update set content = excluded.content, metadata = excluded.metadata, updated_at = now();
	return app.change_end(v_out, 'skill', 'updated', p_slug,
		coalesce(p_event, json_build_object('slug', p_slug, 'content', p_content, 'metadata', p_metadata)), p_request);
end
$$;

ALTER FUNCTION api.skill_save(p_workspace text, p_slug text, p_content json, p_metadata json, p_event json, p_request api.request) OWNER TO craft_owner;

COMMENT ON FUNCTION api.skill_save(p_workspace text, p_slug text, p_content json, p_metadata json, p_event json, p_request api.request) IS 'Saves a skill. p_content: a JSON string. p_event: what is broadcast, by default {"slug":…,"content":…,"metadata":…}.';

CREATE FUNCTION api.skills(p_workspace text) RETURNS TABLE(tag text, body json)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
declare
	v_workspace bigint;
	v_seq       bigint;
begin
	select w.id, w.seq into v_workspace, v_seq from app.workspace w where w.slug = p_workspace;
	tag := app.workspace_tag(v_seq);
	return next;
	return query select null::text, json_build_object('slug', s.slug, 'content', s.content, 'metadata', s.metadata) from app.skill s
		where s.workspace_id = v_workspace order by s.position desc;
end
$$;

ALTER FUNCTION api.skills(p_workspace text) OWNER TO craft_owner;

COMMENT ON FUNCTION api.skills(p_workspace text) IS 'The workspace''s skills, newest first.';

CREATE FUNCTION api.source(p_workspace text, p_slug text) RETURNS TABLE(tag text, body json)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
#variable_conflict use_column
begin
	return query select app.workspace_tag(w.seq), json_build_object('config', s.config, 'guide', s.guide)
	from app.source s join app.workspace w on w.id = s.workspace_id where w.slug = p_workspace and s.slug = p_slug;
end
$$;

ALTER FUNCTION api.source(p_workspace text, p_slug text) OWNER TO craft_owner;

COMMENT ON FUNCTION api.source(p_workspace text, p_slug text) IS 'Config and guide of one source; the config is null while only a guide was saved.';

CREATE FUNCTION api.source_create(p_workspace text, p_slug text, p_config json, p_request api.request DEFAULT NULL::api.request) RETURNS api.outcome
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
declare
	v_out api.outcome := app.change_begin(p_workspace, p_request);
begin
	if v_out.status <> 'ok' then
		return v_out;
	end if;
	insert into app.source as s (workspace_id, slug, config) values (v_out.workspace_id, p_slug, p_config)
		on conflict (workspace_id, slug) do update set config = excluded.config, updated_at = now() where s.config is null;
	if not found then
		v_out.status := 'exists';
		return v_out;
	end if;
	return app.change_end(v_out, 'source', 'created', p_slug, p_config, p_request, true);
end
$$;

ALTER FUNCTION api.source_create(p_workspace text, p_slug text, p_config json, p_request api.request) OWNER TO craft_owner;

COMMENT ON FUNCTION api.source_create(p_workspace text, p_slug text, p_config json, p_request api.request) IS 'Makes a source. Outcome exists when there is one; a guide that was saved before is kept.';

CREATE FUNCTION api.source_delete(p_workspace text, p_slug text, p_event json DEFAULT NULL::json, p_request api.request DEFAULT NULL::api.request) RETURNS api.outcome
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
declare
	v_out api.outcome := app.change_begin(p_workspace, p_request);
begin
	if v_out.status <> 'ok' then
		return v_out;
	end if;
	delete from app.source s where s.workspace_id = v_out.workspace_id and s.slug = p_slug;
	return app.change_end(v_out, 'source', 'deleted', p_slug, coalesce(p_event, json_build_object('sourceSlug', p_slug)), p_request);
end
$$;

ALTER FUNCTION api.source_delete(p_workspace text, p_slug text, p_event json, p_request api.request) OWNER TO craft_owner;

COMMENT ON FUNCTION api.source_delete(p_workspace text, p_slug text, p_event json, p_request api.request) IS 'Deletes a source with its guide; no error when it isn''t there.';

CREATE FUNCTION api.source_save_config(p_workspace text, p_slug text, p_config json, p_request api.request DEFAULT NULL::api.request) RETURNS api.outcome
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
declare
	v_out api.outcome := app.change_begin(p_workspace, p_request);
begin
	if v_out.status <> 'ok' then
		return v_out;
	end if;
	insert into app.source (workspace_id, slug, config) values (v_out.workspace_id, p_slug, p_config)
		on conflict (workspace_id, slug) do update set config = excluded.config, updated_at = now();
	return app.change_end(v_out, 'source', 'updated', p_slug, p_config, p_request);
end
$$;

ALTER FUNCTION api.source_save_config(p_workspace text, p_slug text, p_config json, p_request api.request) OWNER TO craft_owner;

COMMENT ON FUNCTION api.source_save_config(p_workspace text, p_slug text, p_config json, p_request api.request) IS 'Saves a source''s config, making the source when it isn''t there; keeps the guide.';

CREATE FUNCTION api.source_save_guide(p_workspace text, p_slug text, p_guide json, p_event json DEFAULT NULL::json, p_request api.request DEFAULT NULL::api.request) RETURNS api.outcome
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
declare
	v_out api.outcome := app.change_begin(p_workspace, p_request);
begin
	if v_out.status <> 'ok' then
		return v_out;
	end if;
	insert into app.source (workspace_id, slug, guide) values (v_out.workspace_id, p_slug, p_guide)
		on conflict (workspace_id, slug) do update set guide = excluded.guide, updated_at = now();
	return app.change_end(v_out, 'source', 'updated', p_slug,
		coalesce(p_event, json_build_object('sourceSlug', p_slug, 'guide', p_guide)), p_request);
end
$$;

ALTER FUNCTION api.source_save_guide(p_workspace text, p_slug text, p_guide json, p_event json, p_request api.request) OWNER TO craft_owner;

COMMENT ON FUNCTION api.source_save_guide(p_workspace text, p_slug text, p_guide json, p_event json, p_request api.request) IS 'Saves a source''s guide (p_guide: any JSON value) and keeps its config. p_event: what is broadcast, by default {"sourceSlug":…,"guide":…}.';

CREATE FUNCTION api.sources(p_workspace text) RETURNS TABLE(tag text, body json)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
declare
	v_workspace bigint;
	v_seq       bigint;
begin
	select w.id, w.seq into v_workspace, v_seq from app.workspace w where w.slug = p_workspace;
	tag := app.workspace_tag(v_seq);
	return next;
	return query select null::text, s.config from app.source s
		where s.workspace_id = v_workspace and s.config is not null order by s.position desc;
end
$$;

ALTER FUNCTION api.sources(p_workspace text) OWNER TO craft_owner;

COMMENT ON FUNCTION api.sources(p_workspace text) IS 'Configs of the workspace''s sources, newest first.';

CREATE FUNCTION api.statuses(p_workspace text) RETURNS TABLE(tag text, body json)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
#variable_conflict use_column
begin
	return query select api.workspace_tag(p_workspace), coalesce((select c.config from app.workspace_config c join app.workspace w on w.id = c.workspace_id
		where w.slug = p_workspace and c.kind = 'statuses'), '{"version":1,"statuses":[],"defaultStatusId":"todo"}');
end
$$;

ALTER FUNCTION api.statuses(p_workspace text) OWNER TO craft_owner;

COMMENT ON FUNCTION api.statuses(p_workspace text) IS 'The workspace''s statuses, or the empty default.';

CREATE FUNCTION api.statuses_save(p_workspace text, p_config json, p_request api.request DEFAULT NULL::api.request) RETURNS api.outcome
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
	select * from app.config_save(p_workspace, 'statuses', p_config, p_request);
$$;

ALTER FUNCTION api.statuses_save(p_workspace text, p_config json, p_request api.request) OWNER TO craft_owner;

COMMENT ON FUNCTION api.statuses_save(p_workspace text, p_config json, p_request api.request) IS 'Saves the workspace''s statuses.';

CREATE FUNCTION api.stream_announce(p_pairs text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_catalog', 'pg_temp'
    AS $$
begin
	perform set_config('synchronous_commit', 'off', true);
	perform pg_notify('craft_streams', string_agg(x.pair, ',' order by x.n))
	from string_to_table(p_pairs, ',') with ordinality x (pair, n) where x.pair <> '' group by x.n / 130;
end
$$;

ALTER FUNCTION api.stream_announce(p_pairs text) OWNER TO craft_owner;

COMMENT ON FUNCTION api.stream_announce(p_pairs text) IS 'Tells the bridges at once that sandboxes said something: NOTIFY craft_streams with session:seq pairs separated by commas. Call it after the messages'' COMMIT, in a transaction of its own. Only a hint.';

CREATE FUNCTION api.workspace_contents(p_workspace text) RETURNS TABLE(workspace text, created_at text, last_change_at text, changes bigint, changes_kept bigint, sessions bigint, messages bigint, message_bytes bigint, sources bigint, configs bigint, skills bigint, plans bigint, projects bigint, credentials bigint, files bigint, file_bytes bigint, sandboxes bigint)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
	select w.slug, app.utc(w.created_at), (select app.utc(l.at) from app.change_log l where l.workspace_id = w.id and l.seq = w.seq), w.seq, w.seq - w.floor,
		s.n, s.messages, s.bytes,
		(select count(*) from app.source x where x.workspace_id = w.id), (select count(*) from app.workspace_config x where x.workspace_id = w.id),
		(select count(*) from app.skill x where x.workspace_id = w.id), (select count(*) from app.plan x where x.workspace_id = w.id),
		(select count(*) from app.project x where x.workspace_id = w.id), (select count(*) from app.credential x where x.workspace_id = w.id),
		coalesce(u.files, 0), coalesce(u.bytes, 0),
		(select count(*) from app.sandbox_session x where x.workspace_id = w.id and x.ended_at is null)
	from app.workspace w
	left join app.file_usage u on u.workspace_id = w.id
	cross join lateral (select count(*) as n, coalesce(sum(s.message_count), 0)::bigint as messages, coalesce(sum(s.message_bytes), 0)::bigint as bytes
		from app.session s where s.workspace_id = w.id) s
	where w.slug = p_workspace;
$$;

ALTER FUNCTION api.workspace_contents(p_workspace text) OWNER TO craft_owner;

COMMENT ON FUNCTION api.workspace_contents(p_workspace text) IS 'How much is in a workspace, credentials and running sandboxes included; times in UTC. No row when there is no such workspace.';

CREATE FUNCTION api.workspace_delete(p_workspace text, OUT status text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_catalog', 'pg_temp'
    AS $$
declare
	v_id bigint;
begin
	select w.id into v_id from app.workspace w where w.slug = p_workspace for update;
	if not found then
		status := 'missing';
		return;
	end if;
	if exists (select from app.sandbox_session s left join app.sandbox_host h on h.id = s.host_id where s.workspace_id = v_id
		and (s.ended_at is null or (s.cleaned_at is null and h.stopped_at is null and h.seen_at > now() - interval '30 s'))) then
		status := 'sandboxes';
		return;
	end if;
	perform from app.file_usage u where u.workspace_id = v_id for update;
	perform app.workspace_clear(v_id);
	delete from app.credential c where c.workspace_id = v_id;
	delete from app.sandbox_message m using app.sandbox_session s where s.workspace_id = v_id and m.session_id = s.id;
	delete from app.sandbox_job j using app.sandbox_session s where s.workspace_id = v_id and j.session_id = s.id;
	delete from app.sandbox_session s where s.workspace_id = v_id;
	insert into app.workspace_gone (slug, seq, file_changes)
		select w.slug, w.seq + 1, coalesce(u.changes, 0) + 1 from app.workspace w left join app.file_usage u on u.workspace_id = w.id where w.id = v_id
		on conflict (slug) do update set seq = excluded.seq, file_changes = excluded.file_changes, gone_at = excluded.gone_at;
	delete from app.file_usage u where u.workspace_id = v_id;
	delete from app.workspace w where w.id = v_id;
	-- Else they would open another one that gets its name.
	perform api.key_revoke(p_workspace, k.id) from app.api_key k where k.workspace = p_workspace and k.revoked_at is null;
	perform pg_notify('craft_changes', 'gone');
	status := 'ok';
end
$$;

ALTER FUNCTION api.workspace_delete(p_workspace text, OUT status text) OWNER TO craft_owner;

COMMENT ON FUNCTION api.workspace_delete(p_workspace text, OUT status text) IS 'Deletes a workspace with all that is in it, and its credentials and ended sandboxes, and revokes its keys: ok; or changes nothing: missing (there is none), sandboxes (some run, or are being removed). Its clients are made to reload (NOTIFY craft_changes: gone).';

CREATE FUNCTION api.workspace_export(p_workspace text, p_kind text) RETURNS TABLE(line text, blob text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
#variable_conflict use_column
declare
	v_id      bigint := (select w.id from app.workspace w where w.slug = p_workspace);
	v_session record;
begin
	case p_kind
	when 'sessions' then
		return query select json_build_object('id', s.id, 'header', s.header::text, 'messages', s.message_count, 'changedBy', s.updated_seq,
				'updatedAt', app.utc(s.updated_at))::text, null::text
			from app.session s where s.workspace_id = v_id order by s.updated_seq, s.id collate "C";
	when 'messages' then
		for v_session in select s.key, s.id from app.session s where s.workspace_id = v_id order by s.updated_seq, s.id collate "C" loop
			return query select json_build_object('session', v_session.id, 'position', m.idx, 'body', m.body::text)::text, null::text
				from app.message m where m.session_key = v_session.key order by m.idx;
		end loop;
	when 'sources' then
		return query select json_build_object('slug', s.slug, 'config', s.config::text, 'guide', s.guide::text, 'createdAt', app.utc(s.created_at),
				'updatedAt', app.utc(s.updated_at))::text, null::text
			from app.source s where s.workspace_id = v_id order by s.position;
	when 'configs' then
		return query select json_build_object('kind', c.kind, 'config', c.config::text, 'updatedAt', app.utc(c.updated_at))::text, null::text
			from app.workspace_config c where c.workspace_id = v_id order by c.kind;
	when 'skills' then
		return query select json_build_object('slug', s.slug, 'content', s.content::text, 'metadata', s.metadata::text, 'createdAt', app.utc(s.created_at),
				'updatedAt', app.utc(s.updated_at))::text, null::text
			from app.skill s where s.workspace_id = v_id order by s.position;
	when 'plans' then
		return query select json_build_object('session', p.session_id, 'name', p.name, 'content', p.content::text, 'changedBy', p.modified_seq,
				'modifiedAt', app.utc(p.modified_at))::text, null::text
			from app.plan p where p.workspace_id = v_id order by p.modified_seq, p.session_id collate "C", p.name collate "C";
	when 'projects' then
		return query select json_build_object('repoKey', p.repo_key, 'repoUrl', p.repo_url, 'defaultBranch', p.default_branch, 'addedAt', app.utc(p.added_at))::text,
				null::text
			from app.project p where p.workspace_id = v_id order by p.position;
	when 'files' then
		return query select json_build_object('session', f.session_id, 'type', f.type, 'name', f.name, 'size', f.size, 'mimeType', f.mime_type,
				'sha256', encode(f.sha256, 'hex'), 'createdAt', app.utc(f.created_at), 'uploadedAt', app.utc(f.uploaded_at))::text, f.blob::text
			from app.file f where f.workspace_id = v_id order by f.session_id, f.type, f.name;
	end case;
end
$$;

ALTER FUNCTION api.workspace_export(p_workspace text, p_kind text) OWNER TO craft_owner;

COMMENT ON FUNCTION api.workspace_export(p_workspace text, p_kind text) IS 'The lines of a workspace''s archive of one kind (sessions, messages, sources, configs, skills, plans, projects, files), each a JSON object in which documents are strings; of files also the blob that has the bytes. In an order that depends on the contents alone.';

CREATE FUNCTION api.workspace_import_begin(p_workspace text, p_created_at timestamp with time zone, p_replace boolean, OUT status text, OUT workspace_id bigint, OUT existed boolean) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
declare
	v_new bigint;
begin
	v_new := app.workspace_make(p_workspace);
	select w.id into workspace_id from app.workspace w where w.slug = p_workspace for update;
	insert into app.file_usage (workspace_id) select w.id from app.workspace w where w.slug = p_workspace on conflict do nothing;
	perform from app.file_usage u where u.workspace_id = workspace_import_begin.workspace_id for update;
	existed := v_new is null;
	status := 'ok';
	if exists (select from api.workspace_contents(p_workspace) c
		where c.sessions + c.sources + c.configs + c.skills + c.plans + c.projects + c.files > 0) then
		if not p_replace then
			status := 'exists';
			return;
		end if;
		perform app.workspace_clear(workspace_id);
	end if;
	update app.workspace w set created_at = p_created_at where w.id = workspace_id;
end
$$;

ALTER FUNCTION api.workspace_import_begin(p_workspace text, p_created_at timestamp with time zone, p_replace boolean, OUT status text, OUT workspace_id bigint, OUT existed boolean) OWNER TO craft_owner;

COMMENT ON FUNCTION api.workspace_import_begin(p_workspace text, p_created_at timestamp with time zone, p_replace boolean, OUT status text, OUT workspace_id bigint, OUT existed boolean) IS 'Makes the workspace that an archive''s contents are to go into, or empties it if p_replace says so, and takes its locks. Status ok, or exists: something is in it, and the transaction is to be rolled back.';

CREATE FUNCTION api.workspace_import_documents(p_id bigint, p_kind text, p_lines json[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
begin
	case p_kind
	when 'sources' then
		insert into app.source (workspace_id, slug, config, guide, created_at, updated_at)
			select p_id, x.slug, x.config::json, x.guide::json, x."createdAt", x."updatedAt" from unnest(p_lines) with ordinality as u (line, n),
				json_to_record(u.line) as x (slug text, config text, guide text, "createdAt" timestamptz, "updatedAt" timestamptz) order by u.n;
	when 'configs' then
		insert into app.workspace_config (workspace_id, kind, config, updated_at)
			select p_id, x.kind, x.config::json, x."updatedAt" from unnest(p_lines) as u (line),
				json_to_record(u.line) as x (kind text, config text, "updatedAt" timestamptz);
	when 'skills' then
		insert into app.skill (workspace_id, slug, content, metadata, created_at, updated_at)
			select p_id, x.slug, x.content::json, x.metadata::json, x."createdAt", x."updatedAt" from unnest(p_lines) with ordinality as u (line, n),
				json_to_record(u.line) as x (slug text, content text, metadata text, "createdAt" timestamptz, "updatedAt" timestamptz) order by u.n;
	when 'plans' then
		insert into app.plan (workspace_id, session_id, name, content, modified_at, modified_seq)
			select p_id, x.session, x.name, x.content::json, x."modifiedAt", x."changedBy" from unnest(p_lines) as u (line),
				json_to_record(u.line) as x (session text, name text, content text, "modifiedAt" timestamptz, "changedBy" bigint);
	when 'projects' then
		insert into app.project (workspace_id, repo_key, repo_url, default_branch, added_at)
			select p_id, x."repoKey", x."repoUrl", x."defaultBranch", x."addedAt" from unnest(p_lines) with ordinality as u (line, n),
				json_to_record(u.line) as x ("repoKey" text, "repoUrl" text, "defaultBranch" text, "addedAt" timestamptz) order by u.n;
	end case;
end
$$;

ALTER FUNCTION api.workspace_import_documents(p_id bigint, p_kind text, p_lines json[]) OWNER TO craft_owner;

COMMENT ON FUNCTION api.workspace_import_documents(p_id bigint, p_kind text, p_lines json[]) IS 'Makes sources, configs, skills, plans or projects of an archive''s lines, in their order.';

CREATE FUNCTION api.workspace_import_end(p_id bigint, p_existed boolean) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_catalog', 'pg_temp'
    AS $$
declare
	v_session text;
begin
	select s.id into v_session from app.session s
		cross join lateral (select count(*) as n, max(m.idx) + 1 as next from app.message m where m.session_key = s.key) m
		where s.workspace_id = p_id and (m.n <> s.message_count or m.n <> coalesce(m.next, 0)) limit 1;
	if found then
		raise exception 'messages of a session are missing' using errcode = '22023';
	end if;
	update app.session s set message_bytes = m.bytes
		from (select m.session_key, sum(octet_length(m.body::text)) as bytes from app.session s join app.message m on m.session_key = s.key
			where s.workspace_id = p_id group by m.session_key) m
		where s.key = m.session_key;
	update app.file_usage u set changes = u.changes + 1, files = f.n, bytes = f.bytes
		from (select count(*) as n, coalesce(sum(f.size), 0)::bigint as bytes from app.file f where f.workspace_id = p_id) f where u.workspace_id = p_id;
	-- No change of the log led here: who knows an earlier number has to reload, and is made to.
	update app.workspace w set seq = x.seq, floor = x.seq
		from (select greatest(w.seq + 1, (select max(s.updated_seq) from app.session s where s.workspace_id = p_id),
			(select max(p.modified_seq) from app.plan p where p.workspace_id = p_id)) as seq from app.workspace w where w.id = p_id) x
		where w.id = p_id;
end
$$;

ALTER FUNCTION api.workspace_import_end(p_id bigint, p_existed boolean) OWNER TO craft_owner;

COMMENT ON FUNCTION api.workspace_import_end(p_id bigint, p_existed boolean) IS 'Last step of an import: refuses it when messages are missing, counts, and numbers on, so that the workspace''s clients reload. p_existed: as api.workspace_import_begin() said.';

CREATE FUNCTION api.workspace_import_file(p_id bigint, p_line json, p_blob uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
begin
	perform app.file_check(p_line ->> 'session', p_line ->> 'type', p_line ->> 'name', p_line ->> 'mimeType');
	insert into app.file (workspace_id, session_id, type, name, blob, size, mime_type, sha256, created_at, uploaded_at)
		select p_id, x.session, x.type, x.name, p_blob, x.size, x."mimeType", decode(x.sha256, 'hex'), x."createdAt", x."uploadedAt"
		from json_to_record(p_line) as x (session text, type text, name text, size bigint, "mimeType" text, sha256 text, "createdAt" timestamptz,
			"uploadedAt" timestamptz);
end
$$;

ALTER FUNCTION api.workspace_import_file(p_id bigint, p_line json, p_blob uuid) OWNER TO craft_owner;

COMMENT ON FUNCTION api.workspace_import_file(p_id bigint, p_line json, p_blob uuid) IS 'Makes a file of an archive''s line; its bytes are in the blob already.';

CREATE FUNCTION api.workspace_import_messages(p_id bigint, p_lines json[], p_hashes bigint[] DEFAULT NULL::bigint[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
declare
	v_n bigint;
begin
	insert into app.message (session_key, idx, sha256, body)
		select s.key, x.position, sha256(convert_to(x.body, 'UTF8')), x.body::json
		from unnest(p_lines) as u (line)
		cross join lateral json_to_record(u.line) as x (session text, position integer, body text)
		join app.session s on s.workspace_id = p_id and s.id = x.session;
	get diagnostics v_n = row_count;
	if v_n <> cardinality(p_lines) then
		raise exception 'a message belongs to no session' using errcode = '22023';
	end if;
end
$$;

ALTER FUNCTION api.workspace_import_messages(p_id bigint, p_lines json[], p_hashes bigint[]) OWNER TO craft_owner;

COMMENT ON FUNCTION api.workspace_import_messages(p_id bigint, p_lines json[], p_hashes bigint[]) IS 'Makes messages of an archive''s lines. p_hashes: of older versions, not used.';

CREATE FUNCTION api.workspace_import_session(p_id bigint, p_line json, p_name text, p_is_flagged boolean, p_status text, p_model text, p_created_ms bigint, p_last_used_ms bigint) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
	insert into app.session (workspace_id, id, version, updated_seq, header, name, is_flagged, status, model, message_count, created_at, last_used_at, updated_at)
	select p_id, x.id, app.new_version(), x."changedBy", x.header::json, p_name, p_is_flagged, p_status, p_model, x.messages,
		app.ms_time(p_created_ms), app.ms_time(p_last_used_ms), x."updatedAt"
	from json_to_record(p_line) as x (id text, header text, messages integer, "changedBy" bigint, "updatedAt" timestamptz);
$$;

ALTER FUNCTION api.workspace_import_session(p_id bigint, p_line json, p_name text, p_is_flagged boolean, p_status text, p_model text, p_created_ms bigint, p_last_used_ms bigint) OWNER TO craft_owner;

COMMENT ON FUNCTION api.workspace_import_session(p_id bigint, p_line json, p_name text, p_is_flagged boolean, p_status text, p_model text, p_created_ms bigint, p_last_used_ms bigint) IS 'Makes a session of an archive''s line, with the typed columns that the caller extracted from its header.';

CREATE FUNCTION api.workspace_manifest(p_workspace text, p_as text DEFAULT NULL::text) RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
	select json_build_object('format', 'craft-agent-cloud workspace', 'version', 1, 'workspace', coalesce(p_as, c.workspace), 'createdAt', c.created_at,
		'sessions', c.sessions, 'messages', c.messages, 'messageBytes', c.message_bytes, 'sources', c.sources, 'configs', c.configs,
		'skills', c.skills, 'plans', c.plans, 'projects', c.projects, 'files', c.files, 'fileBytes', c.file_bytes)::text
	from api.workspace_contents(p_workspace) c;
$$;

ALTER FUNCTION api.workspace_manifest(p_workspace text, p_as text) OWNER TO craft_owner;

COMMENT ON FUNCTION api.workspace_manifest(p_workspace text, p_as text) IS 'The first entry of a workspace''s archive: what is in it. p_as: the name to write instead of its own. Null when there is no such workspace.';

CREATE FUNCTION api.workspace_tag(p_workspace text) RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
declare
	v_seq bigint;
begin
	select w.seq into v_seq from app.workspace w where w.slug = p_workspace;
	return app.workspace_tag(v_seq);
end
$$;

ALTER FUNCTION api.workspace_tag(p_workspace text) OWNER TO craft_owner;

COMMENT ON FUNCTION api.workspace_tag(p_workspace text) IS 'The ETag''s text of the workspace''s lists: changes with every change of the workspace.';

CREATE FUNCTION app.body_sha256(p_body json) RETURNS bytea
    LANGUAGE sql IMMUTABLE
    AS $$
	select pg_catalog.sha256(pg_catalog.convert_to(p_body::text, 'UTF8'));
$$;

ALTER FUNCTION app.body_sha256(p_body json) OWNER TO craft_owner;

COMMENT ON FUNCTION app.body_sha256(p_body json) IS 'SHA-256 of a document''s bytes.';

CREATE FUNCTION app.change_begin(p_workspace text, p_request api.request) RETURNS api.outcome
    LANGUAGE plpgsql
    SET search_path TO 'app', 'pg_temp'
    AS $$
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

ALTER FUNCTION app.change_begin(p_workspace text, p_request api.request) OWNER TO craft_owner;

COMMENT ON FUNCTION app.change_begin(p_workspace text, p_request api.request) IS 'First step of a mutation: takes the workspace''s lock (making the workspace when it isn''t there) and finds a request that was applied before. Status ok: go on.';

CREATE FUNCTION app.change_end(p_out api.outcome, p_entity text, p_action text, p_entity_id text, p_data json, p_request api.request, p_echoes boolean DEFAULT false, p_added json DEFAULT NULL::json) RETURNS api.outcome
    LANGUAGE plpgsql
    SET search_path TO 'app', 'pg_temp'
    AS $$
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

ALTER FUNCTION app.change_end(p_out api.outcome, p_entity text, p_action text, p_entity_id text, p_data json, p_request api.request, p_echoes boolean, p_added json) OWNER TO craft_owner;

COMMENT ON FUNCTION app.change_end(p_out api.outcome, p_entity text, p_action text, p_entity_id text, p_data json, p_request api.request, p_echoes boolean, p_added json) IS 'Last step of a mutation: gives it its number, logs it for the listeners, remembers the request. p_echoes: the answer is p_data, else {"success":true}. p_added: the members of p_data that the client didn''t send, for when the log doesn''t reach back any more.';

CREATE FUNCTION app.cluster_id() RETURNS bigint
    LANGUAGE sql IMMUTABLE
    AS $$
	select s.system_identifier from pg_catalog.pg_control_system() s;
$$;

ALTER FUNCTION app.cluster_id() OWNER TO craft_owner;

COMMENT ON FUNCTION app.cluster_id() IS 'The identifier of this database cluster: pg_control_system().';

CREATE FUNCTION app.config_save(p_workspace text, p_kind text, p_config json, p_request api.request) RETURNS api.outcome
    LANGUAGE plpgsql
    SET search_path TO 'app', 'pg_temp'
    AS $$
declare
	v_out api.outcome := app.change_begin(p_workspace, p_request);
begin
	if v_out.status <> 'ok' then
		return v_out;
	end if;
	insert into app.workspace_config (workspace_id, kind, config) values (v_out.workspace_id, p_kind, p_config)
		on conflict (workspace_id, kind) do update set config = excluded.config, updated_at = now();
	return app.change_end(v_out, p_kind, 'updated', null, p_config, p_request);
end
$$;

ALTER FUNCTION app.config_save(p_workspace text, p_kind text, p_config json, p_request api.request) OWNER TO craft_owner;

COMMENT ON FUNCTION app.config_save(p_workspace text, p_kind text, p_config json, p_request api.request) IS 'Saves the statuses or the labels.';

CREATE FUNCTION app.database_id() RETURNS oid
    LANGUAGE sql IMMUTABLE
    AS $$
	select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database();
$$;

ALTER FUNCTION app.database_id() OWNER TO craft_owner;

COMMENT ON FUNCTION app.database_id() IS 'The number of this database in its cluster.';

CREATE FUNCTION app.epoch_text() RETURNS text
    LANGUAGE plpgsql STABLE
    AS $$
begin
	return pg_catalog.substr(pg_catalog.md5(pg_catalog.concat_ws('/', e.token, app.cluster_id(),
		pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8), app.database_id(),
		'app.workspace'::pg_catalog.regclass::pg_catalog.oid)), 1, 16)
	from app.epoch e;
end
$$;

ALTER FUNCTION app.epoch_text() OWNER TO craft_owner;

COMMENT ON FUNCTION app.epoch_text() IS 'Identifies this life of the database: changes when it is restored (other cluster, other database or new tables), after a failover or point-in-time recovery (new timeline), and by api.epoch_renew().';

CREATE FUNCTION app.file_check(p_session text, p_type text, p_name text, p_mime_type text) RETURNS void
    LANGUAGE plpgsql IMMUTABLE
    AS $_$
begin
	-- As the server takes names: no request could reach another one.
	if (p_session || p_name) ~ '[\x01-\x1f\x7f]' or p_session in ('.', '..') or p_session ~ '/' or (p_name <> '' and p_name ~ '(^|/)(\.\.?)?(/|$)')
		or (p_type <> 'assets' and p_name ~ '/') then
		raise exception 'a file has a name that can''t be' using errcode = '22023';
	end if;
	-- It becomes a header.
	if p_mime_type ~ '[\x01-\x1f\x7f]' then
		raise exception 'a file has a media type that can''t be: it holds a control character' using errcode = '22023';
	end if;
end
$_$;

ALTER FUNCTION app.file_check(p_session text, p_type text, p_name text, p_mime_type text) OWNER TO craft_owner;

COMMENT ON FUNCTION app.file_check(p_session text, p_type text, p_name text, p_mime_type text) IS 'Refuses names that no request can name, and media types that can''t be sent in a header, whoever makes the file.';

CREATE TABLE app.file_usage (
    workspace_id bigint NOT NULL,
    files bigint DEFAULT 0 NOT NULL,
    bytes bigint DEFAULT 0 NOT NULL,
    changes bigint DEFAULT 0 NOT NULL,
    CONSTRAINT file_usage_check CHECK (((files >= 0) AND (bytes >= 0)))
)
WITH (fillfactor='30');

ALTER TABLE app.file_usage OWNER TO craft_owner;

COMMENT ON TABLE app.file_usage IS 'How much the files of a workspace are. Made by the first upload. Its row is the lock that puts the workspace''s file changes in order; it is not that of app.workspace, so that uploads and synced changes don''t wait for each other.';

COMMENT ON COLUMN app.file_usage.workspace_id IS 'The workspace.';

COMMENT ON COLUMN app.file_usage.files IS 'Number of its rows in app.file.';

COMMENT ON COLUMN app.file_usage.bytes IS 'Their bytes: what a quota is compared with.';

COMMENT ON COLUMN app.file_usage.changes IS 'Grows with each change of the workspace''s files: the ETag of lists.';

CREATE FUNCTION app.files_begin(p_workspace text) RETURNS app.file_usage
    LANGUAGE plpgsql
    SET search_path TO 'app', 'pg_temp'
    AS $$
begin
	perform app.workspace_make(p_workspace);
	insert into app.file_usage (workspace_id) select w.id from app.workspace w where w.slug = p_workspace on conflict (workspace_id) do nothing;
	return app.files_lock(p_workspace);
end
$$;

ALTER FUNCTION app.files_begin(p_workspace text) OWNER TO craft_owner;

COMMENT ON FUNCTION app.files_begin(p_workspace text) IS 'As app.files_lock(), for the first file of a workspace: makes the rows that are missing.';

CREATE FUNCTION app.files_end(p_usage app.file_usage, p_files bigint, p_bytes bigint) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'app', 'pg_temp'
    AS $$
begin
	update app.file_usage u set files = u.files + p_files, bytes = u.bytes + p_bytes, changes = u.changes + 1 where u.workspace_id = p_usage.workspace_id;
end
$$;

ALTER FUNCTION app.files_end(p_usage app.file_usage, p_files bigint, p_bytes bigint) OWNER TO craft_owner;

COMMENT ON FUNCTION app.files_end(p_usage app.file_usage, p_files bigint, p_bytes bigint) IS 'Last step of a change of files: counts what came or (negative) went.';

CREATE FUNCTION app.files_lock(p_workspace text) RETURNS app.file_usage
    LANGUAGE plpgsql
    SET search_path TO 'app', 'pg_temp'
    AS $$
declare
	v_usage app.file_usage;
begin
	select u.* into v_usage from app.workspace w join app.file_usage u on u.workspace_id = w.id where w.slug = p_workspace for no key update of u;
	return v_usage;
end
$$;

ALTER FUNCTION app.files_lock(p_workspace text) OWNER TO craft_owner;

COMMENT ON FUNCTION app.files_lock(p_workspace text) IS 'First step of a change of files: takes the lock of the workspace''s files. All null when the workspace never had any.';

CREATE FUNCTION app.header_columns(p_header json) RETURNS api.session_columns
    LANGUAGE plpgsql
    SET search_path TO 'app', 'pg_temp'
    AS $_$
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
$_$;

ALTER FUNCTION app.header_columns(p_header json) OWNER TO craft_owner;

COMMENT ON FUNCTION app.header_columns(p_header json) IS 'The typed columns of a header that a SQL user wrote. The daemons extract them themselves and never call this.';

CREATE TABLE app.api_key (
    id text NOT NULL COLLATE pg_catalog."C",
    workspace text NOT NULL,
    name text NOT NULL,
    sha256 bytea NOT NULL,
    sealed text,
    read_only boolean NOT NULL,
    per_minute integer,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone,
    revoked_at timestamp with time zone,
    last_used_at timestamp with time zone,
    CONSTRAINT api_key_check CHECK (((sealed IS NULL) = (revoked_at IS NOT NULL))),
    CONSTRAINT api_key_id_check CHECK ((id ~ '^[0-9a-f]{16}$'::text)),
    CONSTRAINT api_key_name_check CHECK ((((octet_length(name) >= 1) AND (octet_length(name) <= 100)) AND (name !~ '[[:cntrl:]]'::text))),
    CONSTRAINT api_key_per_minute_check CHECK ((per_minute > 0)),
    CONSTRAINT api_key_sha256_check CHECK ((octet_length(sha256) = 32)),
    CONSTRAINT api_key_workspace_check CHECK (((octet_length(workspace) >= 1) AND (octet_length(workspace) <= 1024)))
);

ALTER TABLE app.api_key OWNER TO craft_owner;

COMMENT ON TABLE app.api_key IS 'Keys that open one workspace each, made by craft-cloud key add. Those that were revoked stay, without what opens anything.';

COMMENT ON COLUMN app.api_key.id IS 'The part of the key that finds its row: 16 hex digits, no secret.';

COMMENT ON COLUMN app.api_key.workspace IS 'Slug of the workspace that it opens, which need not have been written to yet.';

COMMENT ON COLUMN app.api_key.name IS 'What people call it; of a workspace''s keys that aren''t revoked no two have the same name.';

COMMENT ON COLUMN app.api_key.sha256 IS 'SHA-256 of the key''s text. The key holds 256 random bits, so that this opens nothing.';

COMMENT ON COLUMN app.api_key.sealed IS 'The key''s text, AES-256-GCM under ENCRYPTION_KEY, for what is computed with the key itself: signed URLs, and the keys that sandboxes'' clients encrypt with. Null once it is revoked.';

COMMENT ON COLUMN app.api_key.read_only IS 'Whether it changes nothing.';

COMMENT ON COLUMN app.api_key.per_minute IS 'How many requests it may make in a minute; null: any number.';

COMMENT ON COLUMN app.api_key.created_at IS 'When it was made.';

COMMENT ON COLUMN app.api_key.expires_at IS 'From when on it opens nothing; null: it doesn''t expire.';

COMMENT ON COLUMN app.api_key.revoked_at IS 'When it was revoked; null: it wasn''t.';

COMMENT ON COLUMN app.api_key.last_used_at IS 'The hour in which it was last used; null: never.';

CREATE FUNCTION app.key_lives(p_key app.api_key) RETURNS boolean
    LANGUAGE sql STABLE
    AS $$
	select (p_key).revoked_at is null and ((p_key).expires_at is null or (p_key).expires_at > pg_catalog.clock_timestamp());
$$;

ALTER FUNCTION app.key_lives(p_key app.api_key) OWNER TO craft_owner;

COMMENT ON FUNCTION app.key_lives(p_key app.api_key) IS 'Whether a key opens its workspace at the moment: neither revoked nor expired.';

CREATE FUNCTION app.log_id(p_request text) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'app', 'pg_catalog', 'pg_temp'
    AS $_$
	select case when p_request ~ '^[0-9A-Za-z_.-]{1,128}$' then p_request end;
$_$;

ALTER FUNCTION app.log_id(p_request text) OWNER TO craft_owner;

COMMENT ON FUNCTION app.log_id(p_request text) IS 'An id of a request, if it looks like one that log lines may hold; null: it doesn''t. A request isn''t refused for its id.';

CREATE FUNCTION app.log_trim(p_id bigint) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'app', 'pg_temp'
    AS $$
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

ALTER FUNCTION app.log_trim(p_id bigint) OWNER TO craft_owner;

COMMENT ON FUNCTION app.log_trim(p_id bigint) IS 'Drops a workspace''s oldest changes, at most 2,000, until its log has three quarters of the bytes that it may have, moving floor up.';

CREATE FUNCTION app.ms(p_at timestamp with time zone) RETURNS bigint
    LANGUAGE sql STABLE
    AS $$
	select pg_catalog.floor(extract(epoch from p_at) * 1000)::bigint;
$$;

ALTER FUNCTION app.ms(p_at timestamp with time zone) OWNER TO craft_owner;

COMMENT ON FUNCTION app.ms(p_at timestamp with time zone) IS 'A time as milliseconds since 1970.';

CREATE FUNCTION app.ms_time(p_ms bigint) RETURNS timestamp with time zone
    LANGUAGE sql IMMUTABLE
    AS $$
	select case when p_ms between 0 and 253402300799999 then pg_catalog.to_timestamp(p_ms / 1000.0) end;
$$;

ALTER FUNCTION app.ms_time(p_ms bigint) OWNER TO craft_owner;

COMMENT ON FUNCTION app.ms_time(p_ms bigint) IS 'Milliseconds since 1970 as a time; null outside the years 1970 to 9999.';

CREATE FUNCTION app.new_version() RETURNS bigint
    LANGUAGE sql
    SET search_path TO 'app', 'pg_temp'
    AS $$
	select ('x' || encode(substring(uuid_send(gen_random_uuid()) from 9), 'hex'))::bit(64)::bigint;
$$;

ALTER FUNCTION app.new_version() OWNER TO craft_owner;

COMMENT ON FUNCTION app.new_version() IS 'A random session version.';

CREATE FUNCTION app.project_begin(p_workspace text, p_repo_key text, p_repo_url text) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'app', 'pg_temp'
    AS $$
declare
	v_workspace bigint;
begin
	-- Looked up first: mostly both are there, and nothing has to be written or waited for.
	select w.id into v_workspace from app.workspace w where w.slug = p_workspace;
	if not found then
		perform app.workspace_make(p_workspace);
		select w.id into v_workspace from app.workspace w where w.slug = p_workspace;
	end if;
	if not exists (select from app.project p where p.workspace_id = v_workspace and p.repo_id = app.repo_id(p_repo_key)) then
		insert into app.project (workspace_id, repo_key, repo_url) values (v_workspace, p_repo_key, p_repo_url)
			on conflict (workspace_id, repo_id) do nothing;
	end if;
	return v_workspace;
end
$$;

ALTER FUNCTION app.project_begin(p_workspace text, p_repo_key text, p_repo_url text) OWNER TO craft_owner;

COMMENT ON FUNCTION app.project_begin(p_workspace text, p_repo_key text, p_repo_url text) IS 'Makes the workspace and the project where they are missing; returns the workspace''s number.';

CREATE TABLE app.project (
    workspace_id bigint NOT NULL,
    repo_key text NOT NULL,
    repo_url text NOT NULL,
    default_branch text,
    added_at timestamp with time zone DEFAULT now() NOT NULL,
    "position" bigint NOT NULL,
    repo_id text GENERATED ALWAYS AS (lower((repo_key COLLATE "C"))) STORED NOT NULL COLLATE pg_catalog."C",
    CONSTRAINT project_repo_key_check CHECK (((octet_length(repo_key) >= 3) AND (octet_length(repo_key) <= 256)))
);

ALTER TABLE app.project OWNER TO craft_owner;

COMMENT ON TABLE app.project IS 'A repository that a workspace works on.';

COMMENT ON COLUMN app.project.workspace_id IS 'The workspace it belongs to.';

COMMENT ON COLUMN app.project.repo_key IS 'owner/repo, as it was first written.';

COMMENT ON COLUMN app.project.repo_url IS 'URL of the repository as the client gave it.';

COMMENT ON COLUMN app.project.default_branch IS 'The repository''s default branch, when known.';

COMMENT ON COLUMN app.project.added_at IS 'When it was added.';

COMMENT ON COLUMN app.project."position" IS 'Order of addition.';

COMMENT ON COLUMN app.project.repo_id IS 'The same in lower case: names that differ in case alone are one repository at GitHub.';

CREATE FUNCTION app.project_json(p app.project) RETURNS json
    LANGUAGE sql STABLE
    SET search_path TO 'app', 'pg_temp'
    AS $$
	select json_build_object('repoKey', p.repo_key, 'repoUrl', p.repo_url, 'defaultBranch', p.default_branch, 'addedAt', app.ms(p.added_at),
		'hasGitHubAuth', exists (select from app.credential c where c.workspace_id = p.workspace_id and c.repo_id = p.repo_id and c.invalid_at is null and c.denied is null));
$$;

ALTER FUNCTION app.project_json(p app.project) OWNER TO craft_owner;

COMMENT ON FUNCTION app.project_json(p app.project) IS 'A project as clients see it.';

CREATE FUNCTION app.put_verdict(p_old uuid, p_if_match text[], p_if_none_match text[], p_bytes bigint, p_quota bigint) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS $$
	select case
		when p_if_match is not null and not app.tag_matches(p_if_match, p_old) then 'failed'
		when p_if_none_match is not null and app.tag_matches(p_if_none_match, p_old) then 'failed'
		when p_quota > 0 and p_bytes > p_quota then 'quota'
		else 'ok'
	end;
$$;

ALTER FUNCTION app.put_verdict(p_old uuid, p_if_match text[], p_if_none_match text[], p_bytes bigint, p_quota bigint) OWNER TO craft_owner;

COMMENT ON FUNCTION app.put_verdict(p_old uuid, p_if_match text[], p_if_none_match text[], p_bytes bigint, p_quota bigint) IS 'May the file that has blob p_old (null: there is none) be replaced, when the workspace''s files are p_bytes afterwards? ok, failed or quota.';

CREATE FUNCTION app.quota_files(p_quota bigint) RETURNS bigint
    LANGUAGE sql IMMUTABLE
    AS $$
	select case when p_quota > 0 then greatest(p_quota / 4096, 1000) end;
$$;

ALTER FUNCTION app.quota_files(p_quota bigint) OWNER TO craft_owner;

COMMENT ON FUNCTION app.quota_files(p_quota bigint) IS 'How many files a workspace may have whose quota is so many bytes: one for each 4,096 bytes, as a small file takes that much of the disk, and at least 1,000. Null: no bound.';

CREATE FUNCTION app.repo_id(p_repo_key text) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS $$
	select pg_catalog.lower(p_repo_key collate "C");
$$;

ALTER FUNCTION app.repo_id(p_repo_key text) OWNER TO craft_owner;

COMMENT ON FUNCTION app.repo_id(p_repo_key text) IS 'The repo_id that belongs to owner/repo.';

CREATE TABLE app.seen_request (
    workspace_id bigint NOT NULL,
    client text NOT NULL,
    request bytea NOT NULL,
    payload bigint NOT NULL,
    seq bigint NOT NULL,
    answer json,
    at timestamp with time zone DEFAULT now() NOT NULL,
    sha256 bytea,
    echoes boolean DEFAULT false NOT NULL,
    CONSTRAINT seen_request_client_check CHECK (((octet_length(client) >= 1) AND (octet_length(client) <= 256)))
);
ALTER TABLE ONLY app.seen_request ALTER COLUMN answer SET COMPRESSION lz4;

ALTER TABLE app.seen_request OWNER TO craft_owner;

COMMENT ON TABLE app.seen_request IS 'Mutations of clients that named themselves (?client=), so that one sent again is applied once. Kept for a day.';

COMMENT ON COLUMN app.seen_request.workspace_id IS 'The workspace that changed.';

COMMENT ON COLUMN app.seen_request.client IS 'The name that the client gave itself.';

COMMENT ON COLUMN app.seen_request.request IS 'SHA-256 of the requestId''s JSON text.';

COMMENT ON COLUMN app.seen_request.payload IS 'XXH3-64 of type and data, for bridges of an older version.';

COMMENT ON COLUMN app.seen_request.seq IS 'Number of the change that it made.';

COMMENT ON COLUMN app.seen_request.answer IS 'Data of the answer, where a function of an older version wrote the row. Else null: see echoes; and what doesn''t echo was answered with {"success":true}.';

COMMENT ON COLUMN app.seen_request.at IS 'When it was applied.';

COMMENT ON COLUMN app.seen_request.sha256 IS 'SHA-256 of type and data: a requestId used again for something else is refused. Null where a bridge of an older version wrote the row.';

COMMENT ON COLUMN app.seen_request.echoes IS 'Whether the answer''s data are those of the change with number seq, in app.change_log.';

CREATE FUNCTION app.request_outcome(p_seen app.seen_request, p_request api.request) RETURNS api.outcome
    LANGUAGE plpgsql
    SET search_path TO 'app', 'pg_temp'
    AS $$
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

ALTER FUNCTION app.request_outcome(p_seen app.seen_request, p_request api.request) OWNER TO craft_owner;

COMMENT ON FUNCTION app.request_outcome(p_seen app.seen_request, p_request api.request) IS 'The outcome of a request that came before: repeat or reused. An answer that echoed the change is read from the log; where it isn''t there any more, it is what was remembered of it: members that the server had added to what was sent, or null.';

CREATE FUNCTION app.sandbox_drop() RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'app', 'pg_temp'
    AS $$
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

ALTER FUNCTION app.sandbox_drop() OWNER TO craft_owner;

COMMENT ON FUNCTION app.sandbox_drop() IS 'Removes what the DBAs'' views have shown for 30 days since it was gone: sandboxes with their jobs, and hosts.';

CREATE FUNCTION app.sandbox_expired(p_error text) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'app', 'pg_temp'
    AS $$
	select '{"type":"status","status":"expired"' || coalesce(',"message":' || to_json(p_error), '') || '}';
$$;

ALTER FUNCTION app.sandbox_expired(p_error text) OWNER TO craft_owner;

COMMENT ON FUNCTION app.sandbox_expired(p_error text) IS 'What the clients of a sandbox that ended are told; p_error: why, or null.';

CREATE TABLE app.sandbox_session (
    id uuid NOT NULL,
    workspace_id bigint NOT NULL,
    repo_key text NOT NULL,
    sandbox_id text NOT NULL,
    branch text NOT NULL,
    status text NOT NULL,
    error text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    last_activity_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    host_id uuid,
    claimed_at timestamp with time zone,
    seq bigint DEFAULT 0 NOT NULL,
    floor bigint DEFAULT 0 NOT NULL,
    commit_id text,
    ready_at timestamp with time zone,
    ended_at timestamp with time zone,
    end_reason text,
    cleaned_at timestamp with time zone,
    gone_at timestamp with time zone,
    idle_seconds bigint DEFAULT 1800 NOT NULL,
    request_id text,
    stream_bytes bigint DEFAULT 0 NOT NULL,
    CONSTRAINT sandbox_session_check CHECK (((floor >= 0) AND (floor <= seq))),
    CONSTRAINT sandbox_session_check1 CHECK (((ended_at IS NULL) = (end_reason IS NULL))),
    CONSTRAINT sandbox_session_end_reason_check CHECK ((end_reason = ANY (ARRAY['user'::text, 'idle'::text, 'time'::text, 'oom'::text, 'disk'::text, 'crash'::text, 'clone'::text, 'host'::text]))),
    CONSTRAINT sandbox_session_repo_key_check CHECK (((octet_length(repo_key) >= 3) AND (octet_length(repo_key) <= 256))),
    CONSTRAINT sandbox_session_request_id_check CHECK ((request_id ~ '^[0-9A-Za-z_.-]{1,128}$'::text)),
    CONSTRAINT sandbox_session_status_check CHECK ((status = ANY (ARRAY['provisioning'::text, 'cloning'::text, 'ready'::text, 'idle'::text, 'expired'::text])))
)
WITH (fillfactor='30');

ALTER TABLE app.sandbox_session OWNER TO craft_owner;

COMMENT ON TABLE app.sandbox_session IS 'A sandbox: an isolated checkout of one repository, running or ended.';

COMMENT ON COLUMN app.sandbox_session.id IS 'The sandbox session''s id.';

COMMENT ON COLUMN app.sandbox_session.workspace_id IS 'The workspace it belongs to.';

COMMENT ON COLUMN app.sandbox_session.repo_key IS 'owner/repo.';

COMMENT ON COLUMN app.sandbox_session.sandbox_id IS 'First 8 characters of the id.';

COMMENT ON COLUMN app.sandbox_session.branch IS 'The branch that was checked out.';

COMMENT ON COLUMN app.sandbox_session.status IS 'provisioning, cloning, ready, idle or expired.';

COMMENT ON COLUMN app.sandbox_session.error IS 'Why it failed; null when it didn''t.';

COMMENT ON COLUMN app.sandbox_session.created_at IS 'When it was asked for.';

COMMENT ON COLUMN app.sandbox_session.last_activity_at IS 'Last heartbeat, message or end of a task.';

COMMENT ON COLUMN app.sandbox_session.expires_at IS 'When it ends if nothing happens.';

COMMENT ON COLUMN app.sandbox_session.host_id IS 'The host that runs it; null: none has claimed it yet.';

COMMENT ON COLUMN app.sandbox_session.claimed_at IS 'When the host claimed it.';

COMMENT ON COLUMN app.sandbox_session.seq IS 'Number of its latest message; each adds one, without gaps.';

COMMENT ON COLUMN app.sandbox_session.floor IS 'Messages up to this number were pruned from app.sandbox_message.';

COMMENT ON COLUMN app.sandbox_session.commit_id IS 'The commit that was checked out.';

COMMENT ON COLUMN app.sandbox_session.ready_at IS 'When it was first ready.';

COMMENT ON COLUMN app.sandbox_session.ended_at IS 'When it ended (its status is expired since); null: it hasn''t.';

COMMENT ON COLUMN app.sandbox_session.end_reason IS 'Why: user (deleted), idle, time, oom (memory), disk, crash, clone (no checkout), host (the host is gone).';

COMMENT ON COLUMN app.sandbox_session.cleaned_at IS 'When the host had removed all that it had of it; at once where no host had claimed it.';

COMMENT ON COLUMN app.sandbox_session.gone_at IS 'Since when clients are told that they never heard of it; the row stays for the DBAs'' views for 30 days.';

COMMENT ON COLUMN app.sandbox_session.idle_seconds IS 'For how long it lives on after anything happened.';

COMMENT ON COLUMN app.sandbox_session.request_id IS 'Id that nginx gave the request that asked for it, as in the logs of all that touched it; null: not known.';

COMMENT ON COLUMN app.sandbox_session.stream_bytes IS 'Bytes of its messages in app.sandbox_message; those stored before this column was made aren''t counted.';

CREATE FUNCTION app.sandbox_find(p_workspace text, p_session text) RETURNS app.sandbox_session
    LANGUAGE plpgsql STABLE
    SET search_path TO 'app', 'pg_temp'
    AS $$
declare
	v_session app.sandbox_session;
begin
	select s.* into v_session from app.sandbox_session s join app.workspace w on w.id = s.workspace_id
		where w.slug = p_workspace and s.id = app.to_uuid(p_session) and s.gone_at is null;
	return v_session;
end
$$;

ALTER FUNCTION app.sandbox_find(p_workspace text, p_session text) OWNER TO craft_owner;

COMMENT ON FUNCTION app.sandbox_find(p_workspace text, p_session text) IS 'A sandbox of a workspace; all null when there is none.';

CREATE FUNCTION app.sandbox_finish(p_id uuid, p_reason text, p_error text) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'app', 'pg_temp'
    AS $$
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

ALTER FUNCTION app.sandbox_finish(p_id uuid, p_reason text, p_error text) OWNER TO craft_owner;

COMMENT ON FUNCTION app.sandbox_finish(p_id uuid, p_reason text, p_error text) IS 'Ends a sandbox, unless it has ended: false. Where no host has claimed it or the host is gone, ends its jobs too, tells their clients, and says that the sandbox expired. Else its host does that, which counts the messages; jobs that it hasn''t taken are ended when it has cleaned.';

CREATE FUNCTION app.sandbox_forget(p_keep_seconds bigint, p_limit integer, OUT messages bigint, OUT sessions bigint) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO 'app', 'pg_temp'
    AS $$
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

ALTER FUNCTION app.sandbox_forget(p_keep_seconds bigint, p_limit integer, OUT messages bigint, OUT sessions bigint) OWNER TO craft_owner;

COMMENT ON FUNCTION app.sandbox_forget(p_keep_seconds bigint, p_limit integer, OUT messages bigint, OUT sessions bigint) IS 'Removes the messages, at most p_limit, of sandboxes that ended more than p_keep_seconds ago; those that have none left are gone for clients. Not yet those that a living host has still to clean.';

CREATE FUNCTION app.sandbox_has_room(p_session uuid, p_bytes bigint, p_max bigint, p_all bigint) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO 'app', 'pg_temp'
    AS $$
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

ALTER FUNCTION app.sandbox_has_room(p_session uuid, p_bytes bigint, p_max bigint, p_all bigint) OWNER TO craft_owner;

COMMENT ON FUNCTION app.sandbox_has_room(p_session uuid, p_bytes bigint, p_max bigint, p_all bigint) IS 'May a sandbox''s request of so many bytes wait? ok; sandbox_bytes: those of the sandbox would be more than p_max; workspace_bytes: those of its workspace more than half of p_all (or p_max, if that is more); all_bytes: all together more than p_all.';

CREATE FUNCTION app.sandbox_held(p_session uuid, p_workspace bigint) RETURNS bigint
    LANGUAGE sql STABLE
    SET search_path TO 'app', 'pg_temp'
    AS $$
	select coalesce(sum(octet_length(j.payload)), 0)::bigint from app.sandbox_job j
	where j.ended_at is null and j.payload is not null and (p_session is null or j.session_id = p_session)
		and (p_workspace is null or j.session_id in (select s.id from app.sandbox_session s where s.workspace_id = p_workspace and s.ended_at is null));
$$;

ALTER FUNCTION app.sandbox_held(p_session uuid, p_workspace bigint) OWNER TO craft_owner;

COMMENT ON FUNCTION app.sandbox_held(p_session uuid, p_workspace bigint) IS 'Bytes of the requests that hosts haven''t read yet: of one sandbox, of one workspace, or of all (both null).';

CREATE FUNCTION app.sandbox_json(s app.sandbox_session) RETURNS json
    LANGUAGE sql STABLE
    SET search_path TO 'app', 'pg_temp'
    AS $$
	select case when s.error is null
		then json_build_object('sessionId', s.id, 'repoKey', s.repo_key, 'sandboxId', s.sandbox_id, 'branch', s.branch, 'status', s.status,
			'createdAt', app.ms(s.created_at), 'lastActivityAt', app.ms(s.last_activity_at), 'expiresAt', app.ms(s.expires_at))
		else json_build_object('sessionId', s.id, 'repoKey', s.repo_key, 'sandboxId', s.sandbox_id, 'branch', s.branch, 'status', s.status,
			'createdAt', app.ms(s.created_at), 'lastActivityAt', app.ms(s.last_activity_at), 'expiresAt', app.ms(s.expires_at), 'error', s.error)
		end;
$$;

ALTER FUNCTION app.sandbox_json(s app.sandbox_session) OWNER TO craft_owner;

COMMENT ON FUNCTION app.sandbox_json(s app.sandbox_session) IS 'A sandbox session as clients see it.';

CREATE FUNCTION app.sandbox_lost(p_limit integer) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'app', 'pg_temp'
    AS $$
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

ALTER FUNCTION app.sandbox_lost(p_limit integer) OWNER TO craft_owner;

COMMENT ON FUNCTION app.sandbox_lost(p_limit integer) IS 'Ends sandboxes whose host is gone, and counts them; and those that no host claimed in time.';

CREATE FUNCTION app.sandbox_prune(p_keep_seconds bigint, p_limit integer) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'app', 'pg_temp'
    AS $$
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

ALTER FUNCTION app.sandbox_prune(p_keep_seconds bigint, p_limit integer) OWNER TO craft_owner;

COMMENT ON FUNCTION app.sandbox_prune(p_keep_seconds bigint, p_limit integer) IS 'Removes messages older than p_keep_seconds, at most p_limit, moving floor up.';

CREATE TABLE app.sandbox_job (
    id bigint NOT NULL,
    session_id uuid NOT NULL,
    client text NOT NULL,
    kind text NOT NULL,
    tool_id text,
    name text,
    payload text,
    queued_at timestamp with time zone DEFAULT now() NOT NULL,
    taken_at timestamp with time zone,
    ended_at timestamp with time zone,
    outcome text,
    exit_code integer,
    bytes_in bigint NOT NULL,
    bytes_out bigint,
    key_id text COLLATE pg_catalog."C",
    request_id text,
    CONSTRAINT sandbox_job_check CHECK (((ended_at IS NULL) = (outcome IS NULL))),
    CONSTRAINT sandbox_job_check1 CHECK (((ended_at IS NULL) OR (payload IS NULL))),
    CONSTRAINT sandbox_job_kind_check CHECK ((kind = ANY (ARRAY['execute'::text, 'tool'::text, 'cancel'::text, 'diff'::text]))),
    CONSTRAINT sandbox_job_outcome_check CHECK ((outcome = ANY (ARRAY['success'::text, 'failure'::text, 'error'::text, 'cancelled'::text, 'timeout'::text, 'oom'::text, 'host'::text, 'expired'::text]))),
    CONSTRAINT sandbox_job_request_id_check CHECK ((request_id ~ '^[0-9A-Za-z_.-]{1,128}$'::text))
)
WITH (fillfactor='70');
ALTER TABLE ONLY app.sandbox_job ALTER COLUMN payload SET COMPRESSION lz4;

ALTER TABLE app.sandbox_job OWNER TO craft_owner;

COMMENT ON TABLE app.sandbox_job IS 'What clients ask of sandboxes. Of a session at most one execute is under way.';

COMMENT ON COLUMN app.sandbox_job.id IS 'Internal number; the order in which jobs came.';

COMMENT ON COLUMN app.sandbox_job.session_id IS 'The sandbox it is for.';

COMMENT ON COLUMN app.sandbox_job.client IS 'Name of the connection that asked.';

COMMENT ON COLUMN app.sandbox_job.kind IS 'execute, tool, cancel or diff.';

COMMENT ON COLUMN app.sandbox_job.tool_id IS 'The id that the client gave a tool call, as JSON text; of a cancel, that of the call to cancel.';

COMMENT ON COLUMN app.sandbox_job.name IS 'The tool''s name.';

COMMENT ON COLUMN app.sandbox_job.payload IS 'What is needed of the client''s message, until its host has read it.';

COMMENT ON COLUMN app.sandbox_job.queued_at IS 'When it came.';

COMMENT ON COLUMN app.sandbox_job.taken_at IS 'When the host took it.';

COMMENT ON COLUMN app.sandbox_job.ended_at IS 'When it was over.';

COMMENT ON COLUMN app.sandbox_job.outcome IS 'success; failure (it ran and failed); error (it couldn''t run); cancelled; timeout; oom; host (the host was stopped or is gone); expired (the sandbox ended).';

COMMENT ON COLUMN app.sandbox_job.exit_code IS 'Exit code of what ran.';

COMMENT ON COLUMN app.sandbox_job.bytes_in IS 'Bytes of the client''s message.';

COMMENT ON COLUMN app.sandbox_job.bytes_out IS 'Bytes of the answers.';

COMMENT ON COLUMN app.sandbox_job.key_id IS 'app.api_key.id of the key that its client came with; null: API_KEY.';

COMMENT ON COLUMN app.sandbox_job.request_id IS 'Id that nginx gave the WebSocket''s upgrade by which it came, as in the logs of all that touched it; null: not known.';

CREATE FUNCTION app.sandbox_refusal(p_job app.sandbox_job, p_message text) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'app', 'pg_temp'
    AS $$
	-- By hand: no SQL function may look into an id that has a \u0000.
	select case p_job.kind
		when 'tool' then '{"type":"tool_result","id":' || coalesce(p_job.tool_id, 'null') || ',"success":false,"error":' || to_json(p_message) || '}'
		when 'cancel' then null
		else '{"type":"error","message":' || to_json(p_message) || '}'
	end;
$$;

ALTER FUNCTION app.sandbox_refusal(p_job app.sandbox_job, p_message text) OWNER TO craft_owner;

COMMENT ON FUNCTION app.sandbox_refusal(p_job app.sandbox_job, p_message text) IS 'What the client of a job that will never run is told; null: nothing.';

CREATE FUNCTION app.sandbox_refuse_jobs(p_id uuid, p_outcome text, p_message text, p_last text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'app', 'pg_temp'
    AS $$
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

ALTER FUNCTION app.sandbox_refuse_jobs(p_id uuid, p_outcome text, p_message text, p_last text) OWNER TO craft_owner;

COMMENT ON FUNCTION app.sandbox_refuse_jobs(p_id uuid, p_outcome text, p_message text, p_last text) IS 'Ends the jobs of a sandbox that are open and tells their clients; then says p_last (null: nothing) to all. Only where no host says anything any more.';

CREATE FUNCTION app.sandbox_renew(p_workspace text, p_session text, p_idle_seconds bigint, OUT status text, OUT id uuid, OUT host uuid) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO 'app', 'pg_temp'
    AS $$
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

ALTER FUNCTION app.sandbox_renew(p_workspace text, p_session text, p_idle_seconds bigint, OUT status text, OUT id uuid, OUT host uuid) OWNER TO craft_owner;

COMMENT ON FUNCTION app.sandbox_renew(p_workspace text, p_session text, p_idle_seconds bigint, OUT status text, OUT id uuid, OUT host uuid) IS 'Something happened: the sandbox lives for p_idle_seconds from now. Takes the lock of its row. Status ok, unknown or expired.';

CREATE FUNCTION app.sandbox_say(p_id uuid, p_targets text[], p_bodies text[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'app', 'pg_catalog', 'pg_temp'
    AS $$
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

ALTER FUNCTION app.sandbox_say(p_id uuid, p_targets text[], p_bodies text[]) OWNER TO craft_owner;

COMMENT ON FUNCTION app.sandbox_say(p_id uuid, p_targets text[], p_bodies text[]) IS 'Appends messages to a sandbox that no host says anything for, and tells the bridges when this transaction commits.';

CREATE FUNCTION app.stream_add(p_id uuid, p_seq bigint, p_bytes bigint) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'app', 'pg_temp'
    AS $$
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

ALTER FUNCTION app.stream_add(p_id uuid, p_seq bigint, p_bytes bigint) OWNER TO craft_owner;

COMMENT ON FUNCTION app.stream_add(p_id uuid, p_seq bigint, p_bytes bigint) IS 'A sandbox has messages of p_bytes more, the last of which has number p_seq. The caller has the lock of its row.';

CREATE FUNCTION app.stream_drop(p_id uuid, p_up_to bigint) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'app', 'pg_temp'
    AS $$
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

ALTER FUNCTION app.stream_drop(p_id uuid, p_up_to bigint) OWNER TO craft_owner;

COMMENT ON FUNCTION app.stream_drop(p_id uuid, p_up_to bigint) IS 'Drops a sandbox''s messages up to this number, moving floor up, and counts them. The caller has the lock of its row.';

CREATE FUNCTION app.stream_trim(p_workspace bigint) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'app', 'pg_temp'
    AS $$
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

ALTER FUNCTION app.stream_trim(p_workspace bigint) OWNER TO craft_owner;

COMMENT ON FUNCTION app.stream_trim(p_workspace bigint) IS 'Drops the oldest messages of those of a workspace''s sandboxes that have the most, until all have three quarters of the bytes that they may have. Each keeps its latest one.';

CREATE FUNCTION app.tag_matches(p_tags text[], p_blob uuid) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    AS $$
	select p_blob is not null and ('*' = any (p_tags) or p_blob::text = any (p_tags)) is true;
$$;

ALTER FUNCTION app.tag_matches(p_tags text[], p_blob uuid) OWNER TO craft_owner;

COMMENT ON FUNCTION app.tag_matches(p_tags text[], p_blob uuid) IS 'Does the file that has this blob (null: there is none) match one of these entity tags? * matches any file.';

CREATE FUNCTION app.tag_of(p_bodies json[]) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'app', 'pg_catalog', 'pg_temp'
    AS $$
	select md5(coalesce(array_to_string(p_bodies, ','), ''));
$$;

ALTER FUNCTION app.tag_of(p_bodies json[]) OWNER TO craft_owner;

COMMENT ON FUNCTION app.tag_of(p_bodies json[]) IS 'ETag''s text of a small list that has no change numbers.';

CREATE FUNCTION app.to_uuid(p_text text) RETURNS uuid
    LANGUAGE sql IMMUTABLE
    AS $_$
	select case when p_text ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then p_text::uuid end;
$_$;

ALTER FUNCTION app.to_uuid(p_text text) OWNER TO craft_owner;

COMMENT ON FUNCTION app.to_uuid(p_text text) IS 'A UUID as PostgreSQL writes it; null when the text is anything else.';

CREATE FUNCTION app.utc(p_at timestamp with time zone) RETURNS text
    LANGUAGE sql STABLE
    AS $$
	select pg_catalog.to_char(p_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
$$;

ALTER FUNCTION app.utc(p_at timestamp with time zone) OWNER TO craft_owner;

COMMENT ON FUNCTION app.utc(p_at timestamp with time zone) IS 'A time as text, to the microsecond.';

CREATE FUNCTION app.workspace_clear(p_id bigint) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'app', 'pg_temp'
    AS $$
begin
	delete from app.message m using app.session s where s.workspace_id = p_id and m.session_key = s.key;
	delete from app.session s where s.workspace_id = p_id;
	delete from app.source s where s.workspace_id = p_id;
	delete from app.workspace_config c where c.workspace_id = p_id;
	delete from app.skill s where s.workspace_id = p_id;
	delete from app.plan p where p.workspace_id = p_id;
	delete from app.project p where p.workspace_id = p_id;
	delete from app.change_log l where l.workspace_id = p_id;
	update app.workspace w set log_bytes = 0 where w.id = p_id;
	delete from app.seen_request s where s.workspace_id = p_id;
	with gone as (delete from app.file f where f.workspace_id = p_id returning f.blob, f.size)
	insert into app.blob_gone (blob, size) select g.blob, g.size from gone g;
	update app.file_usage u set files = 0, bytes = 0, changes = u.changes + 1 where u.workspace_id = p_id;
end
$$;

ALTER FUNCTION app.workspace_clear(p_id bigint) OWNER TO craft_owner;

COMMENT ON FUNCTION app.workspace_clear(p_id bigint) IS 'Deletes what is in a workspace and could be in an archive of it, and its log; credentials and sandboxes stay. The caller has its locks.';

CREATE FUNCTION app.workspace_make(p_slug text) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'app', 'pg_temp'
    AS $$
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

ALTER FUNCTION app.workspace_make(p_slug text) OWNER TO craft_owner;

COMMENT ON FUNCTION app.workspace_make(p_slug text) IS 'Makes a workspace; one that was deleted goes on with its numbers. Null: it was there.';

CREATE FUNCTION app.workspace_tag(p_seq bigint) RETURNS text
    LANGUAGE plpgsql STABLE
    AS $$
begin
	return pg_catalog.concat(app.epoch_text(), '-', coalesce(p_seq, 0));
end
$$;

ALTER FUNCTION app.workspace_tag(p_seq bigint) OWNER TO craft_owner;

COMMENT ON FUNCTION app.workspace_tag(p_seq bigint) IS 'ETag of a list of a workspace whose latest change has this number.';

CREATE TABLE app.blob_gone (
    blob uuid NOT NULL,
    size bigint NOT NULL,
    gone_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE app.blob_gone OWNER TO craft_owner;

COMMENT ON TABLE app.blob_gone IS 'Blobs that no file names any more. They are removed some minutes later, because a download may be about to begin.';

COMMENT ON COLUMN app.blob_gone.blob IS 'The blob; see app.file.blob.';

COMMENT ON COLUMN app.blob_gone.size IS 'Number of bytes.';

COMMENT ON COLUMN app.blob_gone.gone_at IS 'When its file was replaced or deleted.';

CREATE TABLE app.change_log (
    workspace_id bigint NOT NULL,
    seq bigint NOT NULL,
    entity text NOT NULL,
    action text NOT NULL,
    entity_id text,
    origin text,
    data json NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    bytes integer
);
ALTER TABLE ONLY app.change_log ALTER COLUMN data SET COMPRESSION lz4;

ALTER TABLE app.change_log OWNER TO craft_owner;

COMMENT ON TABLE app.change_log IS 'Every change of every workspace in commit order, as broadcast to clients; pruned by age and count (app.workspace.floor).';

COMMENT ON COLUMN app.change_log.workspace_id IS 'The workspace that changed.';

COMMENT ON COLUMN app.change_log.seq IS 'Number of the change in the workspace: 1, 2, 3… without gaps.';

COMMENT ON COLUMN app.change_log.entity IS 'What changed: session, source, statuses, labels, skill, plan.';

COMMENT ON COLUMN app.change_log.action IS 'created, updated or deleted.';

COMMENT ON COLUMN app.change_log.entity_id IS 'Its id, slug or file name; null for statuses and labels.';

COMMENT ON COLUMN app.change_log.origin IS 'The connection that made the change (it is not told again); null for REST actions and for SQL.';

COMMENT ON COLUMN app.change_log.data IS 'The event''s data, byte for byte as broadcast.';

COMMENT ON COLUMN app.change_log.at IS 'Start of the transaction that made the change.';

COMMENT ON COLUMN app.change_log.bytes IS 'Bytes of the data as JSON text; null in rows that were written before this column was made.';

CREATE TABLE app.credential (
    workspace_id bigint NOT NULL,
    repo_key text NOT NULL,
    sealed text NOT NULL,
    username text,
    user_id bigint,
    scope text,
    authenticated_at timestamp with time zone DEFAULT now() NOT NULL,
    repo_id text GENERATED ALWAYS AS (lower((repo_key COLLATE "C"))) STORED NOT NULL COLLATE pg_catalog."C",
    invalid_at timestamp with time zone,
    checked_at timestamp with time zone,
    denied text,
    refresh_lease text,
    refresh_until timestamp with time zone,
    CONSTRAINT credential_denied_check CHECK ((denied = ANY (ARRAY['no_access'::text, 'sso'::text]))),
    CONSTRAINT credential_repo_key_check CHECK (((octet_length(repo_key) >= 3) AND (octet_length(repo_key) <= 256)))
);

ALTER TABLE app.credential OWNER TO craft_owner;

COMMENT ON TABLE app.credential IS 'The GitHub credential for one repository of one workspace. Not readable by craft_dba.';

COMMENT ON COLUMN app.credential.workspace_id IS 'The workspace it belongs to.';

COMMENT ON COLUMN app.credential.repo_key IS 'owner/repo, as it was first written.';

COMMENT ON COLUMN app.credential.sealed IS 'The token and what belongs to it, AES-256-GCM under ENCRYPTION_KEY: base64 of IV, ciphertext and tag; with 2: before it, bound to this workspace and repository.';

COMMENT ON COLUMN app.credential.username IS 'GitHub login of the user who granted it.';

COMMENT ON COLUMN app.credential.user_id IS 'GitHub''s number of that user.';

COMMENT ON COLUMN app.credential.scope IS 'The scope that GitHub granted.';

COMMENT ON COLUMN app.credential.authenticated_at IS 'When it was granted.';

COMMENT ON COLUMN app.credential.repo_id IS 'The same in lower case, as app.project.repo_id.';

COMMENT ON COLUMN app.credential.invalid_at IS 'When GitHub first refused it; null: it is good as far as is known.';

COMMENT ON COLUMN app.credential.checked_at IS 'When GitHub last said whether it is good; null: not since it is stored.';

COMMENT ON COLUMN app.credential.denied IS 'Why GitHub last let the credential not see the repository, though the token is good: no_access, or sso (the organization wants a session of its single sign-on); null: it did.';

COMMENT ON COLUMN app.credential.refresh_lease IS 'Whose the right is to renew the token: a random text; null: nobody''s.';

COMMENT ON COLUMN app.credential.refresh_until IS 'Until when that right lasts; after it others may try.';

CREATE TABLE app.epoch (
    one boolean DEFAULT true NOT NULL,
    token text NOT NULL,
    CONSTRAINT epoch_one_check CHECK (one)
);

ALTER TABLE app.epoch OWNER TO craft_owner;

COMMENT ON TABLE app.epoch IS 'One row: a random text made when the database was made. Part of the epoch that resume tokens carry; see app.epoch_text().';

COMMENT ON COLUMN app.epoch.one IS 'Always true: there is one row.';

COMMENT ON COLUMN app.epoch.token IS 'Random. api.epoch_renew() changes it, which makes every client reload.';

CREATE TABLE app.file (
    workspace_id bigint NOT NULL,
    session_id text NOT NULL COLLATE pg_catalog."C",
    type text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    blob uuid NOT NULL,
    size bigint NOT NULL,
    mime_type text NOT NULL,
    sha256 bytea NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    uploaded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT file_mime_type_check CHECK (((octet_length(mime_type) >= 1) AND (octet_length(mime_type) <= 255))),
    CONSTRAINT file_names CHECK (
CASE type
    WHEN 'assets'::text THEN ((session_id = ''::text) AND ((octet_length(name) >= 1) AND (octet_length(name) <= 1024)))
    ELSE (((octet_length(session_id) >= 1) AND (octet_length(session_id) <= 255)) AND ((octet_length(name) >= 1) AND (octet_length(name) <= 255)))
END),
    CONSTRAINT file_sha256_check CHECK ((octet_length(sha256) = 32)),
    CONSTRAINT file_size_check CHECK ((size >= 0)),
    CONSTRAINT file_type_check CHECK ((type = ANY (ARRAY['attachments'::text, 'downloads'::text, 'long_responses'::text, 'assets'::text])))
);

ALTER TABLE app.file OWNER TO craft_owner;

COMMENT ON TABLE app.file IS 'A file of a session, or an asset of a workspace. Replacing it is naming another blob in its row: the blobs themselves, in the directory BLOB_DIR, never change. No foreign key to app.workspace: checking it would wait for synced changes.';

COMMENT ON COLUMN app.file.workspace_id IS 'The workspace it belongs to.';

COMMENT ON COLUMN app.file.session_id IS 'Id of the session, which needn''t have been saved; empty for assets.';

COMMENT ON COLUMN app.file.type IS 'attachments, downloads or long_responses; assets for what belongs to the workspace.';

COMMENT ON COLUMN app.file.name IS 'File name, an asset''s path. As sent: no Unicode normalisation.';

COMMENT ON COLUMN app.file.blob IS 'The bytes are in BLOB_DIR/<first two digits>/<blob>. Also the file''s ETag.';

COMMENT ON COLUMN app.file.size IS 'Number of bytes.';

COMMENT ON COLUMN app.file.mime_type IS 'Content-Type of the upload.';

COMMENT ON COLUMN app.file.sha256 IS 'SHA-256 of the bytes.';

COMMENT ON COLUMN app.file.created_at IS 'When a file of this name was first uploaded.';

COMMENT ON COLUMN app.file.uploaded_at IS 'When these bytes were uploaded.';

CREATE TABLE app.log_limit (
    one boolean DEFAULT true NOT NULL,
    change_bytes bigint NOT NULL,
    stream_bytes bigint NOT NULL,
    CONSTRAINT log_limit_change_bytes_check CHECK ((change_bytes > 0)),
    CONSTRAINT log_limit_one_check CHECK (one),
    CONSTRAINT log_limit_stream_bytes_check CHECK ((stream_bytes > 0))
);

ALTER TABLE app.log_limit OWNER TO craft_owner;

COMMENT ON TABLE app.log_limit IS 'One row: how long logs may get. Bridges write it when they start (api.log_limit_set()).';

COMMENT ON COLUMN app.log_limit.one IS 'Always true: there is one row.';

COMMENT ON COLUMN app.log_limit.change_bytes IS 'CHANGE_LOG_BYTES: most bytes of a workspace''s changes in app.change_log.';

COMMENT ON COLUMN app.log_limit.stream_bytes IS 'SANDBOX_STREAM_BYTES: most bytes of the messages of a workspace''s sandboxes in app.sandbox_message.';

CREATE TABLE app.message (
    session_key bigint NOT NULL,
    idx integer NOT NULL,
    hash bigint,
    body json NOT NULL,
    sha256 bytea,
    CONSTRAINT message_idx_check CHECK ((idx >= 0))
);
ALTER TABLE ONLY app.message ALTER COLUMN body SET COMPRESSION lz4;

ALTER TABLE app.message OWNER TO craft_owner;

COMMENT ON TABLE app.message IS 'One element of a session''s messages array. A save writes only the rows that differ. No foreign key: this is the hot path, and the functions of api that delete a session delete its messages.';

COMMENT ON COLUMN app.message.session_key IS 'app.session.key.';

COMMENT ON COLUMN app.message.idx IS 'Position in the array, from 0, without gaps.';

COMMENT ON COLUMN app.message.hash IS 'XXH3-64 of the body''s bytes, as a signed number; only where a bridge of an older version wrote it, for which it is. Anybody can make two bodies that have the same.';

COMMENT ON COLUMN app.message.body IS 'The element, byte for byte as the client sent it.';

COMMENT ON COLUMN app.message.sha256 IS 'SHA-256 of the body''s bytes: tells whether a row differs without reading it. Null in rows that were written before this column was made.';

CREATE TABLE app.oauth_used (
    nonce bytea NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    outcome text,
    CONSTRAINT oauth_used_nonce_check CHECK ((octet_length(nonce) = 16)),
    CONSTRAINT oauth_used_outcome_check CHECK ((octet_length(outcome) <= 8192))
);

ALTER TABLE app.oauth_used OWNER TO craft_owner;

COMMENT ON TABLE app.oauth_used IS 'States of GitHub''s OAuth that came back, so that none is taken twice, whichever worker it comes to.';

COMMENT ON COLUMN app.oauth_used.nonce IS 'What is random in the state.';

COMMENT ON COLUMN app.oauth_used.expires_at IS 'When the state expires by itself. The row goes an hour later or some time after that.';

COMMENT ON COLUMN app.oauth_used.outcome IS 'Where the browser was sent in the end, so that a page that is loaded again can lead there; null: not known.';

CREATE TABLE app.plan (
    workspace_id bigint NOT NULL,
    session_id text NOT NULL,
    name text NOT NULL,
    content json NOT NULL,
    modified_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    modified_seq bigint NOT NULL,
    CONSTRAINT plan_name_check CHECK (((octet_length(name) >= 1) AND (octet_length(name) <= 1024))),
    CONSTRAINT plan_session_id_check CHECK (((octet_length(session_id) >= 1) AND (octet_length(session_id) <= 1024)))
);
ALTER TABLE ONLY app.plan ALTER COLUMN content SET COMPRESSION lz4;

ALTER TABLE app.plan OWNER TO craft_owner;

COMMENT ON TABLE app.plan IS 'A plan file of a session. The session needn''t have been saved yet.';

COMMENT ON COLUMN app.plan.workspace_id IS 'The workspace it belongs to.';

COMMENT ON COLUMN app.plan.session_id IS 'Id of the session, as app.session.id.';

COMMENT ON COLUMN app.plan.name IS 'File name, unique in the session.';

COMMENT ON COLUMN app.plan.content IS 'The content as a JSON string, escapes as sent.';

COMMENT ON COLUMN app.plan.modified_at IS 'When it was last saved.';

COMMENT ON COLUMN app.plan.modified_seq IS 'Number of the change that saved it last: the exact order.';

ALTER TABLE app.project ALTER COLUMN "position" ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME app.project_position_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE app.sandbox_host (
    id uuid NOT NULL,
    name text NOT NULL,
    version text NOT NULL,
    capacity integer NOT NULL,
    protection text NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    seen_at timestamp with time zone DEFAULT now() NOT NULL,
    stopped_at timestamp with time zone,
    CONSTRAINT sandbox_host_capacity_check CHECK ((capacity >= 0))
)
WITH (fillfactor='30');

ALTER TABLE app.sandbox_host OWNER TO craft_owner;

COMMENT ON TABLE app.sandbox_host IS 'A craft-sandboxd that runs or ran.';

COMMENT ON COLUMN app.sandbox_host.id IS 'Made once for its directory: it stays the same when the daemon is started again.';

COMMENT ON COLUMN app.sandbox_host.name IS 'The machine''s name.';

COMMENT ON COLUMN app.sandbox_host.version IS 'The program''s version.';

COMMENT ON COLUMN app.sandbox_host.capacity IS 'How many sandboxes it runs at once.';

COMMENT ON COLUMN app.sandbox_host.protection IS 'The protections that are in force there, as its self-check found them.';

COMMENT ON COLUMN app.sandbox_host.started_at IS 'When the daemon was last started.';

COMMENT ON COLUMN app.sandbox_host.seen_at IS 'When it last said that it lives.';

COMMENT ON COLUMN app.sandbox_host.stopped_at IS 'When it was stopped in good order; null: it wasn''t.';

ALTER TABLE app.sandbox_job ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME app.sandbox_job_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE app.sandbox_message (
    session_id uuid NOT NULL,
    seq bigint NOT NULL,
    target text,
    body text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE ONLY app.sandbox_message ALTER COLUMN body SET COMPRESSION lz4;

ALTER TABLE app.sandbox_message OWNER TO craft_owner;

COMMENT ON TABLE app.sandbox_message IS 'What sandboxes say to their WebSocket clients. Stored before it is sent; pruned by age (app.sandbox_session.floor). No foreign key: this is the hot path.';

COMMENT ON COLUMN app.sandbox_message.session_id IS 'app.sandbox_session.id.';

COMMENT ON COLUMN app.sandbox_message.seq IS 'Number of the message: 1, 2, 3… without gaps.';

COMMENT ON COLUMN app.sandbox_message.target IS 'Name of the only client that gets it; null: all that are connected.';

COMMENT ON COLUMN app.sandbox_message.body IS 'One JSON object, byte for byte as sent but for the number that is added.';

COMMENT ON COLUMN app.sandbox_message.created_at IS 'When it was stored.';

CREATE TABLE app.schema_code (
    one boolean DEFAULT true NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT schema_code_one_check CHECK (one)
);

ALTER TABLE app.schema_code OWNER TO craft_owner;

COMMENT ON TABLE app.schema_code IS 'One row: which functions, views and privileges this database has; written by craft-cloud migrate.';

COMMENT ON COLUMN app.schema_code.one IS 'Always true: there is one row.';

COMMENT ON COLUMN app.schema_code.sha256 IS 'SHA-256 over the files api/*.sql, report/*.sql and grants.sql: they are applied again when it differs.';

COMMENT ON COLUMN app.schema_code.applied_at IS 'When they were applied.';

CREATE TABLE app.schema_migration (
    version integer NOT NULL,
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT schema_migration_version_check CHECK ((version > 0))
);

ALTER TABLE app.schema_migration OWNER TO craft_owner;

COMMENT ON TABLE app.schema_migration IS 'The migrations that this database has; written by craft-cloud migrate.';

COMMENT ON COLUMN app.schema_migration.version IS 'Number of the migration.';

COMMENT ON COLUMN app.schema_migration.name IS 'Its file below the SQL directory.';

COMMENT ON COLUMN app.schema_migration.sha256 IS 'SHA-256 of the file when it was applied: a file changed later is refused.';

COMMENT ON COLUMN app.schema_migration.applied_at IS 'When it was applied.';

CREATE TABLE app.seal_form (
    one boolean DEFAULT true NOT NULL,
    form integer NOT NULL,
    CONSTRAINT seal_form_form_check CHECK ((form = ANY (ARRAY[1, 2]))),
    CONSTRAINT seal_form_one_check CHECK (one)
);

ALTER TABLE app.seal_form OWNER TO craft_owner;

COMMENT ON TABLE app.seal_form IS 'One row: the form in which daemons and craft-cloud seal secrets.';

COMMENT ON COLUMN app.seal_form.one IS 'Always true: there is one row.';

COMMENT ON COLUMN app.seal_form.form IS '1: what the release before reads, too; 2: bound to workspace, repository and purpose. craft-cloud rekey sets it to 2.';

CREATE TABLE app.session (
    key bigint NOT NULL,
    workspace_id bigint NOT NULL,
    id text NOT NULL,
    version bigint NOT NULL,
    updated_seq bigint NOT NULL,
    header json NOT NULL,
    name text,
    is_flagged boolean,
    status text,
    model text,
    message_count integer DEFAULT 0 NOT NULL,
    message_bytes bigint DEFAULT 0 NOT NULL,
    created_at timestamp with time zone,
    last_used_at timestamp with time zone,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT session_id_check CHECK (((octet_length(id) >= 1) AND (octet_length(id) <= 1024))),
    CONSTRAINT session_message_bytes_check CHECK ((message_bytes >= 0)),
    CONSTRAINT session_message_count_check CHECK ((message_count >= 0))
)
WITH (fillfactor='70');
ALTER TABLE ONLY app.session ALTER COLUMN header SET COMPRESSION lz4;

ALTER TABLE app.session OWNER TO craft_owner;

COMMENT ON TABLE app.session IS 'One conversation of a workspace: its header as the client wrote it, and typed copies of what people ask for.';

COMMENT ON COLUMN app.session.key IS 'Internal number; app.message refers to it.';

COMMENT ON COLUMN app.session.workspace_id IS 'The workspace it belongs to.';

COMMENT ON COLUMN app.session.id IS 'The id that the client gave, unique in the workspace.';

COMMENT ON COLUMN app.session.version IS 'A random number set anew at every change of the session: a writer that based its text on another version is refused.';

COMMENT ON COLUMN app.session.updated_seq IS 'Number of the change that touched the session last.';

COMMENT ON COLUMN app.session.header IS 'The header object, byte for byte what the client sent or what top-level merges made of it. Never extract from it in SQL: a \u0000 or an unpaired surrogate anywhere in it makes -> fail.';

COMMENT ON COLUMN app.session.name IS 'header.name, cleaned for reading; null when the header has none.';

COMMENT ON COLUMN app.session.is_flagged IS 'header.isFlagged; null when the header has none.';

COMMENT ON COLUMN app.session.status IS 'header.todoState or header.status, cleaned for reading.';

COMMENT ON COLUMN app.session.model IS 'header.model, cleaned for reading.';

COMMENT ON COLUMN app.session.message_count IS 'Number of rows in app.message.';

COMMENT ON COLUMN app.session.message_bytes IS 'Their bytes as JSON text, before compression.';

COMMENT ON COLUMN app.session.created_at IS 'header.createdAt (milliseconds since 1970), as a time.';

COMMENT ON COLUMN app.session.last_used_at IS 'header.lastUsedAt (milliseconds since 1970), as a time.';

COMMENT ON COLUMN app.session.updated_at IS 'When the server last changed the row.';

ALTER TABLE app.session ALTER COLUMN key ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME app.session_key_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE app.skill (
    workspace_id bigint NOT NULL,
    slug text NOT NULL,
    content json NOT NULL,
    metadata json NOT NULL,
    "position" bigint NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT skill_slug_check CHECK (((octet_length(slug) >= 1) AND (octet_length(slug) <= 1024)))
);
ALTER TABLE ONLY app.skill ALTER COLUMN content SET COMPRESSION lz4;
ALTER TABLE ONLY app.skill ALTER COLUMN metadata SET COMPRESSION lz4;

ALTER TABLE app.skill OWNER TO craft_owner;

COMMENT ON TABLE app.skill IS 'A skill of a workspace.';

COMMENT ON COLUMN app.skill.workspace_id IS 'The workspace it belongs to.';

COMMENT ON COLUMN app.skill.slug IS 'Its name, unique in the workspace.';

COMMENT ON COLUMN app.skill.content IS 'The content as a JSON string, escapes as sent.';

COMMENT ON COLUMN app.skill.metadata IS 'The metadata as sent.';

COMMENT ON COLUMN app.skill."position" IS 'Order of creation.';

COMMENT ON COLUMN app.skill.created_at IS 'When it was first saved.';

COMMENT ON COLUMN app.skill.updated_at IS 'When it was last saved.';

ALTER TABLE app.skill ALTER COLUMN "position" ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME app.skill_position_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE app.source (
    workspace_id bigint NOT NULL,
    slug text NOT NULL,
    config json,
    guide json,
    "position" bigint NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT source_slug_check CHECK (((octet_length(slug) >= 1) AND (octet_length(slug) <= 1024)))
);
ALTER TABLE ONLY app.source ALTER COLUMN config SET COMPRESSION lz4;
ALTER TABLE ONLY app.source ALTER COLUMN guide SET COMPRESSION lz4;

ALTER TABLE app.source OWNER TO craft_owner;

COMMENT ON TABLE app.source IS 'A source (a connection to some service) of a workspace.';

COMMENT ON COLUMN app.source.workspace_id IS 'The workspace it belongs to.';

COMMENT ON COLUMN app.source.slug IS 'Its name, unique in the workspace.';

COMMENT ON COLUMN app.source.config IS 'The config object as sent; null while only a guide was saved.';

COMMENT ON COLUMN app.source.guide IS 'The guide as sent, any JSON value; null when there is none.';

COMMENT ON COLUMN app.source."position" IS 'Order of creation.';

COMMENT ON COLUMN app.source.created_at IS 'When it was first saved.';

COMMENT ON COLUMN app.source.updated_at IS 'When it was last saved.';

ALTER TABLE app.source ALTER COLUMN "position" ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME app.source_position_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE app.workspace (
    id bigint NOT NULL,
    slug text NOT NULL,
    seq bigint DEFAULT 0 NOT NULL,
    floor bigint DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    log_bytes bigint DEFAULT 0 NOT NULL,
    CONSTRAINT workspace_check CHECK (((floor >= 0) AND (floor <= seq))),
    CONSTRAINT workspace_slug_check CHECK (((octet_length(slug) >= 1) AND (octet_length(slug) <= 1024)))
)
WITH (fillfactor='30');

ALTER TABLE app.workspace OWNER TO craft_owner;

COMMENT ON TABLE app.workspace IS 'A named set of synced data. The first write creates it. Its row is the lock that puts the workspace''s changes in order.';

COMMENT ON COLUMN app.workspace.id IS 'Internal number.';

COMMENT ON COLUMN app.workspace.slug IS 'The name that clients use in URLs, up to 1,024 bytes.';

COMMENT ON COLUMN app.workspace.seq IS 'Number of the latest change; each change adds one, in commit order, without gaps.';

COMMENT ON COLUMN app.workspace.floor IS 'Changes up to this number were pruned from app.change_log.';

COMMENT ON COLUMN app.workspace.created_at IS 'When the first write came.';

COMMENT ON COLUMN app.workspace.log_bytes IS 'Bytes of its changes in app.change_log as JSON text; those logged before this column was made aren''t counted.';

CREATE TABLE app.workspace_config (
    workspace_id bigint NOT NULL,
    kind text NOT NULL,
    config json NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT workspace_config_kind_check CHECK ((kind = ANY (ARRAY['statuses'::text, 'labels'::text])))
);
ALTER TABLE ONLY app.workspace_config ALTER COLUMN config SET COMPRESSION lz4;

ALTER TABLE app.workspace_config OWNER TO craft_owner;

COMMENT ON TABLE app.workspace_config IS 'The statuses and the labels of a workspace.';

COMMENT ON COLUMN app.workspace_config.workspace_id IS 'The workspace it belongs to.';

COMMENT ON COLUMN app.workspace_config.kind IS 'statuses or labels.';

COMMENT ON COLUMN app.workspace_config.config IS 'The config object as sent.';

COMMENT ON COLUMN app.workspace_config.updated_at IS 'When it was last saved.';

CREATE TABLE app.workspace_gone (
    slug text NOT NULL,
    seq bigint NOT NULL,
    file_changes bigint NOT NULL,
    gone_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE app.workspace_gone OWNER TO craft_owner;

COMMENT ON TABLE app.workspace_gone IS 'Workspaces that were deleted. One that is made anew goes on with the numbers, so that nobody takes them for those it knows, and leaves this table.';

COMMENT ON COLUMN app.workspace_gone.slug IS 'Its name.';

COMMENT ON COLUMN app.workspace_gone.seq IS 'The number beyond that of its last change: the floor of the one that is made anew.';

COMMENT ON COLUMN app.workspace_gone.file_changes IS 'The same of app.file_usage.changes.';

COMMENT ON COLUMN app.workspace_gone.gone_at IS 'When it was deleted.';

ALTER TABLE app.workspace ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME app.workspace_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW report.changes AS
 SELECT w.slug AS workspace,
    l.seq,
    l.at,
    l.entity,
    l.action,
    l.entity_id,
    l.origin,
    octet_length((l.data)::text) AS bytes,
    (l.data)::text AS data
   FROM (app.change_log l
     JOIN app.workspace w ON ((w.id = l.workspace_id)));

ALTER TABLE report.changes OWNER TO craft_owner;

COMMENT ON VIEW report.changes IS 'Every change still in the log, as it was broadcast to the clients.';

COMMENT ON COLUMN report.changes.workspace IS 'The workspace that changed.';

COMMENT ON COLUMN report.changes.seq IS 'Number of the change in the workspace, without gaps, in the order of the commits.';

COMMENT ON COLUMN report.changes.at IS 'Start of the transaction that made it.';

COMMENT ON COLUMN report.changes.entity IS 'What changed: session, source, statuses, labels, skill, plan.';

COMMENT ON COLUMN report.changes.action IS 'created, updated or deleted.';

COMMENT ON COLUMN report.changes.entity_id IS 'Its id, slug or file name; null for statuses and labels.';

COMMENT ON COLUMN report.changes.origin IS 'The connection that made it; null for REST actions and SQL.';

COMMENT ON COLUMN report.changes.bytes IS 'Bytes of the data.';

COMMENT ON COLUMN report.changes.data IS 'The event''s data as JSON text.';

CREATE VIEW report.deleted_blobs AS
 SELECT (g.blob)::text AS blob_id,
    g.size,
    g.gone_at AS deleted_at
   FROM app.blob_gone g;

ALTER TABLE report.deleted_blobs OWNER TO craft_owner;

COMMENT ON VIEW report.deleted_blobs IS 'Blobs whose file was deleted or replaced, until their bytes are removed.';

COMMENT ON COLUMN report.deleted_blobs.blob_id IS 'The bytes are in BLOB_DIR/<first two digits>/<blob_id>, or were.';

COMMENT ON COLUMN report.deleted_blobs.size IS 'Number of bytes.';

COMMENT ON COLUMN report.deleted_blobs.deleted_at IS 'When the file was deleted or replaced.';

CREATE VIEW report.files AS
 SELECT w.slug AS workspace,
    NULLIF(f.session_id, ''::text) AS session,
    f.type,
    f.name,
    f.size,
    f.mime_type,
    encode(f.sha256, 'hex'::text) AS sha256,
    (f.blob)::text AS blob_id,
    f.created_at,
    f.uploaded_at
   FROM (app.file f
     JOIN app.workspace w ON ((w.id = f.workspace_id)));

ALTER TABLE report.files OWNER TO craft_owner;

COMMENT ON VIEW report.files IS 'The files of all sessions, and the assets of all workspaces.';

COMMENT ON COLUMN report.files.workspace IS 'The workspace it belongs to.';

COMMENT ON COLUMN report.files.session IS 'The session it belongs to, which needn''t have been saved; null for assets.';

COMMENT ON COLUMN report.files.type IS 'attachments, downloads, long_responses, or assets for what belongs to the workspace.';

COMMENT ON COLUMN report.files.name IS 'File name; an asset''s path.';

COMMENT ON COLUMN report.files.size IS 'Number of bytes.';

COMMENT ON COLUMN report.files.mime_type IS 'Content-Type of the upload.';

COMMENT ON COLUMN report.files.sha256 IS 'SHA-256 of the bytes, in hex, as sha256sum prints it.';

COMMENT ON COLUMN report.files.blob_id IS 'The bytes are in BLOB_DIR/<first two digits>/<blob_id>.';

COMMENT ON COLUMN report.files.created_at IS 'When a file of this name was first uploaded.';

COMMENT ON COLUMN report.files.uploaded_at IS 'When these bytes were uploaded.';

CREATE VIEW report.keys AS
 SELECT k.workspace,
    k.name,
    k.id AS key_id,
    k.read_only,
    k.per_minute,
    k.created_at,
    k.last_used_at,
    k.expires_at,
    k.revoked_at,
    ((k.revoked_at IS NULL) AND COALESCE((k.expires_at > now()), true)) AS live
   FROM app.api_key k;

ALTER TABLE report.keys OWNER TO craft_owner;

COMMENT ON VIEW report.keys IS 'The keys that open one workspace each (craft-cloud key), those too that were revoked.';

COMMENT ON COLUMN report.keys.workspace IS 'Slug of the workspace that it opens.';

COMMENT ON COLUMN report.keys.name IS 'What people call it.';

COMMENT ON COLUMN report.keys.key_id IS 'The part of the key that is no secret.';

COMMENT ON COLUMN report.keys.read_only IS 'Whether it changes nothing.';

COMMENT ON COLUMN report.keys.per_minute IS 'How many requests it may make in a minute; null: any number.';

COMMENT ON COLUMN report.keys.created_at IS 'When it was made.';

COMMENT ON COLUMN report.keys.last_used_at IS 'The hour in which it was last used; null: never.';

COMMENT ON COLUMN report.keys.expires_at IS 'From when on it opens nothing; null: it doesn''t expire.';

COMMENT ON COLUMN report.keys.revoked_at IS 'When it was revoked; null: it wasn''t.';

COMMENT ON COLUMN report.keys.live IS 'Whether it opens the workspace now.';

CREATE VIEW report.labels AS
 SELECT w.slug AS workspace,
    c.updated_at,
    (c.config)::text AS config
   FROM (app.workspace_config c
     JOIN app.workspace w ON ((w.id = c.workspace_id)))
  WHERE (c.kind = 'labels'::text);

ALTER TABLE report.labels OWNER TO craft_owner;

COMMENT ON VIEW report.labels IS 'The labels of the workspaces that saved any.';

COMMENT ON COLUMN report.labels.workspace IS 'The workspace they belong to.';

COMMENT ON COLUMN report.labels.updated_at IS 'When they were last saved.';

COMMENT ON COLUMN report.labels.config IS 'The config as JSON text, as the client wrote it.';

CREATE VIEW report.messages AS
 SELECT w.slug AS workspace,
    s.id AS session,
    m.idx AS "position",
    octet_length((m.body)::text) AS bytes,
    encode(COALESCE(m.sha256, sha256(convert_to((m.body)::text, 'UTF8'::name))), 'hex'::text) AS hash,
    (m.body)::text AS body
   FROM ((app.message m
     JOIN app.session s ON ((s.key = m.session_key)))
     JOIN app.workspace w ON ((w.id = s.workspace_id)));

ALTER TABLE report.messages OWNER TO craft_owner;

COMMENT ON VIEW report.messages IS 'The messages of all sessions. Ask for one session: where workspace = … and session = … order by position.';

COMMENT ON COLUMN report.messages.workspace IS 'The workspace it belongs to.';

COMMENT ON COLUMN report.messages.session IS 'The session it belongs to.';

COMMENT ON COLUMN report.messages."position" IS 'Place in the conversation, from 0.';

COMMENT ON COLUMN report.messages.bytes IS 'Bytes of the body.';

COMMENT ON COLUMN report.messages.hash IS 'SHA-256 of the body''s bytes, in hex.';

COMMENT ON COLUMN report.messages.body IS 'The message as JSON text, as the client wrote it.';

CREATE VIEW report.plans AS
 SELECT w.slug AS workspace,
    p.session_id AS session,
    p.name AS plan,
    p.modified_at,
    p.modified_seq AS changed_by,
    octet_length((p.content)::text) AS content_bytes,
    (p.content)::text AS content
   FROM (app.plan p
     JOIN app.workspace w ON ((w.id = p.workspace_id)));

ALTER TABLE report.plans OWNER TO craft_owner;

COMMENT ON VIEW report.plans IS 'The plan files of all sessions.';

COMMENT ON COLUMN report.plans.workspace IS 'The workspace it belongs to.';

COMMENT ON COLUMN report.plans.session IS 'The session it belongs to, which needn''t have been saved.';

COMMENT ON COLUMN report.plans.plan IS 'File name, unique in the session.';

COMMENT ON COLUMN report.plans.modified_at IS 'When it was last saved.';

COMMENT ON COLUMN report.plans.changed_by IS 'Number of the change that saved it last (report.changes.seq).';

COMMENT ON COLUMN report.plans.content_bytes IS 'Bytes of the content as JSON text.';

COMMENT ON COLUMN report.plans.content IS 'The content as a JSON string with its quotes and escapes.';

CREATE VIEW report.projects AS
 SELECT w.slug AS workspace,
    p.repo_key,
    p.repo_url,
    p.default_branch,
    p.added_at,
    ((c.repo_id IS NOT NULL) AND (c.invalid_at IS NULL)) AS has_github_auth,
    c.username AS github_username,
    c.scope AS github_scope,
    c.authenticated_at AS github_authenticated_at,
    c.checked_at AS github_checked_at,
    c.invalid_at AS github_invalid_at
   FROM ((app.project p
     JOIN app.workspace w ON ((w.id = p.workspace_id)))
     LEFT JOIN app.credential c ON (((c.workspace_id = p.workspace_id) AND (c.repo_id = p.repo_id))));

ALTER TABLE report.projects OWNER TO craft_owner;

COMMENT ON VIEW report.projects IS 'The repositories that the workspaces work on.';

COMMENT ON COLUMN report.projects.workspace IS 'The workspace it belongs to.';

COMMENT ON COLUMN report.projects.repo_key IS 'owner/repo.';

COMMENT ON COLUMN report.projects.repo_url IS 'URL of the repository as the client gave it.';

COMMENT ON COLUMN report.projects.default_branch IS 'The default branch, when known.';

COMMENT ON COLUMN report.projects.added_at IS 'When it was added.';

COMMENT ON COLUMN report.projects.has_github_auth IS 'Whether a GitHub credential is stored that GitHub hasn''t refused. (Whether ENCRYPTION_KEY opens it the database can''t tell.)';

COMMENT ON COLUMN report.projects.github_username IS 'GitHub login of the user who granted it.';

COMMENT ON COLUMN report.projects.github_scope IS 'The scope that GitHub granted.';

COMMENT ON COLUMN report.projects.github_authenticated_at IS 'When it was granted.';

COMMENT ON COLUMN report.projects.github_checked_at IS 'When GitHub last said whether it is good.';

COMMENT ON COLUMN report.projects.github_invalid_at IS 'When GitHub first refused it: it has to be granted anew. Null: it didn''t.';

CREATE VIEW report.requests AS
 SELECT w.slug AS workspace,
    r.client,
    encode(r.request, 'hex'::text) AS request,
    r.seq,
    r.at,
    r.echoes
   FROM (app.seen_request r
     JOIN app.workspace w ON ((w.id = r.workspace_id)));

ALTER TABLE report.requests OWNER TO craft_owner;

COMMENT ON VIEW report.requests IS 'The requests that are remembered so that one sent again is applied once.';

COMMENT ON COLUMN report.requests.workspace IS 'The workspace that it changed.';

COMMENT ON COLUMN report.requests.client IS 'The name that the client gave itself.';

COMMENT ON COLUMN report.requests.request IS 'SHA-256 of the requestId''s JSON text, in hex.';

COMMENT ON COLUMN report.requests.seq IS 'Number of the change that it made.';

COMMENT ON COLUMN report.requests.at IS 'When it was applied.';

COMMENT ON COLUMN report.requests.echoes IS 'Whether the answer was the data of that change; else it was {"success":true}.';

CREATE VIEW report.sandbox_hosts AS
 SELECT h.name AS host,
    h.id AS host_id,
    h.version,
    h.protection,
    h.capacity,
    ( SELECT count(*) AS count
           FROM app.sandbox_session s
          WHERE ((s.host_id = h.id) AND (s.cleaned_at IS NULL) AND (s.ended_at IS NULL))) AS sandboxes,
    ( SELECT count(*) AS count
           FROM app.sandbox_session s
          WHERE ((s.host_id = h.id) AND (s.cleaned_at IS NULL) AND (s.ended_at IS NOT NULL))) AS to_clean,
    ((h.stopped_at IS NULL) AND (h.seen_at > (now() - '00:00:30'::interval))) AS alive,
    h.started_at,
    h.seen_at,
    h.stopped_at
   FROM app.sandbox_host h;

ALTER TABLE report.sandbox_hosts OWNER TO craft_owner;

COMMENT ON VIEW report.sandbox_hosts IS 'The machines that run sandboxes, or did in the last 30 days.';

COMMENT ON COLUMN report.sandbox_hosts.host IS 'The machine''s name.';

COMMENT ON COLUMN report.sandbox_hosts.host_id IS 'Its id, made once for its SANDBOX_DIR.';

COMMENT ON COLUMN report.sandbox_hosts.version IS 'Version of craft-sandboxd.';

COMMENT ON COLUMN report.sandbox_hosts.protection IS 'The protections in force, as its self-check found them.';

COMMENT ON COLUMN report.sandbox_hosts.capacity IS 'How many sandboxes it runs at once (SANDBOX_MAX).';

COMMENT ON COLUMN report.sandbox_hosts.sandboxes IS 'How many it runs now.';

COMMENT ON COLUMN report.sandbox_hosts.to_clean IS 'How many ended whose files it has not removed yet.';

COMMENT ON COLUMN report.sandbox_hosts.alive IS 'Whether it said so in the last 30 seconds: only then it gets new sandboxes.';

COMMENT ON COLUMN report.sandbox_hosts.started_at IS 'When the daemon was last started.';

COMMENT ON COLUMN report.sandbox_hosts.seen_at IS 'When it last said that it lives.';

COMMENT ON COLUMN report.sandbox_hosts.stopped_at IS 'When it was stopped in good order; null: it wasn''t.';

CREATE VIEW report.sandboxes AS
 SELECT w.slug AS workspace,
    s.id AS sandbox_session,
    s.sandbox_id,
    s.repo_key,
    s.branch,
    s.status,
    s.error,
    s.created_at,
    s.last_activity_at,
    s.expires_at,
    h.name AS host,
    s.claimed_at,
    s.ready_at,
    s.commit_id,
    s.ended_at,
    s.end_reason,
    s.cleaned_at,
    s.seq AS messages,
    s.request_id
   FROM ((app.sandbox_session s
     JOIN app.workspace w ON ((w.id = s.workspace_id)))
     LEFT JOIN app.sandbox_host h ON ((h.id = s.host_id)));

ALTER TABLE report.sandboxes OWNER TO craft_owner;

COMMENT ON VIEW report.sandboxes IS 'The sandbox sessions: isolated checkouts that run, or ended in the last 30 days.';

COMMENT ON COLUMN report.sandboxes.workspace IS 'The workspace it belongs to.';

COMMENT ON COLUMN report.sandboxes.sandbox_session IS 'The sandbox session''s id.';

COMMENT ON COLUMN report.sandboxes.sandbox_id IS 'First 8 characters of the id.';

COMMENT ON COLUMN report.sandboxes.repo_key IS 'owner/repo.';

COMMENT ON COLUMN report.sandboxes.branch IS 'The branch that was checked out.';

COMMENT ON COLUMN report.sandboxes.status IS 'provisioning, cloning, ready, idle or expired.';

COMMENT ON COLUMN report.sandboxes.error IS 'Why it failed; null when it didn''t.';

COMMENT ON COLUMN report.sandboxes.created_at IS 'When it was asked for.';

COMMENT ON COLUMN report.sandboxes.last_activity_at IS 'Last heartbeat, message or end of a task.';

COMMENT ON COLUMN report.sandboxes.expires_at IS 'When it ends if nothing happens.';

COMMENT ON COLUMN report.sandboxes.host IS 'Name of the host that runs it; null: none has claimed it.';

COMMENT ON COLUMN report.sandboxes.claimed_at IS 'When the host claimed it.';

COMMENT ON COLUMN report.sandboxes.ready_at IS 'When its checkout was first ready.';

COMMENT ON COLUMN report.sandboxes.commit_id IS 'The commit that was checked out.';

COMMENT ON COLUMN report.sandboxes.ended_at IS 'When it ended; null: it runs.';

COMMENT ON COLUMN report.sandboxes.end_reason IS 'user (deleted), idle, time, oom (memory), disk, crash, clone (no checkout), host (the host is gone).';

COMMENT ON COLUMN report.sandboxes.cleaned_at IS 'When the host had removed all of it.';

COMMENT ON COLUMN report.sandboxes.messages IS 'How many messages it sent its clients.';

COMMENT ON COLUMN report.sandboxes.request_id IS 'Id of the request that asked for it: what req is in the log lines about it; null: not known.';

CREATE VIEW report.sessions AS
 SELECT w.slug AS workspace,
    s.id AS session,
    s.name,
    s.status,
    s.is_flagged,
    s.model,
    s.message_count AS messages,
    s.message_bytes,
    s.created_at,
    s.last_used_at,
    s.updated_at,
    s.updated_seq AS changed_by,
    octet_length((s.header)::text) AS header_bytes,
    (s.header)::text AS header
   FROM (app.session s
     JOIN app.workspace w ON ((w.id = s.workspace_id)));

ALTER TABLE report.sessions OWNER TO craft_owner;

COMMENT ON VIEW report.sessions IS 'The sessions (conversations) of all workspaces.';

COMMENT ON COLUMN report.sessions.workspace IS 'The workspace it belongs to.';

COMMENT ON COLUMN report.sessions.session IS 'Its id, unique in the workspace.';

COMMENT ON COLUMN report.sessions.name IS 'Name, cleaned: what text can''t hold became U+FFFD.';

COMMENT ON COLUMN report.sessions.status IS 'The status that the app gave it.';

COMMENT ON COLUMN report.sessions.is_flagged IS 'Whether it is flagged; null when its header doesn''t say.';

COMMENT ON COLUMN report.sessions.model IS 'The model that it uses.';

COMMENT ON COLUMN report.sessions.messages IS 'Number of messages.';

COMMENT ON COLUMN report.sessions.message_bytes IS 'Their bytes as JSON text, before compression.';

COMMENT ON COLUMN report.sessions.created_at IS 'When the client made it, by the client''s clock.';

COMMENT ON COLUMN report.sessions.last_used_at IS 'When it was last used, by the client''s clock.';

COMMENT ON COLUMN report.sessions.updated_at IS 'When the server last changed it.';

COMMENT ON COLUMN report.sessions.changed_by IS 'Number of the change that touched it last (report.changes.seq).';

COMMENT ON COLUMN report.sessions.header_bytes IS 'Bytes of the header.';

COMMENT ON COLUMN report.sessions.header IS 'The header as JSON text, as the client wrote it. Don''t cast it to jsonb: see the comment of app.session.header.';

CREATE VIEW report.skills AS
 SELECT w.slug AS workspace,
    s.slug AS skill,
    s.created_at,
    s.updated_at,
    octet_length((s.content)::text) AS content_bytes,
    (s.metadata)::text AS metadata,
    (s.content)::text AS content
   FROM (app.skill s
     JOIN app.workspace w ON ((w.id = s.workspace_id)));

ALTER TABLE report.skills OWNER TO craft_owner;

COMMENT ON VIEW report.skills IS 'The skills of all workspaces.';

COMMENT ON COLUMN report.skills.workspace IS 'The workspace it belongs to.';

COMMENT ON COLUMN report.skills.skill IS 'Its name (slug), unique in the workspace.';

COMMENT ON COLUMN report.skills.created_at IS 'When it was first saved.';

COMMENT ON COLUMN report.skills.updated_at IS 'When it was last saved.';

COMMENT ON COLUMN report.skills.content_bytes IS 'Bytes of the content as JSON text.';

COMMENT ON COLUMN report.skills.metadata IS 'The metadata as JSON text.';

COMMENT ON COLUMN report.skills.content IS 'The content as a JSON string with its quotes and escapes.';

CREATE VIEW report.sources AS
 SELECT w.slug AS workspace,
    s.slug AS source,
    (s.config IS NOT NULL) AS has_config,
    (s.guide IS NOT NULL) AS has_guide,
    s.created_at,
    s.updated_at,
    (s.config)::text AS config,
    (s.guide)::text AS guide
   FROM (app.source s
     JOIN app.workspace w ON ((w.id = s.workspace_id)));

ALTER TABLE report.sources OWNER TO craft_owner;

COMMENT ON VIEW report.sources IS 'The sources (connections to services) of all workspaces.';

COMMENT ON COLUMN report.sources.workspace IS 'The workspace it belongs to.';

COMMENT ON COLUMN report.sources.source IS 'Its name (slug), unique in the workspace.';

COMMENT ON COLUMN report.sources.has_config IS 'False while only a guide was saved.';

COMMENT ON COLUMN report.sources.has_guide IS 'Whether a guide was saved.';

COMMENT ON COLUMN report.sources.created_at IS 'When it was first saved.';

COMMENT ON COLUMN report.sources.updated_at IS 'When it was last saved.';

COMMENT ON COLUMN report.sources.config IS 'The config as JSON text, as the client wrote it.';

COMMENT ON COLUMN report.sources.guide IS 'The guide as a JSON string with its quotes and escapes.';

CREATE VIEW report.statuses AS
 SELECT w.slug AS workspace,
    c.updated_at,
    (c.config)::text AS config
   FROM (app.workspace_config c
     JOIN app.workspace w ON ((w.id = c.workspace_id)))
  WHERE (c.kind = 'statuses'::text);

ALTER TABLE report.statuses OWNER TO craft_owner;

COMMENT ON VIEW report.statuses IS 'The statuses of the workspaces that saved any.';

COMMENT ON COLUMN report.statuses.workspace IS 'The workspace they belong to.';

COMMENT ON COLUMN report.statuses.updated_at IS 'When they were last saved.';

COMMENT ON COLUMN report.statuses.config IS 'The config as JSON text, as the client wrote it.';

CREATE VIEW report.tasks AS
 SELECT w.slug AS workspace,
    j.session_id AS sandbox_session,
    j.id AS task,
    j.client,
    j.kind,
    j.name AS tool,
    j.queued_at,
    j.taken_at,
    j.ended_at,
    j.outcome,
    j.exit_code,
    j.bytes_in,
    j.bytes_out,
    j.request_id
   FROM ((app.sandbox_job j
     JOIN app.sandbox_session s ON ((s.id = j.session_id)))
     JOIN app.workspace w ON ((w.id = s.workspace_id)));

ALTER TABLE report.tasks OWNER TO craft_owner;

COMMENT ON VIEW report.tasks IS 'What was asked of sandboxes: tasks for the agent, tool calls, diffs, cancellations.';

COMMENT ON COLUMN report.tasks.workspace IS 'The workspace it belongs to.';

COMMENT ON COLUMN report.tasks.sandbox_session IS 'The sandbox (report.sandboxes) that it was for.';

COMMENT ON COLUMN report.tasks.task IS 'Its number, in the order in which they came.';

COMMENT ON COLUMN report.tasks.client IS 'Name of the connection that asked.';

COMMENT ON COLUMN report.tasks.kind IS 'execute, tool, cancel or diff.';

COMMENT ON COLUMN report.tasks.tool IS 'The tool''s name; null where it is none.';

COMMENT ON COLUMN report.tasks.queued_at IS 'When it came.';

COMMENT ON COLUMN report.tasks.taken_at IS 'When the host took it.';

COMMENT ON COLUMN report.tasks.ended_at IS 'When it was over; null: it runs or waits.';

COMMENT ON COLUMN report.tasks.outcome IS 'success; failure (it ran and failed); error (it couldn''t run); cancelled; timeout; oom; host (the host was stopped or is gone); expired (the sandbox ended).';

COMMENT ON COLUMN report.tasks.exit_code IS 'Exit code of what ran.';

COMMENT ON COLUMN report.tasks.bytes_in IS 'Bytes of the client''s message.';

COMMENT ON COLUMN report.tasks.bytes_out IS 'Bytes of the answers.';

COMMENT ON COLUMN report.tasks.request_id IS 'Id of the request by which the client connected: what req is in the log lines about it; null: not known.';

CREATE VIEW report.workspaces AS
 SELECT w.slug AS workspace,
    COALESCE(s.sessions, (0)::bigint) AS sessions,
    COALESCE(s.messages, (0)::bigint) AS messages,
    COALESCE(s.bytes, (0)::bigint) AS message_bytes,
    w.seq AS changes,
    w.floor AS pruned_up_to,
    l.at AS last_change_at,
    w.created_at,
    w.id AS workspace_id,
    COALESCE(u.files, (0)::bigint) AS files,
    COALESCE(u.bytes, (0)::bigint) AS file_bytes,
    w.log_bytes
   FROM (((app.workspace w
     LEFT JOIN ( SELECT x.workspace_id,
            count(*) AS sessions,
            sum(x.message_count) AS messages,
            (sum(x.message_bytes))::bigint AS bytes
           FROM app.session x
          GROUP BY x.workspace_id) s ON ((s.workspace_id = w.id)))
     LEFT JOIN app.change_log l ON (((l.workspace_id = w.id) AND (l.seq = w.seq))))
     LEFT JOIN app.file_usage u ON ((u.workspace_id = w.id)));

ALTER TABLE report.workspaces OWNER TO craft_owner;

COMMENT ON VIEW report.workspaces IS 'The workspaces and how much is in them.';

COMMENT ON COLUMN report.workspaces.workspace IS 'Its name (slug).';

COMMENT ON COLUMN report.workspaces.sessions IS 'Number of sessions.';

COMMENT ON COLUMN report.workspaces.messages IS 'Number of messages in all its sessions.';

COMMENT ON COLUMN report.workspaces.message_bytes IS 'Their bytes as JSON text, before compression.';

COMMENT ON COLUMN report.workspaces.changes IS 'Number of the latest change, which is how many there have been.';

COMMENT ON COLUMN report.workspaces.pruned_up_to IS 'Changes up to this number are no longer in report.changes.';

COMMENT ON COLUMN report.workspaces.last_change_at IS 'Time of the latest change; null when it was pruned.';

COMMENT ON COLUMN report.workspaces.created_at IS 'When the first write came.';

COMMENT ON COLUMN report.workspaces.workspace_id IS 'Internal number, as in notifications on craft_changes.';

COMMENT ON COLUMN report.workspaces.files IS 'Number of files in all its sessions, and of its assets.';

COMMENT ON COLUMN report.workspaces.file_bytes IS 'Their bytes.';

COMMENT ON COLUMN report.workspaces.log_bytes IS 'Bytes of its changes in report.changes, of which CHANGE_LOG_BYTES are kept.';

ALTER TABLE ONLY app.api_key
    ADD CONSTRAINT api_key_pkey PRIMARY KEY (id);

ALTER TABLE ONLY app.blob_gone
    ADD CONSTRAINT blob_gone_pkey PRIMARY KEY (blob);

ALTER TABLE ONLY app.change_log
    ADD CONSTRAINT change_log_pkey PRIMARY KEY (workspace_id, seq);

ALTER TABLE ONLY app.credential
    ADD CONSTRAINT credential_pkey PRIMARY KEY (workspace_id, repo_id);

ALTER TABLE ONLY app.epoch
    ADD CONSTRAINT epoch_pkey PRIMARY KEY (one);

ALTER TABLE ONLY app.file
    ADD CONSTRAINT file_blob_key UNIQUE (blob);

ALTER TABLE ONLY app.file
    ADD CONSTRAINT file_pkey PRIMARY KEY (workspace_id, session_id, type, name);

ALTER TABLE app.file
    ADD CONSTRAINT file_times_are_dates CHECK (((LEAST(created_at, uploaded_at) >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (GREATEST(created_at, uploaded_at) < '10000-01-01 00:00:00+00'::timestamp with time zone))) NOT VALID;

ALTER TABLE ONLY app.file_usage
    ADD CONSTRAINT file_usage_pkey PRIMARY KEY (workspace_id);

ALTER TABLE ONLY app.log_limit
    ADD CONSTRAINT log_limit_pkey PRIMARY KEY (one);

ALTER TABLE ONLY app.message
    ADD CONSTRAINT message_pkey PRIMARY KEY (session_key, idx);

ALTER TABLE ONLY app.oauth_used
    ADD CONSTRAINT oauth_used_pkey PRIMARY KEY (nonce);

ALTER TABLE app.plan
    ADD CONSTRAINT plan_content_is_string CHECK ((json_typeof(content) = 'string'::text)) NOT VALID;

ALTER TABLE app.plan
    ADD CONSTRAINT plan_modified_at_is_date CHECK (((modified_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (modified_at < '10000-01-01 00:00:00+00'::timestamp with time zone))) NOT VALID;

ALTER TABLE app.plan
    ADD CONSTRAINT plan_name_fits_into_urls CHECK (((session_id <> ALL (ARRAY['.'::text, '..'::text])) AND (name <> ALL (ARRAY['.'::text, '..'::text])))) NOT VALID;

ALTER TABLE ONLY app.plan
    ADD CONSTRAINT plan_pkey PRIMARY KEY (workspace_id, session_id, name);

ALTER TABLE app.plan
    ADD CONSTRAINT plan_seq_is_exact CHECK (((modified_seq >= 0) AND (modified_seq <= '4503599627370496'::bigint))) NOT VALID;

ALTER TABLE app.project
    ADD CONSTRAINT project_added_at_is_date CHECK (((added_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (added_at < '10000-01-01 00:00:00+00'::timestamp with time zone))) NOT VALID;

ALTER TABLE app.project
    ADD CONSTRAINT project_key_is_plain CHECK ((repo_key !~ '(^|/)\.{1,2}(/|$)'::text)) NOT VALID;

ALTER TABLE ONLY app.project
    ADD CONSTRAINT project_pkey PRIMARY KEY (workspace_id, repo_id);

ALTER TABLE app.project
    ADD CONSTRAINT project_url_has_no_credentials CHECK (((repo_url !~* '^https?://[^/]*@'::text) AND (repo_url !~ '//[^/@]*:[^/@]*@'::text))) NOT VALID;

ALTER TABLE ONLY app.sandbox_host
    ADD CONSTRAINT sandbox_host_pkey PRIMARY KEY (id);

ALTER TABLE ONLY app.sandbox_job
    ADD CONSTRAINT sandbox_job_pkey PRIMARY KEY (id);

ALTER TABLE ONLY app.sandbox_message
    ADD CONSTRAINT sandbox_message_pkey PRIMARY KEY (session_id, seq);

ALTER TABLE ONLY app.sandbox_session
    ADD CONSTRAINT sandbox_session_pkey PRIMARY KEY (id);

ALTER TABLE ONLY app.schema_code
    ADD CONSTRAINT schema_code_pkey PRIMARY KEY (one);

ALTER TABLE ONLY app.schema_migration
    ADD CONSTRAINT schema_migration_pkey PRIMARY KEY (version);

ALTER TABLE ONLY app.seal_form
    ADD CONSTRAINT seal_form_pkey PRIMARY KEY (one);

ALTER TABLE ONLY app.seen_request
    ADD CONSTRAINT seen_request_pkey PRIMARY KEY (workspace_id, client, request);

ALTER TABLE app.session
    ADD CONSTRAINT session_header_is_object CHECK ((json_typeof(header) = 'object'::text)) NOT VALID;

ALTER TABLE app.session
    ADD CONSTRAINT session_id_fits_into_urls CHECK ((id <> ALL (ARRAY['.'::text, '..'::text]))) NOT VALID;

ALTER TABLE ONLY app.session
    ADD CONSTRAINT session_pkey PRIMARY KEY (key);

ALTER TABLE app.session
    ADD CONSTRAINT session_seq_is_exact CHECK (((updated_seq >= 0) AND (updated_seq <= '4503599627370496'::bigint))) NOT VALID;

ALTER TABLE app.session
    ADD CONSTRAINT session_updated_at_is_date CHECK (((updated_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (updated_at < '10000-01-01 00:00:00+00'::timestamp with time zone))) NOT VALID;

ALTER TABLE ONLY app.session
    ADD CONSTRAINT session_workspace_id_id_key UNIQUE (workspace_id, id);

ALTER TABLE app.skill
    ADD CONSTRAINT skill_content_is_string CHECK ((json_typeof(content) = 'string'::text)) NOT VALID;

ALTER TABLE ONLY app.skill
    ADD CONSTRAINT skill_pkey PRIMARY KEY (workspace_id, slug);

ALTER TABLE app.skill
    ADD CONSTRAINT skill_slug_fits_into_urls CHECK ((slug <> ALL (ARRAY['.'::text, '..'::text]))) NOT VALID;

ALTER TABLE app.skill
    ADD CONSTRAINT skill_times_are_dates CHECK (((LEAST(created_at, updated_at) >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (GREATEST(created_at, updated_at) < '10000-01-01 00:00:00+00'::timestamp with time zone))) NOT VALID;

ALTER TABLE app.source
    ADD CONSTRAINT source_config_is_object CHECK ((json_typeof(config) = 'object'::text)) NOT VALID;

ALTER TABLE ONLY app.source
    ADD CONSTRAINT source_pkey PRIMARY KEY (workspace_id, slug);

ALTER TABLE app.source
    ADD CONSTRAINT source_slug_fits_into_urls CHECK ((slug <> ALL (ARRAY['.'::text, '..'::text]))) NOT VALID;

ALTER TABLE app.source
    ADD CONSTRAINT source_times_are_dates CHECK (((LEAST(created_at, updated_at) >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (GREATEST(created_at, updated_at) < '10000-01-01 00:00:00+00'::timestamp with time zone))) NOT VALID;

ALTER TABLE ONLY app.workspace_config
    ADD CONSTRAINT workspace_config_pkey PRIMARY KEY (workspace_id, kind);

ALTER TABLE app.workspace_config
    ADD CONSTRAINT workspace_config_updated_at_is_date CHECK (((updated_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (updated_at < '10000-01-01 00:00:00+00'::timestamp with time zone))) NOT VALID;

ALTER TABLE app.workspace
    ADD CONSTRAINT workspace_created_at_is_date CHECK (((created_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (created_at < '10000-01-01 00:00:00+00'::timestamp with time zone))) NOT VALID;

ALTER TABLE ONLY app.workspace_gone
    ADD CONSTRAINT workspace_gone_pkey PRIMARY KEY (slug);

ALTER TABLE ONLY app.workspace
    ADD CONSTRAINT workspace_pkey PRIMARY KEY (id);

ALTER TABLE app.workspace
    ADD CONSTRAINT workspace_slug_fits_into_urls CHECK ((slug <> ALL (ARRAY['.'::text, '..'::text]))) NOT VALID;

ALTER TABLE ONLY app.workspace
    ADD CONSTRAINT workspace_slug_key UNIQUE (slug);

CREATE UNIQUE INDEX api_key_name ON app.api_key USING btree (workspace, name) WHERE (revoked_at IS NULL);

CREATE INDEX blob_gone_at ON app.blob_gone USING btree (gone_at);

CREATE INDEX oauth_used_expires ON app.oauth_used USING btree (expires_at);

CREATE UNIQUE INDEX sandbox_job_execute ON app.sandbox_job USING btree (session_id) WHERE ((kind = 'execute'::text) AND (ended_at IS NULL));

CREATE INDEX sandbox_job_open ON app.sandbox_job USING btree (session_id, id) WHERE (ended_at IS NULL);

CREATE INDEX sandbox_job_session ON app.sandbox_job USING btree (session_id, id);

CREATE INDEX sandbox_session_ended ON app.sandbox_session USING btree (ended_at) WHERE (gone_at IS NULL);

CREATE INDEX sandbox_session_gone ON app.sandbox_session USING btree (gone_at) WHERE (gone_at IS NOT NULL);

CREATE INDEX sandbox_session_host ON app.sandbox_session USING btree (host_id) WHERE (cleaned_at IS NULL);

CREATE INDEX sandbox_session_open ON app.sandbox_session USING btree (workspace_id) WHERE (ended_at IS NULL);

CREATE INDEX sandbox_session_unclaimed ON app.sandbox_session USING btree (created_at) WHERE ((host_id IS NULL) AND (ended_at IS NULL));

CREATE INDEX sandbox_session_workspace ON app.sandbox_session USING btree (workspace_id, created_at) WHERE (gone_at IS NULL);

CREATE INDEX seen_request_at ON app.seen_request USING brin (at);

ALTER TABLE ONLY app.credential
    ADD CONSTRAINT credential_workspace_id_fkey FOREIGN KEY (workspace_id) REFERENCES app.workspace(id);

ALTER TABLE ONLY app.file_usage
    ADD CONSTRAINT file_usage_workspace_id_fkey FOREIGN KEY (workspace_id) REFERENCES app.workspace(id);

ALTER TABLE ONLY app.file
    ADD CONSTRAINT file_workspace_id_fkey FOREIGN KEY (workspace_id) REFERENCES app.file_usage(workspace_id);

ALTER TABLE ONLY app.plan
    ADD CONSTRAINT plan_workspace_id_fkey FOREIGN KEY (workspace_id) REFERENCES app.workspace(id);

ALTER TABLE ONLY app.project
    ADD CONSTRAINT project_workspace_id_fkey FOREIGN KEY (workspace_id) REFERENCES app.workspace(id);

ALTER TABLE ONLY app.sandbox_job
    ADD CONSTRAINT sandbox_job_session_id_fkey FOREIGN KEY (session_id) REFERENCES app.sandbox_session(id);

ALTER TABLE ONLY app.sandbox_session
    ADD CONSTRAINT sandbox_session_host_id_fkey FOREIGN KEY (host_id) REFERENCES app.sandbox_host(id);

ALTER TABLE ONLY app.sandbox_session
    ADD CONSTRAINT sandbox_session_workspace_id_fkey FOREIGN KEY (workspace_id) REFERENCES app.workspace(id);

ALTER TABLE ONLY app.session
    ADD CONSTRAINT session_workspace_id_fkey FOREIGN KEY (workspace_id) REFERENCES app.workspace(id);

ALTER TABLE ONLY app.skill
    ADD CONSTRAINT skill_workspace_id_fkey FOREIGN KEY (workspace_id) REFERENCES app.workspace(id);

ALTER TABLE ONLY app.source
    ADD CONSTRAINT source_workspace_id_fkey FOREIGN KEY (workspace_id) REFERENCES app.workspace(id);

ALTER TABLE ONLY app.workspace_config
    ADD CONSTRAINT workspace_config_workspace_id_fkey FOREIGN KEY (workspace_id) REFERENCES app.workspace(id);

GRANT USAGE ON SCHEMA api TO craft_daemon;

GRANT USAGE ON SCHEMA report TO craft_dba;

REVOKE ALL ON FUNCTION api.admin_contents(OUT epoch text, OUT workspaces bigint, OUT sessions bigint, OUT messages bigint, OUT message_bytes bigint, OUT changes bigint, OUT changes_kept bigint, OUT files bigint, OUT file_bytes bigint, OUT deleted_blobs bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION api.admin_contents(OUT epoch text, OUT workspaces bigint, OUT sessions bigint, OUT messages bigint, OUT message_bytes bigint, OUT changes bigint, OUT changes_kept bigint, OUT files bigint, OUT file_bytes bigint, OUT deleted_blobs bigint) TO craft_daemon;

REVOKE ALL ON FUNCTION api.admin_hosts() FROM PUBLIC;
GRANT ALL ON FUNCTION api.admin_hosts() TO craft_daemon;

REVOKE ALL ON FUNCTION api.admin_migrations() FROM PUBLIC;
GRANT ALL ON FUNCTION api.admin_migrations() TO craft_daemon;

REVOKE ALL ON FUNCTION api.admin_queue(OUT sandboxes bigint, OUT unclaimed bigint, OUT unclaimed_seconds bigint, OUT waiting bigint, OUT waiting_seconds bigint, OUT running bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION api.admin_queue(OUT sandboxes bigint, OUT unclaimed bigint, OUT unclaimed_seconds bigint, OUT waiting bigint, OUT waiting_seconds bigint, OUT running bigint) TO craft_daemon;

REVOKE ALL ON FUNCTION api.admin_workspaces() FROM PUBLIC;
GRANT ALL ON FUNCTION api.admin_workspaces() TO craft_daemon;

REVOKE ALL ON FUNCTION api.announce(p_workspaces text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION api.announce(p_workspaces text[]) TO craft_daemon;

REVOKE ALL ON FUNCTION api.announce_heads(p_heads text) FROM PUBLIC;
GRANT ALL ON FUNCTION api.announce_heads(p_heads text) TO craft_daemon;

REVOKE ALL ON FUNCTION api.blobs(p_after uuid, p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION api.blobs(p_after uuid, p_limit integer) TO craft_daemon;

REVOKE ALL ON FUNCTION api.blobs_forget(p_blobs uuid[]) FROM PUBLIC;
GRANT ALL ON FUNCTION api.blobs_forget(p_blobs uuid[]) TO craft_daemon;

REVOKE ALL ON FUNCTION api.blobs_gone(p_seconds bigint, p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION api.blobs_gone(p_seconds bigint, p_limit integer) TO craft_daemon;

REVOKE ALL ON FUNCTION api.blobs_known(p_blobs uuid[]) FROM PUBLIC;
GRANT ALL ON FUNCTION api.blobs_known(p_blobs uuid[]) TO craft_daemon;

REVOKE ALL ON FUNCTION api.changes(p_workspace text, p_since bigint, p_limit integer, p_bytes integer) FROM PUBLIC;
GRANT ALL ON FUNCTION api.changes(p_workspace text, p_since bigint, p_limit integer, p_bytes integer) TO craft_daemon;

REVOKE ALL ON FUNCTION api.credential_checked(p_workspace text, p_repo_key text, p_sealed text, p_valid boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION api.credential_checked(p_workspace text, p_repo_key text, p_sealed text, p_valid boolean) TO craft_daemon;

REVOKE ALL ON FUNCTION api.credential_delete(p_workspace text, p_repo_key text) FROM PUBLIC;
GRANT ALL ON FUNCTION api.credential_delete(p_workspace text, p_repo_key text) TO craft_daemon;

REVOKE ALL ON FUNCTION api.credential_denied(p_workspace text, p_repo_key text, p_sealed text, p_why text) FROM PUBLIC;
GRANT ALL ON FUNCTION api.credential_denied(p_workspace text, p_repo_key text, p_sealed text, p_why text) TO craft_daemon;

REVOKE ALL ON FUNCTION api.credential_find(p_workspace text, p_repo_key text) FROM PUBLIC;
GRANT ALL ON FUNCTION api.credential_find(p_workspace text, p_repo_key text) TO craft_daemon;

REVOKE ALL ON FUNCTION api.credential_get(p_workspace text, p_repo_key text) FROM PUBLIC;
GRANT ALL ON FUNCTION api.credential_get(p_workspace text, p_repo_key text) TO craft_daemon;

REVOKE ALL ON FUNCTION api.credential_put(p_workspace text, p_repo_key text, p_repo_url text, p_default_branch text, p_sealed text, p_username text, p_user_id bigint, p_scope text, p_authenticated_ms bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION api.credential_put(p_workspace text, p_repo_key text, p_repo_url text, p_default_branch text, p_sealed text, p_username text, p_user_id bigint, p_scope text, p_authenticated_ms bigint) TO craft_daemon;

REVOKE ALL ON FUNCTION api.credential_rekey(p_workspace_id bigint, p_repo_key text, p_old text, p_new text) FROM PUBLIC;
GRANT ALL ON FUNCTION api.credential_rekey(p_workspace_id bigint, p_repo_key text, p_old text, p_new text) TO craft_daemon;

REVOKE ALL ON FUNCTION api.credential_renew_begin(p_workspace text, p_repo_key text, p_sealed text, p_lease text, p_seconds integer) FROM PUBLIC;
GRANT ALL ON FUNCTION api.credential_renew_begin(p_workspace text, p_repo_key text, p_sealed text, p_lease text, p_seconds integer) TO craft_daemon;

REVOKE ALL ON FUNCTION api.credential_renew_failed(p_workspace text, p_repo_key text, p_lease text, p_refused boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION api.credential_renew_failed(p_workspace text, p_repo_key text, p_lease text, p_refused boolean) TO craft_daemon;

REVOKE ALL ON FUNCTION api.credential_renewed(p_workspace text, p_repo_key text, p_old text, p_lease text, p_new text) FROM PUBLIC;
GRANT ALL ON FUNCTION api.credential_renewed(p_workspace text, p_repo_key text, p_old text, p_lease text, p_new text) TO craft_daemon;

REVOKE ALL ON FUNCTION api.credentials_to_rekey(p_after_workspace bigint, p_after_repo text, p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION api.credentials_to_rekey(p_after_workspace bigint, p_after_repo text, p_limit integer) TO craft_daemon;

REVOKE ALL ON FUNCTION api.epoch() FROM PUBLIC;
GRANT ALL ON FUNCTION api.epoch() TO craft_daemon;

REVOKE ALL ON FUNCTION api.epoch_renew() FROM PUBLIC;
GRANT ALL ON FUNCTION api.epoch_renew() TO craft_daemon;

REVOKE ALL ON FUNCTION api.file_delete(p_workspace text, p_session text, p_type text, p_name text, p_if_match text[], OUT status text) FROM PUBLIC;
GRANT ALL ON FUNCTION api.file_delete(p_workspace text, p_session text, p_type text, p_name text, p_if_match text[], OUT status text) TO craft_daemon;

REVOKE ALL ON FUNCTION api.file_find(p_workspace text, p_session text, p_type text, p_name text) FROM PUBLIC;
GRANT ALL ON FUNCTION api.file_find(p_workspace text, p_session text, p_type text, p_name text) TO craft_daemon;

REVOKE ALL ON FUNCTION api.file_put(p_workspace text, p_session text, p_type text, p_name text, p_blob uuid, p_size bigint, p_mime_type text, p_sha256 bytea, p_if_match text[], p_if_none_match text[], p_quota bigint, OUT status text, OUT uploaded_ms bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION api.file_put(p_workspace text, p_session text, p_type text, p_name text, p_blob uuid, p_size bigint, p_mime_type text, p_sha256 bytea, p_if_match text[], p_if_none_match text[], p_quota bigint, OUT status text, OUT uploaded_ms bigint) TO craft_daemon;

REVOKE ALL ON FUNCTION api.files(p_workspace text, p_session text, p_type text, p_after text, p_limit bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION api.files(p_workspace text, p_session text, p_type text, p_after text, p_limit bigint) TO craft_daemon;

REVOKE ALL ON FUNCTION api.files_delete_session(p_workspace text, p_session text, OUT deleted bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION api.files_delete_session(p_workspace text, p_session text, OUT deleted bigint) TO craft_daemon;

REVOKE ALL ON FUNCTION api.files_room(p_workspace text, p_session text, p_type text, p_name text) FROM PUBLIC;
GRANT ALL ON FUNCTION api.files_room(p_workspace text, p_session text, p_type text, p_name text) TO craft_daemon;

REVOKE ALL ON FUNCTION api.heads(p_workspaces text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION api.heads(p_workspaces text[]) TO craft_daemon;

REVOKE ALL ON FUNCTION api.host_beat(p_host uuid, p_busy text[], p_idle_seconds bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION api.host_beat(p_host uuid, p_busy text[], p_idle_seconds bigint) TO craft_daemon;

REVOKE ALL ON FUNCTION api.host_begin(p_host uuid, p_name text, p_version text, p_capacity integer, p_protection text) FROM PUBLIC;
GRANT ALL ON FUNCTION api.host_begin(p_host uuid, p_name text, p_version text, p_capacity integer, p_protection text) TO craft_daemon;

REVOKE ALL ON FUNCTION api.host_claim(p_host uuid, p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION api.host_claim(p_host uuid, p_limit integer) TO craft_daemon;

REVOKE ALL ON FUNCTION api.host_end(p_host uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION api.host_end(p_host uuid) TO craft_daemon;

REVOKE ALL ON FUNCTION api.host_job_read(p_host uuid, p_job bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION api.host_job_read(p_host uuid, p_job bigint) TO craft_daemon;

REVOKE ALL ON FUNCTION api.host_jobs(p_host uuid, p_limit integer, p_again boolean, p_bytes bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION api.host_jobs(p_host uuid, p_limit integer, p_again boolean, p_bytes bigint) TO craft_daemon;

REVOKE ALL ON FUNCTION api.host_jobs_known(p_host uuid, p_known bigint[]) FROM PUBLIC;
GRANT ALL ON FUNCTION api.host_jobs_known(p_host uuid, p_known bigint[]) TO craft_daemon;

REVOKE ALL ON FUNCTION api.host_sandboxes(p_host uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION api.host_sandboxes(p_host uuid) TO craft_daemon;

REVOKE ALL ON FUNCTION api.key_add(p_id text, p_workspace text, p_name text, p_sha256 bytea, p_sealed text, p_read_only boolean, p_per_minute integer, p_expires_ms bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION api.key_add(p_id text, p_workspace text, p_name text, p_sha256 bytea, p_sealed text, p_read_only boolean, p_per_minute integer, p_expires_ms bigint) TO craft_daemon;

REVOKE ALL ON FUNCTION api.key_find(p_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION api.key_find(p_id text) TO craft_daemon;

REVOKE ALL ON FUNCTION api.key_rekey(p_id text, p_old text, p_new text) FROM PUBLIC;
GRANT ALL ON FUNCTION api.key_rekey(p_id text, p_old text, p_new text) TO craft_daemon;

REVOKE ALL ON FUNCTION api.key_revoke(p_workspace text, p_key text) FROM PUBLIC;
GRANT ALL ON FUNCTION api.key_revoke(p_workspace text, p_key text) TO craft_daemon;

REVOKE ALL ON FUNCTION api.keys(p_workspace text) FROM PUBLIC;
GRANT ALL ON FUNCTION api.keys(p_workspace text) TO craft_daemon;

REVOKE ALL ON FUNCTION api.keys_live(p_ids text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION api.keys_live(p_ids text[]) TO craft_daemon;

REVOKE ALL ON FUNCTION api.keys_sealed(p_workspace text) FROM PUBLIC;
GRANT ALL ON FUNCTION api.keys_sealed(p_workspace text) TO craft_daemon;

REVOKE ALL ON FUNCTION api.keys_since(p_since_ms bigint, p_limit bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION api.keys_since(p_since_ms bigint, p_limit bigint) TO craft_daemon;

REVOKE ALL ON FUNCTION api.keys_to_rekey(p_after text, p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION api.keys_to_rekey(p_after text, p_limit integer) TO craft_daemon;

REVOKE ALL ON FUNCTION api.labels(p_workspace text) FROM PUBLIC;
GRANT ALL ON FUNCTION api.labels(p_workspace text) TO craft_daemon;

REVOKE ALL ON FUNCTION api.labels_save(p_workspace text, p_config json, p_request api.request) FROM PUBLIC;
GRANT ALL ON FUNCTION api.labels_save(p_workspace text, p_config json, p_request api.request) TO craft_daemon;

REVOKE ALL ON FUNCTION api.log_limit_set(p_change_bytes bigint, p_stream_bytes bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION api.log_limit_set(p_change_bytes bigint, p_stream_bytes bigint) TO craft_daemon;

REVOKE ALL ON FUNCTION api.log_usage(OUT change_bytes bigint, OUT change_limit bigint, OUT change_workspace text, OUT stream_bytes bigint, OUT stream_limit bigint, OUT stream_workspace text) FROM PUBLIC;
GRANT ALL ON FUNCTION api.log_usage(OUT change_bytes bigint, OUT change_limit bigint, OUT change_workspace text, OUT stream_bytes bigint, OUT stream_limit bigint, OUT stream_workspace text) TO craft_daemon;

REVOKE ALL ON FUNCTION api.oauth_outcome(p_nonce bytea, p_outcome text) FROM PUBLIC;
GRANT ALL ON FUNCTION api.oauth_outcome(p_nonce bytea, p_outcome text) TO craft_daemon;

REVOKE ALL ON FUNCTION api.oauth_outcome_of(p_nonce bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION api.oauth_outcome_of(p_nonce bytea) TO craft_daemon;

REVOKE ALL ON FUNCTION api.oauth_use(p_nonce bytea, p_expires_ms bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION api.oauth_use(p_nonce bytea, p_expires_ms bigint) TO craft_daemon;

REVOKE ALL ON FUNCTION api.plan_delete(p_workspace text, p_session text, p_name text, p_event json, p_request api.request) FROM PUBLIC;
GRANT ALL ON FUNCTION api.plan_delete(p_workspace text, p_session text, p_name text, p_event json, p_request api.request) TO craft_daemon;

REVOKE ALL ON FUNCTION api.plan_parts(p_workspace text, p_session text, p_name text) FROM PUBLIC;
GRANT ALL ON FUNCTION api.plan_parts(p_workspace text, p_session text, p_name text) TO craft_daemon;

REVOKE ALL ON FUNCTION api.plan_save(p_workspace text, p_session text, p_name text, p_content json, p_event json, p_request api.request) FROM PUBLIC;
GRANT ALL ON FUNCTION api.plan_save(p_workspace text, p_session text, p_name text, p_content json, p_event json, p_request api.request) TO craft_daemon;

REVOKE ALL ON FUNCTION api.plans(p_workspace text, p_session text) FROM PUBLIC;
GRANT ALL ON FUNCTION api.plans(p_workspace text, p_session text) TO craft_daemon;

REVOKE ALL ON FUNCTION api.project(p_workspace text, p_repo_key text) FROM PUBLIC;
GRANT ALL ON FUNCTION api.project(p_workspace text, p_repo_key text) TO craft_daemon;

REVOKE ALL ON FUNCTION api.project_remember(p_workspace text, p_repo_key text, p_repo_url text) FROM PUBLIC;
GRANT ALL ON FUNCTION api.project_remember(p_workspace text, p_repo_key text, p_repo_url text) TO craft_daemon;

REVOKE ALL ON FUNCTION api.projects(p_workspace text) FROM PUBLIC;
GRANT ALL ON FUNCTION api.projects(p_workspace text) TO craft_daemon;

REVOKE ALL ON FUNCTION api.prune(p_keep bigint, p_days integer, p_retry_hours integer) FROM PUBLIC;
GRANT ALL ON FUNCTION api.prune(p_keep bigint, p_days integer, p_retry_hours integer) TO craft_daemon;

REVOKE ALL ON FUNCTION api.sandbox(p_workspace text, p_session text) FROM PUBLIC;
GRANT ALL ON FUNCTION api.sandbox(p_workspace text, p_session text) TO craft_daemon;

REVOKE ALL ON FUNCTION api.sandbox_announce(p_host text) FROM PUBLIC;
GRANT ALL ON FUNCTION api.sandbox_announce(p_host text) TO craft_daemon;

REVOKE ALL ON FUNCTION api.sandbox_append(p_host uuid, p_session text, p_after bigint, p_targets text[], p_bodies text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION api.sandbox_append(p_host uuid, p_session text, p_after bigint, p_targets text[], p_bodies text[]) TO craft_daemon;

REVOKE ALL ON FUNCTION api.sandbox_claim(p_host uuid, p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION api.sandbox_claim(p_host uuid, p_limit integer) TO craft_daemon;

REVOKE ALL ON FUNCTION api.sandbox_cleaned(p_host uuid, p_session text) FROM PUBLIC;
GRANT ALL ON FUNCTION api.sandbox_cleaned(p_host uuid, p_session text) TO craft_daemon;

REVOKE ALL ON FUNCTION api.sandbox_create(p_workspace text, p_repo_key text, p_branch text, p_idle_seconds bigint, p_workspace_max integer, p_request text, OUT status text, OUT session text, OUT in_use integer) FROM PUBLIC;
GRANT ALL ON FUNCTION api.sandbox_create(p_workspace text, p_repo_key text, p_branch text, p_idle_seconds bigint, p_workspace_max integer, p_request text, OUT status text, OUT session text, OUT in_use integer) TO craft_daemon;

REVOKE ALL ON FUNCTION api.sandbox_delete(p_workspace text, p_session text) FROM PUBLIC;
GRANT ALL ON FUNCTION api.sandbox_delete(p_workspace text, p_session text) TO craft_daemon;

REVOKE ALL ON FUNCTION api.sandbox_end(p_host uuid, p_session text, p_reason text, p_error text) FROM PUBLIC;
GRANT ALL ON FUNCTION api.sandbox_end(p_host uuid, p_session text, p_reason text, p_error text) TO craft_daemon;

REVOKE ALL ON FUNCTION api.sandbox_ending(p_host uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION api.sandbox_ending(p_host uuid) TO craft_daemon;

REVOKE ALL ON FUNCTION api.sandbox_heads(p_sessions text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION api.sandbox_heads(p_sessions text[]) TO craft_daemon;

REVOKE ALL ON FUNCTION api.sandbox_job_end(p_job bigint, p_outcome text, p_exit integer, p_bytes_out bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION api.sandbox_job_end(p_job bigint, p_outcome text, p_exit integer, p_bytes_out bigint) TO craft_daemon;

REVOKE ALL ON FUNCTION api.sandbox_jobs(p_host uuid, p_limit integer, p_again boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION api.sandbox_jobs(p_host uuid, p_limit integer, p_again boolean) TO craft_daemon;

REVOKE ALL ON FUNCTION api.sandbox_jobs_lost(p_host uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION api.sandbox_jobs_lost(p_host uuid) TO craft_daemon;

REVOKE ALL ON FUNCTION api.sandbox_messages(p_session text, p_since bigint, p_limit integer, p_bytes integer) FROM PUBLIC;
GRANT ALL ON FUNCTION api.sandbox_messages(p_session text, p_since bigint, p_limit integer, p_bytes integer) TO craft_daemon;

REVOKE ALL ON FUNCTION api.sandbox_mine(p_host uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION api.sandbox_mine(p_host uuid) TO craft_daemon;

REVOKE ALL ON FUNCTION api.sandbox_open(p_workspace text, p_session text, OUT status text, OUT head bigint, OUT floor bigint, OUT state text) FROM PUBLIC;
GRANT ALL ON FUNCTION api.sandbox_open(p_workspace text, p_session text, OUT status text, OUT head bigint, OUT floor bigint, OUT state text) TO craft_daemon;

REVOKE ALL ON FUNCTION api.sandbox_state(p_host uuid, p_session text, p_status text, p_error text, p_commit text) FROM PUBLIC;
GRANT ALL ON FUNCTION api.sandbox_state(p_host uuid, p_session text, p_status text, p_error text, p_commit text) TO craft_daemon;

REVOKE ALL ON FUNCTION api.sandbox_submit(p_workspace text, p_session text, p_client text, p_kind text, p_tool_id text, p_name text, p_payload text, p_idle_seconds bigint, p_key text, p_request text, p_max bigint, p_all bigint, OUT status text, OUT host text) FROM PUBLIC;
GRANT ALL ON FUNCTION api.sandbox_submit(p_workspace text, p_session text, p_client text, p_kind text, p_tool_id text, p_name text, p_payload text, p_idle_seconds bigint, p_key text, p_request text, p_max bigint, p_all bigint, OUT status text, OUT host text) TO craft_daemon;

REVOKE ALL ON FUNCTION api.sandbox_sweep(p_stream_keep_seconds bigint, p_row_keep_seconds bigint, OUT messages bigint, OUT sessions bigint, OUT lost bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION api.sandbox_sweep(p_stream_keep_seconds bigint, p_row_keep_seconds bigint, OUT messages bigint, OUT sessions bigint, OUT lost bigint) TO craft_daemon;

REVOKE ALL ON FUNCTION api.sandbox_touch(p_workspace text, p_session text, p_idle_seconds bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION api.sandbox_touch(p_workspace text, p_session text, p_idle_seconds bigint) TO craft_daemon;

REVOKE ALL ON FUNCTION api.sandboxes(p_workspace text) FROM PUBLIC;
GRANT ALL ON FUNCTION api.sandboxes(p_workspace text) TO craft_daemon;

REVOKE ALL ON FUNCTION api.seal_form() FROM PUBLIC;
GRANT ALL ON FUNCTION api.seal_form() TO craft_daemon;

REVOKE ALL ON FUNCTION api.seal_form_bound() FROM PUBLIC;
GRANT ALL ON FUNCTION api.seal_form_bound() TO craft_daemon;

REVOKE ALL ON FUNCTION api.session_base(p_workspace text, p_id text, OUT version bigint, OUT header json, OUT hashes bigint[]) FROM PUBLIC;
GRANT ALL ON FUNCTION api.session_base(p_workspace text, p_id text, OUT version bigint, OUT header json, OUT hashes bigint[]) TO craft_daemon;

REVOKE ALL ON FUNCTION api.session_clear_messages(p_workspace text, p_id text, p_event json, p_version bigint, p_request api.request) FROM PUBLIC;
GRANT ALL ON FUNCTION api.session_clear_messages(p_workspace text, p_id text, p_event json, p_version bigint, p_request api.request) TO craft_daemon;

REVOKE ALL ON FUNCTION api.session_create(p_workspace text, p_id text, p_header json, p_columns api.session_columns, p_version bigint, p_request api.request) FROM PUBLIC;
GRANT ALL ON FUNCTION api.session_create(p_workspace text, p_id text, p_header json, p_columns api.session_columns, p_version bigint, p_request api.request) TO craft_daemon;

REVOKE ALL ON FUNCTION api.session_delete(p_workspace text, p_id text, p_event json, p_must_exist boolean, p_request api.request) FROM PUBLIC;
GRANT ALL ON FUNCTION api.session_delete(p_workspace text, p_id text, p_event json, p_must_exist boolean, p_request api.request) TO craft_daemon;

REVOKE ALL ON FUNCTION api.session_header(p_workspace text, p_id text, OUT version bigint, OUT header json) FROM PUBLIC;
GRANT ALL ON FUNCTION api.session_header(p_workspace text, p_id text, OUT version bigint, OUT header json) TO craft_daemon;

REVOKE ALL ON FUNCTION api.session_parts(p_workspace text, p_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION api.session_parts(p_workspace text, p_id text) TO craft_daemon;

REVOKE ALL ON FUNCTION api.session_save(p_workspace text, p_id text, p_header json, p_columns api.session_columns, p_base bigint, p_version bigint, p_count integer, p_bytes bigint, p_idx integer[], p_hash bigint[], p_body json[], p_request api.request) FROM PUBLIC;
GRANT ALL ON FUNCTION api.session_save(p_workspace text, p_id text, p_header json, p_columns api.session_columns, p_base bigint, p_version bigint, p_count integer, p_bytes bigint, p_idx integer[], p_hash bigint[], p_body json[], p_request api.request) TO craft_daemon;

REVOKE ALL ON FUNCTION api.session_state(p_workspace text, p_id text, OUT version bigint, OUT header json, OUT digests bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION api.session_state(p_workspace text, p_id text, OUT version bigint, OUT header json, OUT digests bytea) TO craft_daemon;

REVOKE ALL ON FUNCTION api.session_store(p_workspace text, p_id text, p_header json, p_columns api.session_columns, p_base bigint, p_version bigint, p_count integer, p_bytes bigint, p_idx integer[], p_body json[], p_sha256 bytea[], p_request api.request, p_hash bigint[]) FROM PUBLIC;
GRANT ALL ON FUNCTION api.session_store(p_workspace text, p_id text, p_header json, p_columns api.session_columns, p_base bigint, p_version bigint, p_count integer, p_bytes bigint, p_idx integer[], p_body json[], p_sha256 bytea[], p_request api.request, p_hash bigint[]) TO craft_daemon;

REVOKE ALL ON FUNCTION api.session_tag(p_workspace text, p_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION api.session_tag(p_workspace text, p_id text) TO craft_daemon;

REVOKE ALL ON FUNCTION api.session_update(p_workspace text, p_id text, p_header json, p_columns api.session_columns, p_base bigint, p_version bigint, p_event json, p_request api.request) FROM PUBLIC;
GRANT ALL ON FUNCTION api.session_update(p_workspace text, p_id text, p_header json, p_columns api.session_columns, p_base bigint, p_version bigint, p_event json, p_request api.request) TO craft_daemon;

REVOKE ALL ON FUNCTION api.session_update_many(p_workspaces text[], p_counts integer[], p_place integer[], p_nth integer[], p_last boolean[], p_id text[], p_header json[], p_name text[], p_is_flagged boolean[], p_status text[], p_model text[], p_created_ms bigint[], p_last_used_ms bigint[], p_base bigint[], p_version bigint[], p_event json[], p_origin text[], p_client text[], p_request bytea[], p_payload bigint[], OUT workspace_ids bigint[], OUT before bigint[]) FROM PUBLIC;
GRANT ALL ON FUNCTION api.session_update_many(p_workspaces text[], p_counts integer[], p_place integer[], p_nth integer[], p_last boolean[], p_id text[], p_header json[], p_name text[], p_is_flagged boolean[], p_status text[], p_model text[], p_created_ms bigint[], p_last_used_ms bigint[], p_base bigint[], p_version bigint[], p_event json[], p_origin text[], p_client text[], p_request bytea[], p_payload bigint[], OUT workspace_ids bigint[], OUT before bigint[]) TO craft_daemon;

REVOKE ALL ON FUNCTION api.sessions(p_workspace text) FROM PUBLIC;
GRANT ALL ON FUNCTION api.sessions(p_workspace text) TO craft_daemon;

REVOKE ALL ON FUNCTION api.skill_delete(p_workspace text, p_slug text, p_event json, p_request api.request) FROM PUBLIC;
GRANT ALL ON FUNCTION api.skill_delete(p_workspace text, p_slug text, p_event json, p_request api.request) TO craft_daemon;

REVOKE ALL ON FUNCTION api.skill_save(p_workspace text, p_slug text, p_content json, p_metadata json, p_event json, p_request api.request) FROM PUBLIC;
GRANT ALL ON FUNCTION api.skill_save(p_workspace text, p_slug text, p_content json, p_metadata json, p_event json, p_request api.request) TO craft_daemon;

REVOKE ALL ON FUNCTION api.skills(p_workspace text) FROM PUBLIC;
GRANT ALL ON FUNCTION api.skills(p_workspace text) TO craft_daemon;

REVOKE ALL ON FUNCTION api.source(p_workspace text, p_slug text) FROM PUBLIC;
GRANT ALL ON FUNCTION api.source(p_workspace text, p_slug text) TO craft_daemon;

REVOKE ALL ON FUNCTION api.source_create(p_workspace text, p_slug text, p_config json, p_request api.request) FROM PUBLIC;
GRANT ALL ON FUNCTION api.source_create(p_workspace text, p_slug text, p_config json, p_request api.request) TO craft_daemon;

REVOKE ALL ON FUNCTION api.source_delete(p_workspace text, p_slug text, p_event json, p_request api.request) FROM PUBLIC;
GRANT ALL ON FUNCTION api.source_delete(p_workspace text, p_slug text, p_event json, p_request api.request) TO craft_daemon;

REVOKE ALL ON FUNCTION api.source_save_config(p_workspace text, p_slug text, p_config json, p_request api.request) FROM PUBLIC;
GRANT ALL ON FUNCTION api.source_save_config(p_workspace text, p_slug text, p_config json, p_request api.request) TO craft_daemon;

REVOKE ALL ON FUNCTION api.source_save_guide(p_workspace text, p_slug text, p_guide json, p_event json, p_request api.request) FROM PUBLIC;
GRANT ALL ON FUNCTION api.source_save_guide(p_workspace text, p_slug text, p_guide json, p_event json, p_request api.request) TO craft_daemon;

REVOKE ALL ON FUNCTION api.sources(p_workspace text) FROM PUBLIC;
GRANT ALL ON FUNCTION api.sources(p_workspace text) TO craft_daemon;

REVOKE ALL ON FUNCTION api.statuses(p_workspace text) FROM PUBLIC;
GRANT ALL ON FUNCTION api.statuses(p_workspace text) TO craft_daemon;

REVOKE ALL ON FUNCTION api.statuses_save(p_workspace text, p_config json, p_request api.request) FROM PUBLIC;
GRANT ALL ON FUNCTION api.statuses_save(p_workspace text, p_config json, p_request api.request) TO craft_daemon;

REVOKE ALL ON FUNCTION api.stream_announce(p_pairs text) FROM PUBLIC;
GRANT ALL ON FUNCTION api.stream_announce(p_pairs text) TO craft_daemon;

REVOKE ALL ON FUNCTION api.workspace_contents(p_workspace text) FROM PUBLIC;
GRANT ALL ON FUNCTION api.workspace_contents(p_workspace text) TO craft_daemon;

REVOKE ALL ON FUNCTION api.workspace_delete(p_workspace text, OUT status text) FROM PUBLIC;
GRANT ALL ON FUNCTION api.workspace_delete(p_workspace text, OUT status text) TO craft_daemon;

REVOKE ALL ON FUNCTION api.workspace_export(p_workspace text, p_kind text) FROM PUBLIC;
GRANT ALL ON FUNCTION api.workspace_export(p_workspace text, p_kind text) TO craft_daemon;

REVOKE ALL ON FUNCTION api.workspace_import_begin(p_workspace text, p_created_at timestamp with time zone, p_replace boolean, OUT status text, OUT workspace_id bigint, OUT existed boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION api.workspace_import_begin(p_workspace text, p_created_at timestamp with time zone, p_replace boolean, OUT status text, OUT workspace_id bigint, OUT existed boolean) TO craft_daemon;

REVOKE ALL ON FUNCTION api.workspace_import_documents(p_id bigint, p_kind text, p_lines json[]) FROM PUBLIC;
GRANT ALL ON FUNCTION api.workspace_import_documents(p_id bigint, p_kind text, p_lines json[]) TO craft_daemon;

REVOKE ALL ON FUNCTION api.workspace_import_end(p_id bigint, p_existed boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION api.workspace_import_end(p_id bigint, p_existed boolean) TO craft_daemon;

REVOKE ALL ON FUNCTION api.workspace_import_file(p_id bigint, p_line json, p_blob uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION api.workspace_import_file(p_id bigint, p_line json, p_blob uuid) TO craft_daemon;

REVOKE ALL ON FUNCTION api.workspace_import_messages(p_id bigint, p_lines json[], p_hashes bigint[]) FROM PUBLIC;
GRANT ALL ON FUNCTION api.workspace_import_messages(p_id bigint, p_lines json[], p_hashes bigint[]) TO craft_daemon;

REVOKE ALL ON FUNCTION api.workspace_import_session(p_id bigint, p_line json, p_name text, p_is_flagged boolean, p_status text, p_model text, p_created_ms bigint, p_last_used_ms bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION api.workspace_import_session(p_id bigint, p_line json, p_name text, p_is_flagged boolean, p_status text, p_model text, p_created_ms bigint, p_last_used_ms bigint) TO craft_daemon;

REVOKE ALL ON FUNCTION api.workspace_manifest(p_workspace text, p_as text) FROM PUBLIC;
GRANT ALL ON FUNCTION api.workspace_manifest(p_workspace text, p_as text) TO craft_daemon;

REVOKE ALL ON FUNCTION api.workspace_tag(p_workspace text) FROM PUBLIC;
GRANT ALL ON FUNCTION api.workspace_tag(p_workspace text) TO craft_daemon;

REVOKE ALL ON FUNCTION app.body_sha256(p_body json) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.change_begin(p_workspace text, p_request api.request) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.change_end(p_out api.outcome, p_entity text, p_action text, p_entity_id text, p_data json, p_request api.request, p_echoes boolean, p_added json) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.cluster_id() FROM PUBLIC;

REVOKE ALL ON FUNCTION app.config_save(p_workspace text, p_kind text, p_config json, p_request api.request) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.database_id() FROM PUBLIC;

REVOKE ALL ON FUNCTION app.epoch_text() FROM PUBLIC;

REVOKE ALL ON FUNCTION app.file_check(p_session text, p_type text, p_name text, p_mime_type text) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.files_begin(p_workspace text) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.files_end(p_usage app.file_usage, p_files bigint, p_bytes bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.files_lock(p_workspace text) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.header_columns(p_header json) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.key_lives(p_key app.api_key) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.log_id(p_request text) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.log_trim(p_id bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.ms(p_at timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.ms_time(p_ms bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.new_version() FROM PUBLIC;

REVOKE ALL ON FUNCTION app.project_begin(p_workspace text, p_repo_key text, p_repo_url text) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.project_json(p app.project) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.put_verdict(p_old uuid, p_if_match text[], p_if_none_match text[], p_bytes bigint, p_quota bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.quota_files(p_quota bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.repo_id(p_repo_key text) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.request_outcome(p_seen app.seen_request, p_request api.request) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.sandbox_drop() FROM PUBLIC;

REVOKE ALL ON FUNCTION app.sandbox_expired(p_error text) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.sandbox_find(p_workspace text, p_session text) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.sandbox_finish(p_id uuid, p_reason text, p_error text) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.sandbox_forget(p_keep_seconds bigint, p_limit integer, OUT messages bigint, OUT sessions bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.sandbox_has_room(p_session uuid, p_bytes bigint, p_max bigint, p_all bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.sandbox_held(p_session uuid, p_workspace bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.sandbox_json(s app.sandbox_session) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.sandbox_lost(p_limit integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.sandbox_prune(p_keep_seconds bigint, p_limit integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.sandbox_refusal(p_job app.sandbox_job, p_message text) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.sandbox_refuse_jobs(p_id uuid, p_outcome text, p_message text, p_last text) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.sandbox_renew(p_workspace text, p_session text, p_idle_seconds bigint, OUT status text, OUT id uuid, OUT host uuid) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.sandbox_say(p_id uuid, p_targets text[], p_bodies text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.stream_add(p_id uuid, p_seq bigint, p_bytes bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.stream_drop(p_id uuid, p_up_to bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.stream_trim(p_workspace bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.tag_matches(p_tags text[], p_blob uuid) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.tag_of(p_bodies json[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.to_uuid(p_text text) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.utc(p_at timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.workspace_clear(p_id bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.workspace_make(p_slug text) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.workspace_tag(p_seq bigint) FROM PUBLIC;

GRANT SELECT ON TABLE report.changes TO craft_dba;

GRANT SELECT ON TABLE report.deleted_blobs TO craft_dba;

GRANT SELECT ON TABLE report.files TO craft_dba;

GRANT SELECT ON TABLE report.keys TO craft_dba;

GRANT SELECT ON TABLE report.labels TO craft_dba;

GRANT SELECT ON TABLE report.messages TO craft_dba;

GRANT SELECT ON TABLE report.plans TO craft_dba;

GRANT SELECT ON TABLE report.projects TO craft_dba;

GRANT SELECT ON TABLE report.requests TO craft_dba;

GRANT SELECT ON TABLE report.sandbox_hosts TO craft_dba;

GRANT SELECT ON TABLE report.sandboxes TO craft_dba;

GRANT SELECT ON TABLE report.sessions TO craft_dba;

GRANT SELECT ON TABLE report.skills TO craft_dba;

GRANT SELECT ON TABLE report.sources TO craft_dba;

GRANT SELECT ON TABLE report.statuses TO craft_dba;

GRANT SELECT ON TABLE report.tasks TO craft_dba;

GRANT SELECT ON TABLE report.workspaces TO craft_dba;

