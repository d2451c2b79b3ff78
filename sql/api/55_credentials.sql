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
		scope = excluded.scope, authenticated_at = excluded.authenticated_at, checked_at = excluded.checked_at, invalid_at = null,
		denied = null, refresh_lease = null, refresh_until = null;
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

create or replace function api.credential_find(p_workspace text, p_repo_key text)
returns table (sealed text, invalid boolean, checked_ms bigint, denied text) language plpgsql stable security definer set search_path = app, pg_temp as $$
#variable_conflict use_column
begin
	return query select c.sealed, c.invalid_at is not null, app.ms(c.checked_at), c.denied from app.credential c join app.workspace w on w.id = c.workspace_id
		where w.slug = p_workspace and c.repo_id = app.repo_id(p_repo_key);
end
$$;
comment on function api.credential_find(text, text) is 'As api.credential_get(), and last why GitHub lets it not see the repository (app.credential.denied; null: it does).';

create or replace function api.credential_checked(p_workspace text, p_repo_key text, p_sealed text, p_valid boolean)
returns void language sql volatile strict security definer set search_path = app, pg_temp as $$
	update app.credential c set checked_at = statement_timestamp(), invalid_at = case when not p_valid then coalesce(c.invalid_at, statement_timestamp()) end,
		denied = case when not p_valid then c.denied end
	from app.workspace w
	where w.id = c.workspace_id and w.slug = p_workspace and c.repo_id = app.repo_id(p_repo_key) and c.sealed = p_sealed;
$$;
comment on function api.credential_checked(text, text, text, boolean) is 'Notes whether GitHub takes the credential, unless another one took its place since. One that is refused needs to be granted anew.';

create or replace function api.credential_denied(p_workspace text, p_repo_key text, p_sealed text, p_why text)
returns void language sql volatile strict security definer set search_path = app, pg_temp as $$
	update app.credential c set checked_at = statement_timestamp(), denied = p_why
	from app.workspace w
	where w.id = c.workspace_id and w.slug = p_workspace and c.repo_id = app.repo_id(p_repo_key) and c.sealed = p_sealed;
$$;
comment on function api.credential_denied(text, text, text, text) is 'Notes that GitHub knows the token but lets it not see the repository: no_access or sso, unless another credential took its place since. The next word of GitHub''s may change it.';

-- Renewing: GitHub rotates the token that renews at each use, so one at a time may. Who has the right (a lease, bounded in time) asks
-- GitHub without holding a lock, and stores what came; the others wait for that.

create or replace function api.credential_renew_begin(p_workspace text, p_repo_key text, p_sealed text, p_lease text, p_seconds integer)
returns text language plpgsql volatile strict security definer set search_path = app, pg_temp as $$
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
comment on function api.credential_renew_begin(text, text, text, text, integer) is 'Asks for the right to renew this token: go (nobody else may for p_seconds), wait (somebody else does just now), changed (it is another one by now, or gone).';

create or replace function api.credential_renewed(p_workspace text, p_repo_key text, p_old text, p_lease text, p_new text)
returns boolean language plpgsql volatile strict security definer set search_path = app, pg_temp as $$
begin
	-- Also when the lease has run out, or craft-cloud rekey sealed the old one anew: what GitHub gave last is what is good.
	update app.credential c set sealed = p_new, checked_at = clock_timestamp(), invalid_at = null, refresh_lease = null, refresh_until = null
		from app.workspace w
		where w.id = c.workspace_id and w.slug = p_workspace and c.repo_id = app.repo_id(p_repo_key)
			and (c.refresh_lease = p_lease or c.sealed in (p_old, p_new));
	return found;
end
$$;
comment on function api.credential_renewed(text, text, text, text, text) is 'Stores the renewed token and ends the lease; false: a user has granted access anew or taken it away meanwhile, and that stays.';

create or replace function api.credential_renew_failed(p_workspace text, p_repo_key text, p_lease text, p_refused boolean)
returns void language sql volatile strict security definer set search_path = app, pg_temp as $$
	update app.credential c set refresh_lease = null, refresh_until = null,
		invalid_at = case when p_refused then coalesce(c.invalid_at, clock_timestamp()) else c.invalid_at end
	from app.workspace w
	where w.id = c.workspace_id and w.slug = p_workspace and c.repo_id = app.repo_id(p_repo_key) and c.refresh_lease = p_lease;
$$;
comment on function api.credential_renew_failed(text, text, text, boolean) is 'Ends the lease without a new token. p_refused: GitHub takes the old one no longer, access has to be granted anew.';

create or replace function api.seal_form() returns integer language sql stable security definer set search_path = app, pg_temp as $$
	select f.form from app.seal_form f;
$$;
comment on function api.seal_form() is 'The form in which secrets are to be sealed: 1 as the release before reads it, 2 bound to workspace, repository and purpose.';

create or replace function api.seal_form_bound() returns void language sql volatile security definer set search_path = app, pg_temp as $$
	update app.seal_form set form = 2 where form <> 2;
$$;
comment on function api.seal_form_bound() is 'From now on secrets are sealed in the bound form, which daemons of the release before can''t read.';

create or replace function api.oauth_outcome(p_nonce bytea, p_outcome text)
returns void language sql volatile strict security definer set search_path = app, pg_temp as $$
	update app.oauth_used u set outcome = p_outcome where u.nonce = p_nonce;
$$;
comment on function api.oauth_outcome(bytea, text) is 'Notes where the browser was sent that came with this state.';

create or replace function api.oauth_outcome_of(p_nonce bytea)
returns text language sql stable strict security definer set search_path = app, pg_temp as $$
	select u.outcome from app.oauth_used u where u.nonce = p_nonce and u.expires_at > clock_timestamp();
$$;
comment on function api.oauth_outcome_of(bytea) is 'Where the browser was sent that came with this state; null: it is still under way, not known, or too long ago.';

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
