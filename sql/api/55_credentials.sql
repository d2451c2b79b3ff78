-- GitHub's credentials for projects, sealed by craft-fcgi, and the states of GitHub's OAuth that were used.
-- Nothing here opens a sealed text: the key is not in the database.

create or replace function api.oauth_use(p_nonce bytea, p_expires_ms bigint)
returns boolean language plpgsql volatile security definer set search_path = app, pg_temp as $$
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
comment on function api.oauth_use(bytea, bigint) is
'Takes a state: true for the first who comes with its 16 random bytes, false for all others. p_expires_ms is when it expires by itself, in milliseconds since 1970. Forgets up to 100 that expired an hour ago.';

create or replace function api.credential_put(p_workspace text, p_repo_key text, p_repo_url text, p_default_branch text, p_sealed text,
	p_username text, p_user_id bigint, p_scope text, p_authenticated_ms bigint)
returns void language plpgsql volatile security definer set search_path = app, pg_temp as $$
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
		scope = excluded.scope, authenticated_at = excluded.authenticated_at, checked_at = excluded.checked_at, invalid_at = null;
end
$$;
comment on function api.credential_put(text, text, text, text, text, text, bigint, text, bigint) is
'Stores the credential that GitHub has just granted for a repository, in place of an older one. Adds the project where it is missing; one that is there keeps the URL that the client gave, and takes over the default branch (null: unknown).';

create or replace function api.credential_get(p_workspace text, p_repo_key text)
returns table (sealed text, invalid boolean, checked_ms bigint) language plpgsql stable security definer set search_path = app, pg_temp as $$
#variable_conflict use_column
begin
	return query select c.sealed, c.invalid_at is not null, app.ms(c.checked_at) from app.credential c join app.workspace w on w.id = c.workspace_id
		where w.slug = p_workspace and c.repo_id = app.repo_id(p_repo_key);
end
$$;
comment on function api.credential_get(text, text) is 'The sealed credential of a repository, whether GitHub refused it, and when it was last asked (milliseconds since 1970; null: never); no row when there is none.';

create or replace function api.credential_checked(p_workspace text, p_repo_key text, p_sealed text, p_valid boolean)
returns void language sql volatile strict security definer set search_path = app, pg_temp as $$
	update app.credential c set checked_at = statement_timestamp(), invalid_at = case when not p_valid then coalesce(c.invalid_at, statement_timestamp()) end
	from app.workspace w
	where w.id = c.workspace_id and w.slug = p_workspace and c.repo_id = app.repo_id(p_repo_key) and c.sealed = p_sealed;
$$;
comment on function api.credential_checked(text, text, text, boolean) is 'Notes whether GitHub takes the credential, unless another one took its place since. One that is refused needs to be granted anew.';

create or replace function api.credential_delete(p_workspace text, p_repo_key text) returns text
language sql volatile security definer set search_path = app, pg_temp as $$
	delete from app.credential c using app.workspace w
	where w.id = c.workspace_id and w.slug = p_workspace and c.repo_id = app.repo_id(p_repo_key) returning c.sealed;
$$;
comment on function api.credential_delete(text, text) is 'Forgets the GitHub credential of a project; returns it sealed, so that GitHub can be asked to revoke it, or null when there was none.';

-- Another ENCRYPTION_KEY (craft-cloud rekey).

create or replace function api.credentials_to_rekey(p_after_workspace bigint, p_after_repo text, p_limit integer)
returns table (workspace_id bigint, repo_key text, sealed text, workspace text)
language sql stable security definer set search_path = app, pg_temp as $$
	select c.workspace_id, c.repo_key, c.sealed, w.slug from app.credential c join app.workspace w on w.id = c.workspace_id
	-- No number is below 1, and no key is empty.
	where (c.workspace_id, c.repo_id) > (coalesce(p_after_workspace, 0), coalesce(app.repo_id(p_after_repo), ''))
	order by c.workspace_id, c.repo_id limit p_limit;
$$;
comment on function api.credentials_to_rekey(bigint, text, integer) is 'The sealed credentials of all workspaces, in one order, after that one (null: from the first), at most p_limit; last the workspace''s name.';

create or replace function api.credential_rekey(p_workspace_id bigint, p_repo_key text, p_old text, p_new text)
returns boolean language plpgsql volatile security definer set search_path = app, pg_temp as $$
begin
	update app.credential c set sealed = p_new where c.workspace_id = p_workspace_id and c.repo_id = app.repo_id(p_repo_key) and c.sealed = p_old;
	return found;
end
$$;
comment on function api.credential_rekey(bigint, text, text, text) is 'Replaces a sealed text by the same sealed under another key; false when it is no longer that text, and nothing changed.';
