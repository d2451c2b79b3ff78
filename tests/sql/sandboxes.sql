-- Sandboxes: made within limits, claimed by hosts, given jobs, their numbered messages, their many ends, housekeeping, views.
begin;
select plan(189);

-- Two hosts by their numbers.
create function tap.host(p_n integer) returns uuid language sql immutable as $$ select ('00000000-0000-4000-8000-00000000000' || p_n)::uuid $$;
create function tap.host_begin(p_n integer, p_capacity integer) returns void language sql as $$
	select api.host_begin(tap.host(p_n), 'host' || p_n, '1.0', p_capacity, 'all')
$$;
create function tap.silent(p_n integer, p_seconds integer) returns void language sql as $$
	update app.sandbox_host set seen_at = clock_timestamp() - make_interval(secs => p_seconds) where id = tap.host(p_n)
$$;
-- Sandboxes by the name of their branch.
create function tap.make(p_branch text, p_workspace text default 'w', p_max integer default 100, p_repo text default 'o/r') returns text language sql as $$
	select concat_ws(' ', c.status, c.in_use) from api.sandbox_create(p_workspace, p_repo, p_branch, 1800, p_max) c
$$;
create function tap.id(p_branch text) returns text language sql stable as $$ select s.id::text from app.sandbox_session s where s.branch = p_branch $$;
create function tap.sandbox(p_branch text) returns app.sandbox_session language sql stable as $$ select s from app.sandbox_session s where s.branch = p_branch $$;
create function tap.claim(p_n integer, p_limit integer default 100) returns text language sql as $$
	select string_agg(c.branch, ' ') from api.sandbox_claim(tap.host(p_n), p_limit) c
$$;
create function tap.ready(p_n integer, p_branch text) returns boolean language sql as $$
	select api.sandbox_state(tap.host(p_n), tap.id(p_branch), 'ready', null, 'c0ffee')
$$;
create function tap.submit(p_branch text, p_kind text default 'tool', p_tool_id text default null, p_payload text default '{}', p_client text default 'me')
returns text language sql as $$
	select concat_ws(' ', s.status, s.host) from api.sandbox_submit('w', tap.id(p_branch), p_client, p_kind, p_tool_id, 'Bash', p_payload, 1800) s
$$;
create function tap.jobs(p_n integer, p_limit integer default 100, p_again boolean default false) returns text language sql as $$
	select string_agg(s.branch || ':' || j.payload, ' ' order by j.job) from api.sandbox_jobs(tap.host(p_n), p_limit, p_again) j join app.sandbox_session s on s.id::text = j.session
$$;
create function tap.append(p_n integer, p_branch text, p_after bigint, variadic p_bodies text[]) returns bigint language sql as $$
	select api.sandbox_append(tap.host(p_n), tap.id(p_branch), p_after, array_fill(''::text, array[cardinality(p_bodies)]), p_bodies)
$$;
create function tap.said(p_branch text, p_since bigint default 0, p_limit integer default 100) returns text language sql as $$
	select string_agg(concat_ws(' ', m.seq, m.target, m.body), ', ' order by m.seq) from api.sandbox_messages(tap.id(p_branch), p_since, p_limit) m
$$;
create function tap.outcomes(p_branch text) returns text language sql stable as $$
	select string_agg(concat_ws(' ', j.kind, j.outcome, case when j.payload is not null then 'kept' end), ', ' order by j.id) from app.sandbox_job j where j.session_id::text = tap.id(p_branch)
$$;
create function tap.soon(p_at timestamptz, p_seconds integer) returns boolean language sql as $$
	select abs(extract(epoch from p_at - clock_timestamp()) - p_seconds) < 60
$$;
-- Everything there is, to see that nothing changed.
create function tap.state() returns text language sql as $$
	select md5(concat((select string_agg(s::text || s.ctid, ',' order by s.id) from app.sandbox_session s),
		(select string_agg(j::text || j.ctid, ',' order by j.id) from app.sandbox_job j),
		(select string_agg(m::text || m.ctid, ',' order by m.session_id, m.seq) from app.sandbox_message m)))
$$;

select count(api.project_remember(w, r, 'https://github.com/' || r)) as done from (values ('w', 'o/r'), ('w', 'o/s'), ('v', 'o/r')) x (w, r) \gset

-- UUIDs as PostgreSQL writes them, and nothing else.
select is(app.to_uuid(t), u, coalesce(replace(t, E'\n', '\n'), 'null') || ' as a UUID') from (values
	('00000000-0000-4000-8000-000000000001', tap.host(1)), ('00000000-0000-4000-8000-00000000000A', null), ('00000000-0000-4000-8000-00000000000', null),
	('{00000000-0000-4000-8000-000000000001}', null), ('0000000000004000-8000-000000000001', null), (E'00000000-0000-4000-8000-000000000001\n', null),
	('', null), (null, null)) x (t, u);

-- No host.
select is(tap.make('main'), 'no_host 0', 'no sandbox without a host');
select tap.host_begin(1, 2) as done \gset
select results_eq($$ select name, version, capacity, protection, tap.soon(started_at, 0), tap.soon(seen_at, 0), stopped_at from app.sandbox_host $$,
	$$ values ('host1', '1.0', 2, 'all', true, true, null::timestamptz) $$, 'a host begins');
select tap.silent(1, 31) as done \gset
select is(tap.make('main'), 'no_host 0', 'one that was silent for 31 s doesn''t count');
select is(api.host_beat(tap.host(1), '{}', 1800), true, 'it says that it lives');
select api.host_end(tap.host(1)) as done \gset
select is(tap.make('main'), 'no_host 0', 'one that was stopped doesn''t count');
select is(api.host_beat(tap.host(1), '{}', 1800), true, 'a late beat');
select is(tap.make('main'), 'no_host 0', 'doesn''t start it again');
select tap.host_begin(1, 2) as done \gset
select results_eq($$ select count(*), bool_and(stopped_at is null) from app.sandbox_host $$, $$ values (1::bigint, true) $$, 'a host that begins again is the same one');
select is(api.host_beat(tap.host(9), '{}', 1800), false, 'a host that never began is told so');

-- Made.
select is((select count(*) from app.sandbox_session), 0::bigint, 'nothing was made so far');
select status as status, session as session, in_use as in_use from api.sandbox_create('w', 'O/R', 'main', 1800, 10) \gset
select is(:'status' || ' ' || :in_use, 'ok 1', 'a sandbox');
select results_eq($$ select s.id::text, w.slug, s.repo_key, s.sandbox_id, s.branch, s.status, s.seq, s.host_id, tap.soon(s.created_at, 0), tap.soon(s.last_activity_at, 0), tap.soon(s.expires_at, 1800)
	from app.sandbox_session s join app.workspace w on w.id = s.workspace_id $$,
	format($$ values (%L, 'w', 'O/R', %L, 'main', 'provisioning', 0::bigint, null::uuid, true, true, true) $$, :'session', left(:'session', 8)), 'as it was asked for');
select is((select (body ->> 'sessionId') || ' ' || (body ->> 'status') || ' ' || (body ->> 'branch') from api.sandbox('w', :'session')), :'session' || ' provisioning main', 'is read');
select is_empty(format('select * from api.sandbox(%L, %L)', w, i), 'not as ' || i || ' of ' || w) from (values ('v', :'session'), ('w', upper(:'session')), ('w', 'x'), ('w', '')) x (w, i);
select throws_ok($$ select tap.make('x', p_repo => 'o/none') $$, '22023', null, 'no project, no sandbox');
select throws_ok($$ select tap.make('x', p_workspace => 'none') $$, '22023', null, 'nor without a workspace');

-- Limits.
select is(tap.make('two', p_max => 1), 'workspace_full 1', 'the workspace is full');
select is(tap.make('two', p_max => 2), 'ok 2', 'with one more it isn''t');
select is(tap.make('three'), 'host_full 2', 'the host is full');
select is(tap.make('three', 'v'), 'host_full 2', 'for everybody');
select is(tap.make('three', p_max => 2), 'workspace_full 2', 'a workspace''s own limit is told first');
select tap.host_begin(2, 1) as done \gset
select is(tap.make('three', 'v'), 'ok 1', 'a second host has room');
select is(tap.make('four', 'v'), 'host_full 3', 'for one');

-- Claimed.
select is(tap.claim(9), null, 'a host that never began gets none');
select is((select count(*) from app.sandbox_session where host_id is null), 3::bigint, 'and takes none');
select api.host_end(tap.host(2)) as done \gset
select is(tap.claim(2), null, 'nor does one that was stopped');
select tap.host_begin(2, 1) as done \gset
select is(tap.claim(1, 1), 'main', 'the oldest first');
select is(tap.claim(1, 0), null, 'no more than asked for');
select results_eq($$ select session, workspace, repo_key, branch, seq from api.sandbox_claim(tap.host(1), 5) $$,
	$$ values (tap.id('two'), 'w', 'o/r', 'two', 0::bigint) $$, 'and no more than there is room for');
select results_eq($$ select s.host_id, s.status, tap.soon(s.claimed_at, 0) from tap.sandbox('main') s $$, $$ values (tap.host(1), 'cloning', true) $$, 'it is cloning now');
select is(tap.claim(2), 'three', 'another host gets the next');
select is(tap.claim(2), null, 'each is claimed once');
select is(string_agg(concat_ws(' ', session = tap.id(branch), workspace, repo_key, branch, seq, status), ', '), 't w O/R main 0 cloning, t w o/r two 0 cloning', 'what a host has') from api.sandbox_mine(tap.host(1));

-- States.
select is(api.sandbox_state(tap.host(2), tap.id('main'), 'ready', null, 'x'), false, 'another host''s sandbox isn''t one''s own');
select is(api.sandbox_state(tap.host(1), 'x', 'ready', null, 'x'), false, 'nor is one that isn''t there');
update app.sandbox_session set expires_at = clock_timestamp() + interval '10 s' where branch = 'main';
select is(tap.ready(1, 'main'), true, 'ready');
select results_eq($$ select s.status, s.commit_id, tap.soon(s.ready_at, 0), tap.soon(s.expires_at, 1800) from tap.sandbox('main') s $$,
	$$ values ('ready', 'c0ffee', true, true) $$, 'with its commit, and all its time before it');
select (s).ready_at as ready_at from tap.sandbox('main') s \gset
select api.sandbox_state(tap.host(1), tap.id('main'), 'idle', 'oops', null) as done \gset
select is(concat_ws(' ', body ->> 'status', body ->> 'error'), 'idle oops', 'idle, and something went wrong') from api.sandbox('w', tap.id('main'));
select api.sandbox_state(tap.host(1), tap.id('main'), 'ready', null, null) as done \gset
select is(concat_ws(' ', (s).status, (s).error, (s).commit_id, (s).ready_at = :'ready_at'), 'ready c0ffee t', 'ready again: of the same commit, since the same time') from tap.sandbox('main') s;
select throws_ok(format('select api.sandbox_state(tap.host(1), tap.id(''main''), %L, null, null)', s), '22023', null, coalesce(s, 'null') || ' is no such status')
	from unnest(array['expired', 'provisioning', '', null]) s;

-- Kept alive.
update app.sandbox_session set expires_at = clock_timestamp() + interval '10 s', last_activity_at = clock_timestamp() - interval '1 hour';
select is(api.sandbox_touch('w', tap.id('main'), 600), 'ok', 'a heartbeat');
select ok(tap.soon((s).expires_at, 600) and tap.soon((s).last_activity_at, 0) and (s).idle_seconds = 600, 'gives it its time') from tap.sandbox('main') s;
select ok(tap.soon((s).expires_at, 10), 'and no other') from tap.sandbox('two') s;
select is(api.sandbox_touch(w, i, 600), 'unknown', 'no heartbeat for ' || i || ' of ' || w)
	from (values ('v', tap.id('main')), ('w', 'x'), ('none', tap.id('main')), ('w', '00000000-0000-4000-8000-000000000009')) x (w, i);
select is(api.host_beat(tap.host(1), array[tap.id('two'), tap.id('three')], 1800), true, 'work in two of them, one another host''s');
select ok(tap.soon((s).expires_at, 1800), 'is a heartbeat') from tap.sandbox('two') s;
select ok(tap.soon((s).expires_at, 10), 'for one''s own') from tap.sandbox('three') s;
select tap.state() as state, api.host_beat(tap.host(1), array[tap.id('two')], 1800) as done \gset
select is(tap.state(), :'state', 'the next one writes nothing to it');

-- Jobs.
select is(tap.submit('main', 'execute', p_payload => 'a'), 'ok ' || tap.host(1), 'a task');
select is(tap.submit('main', 'execute', p_payload => 'b'), 'busy', 'one at a time');
select is(tap.submit('main', p_tool_id => '"\u0000"', p_payload => 'c'), 'ok ' || tap.host(1), 'tools meanwhile');
select is(tap.submit('two', 'execute', p_payload => 'd'), 'ok ' || tap.host(1), 'another sandbox''s task');
select is(tap.submit('main', 'diff', p_payload => 'é'), 'ok ' || tap.host(1), 'a diff');
select is((select status from api.sandbox_submit('v', tap.id('main'), 'me', 'tool', '1', 'Bash', '{}', 1800)), 'unknown', 'another workspace''s sandbox');
select throws_ok($$ select tap.submit('main', 'nonsense') $$, '23514', null, 'no such kind');
select is((select array_agg(bytes_in order by id) from app.sandbox_job), array[1, 1, 1, 2]::bigint[], 'bytes are counted');
select is(tap.jobs(2), null, 'another host takes none of them');
select results_eq($$ select session, client, kind, tool_id, name, payload from api.sandbox_jobs(tap.host(1), 2) $$,
	$$ values (tap.id('main'), 'me', 'execute', null, 'Bash', 'a'), (tap.id('main'), 'me', 'tool', '"\u0000"', 'Bash', 'c') $$, 'its own host takes them, the oldest first');
select is(tap.jobs(1), 'two:d main:é', 'then the others');
select is(tap.jobs(1), null, 'each once');
select is(tap.jobs(1, 3, true), 'main:a main:c two:d', 'unless it asks for those again');
select is(tap.submit('main', 'execute', p_payload => 'b'), 'busy', 'a task that was taken is under way');
select j.id as job from app.sandbox_job j where j.payload = 'a' \gset
update app.sandbox_session set expires_at = clock_timestamp() + interval '10 s';
select is(api.sandbox_job_end(:job, 'success', 3, 12345678901), true, 'it ends');
select results_eq($$ select outcome, exit_code, bytes_out, payload, tap.soon(ended_at, 0) from app.sandbox_job j where j.ended_at is not null $$,
	$$ values ('success', 3, 12345678901, null::text, true) $$, 'and what the client sent is forgotten');
select ok(tap.soon((s).expires_at, 1800), 'the sandbox has its time from then on') from tap.sandbox('main') s;
select is(api.sandbox_job_end(:job, 'failure', 1, 1), false, 'it can''t end twice');
select is(api.sandbox_job_end(0, 'failure', 1, 1), false, 'nor can what never was');
select is(tap.submit('main', 'execute', p_payload => 'b'), 'ok ' || tap.host(1), 'the next task');
select is((select count(*) from generate_series(1, 97) where tap.submit('main') like 'ok %'), 97::bigint, '100 jobs at once');
select is(tap.submit('main'), 'too_many', 'and no more');
select is(tap.submit('main', 'execute'), 'busy', 'a second task is told the nearer reason');
select is(tap.submit('main', 'cancel'), 'ok ' || tap.host(1), 'but one can cancel');
select is((select count(*) from generate_series(1, 150) where tap.submit('main', 'cancel') like 'ok %'), 99::bigint, 'a hundred times');
select is((select string_agg(concat_ws(' ', s.branch, l.kind, l.tool_id), ', ' order by l.job) from api.sandbox_jobs_lost(tap.host(1)) l join app.sandbox_session s on s.id::text = l.session),
	'main tool "\u0000", two execute, main diff', 'a host that was started again learns what it had taken');
select is(tap.outcomes('two'), 'execute host', 'that is over');
select is((select count(*) from api.sandbox_jobs_lost(tap.host(1))), 0::bigint, 'and told once');
select is((select count(*) from app.sandbox_job j where j.ended_at is null), 198::bigint, 'what it hadn''t taken still waits');
delete from app.sandbox_job;

-- Messages.
select is(tap.append(1, 'main', 0, '{"n":1}', '{"n":2}'), 2::bigint, 'messages are numbered');
select is(api.sandbox_append(tap.host(1), tap.id('main'), 2, array['me', ''], array['{"n":3}', '{"t":"\u0000"}']), 4::bigint, 'on and on');
select is(tap.said('main'), '1 {"n":1}, 2 {"n":2}, 3 me {"n":3}, 4 {"t":"\u0000"}', 'in order, byte for byte, each with the one that it is for');
select is(tap.append(1, 'main', 2, '{"n":3}', '{"t":"\u0000"}'), 4::bigint, 'what is sent again');
select is(tap.append(1, 'main', 3, '{"t":"\u0000"}', '{"n":5}'), 5::bigint, 'or half of it');
select is(tap.said('main', 3), '4 {"t":"\u0000"}, 5 {"n":5}', 'is stored once');
select is(api.sandbox_append(tap.host(1), tap.id('main'), 5, '{}', '{}'), 5::bigint, 'none at all');
select tap.state() as state \gset
select is(tap.append(2, 'main', 5, 'x'), null, 'another host can''t');
select is(tap.append(1, 'main', 6, 'x'), null, 'nor one that knows of messages that aren''t there');
select is(api.sandbox_append(tap.host(1), tap.host(9)::text, 0, array[''], array['x']), null, 'nor can one to nobody');
select is(tap.state(), :'state', 'and nothing is stored');
select results_eq($$ select head, floor, seq, body from api.sandbox_messages(tap.id('main'), 5, 10) $$, $$ values (5::bigint, 0::bigint, null::bigint, null::text) $$, 'when nothing follows there is a row');
select results_eq($$ select head, floor, seq, body from api.sandbox_messages('x', 0, 10) $$, $$ values (null::bigint, null::bigint, null::bigint, null::text) $$, 'also for no sandbox');
select is(tap.said('main', 1, 2), '2 {"n":2}, 3 me {"n":3}', 'a page');
select results_eq($$ select status, head, floor, state from api.sandbox_open('w', tap.id('main')) $$, $$ values ('ok', 5::bigint, 0::bigint, 'ready') $$, 'a client may connect');
select is((select status from api.sandbox_open(w, i)), 'unknown', 'not to ' || i || ' of ' || w) from (values ('v', tap.id('main')), ('w', 'x')) x (w, i);
select api.sandbox_append(tap.host(1), tap.id('two'), 0, array_fill(''::text, array[9]), array(select string_agg(md5(i::text || j), '') from generate_series(1, 65536) i, generate_series(1, 9) j group by j)) as done \gset
select cmp_ok((select sum(octet_length(body)) from api.sandbox_messages(tap.id('two'), 0, 100)), '<', 12000000::bigint, 'a page isn''t much longer than 8 MiB');
select is((select count(*) from api.sandbox_messages(tap.id('two'), 0, 100, 1)), 1::bigint, 'or than was asked for');
select is((select max(seq) < max(head) from api.sandbox_messages(tap.id('two'), 0, 100)), true, 'and says that there is more');
select is((select count(*) from api.sandbox_messages(tap.id('two'), 8, 100)), 1::bigint, 'a long one comes');

-- Deleted by the user.
select tap.submit('main', 'execute', p_payload => 'a'), tap.jobs(1), tap.submit('main', p_tool_id => '7', p_payload => 'b') \gset x
select is(api.sandbox_delete('v', tap.id('main')) || api.sandbox_delete('w', 'x'), 'unknownunknown', 'what isn''t there can''t be deleted');
select is(api.sandbox_delete('w', tap.id('main')), 'ok', 'deleted');
select results_eq($$ select s.status, s.end_reason, tap.soon(s.ended_at, 0), s.cleaned_at, s.expires_at <= s.ended_at from tap.sandbox('main') s $$,
	$$ values ('expired', 'user', true, null::timestamptz, true) $$, 'it has ended');
select is(tap.outcomes('main'), 'execute kept, tool kept', 'its jobs are the host''s');
select is(tap.jobs(1), null, 'which gets no more of them');
select is((s).seq, 5::bigint, 'only the host says anything') from tap.sandbox('main') s;
select is((select body ->> 'status' from api.sandbox('w', tap.id('main'))), 'expired', 'it is still read');
select is(api.sandbox_touch('w', tap.id('main'), 600) || (select status from api.sandbox_open('w', tap.id('main'))) || tap.submit('main'), 'expiredexpiredexpired', 'but takes nothing any more');
select is(tap.ready(1, 'main'), false, 'nor is it ready');
select is(api.sandbox_delete('w', tap.id('main')), 'ok', 'deleting it again is no error');
select is((select string_agg(s.branch || ' ' || e.reason, ',') from api.sandbox_ending(tap.host(1)) e join app.sandbox_session s on s.id::text = e.session), 'main user', 'its host is told');
select is((select string_agg(branch || ' ' || status, ', ') from api.sandbox_mine(tap.host(1))), 'main expired, two cloning', 'also when it is started again');
select is(tap.append(1, 'main', 5, '{"type":"complete"}'), 6::bigint, 'it can still say so');
select is(tap.claim(1), null, 'its place isn''t free yet');
select is(api.sandbox_cleaned(tap.host(2), tap.id('main')), false, 'another host didn''t clean it');
select is(api.sandbox_cleaned(tap.host(1), tap.id('two')), false, 'what runs isn''t cleaned');
select is(api.sandbox_cleaned(tap.host(1), tap.id('main')), true, 'nothing is left of it');
select is(tap.outcomes('main'), 'execute expired, tool expired', 'its jobs are over');
select is((select string_agg(m.seq || ' ' || m.body, ', ' order by m.seq) from app.sandbox_message m where m.session_id::text = tap.id('main') and m.seq > 6),
	'7 {"type":"error","message":"The sandbox has ended"}, 8 {"type":"tool_result","id":7,"success":false,"error":"The sandbox has ended"}, 9 {"type":"status","status":"expired"}',
	'clients are told what the host didn''t tell them');
select is_empty($$ select * from api.sandbox_ending(tap.host(1)) $$, 'nothing is to be done');
select is(tap.append(1, 'main', 6, '{}'), null, 'nothing to be said');
select is(api.sandbox_cleaned(tap.host(1), tap.id('main')), true, 'cleaned again it is no error');

-- Before any host had it.
select tap.make('early') as made, tap.submit('early', 'execute', p_client => 'x'), tap.submit('early', 'tool', '{"a":"\u0000"}'), tap.submit('early', 'cancel') \gset x
select is(api.sandbox_delete('w', tap.id('early')), 'ok', 'deleted before any host had it');
select ok((s).cleaned_at is not null, 'there is nothing to clean') from tap.sandbox('early') s;
select is(tap.said('early'), '1 x {"type":"error","message":"The sandbox has ended"}, 2 me {"type":"tool_result","id":{"a":"\u0000"},"success":false,"error":"The sandbox has ended"}, '
	'3 {"type":"status","status":"expired"}', 'nobody else tells the clients');
select is(tap.outcomes('early'), 'execute expired, tool expired, cancel expired', 'its jobs are over');
select is(tap.claim(1), null, 'no host gets it');

-- Ended by its host.
select is(api.sandbox_end(tap.host(2), tap.id('two'), 'oom', 'x'), false, 'another host can''t end it');
select throws_ok($$ select api.sandbox_end(tap.host(1), tap.id('two'), 'nonsense', 'x') $$, '23514', null, 'no such reason');
select is(api.sandbox_end(tap.host(1), tap.id('two'), 'oom', 'Out of memory'), true, 'out of memory');
select is(api.sandbox_end(tap.host(1), tap.id('two'), 'crash', 'x'), false, 'it can''t end twice');
select is(concat_ws(' ', (s).status, (s).end_reason, (s).error, (s).seq), 'expired oom Out of memory 9', 'that is written down') from tap.sandbox('two') s;
select is(tap.append(1, 'two', 9, '{"type":"status","status":"expired","message":"Out of memory"}'), 10::bigint, 'the host says so');
select api.sandbox_cleaned(tap.host(1), tap.id('two')) as done \gset
select is((s).seq, 10::bigint, 'which is enough') from tap.sandbox('two') s;

-- Its time is over.
select is(tap.make('five'), 'ok 1', 'there is room again');
select tap.claim(1) as done \gset
update app.sandbox_session set expires_at = clock_timestamp() - interval '1 s' where branch in ('five', 'three');
update app.sandbox_host set seen_at = clock_timestamp() - interval '2 s';
select is_empty($$ select * from api.sandbox_ending(tap.host(1)) $$, 'perhaps it works: the host said nothing since');
select api.host_beat(tap.host(1), '{}', 1800), api.host_beat(tap.host(2), '{}', 1800) \gset x
select is((select string_agg(s.branch || ' ' || e.reason, ',') from api.sandbox_ending(tap.host(1)) e join app.sandbox_session s on s.id::text = e.session), 'five idle', 'the host''s own whose time is over');
select is(concat_ws(' ', (s).status, (s).end_reason, (s).error), 'expired idle', 'has ended') from tap.sandbox('five') s;
select is((s).ended_at, null, 'another host''s hasn''t') from tap.sandbox('three') s;
select api.sandbox_touch('v', tap.id('three'), 1800) as done \gset
select is_empty($$ select * from api.sandbox_ending(tap.host(2)) $$, 'a heartbeat in time saves it');
select tap.make('nobody') as made \gset
update app.sandbox_session set expires_at = clock_timestamp() - interval '1 s' where branch = 'nobody';
select is(tap.claim(1), null, 'what nobody claimed in time nobody gets');
select results_eq($$ select * from api.sandbox_sweep(86400, 600) $$, $$ values (0::bigint, 0::bigint, 0::bigint) $$, 'housekeeping');
select is(concat_ws(' ', (s).end_reason, (s).cleaned_at is not null, tap.said('nobody')), 'idle t 1 {"type":"status","status":"expired"}', 'ends it') from tap.sandbox('nobody') s;

-- Its host is gone.
select tap.silent(2, 119), api.sandbox_submit('v', tap.id('three'), 'me', 'execute', null, null, '{}', 1800), tap.jobs(2),
	api.sandbox_submit('v', tap.id('three'), 'me', 'tool', '"t"', 'Bash', '{}', 1800), api.sandbox_submit('v', tap.id('three'), 'me', 'diff', null, null, '{}', 1800), tap.append(2, 'three', 0, '{"n":1}') \gset x
select is((select lost from api.sandbox_sweep(86400, 600)), 0::bigint, 'a host may be silent for 119 s');
select tap.silent(2, 121) as done \gset
select is((select lost from api.sandbox_sweep(86400, 600)), 1::bigint, 'not for 121');
select is((select lost from api.sandbox_sweep(86400, 600)), 0::bigint, 'it is lost once');
select is(concat_ws(', ', (s).status, (s).end_reason, (s).error, (s).cleaned_at), 'expired, host, The sandbox host is gone', 'its sandbox has ended') from tap.sandbox('three') s;
select is(tap.said('three'), '1 {"n":1}, 2 {"type":"error","message":"The sandbox host is gone"}, 3 me {"type":"tool_result","id":"t","success":false,"error":"The sandbox host is gone"}, '
	'4 me {"type":"error","message":"The sandbox host is gone"}, 5 {"type":"status","status":"expired","message":"The sandbox host is gone"}', 'the clients are told');
select is(tap.outcomes('three'), 'execute host, tool host, diff host', 'the jobs are over');
select tap.host_begin(2, 1) as done \gset
select is((select string_agg(e.reason, ',') from api.sandbox_ending(tap.host(2)) e), 'host', 'when the host comes back it cleans up');
select api.sandbox_cleaned(tap.host(2), tap.id('three')) as done \gset

-- Pruning.
select is(tap.make('six'), 'ok 1', 'one more');
select tap.claim(1) as done, tap.append(1, 'six', 0, variadic array(select 'x' || i from generate_series(1, 20) i)) \gset x
update app.sandbox_message set created_at = clock_timestamp() - interval '1 hour' where session_id::text = tap.id('six') and seq <= 15;
select is(app.sandbox_prune(3600, 10), 10::bigint, 'old messages go in steps');
select is((select messages from api.sandbox_sweep(3600, 600)), 5::bigint, 'the rest of them');
select is((select messages from api.sandbox_sweep(3600, 600)), 0::bigint, 'and no others');
select is(concat_ws(' ', floor, head, seq, body), '15 20 16 x16', 'which a reader is told') from api.sandbox_messages(tap.id('six'), 0, 1);
select is(tap.append(1, 'six', 20, 'x21'), 21::bigint, 'numbers go on');

-- Forgotten.
select is((select count(*) from api.sandboxes('w') where body is not null), 6::bigint, 'ended ones are listed for a while');
update app.sandbox_session set ended_at = clock_timestamp() - interval '601 s' where branch in ('main', 'five');
update app.sandbox_session set ended_at = clock_timestamp() - interval '599 s' where branch = 'two';
select is(app.sandbox_forget(600, 4), row(4::bigint, 0::bigint), 'messages go in steps here too');
select is((select row(messages, sessions)::text from api.sandbox_sweep(86400, 600)), '(5,1)', 'then the sandbox, cleaned and ten minutes after its end');
select is_empty($$ select * from api.sandbox('w', tap.id('main')) $$, 'it is read no more');
select is((select count(*) from api.sandboxes('w') where body is not null), 5::bigint, 'nor listed');
select is(api.sandbox_touch('w', tap.id('main'), 1) || (select status from api.sandbox_open('w', tap.id('main'))) || tap.submit('main') || api.sandbox_delete('w', tap.id('main')), 'unknownunknownunknownunknown', 'nor known');
select is((s).gone_at, null, 'what its host has still to clean stays') from tap.sandbox('five') s;
select tap.silent(1, 121), api.sandbox_sweep(86400, 600) \gset x
select isnt((s).gone_at, null, 'until the host is gone') from tap.sandbox('five') s;
select is((select string_agg(s.branch, ',' order by s.branch) from api.sandbox_ending(tap.host(1)) e join app.sandbox_session s on s.id::text = e.session), 'five,six', 'a host that comes back cleans that up too');

-- What DBAs see.
select results_eq($$ select workspace, sandbox_id, repo_key, branch, status, host, commit_id, end_reason, messages, ready_at is not null, ended_at is not null, cleaned_at is not null from report.sandboxes where branch = 'main' $$,
	$$ values ('w', left(tap.id('main'), 8), 'O/R', 'main', 'expired', 'host1', 'c0ffee', 'user', 9::bigint, true, true, true) $$, 'sandboxes, forgotten ones too');
select results_eq($$ select workspace, sandbox_session::text, client, kind, tool, outcome, exit_code, bytes_in, taken_at is not null, ended_at is not null from report.tasks where sandbox_session::text = tap.id('main') order by task $$,
	$$ values ('w', tap.id('main'), 'me', 'execute', 'Bash', 'expired', null::integer, 1::bigint, true, true), ('w', tap.id('main'), 'me', 'tool', 'Bash', 'expired', null, 1, false, true) $$, 'tasks');
select results_eq($$ select host, version, protection, capacity, sandboxes, to_clean, alive, stopped_at from report.sandbox_hosts order by 1 $$,
	$$ values ('host1', '1.0', 'all', 2, 0::bigint, 2::bigint, false, null::timestamptz), ('host2', '1.0', 'all', 1, 0, 0, true, null) $$, 'hosts');
select is_empty($$ select distinct v.oid::regclass, a.attname from pg_depend d join pg_rewrite r on r.oid = d.objid join pg_class v on v.oid = r.ev_class
	join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
	where d.classid = 'pg_rewrite'::regclass and (d.refobjid = 'app.sandbox_message'::regclass or d.refobjid = 'app.sandbox_job'::regclass and a.attname in ('payload', 'tool_id')) $$,
	'but not what clients and sandboxes said');

-- Gone for good.
select app.sandbox_drop() as done \gset
select is((select count(*) from app.sandbox_session), 7::bigint, 'for 30 days');
update app.sandbox_session set gone_at = clock_timestamp() - interval '31 days' where branch in ('main', 'five');
update app.sandbox_host set seen_at = clock_timestamp() - interval '31 days';
select tap.host_begin(3, 1), api.sandbox_sweep(86400, 600) \gset x
select is((select string_agg(s.branch, ',' order by s.branch) from app.sandbox_session s), 'early,nobody,six,three,two', 'then they go, with their jobs');
select is((select string_agg(h.name, ',' order by h.name) from app.sandbox_host h), 'host1,host2,host3', 'hosts of which a sandbox is left stay');
delete from app.sandbox_job;
delete from app.sandbox_session;
select app.sandbox_drop() as done \gset
select is((select string_agg(h.name, ',' order by h.name) from app.sandbox_host h), 'host3', 'else they go too');
select is(tap.seq('w') + tap.seq('v'), 0::bigint, 'nothing of all this is a synced change');

select * from finish();
rollback;
