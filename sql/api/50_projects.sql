-- Projects and sandbox sessions, as read over REST, and how a project is remembered.

-- Stable, as extract() is: declared immutable it wouldn't be inlined.
create or replace function app.ms(p_at timestamptz) returns bigint language sql stable as $$
	select pg_catalog.floor(extract(epoch from p_at) * 1000)::bigint;
$$;
comment on function app.ms(timestamptz) is 'A time as milliseconds since 1970.';

create or replace function app.tag_of(p_bodies json[]) returns text language sql immutable set search_path = app, pg_catalog, pg_temp as $$
	select md5(coalesce(array_to_string(p_bodies, ','), ''));
$$;
comment on function app.tag_of(json[]) is 'ETag''s text of a small list that has no change numbers.';

-- Without a search_path of its own, so that it is inlined where it is called.
create or replace function app.repo_id(p_repo_key text) returns text language sql immutable as $$
	select pg_catalog.lower(p_repo_key collate "C");
$$;
comment on function app.repo_id(text) is 'The repo_id that belongs to owner/repo.';

create or replace function app.project_json(p app.project) returns json language sql stable set search_path = app, pg_temp as $$
	select json_build_object('repoKey', p.repo_key, 'repoUrl', p.repo_url, 'defaultBranch', p.default_branch, 'addedAt', app.ms(p.added_at),
		'hasGitHubAuth', exists (select from app.credential c where c.workspace_id = p.workspace_id and c.repo_id = p.repo_id and c.invalid_at is null and c.denied is null));
$$;
comment on function app.project_json(app.project) is 'A project as clients see it.';

create or replace function api.projects(p_workspace text)
returns table (tag text, body json) language sql stable security definer set search_path = app, pg_temp as $$
	with list as (
		select app.project_json(p) as body, p.position from app.project p join app.workspace w on w.id = p.workspace_id where w.slug = p_workspace
	)
	select x.tag, x.body from (
		select app.tag_of((select array_agg(l.body order by l.position) from list l)) as tag, null::json as body, null::bigint as pos
		union all
		select null, l.body, l.position from list l
	) x order by x.pos desc nulls first;
$$;
comment on function api.projects(text) is 'The workspace''s projects, newest first.';

create or replace function api.project(p_workspace text, p_repo_key text)
returns table (tag text, body json) language sql stable security definer set search_path = app, pg_temp as $$
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
comment on function api.project(text, text) is 'One project with the GitHub user who granted access (unless GitHub takes the grant no longer), never the token.';

create or replace function app.project_begin(p_workspace text, p_repo_key text, p_repo_url text)
returns bigint language plpgsql set search_path = app, pg_temp as $$
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
comment on function app.project_begin(text, text, text) is 'Makes the workspace and the project where they are missing; returns the workspace''s number.';

create or replace function api.project_remember(p_workspace text, p_repo_key text, p_repo_url text)
returns void language plpgsql volatile security definer set search_path = app, pg_temp as $$
declare
	v_workspace bigint := app.project_begin(p_workspace, p_repo_key, p_repo_url);
begin
	update app.project p set repo_url = p_repo_url
		where p.workspace_id = v_workspace and p.repo_id = app.repo_id(p_repo_key) and p.repo_url is distinct from p_repo_url;
end
$$;
comment on function api.project_remember(text, text, text) is 'Adds a repository to a workspace (and makes the workspace) where it is missing, else takes the URL over when it is another one. No synced change.';

-- Without a search_path of its own, so that it is inlined where it is called.
create or replace function app.to_uuid(p_text text) returns uuid language sql immutable as $$
	select case when p_text ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then p_text::uuid end;
$$;
comment on function app.to_uuid(text) is 'A UUID as PostgreSQL writes it; null when the text is anything else.';

create or replace function app.sandbox_json(s app.sandbox_session) returns json language sql stable set search_path = app, pg_temp as $$
	select case when s.error is null
		then json_build_object('sessionId', s.id, 'repoKey', s.repo_key, 'sandboxId', s.sandbox_id, 'branch', s.branch, 'status', s.status,
			'createdAt', app.ms(s.created_at), 'lastActivityAt', app.ms(s.last_activity_at), 'expiresAt', app.ms(s.expires_at))
		else json_build_object('sessionId', s.id, 'repoKey', s.repo_key, 'sandboxId', s.sandbox_id, 'branch', s.branch, 'status', s.status,
			'createdAt', app.ms(s.created_at), 'lastActivityAt', app.ms(s.last_activity_at), 'expiresAt', app.ms(s.expires_at), 'error', s.error)
		end;
$$;
comment on function app.sandbox_json(app.sandbox_session) is 'A sandbox session as clients see it.';

create or replace function api.sandboxes(p_workspace text)
returns table (tag text, body json) language sql stable security definer set search_path = app, pg_temp as $$
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
comment on function api.sandboxes(text) is 'The workspace''s sandbox sessions, newest first.';

create or replace function api.sandbox(p_workspace text, p_session text)
returns table (tag text, body json) language sql stable security definer set search_path = app, pg_temp as $$
	select app.tag_of(array[x.body]), x.body from (
		select app.sandbox_json(s) as body from app.sandbox_session s join app.workspace w on w.id = s.workspace_id
		where w.slug = p_workspace and s.id = app.to_uuid(p_session) and s.gone_at is null
	) x;
$$;
comment on function api.sandbox(text, text) is 'One sandbox session.';
