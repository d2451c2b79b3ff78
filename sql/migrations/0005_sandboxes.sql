-- Sandboxes that run: their hosts, the jobs that clients give them, and the numbered messages that they answer with.

create table app.sandbox_host (
	id         uuid primary key,
	name       text not null,
	version    text not null,
	capacity   integer not null check (capacity >= 0),
	protection text not null,
	started_at timestamptz not null default now(),
	seen_at    timestamptz not null default now(),
	stopped_at timestamptz
) with (fillfactor = 30);
comment on table app.sandbox_host is 'A craft-sandboxd that runs or ran.';
comment on column app.sandbox_host.id is 'Made once for its directory: it stays the same when the daemon is started again.';
comment on column app.sandbox_host.name is 'The machine''s name.';
comment on column app.sandbox_host.version is 'The program''s version.';
comment on column app.sandbox_host.capacity is 'How many sandboxes it runs at once.';
comment on column app.sandbox_host.protection is 'The protections that are in force there, as its self-check found them.';
comment on column app.sandbox_host.started_at is 'When the daemon was last started.';
comment on column app.sandbox_host.seen_at is 'When it last said that it lives.';
comment on column app.sandbox_host.stopped_at is 'When it was stopped in good order; null: it wasn''t.';

alter table app.sandbox_session
	add host_id uuid references app.sandbox_host (id),
	add claimed_at timestamptz,
	add seq bigint not null default 0,
	add floor bigint not null default 0,
	add commit_id text,
	add ready_at timestamptz,
	add ended_at timestamptz,
	add end_reason text check (end_reason in ('user', 'idle', 'time', 'oom', 'disk', 'crash', 'clone', 'host')),
	add cleaned_at timestamptz,
	add gone_at timestamptz,
	add idle_seconds bigint not null default 1800,
	add check (floor >= 0 and floor <= seq),
	add check ((ended_at is null) = (end_reason is null)),
	set (fillfactor = 30);
drop index app.sandbox_session_workspace;
-- None has a column that changes with every message or touch, so that those updates stay in their page.
create index sandbox_session_workspace on app.sandbox_session (workspace_id, created_at) where gone_at is null;
create index sandbox_session_open on app.sandbox_session (workspace_id) where ended_at is null;
create index sandbox_session_unclaimed on app.sandbox_session (created_at) where host_id is null and ended_at is null;
create index sandbox_session_host on app.sandbox_session (host_id) where cleaned_at is null;
create index sandbox_session_ended on app.sandbox_session (ended_at) where gone_at is null;
create index sandbox_session_gone on app.sandbox_session (gone_at) where gone_at is not null;
comment on table app.sandbox_session is 'A sandbox: an isolated checkout of one repository, running or ended.';
comment on column app.sandbox_session.host_id is 'The host that runs it; null: none has claimed it yet.';
comment on column app.sandbox_session.claimed_at is 'When the host claimed it.';
comment on column app.sandbox_session.seq is 'Number of its latest message; each adds one, without gaps.';
comment on column app.sandbox_session.floor is 'Messages up to this number were pruned from app.sandbox_message.';
comment on column app.sandbox_session.commit_id is 'The commit that was checked out.';
comment on column app.sandbox_session.ready_at is 'When it was first ready.';
comment on column app.sandbox_session.ended_at is 'When it ended (its status is expired since); null: it hasn''t.';
comment on column app.sandbox_session.end_reason is 'Why: user (deleted), idle, time, oom (memory), disk, crash, clone (no checkout), host (the host is gone).';
comment on column app.sandbox_session.cleaned_at is 'When the host had removed all that it had of it; at once where no host had claimed it.';
comment on column app.sandbox_session.gone_at is 'Since when clients are told that they never heard of it; the row stays for the DBAs'' views for 30 days.';
comment on column app.sandbox_session.idle_seconds is 'For how long it lives on after anything happened.';

create table app.sandbox_message (
	session_id uuid not null,
	seq        bigint not null,
	target     text,
	body       text compression lz4 not null,
	created_at timestamptz not null default now(),
	primary key (session_id, seq)
);
comment on table app.sandbox_message is 'What sandboxes say to their WebSocket clients. Stored before it is sent; pruned by age (app.sandbox_session.floor). No foreign key: this is the hot path.';
comment on column app.sandbox_message.session_id is 'app.sandbox_session.id.';
comment on column app.sandbox_message.seq is 'Number of the message: 1, 2, 3… without gaps.';
comment on column app.sandbox_message.target is 'Name of the only client that gets it; null: all that are connected.';
comment on column app.sandbox_message.body is 'One JSON object, byte for byte as sent but for the number that is added.';
comment on column app.sandbox_message.created_at is 'When it was stored.';

create table app.sandbox_job (
	id         bigint generated always as identity primary key,
	session_id uuid not null references app.sandbox_session (id),
	client     text not null,
	kind       text not null check (kind in ('execute', 'tool', 'cancel', 'diff')),
	tool_id    text,
	name       text,
	payload    text compression lz4,
	queued_at  timestamptz not null default now(),
	taken_at   timestamptz,
	ended_at   timestamptz,
	outcome    text check (outcome in ('success', 'failure', 'error', 'cancelled', 'timeout', 'oom', 'host', 'expired')),
	exit_code  integer,
	bytes_in   bigint not null,
	bytes_out  bigint,
	check ((ended_at is null) = (outcome is null)),
	check (ended_at is null or payload is null)
) with (fillfactor = 70);
create index sandbox_job_session on app.sandbox_job (session_id, id);
create index sandbox_job_open on app.sandbox_job (session_id, id) where ended_at is null;
create unique index sandbox_job_execute on app.sandbox_job (session_id) where kind = 'execute' and ended_at is null;
comment on table app.sandbox_job is 'What clients ask of sandboxes. Of a session at most one execute is under way.';
comment on column app.sandbox_job.id is 'Internal number; the order in which jobs came.';
comment on column app.sandbox_job.session_id is 'The sandbox it is for.';
comment on column app.sandbox_job.client is 'Name of the connection that asked.';
comment on column app.sandbox_job.kind is 'execute, tool, cancel or diff.';
comment on column app.sandbox_job.tool_id is 'The id that the client gave a tool call, as JSON text; of a cancel, that of the call to cancel.';
comment on column app.sandbox_job.name is 'The tool''s name.';
comment on column app.sandbox_job.payload is 'The client''s whole message, until the job ends.';
comment on column app.sandbox_job.queued_at is 'When it came.';
comment on column app.sandbox_job.taken_at is 'When the host took it.';
comment on column app.sandbox_job.ended_at is 'When it was over.';
comment on column app.sandbox_job.outcome is 'success; failure (it ran and failed); error (it couldn''t run); cancelled; timeout; oom; host (the host was stopped or is gone); expired (the sandbox ended).';
comment on column app.sandbox_job.exit_code is 'Exit code of what ran.';
comment on column app.sandbox_job.bytes_in is 'Bytes of the client''s message.';
comment on column app.sandbox_job.bytes_out is 'Bytes of the answers.';
