-- Names: 1,024 bytes (of files 255) are taken, one more and none are refused, and a byte counts as a byte.
begin;
select plan(72);

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

-- Messages of a session.
create function tap.store(p_count integer, p_there integer) returns api.outcome language sql as $$
	select api.session_store('w', 'many', '{}', p_count => p_count, p_idx => array_agg(n), p_body => array_agg('0'::json))
		from generate_series(p_there, p_count - 1) n;
$$;
select throws_ok('select tap.store(100001, 0)', '54000', 'the session would have 100001 messages: at most 100000 are stored in one session', '100,001 messages');
select lives_ok('select tap.store(100000, 0)', '100,000 messages');
select throws_ok('select tap.store(100001, 100000)', '54000', null, 'one more');
insert into app.message (session_key, idx, sha256, body) select s.key, 100000, sha256('0'), '0' from app.session s where s.id = 'many';
update app.session set message_count = 100001 where id = 'many';
select lives_ok('select tap.store(100001, 100000)', 'a session of an earlier release that has more is saved');
select throws_ok('select tap.store(100002, 100001)', '54000', null, 'and doesn''t grow');
select is((select count(*) from app.message m join app.session s on s.key = m.session_key where s.id = 'many'), 100001::bigint, 'nor is anything lost');

-- Files.
create temp table upload (what text, call text, max integer, state text);
insert into upload values
	('a file''s workspace', 'api.file_put(%L, ''s'', ''downloads'', ''f'', gen_random_uuid(), 0, ''a/b'', sha256(''''))', 1024, '22023'),
	('a file''s session', 'api.file_put(''w'', %L, ''downloads'', ''f'', gen_random_uuid(), 0, ''a/b'', sha256(''''))', 255, '23514'),
	('a file''s name', 'api.file_put(''w'', ''s'', ''downloads'', %L, gen_random_uuid(), 0, ''a/b'', sha256(''''))', 255, '23514'),
	('an asset''s path', 'api.file_put(''w'', '''', ''assets'', %L, gen_random_uuid(), 0, ''a/b'', sha256(''''))', 1024, '23514'),
	('a MIME type', 'api.file_put(''w'', ''s'', ''downloads'', ''g'', gen_random_uuid(), 0, %L, sha256(''''))', 255, '23514');
select lives_ok('select ' || format(call, left(repeat('é', max / 2) || 'x', max - max / 2)), what || ': ' || max || ' bytes') from upload;
select throws_ok('select ' || format(call, left(repeat('é', (max + 1) / 2) || 'x', max + 1 - (max + 1) / 2)), state, null, what || ': ' || max + 1 || ' bytes') from upload;
select throws_ok('select ' || format(call, ''), state, null, what || ': empty') from upload;
select throws_ok('select ' || format(call, null), case state when '22023' then state else '23502' end, null, what || ': null') from upload;
select lives_ok($$ select api.file_put('w', '', 'assets', tap.noise(1024), gen_random_uuid(), 9, 'a/b', sha256('')) $$, 'the longest path fits into an index');
select throws_ok($$ select api.file_put('w', 's', 'downloads', 'h', gen_random_uuid(), -1, 'a/b', sha256('')) $$, '23514', null, 'a size below 0');
select throws_ok($$ select api.file_put('w', 's', 'downloads', 'h', gen_random_uuid(), 0, 'a/b', '\x00') $$, '23514', null, 'a SHA-256 of another length');
select throws_ok($$ select api.file_put('w', 's', 'assets', 'h', gen_random_uuid(), 0, 'a/b', sha256('')) $$, '23514', null, 'an asset of a session');

select * from finish();
rollback;
