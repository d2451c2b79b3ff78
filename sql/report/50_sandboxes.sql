-- Sandboxes, what was asked of them, and their hosts. Nothing of what clients and sandboxes said to each other.

create or replace view report.sandboxes as
	select w.slug as workspace, s.id as sandbox_session, s.sandbox_id, s.repo_key, s.branch, s.status, s.error, s.created_at,
		s.last_activity_at, s.expires_at, h.name as host, s.claimed_at, s.ready_at, s.commit_id, s.ended_at, s.end_reason, s.cleaned_at,
		s.seq as messages, s.request_id
	from app.sandbox_session s join app.workspace w on w.id = s.workspace_id left join app.sandbox_host h on h.id = s.host_id;
comment on view report.sandboxes is 'The sandbox sessions: isolated checkouts that run, or ended in the last 30 days.';
comment on column report.sandboxes.workspace is 'The workspace it belongs to.';
comment on column report.sandboxes.sandbox_session is 'The sandbox session''s id.';
comment on column report.sandboxes.sandbox_id is 'First 8 characters of the id.';
comment on column report.sandboxes.repo_key is 'owner/repo.';
comment on column report.sandboxes.branch is 'The branch that was checked out.';
comment on column report.sandboxes.status is 'provisioning, cloning, ready, idle or expired.';
comment on column report.sandboxes.error is 'Why it failed; null when it didn''t.';
comment on column report.sandboxes.created_at is 'When it was asked for.';
comment on column report.sandboxes.last_activity_at is 'Last heartbeat, message or end of a task.';
comment on column report.sandboxes.expires_at is 'When it ends if nothing happens.';
comment on column report.sandboxes.host is 'Name of the host that runs it; null: none has claimed it.';
comment on column report.sandboxes.claimed_at is 'When the host claimed it.';
comment on column report.sandboxes.ready_at is 'When its checkout was first ready.';
comment on column report.sandboxes.commit_id is 'The commit that was checked out.';
comment on column report.sandboxes.ended_at is 'When it ended; null: it runs.';
comment on column report.sandboxes.end_reason is 'user (deleted), idle, time, oom (memory), disk, crash, clone (no checkout), host (the host is gone).';
comment on column report.sandboxes.cleaned_at is 'When the host had removed all of it.';
comment on column report.sandboxes.messages is 'How many messages it sent its clients.';
comment on column report.sandboxes.request_id is 'Id of the request that asked for it: what req is in the log lines about it; null: not known.';

create or replace view report.tasks as
	select w.slug as workspace, j.session_id as sandbox_session, j.id as task, j.client, j.kind, j.name as tool, j.queued_at, j.taken_at, j.ended_at,
		j.outcome, j.exit_code, j.bytes_in, j.bytes_out, j.request_id
	from app.sandbox_job j join app.sandbox_session s on s.id = j.session_id join app.workspace w on w.id = s.workspace_id;
comment on view report.tasks is 'What was asked of sandboxes: tasks for the agent, tool calls, diffs, cancellations.';
comment on column report.tasks.workspace is 'The workspace it belongs to.';
comment on column report.tasks.sandbox_session is 'The sandbox (report.sandboxes) that it was for.';
comment on column report.tasks.task is 'Its number, in the order in which they came.';
comment on column report.tasks.client is 'Name of the connection that asked.';
comment on column report.tasks.kind is 'execute, tool, cancel or diff.';
comment on column report.tasks.tool is 'The tool''s name; null where it is none.';
comment on column report.tasks.queued_at is 'When it came.';
comment on column report.tasks.taken_at is 'When the host took it.';
comment on column report.tasks.ended_at is 'When it was over; null: it runs or waits.';
comment on column report.tasks.outcome is 'success; failure (it ran and failed); error (it couldn''t run); cancelled; timeout; oom; host (the host was stopped or is gone); expired (the sandbox ended).';
comment on column report.tasks.exit_code is 'Exit code of what ran.';
comment on column report.tasks.bytes_in is 'Bytes of the client''s message.';
comment on column report.tasks.bytes_out is 'Bytes of the answers.';
comment on column report.tasks.request_id is 'Id of the request by which the client connected: what req is in the log lines about it; null: not known.';

create or replace view report.sandbox_hosts as
	select h.name as host, h.id as host_id, h.version, h.protection, h.capacity,
		(select count(*) from app.sandbox_session s where s.host_id = h.id and s.cleaned_at is null and s.ended_at is null) as sandboxes,
		(select count(*) from app.sandbox_session s where s.host_id = h.id and s.cleaned_at is null and s.ended_at is not null) as to_clean,
		h.stopped_at is null and h.seen_at > now() - interval '30 s' as alive, h.started_at, h.seen_at, h.stopped_at
	from app.sandbox_host h;
comment on view report.sandbox_hosts is 'The machines that run sandboxes, or did in the last 30 days.';
comment on column report.sandbox_hosts.host is 'The machine''s name.';
comment on column report.sandbox_hosts.host_id is 'Its id, made once for its SANDBOX_DIR.';
comment on column report.sandbox_hosts.version is 'Version of craft-sandboxd.';
comment on column report.sandbox_hosts.protection is 'The protections in force, as its self-check found them.';
comment on column report.sandbox_hosts.capacity is 'How many sandboxes it runs at once (SANDBOX_MAX).';
comment on column report.sandbox_hosts.sandboxes is 'How many it runs now.';
comment on column report.sandbox_hosts.to_clean is 'How many ended whose files it has not removed yet.';
comment on column report.sandbox_hosts.alive is 'Whether it said so in the last 30 seconds: only then it gets new sandboxes.';
comment on column report.sandbox_hosts.started_at is 'When the daemon was last started.';
comment on column report.sandbox_hosts.seen_at is 'When it last said that it lives.';
comment on column report.sandbox_hosts.stopped_at is 'When it was stopped in good order; null: it wasn''t.';
