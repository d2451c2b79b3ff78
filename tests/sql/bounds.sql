-- Names: 1,024 bytes are taken, 1,025 and none are refused, and a byte counts as a byte.
begin;
select plan(42);

create temp table attempt (what text, call text, state text);
insert into attempt values
	('workspace', 'api.labels_save(%L, ''{}'')', '22023'),
	('session_create', 'api.session_create(''w'', %L, ''{}'')', '23514'),
	('session_save', 'api.session_save(''w'', %L, ''{}'')', '23514'),
	('source_create', 'api.source_create(''w'', %L, ''{}'')', '23514'),
	('source_save_config', 'api.source_save_config(''w'', %L, ''{}'')', '23514'),
	('source_save_guide', 'api.source_save_guide(''w'', %L, ''""'')', '23514'),
	('skill_save', 'api.skill_save(''w'', %L, ''""'', ''{}'')', '23514'),
	('plan_save''s session', 'api.plan_save(''w'', %L, ''p'', ''""'')', '23514'),
	('plan_save''s name', 'api.plan_save(''w'', ''s'', %L, ''""'')', '23514');
select lives_ok('select ' || format(call, repeat('é', 512)), what || ': 1,024 bytes') from attempt;
select throws_ok('select ' || format(call, repeat('é', 512) || 'x'), state, null, what || ': 1,025 bytes') from attempt;
select throws_ok('select ' || format(call, ''), state, null, what || ': empty') from attempt;
select throws_ok('select ' || format(call, null), case what when 'workspace' then '22023' else '23502' end, null, what || ': null') from attempt;

-- No row can be too big for its index with the longest incompressible names.
create function tap.noise(p_bytes integer) returns text language sql as $$
	select left(string_agg(md5(i::text || 'n'), ''), p_bytes) from generate_series(1, p_bytes / 32 + 1) i;
$$;
select lives_ok($$ select api.plan_save(tap.noise(1024), reverse(tap.noise(1024)), tap.noise(1024), '""') $$, 'the longest names fit into an index');

select lives_ok($$ select api.labels_save('w', '{}', p_request => tap.request('r', 1, repeat('c', 256))) $$, 'a client''s name of 256 bytes');
select throws_ok($$ select api.labels_save('w', '{}', p_request => tap.request('r', 1, repeat('c', 257))) $$, '23514', null, 'of 257 bytes');
select throws_ok($$ select api.labels_save('w', '{}', p_request => tap.request('r', 1, '')) $$, '23514', null, 'empty');
select is(tap.seq('w'), (select max(l.seq) from app.change_log l join app.workspace w on w.id = l.workspace_id where w.slug = 'w'), 'what was refused took no number');
select is((select count(*) from app.workspace where slug in ('', repeat('é', 512) || 'x')), 0::bigint, 'and made no workspace');

select * from finish();
rollback;
