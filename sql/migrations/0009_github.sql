-- GitHub's tokens that expire, repositories that a good token may not read, what became of a login, and the form in which
-- secrets are sealed.

alter table app.credential
	add denied text check (denied in ('no_access', 'sso')),
	add refresh_lease text,
	add refresh_until timestamptz;
comment on column app.credential.denied is 'Why GitHub last let the credential not see the repository, though the token is good: no_access, or sso (the organization wants a session of its single sign-on); null: it did.';
comment on column app.credential.refresh_lease is 'Whose the right is to renew the token: a random text; null: nobody''s.';
comment on column app.credential.refresh_until is 'Until when that right lasts; after it others may try.';
comment on column app.credential.sealed is 'The token and what belongs to it, AES-256-GCM under ENCRYPTION_KEY: base64 of IV, ciphertext and tag; with 2: before it, bound to this workspace and repository.';

alter table app.oauth_used add outcome text check (octet_length(outcome) <= 8192);
comment on column app.oauth_used.outcome is 'Where the browser was sent in the end, so that a page that is loaded again can lead there; null: not known.';

create table app.seal_form (
	one  boolean primary key default true check (one),
	form integer not null check (form in (1, 2))
);
comment on table app.seal_form is 'One row: the form in which daemons and craft-cloud seal secrets.';
comment on column app.seal_form.one is 'Always true: there is one row.';
comment on column app.seal_form.form is '1: what the release before reads, too; 2: bound to workspace, repository and purpose. craft-cloud rekey sets it to 2.';
-- Where nothing was ever stored there are no daemons of the release before.
insert into app.seal_form (form) select case when exists (select from app.workspace) or exists (select from app.api_key)
	or exists (select from app.sandbox_host) then 1 else 2 end;
