-- Workspaces and what is synced in them: sessions with their messages, sources, statuses, labels, skills,
-- plans, and the numbered log of every change.

create table app.epoch (
	one   boolean primary key default true check (one),
	token text not null
);
comment on table app.epoch is 'One row: a random text made when the database was made. Part of the epoch that resume tokens carry; see app.epoch_text().';
comment on column app.epoch.one is 'Always true: there is one row.';
comment on column app.epoch.token is 'Random. api.epoch_renew() changes it, which makes every client reload.';
insert into app.epoch (token) values (gen_random_uuid()::text);

create table app.workspace (
	id         bigint generated always as identity primary key,
	slug       text not null unique check (octet_length(slug) between 1 and 1024),
	seq        bigint not null default 0,
	floor      bigint not null default 0,
	created_at timestamptz not null default now(),
	check (floor >= 0 and floor <= seq)
) with (fillfactor = 30);
comment on table app.workspace is 'A named set of synced data. The first write creates it. Its row is the lock that puts the workspace''s changes in order.';
comment on column app.workspace.id is 'Internal number.';
comment on column app.workspace.slug is 'The name that clients use in URLs, up to 1,024 bytes.';
comment on column app.workspace.seq is 'Number of the latest change; each change adds one, in commit order, without gaps.';
comment on column app.workspace.floor is 'Changes up to this number were pruned from app.change_log.';
comment on column app.workspace.created_at is 'When the first write came.';

create table app.session (
	key           bigint generated always as identity primary key,
	workspace_id  bigint not null references app.workspace (id),
	id            text not null check (octet_length(id) between 1 and 1024),
	version       bigint not null,
	updated_seq   bigint not null,
	header        json compression lz4 not null,
	name          text,
	is_flagged    boolean,
	status        text,
	model         text,
	message_count integer not null default 0 check (message_count >= 0),
	message_bytes bigint not null default 0 check (message_bytes >= 0),
	created_at    timestamptz,
	last_used_at  timestamptz,
	updated_at    timestamptz not null default now(),
	unique (workspace_id, id)
) with (fillfactor = 70);
comment on table app.session is 'One conversation of a workspace: its header as the client wrote it, and typed copies of what people ask for.';
comment on column app.session.key is 'Internal number; app.message refers to it.';
comment on column app.session.workspace_id is 'The workspace it belongs to.';
comment on column app.session.id is 'The id that the client gave, unique in the workspace.';
comment on column app.session.version is 'A random number set anew at every change of the session: a writer that based its text on another version is refused.';
comment on column app.session.updated_seq is 'Number of the change that touched the session last.';
comment on column app.session.header is 'The header object, byte for byte what the client sent or what top-level merges made of it. Never extract from it in SQL: a \u0000 or an unpaired surrogate anywhere in it makes -> fail.';
comment on column app.session.name is 'header.name, cleaned for reading; null when the header has none.';
comment on column app.session.is_flagged is 'header.isFlagged; null when the header has none.';
comment on column app.session.status is 'header.todoState or header.status, cleaned for reading.';
comment on column app.session.model is 'header.model, cleaned for reading.';
comment on column app.session.message_count is 'Number of rows in app.message.';
comment on column app.session.message_bytes is 'Their bytes as JSON text, before compression.';
comment on column app.session.created_at is 'header.createdAt (milliseconds since 1970), as a time.';
comment on column app.session.last_used_at is 'header.lastUsedAt (milliseconds since 1970), as a time.';
comment on column app.session.updated_at is 'When the server last changed the row.';

create table app.message (
	session_key bigint not null,
	idx         integer not null check (idx >= 0),
	hash        bigint not null,
	body        json compression lz4 not null,
	primary key (session_key, idx)
);
comment on table app.message is 'One element of a session''s messages array. A save writes only the rows that differ. No foreign key: this is the hot path, and the functions of api that delete a session delete its messages.';
comment on column app.message.session_key is 'app.session.key.';
comment on column app.message.idx is 'Position in the array, from 0, without gaps.';
comment on column app.message.hash is 'XXH3-64 of the body''s bytes, as a signed number: tells whether a row differs without reading it.';
comment on column app.message.body is 'The element, byte for byte as the client sent it.';

create table app.source (
	workspace_id bigint not null references app.workspace (id),
	slug         text not null check (octet_length(slug) between 1 and 1024),
	config       json compression lz4,
	guide        json compression lz4,
	position     bigint generated always as identity,
	created_at   timestamptz not null default now(),
	updated_at   timestamptz not null default now(),
	primary key (workspace_id, slug)
);
comment on table app.source is 'A source (a connection to some service) of a workspace.';
comment on column app.source.workspace_id is 'The workspace it belongs to.';
comment on column app.source.slug is 'Its name, unique in the workspace.';
comment on column app.source.config is 'The config object as sent; null while only a guide was saved.';
comment on column app.source.guide is 'The guide as sent, any JSON value; null when there is none.';
comment on column app.source.position is 'Order of creation.';
comment on column app.source.created_at is 'When it was first saved.';
comment on column app.source.updated_at is 'When it was last saved.';

create table app.workspace_config (
	workspace_id bigint not null references app.workspace (id),
	kind         text not null check (kind in ('statuses', 'labels')),
	config       json compression lz4 not null,
	updated_at   timestamptz not null default now(),
	primary key (workspace_id, kind)
);
comment on table app.workspace_config is 'The statuses and the labels of a workspace.';
comment on column app.workspace_config.workspace_id is 'The workspace it belongs to.';
comment on column app.workspace_config.kind is 'statuses or labels.';
comment on column app.workspace_config.config is 'The config object as sent.';
comment on column app.workspace_config.updated_at is 'When it was last saved.';

create table app.skill (
	workspace_id bigint not null references app.workspace (id),
	slug         text not null check (octet_length(slug) between 1 and 1024),
	content      json compression lz4 not null,
	metadata     json compression lz4 not null,
	position     bigint generated always as identity,
	created_at   timestamptz not null default now(),
	updated_at   timestamptz not null default now(),
	primary key (workspace_id, slug)
);
comment on table app.skill is 'A skill of a workspace.';
comment on column app.skill.workspace_id is 'The workspace it belongs to.';
comment on column app.skill.slug is 'Its name, unique in the workspace.';
comment on column app.skill.content is 'The content as a JSON string, escapes as sent.';
comment on column app.skill.metadata is 'The metadata as sent.';
comment on column app.skill.position is 'Order of creation.';
comment on column app.skill.created_at is 'When it was first saved.';
comment on column app.skill.updated_at is 'When it was last saved.';

create table app.plan (
	workspace_id bigint not null references app.workspace (id),
	session_id   text not null check (octet_length(session_id) between 1 and 1024),
	name         text not null check (octet_length(name) between 1 and 1024),
	content      json compression lz4 not null,
	modified_at  timestamptz not null default clock_timestamp(),
	modified_seq bigint not null,
	primary key (workspace_id, session_id, name)
);
comment on table app.plan is 'A plan file of a session. The session needn''t have been saved yet.';
comment on column app.plan.workspace_id is 'The workspace it belongs to.';
comment on column app.plan.session_id is 'Id of the session, as app.session.id.';
comment on column app.plan.name is 'File name, unique in the session.';
comment on column app.plan.content is 'The content as a JSON string, escapes as sent.';
comment on column app.plan.modified_at is 'When it was last saved.';
comment on column app.plan.modified_seq is 'Number of the change that saved it last: the exact order.';

create table app.change_log (
	workspace_id bigint not null,
	seq          bigint not null,
	entity       text not null,
	action       text not null,
	entity_id    text,
	origin       text,
	data         json compression lz4 not null,
	at           timestamptz not null default now(),
	primary key (workspace_id, seq)
);
comment on table app.change_log is 'Every change of every workspace in commit order, as broadcast to clients; pruned by age and count (app.workspace.floor).';
comment on column app.change_log.workspace_id is 'The workspace that changed.';
comment on column app.change_log.seq is 'Number of the change in the workspace: 1, 2, 3… without gaps.';
comment on column app.change_log.entity is 'What changed: session, source, statuses, labels, skill, plan.';
comment on column app.change_log.action is 'created, updated or deleted.';
comment on column app.change_log.entity_id is 'Its id, slug or file name; null for statuses and labels.';
comment on column app.change_log.origin is 'The connection that made the change (it is not told again); null for REST actions and for SQL.';
comment on column app.change_log.data is 'The event''s data, byte for byte as broadcast.';
comment on column app.change_log.at is 'Start of the transaction that made the change.';

create table app.seen_request (
	workspace_id bigint not null,
	client       text not null check (octet_length(client) between 1 and 256),
	request      bytea not null,
	payload      bigint not null,
	seq          bigint not null,
	answer       json compression lz4,
	at           timestamptz not null default now(),
	primary key (workspace_id, client, request)
);
create index seen_request_at on app.seen_request using brin (at);
comment on table app.seen_request is 'Mutations of clients that named themselves (?client=), so that one sent again is applied once. Kept for a day.';
comment on column app.seen_request.workspace_id is 'The workspace that changed.';
comment on column app.seen_request.client is 'The name that the client gave itself.';
comment on column app.seen_request.request is 'SHA-256 of the requestId''s JSON text.';
comment on column app.seen_request.payload is 'XXH3-64 of type and data: a requestId used again for something else is refused.';
comment on column app.seen_request.seq is 'Number of the change that it made.';
comment on column app.seen_request.answer is 'Data of the answer; null stands for {"success":true}.';
comment on column app.seen_request.at is 'When it was applied.';

create type api.outcome as (
	status       text,
	workspace_id bigint,
	seq          bigint,
	answer       json
);
comment on type api.outcome is 'What a mutation answers: status is ok (applied), repeat (the client had sent it before; seq and answer are those of the first time, a null answer standing for {"success":true}), reused (the client used this requestId for something else before), exists or not_found (nothing changed).';
comment on column api.outcome.status is 'ok, repeat, reused, exists or not_found.';
comment on column api.outcome.workspace_id is 'app.workspace.id; null when the workspace doesn''t exist.';
comment on column api.outcome.seq is 'Number of the change; null when nothing changed.';
comment on column api.outcome.answer is 'Only with repeat: the first answer''s data.';

create type api.session_columns as (
	name         text,
	is_flagged   boolean,
	status       text,
	model        text,
	created_ms   bigint,
	last_used_ms bigint
);
comment on type api.session_columns is 'The typed copies of header fields, extracted by the caller.';
comment on column api.session_columns.name is 'header.name.';
comment on column api.session_columns.is_flagged is 'header.isFlagged.';
comment on column api.session_columns.status is 'header.todoState or header.status.';
comment on column api.session_columns.model is 'header.model.';
comment on column api.session_columns.created_ms is 'header.createdAt, milliseconds since 1970.';
comment on column api.session_columns.last_used_ms is 'header.lastUsedAt, milliseconds since 1970.';

create type api.request as (
	origin  text,
	client  text,
	id      bytea,
	payload bigint
);
comment on type api.request is 'Who asks: the connection (not told of its own change) and, for clients that named themselves, what is needed to apply a repeated request once. Null for SQL users.';
comment on column api.request.origin is 'The connection; null for REST and SQL.';
comment on column api.request.client is 'The name that the client gave itself; null: no protection against repeats.';
comment on column api.request.id is 'SHA-256 of the requestId''s JSON text.';
comment on column api.request.payload is 'Hash of what is asked.';
