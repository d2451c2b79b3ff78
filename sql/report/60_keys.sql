-- Keys that open one workspace each: whose they are, and how they are used. Nothing that opens anything.

create or replace view report.keys as
	select k.workspace, k.name, k.id as key_id, k.read_only, k.per_minute, k.created_at, k.last_used_at, k.expires_at, k.revoked_at,
		k.revoked_at is null and coalesce(k.expires_at > now(), true) as live
	from app.api_key k;
comment on view report.keys is 'The keys that open one workspace each (craft-cloud key), those too that were revoked.';
comment on column report.keys.workspace is 'Slug of the workspace that it opens.';
comment on column report.keys.name is 'What people call it.';
comment on column report.keys.key_id is 'The part of the key that is no secret.';
comment on column report.keys.read_only is 'Whether it changes nothing.';
comment on column report.keys.per_minute is 'How many requests it may make in a minute; null: any number.';
comment on column report.keys.created_at is 'When it was made.';
comment on column report.keys.last_used_at is 'The hour in which it was last used; null: never.';
comment on column report.keys.expires_at is 'From when on it opens nothing; null: it doesn''t expire.';
comment on column report.keys.revoked_at is 'When it was revoked; null: it wasn''t.';
comment on column report.keys.live is 'Whether it opens the workspace now.';
