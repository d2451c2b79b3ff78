-- What mutations answer: ok, repeat, reused, exists, not_found, and CA001 for a stale base; and that only ok changes anything.
begin;
select plan(54);

-- Each mutation, sent three times as one client's request.
create temp table run (ord integer, function text, a api.outcome, b api.outcome, c api.outcome, seq_a bigint, seq_c bigint);
do $$
declare
	v_m record;
	v_a api.outcome;
	v_b api.outcome;
	v_c api.outcome;
	v_seq bigint;
begin
	for v_m in select * from tap.mutation order by ord loop
		v_a := tap.mutate(v_m.call, '{"id":"x","name":"n"}', '"text"', tap.request(v_m.function));
		v_seq := tap.seq('w');
		v_b := tap.mutate(v_m.call, '{"id":"x","name":"n"}', '"text"', tap.request(v_m.function));
		v_c := tap.mutate(v_m.call, '{"id":"x","name":"other"}', '"other"', tap.request(v_m.function, 2));
		insert into run values (v_m.ord, v_m.function, v_a, v_b, v_c, v_seq, tap.seq('w'));
	end loop;
end
$$;
select is((a).status || ' ' || (a).seq, 'ok ' || ord, function || ': applied, with the next number') from run order by ord;
select ok((b).status = 'repeat' and (b).seq = (a).seq and (c).status = 'reused' and seq_c = seq_a and seq_a = (a).seq,
	function || ': again is a repeat with the first number, another payload is refused, nothing changes') from run order by ord;
select is((select (b).answer::text from run where function = 'session_create'), '{"id":"x","name":"n"}', 'a repeat has the first answer''s data');
select is((select (b).answer::text from run where function = 'session_save'), null, 'or null for {"success":true}');
select is((select (api.session_save('w', 'saved', '{}', p_request => tap.request('session_save', 1, 'another client'))).status), 'ok',
	'another client''s request of the same id is another request');
select is((select (api.session_save('w2', 'saved', '{}', p_request => tap.request('session_save'))).status), 'ok', 'and so it is in another workspace');

-- Nothing there, or there already.
select is((api.session_create('w', 'saved', '{}')).status, 'exists', 'session_create of one that exists');
select is((api.session_update('w', 'none', '{}')).status, 'not_found', 'session_update of an unknown session');
select is((api.session_update('unknown', 'none', '{}')).status, 'not_found', 'or in an unknown workspace');
select is((api.session_delete('w', 'none', p_must_exist => true)).status, 'not_found', 'session_delete that needs one');
select is((api.session_delete('unknown', 'none', p_must_exist => true)).status, 'not_found', 'or in an unknown workspace');
select is(tap.seq('unknown'), null, 'which makes no workspace');
select is(tap.seq('w'), 17::bigint, 'none of these took a number');
select is((api.session_delete('w', 'none')).status, 'ok', 'deleting what isn''t there is a change');
select is((api.session_clear_messages('w', 'none')).status, 'ok', 'and so is clearing it');
select is((api.source_create('w', 'set', '{}')).status, 'exists', 'source_create of one that exists');
select is((select config::text || ' ' || guide::text from app.source where slug = 'set'), '{"id":"x","name":"n"} "text"', 'which stays as it was, guide included');
select is((api.source_save_guide('w', 'guide only', '"g"')).status, 'ok', 'a guide may come before its source');
select is((api.source_create('w', 'guide only', '{"slug":1}')).status, 'ok', 'which is made afterwards');
select is((select guide::text from app.source where slug = 'guide only'), '"g"', 'and keeps the guide');

-- A base that isn't current.
select is((select version from api.session_header('w', 'saved')) is null, false, 'a session has a version');
select throws_ok($$ select api.session_save('w', 'saved', '{}', p_base => 0) $$, 'CA001', null, 'a save based on no session is stale when there is one');
select throws_ok($$ select api.session_save('w', 'new', '{}', p_base => 5) $$, 'CA001', null, 'a save based on a session is stale when there is none');
select throws_ok($$ select api.session_update('w', 'saved', '{}', p_base => 5) $$, 'CA001', null, 'an update of another version is stale');

select * from finish();
rollback;
