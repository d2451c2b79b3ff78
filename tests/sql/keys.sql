-- Keys that open one workspace: added, found, listed, revoked, expired, sealed under another key.
begin;
select plan(43);

create function tap.id(n integer) returns text language sql as $$ select lpad(to_hex(n), 16, '0') $$;
create function tap.add(n integer, p_workspace text default 'w', p_name text default null, p_expires interval default null, p_read_only boolean default false,
	p_per_minute integer default null) returns text language sql as $$
	select api.key_add(tap.id(n), p_workspace, coalesce(p_name, 'key ' || n), sha256(n::text::bytea), 'sealed ' || n, p_read_only, p_per_minute,
		app.ms(clock_timestamp() + p_expires))
$$;

select is(tap.add(1), 'ok', 'a key is added, of a workspace that was never written to');
select is((select count(*) from app.workspace where slug = 'w'), 0::bigint, 'which isn''t made by it');
select is(tap.add(2, p_name => 'key 1'), 'exists', 'names are for one key of a workspace');
select is(tap.add(2, 'v', 'key 1'), 'ok', 'but for one of each');
select throws_ok($$ select api.key_add('0123456789abcdeF', 'w', 'n', sha256(''), 's', false, null, null) $$, '23514', null, 'ids are 16 hex digits');
select throws_ok($$ select api.key_add('0123456789abcdef', 'w', E'a\nb', sha256(''), 's', false, null, null) $$, '23514', null, 'names have no control characters');
select throws_ok($$ select api.key_add('0123456789abcdef', 'w', 'n', 'short', 's', false, null, null) $$, '23514', null, 'hashes have their length');
select throws_ok($$ select api.key_add('0123456789abcdef', 'w', 'n', sha256(''), 's', false, 0, null) $$, '23514', null, 'limits are positive');

select results_eq($$ select workspace, sha256, read_only, per_minute, expires_ms from api.key_find(tap.id(1)) $$,
	$$ values ('w', sha256('1'), false, null::integer, null::bigint) $$, 'it is found');
select is((select last_used_at from app.api_key where id = tap.id(1)), date_trunc('hour', now()), 'which is noted, to the hour');
select is((select last_used_at from app.api_key where id = tap.id(2)), null, 'and of no other');
select is_empty($$ select * from api.key_find(tap.id(77)) $$, 'another isn''t');
select tap.add(3, p_read_only => true, p_per_minute => 60, p_expires => '1 hour') as done \gset
select is((select array[read_only::text, per_minute::text, (expires_ms > app.ms(now()))::text] from api.key_find(tap.id(3))), array['true', '60', 'true'], 'with its limits');
select tap.add(4, p_expires => '-1 second') as done \gset
select is_empty($$ select * from api.key_find(tap.id(4)) $$, 'one that has expired opens nothing');
select results_eq($$ select id from api.keys_live(array[tap.id(1), tap.id(2), tap.id(3), tap.id(4), tap.id(77)]) order by 1 $$,
	$$ values (tap.id(1)), (tap.id(2)), (tap.id(3)) $$, 'those that live are told apart');
select results_eq($$ select id, sealed from api.keys_sealed('w') $$, $$ values (tap.id(1), 'sealed 1'), (tap.id(3), 'sealed 3') $$, 'and those that may have signed');
select results_eq($$ select name, expired, revoked_at is null from api.keys('w') $$,
	$$ values ('key 1', false, true), ('key 3', false, true), ('key 4', true, true) $$, 'all are listed');
select is((select count(*) from api.keys(null)), 4::bigint, 'of all workspaces too');

-- A host gets the key of the job's client with the job.
select is((select count(*) from pg_proc where proname = 'sandbox_submit' and pronamespace = 'api'::regnamespace), 1::bigint, 'there is one sandbox_submit');

-- Revoked.
select is(api.key_revoke('v', 'key 3'), null, 'no key of another workspace is revoked');
select is(api.key_revoke('w', 'key 3'), tap.id(3), 'one is, by name');
select is(api.key_revoke('w', 'key 3'), null, 'once');
select is(api.key_revoke('w', tap.id(4)), tap.id(4), 'or by id, one too that has expired');
select is_empty($$ select * from api.key_find(tap.id(3)) $$, 'it opens nothing');
select is_empty($$ select * from api.keys_live(array[tap.id(3)]) $$, 'nor does it live');
select is_empty($$ select * from api.keys_sealed('w') where id = tap.id(3) $$, 'nor sign');
select is((select sealed from app.api_key where id = tap.id(3)), null, 'what was sealed is gone');
select isnt((select revoked_at from api.keys('w') where id = tap.id(3)), null, 'it is listed as revoked');
select is(tap.add(5, p_name => 'key 3'), 'ok', 'its name is free again');
select results_eq($$ select name, live from report.keys where workspace = 'w' order by key_id $$,
	$$ values ('key 1', true), ('key 3', false), ('key 4', false), ('key 3', true) $$, 'DBAs see them all');

-- As many as there may be.
select is((select count(*) from generate_series(1001, 1099) n where tap.add(n, 'many') = 'ok'), 99::bigint, '99 more');
select is(tap.add(1100, 'many'), 'ok', 'the 100th');
select is(tap.add(1101, 'many'), 'too_many', 'and no more');
select is(tap.add(1101, 'few'), 'ok', 'but elsewhere');
select isnt(api.key_revoke('many', 'key 1001'), null, 'until one is revoked');
select is(tap.add(1102, 'many'), 'ok', 'then there is room');

-- Under another ENCRYPTION_KEY.
select is((select array_agg(id order by id) from api.keys_to_rekey(tap.id(2), 2)), array[tap.id(5), tap.id(1002)], 'pages by id, without those that were revoked');
select is(api.key_rekey(tap.id(1), 'sealed 2', 'x'), false, 'a text is replaced when it is still that one');
select is(api.key_rekey(tap.id(1), 'sealed 1', 'x'), true, 'it is');
select is((select sealed from app.api_key where id = tap.id(1)), 'x', 'and by the new one');

-- A workspace that is deleted.
select is(tap.add(2001, 'gone'), 'ok', 'a key of a workspace that is written to');
insert into app.workspace (slug) values ('gone');
select is(api.workspace_delete('gone'), 'ok', 'and deleted');
select isnt((select revoked_at from api.keys('gone')), null, 'opens no other one of that name');

select * from finish();
rollback;
