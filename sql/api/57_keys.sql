-- Keys that open one workspace each. Nothing here opens a sealed text: the key for that is not in the database.

create or replace function app.key_lives(p_key app.api_key) returns boolean language sql stable as $$
	select (p_key).revoked_at is null and ((p_key).expires_at is null or (p_key).expires_at > pg_catalog.clock_timestamp());
$$;
comment on function app.key_lives(app.api_key) is 'Whether a key opens its workspace at the moment: neither revoked nor expired.';

create or replace function api.key_add(p_id text, p_workspace text, p_name text, p_sha256 bytea, p_sealed text, p_read_only boolean,
	p_per_minute integer, p_expires_ms bigint)
returns text language plpgsql volatile security definer set search_path = app, pg_catalog, pg_temp as $$
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
comment on function api.key_add(text, text, text, bytea, text, boolean, integer, bigint) is
'Adds a key for a workspace: ok; exists (one of that name wasn''t revoked); too_many (100 weren''t). p_per_minute and p_expires_ms (milliseconds since 1970) may be null: no such limit.';

create or replace function api.key_revoke(p_workspace text, p_key text) returns text
language plpgsql volatile security definer set search_path = app, pg_catalog, pg_temp as $$
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
comment on function api.key_revoke(text, text) is
'Revokes a key, by its name or its id, and tells the bridges: NOTIFY craft_keys. Returns its id; null: that workspace has no such key.';

create or replace function api.keys(p_workspace text)
returns table (id text, workspace text, name text, read_only boolean, per_minute integer, created_at timestamptz, expires_at timestamptz,
	expired boolean, revoked_at timestamptz, last_used_at timestamptz)
language sql stable security definer set search_path = app, pg_temp as $$
	select k.id, k.workspace, k.name, k.read_only, k.per_minute, k.created_at, k.expires_at,
		coalesce(k.expires_at <= clock_timestamp(), false), k.revoked_at, k.last_used_at
	from app.api_key k where p_workspace is null or k.workspace = p_workspace
	order by k.workspace, k.created_at, k.id;
$$;
comment on function api.keys(text) is 'The keys of a workspace, or (null) of all, those too that were revoked; nothing that opens anything.';

create or replace function api.key_find(p_id text)
returns table (workspace text, sha256 bytea, read_only boolean, per_minute integer, expires_ms bigint)
language plpgsql volatile security definer set search_path = app, pg_catalog, pg_temp as $$
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
comment on function api.key_find(text) is
'The key of that id, if it opens its workspace at the moment: whose SHA-256 it has to have, and its limits (null: none). No row: there is none. Notes the hour.';

create or replace function api.keys_live(p_ids text[])
returns table (id text, read_only boolean, per_minute integer, expires_ms bigint)
language plpgsql stable security definer set search_path = app, pg_temp as $$
#variable_conflict use_column
begin
	return query select k.id, k.read_only, k.per_minute, app.ms(k.expires_at) from app.api_key k where k.id = any (p_ids) and app.key_lives(k);
end
$$;
comment on function api.keys_live(text[]) is 'Which of these keys still open their workspaces, with their limits: for those who have connections that came with them.';

create or replace function api.keys_since(p_since_ms bigint, p_limit bigint)
returns table (id text, workspace text, created_ms bigint) language plpgsql stable security definer set search_path = app, pg_temp as $$
#variable_conflict use_column
begin
	return query select k.id, k.workspace, app.ms(k.created_at) from app.api_key k
		where k.created_at >= app.ms_time(p_since_ms) and app.key_lives(k) order by k.created_at limit p_limit;
end
$$;
comment on function api.keys_since(bigint, bigint) is 'Ids and workspaces of the living keys made at or after that time (milliseconds since 1970), oldest first, at most p_limit: to tell made-up ones from real ones.';

create or replace function api.keys_sealed(p_workspace text)
returns table (id text, sealed text, expires_ms bigint) language plpgsql stable security definer set search_path = app, pg_temp as $$
#variable_conflict use_column
begin
	return query select k.id, k.sealed, app.ms(k.expires_at) from app.api_key k where k.workspace = p_workspace and app.key_lives(k) order by k.created_at;
end
$$;
comment on function api.keys_sealed(text) is 'The sealed keys that open a workspace at the moment, 100 at most: any of them may have signed a URL.';

-- Another ENCRYPTION_KEY (craft-cloud rekey).

create or replace function api.keys_to_rekey(p_after text, p_limit integer)
returns table (id text, sealed text, workspace text, name text) language sql stable security definer set search_path = app, pg_temp as $$
	select k.id, k.sealed, k.workspace, k.name from app.api_key k
	where k.sealed is not null and k.id > coalesce(p_after, '') order by k.id limit p_limit;
$$;
comment on function api.keys_to_rekey(text, integer) is 'The sealed keys of all workspaces, by id, after that one (null: from the first), at most p_limit; last whose they are.';

create or replace function api.key_rekey(p_id text, p_old text, p_new text)
returns boolean language plpgsql volatile security definer set search_path = app, pg_temp as $$
begin
	update app.api_key k set sealed = p_new where k.id = p_id and k.sealed = p_old;
	return found;
end
$$;
comment on function api.key_rekey(text, text, text) is 'Replaces a sealed key by the same sealed under another key; false when it is no longer that text, and nothing changed.';
