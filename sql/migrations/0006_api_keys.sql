-- Keys that open one workspace each.

create table app.api_key (
	id           text collate "C" primary key check (id ~ '^[0-9a-f]{16}$'),
	workspace    text not null check (octet_length(workspace) between 1 and 1024),
	name         text not null check (octet_length(name) between 1 and 100 and name !~ '[[:cntrl:]]'),
	sha256       bytea not null check (octet_length(sha256) = 32),
	sealed       text,
	read_only    boolean not null,
	per_minute   integer check (per_minute > 0),
	created_at   timestamptz not null default now(),
	expires_at   timestamptz,
	revoked_at   timestamptz,
	last_used_at timestamptz,
	check ((sealed is null) = (revoked_at is not null))
);
create unique index api_key_name on app.api_key (workspace, name) where revoked_at is null;
comment on table app.api_key is 'Keys that open one workspace each, made by craft-cloud key add. Those that were revoked stay, without what opens anything.';
comment on column app.api_key.id is 'The part of the key that finds its row: 16 hex digits, no secret.';
comment on column app.api_key.workspace is 'Slug of the workspace that it opens, which need not have been written to yet.';
comment on column app.api_key.name is 'What people call it; of a workspace''s keys that aren''t revoked no two have the same name.';
comment on column app.api_key.sha256 is 'SHA-256 of the key''s text. The key holds 256 random bits, so that this opens nothing.';
comment on column app.api_key.sealed is 'The key''s text, AES-256-GCM under ENCRYPTION_KEY, for what is computed with the key itself: signed URLs, and the keys that sandboxes'' clients encrypt with. Null once it is revoked.';
comment on column app.api_key.read_only is 'Whether it changes nothing.';
comment on column app.api_key.per_minute is 'How many requests it may make in a minute; null: any number.';
comment on column app.api_key.created_at is 'When it was made.';
comment on column app.api_key.expires_at is 'From when on it opens nothing; null: it doesn''t expire.';
comment on column app.api_key.revoked_at is 'When it was revoked; null: it wasn''t.';
comment on column app.api_key.last_used_at is 'The hour in which it was last used; null: never.';

alter table app.sandbox_job add key_id text collate "C";
comment on column app.sandbox_job.key_id is 'app.api_key.id of the key that its client came with; null: API_KEY.';
