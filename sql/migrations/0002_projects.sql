-- Repositories that a workspace works on, the credentials for them, and their sandboxes.

create table app.project (
	workspace_id   bigint not null references app.workspace (id),
	repo_key       text not null check (octet_length(repo_key) between 3 and 256),
	repo_url       text not null,
	default_branch text,
	added_at       timestamptz not null default now(),
	position       bigint generated always as identity,
	primary key (workspace_id, repo_key)
);
comment on table app.project is 'A repository that a workspace works on.';
comment on column app.project.workspace_id is 'The workspace it belongs to.';
comment on column app.project.repo_key is 'owner/repo.';
comment on column app.project.repo_url is 'URL of the repository as the client gave it.';
comment on column app.project.default_branch is 'The repository''s default branch, when known.';
comment on column app.project.added_at is 'When it was added.';
comment on column app.project.position is 'Order of addition.';

create table app.credential (
	workspace_id     bigint not null references app.workspace (id),
	repo_key         text not null check (octet_length(repo_key) between 3 and 256),
	sealed           text not null,
	username         text,
	user_id          bigint,
	scope            text,
	authenticated_at timestamptz not null default now(),
	primary key (workspace_id, repo_key)
);
comment on table app.credential is 'The GitHub credential for one repository of one workspace. Not readable by craft_dba.';
comment on column app.credential.workspace_id is 'The workspace it belongs to.';
comment on column app.credential.repo_key is 'owner/repo.';
comment on column app.credential.sealed is 'base64 of IV, AES-256-GCM ciphertext and tag under ENCRYPTION_KEY.';
comment on column app.credential.username is 'GitHub login of the user who granted it.';
comment on column app.credential.user_id is 'GitHub''s number of that user.';
comment on column app.credential.scope is 'The scope that GitHub granted.';
comment on column app.credential.authenticated_at is 'When it was granted.';

create table app.sandbox_session (
	id               uuid primary key,
	workspace_id     bigint not null references app.workspace (id),
	repo_key         text not null check (octet_length(repo_key) between 3 and 256),
	sandbox_id       text not null,
	branch           text not null,
	status           text not null check (status in ('provisioning', 'cloning', 'ready', 'idle', 'expired')),
	error            text,
	created_at       timestamptz not null default now(),
	last_activity_at timestamptz not null default now(),
	expires_at       timestamptz not null
);
create index sandbox_session_workspace on app.sandbox_session (workspace_id, created_at);
comment on table app.sandbox_session is 'A running isolated checkout of one repository.';
comment on column app.sandbox_session.id is 'The sandbox session''s id.';
comment on column app.sandbox_session.workspace_id is 'The workspace it belongs to.';
comment on column app.sandbox_session.repo_key is 'owner/repo.';
comment on column app.sandbox_session.sandbox_id is 'First 8 characters of the id.';
comment on column app.sandbox_session.branch is 'The branch that was checked out.';
comment on column app.sandbox_session.status is 'provisioning, cloning, ready, idle or expired.';
comment on column app.sandbox_session.error is 'Why it failed; null when it didn''t.';
comment on column app.sandbox_session.created_at is 'When it was asked for.';
comment on column app.sandbox_session.last_activity_at is 'Last heartbeat, message or end of a task.';
comment on column app.sandbox_session.expires_at is 'When it ends if nothing happens.';
