-- Messages: a save writes the rows that differ and no other, the tail goes, deleting leaves nothing.
begin;
select plan(27);

create function tap.save(p_id text, p_count integer, p_idx integer[], p_word text) returns api.outcome language sql as $$
	select * from api.session_save('w', p_id, '{"id":"s"}', p_count => p_count, p_bytes => p_count * 10, p_idx => p_idx,
		p_hash => (select array_agg(hashtext(p_word || i)::bigint) from unnest(p_idx) i),
		p_body => (select array_agg(to_json(p_word || i)) from unnest(p_idx) i));
$$;
create function tap.bodies(p_id text) returns text language sql as $$
	select string_agg(m.body::text, ' ' order by m.idx) from app.message m join app.session s on s.key = m.session_key where s.id = p_id;
$$;
create temp view rows_of as select m.idx, m.ctid as place, m.xmin::text as writer from app.message m join app.session s on s.key = m.session_key where s.id = 's';

select is((tap.save('s', 6, '{0,1,2,3,4,5}', 'a')).status, 'ok', 'a first save');
select is(tap.bodies('s'), '"a0" "a1" "a2" "a3" "a4" "a5"', 'stores all');
create temp table before as select * from rows_of;
select is((tap.save('s', 7, '{3,6}', 'b')).seq, 2::bigint, 'a save with one changed and one more');
select is(tap.bodies('s'), '"a0" "a1" "a2" "b3" "a4" "a5" "b6"', 'stores both');
select results_eq('select idx from rows_of r where not exists (select from before b where b.idx = r.idx and b.place = r.place) order by 1',
	array[3, 6], 'and writes these two rows');
select is((select count(*) from rows_of r join before b using (idx, place, writer)), 5::bigint, 'the others are the same rows');
drop table before;
create temp table before as select * from rows_of;
select is((tap.save('s', 4, '{}', 'c')).status, 'ok', 'a save of fewer messages');
select is(tap.bodies('s'), '"a0" "a1" "a2" "b3"', 'deletes the tail');
select is((select count(*) from rows_of r join before b using (idx, place, writer)), 4::bigint, 'and touches no other row');
select results_eq($$ select message_count, message_bytes from app.session where id = 's' $$, 'values (4, 40::bigint)', 'count and bytes are kept');
select is((select cardinality(hashes) from api.session_base('w', 's')), 4, 'session_base has a hash for each message');
select is((select hashes[4] from api.session_base('w', 's')), hashtext('b3')::bigint, 'in their order');
select is((select cardinality(hashes) from api.session_base('w', 'none')), null, 'and nothing of an unknown session');
select is((api.session_save('w', 's', '{"id":"s","name":"n"}')).status, 'ok', 'a save of the header alone');
select is(tap.bodies('s'), '"a0" "a1" "a2" "b3"', 'keeps the messages');
select is((select name from app.session where id = 's'), 'n', 'and takes the typed columns from a SQL user''s header');
select throws_ok($$ select tap.save('s', 4, '{4}', 'd') $$, '22023', null, 'a message beyond the count is refused');
select is((select version from api.session_base('w', 's')), (select version from api.session_header('w', 's')), 'one version for both readers');
select version as before from api.session_header('w', 's') \gset
select api.session_update('w', 's', '{}') as updated \gset
select isnt((select version from api.session_header('w', 's')), :before, 'an update changes it');

select is((tap.save('other', 2, '{0,1}', 'o')).status, 'ok', 'another session');
select api.plan_save('w', 's', 'a.md', '"A"') as plan \gset
select api.plan_save('w', 'other', 'b.md', '"B"') as plan \gset
select is((api.session_clear_messages('w', 's')).status, 'ok', 'clearing');
select is((select message_count || ' ' || coalesce(tap.bodies('s'), 'none') || ' ' || (header is not null) from app.session where id = 's'), '0 none true',
	'leaves the header and no messages');
select tap.save('s', 2, '{0,1}', 'e') as saved \gset
select is((api.session_delete('w', 's')).status, 'ok', 'deleting');
select is((select count(*) from app.message), 2::bigint, 'deletes the messages');
select is((select string_agg(name, ' ') from app.plan), 'b.md', 'and the plans, of that session alone');
select is(tap.bodies('other'), '"o0" "o1"', 'the other session keeps its own');
select is((select data::text from app.change_log order by seq desc limit 1), '{"sessionId" : "s"}', 'a SQL user''s delete broadcasts what a client''s would');

select * from finish();
rollback;
