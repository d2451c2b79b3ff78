-- Workspaces, their sessions, and what happened in them. Documents are shown as text and never looked into:
-- a NUL escape or half a surrogate pair in a client's JSON would make the whole view fail.

create or replace view report.workspaces as
	select w.slug as workspace, coalesce(s.sessions, 0) as sessions, coalesce(s.messages, 0) as messages,
		coalesce(s.bytes, 0) as message_bytes, w.seq as changes, w.floor as pruned_up_to, l.at as last_change_at, w.created_at,
		w.id as workspace_id, coalesce(u.files, 0) as files, coalesce(u.bytes, 0) as file_bytes, w.log_bytes
	from app.workspace w
	left join (
		select x.workspace_id, count(*) as sessions, sum(x.message_count) as messages, sum(x.message_bytes)::bigint as bytes
		from app.session x group by x.workspace_id
	) s on s.workspace_id = w.id
	left join app.change_log l on l.workspace_id = w.id and l.seq = w.seq
	left join app.file_usage u on u.workspace_id = w.id;
comment on view report.workspaces is 'The workspaces and how much is in them.';
comment on column report.workspaces.workspace is 'Its name (slug).';
comment on column report.workspaces.sessions is 'Number of sessions.';
comment on column report.workspaces.messages is 'Number of messages in all its sessions.';
comment on column report.workspaces.message_bytes is 'Their bytes as JSON text, before compression.';
comment on column report.workspaces.changes is 'Number of the latest change, which is how many there have been.';
comment on column report.workspaces.pruned_up_to is 'Changes up to this number are no longer in report.changes.';
comment on column report.workspaces.last_change_at is 'Time of the latest change; null when it was pruned.';
comment on column report.workspaces.created_at is 'When the first write came.';
comment on column report.workspaces.workspace_id is 'Internal number, as in notifications on craft_changes.';
comment on column report.workspaces.files is 'Number of files in all its sessions, and of its assets.';
comment on column report.workspaces.file_bytes is 'Their bytes.';
comment on column report.workspaces.log_bytes is 'Bytes of its changes in report.changes, of which CHANGE_LOG_BYTES are kept.';

create or replace view report.sessions as
	select w.slug as workspace, s.id as session, s.name, s.status, s.is_flagged, s.model, s.message_count as messages,
		s.message_bytes, s.created_at, s.last_used_at, s.updated_at, s.updated_seq as changed_by,
		octet_length(s.header::text) as header_bytes, s.header::text as header
	from app.session s join app.workspace w on w.id = s.workspace_id;
comment on view report.sessions is 'The sessions (conversations) of all workspaces.';
comment on column report.sessions.workspace is 'The workspace it belongs to.';
comment on column report.sessions.session is 'Its id, unique in the workspace.';
comment on column report.sessions.name is 'Name, cleaned: what text can''t hold became U+FFFD.';
comment on column report.sessions.status is 'The status that the app gave it.';
comment on column report.sessions.is_flagged is 'Whether it is flagged; null when its header doesn''t say.';
comment on column report.sessions.model is 'The model that it uses.';
comment on column report.sessions.messages is 'Number of messages.';
comment on column report.sessions.message_bytes is 'Their bytes as JSON text, before compression.';
comment on column report.sessions.created_at is 'When the client made it, by the client''s clock.';
comment on column report.sessions.last_used_at is 'When it was last used, by the client''s clock.';
comment on column report.sessions.updated_at is 'When the server last changed it.';
comment on column report.sessions.changed_by is 'Number of the change that touched it last (report.changes.seq).';
comment on column report.sessions.header_bytes is 'Bytes of the header.';
comment on column report.sessions.header is 'The header as JSON text, as the client wrote it. Don''t cast it to jsonb: see the comment of app.session.header.';

create or replace view report.messages as
	select w.slug as workspace, s.id as session, m.idx as position, octet_length(m.body::text) as bytes,
		encode(coalesce(m.sha256, sha256(convert_to(m.body::text, 'UTF8'))), 'hex') as hash, m.body::text as body
	from app.message m join app.session s on s.key = m.session_key join app.workspace w on w.id = s.workspace_id;
comment on view report.messages is 'The messages of all sessions. Ask for one session: where workspace = … and session = … order by position.';
comment on column report.messages.workspace is 'The workspace it belongs to.';
comment on column report.messages.session is 'The session it belongs to.';
comment on column report.messages.position is 'Place in the conversation, from 0.';
comment on column report.messages.bytes is 'Bytes of the body.';
comment on column report.messages.hash is 'SHA-256 of the body''s bytes, in hex.';
comment on column report.messages.body is 'The message as JSON text, as the client wrote it.';

create or replace view report.changes as
	select w.slug as workspace, l.seq, l.at, l.entity, l.action, l.entity_id, l.origin, octet_length(l.data::text) as bytes, l.data::text as data
	from app.change_log l join app.workspace w on w.id = l.workspace_id;
comment on view report.changes is 'Every change still in the log, as it was broadcast to the clients.';
comment on column report.changes.workspace is 'The workspace that changed.';
comment on column report.changes.seq is 'Number of the change in the workspace, without gaps, in the order of the commits.';
comment on column report.changes.at is 'Start of the transaction that made it.';
comment on column report.changes.entity is 'What changed: session, source, statuses, labels, skill, plan.';
comment on column report.changes.action is 'created, updated or deleted.';
comment on column report.changes.entity_id is 'Its id, slug or file name; null for statuses and labels.';
comment on column report.changes.origin is 'The connection that made it; null for REST actions and SQL.';
comment on column report.changes.bytes is 'Bytes of the data.';
comment on column report.changes.data is 'The event''s data as JSON text.';

create or replace view report.requests as
	select w.slug as workspace, r.client, encode(r.request, 'hex') as request, r.seq, r.at, r.echoes
	from app.seen_request r join app.workspace w on w.id = r.workspace_id;
comment on view report.requests is 'The requests that are remembered so that one sent again is applied once.';
comment on column report.requests.workspace is 'The workspace that it changed.';
comment on column report.requests.client is 'The name that the client gave itself.';
comment on column report.requests.request is 'SHA-256 of the requestId''s JSON text, in hex.';
comment on column report.requests.seq is 'Number of the change that it made.';
comment on column report.requests.at is 'When it was applied.';
comment on column report.requests.echoes is 'Whether the answer was the data of that change; else it was {"success":true}.';
