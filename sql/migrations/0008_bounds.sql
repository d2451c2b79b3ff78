-- SHA-256 where a number of 64 bits stood for contents; logs that have a bound in bytes; names that no URL can name;
-- workspaces that were deleted.

alter table app.workspace
	add log_bytes bigint not null default 0,
	add constraint workspace_slug_fits_into_urls check (slug not in ('.', '..')) not valid;
comment on column app.workspace.log_bytes is 'Bytes of its changes in app.change_log as JSON text; those logged before this column was made aren''t counted.';

create table app.workspace_gone (
	slug         text primary key,
	seq          bigint not null,
	file_changes bigint not null,
	gone_at      timestamptz not null default now()
);
comment on table app.workspace_gone is 'Workspaces that were deleted. One that is made anew goes on with the numbers, so that nobody takes them for those it knows, and leaves this table.';
comment on column app.workspace_gone.slug is 'Its name.';
comment on column app.workspace_gone.seq is 'The number beyond that of its last change: the floor of the one that is made anew.';
comment on column app.workspace_gone.file_changes is 'The same of app.file_usage.changes.';
comment on column app.workspace_gone.gone_at is 'When it was deleted.';

create table app.log_limit (
	one          boolean primary key default true check (one),
	change_bytes bigint not null check (change_bytes > 0),
	stream_bytes bigint not null check (stream_bytes > 0)
);
comment on table app.log_limit is 'One row: how long logs may get. Bridges write it when they start (api.log_limit_set()).';
comment on column app.log_limit.one is 'Always true: there is one row.';
comment on column app.log_limit.change_bytes is 'CHANGE_LOG_BYTES: most bytes of a workspace''s changes in app.change_log.';
comment on column app.log_limit.stream_bytes is 'SANDBOX_STREAM_BYTES: most bytes of the messages of a workspace''s sandboxes in app.sandbox_message.';
insert into app.log_limit (change_bytes, stream_bytes) values (134217728, 134217728);

-- Not valid: what is there already can be read and deleted.
alter table app.session add constraint session_id_fits_into_urls check (id not in ('.', '..')) not valid;
alter table app.source add constraint source_slug_fits_into_urls check (slug not in ('.', '..')) not valid;
alter table app.skill add constraint skill_slug_fits_into_urls check (slug not in ('.', '..')) not valid;
alter table app.plan add constraint plan_name_fits_into_urls check (session_id not in ('.', '..') and name not in ('.', '..')) not valid;

alter table app.message
	add sha256 bytea,
	alter hash drop not null;
comment on column app.message.sha256 is 'SHA-256 of the body''s bytes: tells whether a row differs without reading it. Null in rows that were written before this column was made.';
comment on column app.message.hash is 'XXH3-64 of the body''s bytes, as a signed number; only where a bridge of an older version wrote it, for which it is. Anybody can make two bodies that have the same.';

alter table app.change_log add bytes integer;
comment on column app.change_log.bytes is 'Bytes of the data as JSON text; null in rows that were written before this column was made.';

alter table app.seen_request
	add sha256 bytea,
	add echoes boolean not null default false;
comment on column app.seen_request.payload is 'XXH3-64 of type and data, for bridges of an older version.';
comment on column app.seen_request.sha256 is 'SHA-256 of type and data: a requestId used again for something else is refused. Null where a bridge of an older version wrote the row.';
comment on column app.seen_request.echoes is 'Whether the answer''s data are those of the change with number seq, in app.change_log.';
comment on column app.seen_request.answer is 'Data of the answer, where a function of an older version wrote the row. Else null: see echoes; and what doesn''t echo was answered with {"success":true}.';
comment on column api.request.id is 'SHA-256 of the requestId''s JSON text, followed by SHA-256 of what is asked; without that only from bridges of an older version.';
comment on column api.request.payload is 'XXH3-64 of what is asked, for bridges of an older version.';

alter table app.sandbox_session add stream_bytes bigint not null default 0;
comment on column app.sandbox_session.stream_bytes is 'Bytes of its messages in app.sandbox_message; those stored before this column was made aren''t counted.';
