-- Projects. Of credentials only whose they are: the sealed token is in no view.

create or replace view report.projects as
	select w.slug as workspace, p.repo_key, p.repo_url, p.default_branch, p.added_at,
		c.repo_id is not null and c.invalid_at is null as has_github_auth, c.username as github_username, c.scope as github_scope,
		c.authenticated_at as github_authenticated_at, c.checked_at as github_checked_at, c.invalid_at as github_invalid_at
	from app.project p
	join app.workspace w on w.id = p.workspace_id
	left join app.credential c on c.workspace_id = p.workspace_id and c.repo_id = p.repo_id;
comment on view report.projects is 'The repositories that the workspaces work on.';
comment on column report.projects.workspace is 'The workspace it belongs to.';
comment on column report.projects.repo_key is 'owner/repo.';
comment on column report.projects.repo_url is 'URL of the repository as the client gave it.';
comment on column report.projects.default_branch is 'The default branch, when known.';
comment on column report.projects.added_at is 'When it was added.';
comment on column report.projects.has_github_auth is 'Whether a GitHub credential is stored that GitHub hasn''t refused. (Whether ENCRYPTION_KEY opens it the database can''t tell.)';
comment on column report.projects.github_username is 'GitHub login of the user who granted it.';
comment on column report.projects.github_scope is 'The scope that GitHub granted.';
comment on column report.projects.github_authenticated_at is 'When it was granted.';
comment on column report.projects.github_checked_at is 'When GitHub last said whether it is good.';
comment on column report.projects.github_invalid_at is 'When GitHub first refused it: it has to be granted anew. Null: it didn''t.';
