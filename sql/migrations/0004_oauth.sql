-- GitHub OAuth: repositories are named as GitHub does it, without regard to case; whether a credential is still good;
-- states that were used.

-- A column, and not an index of an expression beside the primary key: two inserts at once may meet in one unique index only,
-- or "on conflict" fails in the other one.
alter table app.project
	add repo_id text collate "C" generated always as (lower(repo_key collate "C")) stored,
	drop constraint project_pkey,
	add primary key (workspace_id, repo_id);
comment on column app.project.repo_key is 'owner/repo, as it was first written.';
comment on column app.project.repo_id is 'The same in lower case: names that differ in case alone are one repository at GitHub.';

alter table app.credential
	add repo_id text collate "C" generated always as (lower(repo_key collate "C")) stored,
	add invalid_at timestamptz,
	add checked_at timestamptz,
	drop constraint credential_pkey,
	add primary key (workspace_id, repo_id);
comment on column app.credential.repo_key is 'owner/repo, as it was first written.';
comment on column app.credential.repo_id is 'The same in lower case, as app.project.repo_id.';
comment on column app.credential.invalid_at is 'When GitHub first refused it; null: it is good as far as is known.';
comment on column app.credential.checked_at is 'When GitHub last said whether it is good; null: not since it is stored.';

create table app.oauth_used (
	nonce      bytea primary key check (octet_length(nonce) = 16),
	expires_at timestamptz not null
);
create index oauth_used_expires on app.oauth_used (expires_at);
comment on table app.oauth_used is 'States of GitHub''s OAuth that came back, so that none is taken twice, whichever worker it comes to.';
comment on column app.oauth_used.nonce is 'What is random in the state.';
comment on column app.oauth_used.expires_at is 'When the state expires by itself. The row goes an hour later or some time after that.';
