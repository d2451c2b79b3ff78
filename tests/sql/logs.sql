-- Logs have a bound in bytes: who makes one longer drops what is oldest. And what the memory of requests keeps.
begin;
select plan(46);

create function tap.bytes(p_slug text) returns bigint language sql as $$ select w.log_bytes from app.workspace w where w.slug = p_slug $$;
create function tap.counted(p_slug text) returns bigint language sql as $$
	select sum(octet_length(l.data::text)) from app.change_log l join app.workspace w on w.id = l.workspace_id where w.slug = p_slug
$$;
create function tap.kept(p_slug text) returns text language sql as $$
	select concat_ws(' ', w.floor, w.seq, (select min(l.seq) from app.change_log l where l.workspace_id = w.id), (select count(*) from app.change_log l where l.workspace_id = w.id))
	from app.workspace w where w.slug = p_slug
$$;
create function tap.text(p_bytes integer) returns json language sql as $$ select to_json(repeat('x', p_bytes - 2)) $$;
create function tap.header(p_bytes integer) returns json language sql as $$ select ('{"x":' || tap.text(p_bytes - 6) || '}')::json $$;

select is((select concat_ws(' ', change_bytes, stream_bytes) from app.log_limit), '134217728 134217728', 'there is a bound before a bridge says which');
select api.log_limit_set(10000, 1048576) as done \gset
select is((select concat_ws(' ', change_bytes, stream_bytes) from app.log_limit), '10000 1048576', 'a bridge says which');

-- Changes.
select count(api.labels_save('w', tap.text(1000))) as done from generate_series(1, 10) \gset
select is(tap.bytes('w'), 10000::bigint, 'changes are counted by their bytes, however small they are stored');
select is(tap.bytes('w'), tap.counted('w'), 'as they are');
select is(tap.kept('w'), '0 10 1 10', 'a log within its bound keeps all');
select api.labels_save('w', tap.text(1000)) as done \gset
select is(tap.kept('w'), '4 11 5 7', 'one that is longer drops the oldest, to three quarters, and floor moves');
select is(tap.bytes('w'), tap.counted('w'), 'counted too');
select api.labels_save('w', tap.text(50000)) as done \gset
select is(tap.kept('w'), '11 12 12 1', 'the latest change stays, whatever its size');
select is((select head || ' ' || floor || ' ' || octet_length(data::text) from api.changes('w', 11, 100)), '12 11 50000', 'and can be read');
select api.labels_save('other', tap.text(1000)) as done \gset
select is(tap.kept('other'), '0 1 1 1', 'others'' logs are their own');
select api.session_create('w', 's', '{"id":"s"}') as done \gset
select is(tap.kept('w'), '12 13 13 1', 'what was too long goes with the next');
select api.session_update('w', 's', tap.header(4000)) as done \gset
select api.session_update('w', 's', tap.header(4000), p_event => '{"e":1}') as done \gset
select is(tap.bytes('w'), tap.counted('w'), 'updates are counted by what is logged');
select is((api.session_update('w', 'none', '{}', p_base => 0)).status, 'not_found', 'an update of nothing');
select is(tap.bytes('w'), tap.counted('w'), 'counts nothing');
select api.prune(1, 30, 24) as done \gset
select is(tap.bytes('w'), tap.counted('w'), 'what is pruned by number or age is counted off');
update app.change_log set bytes = null;
update app.workspace set log_bytes = 0;
select count(api.labels_save('w', tap.text(1000))) as done from generate_series(1, 11) \gset
select is(tap.kept('w'), '19 26 20 7', 'what an older version logged isn''t counted, and goes first');
select is(tap.bytes('w'), tap.counted('w'), 'and the count is right');
select is((select count(*) from api.changes('w', 19, 100)), 7::bigint, 'all of it can be read');

-- Requests.
select is((api.session_create('r', 's', '{"id":"s","v":1}', p_request => tap.request('a', 1))).status, 'ok', 'a request');
select is((select answer::text from app.seen_request), null, 'is remembered without an echo');
select is((select status || ' ' || seq || ' ' || answer from api.session_create('r', 's', '{"id":"s","v":1}', p_request => tap.request('a', 1))), 'repeat 1 {"id":"s","v":1}',
	'its answer is read from the log');
select is((select concat_ws(' ', status, answer) from api.session_create('r', 's', '{}', p_request => tap.request('a', 2))), 'reused', 'which none is that asks for something else');
update app.workspace set floor = seq, log_bytes = 0 where slug = 'r';
delete from app.change_log l using app.workspace w where w.id = l.workspace_id and w.slug = 'r';
select is((select concat_ws(' ', status, seq, answer) from api.session_create('r', 's', '{"id":"s","v":1}', p_request => tap.request('a', 1))), 'repeat 1',
	'after it was dropped the request is still applied once');
-- With digests, as the bridges send them: 32 bytes of the requestId, 32 of what is asked.
create function tap.digests(p_id text, p_asked text, p_payload bigint) returns api.request language sql as $$
	select row('o', 'd', sha256(convert_to(p_id, 'UTF8')) || case when p_asked is null then '' else sha256(convert_to(p_asked, 'UTF8')) end, p_payload)::api.request
$$;
select is((api.labels_save('r', '{"n":1}', tap.digests('1', 'a', 7))).status, 'ok', 'a request with a digest');
select is((api.labels_save('r', '{"n":1}', tap.digests('1', 'a', 7))).status, 'repeat', 'again');
select is((api.labels_save('r', '{"n":2}', tap.digests('1', 'b', 7))).status, 'reused', 'another one with the same 64 bits');
select is((api.labels_save('r', '{"n":1}', tap.digests('1', null, 7))).status, 'repeat', 'again by a bridge of the last release');
select is((api.labels_save('r', '{"n":1}', tap.digests('2', null, 8))).status || (api.labels_save('r', '{"n":1}', tap.digests('2', 'a', 8))).status, 'okrepeat',
	'one of a bridge of the last release again');

-- Answers that the log doesn't reach back to.
create function tap.drop_log(p_slug text) returns void language sql as $$
	update app.workspace set floor = seq, log_bytes = 0 where slug = p_slug;
	delete from app.change_log l using app.workspace w where w.id = l.workspace_id and w.slug = p_slug;
$$;
create function tap.made(p_id text, p_request api.request) returns text language sql as $$
	select concat_ws(' ', status, seq, answer) from api.session_create('a', p_id, '{"id":"s","v":1}', row(null, null, null, null, 5, 6)::api.session_columns, 1, p_request)
$$;
select is(tap.made('s', tap.digests('1', 'a', 1)), 'ok 1', 'a session is made');
select is(tap.made('s', tap.digests('1', 'a', 1)), 'repeat 1 {"id":"s","v":1}', 'while the log is there, again is all of it');
select is((select answer::text from app.seen_request s join app.workspace w on w.id = s.workspace_id where w.slug = 'a'), '{"createdAt" : 5, "lastUsedAt" : 6}',
	'and what the server had added is all that is remembered of it');
select concat_ws(' ', status, seq) as done from api.session_update('a', 's', '{"v":2}', p_request => tap.digests('2', 'b', 1)) \gset
select is(:'done'::text, 'ok 2', 'an update');
select is((api.session_update('a', 's', '{"v":3}', p_event => '{}', p_request => tap.digests('3', 'c', 1))).status, 'ok', 'one that doesn''t echo');
select tap.drop_log('a') as done \gset
select is(tap.made('s', tap.digests('1', 'a', 1)), 'repeat 1 {"createdAt" : 5, "lastUsedAt" : 6}', 'without the log, again is what the server had added');
select is(tap.made('s', tap.digests('1', null, 1)), 'repeat 1', 'which bridges of the last release don''t get: they would take it for all');
select is((select concat_ws(' ', status, seq, answer) from api.session_update('a', 's', '{"v":2}', p_request => tap.digests('2', 'b', 1))), 'repeat 2 {"v":3}',
	'again an update: the header as it is now');
select is((select concat_ws(' ', status, seq, answer) from api.session_update('a', 's', '{"v":3}', p_event => '{}', p_request => tap.digests('3', 'c', 1))), 'repeat 3',
	'and {"success":true} stays that');
select is((select concat_ws(' ', status, answer) from api.session_update('a', 's', '{"v":9}', p_request => tap.digests('2', 'x', 2))), 'reused', 'another one of the same number is refused');
select is((api.session_delete('a', 's')).status, 'ok', 'its session goes');
select is((select concat_ws(' ', status, seq, answer) from api.session_update('a', 's', '{"v":2}', p_request => tap.digests('2', 'b', 1))), 'repeat 2', 'and it is not applied again');
select is(tap.seq('a'), 4::bigint, 'none of these took a number');

-- Messages of sandboxes.
select api.host_begin('00000000-0000-4000-8000-000000000001', 'h', '1', 10, 'all') as done \gset
select api.project_remember('w', 'o/r', 'u') as done \gset
select array_agg(c.session) as sandboxes from generate_series(1, 2) n, api.sandbox_create('w', 'o/r', 'b' || n, 1800, 10) c \gset
select count(*) as done from api.host_claim('00000000-0000-4000-8000-000000000001', 10) \gset
create function tap.say(p_session text, p_after bigint, p_bytes integer) returns bigint language sql as $$
	select api.sandbox_append('00000000-0000-4000-8000-000000000001', p_session, p_after, array[''], array[repeat('y', p_bytes)])
$$;
create function tap.stream(p_session text) returns text language sql as $$
	select concat_ws(' ', s.floor, s.seq, s.stream_bytes, (select sum(octet_length(m.body)) from app.sandbox_message m where m.session_id = s.id)) from app.sandbox_session s where s.id::text = p_session
$$;
select tap.say((:'sandboxes'::text[])[1], 0, 1000) as done \gset
select sum(tap.say((:'sandboxes'::text[])[2], n, 300000)) as done from generate_series(0, 2) n \gset
select is(tap.stream((:'sandboxes'::text[])[2]), '0 3 900000 900000', 'messages are counted by their bytes');
select tap.say((:'sandboxes'::text[])[2], 3, 300000) as done \gset
select is(tap.stream((:'sandboxes'::text[])[2]), '2 4 600000 600000', 'beyond the bound of a workspace the oldest go, of who has the most');
select is(tap.stream((:'sandboxes'::text[])[1]), '0 1 1000 1000', 'and not those of its other sandboxes');
select is((select concat_ws(' ', change_workspace, change_limit, stream_bytes, stream_limit, stream_workspace) from api.log_usage()), 'w 10000 601000 1048576 w',
	'how near they are can be asked');
select api.sandbox_sweep(0, 100000) as done \gset
select is(tap.stream((:'sandboxes'::text[])[2]), '4 4 0', 'what is dropped by age is counted off');

select * from finish();
rollback;
